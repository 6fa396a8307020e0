"""At less load than the largest a target holds, too, though the time per token does not always grow with the load."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from asking import bucket, estimates
from hardware import DEEPSEEK_R1, LLAMA_8B, LLAMA_70B, shape

from optimiser import load_config
from optimiser.performance.at_load import evaluate, first_token_s, per_token_s
from optimiser.performance.estimate import hardware_of
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.layouts import Array
from optimiser.performance.operating import lowest_batch
from optimiser.performance.part_load import STEADY_PERCENTILE, STEADY_TOKENS
from optimiser.performance.setups import Hardware, single_candidates
from optimiser.performance.specs import ModelSpec
from optimiser.performance.trial import Question, Trial, question_of, trial_of
from optimiser.workload import SizeBucket, SpeculativeDecoding, Target, Techniques

NO_LIMIT_MS = 1e9
LOADS = 200


def at_loads(question: Question, trial: Trial, up_to: Array, percentile: float) -> tuple[Array, Array]:
    """TTFT and TPOT in ms of every set-up at LOADS batches from one where requests do not meet, (set-ups, loads)."""
    low = lowest_batch(question.work, trial.layouts, trial.places, question.mix)
    batches = low * (np.maximum(up_to, low) / low) ** np.linspace(0.0, 1.0, LOADS)
    point = evaluate(question.work, trial.layouts, batches, trial.places, question.mix)
    quantile = percentile / 100.0
    found = (function(point, question.mix, quantile) * 1e3 for function in (first_token_s, per_token_s))
    first, each = found
    return first, each


def asked(
    rng: np.random.Generator, answers: tuple[int, int] = (1, 9)
) -> tuple[ModelSpec, Hardware, list[SizeBucket], float] | None:
    """A model, a machine and sizes with short answers, or of that range, as they come; None where the machine does not
    serve it.
    """
    config = load_config()
    models, shapes = list(config.models.values()), list(config.shapes.values())
    model, on = models[rng.integers(len(models))], shapes[rng.integers(len(shapes))]
    count = int(rng.integers(1, 4))
    sizes = [
        bucket(float(np.exp(rng.uniform(2.3, 8.0))), float(rng.integers(*answers)), 1 / count)
        for _ in range(count)
    ]
    question = question_of(model, sizes, None)
    found = hardware_of(on, config.gpus, config.fit, config.fit.engines["vllm"], question)
    return (model, found, sizes, float(rng.choice([50, 90, 95, 99]))) if isinstance(found, Hardware) else None


def within_the_swell(each: Array) -> float | None:
    """A limit that the last load of some set-up meets and one below does not, None where no time per token swells."""
    over = each.max(axis=1) / np.maximum(each[:, -1], 1e-9)
    row = int(over.argmax())
    return (
        float(np.sqrt(each[row, -1] * each[row].max())) if over[row] > 1.002 and each[row, -1] > 0 else None
    )


def drawn(
    rng: np.random.Generator, cases: int, answers: tuple[int, int] = (1, 9), least_percentile: float = 0.0
) -> Iterator[tuple[Question, Trial]]:
    """Questions as they come, without a limit on the time per token, with the set-ups that hold their model."""
    for _ in range(cases):
        case = asked(rng, answers)
        if case is None:
            continue
        model, machine, sizes, percentile = case
        free = Target(
            ttft_ms=float(rng.choice([500.0, 5000.0, NO_LIMIT_MS])),
            tpot_ms=NO_LIMIT_MS,
            percentile=max(percentile, least_percentile),
        )
        question = question_of(model, sizes, free)
        trial = trial_of(question, single_candidates(model, machine))
        if trial is not None:
            yield question, trial


@pytest.mark.parametrize("seed", range(4))
def test_targets_hold_at_every_load_below_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for free, trial in drawn(rng, 50):
        assert free.target is not None
        percentile = free.target.percentile
        _, each = at_loads(free, trial, trial.largest, percentile)
        at_any = float(each[rng.integers(len(each)), rng.integers(LOADS)]) or 50.0
        target = replace(free.target, tpot_ms=within_the_swell(each) or at_any)
        question = replace(free, target=target)
        bound = trial_of(question, trial.candidates)
        assert bound is not None
        served = bound.largest[:, 0] > 0
        first, each = at_loads(question, bound, bound.largest, percentile)
        assert (first[served] <= target.ttft_ms * (1 + 1e-3)).all()
        assert (each[served] <= target.tpot_ms * (1 + 1e-3)).all()


def test_the_time_per_token_of_longer_answers_does_not_swell() -> None:
    """Which is why part loads are not looked at for them: brute force, over loads that are. That of pipelines of
    mixtures of experts may, since it is too long in between (steps that take several times as long through other parts'
    prompts are taken to go on growing with their batch): what it says of the highest loads holds below them, too.
    """
    looked_at = 0
    longer = (int(STEADY_TOKENS), 4 * int(STEADY_TOKENS))
    for question, trial in drawn(np.random.default_rng(8), 120, longer, STEADY_PERCENTILE):
        assert question.target is not None
        _, each = at_loads(question, trial, trial.largest, question.target.percentile)
        each = each[[one.stages == 1 for one in trial.candidates]]
        assert (np.maximum.accumulate(each, axis=1) <= each * 1.002).all()
        looked_at += len(each)
    assert looked_at > 100


@pytest.mark.parametrize(
    ("model", "gpu", "sizes"),
    [
        ("gpt-oss-120b", ("MI300X", 8), [bucket(214.5, 8, 0.4), bucket(10.5, 2, 0.3), bucket(106.6, 1, 0.3)]),
        ("deepseek-v2-lite", ("L40S", 1), [bucket(35, 4, 0.3), bucket(424, 7, 0.3), bucket(489, 2, 0.4)]),
    ],
)
def test_a_time_per_token_that_swells_at_part_load_keeps_the_rate_below_the_swell(
    model: str, gpu: tuple[str, int], sizes: list[SizeBucket]
) -> None:
    config = load_config()
    on = next(one for one in config.shapes.values() if (one.gpu, one.gpu_count) == gpu)
    free = Target(ttft_ms=60_000, tpot_ms=NO_LIMIT_MS, percentile=99)
    question = question_of(config.models[model], sizes, free)
    machine = hardware_of(on, config.gpus, config.fit, config.fit.engines["vllm"], question)
    assert isinstance(machine, Hardware)
    tried = trial_of(question, single_candidates(config.models[model], machine))
    assert tried is not None
    _, each = at_loads(question, tried, tried.largest, 99)
    # The one that swells most.
    row = int((np.maximum.accumulate(each, axis=1) / np.maximum(each, 1e-9)).max(axis=1).argmax())
    trial = trial_of(question, [tried.candidates[row]])
    assert trial is not None
    _, each = at_loads(question, trial, trial.largest, 99)
    swollen = np.maximum.accumulate(each[0])
    dip = int((swollen / each[0]).argmax())
    assert swollen[dip] > 1.15 * each[0, dip]
    # A dip meets the limit, as do the least loads; between they do not.
    limit = float(np.sqrt(swollen[dip] * max(each[0, dip], each[0, 0])))
    first_miss = int((each[0] > limit).argmax())
    assert 0 < first_miss < dip
    question = question_of(config.models[model], sizes, replace(free, tpot_ms=limit))
    bound = trial_of(question, trial.candidates)
    assert bound is not None
    low = lowest_batch(question.work, trial.layouts, trial.places, question.mix)
    batches = (low * (trial.largest / low) ** np.linspace(0.0, 1.0, LOADS))[0]
    assert batches[first_miss - 1] * 0.999 <= bound.largest[0, 0] <= batches[first_miss]
    # Limits that nothing is over change nothing.
    above = trial_of(
        question_of(config.models[model], sizes, replace(free, tpot_ms=each.max() * 1.01)), trial.candidates
    )
    assert above is not None
    assert above.largest[0, 0] == trial.largest[0, 0]


def test_drafts_make_the_time_per_token_of_long_answers_swell_too() -> None:
    """Seven drafts a step cost most where few sequences share them: 4.5 ms below full load, 4.2 at it."""
    config, sizes = load_config(), [bucket(11, 135)]
    drafts = SpeculativeDecoding(tokens_per_step=5.765, draft_tokens=7)
    with_drafts = Techniques(speculative_decoding=drafts)
    on = next(one for one in config.shapes.values() if one.instance_type == "p5.48xlarge")
    model, target = config.models["mixtral-8x22b"], Target(ttft_ms=500, tpot_ms=4.2, percentile=99)
    question = question_of(model, sizes, target, techniques=with_drafts)
    machine = hardware_of(on, config.gpus, config.fit, config.fit.engines["vllm"], question)
    assert isinstance(machine, Hardware)
    candidates = [one for one in single_candidates(model, machine) if one.shards == 8]
    bound = trial_of(question, candidates)
    assert bound is not None
    _, each = at_loads(question, bound, bound.largest, 99)
    assert (each[bound.largest[:, 0] > 0] <= 4.2 * (1 + 1e-3)).all()
    assert (bound.largest > 0).any()


@pytest.mark.parametrize("model", [LLAMA_8B, LLAMA_70B, DEEPSEEK_R1], ids=lambda model: model.name)
def test_load_points_of_short_answers_keep_the_target(model: ModelSpec) -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        sizes = [bucket(float(rng.integers(10, 3000)), float(rng.integers(2, 9)))]
        target = Target(
            ttft_ms=float(rng.integers(300, 8000)), tpot_ms=float(rng.integers(15, 400)), percentile=99
        )
        for found in estimates(model, [shape("H100", 8), shape("A100", 8)], target, sizes):
            if isinstance(found, Estimate):
                assert all(point.tpot_ms <= target.tpot_ms * 1.001 for point in found.load_points)
                assert all(point.ttft_ms <= target.ttft_ms * 1.001 for point in found.load_points)
