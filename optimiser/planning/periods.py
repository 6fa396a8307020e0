"""Which periods follow which, and on what day: the horizon repeats, so its last period comes before its first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from optimiser.planning.problem import Floats, Problem


def lengths(problem: Problem) -> Floats:
    """Hours of each period, shape (periods,), whatever the probability of a scenario."""
    return np.array([period.hours for period in problem.periods], dtype=np.float64)


def before(problem: Problem) -> np.ndarray:
    """The period before each, in its own scenario; shape (scenarios · periods,) as all here."""
    at = np.arange(len(problem.hours))
    within = at % len(problem.periods)
    return np.asarray(at - within + (within - 1) % len(problem.periods))


def recent(problem: Problem, span_h: float) -> list[list[int]]:
    """begun_within of each scenario."""
    one, periods = begun_within(lengths(problem), span_h), len(problem.periods)
    return [[s * periods + q for q in began] for s in range(len(problem.scenarios)) for began in one]


def days(problem: Problem) -> np.ndarray:
    """day_of of each scenario, a day of one being another than that of the next."""
    one = np.array(day_of([period.start for period in problem.periods], lengths(problem)))
    return np.concatenate([one + s * (int(one.max()) + 1) for s in range(len(problem.scenarios))])


def begun_within(hours: Floats, span_h: float) -> list[list[int]]:
    """For each period those that began less than span_h hours before it, itself first.

    Where a span is longer than the horizon, a period is listed once for each time that it comes round.
    """
    found = []
    for p in range(len(hours)):
        began, before, since = [p], p - 1, float(hours[p - 1])
        while since < span_h - 1e-9:
            began.append(before % len(hours))
            before -= 1
            since += float(hours[before % len(hours)])
        found.append(began)
    return found


def day_of(starts: Sequence[datetime], hours: Floats) -> list[int]:
    """Number of the calendar day (UTC) that each period begins on.

    Of a horizon of whole days that begins within a day, the last hours are of the same day as the first: it repeats.
    """
    days, rest = divmod(float(hours.sum()), 24.0)
    ordinals = [start.toordinal() for start in starts]
    return [ordinal % int(days) for ordinal in ordinals] if days and not rest else ordinals
