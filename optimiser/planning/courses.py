"""What a course of hours costs at least that must keep the rules on the schedule, given what each hour costs alone.

Beside a constant fleet an hour p costs at least v[p] USD an hour whatever runs by the hour. Of all courses y ≥ v of
what is spent by the hour that a rule leaves open the cheapest bounds every plan beside that fleet.

Changes a day: between changes the same runs, so y is constant there, at no less than the highest v:

    min over ways to part the horizon, at most K changes on each day, of  Σ parts  hours · max v

Minimum up-time: each unit's price goes into y as it starts, so with σ the starts in USD an hour

    min Σ hours[p] · y[p]      y ≥ v,   σ[p] ≥ y[p] − y[p − 1],   Σ_{q begun in the min_up_hours up to p} σ[q] ≤ y[p]

a linear programme with v on its right-hand side alone: its dual prices λ bound it for any other v by Σ λ · v.
"""

from __future__ import annotations

import numpy as np

from optimiser.planning.periods import before, day_of, lengths, recent
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.solve import Programme

# A part longer than this may be parted once more without counting as a change, which only lowers the bound.
LONGEST_HOURS = 48.0
# Prices are taken this much lower than the solver says, for its tolerance.
PRICE_TOLERANCE = 1e-7


def held_between_changes(problem: Problem, usd: Floats, begins: int = 1) -> Floats:
    """The least of the courses under max_schedule_changes_per_day, USD over the horizon, shape (fleets,).

    usd is what an hour of each period costs beside each fleet at least, shape (fleets, scenarios · periods). The bound
    is the highest of so many, each from the beginning of another day.
    """
    most, periods = problem.policy.max_schedule_changes_per_day, len(problem.periods)
    if most is None:
        return np.asarray(usd @ problem.hours)
    total = np.zeros(len(usd))
    for s, scenario in enumerate(problem.scenarios):
        own = usd[:, s * periods : (s + 1) * periods]
        total += scenario.probability * _held(problem, own, most, begins)
    return total


def _held(problem: Problem, usd: Floats, most: int, begins: int) -> Floats:
    """The same of one scenario.

    The horizon is begun at a change or within the part that goes over its end, at the beginning of a day, so that the
    changes of each day are counted in one piece; of a single day at its dearest hour, which makes the bound exact.
    """
    hours = lengths(problem)
    if most == 0:
        return np.asarray(usd.max(axis=1) * hours.sum())
    day = np.array(day_of([period.start for period in problem.periods], hours))
    first_of_day = np.flatnonzero(day != np.roll(day, 1))
    tried = first_of_day if len(first_of_day) else np.arange(len(day))
    dearest = tried[np.argsort(-usd[:, tried].mean(axis=0), kind="stable")]
    found = [
        _held_from(np.roll(usd, -begin, axis=1), np.roll(hours, -begin), np.roll(day, -begin), most)
        for begin in dearest[: begins if len(first_of_day) else 1].tolist()
    ]
    return np.asarray(np.max(found, axis=0))


def _held_from(usd: Floats, hours: Floats, day: np.ndarray, most: int) -> Floats:
    """The same from the first period on: a dynamic programme over (end of a part, changes on that day)."""
    ends = np.concatenate([[0.0], np.cumsum(hours)])
    day_began = np.array([int(np.argmax(day == one)) for one in day])
    # Courses in which the first part goes on from the last one, and then those that begin with a change.
    n, last = len(usd), len(hours)
    cost = np.full((2 * n, last + 1, most + 1), np.inf)
    cost[:n, 0, 0] = cost[n:, 0, 1] = 0.0
    least = cost.min(axis=2)
    highest = np.zeros((2 * n, last))
    firsts = np.minimum(np.searchsorted(ends, ends - LONGEST_HOURS - 1e-9), np.arange(-1, last))
    for b in range(1, last + 1):
        first = int(firsts[b])
        here = highest[:, first:b]
        np.maximum(here, np.tile(usd[:, b - 1], 2)[:, None], out=here)
        if b == last:
            here[:n] = np.maximum(here[:n], usd[:, :1])
        part = (ends[b] - ends[first:b]) * here
        until = least[:, first:b] + part
        if b == last:
            break
        same = max(int(day_began[b]), first)
        if same > first:
            cost[:, b, 1] = until[:, : same - first].min(axis=1)
        if same < b:
            counted = (cost[:, same:b] + part[:, same - first :, None]).min(axis=1)
            cost[:, b, 1:] = np.minimum(cost[:, b, 1:], counted[:, :-1])
        for a in range(first, int(firsts[b + 1])):
            free = cost[:, a] + part[:, [a - first]] if a >= same else until[:, [a - first]]
            cost[:, b, : free.shape[1]] = np.minimum(cost[:, b, : free.shape[1]], free)
        least[:, b] = cost[:, b].min(axis=1)
    closed = until.min(axis=1)
    return np.asarray(np.minimum(closed[:n], closed[n:]))


def kept_up(problem: Problem, usd: Floats) -> Floats:
    """Prices λ of the periods such that Σ λ · v bounds the courses under min_up_hours for whatever v; best for usd.

    usd and λ have the shape (scenarios · periods,); λ is in hours. Those of the plain sum where the solver stops early.
    """
    periods = range(len(usd))
    programme = Programme("kept_up")
    spent = [programme.variable(f"spent_{p}") for p in periods]
    started = [programme.variable(f"started_{p}") for p in periods]
    lately = recent(problem, problem.policy.min_up_hours)
    for p, earlier in enumerate(before(problem).tolist()):
        programme.row(f"least_{p}", [(spent[p], 1.0)], ">=", float(usd[p]))
        if earlier != p:
            programme.row(
                f"starts_{p}", [(started[p], 1.0), (spent[p], -1.0), (spent[earlier], 1.0)], ">=", 0
            )
        times = np.bincount(lately[p], minlength=len(usd))
        terms = [(started[q], float(times[q])) for q in np.flatnonzero(times).tolist()]
        programme.row(f"up_{p}", [*terms, (spent[p], -1.0)], "<=", 0)
    programme.minimise(list(zip(spent, problem.hours.tolist(), strict=True)))
    if programme.solve().status != "optimal":
        return problem.hours
    prices = np.array([programme.price(f"least_{p}") for p in periods])
    lower: Floats = np.maximum(prices, 0.0) * (1 - PRICE_TOLERANCE)
    return lower
