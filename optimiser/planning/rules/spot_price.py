"""What spot is paid at: under the ceiling, far enough below on demand. It is in the options, so it needs no row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from optimiser.planning.rules.view import PlanView
from optimiser.policy import Policy

# Prices are rounded to the nano-USD.
ROUNDING = Decimal("1e-9")


def verify_pay_for_spot(view: PlanView) -> list[str]:
    """Spot offers in use cost what their parts say, no less than their floor, and no more than the policy takes.

    A percentile or quote may be anything; a floor is spot_price_floor_share · on demand.
    """
    used = {view.offer_of(name)["id"]: view.offer_of(name) for name in view.used()}
    return [
        f"{offer_id}: {fault}"
        for offer_id, offer in used.items()
        if offer["tier"] == "spot" and offer["spot"]
        for fault in _faults(view.policy, offer)
    ]


def _faults(policy: dict[str, Any], offer: dict[str, Any]) -> list[str]:
    spot, planned = offer["spot"], Decimal(offer["planned_usd_per_hour"])
    expected, most = Decimal(spot["expected_usd_per_hour"]), policy["spot_max_usd_per_hour"]
    faults = []
    if planned != expected:
        faults.append(f"planned at {planned} USD an hour, its parts make {expected}")
    if most is not None and expected > Decimal(repr(most)):
        faults.append(f"{expected} USD an hour is above the ceiling of {most:g}")
    if spot["on_demand_usd_per_hour"] is None:
        return faults
    on_demand = Decimal(spot["on_demand_usd_per_hour"])
    below = (1 - Decimal(repr(policy["spot_min_discount"]))) * on_demand
    if planned > below or planned >= on_demand:
        faults.append(f"{planned} USD an hour is not far enough below the {on_demand} on demand")
    floor = Decimal(repr(policy["spot_price_floor_share"])) * on_demand
    if spot["price_basis"] != "percentile" and expected < floor - ROUNDING:
        faults.append(f"{expected} USD an hour is below the floor of {floor}")
    return faults


def price_in_words(policy: Policy) -> str:
    """What spot may cost."""
    parts = []
    if policy.spot_min_discount:
        parts.append(f"spot at least {policy.spot_min_discount * 100:g} % below on demand")
    if policy.spot_max_usd_per_hour is not None:
        parts.append(f"spot at most {policy.spot_max_usd_per_hour:g} USD an hour")
    return ", ".join(parts)
