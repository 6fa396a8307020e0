"""How long one engine step takes: a roofline per block, with saturation, communication and overheads.

Everything broadcasts: a `Layouts` field is an array over set-ups, and the loads (sequences, tokens, context)
are arrays over whatever the caller varies beside it. Seconds, bytes and operations throughout.

What was fitted to measurements comes with the set-ups (physics.Physics); the constants below were not, for the
measurements hardly tell them from others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from optimiser.performance.anchor import corrected_steps
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.model_work import ModelWork, Weights
from optimiser.performance.physics import Physics

ACTIVATION_BYTES = 2.0
LOGIT_BYTES = 4.0
# Prefill attention reaches this share of the 16-bit GEMM rate: its softmax runs outside the tensor cores.
PREFILL_ATTENTION_SHARE = 0.8
# Passes over the float32 logits of a sampled token: penalties, softmax, sampling.
LOGIT_PASSES = 8.0
# Scheduling a step on the host, whatever is in it.
STEP_OVERHEAD_S = 0.1e-3
# Each of a token's copies for its experts is written and read where tokens are sorted by expert, and where what comes
# back is summed up; between its products an expert writes and reads gate and up, and what is left of the two.
COPY_PASSES, INNER_PASSES = 4.0, 6.0
# What no operation or no memory traffic takes.
_NONE = np.zeros(1)
# `compute` of a GPU generation is what 16-bit products that sum up so many reach: the hidden size of an 8B model.
USUAL_DEPTH = 4096.0
# An expert exchange brings each token out in 8 bit and back in 16 bit: 1.5 × the 16-bit message.
EXCHANGE_PASSES = 1.5


class Block(NamedTuple):
    """One block of a step: seconds that its operations and its memory traffic take by themselves, and together."""

    compute_s: Array
    memory_s: Array
    seconds: Array


@dataclass(frozen=True, kw_only=True)
class StepParts:
    """What a step's time goes to: seconds by part, which sum to step_seconds, and the blocks among the parts before
    the engine's pace.
    """

    seconds: dict[str, Array]
    blocks: dict[str, Block]


def smooth_maximum(first: Array, second: Array) -> Array:
    """(a⁴ + b⁴)^¼: compute and memory overlap, but not perfectly where both take about as long."""
    a, b = first * first, second * second
    a *= a
    b *= b
    total = np.asarray(a + b)
    return np.sqrt(np.sqrt(total, out=total), out=total)


def roofline(compute_s: Array, memory_s: Array) -> Block:
    """A block whose operations and memory traffic overlap."""
    return Block(compute_s, memory_s, smooth_maximum(compute_s, memory_s))


def experts_touched(experts: float, active: float, tokens: Array, spread: float) -> Array:
    """Experts read per layer by n tokens: E·(1 − (1 − k/E)^m), m = 1 + (n − 1)·spread independent choices, or n."""
    choices = np.minimum(tokens, tokens * spread + (1.0 - spread))
    choices *= np.log1p(-active / experts)
    return np.asarray(-experts * np.expm1(choices, out=choices))


def gemm(at: Layouts, weights: Weights, rows: Array, share: Array, read: Array, reach: float = 1.0) -> Block:
    """`rows` rows on one GPU, each through the `share` of a block's P weights, of which the share `read` is read once.

    2·P·(share·rows + read·saturation_rows) operations, at `reach` of the GEMM rate, against the reading; beside them
    the time in which 16-bit products would do fill_rows more, and go tile_depth deeper.
    """
    physics = at.physics
    flops = np.where(weights.quantised[at.pair], at.weight_flops, at.half_flops)
    products, tiles = weights.parameters / flops, physics.tile_depth * weights.outputs / at.half_flops
    row_s = (products + tiles) / (1.0 + physics.tile_depth / USUAL_DEPTH)
    lost_s = physics.saturation_rows * products + physics.fill_rows * (weights.parameters / at.half_flops)
    operations = rows * (row_s * share * (2.0 / reach)) + read * (lost_s * (2.0 / reach))
    return roofline(operations, read * (weights.size_bytes[at.pair] / at.memory_bytes_per_s))


def kv_cache_attention(work: ModelWork, at: Layouts, load: Load) -> Block:
    """Decoding sequences against their KV cache.

    It is sharded over min(shards, n_kv) GPUs, and not at all by tensor parallelism with MLA.
    """
    kv_shards = 1.0 if work.latent_kv else np.minimum(at.shards, work.kv_heads)
    pairs = load.decode * looks_back(work, load.context)
    flops = work.decode_attention_flops * work.step_tokens
    each = roofline(
        flops / (at.shards * at.ranks * at.half_flops),
        work.kv_bytes_per_token[at.pair] / (kv_shards * at.ranks * at.memory_bytes_per_s),
    )
    return Block(*(pairs * seconds for seconds in each))


def prompt_attention(work: ModelWork, at: Layouts, load: Load) -> Block:
    """The quadratic part of prompt tokens."""
    rate = at.shards * at.ranks * at.half_flops * PREFILL_ATTENTION_SHARE
    seconds = load.prefill * looks_back(work, load.prefill_context) * (work.prefill_attention_flops / rate)
    return Block(seconds, _NONE, seconds)


def looks_back(work: ModelWork, context: Array) -> Array:
    """Tokens of `context` that a token looks back at, on average over the layers."""
    sliding = 1.0 - work.full_share
    if not sliding:
        return context
    return work.full_share * context + sliding * np.minimum(context, work.window_tokens)


def routed_experts(work: ModelWork, at: Layouts, rows: Array) -> Block:
    """Routed experts, sliced or spread over all GPUs of a stage; only those touched are read."""
    touched = experts_touched(work.experts, work.active_experts, rows, at.physics.routing_spread)
    one = 1.0 / (work.experts * at.shards * at.ranks)
    return gemm(at, work.routed, rows, work.active_experts * one, touched * one, at.physics.grouped_share)


def communication_seconds(work: ModelWork, at: Layouts, rows: Array) -> Array:
    """All-reduces of tensor parallelism, the exchange of spread experts, hand-overs between stages.

    `rows` are the rows of one GPU. Two all-reduces a layer each move 2·(g − 1)/g of the activations in either
    direction; an exchange sends a token to each other GPU that holds one of its k experts, and back.
    """
    per_byte = 1.0 / (at.link_bytes_per_s * at.physics.link_share)
    reduces = 2.0 * work.layers
    each = reduces * 2.0 * (at.shards - 1) / at.shards * per_byte
    fixed = reduces * at.link_latency_s * np.log2(at.shards)
    if work.experts:
        hops = (at.ranks - 1.0) * (1.0 - (1.0 - 1.0 / at.ranks) ** work.active_experts)
        each = each + work.moe_layers * EXCHANGE_PASSES * hops * per_byte
        fixed = fixed + 2.0 * work.moe_layers * at.link_latency_s * np.log2(at.ranks)
    each = each + (at.stages - 1) / (at.stage_bytes_per_s * at.physics.link_share)
    message_s = work.hidden * ACTIVATION_BYTES * each
    return np.asarray(rows * message_s + (fixed + (at.stages - 1) * at.stage_latency_s))


def activations(work: ModelWork, at: Layouts, rows: Array, sampled: Array) -> Block:
    """Activations of `rows` rows in and out of memory, copies for their experts among them, and the logits of the
    `sampled` ones.
    """
    logits = work.vocabulary * LOGIT_BYTES * LOGIT_PASSES / at.shards
    copies = COPY_PASSES * work.hidden + INNER_PASSES * work.expert_width / at.shards
    layers = work.layers * at.physics.activation_passes * work.hidden
    passing = (layers + work.moe_layers * work.active_experts * copies) * ACTIVATION_BYTES
    seconds = sampled * (logits / at.memory_bytes_per_s) + rows * (passing / at.memory_bytes_per_s)
    return Block(_NONE, seconds, seconds)


def draft_passes(work: ModelWork, at: Layouts, sequences: Array) -> Block:
    """Proposing the drafts, one after the other: each takes one token of every sequence through the draft's weights."""
    whole = 1.0 / at.shards
    return Block(*(work.drafts * seconds for seconds in gemm(at, work.draft, sequences, whole, whole)))


def lora_adapters(work: ModelWork, at: Layouts, rows: Array, sequences: Array) -> Block:
    """`rows` rows each through its own adapter; no more adapters are read than there are sequences."""
    operations = rows * (2.0 * work.adapter.parameters / (at.shards * at.half_flops))
    read = np.minimum(sequences, work.adapters) * work.adapter.size_bytes[at.pair]
    return roofline(operations, read / (at.shards * at.memory_bytes_per_s))


def launches_seconds(work: ModelWork, at: Layouts) -> Array:
    """Launches and synchronisation of every layer."""
    physics = at.physics
    launches_us = (
        work.layers * physics.layer_overhead_us
        + work.moe_layers * physics.moe_layer_overhead_us
        + work.layers * physics.latent_layer_overhead_us * work.latent_kv
        + work.layers * physics.block_scaled_layer_overhead_us * work.block_scaled[at.pair]
        + work.drafts * work.draft_layers * physics.layer_overhead_us
    )
    return np.asarray(launches_us * 1e-6)


def host_seconds(physics: Physics, decode: Array) -> Array:
    """The host's work per step and sequence."""
    return decode * (physics.sequence_overhead_us * 1e-6) + STEP_OVERHEAD_S


def step_blocks(work: ModelWork, at: Layouts, load: Load, rows: Array) -> Iterator[tuple[str, Block]]:
    """The blocks of a step by name; `rows` are those of one attention rank."""
    whole, sequences = 1.0 / at.shards, load.decode / at.ranks
    prompts = np.minimum(load.prefill, 1.0)
    sampled = sequences * work.step_tokens + prompts
    yield "attention_projections", gemm(at, work.attention, rows, whole, whole)
    if work.dense.parameters:
        yield "feed_forward", gemm(at, work.dense, rows, whole, whole)
    if work.experts:
        yield "routed_experts", routed_experts(work, at, rows * at.ranks)
    yield "output_head", gemm(at, work.head, sampled, whole, whole)
    yield "kv_cache", kv_cache_attention(work, at, load)
    yield "prompt_attention", prompt_attention(work, at, load)
    yield "activations", activations(work, at, rows, sampled)
    if work.draft.parameters:
        yield "drafts", draft_passes(work, at, sequences)
    if work.adapters:
        yield "lora_adapters", lora_adapters(work, at, rows, sequences + prompts)


def _rows(work: ModelWork, at: Layouts, load: Load) -> Array:
    """Tokens that one attention rank takes through the model in a step."""
    return (load.decode * work.step_tokens + load.prefill) / at.ranks


def step_seconds(work: ModelWork, at: Layouts, load: Load) -> Array:
    """Seconds for one micro-batch to pass through the whole model, all stages one after the other.

    With pipeline stages the load is one micro-batch of `stages` under way at once.
    """
    rows = _rows(work, at, load)
    total = _sum(block for _, block in step_blocks(work, at, load, rows)) * (1.0 + _stage_wait(at))
    overhead = host_seconds(at.physics, load.decode) + launches_seconds(work, at)
    total = total + communication_seconds(work, at, rows) + overhead
    return np.asarray(total * _pace(at, load))


def prompt_step_seconds(work: ModelWork, at: Layouts, load: Load) -> Array:
    """The same of a step with prompt tokens, as those wait for it who are in it: the host launches it kernel by
    kernel while the GPU works on what it was given before, so the longer of the two decides (smoothly).
    """
    return launched_seconds(work, at, load, step_seconds(work, at, load))


def launched_seconds(work: ModelWork, at: Layouts, load: Load, step_s: Array) -> Array:
    """prompt_step_seconds of a step that takes the GPU step_s."""
    layer_s = at.latent_prompt_layer_s if work.latent_kv else at.physics.prompt_layer_us * 1e-6
    launched = _rows(work, at, load) > at.graph_tokens
    return smooth_maximum(step_s, np.asarray(launched * (work.layers * layer_s)))


def step_parts(work: ModelWork, at: Layouts, load: Load) -> StepParts:
    """The parts of step_seconds, from the same functions."""
    rows = _rows(work, at, load)
    blocks = dict(step_blocks(work, at, load, rows))
    parts: dict[str, Array | float] = {name: block.seconds for name, block in blocks.items()}
    parts["stage_waits"] = _sum(blocks.values()) * _stage_wait(at)
    parts["communication"] = communication_seconds(work, at, rows)
    parts["launches"] = launches_seconds(work, at)
    parts["host"] = host_seconds(at.physics, load.decode)
    pace = _pace(at, load)
    return StepParts(seconds={name: np.asarray(part * pace) for name, part in parts.items()}, blocks=blocks)


def _sum(blocks: Iterable[Block]) -> Array:
    return reduce(np.add, (block.seconds for block in blocks))


def _stage_wait(at: Layouts) -> Array:
    """Seconds that stages of unequal load wait for each other, for every second of the blocks."""
    return at.physics.pipeline_loss * (at.stages - 1)


def _pace(at: Layouts, load: Load) -> Array:
    """The engine's step against the fastest one's, and where it was measured, against what that makes it."""
    if not at.anchors:
        return at.step_factor
    set_ups = -at.step_factor.ndim
    return at.step_factor * corrected_steps(at.anchors, load.context, load.decode, load.prefill, set_ups)
