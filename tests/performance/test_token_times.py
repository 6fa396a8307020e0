"""The time per output token: its spread over requests by hand and as drawn, alone and in bursts."""

from statistics import NormalDist

import numpy as np
import pytest

from optimiser.performance.layouts import Array
from optimiser.performance.token_times import (
    JITTER,
    After,
    TokenTimes,
    behind_its_prompt,
    interruption_spread_s,
    meets_tpot,
    prompts_after,
    tpot_quantile_s,
)


def array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def times_of(mean_s: Array, spread_s: Array, calm: float = 0.0, most_s: float = np.inf) -> TokenTimes:
    """Log-normal times, of which a share has none of the mean beyond 0.01 s."""
    calm_s = np.full_like(mean_s, 0.01)
    return TokenTimes(
        mean_s=mean_s,
        spread_s=spread_s,
        calm=np.full_like(mean_s, calm),
        calm_s=calm_s,
        calm_spread_s=JITTER * calm_s,
        most_s=np.full_like(mean_s, most_s),
    )


def test_a_log_normal_spread_has_its_percentiles() -> None:
    # p99 at 1.1 × the mean; e^(2.3263·w − w²/2) = 1.1 has w = 0.04135.
    for quantile, factor in ((0.5, 0.99915), (0.95, 1.0695), (0.99, 1.1)):
        times = times_of(np.array([[0.02]]), np.array([[0.02 * JITTER]]))
        assert tpot_quantile_s(times, array(1), quantile)[0] == pytest.approx(0.02 * factor, rel=1e-4)


def test_prompts_interrupt_short_answers_most() -> None:
    """Steps drawn at random, each prolonged by the prompts that came in during the one before."""
    draw = np.random.default_rng(5)
    step, rate, pause = 0.02, 4.0, 0.1
    share = rate * pause
    steps = np.full((20_000, 440), step)
    for index in range(1, steps.shape[1]):
        steps[:, index] = step * (1 - share) + pause * draw.poisson(rate * steps[:, index - 1])
    for tokens in (1, 5, 50, 400):
        drawn = steps[:, 40 : 40 + tokens].mean(axis=1)
        spread = interruption_spread_s(
            array(step), array(rate), array(share), array(pause**2), array(tokens + 1)
        )
        assert spread.ravel()[0] == pytest.approx(np.std(drawn), rel=0.08)


def test_a_burst_goes_on_after_a_request() -> None:
    """Drawn gaps of squared variation 9: four more come after one than at any time, each a mean interruption."""
    draw = np.random.default_rng(4)
    arrival = np.cumsum(draw.gamma(1 / 9, 9.0, 400_000))
    window = 60.0
    more = (np.searchsorted(arrival, arrival + window) - np.arange(1, len(arrival) + 1))[
        :-1000
    ].mean() - window
    after = After(array(4.0), array(0))
    found, _ = prompts_after(array(0.2), array(0.04), after, array(0), array(101))
    assert found[0, 0] == pytest.approx(more * 0.2 / 100, rel=0.05)


def test_tpot_over_a_mix_adds_the_shares_within_the_limit() -> None:
    means, widths, shares = np.array([[0.02, 0.02]]), np.array([[0.1, 0.5]]), array(0.6, 0.4)
    # So many standard deviations of the logarithm up: (ln 1.2 + w²/2) / w.
    times = times_of(means, means * np.sqrt(np.expm1(widths**2)))
    within = 0.6 * NormalDist().cdf(1.87322) + 0.4 * NormalDist().cdf(0.614643)
    assert meets_tpot(times, shares, 0.024, within - 1e-6)[0]
    assert not meets_tpot(times, shares, 0.024, within + 1e-6)[0]
    assert tpot_quantile_s(times, shares, within)[0] == pytest.approx(0.024, rel=1e-5)


def test_what_comes_after_a_request_adds_up_as_drawn() -> None:
    draw, size = np.random.default_rng(8), 400_000
    pauses, shares, others, steps = np.array([0.05, 0.2, 0.8]), np.array([0.5, 0.4, 0.1]), 2.0, 20
    number = draw.poisson(others, size)
    owner = np.repeat(np.arange(size), number)
    added = np.bincount(owner, draw.choice(pauses, len(owner), p=shares), minlength=size) / steps
    own, square = (pauses * shares).sum(), (pauses**2 * shares).sum()
    after = After(array(0), array(others))
    mean, variance = prompts_after(array(own), array(square), after, array(0), array(steps + 1))
    assert mean[0, 0] == pytest.approx(added.mean(), rel=0.01)
    assert variance[0, 0] == pytest.approx(added.var(), rel=0.02)


@pytest.mark.parametrize("feedback", [0.3, 0.6])
def test_what_comes_after_a_request_lasts_a_busy_period(feedback: float) -> None:
    """Drawn generation by generation: each prompt of 0.1 s brings feedback others on average."""
    draw, size, pause, others, steps = np.random.default_rng(9), 200_000, 0.1, 1.5, 50
    added, generation = np.zeros(size), draw.poisson(others, size)
    while generation.any():
        added += pause * generation
        generation = draw.poisson(feedback * generation)
    after = After(array(0), array(others))
    mean, variance = prompts_after(array(pause), array(pause**2), after, array(feedback), array(steps + 1))
    assert mean[0, 0] == pytest.approx(added.mean() / steps, rel=0.01)
    assert variance[0, 0] == pytest.approx(added.var() / steps**2, rel=0.03)


def test_a_request_comes_in_a_longer_step_than_the_mean() -> None:
    """Steps that take the prompts of the one before: what comes in a request's own step beyond a step's usual."""
    draw, base, rate = np.random.default_rng(5), 0.02, 4.0
    pauses, shares = np.array([0.02, 0.1, 0.4]), np.array([0.6, 0.3, 0.1])
    own, square = (pauses * shares).sum(), (pauses**2 * shares).sum()
    steps, number = [base], [0]
    for _ in range(300_000):
        number.append(int(draw.poisson(rate * steps[-1])))
        steps.append(base + draw.choice(pauses, number[-1], p=shares).sum())
    # Requests are in a step's `number`, and those that come while it lasts in the next one's.
    seen = np.average(number[1:], weights=number[:-1]) - np.mean(number)
    found = behind_its_prompt(array(rate), array(own), array(square), array(rate * own))
    assert found[0, 0] == pytest.approx(seen, rel=0.05)


def test_some_requests_meet_no_prompt_and_none_takes_longer_than_the_longest_step() -> None:
    times = times_of(np.array([[0.02]]), np.array([[0.04]]), calm=0.9)
    # Nine in ten take the calm 0.01 s with jitter; the others 0.11 s, as the mean says.
    assert tpot_quantile_s(times, array(1), 0.5)[0] == pytest.approx(0.01, rel=0.02)
    assert tpot_quantile_s(times, array(1), 0.85)[0] < 0.0108
    assert tpot_quantile_s(times, array(1), 0.99)[0] > 0.11
    capped = times_of(np.array([[0.02]]), np.array([[0.04]]), calm=0.9, most_s=0.1)
    assert tpot_quantile_s(capped, array(1), 0.99)[0] == pytest.approx(0.11, rel=1e-5)
    assert meets_tpot(capped, array(1), 0.1101, 0.99)[0]
    assert not meets_tpot(times, array(1), 0.1101, 0.99)[0]
