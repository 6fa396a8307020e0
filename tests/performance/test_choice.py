"""Which set-up is estimated: the one that plans count most on, whatever the target and the anchors."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from optimiser import Config, Policy, load_config
from optimiser.estimating import choice_confidence
from optimiser.performance.anchor import Anchors, Factors, Operators
from optimiser.performance.estimate import estimate_shapes, hardware_of
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.results import estimates_of
from optimiser.performance.setups import Candidate, Hardware, single_candidates
from optimiser.performance.trial import AnchorsOf, Question, question_of, trial_of
from optimiser.planning.options import planned_rate_rps
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

MODELS = ("deepseek-v2-lite", "gpt-oss-20b", "llama-3.1-8b", "qwen3-30b-a3b")
SIZES = ((1, 200), (200, 200), (1000, 200), (4000, 500))
TARGETS = (Target(ttft_ms=2000, tpot_ms=50), Target(ttft_ms=800, tpot_ms=60), Target(ttft_ms=500, tpot_ms=30))
DEFAULT = Policy()
# Rates are rounded down to four digits.
ROUNDED = 1 - 1e-3


@cache
def shipped() -> Config:
    return load_config()


def kinds() -> list[InstanceShape]:
    """One shape of each kind of hardware."""
    found = {(one.gpu, one.gpu_count, one.gpu_link): one for one in shipped().shapes.values()}
    return list(found.values())


def planned(model: str, sizes: tuple[int, int], target: Target | None) -> dict[str, float]:
    """Requests/s that a plan counts on by instance type, of those that hold the model alone."""
    config = shipped()
    buckets = [SizeBucket(prompt_tokens=sizes[0], output_tokens=sizes[1], share=1.0)]
    found = estimate_shapes(config.models[model], buckets, target, kinds(), config.gpus, config.fit)
    return {
        one.instance_type: planned_rate_rps(one, Policy())
        for one in found
        if isinstance(one, Estimate) and one.setup.instances_per_unit == 1
    }


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_plan_counts_on_no_more_under_a_target_than_under_none(model: str, sizes: tuple[int, int]) -> None:
    free = planned(model, sizes, None)
    for target in TARGETS:
        bound = planned(model, sizes, target)
        assert bound
        more = {name: (rate, free[name]) for name, rate in bound.items() if rate * ROUNDED > free[name]}
        assert more == {}


def test_a_larger_gpu_serves_no_less_of_what_plans_count_on() -> None:
    """The A100 with 80 GB has all of that with 40 GB and more, and was measured, which that with 40 GB was not."""
    config = shipped()
    base = next(one for one in config.shapes.values() if one.gpu == "A100-40GB")
    for prompt, output in SIZES:
        for target in (None, *TARGETS):
            small, large = (
                estimate_shapes(
                    config.models["gpt-oss-20b"],
                    [SizeBucket(prompt_tokens=prompt, output_tokens=output, share=1.0)],
                    target,
                    [replace(base, gpu=gpu, gpu_count=2, gpu_link=base.gpu_link)],
                    config.gpus,
                    config.fit,
                )[0]
                for gpu in ("A100-40GB", "A100-80GB")
            )
            assert isinstance(large, Estimate)
            if isinstance(small, Estimate):
                rates = [planned_rate_rps(one, Policy()) for one in (small, large)]
                assert rates[0] * ROUNDED <= rates[1], (prompt, output, target)


def operators(shards: int, factor: float) -> AnchorsOf:
    """Operators by which steps of a replica on so many GPUs take so many times as long as on the roofline, others as
    long. Far from it, such a set-up is in doubt."""

    def anchors_of(_: Question, candidates: Sequence[Candidate]) -> Anchors:
        steps = (_same(factor if one.shards == shards else 1.0) for one in candidates)
        return tuple(
            Operators(steps=one, mixed_steps=one, engine="vllm", basis="measured operators") for one in steps
        )

    return anchors_of


def _same(factor: float) -> Factors:
    return Factors(contexts=(1000.0,), loads=((1.0,),), logs=((math.log(factor),),))


def kept_and_best(
    model: str,
    target: Target | None,
    shape: InstanceShape,
    anchors_of: AnchorsOf | None = None,
    policy: Policy = DEFAULT,
) -> tuple[float, float]:
    """What a plan counts on of the set-up that is kept, and the most it would of any; zeros where none serves alone."""
    config, buckets = shipped(), [SizeBucket(prompt_tokens=200, output_tokens=200, share=1.0)]
    question = question_of(config.models[model], buckets, target, [(None, None)])
    (kept, *_) = estimate_shapes(
        config.models[model],
        buckets,
        target,
        [shape],
        config.gpus,
        config.fit,
        anchors_of=anchors_of,
        confidence=choice_confidence(policy),
    )
    hardware = hardware_of(shape, config.gpus, config.fit, config.fit.engines["vllm"], question)
    if not isinstance(kept, Estimate) or kept.setup.instances_per_unit > 1:
        return 0.0, 0.0
    assert isinstance(hardware, Hardware)
    candidates = single_candidates(question.model, hardware)
    trial = trial_of(question, candidates, anchors_of(question, candidates) if anchors_of else ())
    assert trial is not None
    every = estimates_of(question, trial, np.flatnonzero(trial.rate[:, 0] > 0).tolist())
    return planned_rate_rps(kept, policy), max(planned_rate_rps(one, policy) for one in every)


@pytest.mark.parametrize("target", [None, TARGETS[0]])
@pytest.mark.parametrize("model", MODELS[:3])
def test_of_all_set_ups_the_one_is_kept_that_a_plan_counts_most_on(model: str, target: Target | None) -> None:
    found = [kept_and_best(model, target, shape) for shape in kinds()[::8]]
    assert any(best for _, best in found)
    for kept, best in found:
        assert kept >= best * ROUNDED


@pytest.mark.parametrize("confidence", [0.75, 0.9, 0.99])
@pytest.mark.parametrize("shards", [2, 4, 8])
def test_of_set_ups_on_measured_operators_too(shards: int, confidence: float) -> None:
    shape = next(one for one in kinds() if (one.gpu, one.gpu_count) == ("H100", 8))
    policy = Policy(performance_confidence=confidence)
    for factor in np.linspace(0.4, 0.8, 21):
        kept, best = kept_and_best("llama-3.1-8b", None, shape, operators(shards, float(factor)), policy)
        assert kept >= best * ROUNDED > 0


def test_no_set_up_is_kept_for_the_error_in_it() -> None:
    """Neither a margin nor a plan on the estimates themselves takes account of errors."""
    assert choice_confidence(Policy(performance_confidence=0.5)) == 0.75
    assert choice_confidence(Policy(performance_confidence=0.9)) == 0.9
    assert choice_confidence(Policy(performance_confidence=0.9, performance_margin=0.2)) == 0.75
