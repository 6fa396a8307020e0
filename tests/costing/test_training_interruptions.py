"""Checkpoints and interruptions: Young's and Daly's formulas by hand, and against a simulated run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_jobs import GPT, job

from optimiser.costing.training.interruptions import (
    FAILURES_PER_GPU_HOUR,
    best_interval,
    checkpoint_gb,
    frozen_gb,
    interrupted,
)
from optimiser.costing.training.job import LoraJob, Method, Storage
from optimiser.performance.parameters import parameter_count


def test_five_minutes_to_write_and_a_day_between_failures_make_a_checkpoint_every_two_hours() -> None:
    assert best_interval(5 / 60, 24) == pytest.approx(2.0)  # √(2 · 1/12 · 24) = √4
    assert best_interval(3.0, 4.0) == 4.0  # no longer than the time between failures


def test_sixteen_thousand_gpus_fail_every_three_hours() -> None:
    # Llama 3, section 3.3.4: 419 unexpected interruptions in 54 days: 1,296 h / 419 = 3.09 h.
    hours_between = 1 / (16_384 * FAILURES_PER_GPU_HOUR)
    assert hours_between == pytest.approx(3.093, abs=1e-3)


def test_dalys_expected_time_by_hand() -> None:
    run = interrupted(work_hours=100, mtbf_hours=24, checkpoint_hours=1 / 12, restart_hours=0.5)
    assert run is not None
    # 0.5 + 24 · e^(0.5/24) · (e^((2 + 1/12)/24) − 1) · 100/2 = 0.5 + 24 · 1.0210519 · 0.0906847 · 50
    assert run.hours == pytest.approx(111.614, abs=1e-2)
    assert run.wasted_share == pytest.approx(1 - 100 / 111.614, abs=1e-4)


def test_the_expected_time_is_what_simulated_runs_take() -> None:
    draw = np.random.default_rng(7)
    mtbf, write, restart, work = 3.0, 0.05, 0.4, 40.0
    run = interrupted(work, mtbf, write, restart)
    assert run is not None
    every = run.checkpoint_every_hours
    pieces = round(work / every)

    def stretch(length: float) -> float:
        """Hours until `length` hours pass without an interruption, after a start; a restart may be interrupted too."""
        total, need = 0.0, length
        while (until := draw.exponential(mtbf)) < need:
            total, need = total + until, length + restart
        return total + need

    simulated = np.mean([sum(stretch(every + write) for _ in range(pieces)) for _ in range(400)])
    assert (run.hours - restart) * pieces * every / work == pytest.approx(simulated, rel=0.03)


@given(mtbf=st.floats(0.5, 1e4), gang=st.integers(2, 64))
def test_a_gang_of_n_wastes_more_than_one(mtbf: float, gang: int) -> None:
    one, many = (interrupted(100, mtbf / nodes, 0.02, 0.3) for nodes in (1, gang))
    assert one is not None
    assert many is None or many.wasted_share > one.wasted_share


def test_a_run_that_would_never_end_is_none() -> None:
    assert interrupted(10, 0.01, 0.1, 0.5) is None


def test_a_checkpoint_holds_weights_and_states_of_what_is_trained() -> None:
    assert checkpoint_gb(GPT, job()) == pytest.approx(14 * parameter_count(GPT) / 1e9)
    adapters = 4 * 32 * (4 * (4096 + 4096) + 2 * (4096 + 16_384))
    assert checkpoint_gb(GPT, job(method=Method.LORA, lora=LoraJob(rank=4))) == pytest.approx(
        14 * adapters / 1e9
    )
    assert frozen_gb(GPT, job(method=Method.QLORA)) == pytest.approx(2 * parameter_count(GPT) / 1e9)
    assert frozen_gb(GPT, job()) == 0
    assert checkpoint_gb(GPT, job(storage=Storage(checkpoint_gb=5))) == 5
