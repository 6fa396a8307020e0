"""Does a model fit on a set-up, and how much KV cache is left: bytes and tokens per replica.

An engine takes a share of what the driver reports (vLLM, SGLang) for weights, its working memory and KV cache, or
first the former two and then a share of what is left (TensorRT-LLM); what it leaves to KV cache is KV room.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.layouts import Array, Layouts
from optimiser.performance.model_work import ModelWork
from optimiser.performance.physics import Engine

MIB = 2.0**20
GIB = 2.0**30
# Host memory while a checkpoint is loaded, over its own size (page cache, staging buffers).
HOST_RAM_PER_WEIGHT_BYTE = 1.2
# CUDA context, kernels, workspaces and allocator slack of one engine process, in bytes per GPU.
FRAMEWORK_BYTES = 1.0 * GIB
# Communication buffers of one GPU where several work together (NCCL channels, all-reduce workspaces).
COLLECTIVE_BYTES = 0.5 * GIB
# 16-bit activations alive at once while a chunk of prompt tokens passes: so many hidden states, and two
# feed-forward intermediates (split over the shards).
LIVE_HIDDEN_STATES = 4.0
ACTIVATION_BYTES = 2.0
# Logits are sampled from in float32, gathered over all shards.
LOGIT_BYTES = 4.0


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """Bytes of one GPU, and tokens of one replica; arrays over set-ups.

    kv_room_bytes is per replica and negative where the weights alone do not fit; kv_copies is how many times
    a token's KV cache is held within a replica.
    """

    weights_bytes_per_gpu: Array
    reserve_bytes_per_gpu: Array
    budget_bytes_per_gpu: Array
    kv_room_bytes: Array
    kv_copies: Array

    def select(self, rows: NDArray[np.intp]) -> MemoryNeed:
        """The needs at `rows`."""
        return MemoryNeed(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def beside(self, other: MemoryNeed) -> MemoryNeed:
        """These needs, and after them the others."""
        names = [item.name for item in fields(self)]
        return MemoryNeed(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        )


def weights_bytes_per_gpu(work: ModelWork, at: Layouts) -> Array:
    """Weights on one GPU: split over shards and stages; routed experts over the attention ranks as well."""
    routed = work.routed.size_bytes[at.pair]
    shared = work.resident_bytes[at.pair] - routed
    return np.asarray(shared / (at.shards * at.stages) + routed / (at.shards * at.ranks * at.stages))


def reserve_bytes_per_gpu(
    work: ModelWork, intermediate: float, chunk_tokens: float, sequences: Array, at: Layouts
) -> Array:
    """Working memory of the engine on one GPU: framework, collectives, activations of one prompt chunk, and the logits
    of as many sequences as it runs at once.
    """
    hidden_states = chunk_tokens * LIVE_HIDDEN_STATES * work.hidden * ACTIVATION_BYTES
    intermediates = chunk_tokens * 2.0 * intermediate * ACTIVATION_BYTES / at.shards
    logits = sequences * (work.vocabulary * LOGIT_BYTES)
    collectives = np.where(at.shards * at.ranks * at.stages > 1, COLLECTIVE_BYTES, 0.0)
    return np.asarray(FRAMEWORK_BYTES + collectives + hidden_states + intermediates + logits)


def memory_need(
    work: ModelWork,
    intermediate: float,
    chunk_tokens: float,
    sequences: Array,
    usable_mib: Array,
    engine: Engine,
    at: Layouts,
) -> MemoryNeed:
    """Weights, reserve and KV room; every array over set-ups, usable_mib as the driver reports it per GPU, sequences
    as many as the engine runs at once on one attention rank.

    The budget is what weights, reserve and KV cache may take together. KV cache is sharded over
    min(shards, n_kv) GPUs: further shards hold copies. MLA's latent is held whole by every shard. Attention
    ranks each hold their own sequences.
    """
    weights = weights_bytes_per_gpu(work, at)
    reserve = reserve_bytes_per_gpu(work, intermediate, chunk_tokens, sequences, at)
    usable, taken = usable_mib * MIB, weights + reserve
    if engine.of_free_memory:
        budget = np.minimum(taken, usable) + engine.memory_share * np.maximum(usable - taken, 0.0)
    else:
        budget = usable * engine.memory_share
    copies = at.shards if work.latent_kv else at.shards / np.minimum(at.shards, work.kv_heads)
    room = (budget - taken) * at.shards * at.ranks * at.stages / copies
    return MemoryNeed(
        weights_bytes_per_gpu=weights,
        reserve_bytes_per_gpu=reserve,
        budget_bytes_per_gpu=budget,
        kv_room_bytes=room,
        kv_copies=np.asarray(copies),
    )


def host_ram_needed_gib(resident_bytes: float, instances: int) -> float:
    """Host RAM one instance needs to load its part of the weights: 1.2 × weights per host, in GiB."""
    return resident_bytes / instances * HOST_RAM_PER_WEIGHT_BYTE / GIB
