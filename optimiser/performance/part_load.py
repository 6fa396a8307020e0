"""Up to which load a target holds at every lower load, too.

The time per token is not always longer at more load: a short prompt alone has a mixture of experts read nearly all of
its weights, which more of them in a step share. Where they hardly ever do, answers of a few tokens may take longer.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import Flags
from optimiser.performance.token_times import TokenTimes, each_quantile_s

Rows = NDArray[np.intp]
# Shares of the largest load at which spreads are looked at.
_SHARES = 4.0 ** -np.arange(3.0, -0.5, -1.0)
# An allowance, no bound, for a spread that is larger between two of those than at them: of 886 drawn set-ups with short
# answers, of which up to 17 swelled, none took longer at percentiles of 90 and more than it allows for, and at the
# median by up to 1.001 ×.
_BETWEEN = 1.25
# The time per token of longer answers does not fall with more load: of 2,273 drawn set-ups with answers of so many
# tokens and more, at percentiles of 90 and more and without bursts, drafts and adapters, none had one at less load that
# was over 1.001 × one at more; nor of 614 with 96 tokens, but of 555 with 64 one, 1.003 ×.
STEADY_TOKENS = 128.0
# A log-normal percentile z deviations up is e^(z·w − w²/2) of the mean, and falls where the spread w grows beyond z. Of
# those at 84 (1,024) and at 50 (530) none did.
STEADY_PERCENTILE = 90.0
# Loads that are looked at, one by one, where a spread falls.
_LOADS = 96
_BISECTIONS = 8


def held_up_to(
    times_of: Callable[[Array], TokenTimes],
    within_of: Callable[[Rows, Rows, Array], Flags],
    *,
    low: Array,
    largest: Array,
    kink: Array,
    limit_s: float,
    percentile: float,
) -> Array:
    """The largest batch up to `largest` with the time per token in its limit at every batch from `low` on.

    times_of gives the step times of all set-ups at batches (loads, set-ups, points), within_of whether
    pairs of a set-up and a point hold at batches (loads, pairs, 1); low and largest are (set-ups, points), the result
    too. kink is the batch beyond which every step has prompts, and the times go on otherwise, (set-ups, points).

    Of a mix the percentile is at most that of its slowest bucket; where neither a mean nor a spread falls as the load
    grows, the times do not. Where one falls and the former is over the limit, all loads are looked at.
    """
    batches = _with(kink, _SHARES[:, None, None] * largest, largest)
    times = times_of(batches)
    deviations = max(NormalDist().inv_cdf(percentile / 100.0), 0.0)
    widest = each_quantile_s(times.mean_s, times.spread_s * _BETWEEN, deviations)
    late = (widest.max(axis=-1) > limit_s).any(axis=0)
    falls = np.any(
        [(np.diff(one, axis=0) < 0.0).any(axis=(0, -1)) for one in (times.mean_s, times.spread_s)], axis=0
    )
    falls |= percentile < STEADY_PERCENTILE
    rows, points = np.nonzero(late & falls)
    if not len(rows):
        return largest
    held = largest.copy()
    held[rows, points] = _looked_at(
        lambda batches: within_of(rows, points, batches),
        low[rows, points][:, None],
        largest[rows, points][:, None],
        kink[rows, points][:, None],
    )[:, 0]
    return held


def _with(kink: Array, batches: Array, largest: Array) -> Array:
    """The batches, and the kink if it is below `largest`, in order."""
    return np.sort(np.concatenate([batches, np.minimum(kink, largest)[None]]), axis=0)


def _looked_at(within_of: Callable[[Array], Flags], low: Array, largest: Array, kink: Array) -> Array:
    """The largest batch below which no load was found that misses."""
    shares = np.linspace(0.0, 1.0, _LOADS)[:, None, None]
    batches = _with(np.maximum(kink, low), low * (largest / low) ** shares, largest)
    missed = ~within_of(batches)
    missed[0] = False
    first = missed.argmax(axis=0)[None]
    good, bad = (np.take_along_axis(batches, np.maximum(first - back, 0), 0)[0] for back in (1, 0))
    for _ in range(_BISECTIONS):
        middle = np.sqrt(good * bad)
        within = within_of(middle[None])[0]
        good, bad = np.where(within, middle, good), np.where(within, bad, middle)
    return np.where(missed.any(axis=0), good, largest)
