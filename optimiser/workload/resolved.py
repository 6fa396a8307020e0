"""What is to be served, resolved: every length in tokens, every rate in requests per second, times in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Target:
    """TTFT and TPOT limits in ms that hold at `percentile` (95.0 is p95) over the whole mix of requests.

    arrival_cv is the coefficient of variation of the gaps between the requests that one replica gets: 1 for
    Poisson arrivals, 2 to 3 for bursty ones. Of a stream of squared variation a, one of n replicas gets
    1 + (a − 1)/n where each request goes to any of them alike.
    """

    ttft_ms: float
    tpot_ms: float
    percentile: float = 95.0
    arrival_cv: float = 1.0


# What step times rest on: the roofline, or measured operators (optimiser.silicon) where they cover a set-up.
PERFORMANCE = ("roofline", "silicon")


@dataclass(frozen=True, kw_only=True)
class SizeBucket:
    """Requests of about one size: prompt and output length in tokens, and their share of all requests."""

    prompt_tokens: float
    output_tokens: float
    share: float


@dataclass(frozen=True, kw_only=True)
class DemandPeriod:
    """Demand in one period, in requests per second.

    peak_10min_rps is the highest 10-minute mean within the period, None where only the mean is known.
    exact marks demand that is scheduled rather than forecast (a batch), which needs no burst factor.
    """

    start: datetime
    hours: float
    mean_rps: float
    peak_10min_rps: float | None = None
    exact: bool = False


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One service, ready to plan: every length in tokens, every rate in requests per second, times in UTC.

    target is None for work without a latency target, performance (one of PERFORMANCE) where the settings decide.
    policy holds the workload's own overrides of the default policy, by field name. notes say what was assumed
    while reading the input.
    """

    name: str
    model: str
    target: Target | None
    buckets: tuple[SizeBucket, ...]
    periods: tuple[DemandPeriod, ...]
    timezone: str = "UTC"
    weight_precision: str | None = None
    kv_precision: str | None = None
    engine: str = "vllm"
    performance: str | None = None
    description: str = ""
    source: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
