"""Hours merged into blocks in which the same runs: long enough to keep what starts up, and few enough a day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimiser.planning.periods import day_of, lengths
from optimiser.planning.problem import Floats, Problem

# A block is no longer than this, but for what a policy asks; where a day may not change at all, it lasts for ever.
LONGEST_HOURS = 48.0
# Beginnings of the first block that are tried, and periods times beginnings that are looked at in all.
BEGINNINGS = 24
PERIODS_LOOKED_AT = 1_400


def any_blocks(problem: Problem) -> bool:
    """Whether the policy has a limit that blocks keep: changes a day, or up-time beyond a period."""
    policy = problem.policy
    longer = bool(policy.min_up_hours and np.any(lengths(problem) < policy.min_up_hours - 1e-9))
    return longer or policy.max_schedule_changes_per_day is not None


def blocks_of(problem: Problem, weight: Floats | None = None) -> np.ndarray:
    """Number of each period's block, shape (scenarios · periods,), under min_up_hours and max_schedule_changes_per_day.

    Σ hours · highest weight over the blocks is least, of those that begin one at the same period: a dynamic
    programme over the ends of blocks and how many end on that day. The horizon repeats, so a block may go over its end.
    Where nothing fits, as when units must run for longer than the horizon, all of it is one block. weight is what an
    hour of each period asks, in any unit: its planned rate unless given.
    """
    weight = problem.planned_rps if weight is None else weight
    if len(problem.scenarios) > 1:
        parts = np.split(weight, len(problem.scenarios))
        own = [blocks_of(problem.in_scenario(s), part) for s, part in enumerate(parts)]
        first = np.cumsum([0, *(int(blocks.max()) + 1 for blocks in own[:-1])])
        return np.concatenate([blocks + at for blocks, at in zip(own, first.tolist(), strict=True)])
    policy = problem.policy
    least, most = policy.min_up_hours, policy.max_schedule_changes_per_day
    periods = len(problem.periods)
    if not any_blocks(problem):
        return np.arange(periods)
    days = day_of([period.start for period in problem.periods], problem.hours)
    tried = max(1, min(BEGINNINGS, periods, PERIODS_LOOKED_AT // periods))
    found = (
        [] if most == 0 else [_blocks(problem, weight, days, begin, least, most) for begin in range(tried)]
    )
    possible = [one for one in found if one is not None]
    if not possible:
        return np.zeros(periods, dtype=np.int64)
    return min(possible, key=lambda one: one[0])[1]


def _blocks(
    problem: Problem, weight: Floats, days: Sequence[int], begin: int, least: float, most: int | None
) -> tuple[float, np.ndarray] | None:
    """The cost of the best blocks of which one begins at a period, and the blocks; None where there are none."""
    order = np.roll(np.arange(len(days)), -begin)
    hours, asked, day = problem.hours[order], weight[order], np.array(days)[order]
    ends = np.concatenate([[0.0], np.cumsum(hours)])
    new_day = np.concatenate([[True], np.diff(day) != 0, [True]])
    day_began = np.maximum.accumulate(np.where(new_day, np.arange(len(ends)), 0))
    firsts = np.searchsorted(ends, ends - max(LONGEST_HOURS, 2 * least) - 1e-9)
    lasts = np.searchsorted(ends, ends - least + 1e-9)
    # Without a limit on changes every block is the first of its day.
    counts = 1 if most is None else most
    # cost[b, k] of all up to b, where k blocks have begun on the day that b begins on, that at b among them.
    cost = np.full((len(ends), counts + 1), np.inf)
    came = np.zeros((len(ends), counts + 1, 2), dtype=np.int64)
    cost[0, 1] = 0.0
    for b in range(1, len(ends)):
        last = min(int(lasts[b]), b)
        first = min(int(firsts[b]), b - 1)
        if last <= first:
            continue
        highest = np.maximum.accumulate(asked[first:b][::-1])[::-1]
        usd = cost[first:last] + ((ends[b] - ends[first:last]) * highest[: last - first])[:, None]
        same = last if most is None else min(max(int(day_began[b]), first), last)
        if same > first:
            at, k = divmod(int(usd[: same - first].argmin()), counts + 1)
            cost[b, 1], came[b, 1] = usd[at, k], (first + at, k)
        if same < last and counts > 1:
            on_day = usd[same - first :, 1:counts]
            cost[b, 2:] = on_day.min(axis=0)
            came[b, 2:, 0] = same + on_day.argmin(axis=0)
            came[b, 2:, 1] = np.arange(1, counts)
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
