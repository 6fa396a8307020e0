"""The scheduler on a clock of its own: worked by hand, as laws, and its arrivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.calibration.continuous_batching import (
    Clock,
    Run,
    Step,
    first_token_s,
    poisson_arrivals,
    serve,
    settled_steps,
)

CHUNK = 8192


def served(
    arrivals: Sequence[float],
    outputs: Sequence[int],
    *,
    prompt: int,
    places: int,
    seconds: Callable[[int, int], float],
) -> Run:
    """The run on a clock that only steps and sleeping move."""
    passed = [0.0]

    def sleep(some: float) -> None:
        passed[0] += some

    return serve(
        lambda decoding, prompts: sleep(seconds(decoding, prompts)),
        arrivals,
        outputs,
        prompt=prompt,
        places=places,
        clock=Clock(now=lambda: passed[0], sleep=sleep),
    )


def test_a_run_worked_by_hand() -> None:
    """Two places, one prompt a step; a second a step with a prompt, a quarter without.

    0–1 the prompt of the first; 1–2 that of the second, and the first's last token; 2–3 that of the third, which wants
    no more; 3–3.25 the second's last token; nothing until 10; 10–11 the fourth.
    """
    run = served(
        [0.0, 0.0, 0.5, 10.0],
        [2, 3, 1, 1],
        prompt=CHUNK,
        places=2,
        seconds=lambda _, prompts: 1.0 if prompts else 0.25,
    )
    assert run.first_s == (1.0, 2.0, 3.0, 11.0)
    assert run.last_s == (2.0, 3.25, 3.0, 11.0)
    assert [(step.decoding, step.prompts) for step in run.steps] == [(0, 1), (1, 1), (1, 1), (1, 0), (0, 1)]
    assert [step.seconds for step in run.steps] == [1.0, 1.0, 1.0, 0.25, 1.0]
    # Waits of 1, 2, 2.5 and 1 s; without the first, half wait no more than 2 s.
    assert first_token_s(run, 1, [0, 50, 100]) == (1.0, 2.0, 2.5)


@pytest.mark.parametrize(
    ("prompt", "places", "together"),
    [(CHUNK // 4, 9, 4), (CHUNK // 4, 3, 3), (CHUNK - 1, 9, 1), (CHUNK // 4 + 1, 9, 3)],
)
def test_a_step_takes_the_whole_prompts_that_a_chunk_and_the_places_hold(
    prompt: int, places: int, together: int
) -> None:
    run = served([0.0] * 20, [1] * 20, prompt=prompt, places=places, seconds=lambda *_: 1.0)
    assert run.steps[0] == Step(decoding=0, prompts=together, seconds=1.0)
    assert max(step.prompts for step in run.steps) == together


@settings(max_examples=60)
@given(
    requests=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 6)), min_size=1, max_size=25),
    places=st.integers(1, 6),
    prompt=st.sampled_from([CHUNK, CHUNK // 2, CHUNK // 5]),
)
def test_every_request_is_served_once_in_turn_and_within_the_places(
    requests: list[tuple[float, int]], places: int, prompt: int
) -> None:
    arrivals = sorted(arrival for arrival, _ in requests)
    outputs = [output for _, output in requests]
    run = served(
        arrivals, outputs, prompt=prompt, places=places, seconds=lambda b, p: 0.01 + 0.01 * b + 0.1 * p
    )
    assert sum(step.prompts for step in run.steps) == len(requests)
    assert sum(step.decoding + step.prompts for step in run.steps) == sum(outputs)
    assert all(0 < step.decoding + step.prompts <= places for step in run.steps)
    assert all(earlier <= later for earlier, later in pairwise(run.first_s))
    taken = list(accumulate(step.prompts for step in run.steps))
    for request, output in enumerate(outputs):
        own = run.steps[int(np.searchsorted(taken, request, side="right"))]
        assert run.first_s[request] - arrivals[request] >= own.seconds - 1e-9
        # The shortest step beside a decoding sequence is 0.02.
        assert run.last_s[request] - run.first_s[request] >= 0.02 * (output - 1) - 1e-9


def test_settled_steps_begin_with_the_first_counted_request_and_end_with_the_last_taken() -> None:
    run = served([0.0] * 4, [3] * 4, prompt=CHUNK, places=4, seconds=lambda b, p: 1.0 + b + 10 * p)
    # A prompt a step, and two steps more until the last of them ends.
    assert [(step.decoding, step.prompts) for step in run.steps] == [
        (0, 1), (1, 1), (2, 1), (2, 1), (2, 0), (1, 0)
    ]  # fmt: skip
    assert settled_steps(run, 0) == run.steps[:4]
    assert settled_steps(run, 2) == run.steps[2:4]


@settings(max_examples=30)
@given(requests=st.integers(1, 500), rate=st.floats(0.1, 1000), seed=st.integers(0, 99))
def test_arrivals_are_in_order_and_of_the_rate_asked_for(requests: int, rate: float, seed: int) -> None:
    arrivals = poisson_arrivals(requests, rate, seed)
    assert len(arrivals) == requests
    assert list(arrivals) == sorted(arrivals)
    assert 0 <= arrivals[0] <= arrivals[-1] < requests / rate
    assert arrivals == poisson_arrivals(requests, rate, seed)


def test_gaps_between_arrivals_are_exponential() -> None:
    gaps = np.diff(poisson_arrivals(20_000, 4.0, 7))
    assert gaps.mean() == pytest.approx(0.25, rel=0.01)
    assert gaps.std() == pytest.approx(0.25, rel=0.03)
    # e⁻¹ of them are longer than the mean, e⁻³ than three times that.
    assert (gaps > 0.25).mean() == pytest.approx(np.exp(-1), abs=0.015)
    assert (gaps > 0.75).mean() == pytest.approx(np.exp(-3), abs=0.006)


def test_near_the_highest_rate_requests_wait_longer_than_at_half_of_it() -> None:
    """Eight places of 11 steps of 1 s, whatever is in them: 8/11 requests/s at most."""
    waits = []
    for load in (0.5, 0.7, 0.85, 0.95):
        arrivals = poisson_arrivals(2000, load * 8 / 11, 3)
        run = served(arrivals, [11] * 2000, prompt=1024, places=8, seconds=lambda *_: 1.0)
        waits.append(first_token_s(run, 200, [95])[0])
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0]
