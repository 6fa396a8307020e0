"""What `python -m optimiser.accuracy` says of a table that it cannot judge, or whose units cannot be right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from measurement_rows import at_concurrency, offline, write_table

from optimiser.accuracy.__main__ import main
from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.input_faults import doubts_of_units
from optimiser.accuracy.report import as_text
from optimiser.accuracy.result import Accuracy
from optimiser.accuracy.summary import Judged
from optimiser.accuracy.table import Measurement
from optimiser.config import load_config

CONFIG = load_config()
Captured = pytest.CaptureFixture[str]


def off_by(row: Measurement, factor: float) -> list[Judged]:
    """The row's cases, predicted as the measurement times the factor."""
    cases, _ = cases_of([row], CONFIG.models, CONFIG.gpus)
    return [Judged(case=case, predicted=case.measured * factor) for case in cases]


def test_a_table_of_which_no_row_can_be_judged_is_refused_with_the_names(
    tmp_path: Path, capsys: Captured
) -> None:
    models = [offline(line, model=f"Foo-{line}B") for line in range(2, 7)]
    path = write_table(
        tmp_path / "table.csv", [*models, offline(7, gpu="H900"), offline(8, gpu="H900", isl=500.0)]
    )
    assert main([str(path), "--rows", str(tmp_path / "rows.csv")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"error: {path}: no row can be judged: 5 × the model's sizes are not known (Foo-2B, Foo-3B, Foo-4B, …); "
        "2 × the GPU is not in config/gpus.yaml (H900)\n"
    )
    assert not (tmp_path / "rows.csv").exists()


def test_a_file_that_is_not_there_is_told_without_its_errno(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "nowhere.csv"
    assert main([str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path}: cannot be read: No such file or directory\n"


def test_latencies_in_seconds_are_warned_of_on_stderr(tmp_path: Path, capsys: Captured) -> None:
    # Llama 3.1 8B on an H100 takes about 6 ms a token with 8 in flight.
    right, wrong = (
        write_table(tmp_path / f"{tpot_ms}.csv", [at_concurrency(8, ttft_ms=None, tpot_ms=tpot_ms)])
        for tpot_ms in (6.0, 0.006)
    )
    assert main([str(right)]) == 0
    assert capsys.readouterr().err == ""
    assert main([str(wrong)]) == 0
    printed = capsys.readouterr()
    assert re.match(r"warning: TPOT, dense: estimates are [\d,]{3,5} × what was measured", printed.err)
    assert printed.err.endswith("tpot_ms is in milliseconds\n")
    assert printed.out.startswith(str(wrong))


def test_twenty_times_either_way_is_where_units_are_doubted() -> None:
    row = at_concurrency(8)  # TTFT and TPOT
    for factor in (19.0, 1 / 19.0, 0.0, float("inf")):
        assert doubts_of_units(off_by(row, factor)) == []
    high, low = doubts_of_units(off_by(row, 21.0)), doubts_of_units(off_by(row, 1 / 21.0))
    assert [line.split(": ")[0] for line in high] == ["TPOT, dense", "TTFT otherwise"]
    assert all("estimates are 21 × what was measured" in line for line in high)
    assert all("what was measured is 21 × the estimates" in line for line in low)
    assert high[1].endswith("ttft_ms is in milliseconds")
    # An overloaded replica's TTFT is infinite, and is not among the others.
    assert doubts_of_units([*off_by(row, float("inf")), *off_by(row, 2.0)]) == []
    assert "output tokens per second" in doubts_of_units(off_by(offline(), 0.001))[0]


@pytest.mark.parametrize("factor", [1.1, 12.34, 1_000.0, 1_234.5, 99_999.0, 1e6, 1e9, float("inf")])
def test_columns_never_run_together(factor: float) -> None:
    rows = [offline(2), offline(3, source="another"), *(at_concurrency(8, line) for line in (4, 5))]
    some = tuple(item for row in rows for item in off_by(row, factor))
    more = replace(some[0].case, row=offline(9, gpu="H200"), gpu=CONFIG.gpus["H200"])
    some = (*some, Judged(case=more, predicted=more.measured))
    lines = as_text(Accuracy(table="", rows=5, judged=some, left_out=(), rankings=())).splitlines()
    header = next(line for line in lines if line.startswith("error in %"))
    # The name, then figures, median, p90 and bias, each apart, and the goal where the header has it.
    dense = next(line for line in lines if line.startswith("TPOT, dense"))
    figures = dense[len("TPOT, dense") : header.index("goal")].split()
    assert figures[0] == "2"
    assert len(figures) == 4
    assert dense[header.index("goal") :].startswith("10 / 28")
    by_gpu = lines[lines.index("By GPU: median/p90 bias (figures), in %") + 1 :][:2]
    assert re.fullmatch(r"  H100( +\S+/\S+ \S+ \(2\)){3}", by_gpu[1])
    assert re.fullmatch(r" +offline, dense +TPOT, dense +TTFT otherwise", by_gpu[0])
