"""Groups of instances beside single ones: where one instance holds the model with little room for KV cache."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from asking import CHAT, MIX, bucket, estimates, one
from hardware import DEEPSEEK_R1, FIT, GPUS, LLAMA_8B, LLAMA_70B, VLLM, hardware, shape

from optimiser import load_config
from optimiser.performance.choice import LARGER_GROUP_GAIN
from optimiser.performance.confidence import planned_share
from optimiser.performance.crowding import FEW_PLACES, crowded, tried_on
from optimiser.performance.estimate import estimate_shapes, hardware_of
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.lifts import Asked
from optimiser.performance.results import estimates_of
from optimiser.performance.setups import Hardware, group_candidates, single_candidates
from optimiser.performance.specs import ModelSpec
from optimiser.performance.trial import Question, question_of, trial_of
from optimiser.performance.why import explain
from optimiser.policy.running import DEFAULT_CONFIDENCE
from optimiser.workload import SizeBucket, Target

LONG = [bucket(4000, 500)]


def planned(estimate: Estimate) -> float:
    """Requests/s per instance that plans count on."""
    share = planned_share(estimate.relative_error, DEFAULT_CONFIDENCE)
    return estimate.requests_per_second * share / estimate.setup.instances_per_unit


def served(found: list[object]) -> dict[int, Estimate]:
    """The estimates by how many instances a unit has."""
    return {item.setup.instances_per_unit: item for item in found if isinstance(item, Estimate)}


def is_crowded(model: ModelSpec, on: Hardware, sizes: list[SizeBucket]) -> bool:
    question = question_of(model, sizes, CHAT)
    trial = trial_of(question, single_candidates(model, on))
    assert trial is not None
    return crowded(question, trial, range(len(trial.candidates)))


def test_an_instance_is_crowded_where_the_weights_take_more_than_the_cache_has() -> None:
    # 141 GB of weights: of two H100 (2 × 77 GB usable to vLLM) under 13 GB are left, of four 160 GB.
    assert is_crowded(LLAMA_70B, hardware("H100", 2), MIX)
    assert not is_crowded(LLAMA_70B, hardware("H100", 4), MIX)
    # 16 GB of weights on an L4 of 24 GB; an H100 has 61 GB left.
    assert is_crowded(LLAMA_8B, hardware("L4", 1), MIX)
    assert not is_crowded(LLAMA_8B, hardware("H100", 1), MIX)


@pytest.mark.parametrize(("fewer", "expected"), [(1, True), (0, False)])
def test_an_instance_is_crowded_where_its_cache_holds_few_requests(fewer: float, expected: bool) -> None:
    # An H100 has over three times the weights of 8B left, but prompts may be so long that few of them fit.
    on = hardware("H100", 1)
    trial = trial_of(question_of(LLAMA_8B, LONG, CHAT), single_candidates(LLAMA_8B, on))
    assert trial is not None
    # 128 KiB a token: so many tokens a request that FEW_PLACES fit just, or just not.
    tokens = float(trial.need.kv_room_bytes[0]) / (FEW_PLACES * 2**17)
    assert is_crowded(LLAMA_8B, on, [bucket(tokens - 200 + 2 * fewer, 199)]) is expected


def test_two_crowded_instances_as_one_replica_serve_more_than_each_by_itself() -> None:
    found = served(estimates(LLAMA_70B, [shape("H100", 2)], None, LONG))
    assert list(found) == [1, 2]
    assert found[1] == one(LLAMA_70B, shape("H100", 2, network_gbps=None), None, buckets=LONG)
    assert planned(found[2]) > LARGER_GROUP_GAIN * planned(found[1])
    assert any("several instances" in note for note in found[2].notes)


def test_deepseek_r1_on_four_gb200_serves_far_more_over_two_instances() -> None:
    config = load_config()
    on = replace(shape("GB200", 4, memory_gib=2000, network_gbps=1600), gpu="GB200")
    sizes, model = [bucket(1000, 2000)], config.models["deepseek-r1"]
    found = served(estimate_shapes(model, sizes, None, [on], config.gpus, config.fit))
    assert planned(found[2]) > 1.5 * planned(found[1])


def by_hand(question: Question, machine: Hardware) -> dict[int, float]:
    """What plans count on per instance, of the best set-up of each number of instances that is worth having; every
    set-up tried and estimated by itself.
    """
    candidates = single_candidates(question.model, machine)
    for size in (2, 4):
        candidates += group_candidates(question.model, machine, size)
    best: dict[int, float] = {}
    for candidate in candidates:
        trial = trial_of(question, [candidate])
        if trial and trial.rate[0, 0] > 0:
            (found,) = estimates_of(question, trial, [0])
            best[candidate.instances] = max(best.get(candidate.instances, 0.0), planned(found))
    kept: dict[int, float] = {}
    for instances, rate in sorted(best.items()):
        if rate > LARGER_GROUP_GAIN * max(kept.values(), default=0.0):
            kept[instances] = rate
    return kept


@pytest.mark.parametrize("target", [None, Target(ttft_ms=4000, tpot_ms=80)])
def test_of_a_crowded_instance_the_set_ups_are_those_worth_having(target: Target | None) -> None:
    rng = np.random.default_rng(11)
    grouped = alone = 0
    for _ in range(30):
        name, count = str(rng.choice(["H100", "A100", "L40S"])), int(rng.choice([1, 2, 4, 8]))
        model = (LLAMA_8B, LLAMA_70B, replace(DEEPSEEK_R1, layers=20))[rng.integers(3)]
        sizes = [bucket(float(rng.integers(100, 8_000)), float(rng.integers(20, 2000)))]
        question, on = question_of(model, sizes, target), shape(name, count)
        machine = hardware_of(on, GPUS, FIT, VLLM, question)
        if not isinstance(machine, Hardware):
            continue
        trial = trial_of(question, single_candidates(model, machine))
        if trial is None or not crowded(question, trial, range(len(trial.candidates))):
            continue
        found = {n: planned(item) for n, item in served(estimates(model, [on], target, sizes)).items()}
        assert found == pytest.approx(by_hand(question, machine), rel=1e-3)
        grouped += max(found, default=1) > 1
        alone += list(found) == [1]
    assert grouped > 0
    assert alone > 0


@pytest.mark.parametrize(("gpu", "count", "ttft", "instances"), [("A100", 2, 4000, 2), ("L40S", 4, 5000, 4)])
def test_a_crowded_instance_that_misses_the_target_by_itself_may_serve_as_a_group(
    gpu: str, count: int, ttft: float, instances: int
) -> None:
    on, tight = shape(gpu, count), Target(ttft_ms=ttft, tpot_ms=200)
    on = replace(on, gpu_link="pcie") if gpu == "L40S" else on
    prompts = [bucket(12_000, 200)]
    assert served(estimates(LLAMA_70B, [replace(on, network_gbps=None)], tight, prompts)) == {}
    (group,) = estimates(LLAMA_70B, [on], tight, prompts)
    assert isinstance(group, Estimate)
    assert group.setup.instances_per_unit == instances
    assert group.ttft_ms <= ttft * 1.001


def test_the_explanation_of_a_crowded_instance_is_of_the_group_that_serves_most() -> None:
    on = shape("H100", 2)
    found = served(estimates(LLAMA_70B, [on], None, LONG))
    why = explain(Asked(model=LLAMA_70B, buckets=LONG, target=None, shape=on, gpus=GPUS, fit=FIT))
    assert why.setup == found[2].setup
    assert why.rate is not None
    assert why.rate.requests_per_second == pytest.approx(found[2].requests_per_second, rel=5e-3)


def test_machines_that_differ_in_their_network_alone_share_what_one_instance_does() -> None:
    """Each answers as it does when it is asked by itself, whatever stands beside it."""
    networks = [None, 50.0, 400.0, 3200.0]
    machines = [shape("H100", 2, network_gbps=gbps) for gbps in networks]
    together = estimates(LLAMA_70B, [*machines, shape("H100", 4)], CHAT, LONG)
    apart = [found for machine in machines for found in estimates(LLAMA_70B, [machine], CHAT, LONG)]
    assert together[: len(apart)] == apart
    assert len(apart) > len(machines)


@pytest.mark.parametrize("model", [LLAMA_8B, LLAMA_70B, DEEPSEEK_R1], ids=lambda model: model.name)
def test_all_set_ups_that_hold_the_model_are_tried(model: ModelSpec) -> None:
    """Those with too few GPUs for the weights are left out before; no other is."""
    question = question_of(model, LONG, CHAT)
    for gpu, count in product(("L4", "L40S", "A100", "H100"), (1, 2, 4, 8)):
        machine = hardware(gpu, count, network_gbps=3200)
        every = single_candidates(model, machine)
        for size in (2, 4):
            every += group_candidates(model, machine, size)
        whole, (found, (rows,)) = trial_of(question, every), tried_on(question, [machine], None)
        tried = [found.candidates[row] for row in rows] if found else []
        groups = {one.instances for one in tried} - {1}
        held = whole.candidates if whole else ()
        assert tried == [one for one in held if one.instances == 1 or groups]
