"""What is to be served, resolved: every length in tokens, every rate in requests per second, times in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Target:
    """TTFT and TPOT limits in ms that hold at `percentile` (95.0 is p95) over the whole mix of requests.

    arrival_cv is the coefficient of variation of the gaps between the requests that one replica gets: 1 for
    Poisson arrivals, 2 to 3 for bursty ones. service_arrival_cv is that of the whole service instead: how much of it
    a replica sees follows from how many there are, and is arrival_cv once they are known to be `pool` (1 where the
    replica's own is given): requests of one burst then come to it more seldom, but no further apart.
    """

    ttft_ms: float
    tpot_ms: float
    percentile: float = 95.0
    arrival_cv: float = 1.0
    service_arrival_cv: float = 1.0
    pool: float = 1.0


# What step times rest on: the roofline, or measured operators (optimiser.silicon) where they cover a set-up.
PERFORMANCE = ("roofline", "silicon")


@dataclass(frozen=True, kw_only=True)
class SizeBucket:
    """Requests of about one size: prompt and output length in tokens, and their share of all requests.

    cached_prefix_tokens of the prompt are found in the replica's KV cache and are not computed again.
    """

    prompt_tokens: float
    output_tokens: float
    share: float
    cached_prefix_tokens: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SpeculativeDecoding:
    """A draft proposes draft_tokens per step and sequence, and the model checks them all in one pass.

    tokens_per_step is how many tokens a sequence gains per step on average, its own next one among them: 1 to
    draft_tokens + 1. draft_parameters are the weights one proposed token passes through, in 16 bit, 0 where
    drafts are looked up (n-grams, suffixes); draft_layers their layers (1 for EAGLE and multi-token prediction).
    """

    tokens_per_step: float
    draft_tokens: int
    draft_parameters: float = 0.0
    draft_layers: int = 1


@dataclass(frozen=True, kw_only=True)
class LoraAdapters:
    """Fine-tuned variants served together: so many low-rank adapters of one rank held in GPU memory."""

    adapters: int
    rank: int


@dataclass(frozen=True, kw_only=True)
class Techniques:
    """What a replica does beside plain serving; None where it does not."""

    speculative_decoding: SpeculativeDecoding | None = None
    lora: LoraAdapters | None = None


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
class DemandScenario:
    """One course that demand may take, over the same periods as any other, and its probability."""

    name: str
    probability: float
    periods: tuple[DemandPeriod, ...]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One service, ready to plan: every length in tokens, every rate in requests per second, times in UTC.

    periods is demand as it is given; scenarios, where there are any, the courses it may take instead, of probabilities
    that add up to 1. target is None for work without a latency target, performance (one of PERFORMANCE) where the
    settings decide. routing is "uniform" (every option gets every size alike) or "by_size". policy holds the workload's
    own overrides of the default policy, by field name. notes say what was assumed while reading the input.
    """

    name: str
    model: str
    target: Target | None
    buckets: tuple[SizeBucket, ...]
    periods: tuple[DemandPeriod, ...]
    scenarios: tuple[DemandScenario, ...] = ()
    timezone: str = "UTC"
    weight_precision: str | None = None
    kv_precision: str | None = None
    engine: str = "vllm"
    techniques: Techniques = Techniques()
    performance: str | None = None
    routing: str = "uniform"
    description: str = ""
    source: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
