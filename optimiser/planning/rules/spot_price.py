"""What spot is paid at: risk priced in, below the ceiling and on demand. It is in the options, so it has no row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from optimiser.planning.offer_money import planned_spot_usd
from optimiser.planning.problem import Option, Problem, Purchase
from optimiser.planning.rules.rule import Term
from optimiser.planning.rules.view import TOLERANCE, PlanView
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
    faults = _risk_faults(policy, spot, planned)
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


def _risk_faults(policy: dict[str, Any], spot: dict[str, Any], planned: Decimal) -> list[str]:
    """a · (1 + hazard · replacement hours) = 1, and the planned price is a · expected + (1 − a) · on demand."""
    share, faults = float(spot["available_share"]), []
    hours = float(policy["spot_replacement_minutes"]) / 60
    if abs(share * (1 + float(spot["interruptions_per_hour"]) * hours) - 1) > TOLERANCE:
        faults.append(f"{share:.6g} of the time available does not follow from its interruptions")
    expected = float(spot["expected_usd_per_hour"])
    on_demand = spot["on_demand_usd_per_hour"]
    made = expected / share if on_demand is None else share * expected + (1 - share) * float(on_demand)
    if abs(float(planned) - made) > TOLERANCE:
        faults.append(f"planned at {planned} USD an hour, its parts make {made:.9g}")
    return faults


def price_in_words(policy: Policy) -> str:
    """What spot may cost."""
    parts = []
    if policy.spot_min_discount:
        parts.append(f"spot at least {policy.spot_min_discount * 100:g} % below on demand")
    if policy.spot_max_usd_per_hour is not None:
        parts.append(f"spot at most {policy.spot_max_usd_per_hour:g} USD an hour")
    if policy.spot_replacement_minutes:
        parts.append("interrupted spot paid on demand meanwhile")
    return ", ".join(parts)


def without_risk(problem: Problem) -> Problem:
    """The problem where spot costs what it is expected to and is never interrupted."""
    policy = problem.policy.model_copy(update={"spot_replacement_minutes": 0.0})
    return replace(problem, options=tuple(map(_uninterrupted, problem.options)), policy=policy)


def _uninterrupted(option: Option) -> Option:
    return replace(option, purchases=tuple(_at_its_price(one, option) for one in option.purchases))


def _at_its_price(purchase: Purchase, option: Option) -> Purchase:
    if purchase.spot is None:
        return purchase
    risk = float(planned_spot_usd(purchase.spot) - purchase.spot.expected_usd_per_hour)
    usd = purchase.billed - risk * option.estimate.setup.instances_per_unit
    certain = replace(purchase.spot, available_share=1.0)
    return replace(purchase, usd_per_unit_hour=usd, billed_usd_per_unit_hour=None, spot=certain)


PAY_FOR_SPOT = Term(
    name="pay_for_spot",
    verify=verify_pay_for_spot,
    limit=price_in_words,
    without=without_risk,
    eased="spot_replacement_minutes: 0",
)
