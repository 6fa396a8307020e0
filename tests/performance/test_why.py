"""The budget behind an estimate: it adds up, by hand and to the estimate itself, and its lifts are true."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hardware import DEEPSEEK_R1, FIT, GPUS, LLAMA_8B, LLAMA_70B, PHYSICS, TRTLLM, VLLM, shape

from optimiser.performance.anchor import Anchor, Factors
from optimiser.performance.budgets import StepBudget
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.layouts import Layouts, Load
from optimiser.performance.lifts import Asked, best_of, per_instance
from optimiser.performance.model_work import model_work
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import step_parts, step_seconds
from optimiser.performance.why import Why, explain
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

CHAT = Target(ttft_ms=2000, tpot_ms=50)
MIX = [
    SizeBucket(prompt_tokens=200, output_tokens=50, share=0.3),
    SizeBucket(prompt_tokens=1000, output_tokens=200, share=0.5),
    SizeBucket(prompt_tokens=3000, output_tokens=400, share=0.2),
]
ENGINES = replace(
    FIT,
    engines={"vllm": VLLM, "trtllm": replace(TRTLLM, step_factor=0.8), "sglang": replace(VLLM, versions="")},
)


def asked(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Asked:
    fields = {"buckets": MIX, "gpus": GPUS, "fit": ENGINES} | more
    return Asked(model=model, shape=on, target=target, **fields)  # type: ignore[arg-type]


def estimated(question: Asked) -> Estimate:
    found = best_of(question.answers())
    assert found is not None
    return found


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


@pytest.mark.parametrize("question", SERVED, ids=NAMES)
def test_every_budget_sums_to_what_the_estimate_says(question: Asked) -> None:
    why, estimate = explain(question), estimated(question)
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
    taken = memory.weights_gib + memory.working_gib + memory.kv_room_gib
    assert taken == pytest.approx(memory.engine_gib, rel=1e-9)
    assert memory.weights_gib == pytest.approx(estimate.weights_gib_per_gpu)


@pytest.mark.parametrize("question", SERVED, ids=NAMES)
def test_no_part_reaches_more_than_its_peak_nor_more_than_its_generation_was_seen_to(question: Asked) -> None:
    why = explain(question)
    generation = FIT.generations[GPUS[question.shape.gpu].generation]
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
    # Each of two shards holds half of every request.
    halves = explain(asked(LLAMA_70B, shape("H100", 2), buckets=one)).memory
    assert halves is not None
    assert halves.request_gib == pytest.approx(1200 * 2 * 8 * 128 * 80 * 2 / 2 / 2**30)


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
        ("A100", "trtllm", 1024),
    ],
)
def test_vllm_runs_fewer_requests_at_once_on_gpus_that_it_takes_for_small(
    gpu: str, engine: str, at_once: int
) -> None:
    short = [SizeBucket(prompt_tokens=50, output_tokens=50, share=1.0)]
    question = asked(LLAMA_8B, shape(gpu, 1), None, buckets=short, engine=engine)
    why, served = explain(question), estimated(question)
    assert why.memory is not None
    assert why.memory.engine_requests == why.memory.requests_that_fit == at_once
    assert served.concurrency_per_replica <= at_once


# What would lift it


def changed(question: Asked, change: str) -> Asked:
    """The question with the change that a lift names, written out again."""
    target, gpu = question.target, GPUS[question.shape.gpu]
    assert target is not None
    precision, _, what = change.partition(",")[0].partition(" ")
    if what in ("weights", "KV cache"):
        field = "weight_precision" if what == "weights" else "kv_precision"
        return replace(question, **{field: precision})
    return {
        "TPOT target 60 ms": replace(question, target=replace(target, tpot_ms=60)),
        "TTFT target 3,000 ms": replace(question, target=replace(target, ttft_ms=3000)),
        "engine trtllm": replace(question, engine="trtllm"),
        "1.5 × the GPU memory, if there were such a GPU": replace(
            question, gpus=GPUS | {gpu.name: replace(gpu, usable_mib=round(gpu.usable_mib * 1.5))}
        ),
    }[change]


LIFTED = [
    asked(LLAMA_8B, shape("H100", 1)),
    asked(LLAMA_70B, shape("H100", 2)),
    asked(LLAMA_70B, shape("A100", 8)),
    asked(DEEPSEEK_R1, shape("H100", 8)),
]


@pytest.mark.parametrize("question", LIFTED, ids=lambda one: f"{one.model.name} on {one.shape.instance_type}")
def test_lifts_are_what_the_changed_question_gives_largest_first_and_none_is_missed(question: Asked) -> None:
    now, lifts = estimated(question), explain(question).lifts
    instances = now.setup.instances_per_unit
    rates = {}
    names = ["TPOT target 60 ms", "TTFT target 3,000 ms", "engine trtllm"]
    names += [f"{one} weights" for one in ("bf16", "fp8", "int8", "int4", "fp4")]
    names += [f"{one} KV cache" for one in ("int8", "fp8")]
    if now.limited_by == "kv_room":
        names.append("1.5 × the GPU memory, if there were such a GPU")
    for name in names:
        one = changed(question, name)
        answers = estimate_shapes(
            one.model, one.buckets, one.target, [one.shape], one.gpus, one.fit,
            one.weight_precision, one.kv_precision, one.engine,
        )  # fmt: skip
        served = [answer for answer in answers if isinstance(answer, Estimate)]
        rates[name] = max(map(per_instance, served), default=0.0)
    least = per_instance(now) * 1.03
    expected = {name: rate * instances for name, rate in rates.items() if rate > least}
    assert {lift.change: lift.requests_per_second for lift in lifts} == pytest.approx(expected)
    assert expected
    found = [lift.requests_per_second for lift in lifts]
    assert found == sorted(found, reverse=True)
    for lift in lifts:
        assert lift.gain == pytest.approx(lift.requests_per_second / now.requests_per_second - 1)


def test_other_set_ups_serve_less_and_are_as_many_as_hold_the_model() -> None:
    why = explain(asked(LLAMA_70B, shape("H100", 8)))
    assert why.setup is not None
    assert why.rate is not None
    degrees = {why.setup.tensor_parallel, *(other.setup.tensor_parallel for other in why.other_setups)}
    assert degrees == {4, 8} | {2} & degrees
    assert len(why.other_setups) == len(degrees) - 1
    assert all(other.requests_per_second <= why.rate.requests_per_second for other in why.other_setups)


# Where it does not serve


def refused(question: Asked) -> tuple[Why, Rejection]:
    (answer,) = question.answers()
    assert isinstance(answer, Rejection)
    why = explain(question)
    assert (why.rejected, why.reason) == (answer.code, answer.reason)
    return why, answer


def test_a_model_that_does_not_fit_has_the_memory_it_lacks_and_no_times() -> None:
    why, answer = refused(asked(LLAMA_70B, shape("H100", 1, network_gbps=None)))
    assert answer.code == "network"
    assert why.memory is not None
    assert why.memory.weights_gib == pytest.approx(141.1e9 / 2**30, rel=0.01)
    assert why.memory.kv_room_gib < 0
    assert why.memory.requests_that_fit == 0
    assert (why.decode_step, why.rate, why.first_token) == (None, None, None)
    # 141 GB are more than one and a half times as much memory; 8 bits halve them, 4 quarter them.
    assert {lift.change for lift in why.lifts} == {f"{one} weights" for one in ("fp8", "int8", "int4", "fp4")}
    assert all(lift.gain is None for lift in why.lifts)


def test_a_missed_target_has_the_latencies_of_the_set_up_that_came_nearest() -> None:
    why, answer = refused(asked(LLAMA_8B, shape("L4", 2, link="pcie"), Target(ttft_ms=2000, tpot_ms=25)))
    assert answer.code == "tpot"
    assert why.first_token is not None
    assert why.per_token is not None
    assert why.decode_step is not None
    assert why.first_token.total_ms == pytest.approx(answer.best_ttft_ms, rel=1e-5)
    assert why.per_token.total_ms == pytest.approx(answer.best_tpot_ms, rel=1e-5)
    assert why.decode_step.sequences == 1
    assert why.rate is None
    assert all(lift.gain is None for lift in why.lifts)
    assert "fp8 weights" in {lift.change for lift in why.lifts}


def test_a_precision_that_the_gpu_lacks_has_a_reason_and_nothing_else() -> None:
    why, answer = refused(asked(LLAMA_8B, shape("T4", 1, link="pcie"), weight_precision="fp8"))
    assert answer.code == "precision"
    assert (why.setup, why.memory, why.decode_step) == (None, None, None)


@pytest.mark.parametrize(
    ("on", "asked_for", "lifts"),
    [
        (shape("A100", 1), {"kv_precision": "fp8"}, {"bf16 KV cache", "int8 KV cache"}),
        (
            shape("T4", 1, link="pcie"),
            {"weight_precision": "fp8"},
            {"fp16 weights", "int8 weights", "int4 weights"},
        ),
    ],
)
def test_a_precision_that_the_gpu_lacks_is_lifted_by_those_it_has(
    on: InstanceShape, asked_for: dict[str, str], lifts: set[str]
) -> None:
    question = asked(LLAMA_8B, on, None, **asked_for)
    why, answer = refused(question)
    assert answer.code == "precision"
    assert {lift.change for lift in why.lifts} == lifts
    for lift in why.lifts:
        precision, field = lift.change.split(" ")[0], next(iter(asked_for))
        served = estimated(replace(question, **{field: precision}))
        assert lift.requests_per_second == pytest.approx(per_instance(served))


def test_an_fp8_cache_lifts_what_the_cache_in_16_bit_leaves_no_room_for() -> None:
    long = [SizeBucket(prompt_tokens=36_000, output_tokens=500, share=1.0)]
    why, answer = refused(asked(LLAMA_8B, shape("L4", 1, link="pcie", network_gbps=None), None, buckets=long))
    assert answer.code == "kv_room"
    assert "fp8 KV cache" in {lift.change for lift in why.lifts}


def test_host_ram_that_is_short_has_the_budget_of_the_same_machine_with_enough() -> None:
    question = asked(LLAMA_8B, shape("H100", 1, memory_gib=10))
    why, answer = refused(question)
    assert answer.code == "host_ram"
    enough = estimated(replace(question, shape=shape("H100", 1)))
    assert why.rate is not None
    assert why.rate.requests_per_second == pytest.approx(enough.requests_per_second)
