"""Prefix caching, speculative decoding and LoRA adapters: golden figures by hand, and laws."""

from collections.abc import Sequence

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, FIT, GPUS, LLAMA_8B, PHYSICS, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.performance.anchor import Anchor, Factors
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.layouts import Layouts, Load
from optimiser.performance.lifts import Asked
from optimiser.performance.memory import GIB
from optimiser.performance.model_work import model_work
from optimiser.performance.parameters import lora_parameters
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import StepParts, step_parts
from optimiser.performance.why import explain
from optimiser.workload import LoraAdapters, SizeBucket, SpeculativeDecoding, Target, Techniques

CHAT = Target(ttft_ms=2000, tpot_ms=50)
# One H100 of hardware.GPUS at hardware.EFFICIENCIES: 0.8 of 989 TFLOPS and of 3,350 GB/s.
FLOPS, BYTES_PER_S = 0.8 * 989e12, 0.8 * 3350e9
ADAPTERS = Techniques(lora=LoraAdapters(adapters=100, rank=16))


def drafting(tokens_per_step: float, drafts: int, parameters: float = 0.0) -> Techniques:
    return Techniques(
        speculative_decoding=SpeculativeDecoding(
            tokens_per_step=tokens_per_step, draft_tokens=drafts, draft_parameters=parameters
        )
    )


def serving(
    bucket: SizeBucket | Sequence[SizeBucket],
    target: Target | None = CHAT,
    techniques: Techniques | None = None,
    model: ModelSpec = LLAMA_8B,
) -> Estimate:
    buckets = [bucket] if isinstance(bucket, SizeBucket) else bucket
    (found,) = estimate_shapes(model, buckets, target, [shape("H100", 1)], GPUS, FIT, techniques=techniques)
    assert isinstance(found, Estimate), found
    return found


def size(prompt: float, output: float, cached: float = 0.0) -> SizeBucket:
    return SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0, cached_prefix_tokens=cached)


# Prefix caching


def test_a_cached_prefix_costs_a_prompt_only_what_looking_back_at_it_costs() -> None:
    # 4·32 heads·128·32 layers = 524,288 operations per pair; 1,000 new tokens look back at 2,000 cached ones, at
    # 0.8 of the 16-bit rate. Beside them one sequence decodes over 2,000 more tokens of 131,072 bytes each.
    attention_ms = 1000 * 2000 * 524_288 / (FLOPS * 0.8) * 1e3
    decode_ms = 2000 * 131_072 / BYTES_PER_S * 1e3
    whole, tail = serving(size(3000, 100, cached=2000), None), serving(size(1000, 100), None)
    more_ms = whole.unloaded_ttft_ms - tail.unloaded_ttft_ms
    assert more_ms == pytest.approx(attention_ms + decode_ms, rel=1e-3)


def test_requests_hold_their_cached_prefix_in_the_kv_cache() -> None:
    cached, plain = (serving(size(30_000, 100, cached=held), None) for held in (29_000, 0))
    assert cached.kv_room_tokens_per_replica == plain.kv_room_tokens_per_replica
    assert cached.concurrency_per_replica == pytest.approx(plain.concurrency_per_replica)
    assert cached.requests_per_second > 4 * plain.requests_per_second


@settings(max_examples=25)
@given(
    prompt=st.integers(2, 20_000),
    output=st.integers(1, 2000),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    target=st.sampled_from([None, CHAT]),
)
def test_the_more_of_a_prompt_is_cached_the_more_is_served(
    prompt: int, output: int, shares: tuple[float, float], target: Target | None
) -> None:
    less, more = (
        serving(size(prompt, output, cached=share * (prompt - 1)), target) for share in sorted(shares)
    )
    assert more.requests_per_second >= less.requests_per_second * (1 - 1e-3)
    assert more.unloaded_ttft_ms <= less.unloaded_ttft_ms * (1 + 1e-9)


# Speculative decoding


def one_gpu() -> Layouts:
    fields = {
        name: np.array([value])
        for name, value in {
            "weight_flops": FLOPS, "half_flops": FLOPS, "memory_bytes_per_s": BYTES_PER_S, "link_bytes_per_s": 1e9,
            "link_latency_s": 0.0, "stage_bytes_per_s": 1e9, "stage_latency_s": 0.0, "shards": 1.0, "ranks": 1.0,
            "stages": 1.0, "step_factor": 1.0, "latent_prompt_layer_s": 0.0, "graph_tokens": 0.0,
        }.items()
    }  # fmt: skip
    return Layouts(physics=PHYSICS, pair=np.array([0]), **fields)


def parts_of(techniques: Techniques | None, sequences: float, prefill: float = 0.0) -> StepParts:
    load = Load(
        decode=np.array([sequences]),
        context=np.array([1000.0]),
        prefill=np.array([prefill]),
        prefill_context=np.array([0.0]),
    )
    return step_parts(model_work(LLAMA_8B, [("bf16", "bf16")], techniques), one_gpu(), load)


def test_drafts_are_checked_as_further_rows_that_share_one_reading_of_the_kv_cache() -> None:
    checked, wide, narrow = parts_of(drafting(2.0, 3), 8), parts_of(None, 32), parts_of(None, 8)
    for name in ("attention_projections", "feed_forward", "output_head", "activations"):
        assert checked.seconds[name] == pytest.approx(wide.seconds[name])
    cache = checked.blocks["kv_cache"]
    assert cache.memory_s == pytest.approx(narrow.blocks["kv_cache"].memory_s)
    assert cache.compute_s == pytest.approx(4 * narrow.blocks["kv_cache"].compute_s)
    assert checked.seconds["host"] == pytest.approx(narrow.seconds["host"])
    assert "drafts" not in checked.seconds


def test_a_draft_reads_its_weights_once_a_token() -> None:
    # Three passes over 1e9 weights of 2 bytes: 3 · 2e9 / 2.68e12 s; 65 rows' operations hide behind that.
    drafted = parts_of(drafting(2.0, 3, parameters=1e9), 1)
    assert drafted.seconds["drafts"] == pytest.approx(3 * 2e9 / BYTES_PER_S, rel=1e-2)
    more = drafted.seconds["launches"] - parts_of(drafting(2.0, 3), 1).seconds["launches"]
    assert more == pytest.approx(3 * PHYSICS.layer_overhead_us * 1e-6)


def test_the_rate_counts_the_tokens_of_a_step() -> None:
    asked = Asked(
        model=LLAMA_8B, buckets=[size(1000, 240)], target=CHAT, shape=shape("H100", 1), gpus=GPUS, fit=FIT,
        techniques=drafting(2.4, 3),
    )  # fmt: skip
    why = explain(asked)
    assert why.rate is not None
    assert why.per_token is not None
    assert (why.rate.output_tokens, why.rate.tokens_per_step) == (pytest.approx(240), 2.4)
    steps = 240 / 2.4
    rate = why.rate.concurrency_per_replica / (steps * why.rate.mean_step_ms / 1e3)
    assert why.rate.requests_per_second == pytest.approx(rate)
    assert why.per_token.decode_step_ms + why.per_token.prompts_ms == pytest.approx(
        why.rate.mean_step_ms / 2.4
    )


def test_drafts_halve_a_lone_sequence_s_time_per_token_and_do_nothing_for_a_full_batch() -> None:
    slow, quick = serving(size(500, 200), CHAT), serving(size(500, 200), CHAT, drafting(2.0, 2))
    first = quick.load_points[0].tpot_ms / slow.load_points[0].tpot_ms
    assert 0.45 < first < 0.65
    full, drafted = serving(size(100, 900), None), serving(size(100, 900), None, drafting(1.0, 4))
    assert drafted.requests_per_second < full.requests_per_second


@settings(max_examples=15)
@given(tokens=st.tuples(st.floats(1, 4), st.floats(1, 4)), target=st.sampled_from([None, CHAT]))
def test_the_more_drafts_are_accepted_the_more_is_served(
    tokens: tuple[float, float], target: Target | None
) -> None:
    fewer, more = (serving(size(800, 300), target, drafting(mean, 3)) for mean in sorted(tokens))
    assert more.requests_per_second >= fewer.requests_per_second * (1 - 1e-3)


# LoRA adapters


def test_an_adapter_of_rank_16_on_llama_8b_has_the_published_number_of_weights() -> None:
    # What peft prints for r=16 on all linear layers of Llama-3-8B: "trainable params: 41,943,040".
    assert lora_parameters(LLAMA_8B, 16) == 41_943_040


def test_adapters_on_latent_attention_and_shared_experts_by_hand() -> None:
    # DeepSeek-R1, rank 1: query 7168 + 1536 and 1536 + 128·192; latent 7168 + 576; its expansion 512 + 128·256;
    # output 128·128 + 7168. Feed-forward 3·(7168 + 18432) in 3 layers and 3·(7168 + 2048) in 58.
    attention = 8704 + 26_112 + 7744 + 33_280 + 23_552
    assert lora_parameters(DEEPSEEK_R1, 1) == 61 * attention + 3 * 3 * 25_600 + 58 * 3 * 9216


def test_adapters_take_memory_from_the_kv_cache() -> None:
    plain, adapted = serving(size(1000, 200)), serving(size(1000, 200), CHAT, ADAPTERS)
    gib = 100 * 41_943_040 * 2 / GIB
    assert adapted.weights_gib_per_gpu - plain.weights_gib_per_gpu == pytest.approx(gib)
    tokens = plain.kv_room_tokens_per_replica - adapted.kv_room_tokens_per_replica
    assert tokens == pytest.approx(100 * 41_943_040 * 2 / 131_072)
    assert any(f"{gib:.1f} GiB" in note for note in adapted.notes)
    assert adapted.requests_per_second < plain.requests_per_second


def test_no_more_adapters_are_read_than_there_are_sequences() -> None:
    few, many = (parts_of(ADAPTERS, sequences).blocks["lora_adapters"] for sequences in (3, 300))
    assert few.memory_s == pytest.approx(3 * 41_943_040 * 2 / BYTES_PER_S)
    assert many.memory_s == pytest.approx(100 * 41_943_040 * 2 / BYTES_PER_S)
    assert few.compute_s == pytest.approx(3 * 2 * 41_943_040 / FLOPS)


@pytest.mark.parametrize("techniques", [ADAPTERS, drafting(2.0, 3)])
def test_what_was_not_measured_widens_the_error(techniques: Techniques) -> None:
    plain, other = serving(size(1000, 200)), serving(size(1000, 200), CHAT, techniques)
    assert not plain.low_confidence
    assert other.low_confidence
    assert other.relative_error == pytest.approx(1.5 * plain.relative_error)


def test_techniques_left_out_change_nothing() -> None:
    assert serving(size(1000, 200), CHAT, Techniques()) == serving(size(1000, 200), CHAT)


def test_drafts_that_are_never_accepted_cost_the_rows_they_add() -> None:
    plain, drafted = serving(size(1000, 200)), serving(size(1000, 200), CHAT, drafting(1.0, 1))
    assert 0.5 * plain.requests_per_second < drafted.requests_per_second < plain.requests_per_second


def test_measurements_of_plain_serving_do_not_hide_what_drafts_change() -> None:
    techniques = drafting(2.0, 3)
    factors = Factors(contexts=(500.0,), loads=((1.0, 512.0),), logs=((0.0, 0.0),))
    anchor = Anchor(
        steps=factors, first_tokens=None, room_bytes=0.0, prompts=(1.0, 1e6), outputs=(1.0, 1e6),
        batches=(1e-3, 1e6), engine="vllm 0.19", basis="a measurement",
    )  # fmt: skip
    answers = [
        estimate_shapes(
            LLAMA_8B, [size(1000, 200)], CHAT, [shape("H100", 1)], GPUS, FIT, techniques=one,
            anchors_of=lambda _, candidates: tuple(anchor for _ in candidates),
        )[0]
        for one in (None, techniques)
    ]  # fmt: skip
    plain, drafted = answers
    assert isinstance(plain, Estimate)
    assert isinstance(drafted, Estimate)
    assert drafted.requests_per_second == serving(size(1000, 200), CHAT, techniques).requests_per_second
    assert drafted.relative_error == serving(size(1000, 200), CHAT, techniques).relative_error
    assert drafted.relative_error > plain.relative_error
    assert any("speculative decoding" in note for note in drafted.notes)
    assert drafted.low_confidence
