"""How much a workload asks on average, and the same workload at another volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from optimiser.workload.resolved import DemandPeriod, SizeBucket, Workload


def scaled(periods: tuple[DemandPeriod, ...], scale: float) -> tuple[DemandPeriod, ...]:
    """The periods with every rate multiplied."""
    if scale == 1.0:
        return periods
    return tuple(
        replace(
            period,
            mean_rps=period.mean_rps * scale,
            peak_10min_rps=None if period.peak_10min_rps is None else period.peak_10min_rps * scale,
        )
        for period in periods
    )


def times(workload: Workload, factor: float) -> Workload:
    """The workload at so many times its volume, its scenarios too, with the same sizes and shape over the hours."""
    courses = tuple(replace(one, periods=scaled(one.periods, factor)) for one in workload.scenarios)
    return replace(workload, periods=scaled(workload.periods, factor), scenarios=courses)


def mean_rps(workload: Workload) -> float:
    """Requests per second on average over the horizon, expected over the scenarios."""
    courses = [(one.probability, one.periods) for one in workload.scenarios] or [(1.0, workload.periods)]
    return sum(
        probability
        * math.fsum(period.mean_rps * period.hours for period in periods)
        / math.fsum(period.hours for period in periods)
        for probability, periods in courses
    )


def tokens_per_request(buckets: Sequence[SizeBucket]) -> float:
    """Tokens of a prompt and its answer on average over the mix."""
    return sum(one.share * (one.prompt_tokens + one.output_tokens) for one in buckets)


def cached_share(buckets: Sequence[SizeBucket]) -> float:
    """Share of prompt tokens that the mix takes to be found in the KV cache."""
    prompts = sum(one.share * one.prompt_tokens for one in buckets)
    return sum(one.share * one.cached_prefix_tokens for one in buckets) / prompts
