"""The shortest a step can be: weights and the KV cache of all that decode, read as fast as any engine reads them."""

from __future__ import annotations

import numpy as np

from optimiser.measured.reading import Reading
from optimiser.performance.model_work import ModelWork
from optimiser.performance.parameters import kv_bytes_for_context
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.performance.timing import experts_touched

# Of 2,148 published times per token the shortest reads weights and KV cache at 0.86 of the data sheet's bandwidth
# (Llama 3 8B, one request on an A10G); 99 in 100 stay below 0.77. No engine's step reads at all of it.
MOST_OF_BANDWIDTH = 0.92


def step_time(reading: Reading) -> float | None:
    """Seconds per step of a run: its time per token, else the longest that its requests in flight leave; None where
    neither tells.
    """
    if reading.tpot_ms:
        return reading.tpot_ms / 1e3
    if reading.concurrency is None:
        return None
    return reading.concurrency / (reading.requests_per_second * reading.output_tokens)


def decoding(reading: Reading, step_s: float) -> float:
    """Sequences that decode at once, rate × tokens × time per token (Little 1961), no more than are in flight."""
    found = reading.requests_per_second * (reading.output_tokens - 1.0) * step_s
    return found if reading.concurrency is None else min(found, reading.concurrency)


def weights_s(work: ModelWork, gpu: GpuSpec, split: int, sequences: float, routing_spread: float) -> float:
    """Seconds that reading the weights of one step takes at the data sheet's bandwidth, by layers split over GPUs.

    Of routed experts those count that so many sequences touch (timing.experts_touched; routing_spread is the fit's),
    k of them at least.
    """
    attention, dense, routed, head = (
        block.size_bytes.item() for block in (work.attention, work.dense, work.routed, work.head)
    )
    if work.experts:
        tokens = np.array([max(sequences, 1.0)])
        touched = experts_touched(work.experts, work.active_experts, tokens, routing_spread).item()
        routed *= touched / work.experts
    return float((attention + dense + routed + head) / (gpu.memory_bandwidth_gbs * 1e9 * split))


def kv_cache_s(
    model: ModelSpec, kv_precision: str, gpu: GpuSpec, gpu_count: int, reading: Reading, sequences: float
) -> float:
    """Seconds that reading the KV cache of so many sequences takes at the bandwidth of all GPUs together.

    Each has its prompt and, on average, half its answer; nothing of it is held twice, so that this is the least.
    """
    context = reading.prompt_tokens + reading.output_tokens / 2.0
    held = kv_bytes_for_context(model, context, kv_precision)
    return sequences * held / (gpu.memory_bandwidth_gbs * 1e9 * gpu_count)
