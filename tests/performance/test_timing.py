"""Step times: golden numbers worked by hand, and laws that hold on any hardware."""

from dataclasses import replace

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, LLAMA_8B, LLAMA_70B, PHYSICS
from hypothesis import given
from hypothesis import strategies as st

from optimiser.performance.batching import CHUNK_TOKENS, mean_traffic, steady_state
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.model_work import ModelWork, Weights, model_work
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import (
    communication_seconds,
    experts_touched,
    kv_cache_attention,
    prompt_step_seconds,
    smooth_maximum,
    step_parts,
    step_seconds,
)

H100_BYTES_PER_S = 3.35e12
LLAMA_8B_LAYERS = 6_979_321_856  # attention 1,342,177,280 and feed-forward 5,637,144,576 weights
LLAMA_8B_HEAD = 525_336_576  # 128,256 × 4,096


def array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def one_gpu(**changes: float) -> Layouts:
    """One GPU whose compute and links cost nothing unless given."""
    rates = {
        "weight_flops": 1e21,
        "half_flops": 1e21,
        "memory_bytes_per_s": 1e24,
        "link_bytes_per_s": 1e24,
        "link_latency_s": 0.0,
        "stage_bytes_per_s": 1e24,
        "stage_latency_s": 0.0,
        "shards": 1,
        "ranks": 1,
        "stages": 1,
        "step_factor": 1,
        "latent_prompt_layer_s": 0.0,
        "graph_tokens": 0.0,
    }
    arrays = {name: array(value) for name, value in (rates | changes).items()}
    return Layouts(physics=PHYSICS, pair=np.array([0]), **arrays)


def real_gpu(**changes: float) -> Layouts:
    rates = {"weight_flops": 800e12, "half_flops": 800e12, "memory_bytes_per_s": 2.7e12}
    links = {"link_bytes_per_s": 450e9, "link_latency_s": 6e-6, "stage_bytes_per_s": 450e9}
    return one_gpu(**(rates | links | {"stage_latency_s": 6e-6} | changes))


def load(decode: float, context: float, prefill: float = 0, prefill_context: float = 0) -> Load:
    return Load(
        decode=array(decode),
        context=array(context),
        prefill=array(prefill),
        prefill_context=array(prefill_context),
    )


def seconds(model: ModelSpec, at: Layouts, what: Load, weights: str = "bf16") -> float:
    return float(step_seconds(model_work(model, [(weights, "bf16")]), at, what)[0])


# Golden numbers


def test_one_sequence_decodes_as_fast_as_its_weights_and_cache_are_read() -> None:
    weights = 2 * (LLAMA_8B_LAYERS + LLAMA_8B_HEAD)
    cache = 1000 * 2 * 8 * 128 * 32 * 2
    activations = 32 * 20 * 4096 * 2
    logits = 128_256 * 4 * 8
    host = 32 * 30e-6 + 0.1e-3 + 6e-6
    by_hand = (weights + cache + activations + logits) / H100_BYTES_PER_S + host
    assert by_hand == pytest.approx(5.5883e-3, rel=1e-4)
    assert seconds(LLAMA_8B, one_gpu(memory_bytes_per_s=H100_BYTES_PER_S), load(1, 1000)) == pytest.approx(
        by_hand, rel=1e-6
    )


def test_a_prompt_costs_two_operations_per_weight_and_token_and_the_quadratic_part() -> None:
    projections = 2 * LLAMA_8B_LAYERS * (4096 + 64)
    head = 2 * LLAMA_8B_HEAD * (1 + 64)
    attention = 4 * 32 * 128 * 32 * 4096 * 2048 / 0.8
    by_hand = (projections + head + attention) / 1e15 + 32 * 30e-6 + 0.1e-3
    assert by_hand == pytest.approx(64.69e-3, rel=1e-3)
    at = one_gpu(weight_flops=1e15, half_flops=1e15)
    assert seconds(LLAMA_8B, at, load(0, 0, 4096, 2048)) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(("model", "launched_s"), [(LLAMA_8B, 32 * 500e-6), (DEEPSEEK_R1, 61 * 2000e-6)])
def test_a_step_with_prompt_tokens_is_not_shorter_than_its_launches(
    model: ModelSpec, launched_s: float
) -> None:
    at = replace(one_gpu(latent_prompt_layer_s=2000e-6), physics=replace(PHYSICS, prompt_layer_us=500.0))
    work = model_work(model, [("fp8", "fp8")])
    short, long = load(0, 0, 100, 50), load(0, 0, CHUNK_TOKENS, CHUNK_TOKENS / 2)
    assert prompt_step_seconds(work, at, short) == pytest.approx(launched_s, rel=1e-2)
    busy = replace(at, half_flops=array(1e14), weight_flops=array(1e14))
    assert prompt_step_seconds(work, busy, long) == pytest.approx(step_seconds(work, busy, long), rel=1e-2)


def test_a_step_that_replays_a_graph_is_not_launched_kernel_by_kernel() -> None:
    at = replace(one_gpu(graph_tokens=512), physics=replace(PHYSICS, prompt_layer_us=500.0))
    work = model_work(LLAMA_8B, [("bf16", "bf16")])
    replayed, launched = load(12, 1000, 500, 250), load(13, 1000, 500, 250)
    assert prompt_step_seconds(work, at, replayed) == step_seconds(work, at, replayed)
    assert prompt_step_seconds(work, at, launched) >= 32 * 500e-6


def test_fp8_weights_are_read_in_half_the_time_and_multiplied_at_their_own_rate() -> None:
    memory = one_gpu(memory_bytes_per_s=H100_BYTES_PER_S)
    saved = seconds(LLAMA_8B, memory, load(1, 0)) - seconds(LLAMA_8B, memory, load(1, 0), "fp8")
    assert saved == pytest.approx(LLAMA_8B_LAYERS / H100_BYTES_PER_S, rel=1e-6)
    compute = one_gpu(weight_flops=2e15, half_flops=1e15)
    both = one_gpu(weight_flops=1e15, half_flops=1e15)
    prompt = load(0, 0, 4096, 2048)
    gained = seconds(LLAMA_8B, both, prompt, "fp8") - seconds(LLAMA_8B, compute, prompt, "fp8")
    # 24 rows of padding are computed in the format, too; the time of 40 rows to fill and drain stays.
    assert gained == pytest.approx(2 * LLAMA_8B_LAYERS * (4096 + 24) * (1 / 1e15 - 1 / 2e15), rel=1e-6)


@pytest.mark.parametrize(("weights", "weight_flops"), [("bf16", 1e15), ("fp8", 2e15)])
def test_every_result_costs_as_much_to_begin_and_to_write_in_whatever_format(
    weights: str, weight_flops: float
) -> None:
    """Rates are those of 16-bit products of 4,096, which lose 256 / 4,096 of their time to that."""
    deep = replace(PHYSICS, tile_depth=256.0)
    plain = one_gpu(weight_flops=weight_flops, half_flops=1e15)
    prompt = load(0, 0, 4096, 2048)
    added = seconds(LLAMA_8B, replace(plain, physics=deep), prompt, weights) - seconds(
        LLAMA_8B, plain, prompt, weights
    )
    # Attention has weights over 4,096 results; of the feed-forward block's three products two sum up 4,096, one 14,336.
    results = 1_342_177_280 / 4096 + 32 * (2 * 14_336 + 4096)
    products = 4096 * 2 * LLAMA_8B_LAYERS / weight_flops
    begun = 4096 * 2 * 256 * results / 1e15
    # The head samples one row of 16-bit products of 4,096: nothing changes.
    assert added == pytest.approx((products + begun) / 1.0625 - products, rel=1e-6)


def test_tensor_parallelism_reduces_twice_a_layer_around_the_ring() -> None:
    at = one_gpu(shards=8, link_bytes_per_s=450e9, link_latency_s=6e-6)
    message = 100 * 4096 * 2
    for share in (0.7, 0.85):
        by_hand = 2 * 32 * (3 * 6e-6 + 2 * 7 / 8 * message / (share * 450e9))
        joined = replace(at, physics=replace(PHYSICS, link_share=share))
        found = communication_seconds(model_work(LLAMA_8B, [("bf16", "bf16")]), joined, array(100))
        assert found == pytest.approx(by_hand, rel=1e-9)


def test_stages_hand_over_between_them_and_wait_for_each_other() -> None:
    piped = one_gpu(
        stages=2, stage_bytes_per_s=25e9, stage_latency_s=30e-6, memory_bytes_per_s=H100_BYTES_PER_S
    )
    single = one_gpu(memory_bytes_per_s=H100_BYTES_PER_S)
    work = seconds(LLAMA_8B, single, load(1, 0)) - (32 * 30e-6 + 0.1e-3 + 6e-6)
    handover = 30e-6 + 4096 * 2 / (0.7 * 25e9)
    added = seconds(LLAMA_8B, piped, load(1, 0)) - seconds(LLAMA_8B, single, load(1, 0))
    assert added == pytest.approx(0.11 * work + handover, rel=1e-6)


# Experts


@pytest.mark.parametrize(("tokens", "touched"), [(1, 8.0), (2, 15.75), (32, 163.31), (4096, 256.0)])
def test_experts_touched_by_hand(tokens: float, touched: float) -> None:
    assert experts_touched(256, 8, array(tokens), 1.0)[0] == pytest.approx(touched, abs=0.01)


def test_tokens_that_choose_alike_touch_fewer_experts_and_one_token_its_own() -> None:
    assert experts_touched(256, 8, array(1), 0.4)[0] == pytest.approx(8.0)
    # Of 11 tokens the ten further ones count as four: 256·(1 − (31/32)^5).
    assert experts_touched(256, 8, array(11), 0.4)[0] == pytest.approx(256 * (1 - (31 / 32) ** 5))


def test_experts_touched_agrees_with_drawing_experts() -> None:
    draw = np.random.default_rng(7)
    counts = [
        len({expert for _ in range(12) for expert in draw.choice(64, 6, replace=False)}) for _ in range(400)
    ]
    assert experts_touched(64, 6, array(12), 1.0)[0] == pytest.approx(np.mean(counts), rel=0.01)


def test_a_small_batch_reads_only_the_experts_it_touches() -> None:
    at = one_gpu(memory_bytes_per_s=H100_BYTES_PER_S)
    expert = 58 * 3 * 7168 * 2048  # one of 256 experts, over the 58 MoE layers, fp8
    one, many = load(1, 0), load(100_000, 0)
    work = model_work(DEEPSEEK_R1, [("fp8", "bf16")])
    read_one = step_seconds(work, at, one) - step_seconds(replace(work, routed=_nothing(work)), at, one)
    read_all = step_seconds(work, at, many) - step_seconds(replace(work, routed=_nothing(work)), at, many)
    assert read_one[0] == pytest.approx(8 * expert / H100_BYTES_PER_S, rel=1e-6)
    assert read_all[0] == pytest.approx(256 * expert / H100_BYTES_PER_S, rel=1e-4)


def test_each_copy_of_a_token_for_an_expert_passes_through_memory() -> None:
    at = one_gpu(memory_bytes_per_s=1e12)
    found = step_parts(model_work(DEEPSEEK_R1, [("fp8", "bf16")]), at, load(0, 0, 1000, 500)).seconds
    # 20 passes of 7,168 in 61 layers; in 58 of them 8 copies: four passes of 7,168 and six of 2,048.
    passed = 61 * 20 * 7168 + 58 * 8 * (4 * 7168 + 6 * 2048)
    logits = 129_280 * 4 * 8
    assert found["activations"] == pytest.approx((1000 * passed * 2 + logits) / 1e12, rel=1e-9)


def _nothing(work: ModelWork) -> Weights:
    return replace(work.routed, parameters=0.0, size_bytes=array(0.0))


# KV cache


def test_grouped_query_cache_is_sharded_over_no_more_gpus_than_kv_heads() -> None:
    work = model_work(LLAMA_70B, [("bf16", "bf16")])
    times = [
        float(
            kv_cache_attention(work, one_gpu(shards=shards, memory_bytes_per_s=1e12), load(64, 2000)).seconds[
                0
            ]
        )
        for shards in (1, 8, 16)
    ]
    assert times[1] == pytest.approx(times[0] / 8)
    assert times[2] == pytest.approx(times[1])


def test_mla_cache_is_read_whole_by_every_shard_but_split_over_attention_ranks() -> None:
    work = model_work(DEEPSEEK_R1, [("fp8", "bf16")])
    by_hand = 64 * 2000 * (512 + 64) * 61 * 2 / 1e12
    for shards, ranks, parts in ((1, 1, 1), (8, 1, 1), (1, 8, 8)):
        at = one_gpu(shards=shards, ranks=ranks, memory_bytes_per_s=1e12)
        assert kv_cache_attention(work, at, load(64, 2000)).seconds[0] == pytest.approx(by_hand / parts)


def test_sliding_layers_stop_at_their_window() -> None:
    sliding = replace(LLAMA_8B, sliding_window=128, sliding_layers=16)
    work, full = model_work(sliding, [("bf16", "bf16")]), model_work(LLAMA_8B, [("bf16", "bf16")])
    at = one_gpu(memory_bytes_per_s=1e12)
    whole = kv_cache_attention(full, at, load(1, 10_000)).seconds[0]
    assert kv_cache_attention(work, at, load(1, 10_000)).seconds[0] == pytest.approx(
        whole * (0.5 + 0.5 * 128 / 10_000)
    )


# Laws

SIZES = st.floats(1, 4096)


@given(a=st.floats(1e-6, 1e3), b=st.floats(1e-6, 1e3))
def test_smooth_maximum_lies_between_the_maximum_and_a_fifth_above(a: float, b: float) -> None:
    found = float(smooth_maximum(array(a), array(b))[0])
    assert max(a, b) * (1 - 1e-9) <= found <= max(a, b) * 2**0.25 * (1 + 1e-9)


@given(
    decode=SIZES,
    context=st.floats(0, 1e5),
    prefill=st.floats(0, 8192),
    rate=st.sampled_from(["weight_flops", "half_flops", "memory_bytes_per_s", "link_bytes_per_s"]),
    model=st.sampled_from([LLAMA_8B, DEEPSEEK_R1]),
)
def test_faster_hardware_is_never_slower(
    decode: float, context: float, prefill: float, rate: str, model: ModelSpec
) -> None:
    what = load(decode, context, prefill, prefill / 2)
    slow, fast = real_gpu(shards=4), real_gpu(shards=4)
    fast = replace(fast, **{rate: getattr(fast, rate) * 1.5})
    assert seconds(model, fast, what, "fp8") <= seconds(model, slow, what, "fp8")


@given(
    decode=SIZES,
    more=st.floats(1, 3),
    context=st.floats(1, 1e5),
    model=st.sampled_from([LLAMA_8B, DEEPSEEK_R1]),
)
def test_more_sequences_more_context_and_more_prompt_take_longer(
    decode: float, more: float, context: float, model: ModelSpec
) -> None:
    at = real_gpu(shards=2)
    base = seconds(model, at, load(decode, context, 100, 50))
    for what in (
        load(decode * more, context, 100, 50),
        load(decode, context * more, 100, 50),
        load(decode, context, 100 * more, 50),
        load(decode, context, 100, 50 * more),
    ):
        assert seconds(model, at, what) >= base


def test_setups_and_loads_broadcast_as_if_worked_out_one_by_one() -> None:
    work = model_work(DEEPSEEK_R1, [("fp8", "bf16")])
    single = [real_gpu(shards=shards, stages=stages) for shards, stages in ((1, 1), (8, 1), (4, 2))]
    names = Layouts.__dataclass_fields__
    arrays = {
        name: np.concatenate([getattr(one, name) for one in single])
        for name in names
        if name not in ("physics", "anchors")
    }
    together = Layouts(physics=PHYSICS, **arrays)
    batches = array(1, 16, 200)
    what = Load(decode=batches, context=array(900), prefill=array(300), prefill_context=array(150))
    table = step_seconds(work, together.columns(1), what)
    for row, one in enumerate(single):
        for column, batch in enumerate(batches):
            alone = seconds(DEEPSEEK_R1, one, load(batch, 900, 300, 150), "fp8")
            assert table[row, column] == pytest.approx(alone)


# Continuous batching


def test_mean_traffic_weights_context_by_how_long_requests_stay() -> None:
    traffic = mean_traffic(array(1000, 100), array(100, 300), array(0.5, 0.5))
    assert traffic.prompt == pytest.approx(550)
    assert traffic.output == pytest.approx(200)
    # 100 tokens at 1,050 on average, 300 tokens at 250.
    assert traffic.context == pytest.approx((100 * 1050 + 300 * 250) / 400)
    assert traffic.prefill_context == pytest.approx((1000**2 + 100**2) / 2 / 1100)


def test_prompts_come_as_chunks_into_some_of_the_steps() -> None:
    work, at = model_work(LLAMA_8B, [("bf16", "bf16")]), real_gpu()
    traffic = mean_traffic(array(1000), array(200), array(1))
    steady = steady_state(work, at, array(20), traffic)
    # 20 sequences of 200 tokens end at 0.1 a step, so every tenth step holds a prompt of 1,000 tokens.
    plain = seconds(LLAMA_8B, at, load(20, 1100))
    mixed = seconds(LLAMA_8B, at, load(20, 1100, 1000, 500))
    assert steady.step_s[0] == pytest.approx(0.9 * plain + 0.1 * mixed)
    assert steady.prefill_time_share[0] == pytest.approx(1 - plain / steady.step_s[0])


def test_prompts_beyond_a_chunk_a_step_hold_decoding_up() -> None:
    work, at = model_work(LLAMA_8B, [("bf16", "bf16")]), real_gpu()
    traffic = mean_traffic(array(8192), array(100), array(1))
    steady = steady_state(work, at, array(200), traffic)
    full = seconds(LLAMA_8B, at, load(200, 8242, CHUNK_TOKENS, 4096))
    assert steady.step_s[0] == pytest.approx(2 * full)
