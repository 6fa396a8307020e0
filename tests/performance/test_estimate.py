"""Whole estimates: what fits, published numbers, a simulated engine, laws."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, EFFICIENCIES, FIT, GPUS, LLAMA_8B, LLAMA_70B, efficiency, hardware, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.errors import UsageError
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.operating import request_rate
from optimiser.performance.setups import group_candidates, single_candidates
from optimiser.performance.specs import ModelSpec
from optimiser.performance.trial import question_of, trial_of
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

CHAT = Target(ttft_ms=2000, tpot_ms=50)


def bucket(prompt: float, output: float, share: float = 1.0) -> SizeBucket:
    return SizeBucket(prompt_tokens=prompt, output_tokens=output, share=share)


MIX = [bucket(200, 50, 0.25), bucket(1000, 200, 0.5), bucket(3000, 400, 0.2), bucket(8000, 500, 0.05)]


def estimates(
    model: ModelSpec,
    shapes: Sequence[InstanceShape],
    target: Target | None = CHAT,
    buckets: Sequence[SizeBucket] = MIX,
    weight_precision: str | None = None,
    kv_precision: str | None = None,
) -> list[Estimate | Rejection]:
    return estimate_shapes(model, buckets, target, shapes, GPUS, FIT, weight_precision, kv_precision)


def one(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Estimate:
    (found,) = estimates(model, [on], target, **more)  # type: ignore[arg-type]
    assert isinstance(found, Estimate), found
    return found


def refused(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Rejection:
    (found,) = estimates(model, [on], target, **more)  # type: ignore[arg-type]
    assert isinstance(found, Rejection), found
    return found


# What fits


def test_llama_70b_does_not_fit_a_single_l4() -> None:
    found = refused(LLAMA_70B, shape("L4", 1, network_gbps=10))
    assert found.code == "memory"
    assert "141 GB at bf16" in found.reason
    assert (found.instance_type, found.gpu) == ("1xL4", "L4")


def test_deepseek_r1_needs_two_instances_of_eight_h100() -> None:
    found = estimates(DEEPSEEK_R1, [shape("H100", 8)], Target(ttft_ms=5000, tpot_ms=50))
    # Four instances would not serve 10 % more per instance, so two are the only unit offered.
    assert len(found) == 1
    assert isinstance(found[0], Estimate)
    setup = found[0].setup
    assert (setup.weight_precision, setup.instances_per_unit, setup.replicas_per_unit) == ("fp8", 2, 1)
    assert setup.tensor_parallel * setup.pipeline_parallel == 16
    assert found[0].weights_gib_per_gpu < 80
    assert any("2 instances" in note for note in found[0].notes)


def test_a_group_needs_a_fast_network() -> None:
    found = refused(DEEPSEEK_R1, shape("H100", 8, network_gbps=25))
    assert found.code == "network"
    assert "673 GB at fp8" in found.reason
    assert "100 Gbit/s, this has 25 Gbit/s" in found.reason


def test_a_model_that_fits_one_instance_is_never_grouped() -> None:
    found = estimates(LLAMA_70B, [shape("H100", 8)])
    assert len(found) == 1
    assert isinstance(found[0], Estimate)
    assert found[0].setup.instances_per_unit == 1


def test_host_ram_must_hold_the_weights() -> None:
    found = refused(LLAMA_8B, shape("H100", 1, memory_gib=16))
    assert found.code == "host_ram"
    assert "15.0 GiB of weights needs 17.9 GiB" in found.reason
    assert one(LLAMA_8B, shape("H100", 1, memory_gib=18)).requests_per_second > 0


def test_one_request_of_the_longest_context_must_fit() -> None:
    found = refused(LLAMA_70B, shape("H100", 2, network_gbps=None), buckets=[bucket(120_000, 1000)])
    assert found.code == "kv_room"
    assert "121,000 tokens needs 39.6 GB" in found.reason


def test_one_attention_rank_must_hold_the_longest_request_alone() -> None:
    def ranks_that_fit(prompt: float) -> set[int]:
        question = question_of(DEEPSEEK_R1, [bucket(prompt, 100)], None, None, None)
        trial = trial_of(question, group_candidates(DEEPSEEK_R1, hardware("H100", 8, network_gbps=3200), 2))
        assert trial is not None
        return {candidate.ranks for candidate in trial.candidates}

    # The sixteen ranks have room for 3.3 million tokens together, one of them for 204,000.
    assert ranks_that_fit(150_000) == {1, 16}
    assert ranks_that_fit(300_000) == {1}


# Precision


def test_precision_follows_the_gpu() -> None:
    assert refused(DEEPSEEK_R1, shape("A100", 8)).code == "precision"
    assert one(LLAMA_8B, shape("H100", 1)).setup.weight_precision == "bf16"
    wide = Target(ttft_ms=60_000, tpot_ms=500)
    turing = one(LLAMA_8B, shape("T4", 4, link="pcie"), wide)
    assert (turing.setup.weight_precision, turing.setup.kv_precision) == ("fp16", "fp16")
    assert any("no bf16" in note for note in turing.notes)
    packed = one(LLAMA_70B, shape("A100", 2), wide, weight_precision="fp4")
    assert any("computed in 16 bit" in note for note in packed.notes)
    assert refused(LLAMA_8B, shape("T4", 1), wide, weight_precision="fp4").code == "precision"
    assert refused(LLAMA_8B, shape("A100", 1), wide, kv_precision="fp8").code == "precision"


def test_quantised_weights_and_cache_only_where_named() -> None:
    plain = one(LLAMA_70B, shape("H100", 4))
    small = one(LLAMA_70B, shape("H100", 4), weight_precision="fp8", kv_precision="fp8")
    assert (plain.setup.weight_precision, plain.setup.kv_precision) == ("bf16", "bf16")
    assert (small.setup.weight_precision, small.setup.kv_precision) == ("fp8", "fp8")
    assert small.requests_per_second > plain.requests_per_second


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_precision": "fp6"}, "weight_precision = 'fp6'"),
        ({"kv_precision": "int5"}, "kv_precision = 'int5'"),
    ],
)
def test_unknown_precisions_are_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        estimates(LLAMA_8B, [shape("H100", 1)], **change)  # type: ignore[arg-type]


def test_unknown_gpus_and_generations_are_named() -> None:
    with pytest.raises(UsageError, match=r"1xH10: gpu = 'H10': .*did you mean H100"):
        estimates(LLAMA_8B, [shape("H10", 1)])
    ada = replace(FIT, generations={"Ada": EFFICIENCIES["Ada"]})
    with pytest.raises(UsageError, match="generation = 'Hopper'"):
        estimate_shapes(LLAMA_8B, MIX, CHAT, [shape("H100", 1)], GPUS, ada)


# Missed targets


def test_a_missed_target_says_how_near_the_shape_came() -> None:
    slow = refused(LLAMA_70B, shape("A100", 4), Target(ttft_ms=2000, tpot_ms=10))
    assert slow.code == "tpot"
    # 141 GB of weights over 4 × 2,039 GB/s × 0.83 take 21 ms, before anything else.
    assert slow.best_tpot_ms is not None
    assert slow.best_tpot_ms > 21
    late = refused(LLAMA_70B, shape("A100", 4), Target(ttft_ms=100, tpot_ms=100))
    assert late.code == "ttft"
    assert late.best_ttft_ms is not None
    assert late.best_ttft_ms > 100


def test_no_bucket_is_worse_than_three_times_the_target() -> None:
    rare = [bucket(500, 200, 0.99), bucket(60_000, 200, 0.01)]
    found = refused(LLAMA_70B, shape("A100", 8), Target(ttft_ms=1500, tpot_ms=100), buckets=rare)
    assert "3 × the target of 1,500 ms" in found.reason
    met = one(LLAMA_70B, shape("A100", 8), Target(ttft_ms=15_000, tpot_ms=100), buckets=rare)
    assert met.ttft_ms <= 15_000
    assert max(met.bucket_ttft_ms) <= 45_000


# Published numbers: offline output tokens per second of one replica. Source: NVIDIA, TensorRT-LLM 0.17
# documentation, "Performance overview" (perf-overview.md), maximum load, fixed lengths.
PUBLISHED = [
    ("H100", 8, "fp8", LLAMA_70B, 1000, 1000, 11_451.16),
    ("H100", 8, "fp8", LLAMA_70B, 500, 2000, 14_679.33),
    ("H100", 8, "fp8", LLAMA_70B, 2048, 128, 1_923.41),
    ("H100", 4, "fp8", LLAMA_70B, 1000, 1000, 7_430.99),
    ("H100", 1, "fp8", LLAMA_8B, 1000, 1000, 15_244.78),
    ("A100", 8, "bf16", LLAMA_70B, 1000, 1000, 3_320.41),
    ("A100", 1, "bf16", LLAMA_8B, 1000, 1000, 3_786.83),
]


@pytest.mark.parametrize(("gpu", "gpus", "precision", "model", "prompt", "output", "published"), PUBLISHED)
def test_published_throughput_of_one_replica(
    gpu: str, gpus: int, precision: str, model: ModelSpec, prompt: int, output: int, published: float
) -> None:
    cache = "fp8" if precision == "fp8" else None
    question = question_of(model, [bucket(prompt, output)], None, precision, cache)
    item = hardware(gpu, gpus)
    rates = GPUS[gpu].dense_tflops
    served = replace(item.served, weight_tflops=rates[precision])
    candidates = single_candidates(model, replace(item, served=served))
    trial = trial_of(question, [c for c in candidates if c.replicas == 1])
    assert trial is not None
    assert float(trial.rate[0, 0]) * output == pytest.approx(published, rel=0.25)


# InferenceX (2026-04-06), Llama-3.1-70B fp8 on vLLM, lengths 80 to 100 % of 1,024 in and out: mean TPOT, ms.
@pytest.mark.parametrize(
    ("gpus", "concurrency", "published"), [(2, 16, 19.74), (2, 64, 28.77), (8, 16, 11.39), (8, 64, 15.46)]
)
def test_published_time_per_token_at_a_concurrency(gpus: int, concurrency: float, published: float) -> None:
    question = question_of(LLAMA_70B, [bucket(922, 922)], None, "fp8", None)
    item = hardware("H100", gpus)
    served = replace(item.served, weight_tflops=1978)
    candidates = single_candidates(LLAMA_70B, replace(item, served=served))
    trial = trial_of(question, [c for c in candidates if c.replicas == 1])
    assert trial is not None
    _, steady = request_rate(question.work, trial.layouts, np.array([[concurrency]]), question.mix)
    assert float(steady.step_s[0, 0]) * 1e3 == pytest.approx(published, rel=0.20)


def test_llama_70b_in_bf16_on_eight_h100_lies_between_its_fp8_numbers_and_half_of_them() -> None:
    """11,451 tokens/s published in fp8; in bf16 every weight and operation costs twice as much."""
    found = one(LLAMA_70B, shape("H100", 8), None, buckets=[bucket(1000, 1000)])
    assert 0.5 * 11_451 <= found.requests_per_second * 1000 <= 11_451


# Laws


def test_load_points_rise_to_the_rate_and_within_the_target() -> None:
    found = one(LLAMA_70B, shape("H100", 8))
    points = found.load_points
    assert [point.utilisation for point in points] == [0.25, 0.5, 0.8, 1.0]
    for point in points:
        assert point.requests_per_second == pytest.approx(
            point.utilisation * found.requests_per_second, rel=5e-3
        )
    for low, high in pairwise(points):
        assert low.ttft_ms <= high.ttft_ms
        assert low.tpot_ms <= high.tpot_ms
        assert low.concurrency_per_replica <= high.concurrency_per_replica
    assert found.unloaded_ttft_ms <= points[0].ttft_ms
    assert points[-1].tpot_ms == pytest.approx(found.tpot_ms)
    assert found.tpot_ms <= CHAT.tpot_ms * 1.001
    assert found.ttft_ms <= CHAT.ttft_ms * 1.001
    assert found.limited_by in ("tpot", "ttft", "kv_room", "batch", "compute")
    assert 0 < found.prefill_time_share < 1


def test_a_bucket_alone_is_the_mix_of_that_bucket_only() -> None:
    found = one(LLAMA_70B, shape("H100", 4))
    for index, size in enumerate(MIX):
        alone = one(LLAMA_70B, shape("H100", 4), buckets=[replace(size, share=1.0)])
        if alone.setup == found.setup:
            rate = found.bucket_requests_per_second[index]
            assert rate == pytest.approx(alone.requests_per_second, rel=0.01)


def test_short_requests_are_served_faster_than_long_ones() -> None:
    rates = one(LLAMA_70B, shape("H100", 8)).bucket_requests_per_second
    assert list(rates) == sorted(rates, reverse=True)
    # The mix lies between its fastest and its slowest part.
    assert rates[-1] < one(LLAMA_70B, shape("H100", 8)).requests_per_second < rates[0]


def test_twice_the_gpus_hold_twice_the_replicas() -> None:
    small, large = one(LLAMA_8B, shape("A100", 4)), one(LLAMA_8B, shape("A100", 8))
    assert large.requests_per_second >= 2 * small.requests_per_second * 0.999


def test_without_a_target_the_rate_is_the_offline_one() -> None:
    offline = one(LLAMA_70B, shape("H100", 8), None)
    assert offline.requests_per_second > one(LLAMA_70B, shape("H100", 8)).requests_per_second
    assert offline.limited_by in ("kv_room", "batch", "compute")
    assert all(np.isfinite([offline.ttft_ms, offline.tpot_ms, *offline.bucket_ttft_ms]))


def test_few_places_and_unmeasured_generations_widen_the_error() -> None:
    firm = one(LLAMA_70B, shape("H100", 8))
    assert (firm.low_confidence, firm.relative_error) == (False, 0.21)
    offline = one(LLAMA_70B, shape("H100", 8), None)
    assert (offline.low_confidence, offline.relative_error) == (False, 0.1)
    tight = one(LLAMA_70B, shape("H100", 2), Target(ttft_ms=9000, tpot_ms=100), buckets=[bucket(4000, 500)])
    assert tight.low_confidence
    assert tight.relative_error == pytest.approx(0.21 * 1.5)
    (experts,) = estimates(DEEPSEEK_R1, [shape("H100", 16)], Target(ttft_ms=5000, tpot_ms=50))
    assert isinstance(experts, Estimate)
    assert experts.setup.attention_data_parallel
    assert experts.relative_error == pytest.approx(0.5)
    unmeasured = one(LLAMA_8B, shape("T4", 4, link="pcie"), Target(ttft_ms=60_000, tpot_ms=500))
    assert unmeasured.low_confidence
    assert any("no public measurement of Turing" in note for note in unmeasured.notes)


def test_a_model_split_over_pcie_carries_the_error_that_was_measured_on_such_machines() -> None:
    target = Target(ttft_ms=60_000, tpot_ms=500)
    split = one(LLAMA_70B, shape("L40S", 4, link="pcie"), target)
    assert split.setup.tensor_parallel * split.setup.pipeline_parallel > 1
    assert (split.low_confidence, split.relative_error) == (True, 0.40)
    whole = one(LLAMA_8B, shape("L40S", 1, link="none"), target)
    assert (whole.low_confidence, whole.relative_error) == (False, 0.21)


def test_results_come_in_the_order_of_the_shapes_whatever_they_share() -> None:
    shapes = [shape("H100", 8), shape("L4", 1), shape("H100", 8, memory_gib=100), shape("A100", 8)]
    together = estimates(LLAMA_70B, shapes)
    apart = [found for item in shapes for found in estimates(LLAMA_70B, [item])]
    assert together == apart


@settings(max_examples=25, deadline=None)
@given(
    ttft=st.floats(300, 4000),
    tpot=st.floats(15, 100),
    longer=st.floats(1.0, 2.0),
    which=st.sampled_from(["ttft_ms", "tpot_ms"]),
)
def test_a_longer_target_never_lowers_the_rate(ttft: float, tpot: float, longer: float, which: str) -> None:
    short = Target(ttft_ms=ttft, tpot_ms=tpot)
    long = replace(short, **{which: getattr(short, which) * longer})
    (low,), (high,) = (estimates(LLAMA_8B, [shape("H100", 2)], target) for target in (short, long))
    if isinstance(low, Estimate):
        assert isinstance(high, Estimate)
        assert high.requests_per_second >= low.requests_per_second * 0.99


@settings(max_examples=25, deadline=None)
@given(
    faster=st.floats(1.0, 2.0), compute=st.booleans(), prompt=st.floats(50, 6000), output=st.floats(2, 800)
)
def test_a_faster_gpu_never_serves_less(faster: float, compute: bool, prompt: float, output: float) -> None:
    factors = (0.4 * faster, 0.4) if compute else (0.4, 0.4 * faster)
    rates = []
    for reach in ((0.4, 0.4), factors):
        (found,) = estimate_shapes(
            LLAMA_8B,
            [bucket(prompt, output)],
            CHAT,
            [shape("A100", 1)],
            GPUS,
            replace(FIT, generations={"Ampere": efficiency("Ampere", *reach)}),
        )
        rates.append(found.requests_per_second if isinstance(found, Estimate) else 0.0)
    assert rates[1] >= rates[0] * 0.99
