"""Hours merged into blocks in which the same runs: long enough to keep what starts up, and few enough a day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.planning.periods import day_of
from optimiser.planning.problem import Problem

# A block is no longer than this, but for what a policy asks; where a day may not change at all, it lasts for ever.
LONGEST_HOURS = 48.0
# Beginnings of the first block that are tried, and periods times beginnings that are looked at in all.
BEGINNINGS = 24
PERIODS_LOOKED_AT = 10_000


def blocks_of(problem: Problem) -> np.ndarray:
    """Number of each period's block, shape (scenarios · periods,), under min_up_hours and max_schedule_changes_per_day.

    Σ hours · highest planned rate over the blocks is least, of those that begin one at the same period: a dynamic
    programme over the ends of blocks and how many end on that day. The horizon repeats, so a block may go over its end.
    Where nothing fits, as when units must run for longer than the horizon, all of it is one block.
    """
    if len(problem.scenarios) > 1:
        own = [blocks_of(problem.in_scenario(s)) for s in range(len(problem.scenarios))]
        first = np.cumsum([0, *(int(blocks.max()) + 1 for blocks in own[:-1])])
        return np.concatenate([blocks + at for blocks, at in zip(own, first.tolist(), strict=True)])
    policy = problem.policy
    least, most = policy.min_up_hours, policy.max_schedule_changes_per_day
    periods = len(problem.periods)
    if most is None and not (least and np.any(problem.hours < least - 1e-9)):
        return np.arange(periods)
    days = day_of([period.start for period in problem.periods], problem.hours)
    tried = max(1, min(BEGINNINGS, periods, PERIODS_LOOKED_AT // periods))
    found = [] if most == 0 else [_blocks(problem, days, begin, least, most) for begin in range(tried)]
    possible = [one for one in found if one is not None]
    if not possible:
        return np.zeros(periods, dtype=np.int64)
    return min(possible, key=lambda one: one[0])[1]


def _blocks(
    problem: Problem, days: Sequence[int], begin: int, least: float, most: int | None
) -> tuple[float, np.ndarray] | None:
    """The cost of the best blocks of which one begins at a period, and the blocks; None where there are none."""
    order = np.roll(np.arange(len(days)), -begin)
    hours, planned = problem.hours[order], problem.planned_rps[order]
    day = [days[p] for p in order.tolist()]
    ends = np.concatenate([[0.0], np.cumsum(hours)])
    counts = 1 if most is None else most
    # cost[b, k] of all up to b, where k blocks have begun on the day that b begins on, that at b among them.
    cost = np.full((len(hours) + 1, counts + 1), np.inf)
    came = np.zeros((len(hours) + 1, counts + 1, 2), dtype=np.int64)
    cost[0, 1] = 0.0
    longest = max(LONGEST_HOURS, 2 * least)
    for b in range(1, len(hours) + 1):
        first = int(np.searchsorted(ends, ends[b] - longest - 1e-9))
        highest = np.maximum.accumulate(planned[first:b][::-1])[::-1]
        usd = cost[first:b] + ((ends[b] - ends[first:b]) * highest)[:, None]
        usd[ends[b] - ends[first:b] < least - 1e-9] = np.inf
        same = np.array([most is not None and b < len(day) and day[a] == day[b] for a in range(first, b)])
        options = [(usd[~same], 1, None), *((usd[same, k - 1], k, k - 1) for k in range(2, counts + 1))]
        for values, k, before in options:
            if values.size and (low := float(values.min())) < cost[b, k]:
                at = int(values.argmin())
                rows = np.flatnonzero(same if before is not None else ~same)
                row, column = (rows[at], before) if before is not None else divmod(at, counts + 1)
                cost[b, k] = low
                came[b, k] = first + int(rows[row] if before is None else row), column
    # The day of the first block may be that of the last ones too: what changes there in all is checked, not priced.
    total, k = float(cost[-1].min()), int(cost[-1].argmin())
    if not np.isfinite(total):
        return None
    cuts, at = [], len(hours)
    while at > 0:
        at, k = came[at, k].tolist()
        cuts.append(at)
    began = np.zeros(len(hours), dtype=np.int64)
    began[cuts] = 1
    changes = np.bincount(np.unique(day, return_inverse=True)[1], began)
    if most is not None and changes.max() > most:
        return None
    block = np.empty(len(hours), dtype=np.int64)
    block[order] = np.cumsum(began) - 1
    return total, block
