"""The shipped factors on requests that come at a rate, which no fit has seen, in open_loop.csv beside this file.

vLLM 0.15.1 on H100, A100 and L40S under Poisson arrivals, as inference-sim's validation and training repositories
publish it (2026-02 and 03; the column `actual` of error_records.csv, and stage_*_lifecycle_metrics.json), and a few
other people's runs, taken down on 2026-11-23. Rates and lengths are those of the campaign's workloads.yaml, TPOT is
(mean time of a request - mean TTFT) / (output tokens - 1). Its load generator sends some fifty prompts over and over
and vLLM's prefix cache is on, so that all but the last block of each is cached: `notes` has how many tokens that is,
which the pages do not say. Left out are runs too short for a steady state, and those in which a tenth of the requests
failed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from unseen import assert_whole_and_unseen

from optimiser.accuracy.__main__ import accuracy_of
from optimiser.accuracy.sets import OPEN_TPOT, OPEN_TTFT, TPOT_DENSE, Goal
from optimiser.accuracy.summary import by_set, errors_of

TABLE = Path(__file__).with_name("open_loop.csv")
ACCURACY = accuracy_of(TABLE)


def test_no_result_is_left_out_or_among_what_was_fitted() -> None:
    assert_whole_and_unseen(ACCURACY)


@pytest.mark.parametrize(
    ("goal", "asked"), [(OPEN_TTFT, OPEN_TTFT), (OPEN_TPOT, TPOT_DENSE)], ids=lambda goal: goal.name
)
def test_latencies_at_a_rate_are_predicted_as_the_goals_ask(goal: Goal, asked: Goal) -> None:
    errors = errors_of(by_set(ACCURACY.judged)[goal])
    assert errors is not None
    assert errors.figures >= 80
    assert asked.median is not None
    assert asked.p90 is not None
    assert errors.median <= asked.median
    assert errors.p90 <= asked.p90


@pytest.mark.parametrize("gpu", ["A100-80GB", "H100"])
def test_first_tokens_at_a_rate_are_predicted_as_the_goal_asks_on_each_gpu(gpu: str) -> None:
    errors = errors_of(item for item in by_set(ACCURACY.judged)[OPEN_TTFT] if item.case.gpu.name == gpu)
    assert errors is not None
    assert errors.figures >= 8
    assert OPEN_TTFT.median is not None
    assert errors.median <= OPEN_TTFT.median
