"""How many requests a batch holds and meets: as drawn, alone and in bursts."""

from bisect import bisect

import numpy as np
import pytest

from optimiser.performance.layouts import Array
from optimiser.performance.swings import (
    arrival_dispersion,
    batch_dispersion,
    chance_of_a_gap,
    chance_of_none,
    deviations_of_the_most,
    joining_dispersion,
    of_burst,
    parts_in_the_way,
    passes,
    shared_steps,
)


def array(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("scv", "pauses", "shares"),
    [(1.0, [0.1], [1.0]), (1.0, [0.02, 0.5], [0.9, 0.1]), (4.0, [0.1], [1.0])],
)
def test_prompts_let_more_come_in(scv: float, pauses: list[float], shares: list[float]) -> None:
    """Gamma gaps; time stands still for decoding while a prompt is processed: how many join per decoded stretch."""
    draw, rate, size = np.random.default_rng(3), 4.0, 1_500_000
    arrival = np.cumsum(draw.gamma(1 / scv, scv / rate, size))
    work = np.cumsum(draw.choice(pauses, size, p=shares))
    # Decoding has had t − work so far, where prompts do not wait: at its highest yet.
    decoded = np.maximum.accumulate(arrival - np.concatenate([[0.0], work[:-1]]))
    stretch = 20.0
    joined = np.bincount((decoded / stretch).astype(np.intp))[1:-1]
    own = float(np.dot(pauses, shares))
    interruption_scv = float(np.dot(np.square(pauses), shares)) / own**2 - 1
    found = joining_dispersion(scv, array(rate * own), array(interruption_scv))[0]
    assert joined.mean() == pytest.approx(rate * stretch / (1 - rate * own), rel=0.02)
    assert found == pytest.approx(joined.var() / joined.mean(), rel=0.12)


@pytest.mark.parametrize("elasticity", [0.0, 0.4, 0.7])
def test_a_batch_swings_the_more_the_more_it_slows_itself_down(elasticity: float) -> None:
    """The stationary chances of a batch of which n leave at n / (1 + ε·(n/B − 1)) per time, as B join."""
    mean = 60.0
    number = np.arange(1, 1200)
    odds = np.cumsum(np.log(mean / number * (1 + elasticity * (number / mean - 1))))
    chances = np.exp(odds - odds.max())
    chances /= chances.sum()
    variance = (chances * number**2).sum() - (chances * number).sum() ** 2
    found = mean * batch_dispersion(array(elasticity), array(1.0), array(1.0))[0]
    assert found == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("arrival_cv", [1.0, 2.0, 3.0])
def test_requests_of_a_burst_see_each_other_in_the_batch(arrival_cv: float) -> None:
    """Gamma gaps and an engine whose step does not grow: beside the mean a request sees itself, and those who came
    with it for the part of a stay that is shared.
    """
    draw = np.random.default_rng(3)
    stay, mean, scv = 1.0, 50.0, arrival_cv**2
    arrival = np.cumsum(draw.gamma(1 / scv, scv / mean, 400_000))
    summed, own = np.concatenate([[0.0], np.cumsum(arrival)]), np.arange(len(arrival))
    last = np.searchsorted(arrival, arrival + stay)
    after = (last - own - 1) - (summed[last] - summed[own + 1] - (last - own - 1) * arrival) / stay
    # As much of others' stays before as after, over all requests.
    seen = 1 + 2 * after.mean()
    dispersion = batch_dispersion(array(0), array(scv), array(1.0))[0]
    assert mean + dispersion == pytest.approx(seen, rel=0.04)


@pytest.mark.parametrize("arrival_cv", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_prompts_of_a_burst_share_steps(arrival_cv: float) -> None:
    """Gamma gaps, and steps that take four times as long with prompts; what steps can all take is not shared up to one
    prompt each.
    """
    scv, longer = arrival_cv**2, 4.0
    arrival = np.cumsum(np.random.default_rng(6).gamma(1 / scv, scv, 40_000))
    for step in (0.01, 0.03, 0.1, 0.3, 1.0):
        number, steps, now, before = [0], 0.0, 0.0, 0
        while before < len(arrival):
            # Steps that none comes in are all alike.
            idle = 0.0 if number[-1] else (arrival[before] - now) // step
            now += step * (longer if number[-1] else 1 + idle)
            steps += 1 + idle
            number.append(bisect(arrival, now, before) - before)
            before += number[-1]
        come = np.array(number)
        with_some, of_one = (np.count_nonzero(some) / come.sum() for some in (come, come == 1))
        shared, alone = shared_steps(array(step), array(longer * step), scv - 1)
        assert shared[0] == pytest.approx(min(1, steps / come.sum()) - with_some, abs=0.12)
        assert alone[0] == pytest.approx(of_one, abs=0.11)


@pytest.mark.parametrize("arrival_cv", [2.0, 3.0, 4.0])
def test_of_a_burst_part_comes_within_a_stay(arrival_cv: float) -> None:
    draw, scv = np.random.default_rng(6), arrival_cv**2
    arrival = np.cumsum(draw.gamma(1 / scv, scv, 1_000_000))
    for stay in (0.02, 0.1, 0.3, 1.0, 3.0, 10.0):
        last = np.searchsorted(arrival, arrival[:-2000] + stay)
        more = (last - np.arange(1, len(last) + 1)).mean() - stay
        assert of_burst(array(stay))[0] == pytest.approx(more / ((scv - 1) / 2), abs=0.18)


@pytest.mark.parametrize(("scv", "above"), [(4.0, 0.15), (9.0, 0.3), (16.0, 0.45)])
def test_the_number_that_comes_in_a_stay_varies_as_drawn_or_more(scv: float, above: float) -> None:
    """Gamma gaps cut into stays; none come as often as to a negative binomial number, up to one a stay."""
    arrival = np.cumsum(np.random.default_rng(6).gamma(1 / scv, scv, 1_000_000))
    for stay in (0.03, 0.3, 1.0, 3.0, 10.0, 100.0):
        number = np.bincount((arrival / stay).astype(np.intp))[:-1]
        found, drawn = arrival_dispersion(scv, array(stay))[0], number.var() / number.mean()
        assert 0.97 * drawn <= found <= (1 + above) * drawn
        if stay <= 1:
            none = chance_of_none(array(stay), array((scv - 1) * of_burst(array(stay))[0]))[0]
            assert none == pytest.approx(np.count_nonzero(number == 0) / len(number), abs=0.03)


@pytest.mark.parametrize("arrival_cv", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_a_gap_is_as_long_as_drawn(arrival_cv: float) -> None:
    scv = arrival_cv**2
    gaps = np.random.default_rng(7).gamma(1 / scv, scv, 1_000_000)
    for stay in (0.01, 0.1, 0.5, 1.0, 3.0, 10.0):
        assert chance_of_a_gap(scv, array(stay))[0] == pytest.approx((gaps > stay).mean(), abs=0.01)


@pytest.mark.parametrize("stages", [2, 4, 8])
def test_the_slowest_part_of_a_pipeline_holds_up_all(stages: int) -> None:
    """Rounds in which each part has a Poisson number of chunks: all wait for the one with the most."""
    draw = np.random.default_rng(2)
    for chunks in (0.01, 0.1, 0.5, 2.0, 20.0):
        most = draw.poisson(chunks, (200_000, stages)).max(axis=1).mean() / chunks
        found = parts_in_the_way(array(chunks), array(stages))[0]
        assert 0.98 * most <= found <= 1.5 * most
    assert parts_in_the_way(array(0.5), array(1))[0] == 1


@pytest.mark.parametrize("stages", [1, 2, 4, 16])
def test_a_pass_takes_as_long_as_the_prompts_that_come_in_it_make_it(stages: int) -> None:
    """Of random passes the least time that is as long as what comes in it says, by small steps from below."""
    draw = np.random.default_rng(4)
    for _ in range(200):
        own, grown, added = draw.uniform(0.0, 0.6), draw.uniform(0.0, 0.3), draw.uniform(0.0, 0.4)
        chunks = float(np.exp(draw.uniform(-6, 2)))
        time = 0.0
        for _ in range(20_000):
            way = parts_in_the_way(array(chunks * max(time, 1e-9)), array(stages))[0]
            longer = 1 + added + own * (way * time - 1) + grown * (time - 1)
            if abs(longer - time) < 1e-10 * time:
                break
            time = longer
        found = passes(array(own), array(grown), array(added), array(chunks), array(stages))[0]
        assert found == pytest.approx(time, rel=1e-5)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_the_fullest_part_of_a_pipeline_is_as_full_as_drawn(parts: int) -> None:
    draw = np.random.default_rng(2)
    for mean in (4.0, 20.0, 100.0):
        most = draw.poisson(mean, (200_000, parts)).max(axis=1).mean()
        found = mean + deviations_of_the_most(array(parts))[0] * mean**0.5
        assert most <= found <= most + 0.6 * mean**0.5
    assert deviations_of_the_most(array(1))[0] == 0
