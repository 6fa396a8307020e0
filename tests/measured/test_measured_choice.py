"""Which split of a machine is estimated where one of them was measured: the one that plans count most on."""

import numpy as np
import pytest
from benchmarks import MODEL, OUTPUT, PROMPT, measurement, shape, shipped

from optimiser import Policy
from optimiser.estimating import choice_confidence
from optimiser.measured.anchoring import anchors_of
from optimiser.measured.measurement import Measurement
from optimiser.performance.estimate import estimate_shapes, hardware_of
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.results import estimates_of
from optimiser.performance.setups import Hardware, single_candidates
from optimiser.performance.trial import question_of, trial_of
from optimiser.planning.options import planned_rate_rps
from optimiser.workload import SizeBucket, Target

# Rates are rounded down to four digits.
ROUNDED = 1 - 1e-3
EIGHT = shape(count=8)


def kept_and_every(
    measured: list[Measurement], target: Target, policy: Policy
) -> tuple[Estimate, list[Estimate]]:
    """The estimate of eight H100, and those of all their splits."""
    config, sizes = shipped(), [SizeBucket(prompt_tokens=PROMPT, output_tokens=OUTPUT, share=1.0)]
    model, anchors = config.models[MODEL], anchors_of(measured)
    confidence = choice_confidence(policy)
    (kept,) = estimate_shapes(
        model, sizes, target, [EIGHT], config.gpus, config.fit, anchors_of=anchors, confidence=confidence
    )
    assert isinstance(kept, Estimate)
    question = question_of(model, sizes, target)
    hardware = hardware_of(EIGHT, config.gpus, config.fit, config.fit.engines["vllm"], question)
    assert isinstance(hardware, Hardware)
    candidates = single_candidates(model, hardware)
    trial = trial_of(question, candidates, anchors(question, candidates))
    assert trial is not None
    return kept, estimates_of(question, trial, np.flatnonzero(trial.rate[:, 0] > 0).tolist())


@pytest.mark.parametrize("confidence", [0.75, 0.95])
@pytest.mark.parametrize("split", [1, 2, 8])
def test_of_measured_splits_and_others_the_one_is_kept_that_a_plan_counts_most_on(
    split: int, confidence: float
) -> None:
    """Figures from half to one and a half times the model's, at as much load as asked for and at far less."""
    policy, target = Policy(performance_confidence=confidence), Target(ttft_ms=2000, tpot_ms=20)
    _, plain = kept_and_every([], target, policy)
    (model,) = (one for one in plain if one.setup.tensor_parallel == split)
    for factor in (0.6, 1.0, 1.3):
        for load in (0.05, 0.7):
            rate = load * model.requests_per_second / model.setup.replicas_per_unit
            run = measurement(
                gpu_count=split,
                tensor_parallel=split,
                concurrency=None,
                request_rate=rate,
                requests_per_second=rate,
                tpot_ms=model.load_points[0].tpot_ms / factor,
            )
            kept, every = kept_and_every([run], target, policy)
            best = max(planned_rate_rps(one, policy) for one in every)
            assert planned_rate_rps(kept, policy) >= best * ROUNDED, (factor, load)
