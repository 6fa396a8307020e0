"""Scenarios are all that may come, and each costs what runs in it."""

from __future__ import annotations

import math

from optimiser.planning.rules.charges import egress, surge, unspent
from optimiser.planning.rules.view import TOLERANCE, PlanView

# Instances, three kinds of charges and overheads are rounded to a cent each.
ROUNDING_USD = 0.04


def verify_scenarios(view: PlanView) -> list[str]:
    """Probabilities add up to 1, and a scenario's month is its instances and charges, with overheads on them.

    Older plans do not say what their scenarios cost.
    """
    scenarios = view.plan["scenarios"]
    total = math.fsum(float(scenario["probability"]) for scenario in scenarios)
    faults = [f"scenarios: their probabilities add up to {total:g}"] if abs(total - 1) > TOLERANCE else []
    for number, scenario in enumerate(scenarios):
        if scenario["monthly_usd"] is None:
            continue
        right = _month(view, number)
        if abs(float(scenario["monthly_usd"]) - right) > ROUNDING_USD + TOLERANCE:
            said = f"{scenario['monthly_usd']} USD a month, its counts cost {right:.2f}"
            faults.append(f"scenarios: {scenario['name']}: {said}")
    return faults


def _month(view: PlanView, scenario: int) -> float:
    overheads = view.policy["overheads"]
    charges = (unspent(view, scenario), surge(view), egress(view, scenario))
    billed, nodes = sum(sum(owed.values()) for owed in charges), 0.0
    for name, hours in view.instance_hours_a_month(scenario).items():
        billed += hours * float(view.offer_of(name)["planned_usd_per_hour"])
        nodes += hours * float(overheads["usd_per_node_hour"])
    return billed * (1 + float(overheads["percent"]) / 100) + nodes + float(overheads["usd_per_month"])
