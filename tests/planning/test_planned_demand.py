"""From measured demand to the rate a period carries, by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from planning_cases import MONDAY

from optimiser.planning.planned_demand import planned_periods
from optimiser.policy import Policy
from optimiser.workload import DemandPeriod

STILL = Policy(start_up_hours=0)


def demand(*rows: tuple[float, float], exact: bool = False, peaks: bool = False) -> list[DemandPeriod]:
    """(hours, mean) or, with peaks, (hours, highest 10-minute rate) one after the other."""
    periods, start = [], MONDAY
    for hours, rate in rows:
        peak = rate if peaks else None
        mean = rate / 2 if peaks else rate
        periods.append(
            DemandPeriod(start=start, hours=hours, mean_rps=mean, peak_10min_rps=peak, exact=exact)
        )
        start += timedelta(hours=hours)
    return periods


def carried(rows: list[DemandPeriod], policy: Policy) -> list[float]:
    return [period.demand[0][0].planned_rps for period in planned_periods([rows], policy)]


def test_a_mean_is_planned_at_one_point_four_and_a_peak_at_one_point_two() -> None:
    assert carried(demand((1, 10), (1, 20)), STILL) == pytest.approx([14, 28])
    assert carried(demand((1, 10), (1, 20), peaks=True), STILL) == pytest.approx([12, 24])


def test_a_peak_below_the_mean_counts_as_the_mean() -> None:
    odd = DemandPeriod(start=MONDAY, hours=1, mean_rps=10, peak_10min_rps=3)
    assert carried([odd], STILL) == pytest.approx([12])


def test_scheduled_demand_is_planned_as_it_is() -> None:
    assert carried(demand((1, 10), (1, 20), exact=True), STILL) == [10, 20]


def test_an_hour_carries_the_next_and_the_last_the_first() -> None:
    rows = demand((1, 5), (1, 1), (1, 9), (1, 2), exact=True)
    assert carried(rows, Policy(start_up_hours=1)) == [5, 9, 9, 5]


def test_three_hours_ahead() -> None:
    rows = demand((1, 1), (1, 2), (1, 3), (1, 9), (1, 4), (1, 1), exact=True)
    assert carried(rows, Policy(start_up_hours=3)) == [9, 9, 9, 9, 4, 3]


def test_only_periods_that_begin_within_the_start_up_count() -> None:
    quarter_hours = demand(*[(0.25, rate) for rate in (1, 2, 3, 4, 5, 6, 1, 1)], exact=True)
    assert carried(quarter_hours, Policy(start_up_hours=1)) == [5, 6, 6, 6, 6, 6, 3, 4]
    long = demand((6, 1), (6, 5), (6, 9), (6, 2), exact=True)
    assert carried(long, Policy(start_up_hours=1)) == [5, 9, 9, 2]
    assert carried(long, Policy(start_up_hours=6)) == [5, 9, 9, 2]
    assert carried(long, Policy(start_up_hours=7)) == [9, 9, 9, 5]


def test_a_look_ahead_longer_than_the_horizon_sees_everything_once() -> None:
    rows = demand((1, 3), (1, 7), exact=True)
    assert carried(rows, Policy(start_up_hours=24)) == [7, 7]
    assert carried(demand((1, 3), exact=True), Policy(start_up_hours=24)) == [3]


def test_everything_else_of_a_period_stays() -> None:
    rows = demand((1, 10), (0.5, 20))
    for before, after in zip(rows, planned_periods([rows], Policy()), strict=True):
        assert (after.start, after.hours, after.demand[0][0].mean_rps) == (
            before.start,
            before.hours,
            before.mean_rps,
        )


def test_commitments_are_held_to_the_next_hour_however_far_a_plan_looks_ahead() -> None:
    rows = demand((1, 5), (1, 1), (1, 2), (1, 9), exact=True)

    def committable(hours: int) -> list[float | None]:
        return [
            period.demand[0][0].committable_rps
            for period in planned_periods([rows], Policy(start_up_hours=hours))
        ]

    assert committable(1) == [None] * 4
    assert committable(0) == committable(3) == [5, 2, 9, 9]
