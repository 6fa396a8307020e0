"""Grouped-query attention: a token against its KV cache, and a prompt against itself."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.functional import scaled_dot_product_attention

from optimiser.calibration.bench.products import DTYPES, OPERAND_BYTES
from optimiser.calibration.bench.timing import Bench, Work, ring_length, timed_point
from optimiser.calibration.points import LeftOut, Point
from optimiser.calibration.sizes import Sizes
from optimiser.performance.specs import ModelSpec

DECODE, PREFILL = "decode_attention", "prefill_attention"


def decodes(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """One token of each of several sequences against contexts of the sizes."""
    for model in sizes.models:
        for batch in sizes.batches:
            for context in sizes.contexts:
                yield decode(bench, model, batch, context, sizes.half)


def prefills(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """Prompts of the sizes, one at a time."""
    for model in sizes.models:
        for tokens in sizes.prompts:
            yield prefill(bench, model, tokens, sizes.half)


def decode(bench: Bench, model: ModelSpec, batch: int, context: int, half: str) -> Point | LeftOut:
    """One layer: 4·B·ctx·n_q·d operations, and every key and value read once."""
    cache = 2 * batch * context * model.kv_heads * model.head_dim * OPERAND_BYTES[half]
    copies = ring_length(bench, cache)

    def build() -> list[Work]:
        query = random(bench, (batch, model.heads * model.head_dim), half)
        return [_decoding(query, *kv_cache(bench, model, batch, context, half)) for _ in range(copies)]

    return timed_point(
        bench,
        float(cache) * copies,
        build,
        section=DECODE,
        case=model.name,
        precision=half,
        sizes={"batch": batch, "context": context, "group": model.heads // model.kv_heads},
        flops=4.0 * batch * context * model.heads * model.head_dim,
        bytes_moved=float(cache),
    )


def prefill(bench: Bench, model: ModelSpec, tokens: int, half: str) -> Point | LeftOut:
    """One layer, causal: 4·n_q·d·Σ positions operations, which is n·(n + 1)/2 positions."""
    width = model.heads * model.head_dim

    def build() -> list[Work]:
        query, keys, values = (random(bench, (tokens, width), half) for _ in range(3))
        return [
            lambda: causal_attention(
                query, keys.view(tokens, model.heads, -1), values.view(tokens, model.heads, -1)
            )
        ]

    return timed_point(
        bench,
        # Keys and values as wide as the queries, and the output.
        4.0 * tokens * width * OPERAND_BYTES[half],
        build,
        section=PREFILL,
        case=model.name,
        precision=half,
        sizes={"tokens": tokens, "group": model.heads // model.kv_heads},
        flops=4.0 * width * tokens * (tokens + 1) / 2,
        bytes_moved=2.0 * tokens * (model.heads + model.kv_heads) * model.head_dim * OPERAND_BYTES[half],
    )


def random(bench: Bench, shape: tuple[int, ...], half: str) -> torch.Tensor:
    """Random numbers in a 16-bit format."""
    return torch.randn(shape, dtype=DTYPES[half], device=bench.device)


def kv_cache(
    bench: Bench, model: ModelSpec, batch: int, context: int, half: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of a layer, each (batch, KV heads, context, head width)."""
    shape = (batch, model.kv_heads, context, model.head_dim)
    return random(bench, shape, half), random(bench, shape, half)


def decode_attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """query (batch, heads · width), one token each, against a cache (batch, KV heads, context, width); → as query.

    The query heads that share a KV head stand where tokens of a prompt would: a token sees the whole cache, so
    nothing is masked, and each key is read once for its group (as FlashAttention does where one token decodes).
    """
    batch, kv_heads, _, width = keys.shape
    grouped = query.view(batch, kv_heads, -1, width)
    return scaled_dot_product_attention(grouped, keys, values).reshape(batch, -1)


def causal_attention(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, prompts: int = 1
) -> torch.Tensor:
    """Prompts of one length, one after the other: query (tokens, heads · width), keys and values (tokens, KV heads,
    width) of all of them; → as query.

    Keys and values are repeated for their group: prompts are limited by operations, not by reading them.
    """
    tokens, kv_heads, width = keys.shape
    queries = query.view(tokens, -1, width)
    group = queries.shape[1] // kv_heads
    repeated = (
        one.unsqueeze(2).expand(-1, -1, group, -1).reshape(tokens, -1, width) for one in (keys, values)
    )
    first, second, third = (one.unflatten(0, (prompts, -1)).transpose(1, 2) for one in (queries, *repeated))
    attended = scaled_dot_product_attention(first, second, third, is_causal=True)
    return attended.transpose(1, 2).reshape(tokens, -1)


def _decoding(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> Work:
    return lambda: decode_attention(query, keys, values)
