"""A plan's total is what its counts cost at its prices, expected over its scenarios."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

CENT = Decimal("0.01")


def verify_money(plan: dict[str, Any]) -> list[str]:
    """Recomputes the horizon's cost from counts, offers, hours and probabilities in decimals, and adds up the month.

    horizon_usd = Σ probability × units × instances_per_unit × planned_usd_per_hour × hours
    charges_monthly_usd = Σ charges
    total_monthly_usd = instances + overheads + Σ charges
    """
    if "totals" not in plan:
        return []
    options = {option["id"]: option for option in plan["options"]}
    offers = {offer["id"]: offer for offer in plan["offers"]}
    hours = [Decimal(repr(float(period["hours"]))) for period in plan["periods"]]
    shares = [Decimal(repr(float(scenario["probability"]))) for scenario in plan["scenarios"]]
    unit_hours: dict[str, Decimal] = defaultdict(Decimal)
    for row in plan["counts"]:
        unit_hours[row["purchase"]] += row["units"] * hours[row["period"]] * shares[row["scenario"]]
    total = Decimal(0)
    for purchase in plan["purchases"]:
        price = Decimal(offers[purchase["offer"]]["planned_usd_per_hour"])
        instances = options[purchase["option"]]["instances_per_unit"]
        total += unit_hours[purchase["id"]] * instances * price
    totals = {name: Decimal(value) for name, value in plan["totals"].items() if name.endswith("_usd")}
    stated, faults = totals["horizon_usd"], []
    if not abs(total - stated) < CENT:
        faults.append(f"money: horizon_usd is {stated}, its counts cost {total}")
    charges = sum((Decimal(row["monthly_usd"]) for row in plan.get("charges", [])), Decimal(0))
    # Older plans do not say it.
    if totals.get("charges_monthly_usd", charges) != charges:
        faults.append(
            f"money: charges_monthly_usd is {totals['charges_monthly_usd']}, its charges are {charges}"
        )
    month = totals["monthly_usd"] + totals["overheads_monthly_usd"] + charges
    if month != totals["total_monthly_usd"]:
        faults.append(f"money: total_monthly_usd is {totals['total_monthly_usd']}, its parts are {month}")
    return faults
