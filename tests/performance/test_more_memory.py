"""A GPU that is the same but for more memory never serves less: requests in flight are as many as come and stay, not
as many as there is room for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimiser import load_config
from optimiser.performance.estimate import hardware_of
from optimiser.performance.setups import Candidate, Hardware, single_candidates
from optimiser.performance.trial import Trial, question_of, trial_of
from optimiser.workload import SizeBucket, Target

MORE = 1.5
# Bisection ends within 0.3 % of the largest load.
TOLERANCE = 0.005


def rates(trial: Trial | None) -> dict[tuple[int, int, int], float]:
    """Requests/s per replica of every way to lay the model out."""
    if trial is None:
        return {}

    def way(one: Candidate) -> tuple[int, int, int]:
        return one.shards, one.stages, one.ranks

    return {way(one): float(rate) for one, rate in zip(trial.candidates, trial.rate[:, 0], strict=True)}


def drawn(rng: np.random.Generator) -> tuple[list[SizeBucket], Target]:
    """Sizes and limits, most of them tight for the first token."""
    count = int(rng.integers(1, 5))
    sizes = [
        SizeBucket(
            prompt_tokens=float(round(np.exp(rng.uniform(3.0, 9.9)))),
            output_tokens=float(round(np.exp(rng.uniform(1.0, 7.5)))),
            share=1 / count,
        )
        for _ in range(count)
    ]
    target = Target(
        ttft_ms=float(np.exp(rng.uniform(5.3, 9.0))),
        tpot_ms=float(rng.choice([20, 50, 100, 300])),
        percentile=float(rng.choice([50, 90, 95, 99])),
        arrival_cv=float(rng.choice([1, 1, 2, 3])),
    )
    return sizes, target


@pytest.mark.parametrize("seed", range(4))
def test_more_memory_never_lowers_the_rate(seed: int) -> None:
    rng, config, compared = np.random.default_rng(seed), load_config(), 0
    models, shapes = list(config.models.values()), list(config.shapes.values())
    for _ in range(80):
        model, on = models[rng.integers(len(models))], shapes[rng.integers(len(shapes))]
        sizes, target = drawn(rng)
        question = question_of(model, sizes, target)
        machine = hardware_of(on, config.gpus, config.fit, config.fit.engines["vllm"], question)
        if not isinstance(machine, Hardware):
            continue
        gpu = replace(machine.gpu, usable_mib=int(machine.gpu.usable_mib * MORE))
        larger = replace(machine, gpu=gpu)
        before, after = (
            rates(trial_of(question, single_candidates(model, one))) for one in (machine, larger)
        )
        assert before.keys() <= after.keys()
        for way, rate in before.items():
            assert after[way] >= rate * (1.0 - TOLERANCE), (model.name, on.instance_type, way, sizes, target)
            compared += rate > 0
    assert compared > 30
