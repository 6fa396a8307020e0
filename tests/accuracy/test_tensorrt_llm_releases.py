"""The shipped factors on TensorRT-LLM's tables of other releases, in tensorrt_llm_releases.csv beside this file.

Maximum throughput as docs/source/performance/perf-overview.md of 0.15, 0.17, 0.19, 0.20, 0.21, 1.0, 1.1 and 1.2 has it
(github.com/NVIDIA/TensorRT-LLM; 1.1 is a page without a number between those of 1.0 and 1.2), taken down on 2026-11-23:
the set-ups alone (model, GPU, parallelism, precision, lengths) of which no release's figure was fitted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from optimiser.accuracy.__main__ import accuracy_of
from optimiser.accuracy.sets import OFFLINE_DENSE, OFFLINE_MOE, Goal
from optimiser.accuracy.summary import by_set, errors_of

TABLE = Path(__file__).with_name("tensorrt_llm_releases.csv")
ACCURACY = accuracy_of(TABLE)
# How far beyond its goal the median may be here: releases whose own figures of one set-up are up to 30 % apart.
BEYOND = 1.25


def test_no_result_is_left_out() -> None:
    assert not ACCURACY.left_out
    assert not ACCURACY.unseen


@pytest.mark.parametrize("goal", [OFFLINE_DENSE, OFFLINE_MOE], ids=lambda goal: goal.name)
def test_set_ups_that_were_never_seen_are_predicted_nearly_as_the_goals_ask(goal: Goal) -> None:
    errors = errors_of(by_set(ACCURACY.judged)[goal])
    assert errors is not None
    assert errors.figures >= 250
    assert goal.median is not None
    assert goal.p90 is not None
    assert errors.median <= BEYOND * goal.median
    assert errors.p90 <= goal.p90


def test_links_are_as_fast_as_models_split_over_them_show() -> None:
    """Where PCIe joins the GPUs most of a prompt's time is on it: with 0.7 of a link L40S would be 20 % too slow."""
    split = [
        item for item in ACCURACY.judged if item.case.gpu.name == "L40S" and (item.case.row.tp or 1) >= 4
    ]
    for goal, least in ((OFFLINE_DENSE, 50), (OFFLINE_MOE, 40)):
        errors = errors_of(item for item in split if item.case.judged_in is goal)
        assert errors is not None
        assert errors.figures >= least
        assert -0.15 <= errors.bias <= 0.1


@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_no_number_of_gpus_is_promised_far_too_much(gpus: int) -> None:
    dense = by_set(ACCURACY.judged)[OFFLINE_DENSE]
    errors = errors_of(item for item in dense if item.case.row.tp == gpus)
    assert errors is not None
    assert errors.figures >= 40
    assert abs(errors.bias) <= 0.2
