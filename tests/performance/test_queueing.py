"""Waits: closed forms, and a simulation of the queue that they stand for."""

from dataclasses import replace
from math import exp
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimiser.performance.layouts import Array
from optimiser.performance.queueing import (
    Wait,
    batch_places,
    each_meets_ttft,
    meets_ttft,
    mix_quantile,
    normal_cdf,
    prefill_queue,
    wait_exceeds,
    wait_quantile,
    without_wait,
)

SERVICES = np.array([0.05, 0.2, 0.8])
SHARES = np.array([0.5, 0.4, 0.1])


def array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def queue_wait(
    rate: float,
    services: Array = SERVICES,
    shares: Array = SHARES,
    arrival_cv: float = 1.0,
    pool: int = 1,
) -> Wait:
    """Waiting behind other prompts alone, at one of a pool that a stream of that variation is spread over."""
    mean, square = array((services * shares).sum()), array((services**2 * shares).sum())
    queued, queue = prefill_queue(array(rate), mean, square, 1 + (arrival_cv**2 - 1) / pool, pool)
    zero = array(0)
    return Wait(residual_s=zero, queued=queued, queue_s=queue, blocked=zero, place_s=zero)


def simulated_waits(
    rate: float,
    requests: int = 400_000,
    arrival_cv: float = 1.0,
    services: Array = SERVICES,
    shares: Array = SHARES,
    pool: int = 1,
) -> Array:
    """Waiting times of a GI/G/1 queue, by Lindley's recursion written as a running minimum. Gaps are Gamma's, or of
    those who come from such a stream to one of a pool."""
    draw = np.random.default_rng(20261121)
    service = draw.choice(services, requests, p=shares)
    between = draw.geometric(1 / pool, requests) if pool > 1 else 1.0
    gap = draw.gamma(between * arrival_cv**-2, arrival_cv**2 / (rate * pool), requests)
    drift = np.concatenate([[0.0], np.cumsum(service[:-1] - gap[1:])])
    return (drift - np.minimum.accumulate(drift))[requests // 20 :]


# The prefill queue


@pytest.mark.parametrize("load", [0.5, 0.7])
@pytest.mark.parametrize("percentile", [90, 95, 99])
def test_wait_percentiles_agree_with_a_simulated_queue(load: float, percentile: float) -> None:
    rate = load / float((SERVICES * SHARES).sum())
    simulated = float(np.percentile(simulated_waits(rate), percentile))
    found = float(wait_quantile(queue_wait(rate), percentile / 100)[0])
    assert 0.93 * simulated <= found <= 1.2 * simulated


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7, 0.9])
def test_mean_wait_is_that_of_the_simulated_queue(load: float) -> None:
    rate = load / float((SERVICES * SHARES).sum())
    wait = queue_wait(rate)
    assert float((wait.queued * wait.queue_s)[0]) == pytest.approx(simulated_waits(rate).mean(), rel=0.06)


@pytest.mark.parametrize("arrival_cv", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("load", [0.3, 0.5, 0.7, 0.9])
def test_bursts_wait_as_long_as_in_the_simulated_queue(load: float, arrival_cv: float) -> None:
    rate = load / float((SERVICES * SHARES).sum())
    drawn = simulated_waits(rate, 1_000_000, arrival_cv)
    wait = queue_wait(rate, arrival_cv=arrival_cv)
    assert float((wait.queued * wait.queue_s)[0]) == pytest.approx(drawn.mean(), rel=0.1)
    assert 0.9 <= float(wait_quantile(wait, 0.95)[0]) / float(np.percentile(drawn, 95)) <= 1.1


@pytest.mark.parametrize(
    ("services", "shares"), [(array(1.0), array(1.0)), (array(0.5, 1.5), array(0.5, 0.5)), (SERVICES, SHARES)]
)
@pytest.mark.parametrize(("arrival_cv", "pool"), [(2.0, 1), (3.0, 1), (3.0, 4), (3.0, 16), (6.0, 1)])
@pytest.mark.parametrize("load", [0.005, 0.05, 0.3])
def test_bursts_that_hardly_ever_come_wait_as_in_the_simulated_queue(
    load: float, arrival_cv: float, pool: int, services: Array, shares: Array
) -> None:
    """Equal service times are taken to be waited for as ones that vary: too long by up to 35 % of the little."""
    rate = load / float((services * shares).sum())
    drawn = simulated_waits(rate, 1_000_000, arrival_cv, services, shares, pool)
    wait = queue_wait(rate, services, shares, arrival_cv, pool)
    assert float(wait.queued[0]) == pytest.approx((drawn > 0).mean(), abs=0.03)
    assert 0.95 <= float((wait.queued * wait.queue_s)[0]) / drawn.mean() <= 1.35


def test_clumped_arrivals_at_an_exponential_server_by_hand() -> None:
    """GI/M/1: a share σ waits, σ = A*(µ(1 − σ)), exponentially with rate µ(1 − σ); gaps Gamma of CV 2."""
    rate, service, scv = 3.0, 0.25, 4.0
    sigma = 0.5
    for _ in range(200):
        sigma = (1 + (1 - sigma) / service * scv / rate) ** (-1 / scv)
    queued, queue = prefill_queue(array(rate), array(service), array(2 * service**2), scv)
    assert queued[0] == pytest.approx(sigma, rel=1e-6)
    assert queue[0] == pytest.approx(service / (1 - sigma), rel=1e-6)


@pytest.mark.parametrize("pool", [1.0, 2.5, 40.0])
@pytest.mark.parametrize("scv", [1.01, 4.0, 25.0])
def test_who_waits_is_the_root_that_halving_finds_at_any_load(scv: float, pool: float) -> None:
    loads = np.concatenate([np.logspace(-9, -1, 30), np.linspace(0.1, 0.999, 60)])
    queued, _ = prefill_queue(loads, array(1.0), array(2.0), scv, pool)
    stream = 1 + pool * (scv - 1)
    for load, found in zip(loads, queued, strict=True):
        low, high = load, 1.0
        for _ in range(50):
            sigma = (low + high) / 2
            transform = (1 + (1 - sigma) * stream / (pool * load)) ** (-1 / stream)
            above = transform > pool * sigma / (1 + (pool - 1) * sigma)
            low, high = (sigma, high) if above else (low, sigma)
        assert found == pytest.approx(low, rel=1e-6)


def test_exponential_service_gives_the_exact_tail_of_m_m_1() -> None:
    queued, queue = prefill_queue(array(3.0), array(0.25), array(2 * 0.25**2), 1.0)
    wait = replace(queue_wait(1.0), queued=queued, queue_s=queue)
    for x in (0.0, 0.5, 2.0):
        assert wait_exceeds(wait, array(x))[0] == pytest.approx(0.75 * exp(-(4 - 3) * x))


def test_a_full_server_makes_everyone_wait_for_ever() -> None:
    wait = queue_wait(1.01 / float((SERVICES * SHARES).sum()))
    assert wait_exceeds(wait, array(1e6))[0] == 1.0
    assert np.isinf(wait_quantile(wait, 0.95)[0])


# Places in the batch


def erlang_c(places: int, busy: float) -> float:
    term, below = 1.0, 0.0
    for n in range(places):
        below += term
        term *= busy / (n + 1)
    last = term * places / (places - busy)
    return last / (below + last)


def place_waits(
    places: float,
    busy: float,
    *,
    residence_s: float = 10.0,
    variation: float = 1.0,
    elasticity: float = 0.0,
    arrival_scv: float = 1.0,
) -> tuple[float, float]:
    """batch_places where all that is clumped are arrivals, and a step takes 1 − ε + ε·n/B."""
    slower = 1 - elasticity + elasticity * places / busy
    blocked, mean = batch_places(
        array(busy / residence_s),
        array(places / residence_s / slower),
        array(busy),
        array(places),
        array(variation),
        array(elasticity),
        array(arrival_scv),
        arrival_scv,
    )
    return float(blocked[0]), float(mean[0])


@pytest.mark.parametrize(("places", "busy"), [(8, 4.0), (20, 12.0), (40, 32.0), (100, 90.0), (150, 145.0)])
def test_waiting_for_a_place_is_erlang_c_or_nearly(places: int, busy: float) -> None:
    blocked, mean = place_waits(places, busy)
    assert blocked == pytest.approx(erlang_c(places, busy), rel=0.15, abs=0.002)
    assert mean == pytest.approx(10.0 / (places - busy))


def test_all_places_taken_blocks_for_ever_and_none_taken_never() -> None:
    blocked, mean = place_waits(10, 10)
    assert blocked == pytest.approx(1)
    assert np.isinf(mean)
    assert place_waits(1000, 0.01) == (0.0, 0.0)


@pytest.mark.parametrize(("places", "elasticity"), [(40, 0.5), (64, 0.5), (50, 0.2)])
def test_a_batch_that_slows_itself_down_blocks_as_often_as_its_birth_and_death(
    places: int, elasticity: float
) -> None:
    """Arrivals at λ = 8, ends at n/t(n), t = (1 − ε + ε·n/B)·B/λ, worked out exactly."""
    rate, busy = 8.0, 30.0
    rates = [n / (1 - elasticity + elasticity * n / busy) * rate / busy for n in range(1, places + 1)]
    # Beyond the places, requests wait and the batch stays as it is.
    rates += rates[-1:] * 2000
    weights = np.exp(np.concatenate([[0.0], np.cumsum(np.log(rate / np.array(rates)))]))
    exact = weights[places:].sum() / weights.sum()
    blocked, mean = place_waits(places, busy, residence_s=busy / rate, elasticity=elasticity)
    assert blocked == pytest.approx(exact, rel=0.15, abs=1e-3)
    assert mean == pytest.approx(1 / (rates[-1] - rate))


@pytest.mark.parametrize("load", [0.7, 0.85, 0.95])
@pytest.mark.parametrize("places", [16, 64, 256])
def test_even_work_waits_as_in_a_simulated_m_d_c_queue_or_longer(places: int, load: float) -> None:
    """First come, first served, and equal: a request starts no sooner than the one `places` before it ends."""
    requests = 200 * 1000
    gaps = np.random.default_rng(7).exponential(1.0, requests)
    start = np.cumsum(gaps / gaps.mean()) / (load * places)
    arrival = start.copy()
    for first in range(places, requests, places):
        before = start[first - places : first][: requests - first]
        start[first : first + places] = np.maximum(arrival[first : first + places], before + 1.0)
    waited = (start - arrival)[requests // 20 :]
    blocked, mean = place_waits(places, load * places, residence_s=1.0, variation=0.0)
    assert blocked >= 0.9 * (waited > 0).mean() - 1e-3
    assert 0.85 * waited.mean() - 1e-4 <= blocked * mean <= 1.4 * waited.mean() + 1e-4


def test_both_waits_add_as_drawn_at_random() -> None:
    draw = np.random.default_rng(3)
    wait = Wait(
        residual_s=array(0.1), queued=array(0.6), queue_s=array(0.5), blocked=array(0.3), place_s=array(1.5)
    )
    n = 400_000
    drawn = 0.1 + (draw.random(n) < 0.6) * draw.exponential(0.5, n)
    drawn += (draw.random(n) < 0.3) * draw.exponential(1.5, n)
    for x in (0.2, 1.0, 3.0):
        assert wait_exceeds(wait, array(x))[0] == pytest.approx((drawn > x).mean(), abs=0.003)
    assert wait_quantile(wait, 0.95)[0] == pytest.approx(np.percentile(drawn, 95), rel=0.01)


def test_equal_rates_are_the_limit_of_nearby_ones() -> None:
    same = Wait(residual_s=array(0), queued=array(1), queue_s=array(1), blocked=array(1), place_s=array(1))
    # The sum of two exponentials of mean 1 exceeds x with probability (1 + x)·e^(−x).
    assert wait_exceeds(same, array(2.0))[0] == pytest.approx(3 * exp(-2), rel=1e-3)


# Percentiles over a mix


def test_the_mix_holds_where_the_shares_of_late_requests_add_up() -> None:
    wait = replace(queue_wait(1.0), queued=array(1.0), queue_s=array(1.0))
    own, shares = np.array([[0.1, 1.1]]), array(0.5, 0.5)
    late = 0.5 * exp(-(2 - 0.1)) + 0.5 * exp(-(2 - 1.1))
    assert meets_ttft(wait, own, shares, 2.0, 1 - late - 1e-6)[0]
    assert not meets_ttft(wait, own, shares, 2.0, 1 - late + 1e-6)[0]
    assert mix_quantile(wait, own, shares, 1 - late)[0] == pytest.approx(2.0, rel=1e-4)


def test_the_slowest_bucket_has_its_own_limit() -> None:
    wait = without_wait(queue_wait(1.0))
    own = np.array([[0.1, 7.0]])
    shares = array(0.99, 0.01)
    assert meets_ttft(wait, own, shares, 2.0, 0.95)[0]
    assert not each_meets_ttft(wait, own, 6.0, 0.95)[0]
    assert each_meets_ttft(wait, own, 7.0, 0.95)[0]


@given(
    load=st.floats(0.05, 0.9),
    more=st.floats(1.0, 1.1),
    quantile=st.floats(0.5, 0.999),
    service=st.floats(1e-3, 5),
)
def test_a_percentile_grows_with_load(load: float, more: float, quantile: float, service: float) -> None:
    services, shares = array(service, 3 * service), array(0.7, 0.3)
    rate = load / float((services * shares).sum())
    low = wait_quantile(queue_wait(rate, services, shares), quantile)[0]
    high = wait_quantile(queue_wait(rate * more, services, shares), quantile)[0]
    assert high >= low * (1 - 1e-5) - 1e-6


@given(x=st.floats(-7, 7))
def test_normal_cdf(x: float) -> None:
    assert normal_cdf(array(x))[0] == pytest.approx(NormalDist().cdf(x), abs=1e-7)
