"""From measured demand to the rate a period must carry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.planning.problem import Demand, Period
from optimiser.policy import Policy
from optimiser.workload import DemandPeriod

# The hours that the demand commitments are held to looks ahead, whatever start_up_hours is: that field's default.
COMMITTED_AHEAD_HOURS = 1


def planned_periods(courses: Sequence[Sequence[DemandPeriod]], policy: Policy) -> tuple[Period, ...]:
    """The periods with what each course of demand (a scenario each, all over the same periods) asks of them."""
    carried = [_carried_rps(demand, policy, policy.start_up_hours) for demand in courses]
    # Looking further ahead lets no more be committed, or a plan that does could cost less.
    usual = policy.start_up_hours == COMMITTED_AHEAD_HOURS
    committable = carried if usual else [_carried_rps(one, policy, COMMITTED_AHEAD_HOURS) for one in courses]
    return tuple(
        Period(
            start=period.start,
            hours=period.hours,
            demand=tuple(
                (
                    Demand(
                        mean_rps=demand[p].mean_rps,
                        planned_rps=rates[p],
                        committable_rps=None if usual else committed[p],
                    ),
                )
                for demand, rates, committed in zip(courses, carried, committable, strict=True)
            ),
        )
        for p, period in enumerate(courses[0])
    )


def _carried_rps(demand: Sequence[DemandPeriod], policy: Policy, ahead_hours: int) -> list[float]:
    """Each period's planned rate, req/s: its burst, or that of the next ahead_hours if higher.

    A burst is the highest 10-minute rate × burst_factor_over_10min_peak, or the mean ×
    burst_factor_over_hour_mean where only that is known; scheduled demand needs neither. Carrying what is
    about to come pays for machines while they start. The horizon repeats: its last period looks at its first.
    """
    burst = [_burst(period, policy) for period in demand]
    starts = np.concatenate([[0.0], np.cumsum([period.hours for period in demand])])
    carried = list(burst)
    for p in range(len(demand)):
        reach, following = starts[p + 1] + ahead_hours - 1e-9, p + 1
        while following < p + len(demand):
            begins = starts[following % len(demand)] + (starts[-1] if following >= len(demand) else 0.0)
            if begins >= reach or ahead_hours == 0:
                break
            carried[p] = max(carried[p], burst[following % len(demand)])
            following += 1
    return carried


def _burst(period: DemandPeriod, policy: Policy) -> float:
    if period.exact:
        return period.mean_rps
    if period.peak_10min_rps is not None:
        return max(period.peak_10min_rps, period.mean_rps) * policy.burst_factor_over_10min_peak
    return period.mean_rps * policy.burst_factor_over_hour_mean
