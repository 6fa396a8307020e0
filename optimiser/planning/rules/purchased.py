"""What a plan says of each purchase follows from its counts, its offer and the hours."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from optimiser.planning.rules.money import CENT
from optimiser.planning.rules.view import HOURS_PER_MONTH, TOLERANCE, PlanView


def verify_purchases(view: PlanView) -> list[str]:
    """Units are those of the counts over the periods of all scenarios, the month's money what they cost as expected,
    and a commitment's money that of the whole contract, for the instances of all its units:

        monthly_usd = Σ probability × units × hours × instances_per_unit × planned_usd_per_hour × 730 / horizon hours
        contract_value_usd = amortised_usd_per_hour × term_months × 730 × instances
        upfront_usd = the offer's upfront_usd × instances
        loss_if_ended_half_way_usd = contract_value_usd / 2

    What a service pays of machines shared with others ("shared") is split by another rule and not checked here.
    """
    faults = []
    for name, row in view.purchases.items():
        faults += [f"purchases: {name}: {fault}" for fault in _unit_faults(view, row)]
        right = {} if view.how(name) == "shared" else {"monthly_usd": _monthly_usd(view, name)}
        stated = row
        if row["commitment"] is not None:
            right |= _contract(view, name)
            stated = {**row, **row["commitment"]}
        faults += [
            f"purchases: {name}: {part} is {stated[part]}, not {usd:.2f}"
            for part, usd in right.items()
            if not abs(Decimal(stated[part]) - usd) < CENT
        ]
        if (view.how(name) == "commitment") != (row["commitment"] is not None):
            faults.append(f"purchases: {name}: is {row['how']}, its commitment is {row['commitment']}")
    return faults


def _unit_faults(view: PlanView, row: dict[str, Any]) -> Iterator[str]:
    units = view.units[row["id"]]
    mean = sum(n * hours for n, hours in zip(units, view.hours, strict=True)) / sum(view.hours)
    right = {"min_units": min(units), "mean_units": mean, "max_units": max(units)}
    for part, count in right.items():
        if not abs(row[part] - count) <= TOLERANCE * max(count, 1.0):
            yield f"{part} is {row[part]}, not {count:g}"


def _monthly_usd(view: PlanView, name: str) -> Decimal:
    """What a purchase is expected to cost a month of 730 h, USD."""
    lengths = [_exact(period["hours"]) for period in view.plan["periods"]]
    usd = Decimal(0)
    for number, scenario in enumerate(view.plan["scenarios"]):
        first = number * len(lengths)
        units = view.units[name][first : first + len(lengths)]
        run = sum((n * hours for n, hours in zip(units, lengths, strict=True)), Decimal(0))
        usd += _exact(scenario["probability"]) * run
    each = int(view.option_of(name)["instances_per_unit"]) * Decimal(
        view.offer_of(name)["planned_usd_per_hour"]
    )
    return usd * each * HOURS_PER_MONTH / sum(lengths, Decimal(0))


def _contract(view: PlanView, name: str) -> dict[str, Decimal]:
    """USD over the whole term of a commitment."""
    offer = view.offer_of(name)
    instances = max(view.units[name]) * view.option_of(name)["instances_per_unit"]
    value = Decimal(offer["amortised_usd_per_hour"]) * offer["term_months"] * HOURS_PER_MONTH * instances
    return {
        "contract_value_usd": value,
        "upfront_usd": Decimal(offer["upfront_usd"]) * instances,
        "loss_if_ended_half_way_usd": value / 2,
    }


def _exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))
