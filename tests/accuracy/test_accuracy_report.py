"""The errors, the ranking of GPUs, and what `python -m optimiser.accuracy` prints."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from measurement_rows import DOCS, at_concurrency, at_rate, offline, under_limits, write_table

from optimiser.accuracy.__main__ import main
from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.coverage import coverage_of, figure_of, stated_errors
from optimiser.accuracy.predict import factors_of
from optimiser.accuracy.prepare import prepare
from optimiser.accuracy.ranking import rankings, usd_per_gpu_hour
from optimiser.accuracy.repeats import by_their_median, of_repeated
from optimiser.accuracy.report import as_json, as_text
from optimiser.accuracy.result import Accuracy
from optimiser.accuracy.sets import OFFLINE_DENSE, OPEN_TTFT, OTHER_TTFT, SERVER, TPOT_DENSE, How
from optimiser.accuracy.summary import Errors, Judged, by_dimension, by_set, errors_of, judge
from optimiser.accuracy.table import Measurement
from optimiser.config import load_config
from optimiser.performance.doubts import MOE_ERROR_FACTOR, SERVER_ERROR

CONFIG = load_config()


def off_by(row: Measurement, error: float) -> Judged:
    """The row's only case, predicted with that error."""
    (case,), _ = cases_of([row], CONFIG.models, CONFIG.gpus)
    return Judged(case=case, predicted=case.measured * (1 + error))


def judged(*rows: Measurement, faster: float = 1.0) -> tuple[Judged, ...]:
    prepared, _ = prepare(cases_of(rows, CONFIG.models, CONFIG.gpus)[0], CONFIG.fit.engines)
    shipped = factors_of(prepared, CONFIG.fit)
    return judge(
        prepared, replace(shipped, compute=faster * shipped.compute, bandwidth=faster * shipped.bandwidth)
    )


# Errors


def test_errors_are_the_median_and_p90_of_their_size_and_the_signed_median() -> None:
    signed = (-0.10, -0.20, 0.30, -0.40, 0.50)
    errors = errors_of(off_by(offline(), error) for error in signed)
    assert errors == Errors(
        figures=5, median=pytest.approx(0.30), p90=pytest.approx(0.46), bias=pytest.approx(-0.10)
    )
    assert errors_of([]) is None


def test_coverage_is_the_share_of_rates_that_reach_what_is_planned_on() -> None:
    """An error of 25 %: planned are 1/1.25, 1/1.68 and 1/2.10 of the estimate at 75, 90 and 95 %."""
    over = (0.0, 0.2, 0.3, 1.0, 1.5)
    rates = [off_by(offline(line), error) for line, error in enumerate(over, 2)]
    # A step that takes 1/1.3 of what was measured is a rate 1.3 times as high.
    steps = [
        off_by(at_concurrency(8, line, ttft_ms=None), 1 / (1 + error) - 1)
        for line, error in enumerate(over, 8)
    ]
    both = [*rates, *steps]
    found = coverage_of(both, {figure_of(item.case): 0.25 for item in both})
    assert found == {goal: pytest.approx([0.4, 0.6, 0.8]) for goal in (OFFLINE_DENSE, TPOT_DENSE)}


def test_the_error_beside_an_estimate_is_its_generations_or_wider_under_limits() -> None:
    rows = [offline(2), under_limits(line=3), offline(4, model="Mixtral-8x7B", gpu_count=2, tp=2)]
    prepared, _ = prepare(cases_of(rows, CONFIG.models, CONFIG.gpus)[0], CONFIG.fit.engines)
    hopper = replace(CONFIG.fit.generations["Hopper"], relative_error=0.1)
    errors = stated_errors(prepared, {**CONFIG.fit.generations, "Hopper": hopper})
    told = [errors[line, how] for line, how in ((2, How.OFFLINE), (3, How.SERVER), (4, How.OFFLINE))]
    assert told == pytest.approx([0.1, SERVER_ERROR, 0.1 * MOE_ERROR_FACTOR])


def test_set_ups_measured_more_than_once_show_how_far_apart_figures_are() -> None:
    """10, 10 and 20 of one set-up, from whoever: their median is half of the third. Another batch is another one."""
    rates = (10.0, 10.0, 20.0)
    alike = [
        off_by(offline(line, source=source, throughput_tok_s_total_output=rate), 0.1)
        for line, (rate, source) in enumerate(zip(rates, (DOCS, "another", "a third"), strict=True), 2)
    ]
    single = off_by(offline(9, concurrency=8.0), 0.7)
    assert [item.case.row.line for item in of_repeated([*alike, single])] == [2, 3, 4]
    assert [item.error for item in by_their_median([*alike, single])] == pytest.approx([0.0, 0.0, -0.5])
    report = Accuracy(table="", rows=4, judged=(*alike, single), left_out=(), rankings=())
    shown = as_text(report).split("Set-ups measured more than once")[1].splitlines()[2]
    assert shown.split() == ["offline,", "dense", "3", "0.0", "/", "40.0", "10.0", "/", "10.0"]
    repeated, once = (
        json.loads(as_json(replace(report, judged=some)))["sets"][0] for some in (report.judged, (single,))
    )
    assert repeated["errors_of_their_median"]["p90"] == pytest.approx(0.4)
    assert once["errors_of_their_median"] is None


@pytest.mark.parametrize(
    ("median", "p90", "met"), [(0.10, 0.28, True), (0.11, 0.20, False), (0.05, 0.29, False)]
)
def test_a_goal_asks_for_median_and_p90(median: float, p90: float, met: bool) -> None:
    errors = Errors(figures=9, median=median, p90=p90, bias=0.0)
    assert errors.meets(OFFLINE_DENSE) is met
    assert errors.meets(OTHER_TTFT) is None


def test_doubled_factors_move_the_bias_up_for_throughput_and_down_for_latency() -> None:
    rows = (offline(2), at_concurrency(8, 3, ttft_ms=None))
    shipped, doubled = by_set(judged(*rows)), by_set(judged(*rows, faster=2.0))
    for goal, up in ((OFFLINE_DENSE, True), (TPOT_DENSE, False)):
        before, after = errors_of(shipped[goal]), errors_of(doubled[goal])
        assert before is not None
        assert after is not None
        assert (after.bias > before.bias + 0.2) is up
        assert (after.bias < before.bias - 0.2) is not up


def test_errors_are_told_by_gpu_family_precision_engine_and_source() -> None:
    some = [
        off_by(offline(2), 0.1),
        off_by(offline(3, gpu="H200", model="Mistral-7B", source=DOCS, source_version="0.17"), 0.2),
        off_by(offline(4, gpu="H200", precision_weights="fp8", engine="vllm 0.19.0"), 0.4),
    ]
    medians = {
        dimension: {
            value: cells[OFFLINE_DENSE].median for value, cells in by_dimension(some, dimension).items()
        }
        for dimension in ("GPU", "model family", "weight precision", "engine", "source")
    }
    assert medians == {
        "GPU": {"H100": pytest.approx(0.1), "H200": pytest.approx(0.3)},
        "model family": {"llama-3": pytest.approx(0.25), "mistral": pytest.approx(0.2)},
        "weight precision": {"bf16": pytest.approx(0.15), "fp8": pytest.approx(0.4)},
        "engine": {"trtllm": pytest.approx(0.15), "vllm": pytest.approx(0.4)},
        "source": {
            "TensorRT-LLM docs 0.17": pytest.approx(0.2),
            "a benchmark of our own": pytest.approx(0.25),
        },
    }


def test_an_open_loop_is_held_to_its_goal_below_70_percent_alone() -> None:
    highest = judged(offline())[0].predicted / 1000
    below, above = (
        {item.case.judged_in.name for item in judged(at_rate(share * highest, tpot_ms=None))}
        for share in (0.65, 0.75)
    )
    assert (below, above) == ({OPEN_TTFT.name}, {OTHER_TTFT.name})


# Which GPU is cheaper


def test_pairs_that_differ_enough_count_and_are_right_where_predicted_in_order() -> None:
    some = [
        off_by(offline(2, throughput_tok_s_total_output=1000.0), 0.0),
        off_by(offline(3, gpu="H200", throughput_tok_s_total_output=1200.0), 0.0),
        off_by(offline(4, gpu="A100-SXM", throughput_tok_s_total_output=500.0), 1.1),
        off_by(offline(5, gpu="L40S", isl=999.0, throughput_tok_s_total_output=1.0), 0.0),
    ]
    per_gpu = rankings(some, {})[0]
    # H100 against A100 (predicted 1,000 and 1,050: wrong) and H200 against A100; H100 and H200 are too close,
    # and the L40S did another job.
    assert (per_gpu.job, per_gpu.basis, per_gpu.pairs, per_gpu.right) == ("offline", "tokens per GPU", 2, 1)


def test_prices_decide_the_order_per_dollar() -> None:
    some = [
        off_by(offline(2, throughput_tok_s_total_output=1000.0), 0.0),
        off_by(offline(3, gpu="H200", throughput_tok_s_total_output=1100.0), -0.5),
        off_by(offline(4, gpu="B200", throughput_tok_s_total_output=9000.0), 0.0),
    ]
    per_dollar = rankings(some, {"H100": 1.0, "H200": 0.5})[1]
    # 1,000 against 2,200 tokens a dollar, predicted 1,000 against 1,100; the B200 has no price.
    assert (per_dollar.basis, per_dollar.pairs, per_dollar.right) == ("tokens per dollar", 1, 1)


def test_of_several_layouts_on_a_gpu_the_best_counts() -> None:
    some = [
        off_by(offline(2, throughput_tok_s_total_output=1000.0), 0.0),
        off_by(offline(3, gpu_count=2, tp=2, throughput_tok_s_total_output=1600.0), 9.0),
        off_by(offline(4, gpu="A100-SXM", throughput_tok_s_total_output=790.0), 0.0),
    ]
    assert rankings(some, {})[0].pairs == 1


def test_at_a_given_concurrency_shorter_steps_are_worth_more() -> None:
    some = [
        off_by(at_concurrency(8, 2, ttft_ms=None, tpot_ms=10.0), 0.0),
        off_by(at_concurrency(8, 3, ttft_ms=None, tpot_ms=20.0, gpu="A100-SXM"), 0.0),
        off_by(at_concurrency(16, 4, ttft_ms=None, tpot_ms=99.0, gpu="H200"), 0.0),
    ]
    found = next(item for item in rankings(some, {}) if item.job == "at a given concurrency")
    assert (found.pairs, found.right) == (1, 1)


def test_gpus_cost_their_share_of_the_cheapest_instance() -> None:
    prices = usd_per_gpu_hour(CONFIG)
    assert 0.3 < prices["T4"] < prices["L40S"] < prices["H100"] < 15
    # p5en.48xlarge on demand; a Capacity Block of p5e.48xlarge, at 5.41, is no list price.
    assert prices["H200"] == pytest.approx(63.296 / 8)


# The command


def table(tmp_path: Path) -> Path:
    rows = [
        offline(2, source=DOCS),
        at_concurrency(4, 3),
        under_limits(line=4),
        offline(5, model="GPT-2"),
        offline(6, model="LLaMA-3.1-70B"),
    ]
    return write_table(tmp_path / "table.csv", rows)


def test_the_report_names_sets_goals_and_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(table(tmp_path))]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0].endswith("table.csv: 4 figures of 3 of its 5 rows")
    server = next(line for line in lines if line.startswith(SERVER.name))
    assert "12 / 35" in server
    assert server.split()[1] == "1"
    assert any("planned on at each confidence" in line for line in lines)
    assert "     1  the model's sizes are not known (GPT-2 1)" in lines
    assert "     1  the memory model has no room for it (llama-3.1-70b 1)" in lines


def test_the_json_holds_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(table(tmp_path)), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    sets = {item["set"]: item for item in document["sets"]}
    assert (document["rows"], document["figures"]) == (5, 4)
    assert sets["offline, dense"]["errors"]["figures"] == 1
    assert sets["server"]["errors_left_out_of_fit"] == {}
    assert sets["server"]["goal"] == {"median": 0.12, "p90": 0.35}
    assert sets["interactive"]["errors"] is None
    assert {item["reason"]: item["rows"] for item in document["left_out"]} == {
        "the model's sizes are not known": 1,
        "the memory model has no room for it": 1,
    }


def test_a_wait_without_end_is_null_in_json() -> None:
    (case,), _ = cases_of([at_rate(9.0, tpot_ms=None)], CONFIG.models, CONFIG.gpus)
    endless = Judged(case=case, predicted=math.inf)
    document = as_json(Accuracy(table="", rows=1, judged=(endless,), left_out=(), rankings=()))
    sets = {item["set"]: item for item in json.loads(document, parse_constant=pytest.fail)["sets"]}
    assert sets["TTFT open loop"]["errors"] == {"figures": 1, "median": None, "p90": None, "bias": None}


def test_rows_are_written_with_their_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(table(tmp_path)), "--rows", str(tmp_path / "rows.csv")]) == 0
    capsys.readouterr()
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["line"] for row in written] == ["2", "3", "3", "4"]
    for row in written:
        error = float(row["predicted"]) / float(row["measured"]) - 1
        assert float(row["error"]) == pytest.approx(error, abs=1e-3)


def test_a_bad_table_is_one_message_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_table(tmp_path / "table.csv", [replace(offline(), osl=-1.0)])
    assert main([str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        printed.err
        == f"error: {path} line 2: osl = '-1.0': must be a number above 0, or empty where it is not known\n"
    )


def test_rows_that_cannot_be_written_are_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(table(tmp_path)), "--rows", str(tmp_path / "none" / "rows.csv")]) == 2
    assert "rows.csv: cannot be written" in capsys.readouterr().err
