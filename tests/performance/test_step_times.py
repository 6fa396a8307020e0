"""The time per step that requests of each bucket see, worked by hand."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from asking import CHAT, bucket
from hardware import LLAMA_8B, hardware

from optimiser.performance.batching import SteadyState
from optimiser.performance.layouts import Array
from optimiser.performance.mix import Mix
from optimiser.performance.setups import single_candidates
from optimiser.performance.steps import Line, Steps, times_of
from optimiser.performance.trial import question_of, trial_of


def one(value: float) -> Array:
    return np.array([[value]])


def row(*values: float) -> Array:
    return np.array([[values]])


def steady(decode_s: float, step_s: float) -> SteadyState:
    return SteadyState(
        step_s=one(step_s), decode_step_s=one(decode_s), mixed_step_s=one(step_s), mixed_share=one(1)
    )


def steps_of(
    batch: float,
    rate: float,
    steady: SteadyState,
    slope_s: float,
    prompts_s: Array,
    *,
    crowded_s: Array | None = None,
    ranks: float = 1,
    stages: float = 1,
    chunks: float = 1,
    most_s: float = 9,
) -> Steps:
    """Steps with prompts of so many seconds each, as long beside others unless told."""
    return Steps(
        ranks=one(ranks),
        stages=one(stages),
        batch=one(batch),
        rate=one(rate),
        chunks=one(chunks),
        steady=steady,
        slope_s=one(slope_s),
        above_s=one(0),
        interruption_s=prompts_s,
        crowded_s=prompts_s if crowded_s is None else crowded_s,
        most_s=one(most_s),
    )


def bursts(most_s: float = 9.0) -> tuple[Steps, Mix]:
    """One sequence on average, gaps of CV 2, prompts of 0.2 s that take a fifth of the time."""
    steps = steps_of(1, 1, steady(0.04, 0.05), 0.002, row(0.2), most_s=most_s)
    return steps, Mix.of(row(1000), row(20), row(1), arrival_scv=4.0)


def half_a_prompt_per_step(crowded_s: float, slope_s: float) -> tuple[Steps, Mix]:
    """For each of two ranks, of 4 ms alone."""
    steps = steps_of(
        100, 1 / 0.024, steady(0.02, 0.024), slope_s, row(0.004), crowded_s=row(crowded_s), ranks=2
    )
    return steps, Mix.of(row(1000), row(100), row(1))


def test_one_prompt_is_one_ranks_part_of_what_a_step_takes_longer() -> None:
    trial = trial_of(
        question_of(LLAMA_8B, [bucket(1000, 100)], CHAT), single_candidates(LLAMA_8B, hardware("H100", 1))
    )
    assert trial is not None
    at = replace(trial.layouts.select(np.array([0])), ranks=np.array([2.0]), stages=np.array([2.0]))
    mix = Mix.of(row(12_000), row(100), row(1))
    nearby = SteadyState(
        step_s=np.array([[[0.025]], [[0.03]]]),
        decode_step_s=np.array([[[0.02]], [[0.026]]]),
        mixed_step_s=np.array([[[0.05]], [[0.05]]]),
        mixed_share=np.array([[[0.1]], [[0.1]]]),
    )
    steps, few = (
        Steps.of(at, one(batch), Line(one(batch), one(20)), nearby, row(0.05), row(0.1), mix)
        for batch in (8.0, 0.5)
    )
    # Eight sequences are four in either stage; a step is as long with less than one of them as with one.
    assert steps.batch[0, 0] == 4
    assert steps.rate[0, 0] == pytest.approx(4 / (100 * 0.025))
    # Prompts of 1.4648 chunks, four in 100 steps, go to two ranks.
    assert steps.chunks[0, 0] == pytest.approx(4 * 1.46484375 / 100 / 2)
    assert steps.slope_s[0, 0] == pytest.approx(0.006 / (10 - 4))
    assert few.slope_s[0, 0] == pytest.approx(0.006 / (10 - 1))
    # Two chunks, of which the ranks take two at a time; 12,000 tokens are 1.4648 full ones.
    assert steps.interruption_s[0, 0, 0] == pytest.approx(0.03 * 2 / 2)
    assert steps.crowded_s[0, 0, 0] == pytest.approx(0.08 * 1.46484375 / 2)
    assert steps.most_s[0, 0] == pytest.approx(0.08 + 0.026)


def test_a_burst_is_where_steps_grow_less() -> None:
    """From 20 ms at 2 sequences a part to 26 at 10 and 28 at 18: 0.25 ms each, and at 2 what is 24 on that line."""
    trial = trial_of(
        question_of(LLAMA_8B, [bucket(1000, 100)], CHAT), single_candidates(LLAMA_8B, hardware("H100", 1))
    )
    assert trial is not None
    at = replace(trial.layouts.select(np.array([0])), stages=np.array([2.0]))
    decode_s = np.array([[[0.02]], [[0.028]], [[0.026]]])
    nearby = SteadyState(
        step_s=decode_s, decode_step_s=decode_s, mixed_step_s=decode_s, mixed_share=0 * decode_s
    )
    mix = Mix.of(row(1000), row(100), row(1), arrival_scv=9.0)
    steps = Steps.of(at, one(4), Line(one(20), one(36)), nearby, row(0.05), row(0.1), mix)
    assert steps.slope_s[0, 0] == pytest.approx(0.00025)
    assert steps.above_s[0, 0] == pytest.approx(0.004)
    assert steps.most_s[0, 0] == pytest.approx(0.08 + 0.028)


def test_prompts_that_share_steps_make_them_longer_and_the_batch_larger() -> None:
    """λ = 20.83 per rank: in steps of 20 and 24 ms none come to e^−0.41667 = 0.65924 and e^−0.5 = 0.60653, so that
    0.35972 of the steps have prompts, 0.44664 each on average: 0.19461 of them share one, 0.63802 are alone.
    """
    times = times_of(*half_a_prompt_per_step(crowded_s=0.014, slope_s=5e-5))
    # Each takes 4 + 10·0.36198 = 7.61985 ms, p = 0.317494; steps 10·0.194614 = 1.94614 ms more, by 24/(20 − 1.94614 −
    # 5) of it: 27.57805 ms, 114.9085 sequences, ε = 0.05·114.9085/(27.57805·0.682506) = 0.305247. Their dispersion is
    # 1/0.682506² / (1 − 0.305247) = 3.089986: that·0.05/0.682506 = 0.226371 ms more. Behind a request's own come
    # 41.667·(7.61985 + 0.854204) ms = 0.353086 of 7.61985/0.682506 ms over 99 steps.
    assert times.mean_s[0, 0, 0] == pytest.approx(0.02784424, rel=2e-6)
    # √((1.198518 + 0.05·√355.0657/0.682506)² + 0.0065794 + 0.0017103·27.84424²) ms
    assert times.spread_s[0, 0, 0] == pytest.approx(0.002825526, rel=1e-5)
    assert times.calm_s[0, 0, 0] == pytest.approx(0.02 + 5e-5)
    # √((0.05·√355.0657)² + (0.041356·20.05)²) ms
    assert times.calm_spread_s[0, 0, 0] == pytest.approx(0.001255072, rel=1e-5)


def test_prompts_that_fill_no_gpu_alone_make_steps_shorter_together() -> None:
    """As many share steps: 2·0.194614 ms less by 24/(20 + 0.389228) of it, and 0.005330 after a request's own."""
    times = times_of(*half_a_prompt_per_step(crowded_s=0.002, slope_s=0.0))
    assert times.mean_s[0, 0, 0] == pytest.approx(0.023547173, rel=2e-6)


def test_each_bucket_knows_its_own_prompt() -> None:
    """Prompts of 40 and of 360 ms (three to one: E[Δ] = 0.12, E[Δ²] = 0.0336, c² = 4/3), p = 2.5·0.12 = 0.3."""
    steps = steps_of(10, 2.5, steady(0.035, 0.05), 0.001, row(0.04, 0.36))
    mix = Mix.of(row(500, 500, 5000), row(40, 120, 120), row(0.5, 0.25, 0.25))
    times = times_of(steps, mix)
    # Joining: (1 + 0.09·4/3) / 0.49 = 2.2857, of which what is over 1 counts for E[min] / E = 60/80 of a stay: 1.96429
    # times the mean by 1 / (1 − 0.01/0.035): V/B = 2.75, and 0.05 + 0.00275/0.7 = 53.9286 ms. Behind a request's own
    # come 2.5·(Δ + 0.3·2.5·0.0336/0.91): 0.169231 and 0.969231, of 0.12/0.7 s each.
    expected = [
        0.0539286 + number * 0.1714286 / n for number, n in ((0.169231, 39), (0.169231, 119), (0.969231, 119))
    ]
    np.testing.assert_allclose(times.mean_s[0, 0], expected, rtol=1e-5)
    # What steps are longer with those that a request sees than with the mean batch lets more prompts come, too.
    above = times_of(replace(steps, above_s=one(0.0007)), mix)
    np.testing.assert_allclose(above.mean_s, times.mean_s + 0.001, rtol=1e-9)
    assert times.calm[0, 0, 0] == pytest.approx(exp(-39 * 0.125 - 0.169231), rel=1e-4)


def test_a_burst_goes_on_for_as_long_as_a_request_stays() -> None:
    times = times_of(*bursts())
    # Joining: (1 + 3·0.7) / 0.64 = 4.84375, by 1 / (1 − 0.002/0.04): V = 5.09868, and 0.05 + 0.0102/0.8 = 62.7467 ms.
    # Behind its own come 0.2 + 0.2·0.04/0.96 = 0.208333, for 19 steps of 2.74123 ms more: a stay of 1.452604, in which
    # 3/2·0.7·1.452604^0.26 = 1.157038 follow; with those 17.9654 ms more, 1.741864, 1.212978 and so 18.7015 ms.
    assert times.mean_s[0, 0, 0] == pytest.approx(0.0814482, rel=1e-5)
    # 1 − (1 − e^(−1.481548·(0.95 + 0.208333)/4))^(1/4), with 1.481548 = Γ(1.25)^−4.
    assert times.calm[0, 0, 0] == pytest.approx(0.231466, rel=1e-4)
    # √((23.476 + 2·√(5.09868 + 2.1·3.1)/0.8)² + 817.05 + 0.0017103·81.4482²) ms
    assert times.spread_s[0, 0, 0] == pytest.approx(0.0430350, rel=1e-4)


def test_parts_of_a_pipeline_wait_for_all_prompts_and_for_the_fullest() -> None:
    """Four parts of four sequences, prompts of 62.5 ms, so few that those of all parts prolong a step."""
    steps = steps_of(4, 1.6, steady(0.0225, 0.025), 0.001, row(0.0625), stages=4, chunks=0.02)
    times = times_of(steps, Mix.of(row(1000), row(100), row(1)))
    # Four times 2.5 ms of prompts and 3/√7·√4 = 2.26779 sequences more: 25·(0.74 + 2.26779/25)/(0.74 − 0.3) = 47.1995
    # ms with 7.551924 sequences a part. p = 0.1, ε = 7.551924/(47.1995·0.9) = 0.177778, dispersion 1/0.81/0.822222 =
    # 1.501502, with which the fullest has 1.133893·√7.551924·(√1.501502 − 1) = 0.702224 more: of 2.203726 ms come 0.6
    # without prompts. Behind its own come 6.4·(0.0625 + 0.1·6.4·0.0625²/0.99) and 4.8·0.03125 under way: 0.566162 of
    # 0.0625/0.9 s over 99 steps.
    assert times.mean_s[0, 0, 0] == pytest.approx(0.0471995 + 0.002203726 / 0.6 + 0.000397139, rel=1e-6)
    assert times.calm_s[0, 0, 0] == pytest.approx(0.0225 + 0.001 * (1.133893 * 7.551924**0.5 + 1), rel=1e-6)


def test_no_time_is_spread_beyond_the_longest_step() -> None:
    times = times_of(*bursts(most_s=0.09))
    # Those that no prompt interrupts, 0.231466 of all, take 42 ms, the others 90 at most: 78.8896 on average.
    assert times.mean_s[0, 0, 0] == pytest.approx(0.0788896, rel=1e-5)
    # √((90 − 78.8896)·(78.8896 − 40) + 0.0017103·78.8896²) ms
    assert times.spread_s[0, 0, 0] == pytest.approx(0.0210411, rel=1e-4)


def test_prompts_that_take_more_time_than_there_is_leave_times_finite() -> None:
    steps, mix = bursts()
    times = times_of(replace(steps, rate=one(6)), mix)
    assert np.isfinite(times.mean_s).all()
    assert (times.mean_s > 0.05).all()
    assert np.isfinite(times.spread_s).all()
