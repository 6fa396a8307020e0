"""How sure an anchored estimate is and what it says of itself: repeats, the error, versions and doubts."""

import math
from datetime import date
from typing import Any

import pytest
from benchmarks import (
    OUTPUT,
    PROMPT,
    as_predicted,
    estimate,
    measurement,
    shape,
)

from optimiser.performance.anchor import MEASURED_ERROR, Anchor, Factors, anchored_error
from optimiser.workload import Target

CHAT = Target(ttft_ms=1500, tpot_ms=30, percentile=95)


# Repeats that disagree


def test_repeats_that_disagree_widen_the_error_and_say_so() -> None:
    offline = {"concurrency": None, "tpot_ms": None}
    runs = [measurement(requests_per_second=rate, **offline) for rate in (12.0, 3.0)]
    found = estimate(runs)
    # √(12 · 3) = 6, from which each is a factor of 2: an error of 100 %, at whose lower end 3 are served.
    assert found.requests_per_second == pytest.approx(6.0, rel=0.03)
    assert found.relative_error == pytest.approx(1.0, rel=0.05)
    assert found.low_confidence
    assert any(note.startswith("runs at one size and load disagree by 4.0") for note in found.notes)


@pytest.mark.parametrize("load", [{"concurrency": None, "request_rate": 8.0}, {"concurrency": 64.0}])
def test_one_load_asked_for_twice_is_a_repeat_wherever_it_settled(load: dict[str, Any]) -> None:
    one, other = measurement(tpot_ms=8.0, **load), measurement(tpot_ms=15.5, **load)
    found = estimate([one, other])
    # The loads themselves are 1.9 × apart; the model has the fuller batch take longer by less than that.
    assert 0.15 < found.relative_error < math.sqrt(15.5 / 8.0) - 1
    assert any("disagree" in note for note in found.notes)


def test_repeats_that_agree_as_measurements_do_change_nothing() -> None:
    offline = {"concurrency": None, "tpot_ms": None}
    found = estimate([measurement(requests_per_second=rate, **offline) for rate in (9.0, 9.6)])
    assert (found.relative_error, found.low_confidence) == (MEASURED_ERROR, False)
    assert not any("disagree" in note for note in found.notes)


def test_runs_at_other_sizes_or_loads_are_no_repeats() -> None:
    runs = [
        measurement(),
        measurement(concurrency=4.0, requests_per_second=1.0, tpot_ms=7.8),
        measurement(prompt_tokens=8192.0, concurrency=64.0, requests_per_second=2.0, tpot_ms=60.0),
    ]
    assert not any("disagree" in note for note in estimate(runs).notes)


def test_first_tokens_that_disagree_widen_the_error_under_a_target() -> None:
    loads = [as_predicted(batch) for batch in (10, 60, 200)]
    late = as_predicted(60, ttft_ms=2.25 * (loads[1].ttft_ms or 0))
    # √2.25 to each side.
    assert estimate([*loads, late], target=CHAT).relative_error == pytest.approx(0.5, abs=0.01)
    assert estimate([*loads, late]).relative_error == MEASURED_ERROR


# What an anchored estimate says


def test_the_method_names_the_measurements() -> None:
    found = estimate(
        [
            measurement(),
            measurement(concurrency=16.0, requests_per_second=3, tpot_ms=9, measured_on=date(2026, 7, 9)),
        ]
    )
    assert found.method.startswith(
        "anchored on 2 measurements of 2026-06-01 to 2026-07-09 on vllm 0.12.0; between and beyond them roofline"
    )
    assert found.engine == "vllm 0.12.0"
    # What the model itself was fitted to stays told.
    assert "on vllm 0.11 to 0.19" in found.method


def test_other_versions_are_named() -> None:
    several = estimate([measurement(), measurement(engine_version="0.9.1")])
    assert several.engine == "vllm 0.12.0, 0.9.1"
    assert "measured on several versions, averaged: 0.12.0, 0.9.1" in several.notes
    assert estimate([measurement(engine_version="")]).engine == "vllm of a version not told"


def test_a_step_far_from_the_model_is_said_to_be() -> None:
    odd = measurement(concurrency=None, tpot_ms=None, requests_per_second=3.0)
    assert any(note.startswith("steps were measured 4.1 × longer") for note in estimate([odd]).notes)
    assert not any("longer" in note or "shorter" in note for note in estimate([measurement()]).notes)


def test_the_error_is_that_of_measurements_where_it_was_measured() -> None:
    measured = measurement(concurrency=None, tpot_ms=None, requests_per_second=9.0)
    assert estimate([measured]).relative_error == pytest.approx(MEASURED_ERROR)
    # Twice the prompt is near enough; 40 times is no longer.
    assert estimate([measured], prompt=2 * PROMPT).relative_error == pytest.approx(MEASURED_ERROR)
    far = estimate([measured], prompt=40 * PROMPT)
    assert far.relative_error == estimate(prompt=40 * PROMPT).relative_error
    assert any("× beyond the sizes and loads that were measured" in note for note in far.notes)


def test_a_latency_target_keeps_its_error_until_first_tokens_were_measured() -> None:
    loads = [as_predicted(batch) for batch in (10, 60, 200)]
    assert estimate(loads, target=CHAT).relative_error == pytest.approx(MEASURED_ERROR)
    without = [as_predicted(batch, ttft_ms=None) for batch in (10, 60, 200)]
    assert estimate(without, target=CHAT).relative_error == pytest.approx(0.21)


def test_the_error_grows_into_the_models_own() -> None:
    assert [anchored_error(0.2, beyond) for beyond in (1.0, 2.0)] == [MEASURED_ERROR] * 2
    assert anchored_error(0.2, math.sqrt(2 * 16)) == pytest.approx((0.2 + MEASURED_ERROR) / 2)
    assert [anchored_error(0.2, beyond) for beyond in (16.0, 1e6)] == pytest.approx([0.2, 0.2])
    # A measurement is never surer than measurements are.
    assert anchored_error(0.01, 100.0) == MEASURED_ERROR


def test_doubts_are_lifted_only_where_it_was_measured() -> None:
    on = shape("L4")
    plain = estimate(on=on)
    assert plain.low_confidence
    full = plain.concurrency_per_replica
    measured = measurement(
        gpu="L4", concurrency=None, tpot_ms=None, requests_per_second=plain.requests_per_second
    )
    inside = estimate([measured], on=on)
    assert (inside.low_confidence, inside.notes) == (False, ())
    elsewhere = measurement(
        gpu="L4",
        concurrency=full / 4,
        tpot_ms=plain.tpot_ms / 2,
        requests_per_second=full / 4 / (OUTPUT * plain.tpot_ms / 2e3),
    )
    outside = estimate([elsewhere], on=on)
    assert outside.low_confidence
    assert set(plain.notes) < set(outside.notes)


def test_an_estimate_in_doubt_is_not_as_sure_as_its_measurements() -> None:
    on = shape("L4")
    doubtful, sure = estimate(on=on), estimate()
    for plain, where in ((doubtful, on), (sure, shape())):
        full = plain.concurrency_per_replica
        step_ms = plain.tpot_ms * 0.9
        near = measurement(
            gpu=plain.gpu,
            concurrency=full / 1.5,
            tpot_ms=step_ms,
            requests_per_second=full / 1.5 / (OUTPUT * step_ms / 1e3),
        )
        found = estimate([near], on=where)
        assert found.low_confidence == plain.low_confidence
        # Up to twice beyond it is 4.6 % where nothing is in doubt.
        assert (found.relative_error > MEASURED_ERROR) == plain.low_confidence


# Measured and model contradict each other


@pytest.mark.parametrize("times", [2.5, 1 / 2.5])
def test_a_rate_over_twice_or_under_half_the_models_is_in_doubt(times: float) -> None:
    model = estimate().requests_per_second
    offline = {"concurrency": None, "tpot_ms": None, "requests": None}
    found = estimate([measurement(requests_per_second=times * model, **offline)])
    assert found.requests_per_second == pytest.approx(times * model, rel=0.01)
    # Of the two a factor of 2.5 apart the middle is √2.5 from each.
    assert found.relative_error == pytest.approx(math.sqrt(2.5) - 1, rel=0.02)
    assert found.low_confidence
    told = f"a replica serves {found.requests_per_second:.3g} requests/s, by the model {model:.3g}"
    assert any(told in note for note in found.notes)


@pytest.mark.parametrize("times", [1.9, 1 / 1.9])
def test_a_rate_within_twice_the_models_is_as_sure_as_measurements_are(times: float) -> None:
    model = estimate().requests_per_second
    offline = {"concurrency": None, "tpot_ms": None, "requests": None}
    found = estimate([measurement(requests_per_second=times * model, **offline)])
    assert (found.relative_error, found.low_confidence) == (MEASURED_ERROR, False)
    assert not any("by the model" in note for note in found.notes)


def test_how_far_beyond_is_the_largest_factor() -> None:
    flat = Factors(contexts=(1.0,), loads=((1.0,),), logs=((0.0,),))
    anchor = Anchor(
        steps=flat,
        first_tokens=None,
        room_bytes=0.0,
        prompts=(100.0, 200.0),
        outputs=(50.0, 50.0),
        batches=(4.0, 64.0),
        engine="",
        basis="",
    )
    assert anchor.beyond(150, 50, 10) == 1
    assert anchor.beyond(50, 50, 10) == 2
    assert anchor.beyond(300, 200, 640) == 10
