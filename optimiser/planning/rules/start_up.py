"""What is bought by the hour serves by the hour: its start takes no longer than the schedule looks ahead."""

from __future__ import annotations

from optimiser.planning.rules.rule import Term
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy


def verify_start_in_time(view: PlanView) -> list[str]:
    """No option that starts later is bought by the hour or on spot, and what is held for that runs all along."""
    hours = float(view.policy["start_up_hours"])
    faults = []
    for name in view.used() if hours else ():
        option = view.option_of(name)
        minutes = option["start_up_minutes"]
        if view.how(name) in ("on_demand", "spot") and (minutes or 0) > hours * 60 + TOLERANCE:
            faults.append(f"{name} takes {minutes:g} min to start, the schedule looks {hours:g} h ahead")
        elastic, runs = option["obtainability"] == "elastic", view.units[name]
        if view.how(name) == "held_on_demand" and elastic and len(set(runs)) != 1:
            faults.append(f"{name} is held but runs {min(runs)} to {max(runs)} units")
    return faults


def in_words(policy: Policy) -> str:
    """How far ahead a start is planned."""
    hours = policy.start_up_hours
    return f"what takes over {hours:g} h to start runs all along" if hours else ""


START_IN_TIME = Term(name="start_in_time", verify=verify_start_in_time, limit=in_words)
