"""Estimates anchored on measurements: they give them back, interpolate between them and say so."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks import (
    OUTPUT,
    as_predicted,
    at_batch,
    estimate,
    mean_first_token_ms,
    measurement,
    shape,
    tried,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.measured.measurement import Measurement
from optimiser.performance.anchor import MEASURED_ERROR, Factors
from optimiser.workload import Target
from providers.shape import GpuLink, InstanceShape

CHAT = Target(ttft_ms=1500, tpot_ms=30, percentile=95)
LOOSE_MS = 60_000.0


# A measurement is given back


def test_an_offline_rate_is_given_back() -> None:
    assert estimate().requests_per_second != pytest.approx(9.0, rel=0.1)
    measured = measurement(concurrency=None, tpot_ms=None, requests_per_second=9.0)
    assert estimate([measured]).requests_per_second == pytest.approx(9.0, rel=0.02)


def test_a_short_offline_run_is_given_back_without_its_end() -> None:
    # 600 requests with some 287 at once: while the last ones drain, the GPU is half empty.
    short = measurement(concurrency=None, tpot_ms=None, requests_per_second=9.0, requests=600)
    assert 9.0 * 1.02 < estimate([short]).requests_per_second < 9.0 * 1.1


@pytest.mark.parametrize("tpot_ms", [8.0, 15.5, 17.0])
def test_rate_and_time_per_token_at_a_concurrency_are_given_back(tpot_ms: float) -> None:
    measured = measurement(tpot_ms=tpot_ms)
    decoding = 7.5 * OUTPUT * tpot_ms / 1e3
    point = at_batch(decoding, [measured])
    assert point.rate[0, 0] == pytest.approx(7.5, rel=0.02)
    assert point.steady.step_s[0, 0] * 1e3 == pytest.approx(tpot_ms, rel=0.02)


def test_the_rate_at_the_measured_time_per_token_is_the_measured_rate() -> None:
    limit = Target(ttft_ms=LOOSE_MS, tpot_ms=15.5, percentile=50)
    found = estimate([measurement()], target=limit)
    assert found.requests_per_second == pytest.approx(7.5, rel=0.02)
    assert found.tpot_ms == pytest.approx(15.5, rel=0.02)
    assert estimate(target=limit).requests_per_second != pytest.approx(7.5, rel=0.05)


def test_a_concurrency_without_latencies_gives_the_rate_back() -> None:
    measured = measurement(tpot_ms=None, concurrency=64)
    rates = [at_batch(batch, [measured]).rate[0, 0] for batch in (50.0, 64.0)]
    # Of 64 in flight a few wait for their first token.
    assert rates[0] < 7.5 < rates[1] * 1.001


def test_a_first_token_at_a_rate_is_given_back() -> None:
    measured = as_predicted(30.0, ttft_ms=400.0, tpot_ms=14.0)
    decoding = measured.requests_per_second * OUTPUT * 14.0 / 1e3
    point = at_batch(decoding, [measured])
    assert mean_first_token_ms(point) == pytest.approx(400.0, rel=0.02)
    assert point.rate[0, 0] == pytest.approx(measured.requests_per_second, rel=0.02)


def test_a_batch_that_was_measured_fits() -> None:
    full = estimate()
    more = full.concurrency_per_replica * 1.5
    measured = as_predicted(more, concurrency=more, request_rate=None)
    found = estimate([measured])
    assert found.concurrency_per_replica == pytest.approx(more, rel=0.02)
    assert found.requests_per_second == pytest.approx(measured.requests_per_second, rel=0.02)


def test_every_replica_of_an_instance_is_anchored() -> None:
    measured = measurement(concurrency=None, tpot_ms=None, requests_per_second=11.5)
    found = estimate([measured], on=shape(count=8))
    assert found.setup.replicas_per_unit == 8
    assert found.requests_per_second == pytest.approx(8 * 11.5, rel=0.02)


@pytest.mark.parametrize(
    ("model", "on", "changes"),
    [
        ("deepseek-r1", shape("H200", 8), {"tensor_parallel": 8, "attention_data_parallel": True}),
        ("mixtral-8x7b", shape("H100", 8), {"tensor_parallel": 4}),
        ("llama-3.1-70b", shape("L40S", 8, GpuLink.PCIE), {"tensor_parallel": 2, "pipeline_parallel": 4}),
    ],
    ids=["experts spread", "mixture of experts", "pipeline stages"],
)
def test_every_layout_gives_its_rate_back(model: str, on: InstanceShape, changes: dict[str, Any]) -> None:
    plain = estimate(model=model, on=on)
    replicas, rate = plain.setup.replicas_per_unit, 0.95 * plain.requests_per_second
    measured = measurement(
        model=model,
        gpu=on.gpu,
        gpu_count=on.gpu_count // replicas,
        weight_precision=plain.setup.weight_precision,
        concurrency=None,
        tpot_ms=None,
        requests_per_second=rate / replicas,
        **changes,
    )
    found = estimate([measured], model=model, on=on)
    assert found.setup == plain.setup
    assert found.requests_per_second == pytest.approx(rate, rel=0.02)
    assert (found.relative_error, found.low_confidence) == (MEASURED_ERROR, False)
    # Without the measurement, these carry up to 50 %.
    assert plain.relative_error > 2 * MEASURED_ERROR


def test_a_sobering_measurement_does_not_move_the_estimate_to_a_split_nobody_measured() -> None:
    eight = shape(count=8)
    plain = estimate(on=eight)
    assert plain.setup.tensor_parallel == 1
    slow = measurement(
        concurrency=None, tpot_ms=None, requests_per_second=plain.requests_per_second / 8 / 1.9
    )
    found = estimate([slow], on=eight)
    assert (found.setup.tensor_parallel, found.relative_error) == (1, MEASURED_ERROR)
    assert found.requests_per_second == pytest.approx(plain.requests_per_second / 1.9, rel=0.02)


def test_only_first_tokens_of_requests_that_queue_lift_the_error_of_a_target() -> None:
    few = measurement(concurrency=1.0, requests_per_second=0.24, tpot_ms=8.0, ttft_ms=40.0)
    at_a_rate = as_predicted(30.0, ttft_ms=400.0, tpot_ms=14.0)
    target = Target(ttft_ms=1500, tpot_ms=50, percentile=95)
    assert estimate([few], target=target).relative_error == pytest.approx(0.21)
    assert estimate([few, at_a_rate], target=target).relative_error < 0.15


def slower(factor: float) -> list[Measurement]:
    """Open loops at three loads in which everything took so many times as long as the model has it."""
    right = [as_predicted(batch) for batch in (3.0, 10.0, 60.0)]
    return [
        replace(
            one,
            requests_per_second=one.requests_per_second / factor,
            request_rate=one.requests_per_second / factor,
            tpot_ms=(one.tpot_ms or 0) * factor,
            ttft_ms=(one.ttft_ms or 0) * factor,
        )
        for one in right
    ]


def test_a_split_nobody_measured_carries_what_the_model_was_off_by_of_the_measured_one() -> None:
    eight, target = shape(count=8), Target(ttft_ms=1500, tpot_ms=20, percentile=95)
    plain, measured = estimate(on=eight, target=target), slower(1.5)
    found = estimate(measured, on=eight, target=target)
    assert plain.setup.tensor_parallel == found.setup.tensor_parallel == 2
    assert found.requests_per_second == plain.requests_per_second
    # On one GPU the split is the measured one: how far the model is off of it can be seen there.
    one = estimate(measured, target=target).requests_per_second
    off = estimate(target=target).requests_per_second / one
    assert off > 1.5
    assert found.relative_error == pytest.approx(off - 1, rel=0.01)
    assert found.low_confidence
    assert found.notes[-1] == (
        f"this set-up was not measured; with 1 GPU a replica it was: {8 * one:.3g} requests/s, and plans count on less "
        f"of it: the model is off by {off:.2f} × there, which is the error here"
    )


def test_where_a_measured_split_misses_the_target_against_the_model_the_others_are_hardly_known() -> None:
    target = Target(ttft_ms=1500, tpot_ms=10.5, percentile=95)
    found = estimate(slower(2.0), on=shape(count=8), target=target)
    assert found.setup.tensor_parallel > 1
    assert (found.relative_error, found.low_confidence) == (3.0, True)
    assert "with 1 GPU a replica it was: it misses the target, and plans" in found.notes[-1]


def test_a_measurement_that_bears_the_model_out_leaves_other_splits_as_they_were() -> None:
    eight, target = shape(count=8), Target(ttft_ms=1500, tpot_ms=10, percentile=95)
    plain, found = estimate(on=eight, target=target), estimate(slower(1.0), on=eight, target=target)
    assert plain.setup.tensor_parallel > 1
    one = estimate(slower(1.0), target=target).requests_per_second
    note = (
        f"this set-up was not measured; with 1 GPU a replica it was: {8 * one:.3g} requests/s, and plans count on less "
        "of it"
    )
    assert found == replace(plain, notes=(*plain.notes, note))


# What measurements do not say is left as it was


@settings(max_examples=6)
@given(
    shares=st.lists(st.floats(0.005, 0.98), min_size=1, max_size=4),
    prompt=st.sampled_from([128.0, 1024.0, 4000.0]),
)
def test_measurements_that_equal_the_model_change_nothing(shares: list[float], prompt: float) -> None:
    places = float(tried((), prompt).places[0, 0])
    measured = [as_predicted(places * share, prompt) for share in shares]
    for target in (None, CHAT):
        without, anchored = estimate(target=target), estimate(measured, target=target)
        for name in ("requests_per_second", "ttft_ms", "tpot_ms", "concurrency_per_replica"):
            assert getattr(anchored, name) == pytest.approx(getattr(without, name), rel=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        {"gpu": "H200"},
        {"model": "llama-3-8b"},
        {"engine": "trtllm"},
        {"weight_precision": "fp8"},
        {"kv_precision": "fp8"},
        {"tensor_parallel": 2, "gpu_count": 2},
        {"pipeline_parallel": 2, "gpu_count": 2},
    ],
)
def test_a_measurement_of_something_else_changes_nothing(other: dict[str, object]) -> None:
    assert estimate([measurement(**other)], target=CHAT) == estimate(target=CHAT)


def test_both_16_bit_formats_are_one() -> None:
    assert estimate([measurement(weight_precision="fp16", kv_precision="fp16")]) == estimate([measurement()])


# First tokens are corrected only by loads that tell of them


@pytest.mark.parametrize(
    ("load", "told"),
    [
        ({"concurrency": 1.0, "requests_per_second": 0.28, "tpot_ms": 6.9}, True),
        ({"concurrency": 64.0}, False),
        ({"concurrency": None, "request_rate": 7.6}, True),
        ({"concurrency": None, "request_rate": 9.0}, False),
        ({"concurrency": None}, False),
        ({"concurrency": None, "request_rate": 7.6, "first_token_at_client": False}, False),
    ],
    ids=["alone", "in waves", "kept up", "fell behind", "all at once", "inside the engine"],
)
def test_first_tokens_of_loads_that_tell_of_them(load: dict[str, object], told: bool) -> None:
    without, slow = measurement(**load), measurement(ttft_ms=5000.0, **load)
    same = estimate([without], target=None).unloaded_ttft_ms == pytest.approx(
        estimate([slow], target=None).unloaded_ttft_ms
    )
    assert same is not told


# Between measurements


def test_factors_are_linear_in_the_logarithms() -> None:
    factors = Factors(
        contexts=(100.0, 10_000.0),
        loads=((1.0, 100.0), (10.0,)),
        logs=((math.log(1.0), math.log(4.0)), (math.log(9.0),)),
    )

    def at(context: float, load: float) -> float:
        return float(factors.at(np.array([context]), np.array([load]))[0])

    assert at(100, 1) == pytest.approx(1)
    assert at(100, 100) == pytest.approx(4)
    # Half way in the logarithm of the load: √(1 · 4).
    assert at(100, 10) == pytest.approx(2)
    # Beyond what was measured the nearest stays.
    assert at(100, 0.01) == pytest.approx(1)
    assert at(50, 1e6) == pytest.approx(4)
    assert at(1e6, 3) == pytest.approx(9)
    # Half way in the logarithm of the context, at a load of 100: √(4 · 9).
    assert at(1000, 100) == pytest.approx(6)


def test_between_two_loads_the_correction_goes_from_one_to_the_other() -> None:
    low, high = as_predicted(4.0), as_predicted(64.0)
    slow = as_predicted(
        64.0, tpot_ms=1.21 * (high.tpot_ms or 0), requests_per_second=high.requests_per_second / 1.21
    )
    # 4 · 4 = 16 = 64 / 4: half way between the loads the step is √1.21 times as long.
    between = at_batch(16.0, [low, slow]).steady.step_s[0, 0] / at_batch(16.0).steady.step_s[0, 0]
    assert between == pytest.approx(1.1, rel=0.005)
    beyond = at_batch(200.0, [low, slow]).steady.step_s[0, 0] / at_batch(200.0).steady.step_s[0, 0]
    assert beyond == pytest.approx(1.21, rel=0.001)


def test_the_same_load_measured_twice_counts_with_its_mean() -> None:
    right = as_predicted(64.0)
    double = as_predicted(
        64.0, tpot_ms=1.21 * (right.tpot_ms or 0), requests_per_second=right.requests_per_second / 1.21
    )
    step = at_batch(64.0, [right, double]).steady.step_s[0, 0] / at_batch(64.0).steady.step_s[0, 0]
    assert step == pytest.approx(1.1, rel=0.001)
