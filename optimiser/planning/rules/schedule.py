"""How long an instance runs, how many start or stop within an hour, and how often a day the schedule changes.

Moves are counted per purchase: what goes over from spot to on demand stops and starts. Nothing tells one unit of a
purchase from another, so the fewest moves that lead from one period's count to the next are meant.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.periods import before, days, recent
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.rules.rule import UNITS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.schedule_rows import keep_up, limit_schedule_changes, limit_starts, limit_stops
from optimiser.planning.rules.view import PlanView, worst
from optimiser.policy import Policy


def verify_keep_up(view: PlanView) -> list[str]:
    """No count falls below what started in the hours that it must run."""
    hours = float(view.policy["min_up_hours"])
    faults = []
    for name in view.used() if hours else ():
        for units in _courses(view, name):
            for p, lately in enumerate(_lately(view, hours)):
                started = sum(max(units[q] - units[q - 1], 0) for q in lately)
                if started > units[p]:
                    text = f"period {p}: {units[p]} of {name} run, {started} started in the last {hours:g} h"
                    faults.append((float(started - units[p]), text))
    return worst(faults)


def verify_limit_starts(view: PlanView) -> list[str]:
    """Starts of an option within an hour."""
    return _moves_beyond(view, view.policy["max_starts_per_hour"], 1, "start")


def verify_limit_stops(view: PlanView) -> list[str]:
    """Stops of an option within an hour."""
    return _moves_beyond(view, view.policy["max_stops_per_hour"], -1, "stop")


def verify_limit_schedule_changes(view: PlanView) -> list[str]:
    """Hours of a day at which any count changes; of a horizon of whole days the last joins on to the first."""
    most = view.policy["max_schedule_changes_per_day"]
    if most is None:
        return []
    starts = [date.fromisoformat(str(period["start"])[:10]).toordinal() for period in view.plan["periods"]]
    whole = sum(float(period["hours"]) for period in view.plan["periods"]) / 24
    faults: list[tuple[int, str]] = []
    for courses in zip(*(_courses(view, name) for name in view.used()), strict=True):
        changes: dict[int, int] = defaultdict(int)
        for p, start in enumerate(starts):
            if any(units[p] != units[p - 1] for units in courses):
                changes[start % int(whole) if whole >= 1 and whole == int(whole) else start] += 1
        faults += [
            (n - most, f"the schedule changes {n} times on a day, {most} allowed") for n in changes.values()
        ]
    return worst([(float(beyond), text) for beyond, text in faults if beyond > 0])


def _courses(view: PlanView, name: str) -> list[list[int]]:
    """Units of a purchase per period, of each scenario."""
    periods = len(view.plan["periods"])
    return [view.units[name][at : at + periods] for at in range(0, len(view.hours), periods)]


def _lately(view: PlanView, span: float) -> list[list[int]]:
    """Periods that began less than span hours before each, itself among them; the horizon repeats."""
    hours = [float(period["hours"]) for period in view.plan["periods"]]
    found = []
    for p in range(len(hours)):
        q, age, inside = p, 0.0, []
        while age < span - 1e-9:
            inside.append(q % len(hours))
            q -= 1
            age += hours[q % len(hours)]
        found.append(inside)
    return found


def _moves_beyond(view: PlanView, most: int | None, sign: int, what: str) -> list[str]:
    if most is None:
        return []
    of_option = defaultdict(list)
    for name in view.used():
        of_option[view.purchases[name]["option"]].append(_courses(view, name))
    faults = []
    for option, purchases in of_option.items():
        for courses in zip(*purchases, strict=True):
            for p, lately in enumerate(_lately(view, 1.0)):
                within = sum(max(sign * (units[q] - units[q - 1]), 0) for units in courses for q in lately)
                if within > most:
                    text = f"period {p}: {within} of {option} {what} within an hour, {most} allowed"
                    faults.append((float(within - most), text))
    return worst(faults)


def up_in_words(policy: Policy) -> str:
    """The least time."""
    hours = policy.min_up_hours
    return f"what starts by the hour runs for {hours:g} h" if hours else ""


def starts_in_words(policy: Policy) -> str:
    """The most starts."""
    most = policy.max_starts_per_hour
    return "" if most is None else f"at most {most:,} of a type start within an hour"


def stops_in_words(policy: Policy) -> str:
    """The most stops."""
    most = policy.max_stops_per_hour
    return "" if most is None else f"at most {most:,} of a type stop within an hour"


def changes_in_words(policy: Policy) -> str:
    """The most changes."""
    most = policy.max_schedule_changes_per_day
    if most is None:
        return ""
    return (
        f"the schedule changes at most {most} time{'s' * (most != 1)} a day"
        if most
        else "no change of schedule"
    )


def up_slack(run: Running) -> Floats:
    """Units that run beyond those that must, of the purchase with fewest."""
    started = np.maximum(_moves(run), 0)
    lately = recent(run.problem, run.policy.min_up_hours or 1.0)
    must = np.array([started[periods].sum(axis=0) for periods in lately])
    return np.asarray((run.solution.units - must).min(axis=1), dtype=np.float64)


def starts_slack(run: Running) -> Floats:
    """Starts still possible within the hour, of the option with most."""
    return _moves_left(run, run.policy.max_starts_per_hour, 1)


def stops_slack(run: Running) -> Floats:
    """Stops still possible."""
    return _moves_left(run, run.policy.max_stops_per_hour, -1)


def changes_slack(run: Running) -> Floats:
    """Changes still possible on the day of each period."""
    most = run.policy.max_schedule_changes_per_day
    changed = (_moves(run) != 0).any(axis=1)
    _, day = np.unique(days(run.problem), return_inverse=True)
    return np.asarray((np.inf if most is None else most) - np.bincount(day, changed)[day], dtype=np.float64)


def _moves(run: Running) -> np.ndarray:
    """Units more than in the period before, shape (periods, columns)."""
    units = run.solution.units
    return np.asarray(units - units[before(run.problem)])


def _moves_left(run: Running, most: int | None, sign: int) -> Floats:
    moved = np.maximum(sign * _moves(run), 0)
    lately = recent(run.problem, 1.0)
    names = np.array([column.option.id for column in run.solution.columns])
    left = np.full(len(moved), np.inf)
    for name in np.unique(names) if most is not None else ():
        own = moved[:, names == name].sum(axis=1)
        left = np.minimum(left, most - np.array([own[periods].sum() for periods in lately]))
    return left


KEEP_UP = Rule(
    name="keep_up",
    rows=keep_up,
    scope="horizon",
    verify=verify_keep_up,
    limit=up_in_words,
    slack=up_slack,
    unit=UNITS,
    without=policy_with(min_up_hours=0.0),
    eased="min_up_hours: 0",
    always_priced=True,
)

LIMIT_STARTS = Rule(
    name="limit_starts",
    rows=limit_starts,
    scope="horizon",
    verify=verify_limit_starts,
    limit=starts_in_words,
    slack=starts_slack,
    unit=UNITS,
    without=policy_with(max_starts_per_hour=None),
    eased="max_starts_per_hour: null",
    always_priced=True,
)

LIMIT_STOPS = Rule(
    name="limit_stops",
    rows=limit_stops,
    scope="horizon",
    verify=verify_limit_stops,
    limit=stops_in_words,
    slack=stops_slack,
    unit=UNITS,
    without=policy_with(max_stops_per_hour=None),
    eased="max_stops_per_hour: null",
    always_priced=True,
)

LIMIT_SCHEDULE_CHANGES = Rule(
    name="limit_schedule_changes",
    rows=limit_schedule_changes,
    scope="horizon",
    verify=verify_limit_schedule_changes,
    limit=changes_in_words,
    slack=changes_slack,
    unit="changes",
    without=policy_with(max_schedule_changes_per_day=None),
    eased="max_schedule_changes_per_day: null",
    always_priced=True,
)

SCHEDULE_RULES = (KEEP_UP, LIMIT_STARTS, LIMIT_STOPS, LIMIT_SCHEDULE_CHANGES)


def schedule_rules(policy: Policy) -> tuple[Rule, ...]:
    """Those of them that a policy has."""
    return tuple(rule for rule in SCHEDULE_RULES if rule.limit(policy))


def keeps_schedule(problem: Problem, solution: Solution) -> bool:
    """Whether a solution keeps them."""
    rules = schedule_rules(problem.policy)
    if not rules or not solution.columns:
        return True
    run = Running.of(problem, solution)
    return all(rule.slack is None or float(rule.slack(run).min()) >= 0 for rule in rules)
