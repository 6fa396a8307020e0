"""The budget behind an estimate: it adds up, by hand and to the estimate itself, and its lifts are true."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, FIT, GPUS, LLAMA_8B, LLAMA_70B, PHYSICS, shape
from why_questions import CHAT, asked, estimated

from optimiser.performance.anchor import Anchor, Factors
from optimiser.performance.budgets import StepBudget
from optimiser.performance.layouts import Layouts, Load
from optimiser.performance.model_work import model_work
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import step_parts, step_seconds
from optimiser.performance.why import Why, explain
from optimiser.workload import SizeBucket


def milliseconds(step: StepBudget | None) -> dict[str, float]:
    assert step is not None
    return {part.name: part.ms for part in step.parts}


SERVED = [
    asked(LLAMA_8B, shape("H100", 1)),
    asked(LLAMA_8B, shape("L4", 2, link="pcie"), None),
    asked(LLAMA_70B, shape("A100", 8)),
    asked(LLAMA_70B, shape("H100", 4), replace(CHAT, arrival_cv=2)),
    asked(DEEPSEEK_R1, shape("H100", 8)),
    asked(LLAMA_70B, shape("L40S", 4, link="pcie"), None),
]
NAMES = [f"{one.model.name} on {one.shape.instance_type}" for one in SERVED]


@cache
def explained(place: int) -> Why:
    return explain(SERVED[place])


# The sums


@pytest.mark.parametrize("model", [LLAMA_8B, DEEPSEEK_R1])
@pytest.mark.parametrize("prefill", [0.0, 3000.0])
def test_the_parts_of_a_step_sum_to_the_step(model: ModelSpec, prefill: float) -> None:
    at = Layouts(
        physics=replace(PHYSICS, latent_layer_overhead_us=20.0, block_scaled_layer_overhead_us=40.0),
        weight_flops=np.array([800e12, 200e12, 2e15]),
        half_flops=np.array([800e12, 200e12, 1e15]),
        memory_bytes_per_s=np.array([2.7e12, 1.5e12, 4e12]),
        link_bytes_per_s=np.array([450e9, 16e9, 450e9]),
        link_latency_s=np.array([6e-6, 15e-6, 6e-6]),
        stage_bytes_per_s=np.array([450e9, 16e9, 50e9]),
        stage_latency_s=np.array([6e-6, 15e-6, 30e-6]),
        shards=np.array([1.0, 8.0, 1.0]),
        ranks=np.array([1.0, 1.0, 16.0]),
        stages=np.array([1.0, 4.0, 1.0]),
        step_factor=np.array([1.0, 1.1, 0.9]),
        latent_prompt_layer_s=np.zeros(3),
        graph_tokens=np.zeros(3),
        pair=np.zeros(3, dtype=np.intp),
    )
    load = Load(
        decode=np.array([1.0, 30.0, 500.0]),
        context=np.array([100.0, 2000.0, 30000.0]),
        prefill=np.array([prefill]),
        prefill_context=np.array([prefill / 2]),
    )
    work = model_work(model, [("fp8", "bf16")])
    parts = sum(np.broadcast_to(part, 3) for part in step_parts(work, at, load).seconds.values())
    np.testing.assert_allclose(parts, step_seconds(work, at, load), rtol=1e-9)


@pytest.mark.parametrize("place", range(len(SERVED)), ids=NAMES)
def test_every_budget_sums_to_what_the_estimate_says(place: int) -> None:
    why, estimate = explained(place), estimated(SERVED[place])
    assert (why.setup, why.limited_by, why.rejected) == (estimate.setup, estimate.limited_by, "")
    rate, first, each, memory = why.rate, why.first_token, why.per_token, why.memory
    assert rate is not None
    assert first is not None
    assert each is not None
    assert memory is not None
    assert why.decode_step is not None
    assert why.mixed_step is not None
    for step in (why.decode_step, why.mixed_step):
        assert sum(part.ms for part in step.parts) == pytest.approx(step.ms, rel=1e-9)
        assert sum(part.share for part in step.parts) == pytest.approx(1, rel=1e-9)
    steps = why.decode_step.share_of_steps + why.mixed_step.share_of_steps
    assert steps == pytest.approx(1)
    assert rate.requests_per_second == pytest.approx(estimate.requests_per_second, rel=1e-9)
    by_hand = rate.replicas * rate.concurrency_per_replica / (rate.output_tokens * rate.mean_step_ms / 1e3)
    assert rate.requests_per_second == pytest.approx(by_hand, rel=1e-9)
    assert first.total_ms == pytest.approx(estimate.ttft_ms, rel=1e-5)
    assert first.longest_prompts_ms == pytest.approx(max(estimate.bucket_ttft_ms), rel=1e-5)
    waits = first.step_under_way_ms + first.prefill_queue_ms + first.wait_for_place_ms
    assert first.request_overhead_ms + first.own_prompt_ms + waits == pytest.approx(first.total_ms)
    assert each.total_ms == pytest.approx(estimate.tpot_ms, rel=1e-5)
    assert each.decode_step_ms + each.prompts_ms == pytest.approx(rate.mean_step_ms)
    assert each.decode_step_ms + each.prompts_ms + each.spread_ms == pytest.approx(each.total_ms)
    # A batch that is kept full takes its steps as they are.
    assert (each.spread_ms == pytest.approx(0, abs=1e-9)) == (SERVED[place].target is None)
    taken = memory.weights_gib + memory.working_gib + memory.kv_room_gib
    assert taken == pytest.approx(memory.engine_gib, rel=1e-9)
    assert memory.weights_gib == pytest.approx(estimate.weights_gib_per_gpu)


def test_a_percentile_between_two_prompts_has_the_longer_as_its_own() -> None:
    """The wait of a millisecond that tells them apart is no queue of as long as the longer prompt takes more."""
    sizes = [
        SizeBucket(prompt_tokens=1000, output_tokens=200, share=0.95),
        SizeBucket(prompt_tokens=8000, output_tokens=200, share=0.05),
    ]
    for ttft_ms in (1.0, 2000.0):
        between, beyond, highest = (
            explain(
                asked(
                    LLAMA_70B,
                    shape("H100", 8),
                    replace(CHAT, ttft_ms=ttft_ms, percentile=percentile),
                    buckets=sizes,
                )
            ).first_token
            for percentile in (95, 95.1, 99.99999)
        )
        assert between is not None
        assert beyond is not None
        assert highest is not None
        assert between.own_prompt_ms == pytest.approx(beyond.own_prompt_ms, rel=0.01)
        assert between.step_under_way_ms == pytest.approx(beyond.step_under_way_ms, rel=0.05)
        assert between.prefill_queue_ms == pytest.approx(beyond.prefill_queue_ms, rel=0.05, abs=5)
        assert math.isfinite(highest.total_ms)


@pytest.mark.parametrize("place", range(len(SERVED)), ids=NAMES)
def test_no_part_reaches_more_than_its_peak_nor_more_than_its_generation_was_seen_to(place: int) -> None:
    why = explained(place)
    generation = FIT.generations[GPUS[SERVED[place].shape.gpu].generation]
    for step in (why.decode_step, why.mixed_step):
        assert step is not None
        for part in step.parts:
            if part.of_peak is not None:
                reach = generation.bandwidth if part.limited_by == "memory" else generation.compute
                assert 0 < part.of_peak <= reach * (1 + 1e-9), part


# By hand


def test_the_decode_step_of_llama_8b_on_one_h100_by_hand() -> None:
    one = [SizeBucket(prompt_tokens=1000, output_tokens=200, share=1)]
    why = explain(asked(LLAMA_8B, shape("H100", 1), buckets=one))
    assert why.decode_step is not None
    sequences = why.decode_step.sequences
    flops, bandwidth = 0.8 * 989e12, 0.8 * 3.35e12
    weights = {
        "attention_projections": 1_342_177_280,
        "feed_forward": 5_637_144_576,
        "output_head": 525_336_576,
    }
    by_hand = {
        name: ((2 * count * (sequences + 64) / flops) ** 4 + (2 * count / bandwidth) ** 4) ** 0.25
        for name, count in weights.items()
    }
    # 131,072 bytes and 4 × 32 × 128 × 32 operations per token of context, of which there are 1,000 + 200 / 2.
    looked_at = sequences * 1100
    by_hand["kv_cache"] = (
        (looked_at * 524_288 / flops) ** 4 + (looked_at * 131_072 / bandwidth) ** 4
    ) ** 0.25
    by_hand["activations"] = sequences * (32 * 20 * 4096 * 2 + 128_256 * 4 * 8) / bandwidth
    by_hand["launches"] = 32 * 30e-6
    by_hand["host"] = sequences * 6e-6 + 0.1e-3
    assert milliseconds(why.decode_step) == pytest.approx(
        {name: seconds * 1e3 for name, seconds in by_hand.items()}, rel=1e-9
    )
    parts = {part.name: part for part in why.decode_step.parts}
    assert parts["feed_forward"].limited_by == "memory"
    read = 2 * weights["feed_forward"] / by_hand["feed_forward"]
    assert parts["feed_forward"].of_peak == pytest.approx(read / 3.35e12)
    assert (parts["launches"].limited_by, parts["launches"].of_peak) == ("host", None)


def test_a_prompt_is_limited_by_compute_and_reaches_what_its_operations_over_its_time_are() -> None:
    one = [SizeBucket(prompt_tokens=4000, output_tokens=200, share=1)]
    why = explain(asked(LLAMA_8B, shape("H100", 1), buckets=one))
    assert why.mixed_step is not None
    parts = {part.name: part for part in why.mixed_step.parts}
    rows = why.mixed_step.sequences + 4000
    done = 2 * 5_637_144_576 * rows / (parts["feed_forward"].ms / 1e3)
    assert parts["feed_forward"].limited_by == "compute"
    assert parts["feed_forward"].of_peak == pytest.approx(done / 989e12)
    quadratic = 4 * 32 * 128 * 32 * 4000 * 2000 / (parts["prompt_attention"].ms / 1e3)
    assert parts["prompt_attention"].of_peak == pytest.approx(quadratic / 989e12)


def test_memory_of_one_h100_by_hand() -> None:
    one = [SizeBucket(prompt_tokens=1000, output_tokens=200, share=1)]
    memory = explain(asked(LLAMA_8B, shape("H100", 1), buckets=one)).memory
    assert memory is not None
    assert memory.gpu_gib == pytest.approx(81559 / 1024)
    assert memory.engine_gib == pytest.approx(0.9 * 81559 / 1024)
    assert memory.request_gib == pytest.approx(1200 * 131_072 / 2**30)
    assert memory.requests_that_fit == int(memory.kv_room_gib / memory.request_gib)
    # Each of four shards holds a quarter of every request.
    quarters = explain(asked(LLAMA_70B, shape("H100", 4), buckets=one)).memory
    assert quarters is not None
    assert quarters.request_gib == pytest.approx(1200 * 2 * 8 * 128 * 80 * 2 / 4 / 2**30)


def test_the_budget_of_a_measured_set_up_has_the_measured_step() -> None:
    longer = Factors(contexts=(1000.0,), loads=((10.0,),), logs=((math.log(1.2),),))
    anchor = Anchor(
        steps=longer, first_tokens=longer, room_bytes=0.0, prompts=(200.0, 3000.0), outputs=(50.0, 400.0),
        batches=(1.0, 500.0), engine="vllm 0.99", basis="by hand",
    )  # fmt: skip
    question = asked(LLAMA_8B, shape("H100", 1), anchors_of=lambda _, candidates: (anchor,) * len(candidates))
    why, estimate = explain(question), estimated(question)
    assert why.engine == "vllm 0.99"
    assert why.rate is not None
    assert why.rate.requests_per_second == pytest.approx(estimate.requests_per_second)
    assert milliseconds(why.decode_step)["launches"] == pytest.approx(1.2 * 32 * 30e-3)


@pytest.mark.parametrize(
    ("gpu", "engine", "at_once"),
    [
        ("H100", "vllm", 1024),
        ("A100", "vllm", 256),
        ("L40S", "vllm", 256),
        ("A100", "trtllm", 2048),
    ],
)
def test_engines_run_as_many_requests_at_once_as_they_are_built_for_and_vllm_fewer_on_small_gpus(
    gpu: str, engine: str, at_once: int
) -> None:
    short = [SizeBucket(prompt_tokens=50, output_tokens=50, share=1.0)]
    question = asked(LLAMA_8B, shape(gpu, 1), None, buckets=short, engine=engine)
    why, served = explain(question), estimated(question)
    assert why.memory is not None
    assert why.memory.engine_requests == why.memory.requests_that_fit == at_once
    assert served.concurrency_per_replica <= at_once
