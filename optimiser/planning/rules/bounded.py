"""What a plan is held against: its own cost as it was weighed, which its bound may not exceed, and the gap between."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.rules.charges import egress, surge
from optimiser.planning.rules.view import HOURS_PER_MONTH, TOLERANCE, PlanView

_CENT = 0.01
_GAP_DIGIT = 1e-9


def verify_bound(view: PlanView) -> list[str]:
    """plan_usd is the plan's cost as weighed, value_usd no more than that, and gap = plan_usd / value_usd − 1, as near
    as two amounts rounded to the cent tell. Without a bound, or in older plans without plan_usd, nothing is checked."""
    bound = view.plan.get("bound")
    if bound is None or bound["plan_usd"] is None:
        return []
    right = weighed_usd(view) * HOURS_PER_MONTH / _horizon_hours(view)
    faults = gap_faults(bound)
    if not abs(float(bound["plan_usd"]) - right) <= _CENT + TOLERANCE * right:
        faults.insert(0, f"bound: plan_usd is {bound['plan_usd']}, its counts come to {right:.2f} as weighed")
    return faults


def gap_faults(bound: dict[str, Any]) -> list[str]:
    """What is wrong between a bound's plan_usd, value_usd and gap."""
    stated, value, gap = (float(bound[name]) for name in ("plan_usd", "value_usd", "gap"))
    faults = []
    if not value <= stated + _CENT + TOLERANCE * stated:
        faults.append(f"bound: value_usd is {bound['value_usd']}, beyond the plan's {bound['plan_usd']}")
    if value <= 0:
        # A bound below half a cent leaves no gap to tell.
        return faults + ([f"bound: gap is {gap}"] if not gap >= 0 else [])
    between = max(stated / value - 1, 0.0)
    if not abs(gap - between) <= _GAP_DIGIT + _CENT * (2 + between) / value:
        faults.append(f"bound: gap is {gap}, from value_usd to plan_usd it is {between:.9f}")
    return faults


def weighed_usd(view: PlanView) -> float:
    """What a plan costs over the horizon as the search compares it, expected over its scenarios, USD: instances at
    their weighed_usd_per_hour, their overhead per node, charges beside them and the price of carbon.

    Each scenario spends with a provider what is promised to it, or more.
    """
    months = _horizon_hours(view) / HOURS_PER_MONTH
    per_kg = float(view.policy["carbon_usd_per_tonne"]) / KG_PER_TONNE
    usd = per_kg * months * sum(float(row["kg_co2e_monthly"]) for row in view.plan.get("carbon", []))
    for number, scenario in enumerate(view.plan["scenarios"]):
        spent = _spent(view, number)
        for charged in (surge(view), egress(view, number)):
            for provider, monthly in charged.items():
                spent[provider] += monthly * months
        for provider, monthly in view.policy["minimum_monthly_usd_by_provider"].items():
            spent[provider] = max(spent[provider], float(monthly) * months)
        usd += float(scenario["probability"]) * sum(spent.values())
    return usd


def _spent(view: PlanView, scenario: int) -> dict[str, float]:
    """USD over the horizon of a scenario's instances as weighed and their nodes, by provider."""
    per_node = float(view.policy["overheads"]["usd_per_node_hour"])
    months = _horizon_hours(view) / HOURS_PER_MONTH
    spent: dict[str, float] = defaultdict(float)
    for name, hours in view.instance_hours_a_month(scenario).items():
        each = float(view.offer_of(name)["weighed_usd_per_hour"] or 0) + per_node
        spent[view.option_of(name)["provider"]] += each * hours * months
    return spent


def _horizon_hours(view: PlanView) -> float:
    return sum(float(period["hours"]) for period in view.plan["periods"])
