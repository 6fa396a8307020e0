"""What would lift an estimate, what else could serve, and the budget of what does not serve."""

from dataclasses import replace

import pytest
from hardware import DEEPSEEK_R1, GPUS, LLAMA_8B, LLAMA_70B, shape
from why_questions import asked, estimated

from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.lifts import Asked, per_instance
from optimiser.performance.why import Why, explain
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

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
        (shape("H100", 1), {"kv_precision": "fp4"}, {"bf16 KV cache", "int8 KV cache", "fp8 KV cache"}),
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
