"""The kernels that are timed do the work they are timed for, on tensors of the host."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import TINY, cpu_bench, tiny_mixture

from optimiser.calibration.bench import attention, experts, products, steps
from optimiser.calibration.points import Point

BENCH = cpu_bench(runs=1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(7)


def attended(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """softmax(q · Kᵀ / √d) · V of one head: query (width,), keys and values (tokens, width)."""
    scores = keys @ query / math.sqrt(len(query))
    return torch.softmax(scores, 0) @ values


def test_decoding_attends_each_head_to_its_groups_keys() -> None:
    batch, heads, kv_heads, context, width = 3, 8, 2, 11, 16
    query = torch.randn(batch, heads * width)
    keys, values = (torch.randn(batch, kv_heads, context, width) for _ in range(2))
    got = attention.decode_attention(query, keys, values).view(batch, heads, width)
    for sequence in range(batch):
        for head in range(heads):
            group = head // (heads // kv_heads)
            want = attended(
                query.view(batch, heads, width)[sequence, head],
                keys[sequence, group],
                values[sequence, group],
            )
            torch.testing.assert_close(got[sequence, head], want)


def test_a_prompt_s_tokens_look_back_and_never_ahead() -> None:
    tokens, heads, kv_heads, width = 7, 8, 2, 16
    query = torch.randn(tokens, heads * width)
    keys, values = (torch.randn(tokens, kv_heads, width) for _ in range(2))
    got = attention.causal_attention(query, keys, values).view(tokens, heads, width)
    for token in range(tokens):
        for head in range(heads):
            group = head // (heads // kv_heads)
            want = attended(
                query.view(tokens, heads, width)[token, head],
                keys[: token + 1, group],
                values[: token + 1, group],
            )
            torch.testing.assert_close(got[token, head], want)


def test_a_prompt_beside_changes_nothing_for_the_sequences_that_decode() -> None:
    batch, prompt = 3, 5
    layer = steps._layer(BENCH, TINY, batch, 12, "bf16")
    rows = torch.randn(batch + prompt, TINY.hidden, dtype=torch.bfloat16)
    mixed = steps._attention(layer, TINY, rows, batch, 1)
    alone = steps._attention(layer, TINY, rows[:batch], batch, 0)
    assert mixed.shape == (batch + prompt, TINY.hidden)
    torch.testing.assert_close(mixed[:batch], alone, rtol=0.03, atol=0.03)


def test_prompts_taken_together_do_not_see_each_other() -> None:
    layer = steps._layer(BENCH, TINY, 2, 12, "bf16")
    rows = torch.randn(2 * 5, TINY.hidden, dtype=torch.bfloat16)
    together = steps._attention(layer, TINY, rows, 0, 2)
    apart = [steps._attention(layer, TINY, prompt, 0, 1) for prompt in rows.split(5)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0.03, atol=0.03)


def test_fewer_sequences_than_places_leave_the_other_caches_alone() -> None:
    layer = steps._layer(BENCH, TINY, 3, 12, "bf16")
    before = layer.keys.clone()
    rows = torch.randn(2, TINY.hidden, dtype=torch.bfloat16)
    got = steps._attention(layer, TINY, rows, 2, 0)
    assert got.shape == rows.shape
    assert torch.equal(layer.keys[2], before[2])
    assert not torch.equal(layer.keys[:2], before[:2])


def exact(made: steps.Decoder) -> steps.Decoder:
    """The same in 64 bit, where the order of sums moves no choice."""
    layers = tuple(
        steps.Layer(**{name: one.double() for name, one in vars(layer).items()}) for layer in made.layers
    )
    return replace(made, layers=layers, head=made.head.double())


@pytest.mark.parametrize(("batch", "prompts"), [(0, 1), (0, 3), (2, 3), (3, 0)])
def test_each_sequence_and_each_prompt_gains_the_token_it_would_gain_alone(batch: int, prompts: int) -> None:
    made = exact(steps.decoder(BENCH, TINY, 2, 3, 12, "bf16"))
    rows = steps.hidden(BENCH, TINY, batch + prompts * 5, "bf16").double()
    together = steps.stepped(made, rows, batch, prompts)
    apart = [steps.stepped(made, rows[:batch], batch, 0)] if batch else []
    apart += [steps.stepped(made, prompt, 0, 1) for prompt in rows[batch:].split(5) if prompts]
    assert torch.equal(together, torch.cat(apart))
    assert together.shape == (batch + prompts,)


def test_a_prompt_s_token_is_that_of_its_last_row() -> None:
    made = exact(steps.decoder(BENCH, TINY, 1, 1, 12, "bf16"))
    rows = steps.hidden(BENCH, TINY, 6 * 5, "bf16").double()
    changed = rows.clone()
    changed[4::5] = steps.hidden(BENCH, TINY, 6, "bf16").double()
    before, after = (steps.stepped(made, some, 0, 6) for some in (rows, changed))
    assert (before != after).sum() >= 4


def test_a_step_writes_its_key_into_the_last_place_of_the_cache() -> None:
    layer = steps._layer(BENCH, TINY, 2, 12, "bf16")
    before = layer.keys.clone()
    rows = torch.randn(2, TINY.hidden, dtype=torch.bfloat16)
    steps._attention(layer, TINY, rows, 2, 0)
    assert torch.equal(layer.keys[:, :, :-1], before[:, :, :-1])
    assert not torch.equal(layer.keys[:, :, -1], before[:, :, -1])


@pytest.mark.parametrize(("prompt", "sampled"), [(0, 3), (5, 4)])
def test_a_step_chooses_a_token_for_each_sequence_and_the_prompt(prompt: int, sampled: int) -> None:
    chosen = steps.forward(BENCH, TINY, 2, 3, 12, prompt, "bf16")()
    assert isinstance(chosen, torch.Tensor)
    assert chosen.shape == (sampled,)
    assert 0 <= int(chosen.min()) <= int(chosen.max()) < TINY.vocabulary


def test_products_of_every_format_are_products() -> None:
    def multiplied(precision: str) -> tuple[torch.Tensor, torch.Tensor]:
        left, right = (products._operand(BENCH, shape, precision) for shape in ((32, 64), (48, 64)))
        got = products._MULTIPLIED[precision](BENCH, left, right)()
        assert isinstance(got, torch.Tensor)
        return got.double(), left.double() @ right.double().t()

    got, want = multiplied("int8")
    assert torch.equal(got, want)
    for precision in ("bf16", "fp16", "fp8"):
        got, want = multiplied(precision)
        torch.testing.assert_close(got, want, rtol=0.02, atol=0.1)


@pytest.mark.parametrize(
    ("precision", "moved"),
    [
        # 64 × 48 weights, 32 × 48 in, 32 × 64 out.
        ("bf16", 2 * (64 * 48 + 32 * 48 + 32 * 64)),
        ("fp8", 64 * 48 + 32 * 48 + 2 * 32 * 64),
        ("int8", 64 * 48 + 32 * 48 + 4 * 32 * 64),
    ],
)
def test_a_product_s_work_is_counted_by_hand(precision: str, moved: int) -> None:
    point = products.product(BENCH, "case", precision, 32, 64, 48)
    assert isinstance(point, Point)
    assert (point.flops, point.bytes_moved) == (2 * 32 * 64 * 48, moved)
    assert point.seconds > 0


def test_attention_s_work_is_counted_by_hand() -> None:
    decode = attention.decode(BENCH, TINY, 3, 32, "bf16")
    prefill = attention.prefill(BENCH, TINY, 4, "bf16")
    assert isinstance(decode, Point)
    assert isinstance(prefill, Point)
    # Keys and values of 2 heads of 16, 2 bytes each; 8 query heads, two products of 2 operations.
    assert (decode.bytes_moved, decode.flops) == (3 * 32 * 2 * 2 * 16 * 2, 3 * 32 * 8 * 16 * 4)
    assert decode.sizes == {"batch": 3, "context": 32, "group": 4}
    # Tokens see 1 + 2 + 3 + 4 positions.
    assert prefill.flops == 10 * 8 * 16 * 4


def test_reading_counts_what_it_reads() -> None:
    point = products.read(BENCH, 1 << 16)
    assert isinstance(point, Point)
    assert point.bytes_moved == 65536
    ring = torch.ones((1 << 16) // 4)
    assert float(ring.sum()) == point.flops


@pytest.mark.parametrize("routing", ["uniform", "zipf"])
def test_every_token_takes_its_number_of_different_experts(routing: str) -> None:
    moe = tiny_mixture().moe
    assert moe is not None
    counts = experts.routed(moe, routing, 500)
    assert counts.sum() == 1000
    assert counts.max() <= 500
    assert np.array_equal(counts, experts.routed(moe, routing, 500))
    assert experts.routed(moe, routing, 1).max() == 1


def test_zipf_routing_prefers_and_even_routing_does_not() -> None:
    moe = tiny_mixture().moe
    assert moe is not None
    even, zipf = (experts.routed(moe, routing, 20_000) for routing in ("uniform", "zipf"))
    assert even.min() > 0.95 * even.max()
    assert list(zipf) == sorted(zipf, reverse=True)
    assert zipf[0] > 3 * zipf[-1]


@pytest.mark.parametrize("kernel", ["grouped_mm", "loop"])
def test_each_row_is_multiplied_with_the_weights_of_its_expert(kernel: str) -> None:
    counts = np.array([3, 0, 5, 1])
    given, weights = (torch.randn(shape, dtype=torch.bfloat16) for shape in ((9, 64), (4, 32, 64)))
    got = experts.grouped_product(given, weights, counts, kernel)()
    rows = got if isinstance(got, torch.Tensor) else torch.cat(got)  # type: ignore[arg-type]
    owners = np.repeat(np.arange(4), counts)
    want = torch.stack([weights[owner].float() @ given[row].float() for row, owner in enumerate(owners)])
    torch.testing.assert_close(rows.float(), want, rtol=0.02, atol=0.1)


def test_experts_count_the_weights_of_those_touched() -> None:
    point = experts.experts(BENCH, tiny_mixture(), "uniform", 1, "bf16")
    assert isinstance(point, Point)
    assert point.sizes["touched"] == 2
    # Gate and up of 32 each, 64 inputs; two rows in and out.
    assert point.bytes_moved == 2 * (2 * 64 * 64 + 2 * (64 + 64))
    assert point.flops == 2 * 2 * 64 * 64
