"""What an estimate says, and what it says when a shape is out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LoadPoint:
    """Latency of one unit at one load: utilisation is the share of the largest rate that meets the target."""

    utilisation: float
    requests_per_second: float
    concurrency_per_replica: float
    ttft_ms: float
    tpot_ms: float


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a model is laid out on a shape: one *unit* is the smallest thing that can be bought.

    A unit is instances_per_unit instances holding replicas_per_unit copies of the model, each split over
    tensor_parallel × pipeline_parallel GPUs. At most one of the two counts is above 1. With
    attention_data_parallel the tensor_parallel GPUs split the routed experts among them and serve attention
    each for its own requests (data-parallel attention with expert parallelism, for mixtures of experts).
    """

    weight_precision: str
    kv_precision: str
    tensor_parallel: int
    pipeline_parallel: int
    instances_per_unit: int
    replicas_per_unit: int
    attention_data_parallel: bool = False


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one unit of a shape does for a workload, at the asked percentile, before any margin.

    requests_per_second is the largest rate of the whole mix at which the target holds (for a workload
    without a latency target, the offline rate); bucket_requests_per_second the same if the unit served that
    size bucket alone (0 where the target cannot be met), where that was asked. ttft_ms and tpot_ms are at that rate and
    the asked percentile; bucket_ttft_ms per bucket. prefill_time_share is the share of busy time spent on prompts.
    relative_error is the median absolute error of such estimates (0.14 is 14 %). engine names the serving engine
    with the versions that were measured: by the user where method says that the estimate is anchored.
    """

    provider: str
    instance_type: str
    gpu: str
    engine: str
    setup: Setup
    requests_per_second: float
    bucket_requests_per_second: tuple[float, ...]
    ttft_ms: float
    tpot_ms: float
    bucket_ttft_ms: tuple[float, ...]
    unloaded_ttft_ms: float
    concurrency_per_replica: float
    kv_room_tokens_per_replica: float
    weights_gib_per_gpu: float
    prefill_time_share: float
    limited_by: str
    load_points: tuple[LoadPoint, ...]
    method: str
    relative_error: float
    low_confidence: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why a shape is out. code groups reasons: "memory", "kv_room", "host_ram", "precision", "engine",
    "ttft", "tpot", "network". best_ttft_ms and best_tpot_ms are the nearest the shape came, at the percentile.
    """

    provider: str
    instance_type: str
    gpu: str
    code: str
    reason: str
    best_ttft_ms: float | None = None
    best_tpot_ms: float | None = None
