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
from optimiser.calibration.bench.timing import Bench, Work, captured, timed_point
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


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Layers, and the output head (inputs, outputs)."""

    model: ModelSpec
    layers: tuple[Layer, ...]
    head: torch.Tensor


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

    return timed_point(
        bench,
        needed_bytes(model, depth, batch, context, prompt, half),
        build,
        section=STEPS,
        case=model.name,
        precision=half,
        sizes={"layers": depth, "batch": batch, "context": context, "prompt": prompt},
    )


def forward(
    bench: Bench, model: ModelSpec, depth: int, batch: int, context: int, prompt: int, half: str
) -> Work:
    """The step as one call, which returns the chosen token of each sequence (and of the prompt, if there is one)."""
    made = decoder(bench, model, depth, batch, context, half)
    rows = hidden(bench, model, batch + prompt, half)
    return lambda: stepped(made, rows, batch, 1 if prompt else 0)


def decoder(bench: Bench, model: ModelSpec, depth: int, places: int, context: int, half: str) -> Decoder:
    """Random weights, and a KV cache for as many sequences as there are places."""
    return Decoder(
        model=model,
        layers=tuple(_layer(bench, model, places, context, half) for _ in range(depth)),
        head=_weight(bench, *head_product(model), half),
    )


def hidden(bench: Bench, model: ModelSpec, rows: int, half: str) -> torch.Tensor:
    """What goes into the first layer, a row a token."""
    return torch.randn((rows, model.hidden), dtype=DTYPES[half], device=bench.device)


def stepped(made: Decoder, rows: torch.Tensor, batch: int, prompts: int) -> torch.Tensor:
    """The chosen tokens of the first `batch` rows, which decode, and of so many prompts alike, which are the rest."""
    model = made.model
    for layer in made.layers:
        rows = rows + _attention(layer, model, rows, batch, prompts)
        wide = rms_norm(rows, (model.hidden,)) @ layer.gate_up
        gate, up = wide.split(model.intermediate, dim=1)
        rows = rows + (silu(gate) * up) @ layer.down
    if prompts:
        # A prompt's tokens but the last are not sampled.
        rows = torch.cat((rows[:batch], rows[batch:].unflatten(0, (prompts, -1))[:, -1]))
    return (rms_norm(rows, (model.hidden,)) @ made.head).argmax(dim=1)


def _attention(layer: Layer, model: ModelSpec, rows: torch.Tensor, batch: int, prompts: int) -> torch.Tensor:
    """Projections and attention of a layer: the first `batch` rows decode, the rest are prompts of one length."""
    kv_width = model.kv_heads * model.head_dim
    projected = rms_norm(rows, (model.hidden,)) @ layer.qkv
    query, key, value = projected.split((model.heads * model.head_dim, kv_width, kv_width), dim=1)
    attended = []
    if batch:
        caches = [one[:batch] for one in (layer.keys, layer.values)]
        for cache, new in zip(caches, (key, value), strict=True):
            cache[:, :, -1] = new[:batch].view(batch, model.kv_heads, model.head_dim)
        attended.append(decode_attention(query[:batch].contiguous(), *caches))
    if prompts:
        keys, values = (one[batch:].reshape(-1, model.kv_heads, model.head_dim) for one in (key, value))
        attended.append(causal_attention(query[batch:].contiguous(), keys, values, prompts))
    return (torch.cat(attended) if len(attended) > 1 else attended[0]) @ layer.attention_out


def _layer(bench: Bench, model: ModelSpec, batch: int, context: int, half: str) -> Layer:
    keys, values = kv_cache(bench, model, batch, context, half)
    weights = {name: _weight(bench, *shape, half) for name, shape in layer_products(model).items()}
    return Layer(keys=keys, values=values, **weights)


def _weight(bench: Bench, outputs: int, inputs: int, half: str) -> torch.Tensor:
    """Weights that keep the size of what passes through them, transposed in memory as checkpoints have them."""
    drawn = torch.randn((outputs, inputs), dtype=DTYPES[half], device=bench.device)
    return drawn.mul_(inputs**-0.5).t()


def needed_bytes(model: ModelSpec, depth: int, batch: int, context: int, prompt: int, half: str) -> float:
    """Memory that a decoder and its steps with so many prompt tokens take."""
    shapes = [*list(layer_products(model).values()) * depth, head_product(model)]
    weights = sum(outputs * inputs for outputs, inputs in shapes)
    cache = 2 * depth * batch * context * model.kv_heads * model.head_dim
    passing = (batch + prompt) * (model.hidden * _ACTIVATION_WIDTHS + 2 * model.intermediate)
    logits = (batch + 1) * model.vocabulary
    return float(weights + cache + passing + logits) * OPERAND_BYTES[half]
