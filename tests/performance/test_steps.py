"""Steps of a batch and the time per token they come to: the same however they are asked for, and without a jump."""

from dataclasses import replace

import numpy as np
import pytest
from asking import CHAT, MIX, bucket
from hardware import LLAMA_8B, LLAMA_70B, hardware

from optimiser.performance.at_load import evaluate, token_times
from optimiser.performance.mix import Mix
from optimiser.performance.setups import single_candidates
from optimiser.performance.specs import ModelSpec
from optimiser.performance.steps import Line
from optimiser.performance.trial import Question, Trial, question_of, trial_of
from optimiser.workload import SizeBucket

SHORT = [bucket(200, 30, 0.7), bucket(2000, 12, 0.3)]
ASKED = [(LLAMA_8B, 1, MIX), (LLAMA_8B, 1, SHORT), (LLAMA_70B, 8, MIX), (LLAMA_70B, 8, SHORT)]


def asked(model: ModelSpec, gpus: int, sizes: list[SizeBucket]) -> tuple[Question, Trial]:
    question = question_of(model, sizes, CHAT)
    trial = trial_of(question, single_candidates(model, hardware("H100", gpus)))
    assert trial is not None
    return question, trial


def loads(trial: Trial) -> np.ndarray:
    """Batches from hardly any to nearly all places, (set-ups, points)."""
    return trial.places * np.array([1e-4, 0.01, 0.1, 0.5, 0.9])


def in_bursts(mix: Mix, arrival_cv: float) -> Mix:
    return replace(mix, arrival_scv=arrival_cv**2)


@pytest.mark.parametrize(("model", "gpus", "sizes"), ASKED)
def test_hardly_any_burst_is_none(model: ModelSpec, gpus: int, sizes: list[SizeBucket]) -> None:
    question, trial = asked(model, gpus, sizes)
    at = question.work, trial.layouts, loads(trial)
    calm, hardly = (token_times(*at, in_bursts(question.mix, cv)) for cv in (1.0, 1.0 + 1e-7))
    np.testing.assert_allclose(hardly.mean_s, np.broadcast_to(calm.mean_s, hardly.mean_s.shape), rtol=1e-4)
    np.testing.assert_allclose(hardly.spread_s, calm.spread_s, rtol=1e-3)


@pytest.mark.parametrize(("model", "gpus", "sizes"), ASKED)
@pytest.mark.parametrize("arrival_cv", [1.0, 3.0])
def test_times_alone_are_those_of_the_whole_point(
    model: ModelSpec, gpus: int, sizes: list[SizeBucket], arrival_cv: float
) -> None:
    question, trial = asked(model, gpus, sizes)
    mix, batch = in_bursts(question.mix, arrival_cv), loads(trial)
    whole = evaluate(question.work, trial.layouts, batch, trial.places, mix).tokens
    alone = token_times(question.work, trial.layouts, batch, mix)
    by_load = token_times(question.work, trial.layouts, batch.T[:, :, None], mix)
    for name in ("mean_s", "spread_s"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(whole, name))
        swapped = np.swapaxes(getattr(by_load, name)[:, :, 0], 0, 1)
        np.testing.assert_allclose(swapped, getattr(whole, name), rtol=1e-12)


def test_a_steps_growth_is_looked_at_up_to_the_batch_that_swings_make() -> None:
    # Two standard deviations and two sequences: 50 + 2·√50 + 2.
    equal = question_of(LLAMA_8B, [bucket(1000, 200, 1.0)], CHAT).mix
    batch, one = np.array([[50.0]]), np.ones((1, 1))
    np.testing.assert_allclose(np.ravel(Line.of(batch, one, equal)), [50, 66.142], rtol=1e-4)
    # No step is shorter than with a sequence in each stage: 4 + 2·√0.5 + 2·4.
    np.testing.assert_allclose(np.ravel(Line.of(batch / 100, 4 * one, equal)), [4, 13.4142], rtol=1e-4)
    # Equal answers overlap all along, and 0.7 · 50^0.26 is over 1: eight came with a request, 58 + 2·√(9·58) + 2·4.
    bursts = Line.of(batch, 4 * one, in_bursts(equal, 3.0))
    np.testing.assert_allclose(np.ravel(bursts), [58, 111.694], rtol=1e-4)
    # Of answers of 40 and 120 the shorter are there for 60/80 of a stay together: six, 56 + 2·√(7·56) + 2.
    mixed = question_of(LLAMA_8B, [bucket(1000, 40, 0.5), bucket(1000, 120, 0.5)], CHAT).mix
    np.testing.assert_allclose(np.ravel(Line.of(batch, one, in_bursts(mixed, 3.0))), [56, 97.598], rtol=1e-4)


def test_what_launches_take_is_in_first_tokens_alone() -> None:
    question, trial = asked(LLAMA_8B, 1, SHORT)
    slow = replace(trial.layouts, physics=replace(trial.layouts.physics, prompt_layer_us=1e5))
    usual, launched = (
        evaluate(question.work, at, loads(trial), trial.places, in_bursts(question.mix, 2.0))
        for at in (trial.layouts, slow)
    )
    assert (launched.own_s > 10 * usual.own_s).all()
    alone = token_times(question.work, slow, loads(trial), in_bursts(question.mix, 2.0))
    for name in ("mean_s", "spread_s", "calm", "most_s"):
        np.testing.assert_array_equal(getattr(launched.tokens, name), getattr(usual.tokens, name))
        np.testing.assert_array_equal(getattr(alone, name), getattr(usual.tokens, name))


def test_a_points_rate_is_that_of_all_its_stages() -> None:
    question, trial = asked(LLAMA_8B, 1, SHORT)
    two = replace(trial.layouts, stages=2.0 * trial.layouts.stages)
    point = evaluate(question.work, two, loads(trial), trial.places, question.mix)
    expected = loads(trial) / (question.mix.traffic.output * point.steady.step_s)
    np.testing.assert_allclose(point.rate, expected, rtol=1e-12)
