"""Requests served on the host's processor: each once, within the places, and the later the fuller."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
import torch
from tiny_models import TINY, cpu_bench, tiny_sizes

from optimiser.calibration.bench import serving, steps, timing
from optimiser.calibration.continuous_batching import StepOf, poisson_arrivals, serve
from optimiser.calibration.points import PERCENTILES, LeftOut, ServedLoad
from optimiser.calibration.sizes import LOADS

BENCH = cpu_bench()
SIZES = tiny_sizes()
PROMPT, OUTPUT, PLACES = SIZES.service.prompt, SIZES.service.output, SIZES.service.places


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def step() -> StepOf:
    return serving.stepper(BENCH, SIZES, 2)


def test_on_the_wall_clock_every_request_is_served_once_and_within_the_places(step: StepOf) -> None:
    requests = 40
    run = serve(
        step, poisson_arrivals(requests, 800.0, 3), (OUTPUT,) * requests, prompt=PROMPT, places=PLACES
    )
    assert sum(one.prompts for one in run.steps) == requests
    assert sum(one.prompts + one.decoding for one in run.steps) == requests * OUTPUT
    assert max(one.prompts + one.decoding for one in run.steps) <= PLACES
    taken = list(accumulate(one.prompts for one in run.steps))
    for request, (came, first, last) in enumerate(zip(run.arrival_s, run.first_s, run.last_s, strict=True)):
        own = run.steps[int(np.searchsorted(taken, request, side="right"))]
        # The clock's own rounding aside.
        assert first - came >= own.seconds - 1e-9
        assert last > first


def test_all_at_once_wait_longer_than_one_after_the_other(step: StepOf) -> None:
    """Ten turns of three places against a fifth of the highest rate: far enough apart for a machine in use."""
    highest = serving._saturated(step, SIZES, 2).rate_rps

    def median_wait_s(arrivals: tuple[float, ...]) -> float:
        run = serve(step, arrivals, (OUTPUT,) * 30, prompt=PROMPT, places=PLACES)
        return float(np.median(np.array(run.first_s) - np.array(run.arrival_s)))

    assert median_wait_s((0.0,) * 30) > 2 * median_wait_s(poisson_arrivals(30, highest / 5, 3))


def test_at_the_highest_rate_places_come_free_one_by_one() -> None:
    """Twelve places of 24 tokens: one in two steps, and never many prompts at once."""
    asked: list[tuple[int, int]] = []
    sizes = replace(SIZES, service=replace(SIZES.service, places=12, output=24))
    serving._saturated(lambda decoding, prompts: asked.append((decoding, prompts)), sizes, 2)
    assert asked[0] == (0, 12)
    lasting = asked[1 : 1 + 24 * serving.REFILLS]
    assert max(prompts for _, prompts in lasting) == 1
    assert sum(prompts for _, prompts in lasting) == 12 * serving.REFILLS
    assert {decoding + prompts for decoding, prompts in lasting} <= {11, 12}


def test_the_highest_rate_comes_first_and_then_the_loads_in_order() -> None:
    found = list(serving.serving(BENCH, SIZES))
    rows = [one for one in found if isinstance(one, ServedLoad)]
    assert len(rows) == len(found)
    highest, *loads = rows
    assert (highest.load, highest.ttft_s) == (1.0, {})
    assert [one.load for one in loads] == list(LOADS)
    for one in loads:
        assert one.rate_rps == pytest.approx(highest.rate_rps * one.load)
        # Twenty, of which a tenth warms up.
        assert one.requests == 18
        assert list(one.ttft_s) == [f"{percentile}" for percentile in PERCENTILES]
        assert list(one.ttft_s.values()) == sorted(one.ttft_s.values())
        assert one.duration_s >= 18 / one.rate_rps / 2
        assert (one.layers, one.prompt, one.output, one.places) == (2, PROMPT, OUTPUT, PLACES)
        assert 0 < one.decoding <= PLACES
        assert one.mixed_prompts >= 1


def test_as_many_layers_are_served_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    one_layer, both = serving._needed(SIZES, 1), serving._needed(SIZES, 2)
    free = (one_layer + both) / 2 / timing.USABLE_SHARE
    monkeypatch.setattr(timing, "free_bytes", lambda _: free)
    assert {one.layers for one in serving.serving(BENCH, SIZES) if isinstance(one, ServedLoad)} == {1}
    monkeypatch.setattr(timing, "free_bytes", lambda _: one_layer)
    (left,) = serving.serving(BENCH, SIZES)
    assert isinstance(left, LeftOut)
    assert left.sizes == {"layers": 1, "prompt": PROMPT, "output": OUTPUT, "places": PLACES}
    assert "are free" in left.reason


def test_what_fails_half_way_keeps_the_loads_before(monkeypatch: pytest.MonkeyPatch) -> None:
    real, runs = serving.serve, iter(range(100))

    def failing(*given: object, **named: object) -> object:
        if next(runs) == 2:
            raise RuntimeError("CUDA out of memory\nadvice")
        return real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(serving, "serve", failing)
    first, second, left = serving.serving(BENCH, SIZES)
    assert isinstance(first, ServedLoad)
    assert isinstance(second, ServedLoad)
    assert isinstance(left, LeftOut)
    assert left.reason == "CUDA out of memory"


def test_a_run_that_would_take_too_long_has_fewer_requests() -> None:
    service = replace(SIZES.service, requests=10_000, longest_s=0.1)
    found = serving.serving(BENCH, replace(SIZES, service=service))
    next(found)
    half = next(found)
    assert isinstance(half, ServedLoad)
    assert half.requests < 1000
    found.close()


@pytest.mark.parametrize(
    ("places", "sizes"), [(1, (1,)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (20, (1, 2, 4, 8, 16, 20))]
)
def test_decode_steps_are_captured_up_to_all_places(places: int, sizes: tuple[int, ...]) -> None:
    assert serving.graph_sizes(places) == sizes


def test_a_decode_step_is_padded_to_the_next_that_was_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    real = steps.stepped

    def noted(made: steps.Decoder, rows: torch.Tensor, batch: int, prompts: int) -> torch.Tensor:
        asked.append((batch, prompts))
        assert len(rows) == batch + prompts * PROMPT
        return real(made, rows, batch, prompts)

    monkeypatch.setattr(serving, "stepped", noted)
    service = replace(SIZES.service, places=12)
    step = serving.stepper(BENCH, replace(SIZES, service=service, step_model=TINY), 1)
    asked.clear()
    for decoding, prompts in ((1, 0), (3, 0), (5, 0), (9, 0), (12, 0), (5, 2), (0, 1)):
        step(decoding, prompts)
    assert asked == [(1, 0), (4, 0), (8, 0), (12, 0), (12, 0), (5, 2), (0, 1)]
