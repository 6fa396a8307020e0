"""Measured waits beside those of estimates with steps as long: kernels drop out, and chance is told from error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_calibrations import Planted, made, served_load

from optimiser.calibration.compare import compared
from optimiser.calibration.plain_steps import plain_set_up
from optimiser.calibration.points import ServedLoad
from optimiser.calibration.queueing_check import QueueBeside, as_measured
from optimiser.config import load_config
from optimiser.performance.layouts import Load
from optimiser.performance.operating import Mix
from optimiser.performance.timing import step_seconds
from optimiser.report.calibration_report import calibration_document
from optimiser.report.text_layout import text_of

CONFIG = load_config()
H100, HOPPER = CONFIG.gpus["H100"], CONFIG.fit.generations["Hopper"]


def beside(served: ServedLoad) -> QueueBeside:
    calibration = replace(made(Planted()), serving=(served,))
    (found,) = compared(calibration, CONFIG).queues
    return found


@pytest.mark.parametrize(("decode_ms", "mixed_ms"), [(9.0, 18.0), (2.0, 3.0), (40.0, 300.0)])
def test_steps_are_made_as_long_as_they_were_measured(decode_ms: float, mixed_ms: float) -> None:
    served = replace(
        served_load(), decode_step_s=decode_ms / 1e3, mixed_step_s=mixed_ms / 1e3, mixed_prompts=1.3
    )
    work, shipped = plain_set_up("llama-3.1-8b", 32, "bf16", CONFIG, H100, HOPPER)
    mix = Mix.of(np.full((1, 1, 1), 512.0), np.full((1, 1, 1), 128.0), np.ones((1, 1, 1)))
    at = as_measured(work, shipped, mix, served)
    for prompts, expected_ms in ((0.0, decode_ms), (1.3, mixed_ms)):
        load = Load(
            decode=np.array([20.0]),
            # 512 of prompt and on average half of 128.
            context=np.array([576.0]),
            prefill=np.array([prompts * 512]),
            prefill_context=np.array([256.0]),
        )
        assert step_seconds(work, at, load).item() * 1e3 == pytest.approx(expected_ms, rel=1e-6)


def test_without_a_step_that_decoded_alone_the_others_set_the_pace() -> None:
    found = beside(replace(served_load(), decode_step_s=None))
    # One prompt's own step, 18 ms, at least.
    assert 0.018 < found.ttft_s["50"] < found.ttft_s["99"] < 1.0


@pytest.mark.parametrize("slower", [0.25, 3.0])
def test_kernels_of_any_speed_at_the_same_load_are_judged_alike(slower: float) -> None:
    once, scaled = beside(served_load(0.7, 26.0)), beside(served_load(0.7, 26.0, slower))
    assert {name: seconds / slower for name, seconds in scaled.ttft_s.items()} == pytest.approx(
        once.ttft_s, rel=1e-3
    )
    assert once.alike_s is not None
    assert scaled.alike_s is not None
    assert [seconds / slower for seconds in scaled.alike_s] == pytest.approx(once.alike_s, rel=1e-3)


def test_at_half_load_estimates_and_simulated_runs_agree() -> None:
    found = beside(served_load(0.5, 18.0))
    assert found.alike_s is not None
    least, median, most = found.alike_s
    assert least < median < most
    assert found.ttft_s["95"] == pytest.approx(median, rel=0.15)


def test_the_highest_rate_is_that_of_all_places_refilled() -> None:
    """63.5 sequences of 128 steps: half a prompt arrives a step, so the mean step is half way from 9 to 18 ms."""
    found = beside(served_load(1.0, 37.0))
    assert found.rate_rps == pytest.approx(63.5 / (128 * 13.5e-3), rel=0.01)
    assert (found.ttft_s, found.alike_s) == ({}, None)


def test_what_the_configuration_does_not_know_is_not_judged() -> None:
    calibration = replace(
        made(Planted()),
        serving=(replace(served_load(), case="mine"), replace(served_load(), precision="fp4")),
    )
    assert compared(calibration, CONFIG).queues == ()


def shown(*serving: ServedLoad) -> str:
    document = calibration_document(compared(replace(made(Planted()), serving=serving), CONFIG))
    return text_of(document)


def test_the_report_says_how_far_the_queue_is_off_and_what_chance_does() -> None:
    text = shown(served_load(1.0, 37.0), served_load(0.5, 18.0), served_load(0.95, 60.0))
    flat = " ".join(text.split())
    assert "Requests of 512 + 128 tokens on 32 layers of llama-3.1-8b, 64 places, Poisson arrivals." in flat
    assert "Highest rate 37/s; estimates with these steps: 36.8/s." in flat
    rows = {line.split(" %")[0]: line for line in text.splitlines() if line[:4] in ("50 %", "95 %")}
    found = beside(served_load(0.5, 18.0))
    assert f" 39 ({found.ttft_s['95'] / 39e-3 * 100:.0f} %)" in rows["50"]
    # 60 requests/s are more than 64 places serve with such steps.
    assert rows["95"].count("(no end)") == 4
    assert max(map(len, text.splitlines())) <= 100


def test_a_calibration_that_served_nothing_has_no_such_section() -> None:
    assert "Requests under load" not in shown()
    assert "Requests under load" in shown(served_load(1.0, 37.0))
