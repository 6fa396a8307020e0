"""The shipped factors on results that no fit has seen, in mlperf_v5.csv beside this file.

MLPerf Inference 5.0 (published 2025-04-02) and 5.1 (2025-09-09), closed division, data centre, Llama 2 70B and Llama
3.1 8B on GPUs of config/gpus.yaml, taken down on 2026-11-22: `notes` has the directory of the run's
mlperf_log_summary.txt in github.com/mlcommons/inference_results_v5.0 or v5.1, or the number of the result on that
repository's results page. A run whose log was read has a second row with its scheduled rate and mean latencies.
Nobody's split is in the table.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from unseen import assert_whole_and_unseen

from optimiser.accuracy.__main__ import accuracy_of
from optimiser.accuracy.sets import INTERACTIVE, OFFLINE_DENSE, OPEN_TTFT, SERVER, Goal
from optimiser.accuracy.summary import by_set, errors_of

TABLE = Path(__file__).with_name("mlperf_v5.csv")
ACCURACY = accuracy_of(TABLE)
# How far beyond its goal a set may be here: other submitters' systems, software a year newer than MLPerf 4.1.
BEYOND = 1.5


def test_no_result_is_left_out_or_among_what_was_fitted() -> None:
    assert_whole_and_unseen(ACCURACY)


@pytest.mark.parametrize("goal", [OFFLINE_DENSE, SERVER, INTERACTIVE, OPEN_TTFT], ids=lambda goal: goal.name)
def test_what_was_never_seen_is_predicted_nearly_as_the_goals_ask(goal: Goal) -> None:
    errors = errors_of(by_set(ACCURACY.judged)[goal])
    assert errors is not None
    assert errors.figures >= 10
    assert goal.median is not None
    assert goal.p90 is not None
    assert errors.median <= BEYOND * goal.median
    assert errors.p90 <= BEYOND * goal.p90


def test_three_in_five_rates_under_tight_limits_reach_what_is_planned_on_and_nearly_all_at_nine_in_ten() -> (
    None
):
    usual, cautious, _ = ACCURACY.coverage[INTERACTIVE]
    assert usual >= 0.6
    assert cautious >= 0.9


def test_which_of_two_gpus_serves_more_is_right() -> None:
    pairs = [item for item in ACCURACY.rankings if item.pairs]
    assert len(pairs) >= 4
    assert all(item.right == item.pairs for item in pairs)
