"""Reports of GuideLLM of which a part is none to anchor on."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks
from optimiser.measured.reading import Reading


def sweep() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FIXTURES / "guidellm_0_5.json").read_text())
    return data


def read(tmp_path: Path, data: object) -> list[Reading]:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    return read_benchmarks(path, path.read_bytes())


def refused(tmp_path: Path, data: object) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, data)
    return str(caught.value).removeprefix(str(tmp_path / "run.json"))


def test_a_benchmark_alone_without_metrics_is_guidellms_still(tmp_path: Path) -> None:
    data = sweep()
    data["benchmarks"] = data["benchmarks"][:1]
    del data["benchmarks"][0]["metrics"]
    assert refused(tmp_path, data).startswith(
        " benchmark 1: metrics = null: is missing: nothing was measured"
    )


def test_benchmarks_of_something_else_are_no_guidellms(tmp_path: Path) -> None:
    assert "no format known here" in refused(tmp_path, {"benchmarks": [{"name": "sort", "seconds": 3}]})


def test_a_strategy_that_nobody_knows_is_left_out_of_a_sweep(tmp_path: Path) -> None:
    data = sweep()
    every = read(tmp_path, data)
    data["benchmarks"][1]["config"]["strategy"] = {"type_": "incremental", "start_rate": 1.0}
    first, last = read(tmp_path, data)
    assert (first.requests_per_second, last) == (every[0].requests_per_second, every[2])
    assert first.remarks == (
        "left out: benchmark 2: config.strategy = 'incremental': known are synchronous, concurrent, constant, poisson, "
        "throughput",
    )
    assert every[0].remarks == ()


def test_a_report_of_strategies_that_nobody_knows_alone_is_refused(tmp_path: Path) -> None:
    data = sweep()
    for run in data["benchmarks"]:
        run["config"]["strategy"] = {"type_": "incremental"}
    assert refused(tmp_path, data).startswith(" benchmark 1: config.strategy = 'incremental': known are")


def test_a_strategy_that_nobody_knows_and_that_completed_nothing_is_passed_over(tmp_path: Path) -> None:
    data = sweep()
    data["benchmarks"][1]["config"]["strategy"] = {"type_": "incremental"}
    data["benchmarks"][1]["metrics"]["request_totals"]["successful"] = 0
    assert [one.remarks for one in read(tmp_path, data)] == [(), ()]
