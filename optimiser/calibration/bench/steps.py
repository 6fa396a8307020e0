"""Layers and whole steps of a dense model with random weights and a static KV cache, as one CUDA graph.

What a plain step takes beyond its kernels is what an engine takes at least; its own scheduling, sampling, streaming
and fused kernels are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import rms_norm, silu

from optimiser.calibration.bench.attention import causal_attention, decode_attention, kv_cache
from optimiser.calibration.bench.products import DTYPES, OPERAND_BYTES
from optimiser.calibration.bench.timing import Bench, Work, attempt, captured
from optimiser.calibration.points import LeftOut, Point
from optimiser.calibration.sizes import Sizes, head_product, layer_products
from optimiser.performance.specs import ModelSpec

STEPS = "steps"
# Layers of the steps with prompt tokens, at most.
MIXED_DEPTH = 4
# Outputs of a layer in units of its inputs, while it runs: queries, gate and up, logits are wider than the rest.
_ACTIVATION_WIDTHS = 16


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The weights of one layer, each (inputs, outputs), and its KV cache."""

    qkv: torch.Tensor
    attention_out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor


def steps(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """Steps of every depth that decode alone, then deeper ones with prompt tokens beside."""
    model, context = sizes.step_model, sizes.step_context
    for depth in sizes.depths:
        for batch in sizes.step_batches:
            yield step(bench, model, depth, batch, context, 0, sizes.half)
    mixed_depth = max(depth for depth in sizes.depths if depth <= MIXED_DEPTH)
    for batch in sizes.mixed_sequences:
        for prompt in sizes.mixed:
            yield step(bench, model, mixed_depth, batch, context, prompt, sizes.half)


def step(
    bench: Bench, model: ModelSpec, depth: int, batch: int, context: int, prompt: int, half: str
) -> Point | LeftOut:
    """A step of `depth` layers and the output head: `batch` sequences gain a token, beside `prompt` prompt tokens."""

    def build() -> list[Work]:
        return [captured(bench, forward(bench, model, depth, batch, context, prompt, half))]

    timed = attempt(bench, _needed_bytes(model, depth, batch, context, prompt, half), build)
    sizes = {"layers": depth, "batch": batch, "context": context, "prompt": prompt}
    if isinstance(timed, str):
        return LeftOut(section=STEPS, case=model.name, precision=half, sizes=sizes, reason=timed)
    return Point(
        section=STEPS,
        case=model.name,
        precision=half,
        sizes=sizes,
        seconds=timed.seconds,
        runs=timed.runs,
    )


def forward(
    bench: Bench, model: ModelSpec, depth: int, batch: int, context: int, prompt: int, half: str
) -> Work:
    """The step as one call, which returns the chosen token of each sequence (and of the prompt, if there is one)."""
    layers = [_layer(bench, model, batch, context, half) for _ in range(depth)]
    head = _weight(bench, *head_product(model), half)
    hidden = torch.randn((batch + prompt, model.hidden), dtype=DTYPES[half], device=bench.device)

    def run() -> torch.Tensor:
        rows = hidden
        for layer in layers:
            rows = rows + _attention(layer, model, rows, batch)
            wide = rms_norm(rows, (model.hidden,)) @ layer.gate_up
            gate, up = wide.split(model.intermediate, dim=1)
            rows = rows + (silu(gate) * up) @ layer.down
        # A prompt's tokens but the last are not sampled.
        sampled = torch.cat((rows[:batch], rows[-1:])) if prompt else rows
        return (rms_norm(sampled, (model.hidden,)) @ head).argmax(dim=1)

    return run


def _attention(layer: Layer, model: ModelSpec, rows: torch.Tensor, batch: int) -> torch.Tensor:
    """Projections and attention of a layer: the first `batch` rows decode, the rest are one prompt."""
    kv_width = model.kv_heads * model.head_dim
    projected = rms_norm(rows, (model.hidden,)) @ layer.qkv
    query, key, value = projected.split((model.heads * model.head_dim, kv_width, kv_width), dim=1)
    layer.keys[:, :, -1] = key[:batch].view(batch, model.kv_heads, model.head_dim)
    layer.values[:, :, -1] = value[:batch].view(batch, model.kv_heads, model.head_dim)
    attended = decode_attention(query[:batch].contiguous(), layer.keys, layer.values)
    if rows.shape[0] > batch:
        keys, values = (one[batch:].reshape(-1, model.kv_heads, model.head_dim) for one in (key, value))
        attended = torch.cat((attended, causal_attention(query[batch:].contiguous(), keys, values)))
    return attended @ layer.attention_out


def _layer(bench: Bench, model: ModelSpec, batch: int, context: int, half: str) -> Layer:
    keys, values = kv_cache(bench, model, batch, context, half)
    weights = {name: _weight(bench, *shape, half) for name, shape in layer_products(model).items()}
    return Layer(keys=keys, values=values, **weights)


def _weight(bench: Bench, outputs: int, inputs: int, half: str) -> torch.Tensor:
    """Weights that keep the size of what passes through them, transposed in memory as checkpoints have them."""
    drawn = torch.randn((outputs, inputs), dtype=DTYPES[half], device=bench.device)
    return drawn.mul_(inputs**-0.5).t()


def _needed_bytes(model: ModelSpec, depth: int, batch: int, context: int, prompt: int, half: str) -> float:
    shapes = [*list(layer_products(model).values()) * depth, head_product(model)]
    weights = sum(outputs * inputs for outputs, inputs in shapes)
    cache = 2 * depth * batch * context * model.kv_heads * model.head_dim
    passing = (batch + prompt) * (model.hidden * _ACTIVATION_WIDTHS + 2 * model.intermediate)
    logits = (batch + 1) * model.vocabulary
    return float(weights + cache + passing + logits) * OPERAND_BYTES[half]
