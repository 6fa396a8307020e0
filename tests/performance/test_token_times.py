"""The time per output token: its spread over requests by hand and as drawn, alone and in bursts."""

from statistics import NormalDist

import numpy as np
import pytest

from optimiser.performance.layouts import Array
from optimiser.performance.token_times import (
    JITTER,
    TokenTimes,
    above_the_mean,
    batch_swing,
    behind_its_prompt,
    joined,
    meets_tpot,
    of_burst,
    prompts_after,
    shared_steps,
    token_spread_s,
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


def test_an_even_engine_spreads_by_its_jitter_alone() -> None:
    spread = token_spread_s(array(0.02), array(0), array(5), array(0), array(0), array(100))
    # p99 at 1.1 × the mean; e^(2.3263·w − w²/2) = 1.1 has w = 0.04135.
    for quantile, factor in ((0.5, 0.99915), (0.95, 1.0695), (0.99, 1.1)):
        found = tpot_quantile_s(times_of(np.array([[0.02]]), spread), array(1), quantile)[0]
        assert found == pytest.approx(0.02 * factor, rel=1e-4)


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
        spread = token_spread_s(
            array(step), array(0), array(rate), array(share), array(pause**2), array(tokens + 1)
        )
        without_jitter = np.sqrt(spread.ravel()[0] ** 2 - (step * JITTER) ** 2)
        assert without_jitter == pytest.approx(np.std(drawn), rel=0.08)


def test_a_batch_whose_step_does_not_grow_does_not_swing() -> None:
    assert batch_swing(array(30), array(0), array(9))[0] == 0
    assert joined(array(30), array(0), array(0), array(9))[0] == 1
    assert batch_swing(array(36), array(0.5), array(1))[0] == pytest.approx(0.5 * np.log1p(1 / 18) ** 0.5)
    assert joined(array(36), array(0.5), array(0.5), array(1))[0] == 1
    # 8 / (32 · (1 − 0.5)): one and a half times as many, for a step that grows as their root.
    assert joined(array(32), array(0.5), array(0.5), array(9))[0] == pytest.approx(1.5**0.5)


@pytest.mark.parametrize("arrival_cv", [1.0, 2.0, 3.0])
def test_requests_of_a_burst_see_each_other_in_the_batch(arrival_cv: float) -> None:
    """Gamma gaps and an engine whose step does not grow: each other counts for the part of a stay that is shared."""
    draw = np.random.default_rng(3)
    stay, mean, scv = 1.0, 50.0, arrival_cv**2
    arrival = np.cumsum(draw.gamma(1 / scv, scv / mean, 400_000))
    summed, own = np.concatenate([[0.0], np.cumsum(arrival)]), np.arange(len(arrival))
    last = np.searchsorted(arrival, arrival + stay)
    after = (last - own - 1) - (summed[last] - summed[own + 1] - (last - own - 1) * arrival) / stay
    # As much of others' stays before as after, over all requests.
    seen = 2 * after.mean()
    times = joined(array(mean), array(0), array(1), array(scv))[0]
    assert mean * times == pytest.approx(seen, rel=0.04)


@pytest.mark.parametrize("arrival_cv", [1.5, 2.0, 3.0, 4.0])
def test_prompts_of_a_burst_share_steps(arrival_cv: float) -> None:
    """Gamma gaps cut into steps of equal length; what steps can all take is not shared up to one prompt each."""
    draw, scv = np.random.default_rng(6), arrival_cv**2
    arrival = np.cumsum(draw.gamma(1 / scv, scv, 1_000_000))
    for per_step in (0.03, 0.1, 0.3, 1.0, 3.0):
        with_some = (
            np.count_nonzero(np.bincount((arrival / per_step).astype(np.intp))) * per_step / arrival[-1]
        )
        more, shared = shared_steps(array(per_step), scv - 1)
        assert more[0] == pytest.approx(min(per_step, 1) - with_some, abs=0.04 if per_step <= 1 else 0.08)
        assert shared[0] == pytest.approx(1 - with_some / per_step, abs=0.06)


def test_prompts_of_hardly_any_burst_share_no_more_steps_than_without() -> None:
    for per_step in (0.03, 1.0, 10.0):
        for one in shared_steps(array(per_step), 1e-6):
            assert 0 <= one[0] <= 1e-5


@pytest.mark.parametrize("elasticity", [0.5, 0.7, 0.9])
def test_a_batch_that_swings_leaves_as_fast_as_requests_come(elasticity: float) -> None:
    """Drawn log-normal batches of which b^(1 − ε) leave per time: as many as of the batch 1, whose step is 1."""
    spread = 0.6
    drawn = np.exp(np.random.default_rng(2).normal(0.0, spread, 1_000_000))
    batch = drawn / (drawn ** (1 - elasticity)).mean() ** (1 / (1 - elasticity))
    found = above_the_mean(array(elasticity * spread), array(elasticity))[0]
    assert found == pytest.approx((batch**elasticity).mean(), rel=2e-3)
    assert above_the_mean(array(0.2 * spread), array(0.2))[0] == 1


@pytest.mark.parametrize("arrival_cv", [2.0, 3.0, 4.0])
def test_of_a_burst_part_comes_within_a_stay(arrival_cv: float) -> None:
    draw, scv = np.random.default_rng(6), arrival_cv**2
    arrival = np.cumsum(draw.gamma(1 / scv, scv, 1_000_000))
    for stay in (0.02, 0.1, 0.3, 1.0, 3.0, 10.0):
        last = np.searchsorted(arrival, arrival[:-2000] + stay)
        more = (last - np.arange(1, len(last) + 1)).mean() - stay
        assert of_burst(array(stay))[0] == pytest.approx(more / ((scv - 1) / 2), abs=0.18)


def test_a_burst_goes_on_after_a_request() -> None:
    """Drawn gaps of squared variation 9: four more come after one than at any time, each a mean interruption."""
    draw = np.random.default_rng(4)
    arrival = np.cumsum(draw.gamma(1 / 9, 9.0, 400_000))
    window = 60.0
    more = (np.searchsorted(arrival, arrival + window) - np.arange(1, len(arrival) + 1))[
        :-1000
    ].mean() - window
    found, _ = prompts_after(array(0.2), array(0.04), array(4.0), array(0), array(0), array(101))
    assert found[0, 0] == pytest.approx(more * 0.2 / 100, rel=0.05)


def test_tpot_over_a_mix_adds_the_shares_within_the_limit() -> None:
    means, widths, shares = np.array([[0.02, 0.02]]), np.array([[0.1, 0.5]]), array(0.6, 0.4)
    # So many standard deviations of the logarithm up: (ln 1.2 + w²/2) / w.
    times = times_of(means, means * np.sqrt(np.expm1(widths**2)))
    within = 0.6 * NormalDist().cdf(1.87322) + 0.4 * NormalDist().cdf(0.614643)
    assert meets_tpot(times, shares, 0.024, within - 1e-6)[0]
    assert not meets_tpot(times, shares, 0.024, within + 1e-6)[0]
    assert tpot_quantile_s(times, shares, within)[0] == pytest.approx(0.024, rel=1e-5)


@pytest.mark.parametrize("burst", [0.0, 3.0])
def test_what_comes_after_a_request_adds_up_as_drawn(burst: float) -> None:
    """A geometric number of its burst and a Poisson one of others, each with one of three interruptions."""
    draw, size = np.random.default_rng(8), 400_000
    pauses, shares, others, steps = np.array([0.05, 0.2, 0.8]), np.array([0.5, 0.4, 0.1]), 0.7, 20
    number = draw.poisson(others, size) + (draw.geometric(1 / (1 + burst), size) - 1)
    owner = np.repeat(np.arange(size), number)
    added = np.bincount(owner, draw.choice(pauses, len(owner), p=shares), minlength=size) / steps
    own, square = (pauses * shares).sum(), (pauses**2 * shares).sum()
    found = prompts_after(array(own), array(square), array(burst), array(others), array(0), array(steps + 1))
    assert found[0][0, 0] == pytest.approx(added.mean(), rel=0.01)
    assert found[1][0, 0] == pytest.approx(added.var(), rel=0.02)


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
    found = behind_its_prompt(array(rate), array(own), array(square), array(rate * own))[0]
    assert found == pytest.approx(seen, rel=0.05)


def test_some_requests_meet_no_prompt_and_none_takes_longer_than_the_longest_step() -> None:
    times = times_of(np.array([[0.02]]), np.array([[0.04]]), calm=0.9)
    # Nine in ten take the calm 0.01 s with jitter; the others 0.11 s, as the mean says.
    assert tpot_quantile_s(times, array(1), 0.5)[0] == pytest.approx(0.01, rel=0.02)
    assert tpot_quantile_s(times, array(1), 0.85)[0] < 0.0108
    assert tpot_quantile_s(times, array(1), 0.99)[0] > 0.11
    capped = times_of(np.array([[0.02]]), np.array([[0.04]]), calm=0.9, most_s=0.1)
    assert tpot_quantile_s(capped, array(1), 0.99)[0] == pytest.approx(0.11)
    assert meets_tpot(capped, array(1), 0.1101, 0.999)[0]
    assert not meets_tpot(times, array(1), 0.1101, 0.99)[0]
