"""A stage's own days of a demand that is dated: the demand of each, where its dates say it.

A demand's dates are taken at their word where its periods cover the days planned, from the day after the plan's own:
what was measured before, or is of a week that stands for all, says nothing of a day to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from optimiser.workload import DemandPeriod, Workload


def covers(workload: Workload, as_of: date, days: int) -> bool:
    """Whether the demand's own periods are those of the days planned, but for less than a day at their end."""
    last = workload.periods[-1]
    ends = last.start + timedelta(hours=last.hours)
    begins = _midnight(as_of + timedelta(days=1))
    return workload.periods[0].start <= begins and ends > begins + timedelta(days=days - 1)


def on_days(workload: Workload, first: date, until: date | None) -> Workload | None:
    """The workload with the demand of these days alone, UTC, both included (until None: of all from the first on); None
    where a period runs over a border."""
    begins = _midnight(first)
    ends = None if until is None else _midnight(until + timedelta(days=1))
    periods = _within(workload.periods, begins, ends)
    courses = [_within(one.periods, begins, ends) for one in workload.scenarios]
    if periods is None or None in courses:
        return None
    scenarios = tuple(
        replace(one, periods=course)
        for one, course in zip(workload.scenarios, courses, strict=True)
        if course is not None
    )
    return replace(workload, periods=periods, scenarios=scenarios)


def _within(
    periods: Sequence[DemandPeriod], begins: datetime, ends: datetime | None
) -> tuple[DemandPeriod, ...] | None:
    kept = tuple(one for one in periods if begins <= one.start and (ends is None or one.start < ends))
    if not kept or kept[0].start != begins:
        return None
    over = kept[-1].start + timedelta(hours=kept[-1].hours)
    return kept if ends is None or over == ends else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
