"""The pace of engines that a fit's own table lacks: SGLang's, from sglang.csv beside this file.

The table holds SGLang 0.5.6 to 0.5.10 alone (0.4 of early 2025, which takes up to five times as long, is in
published_since.csv): DeepSeek-R1 of InferenceX, Llama 3.1 8B and Qwen3 235B of NVIDIA's gap analysis, both as shipped
in aiconfigurator-core 0.12.0 (silicon_sample.csv), and six points of InferenceX's issue 870. Left out of that file are
DeepSeek-R1 in fp4 on B300, whose script runs as many requests as are in flight, and all points without a release
or a precision. `notes` has what was settled otherwise. published_since.csv has not been seen by this fit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml
from measurement_rows import INFERENCEX, at_concurrency, write_table

from optimiser.accuracy import engine_fit
from optimiser.accuracy.__main__ import accuracy_of
from optimiser.accuracy.__main__ import main as accuracy
from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.engine_fit import step_factor_of, with_engines
from optimiser.accuracy.fit_command import main, performance_yaml
from optimiser.accuracy.predict import factors_of, predict
from optimiser.accuracy.prepare import prepare
from optimiser.accuracy.sets import OFFLINE_MOE, TPOT_DENSE, TPOT_MOE
from optimiser.accuracy.summary import by_set, errors_of, judge
from optimiser.accuracy.table import Measurement, read_measurements
from optimiser.accuracy.traps import NO_RUN
from optimiser.config import load_config

TABLE = Path(__file__).with_name("sglang.csv")
SINCE = Path(__file__).with_name("published_since.csv")
CONFIG = load_config()
RECORD = CONFIG.fit.record["engines"]["sglang"]


def test_the_shipped_pace_is_what_the_table_gives_and_nothing_else_of_the_file_moves() -> None:
    shipped = (CONFIG.directories[-1] / "performance.yaml").read_text(encoding="utf-8")
    assert performance_yaml(CONFIG.fit) == shipped
    assert (
        performance_yaml(with_engines(CONFIG.fit, TABLE, CONFIG, date.fromisoformat(RECORD["date"])))
        == shipped
    )


def test_where_a_fit_begins_does_not_matter() -> None:
    engines = CONFIG.fit.engines
    slow = replace(CONFIG.fit, engines={**engines, "sglang": replace(engines["sglang"], step_factor=3.0)})
    again = with_engines(slow, TABLE, CONFIG, date(2026, 11, 23)).engines["sglang"]
    assert again.step_factor == engines["sglang"].step_factor
    assert again.versions == "0.5.6 to 0.5.10"


def test_every_row_of_the_table_is_of_a_release_of_today_and_judged() -> None:
    releases = {re.fullmatch(r"SGLang 0\.(\d+)\..*", row.engine or "") for row in read_measurements(TABLE)}
    assert all(found and int(found[1]) >= 5 for found in releases)
    # DeepSeek-R1 in 8 bit on four B200 ran with 95 % of their memory.
    left_out = [item for item in accuracy_of(TABLE).left_out if item.reason != NO_RUN]
    assert len(left_out) == 2
    assert all("has no room" in item.reason for item in left_out)


def test_the_pace_meets_the_goals_on_models_that_its_fit_never_saw() -> None:
    for goal in (TPOT_DENSE, TPOT_MOE):
        median, p90 = RECORD["errors"][goal.name]["model_left_out"]
        assert goal.median is not None
        assert goal.p90 is not None
        assert median <= goal.median
        assert p90 <= goal.p90


def test_elsewhere_the_pace_is_as_good_as_that_of_vllm_which_stood_in_for_it() -> None:
    """SGLang 0.5 on NVIDIA's GPUs in pages that no fit has seen: cookbook, GPUStack, AccelMark."""
    cases = cases_of(read_measurements(SINCE), CONFIG.models, CONFIG.gpus)[0]
    some = [
        case
        for case in cases
        if case.engine == "sglang"
        and "SGLang 0.4" not in (case.row.engine or "")
        and case.gpu.generation != "CDNA3"
    ]
    prepared = prepare(some, CONFIG.fit.engines)[0]
    factors = factors_of(prepared, CONFIG.fit)
    copied = np.full(len(prepared.cases), CONFIG.fit.engines["vllm"].step_factor)
    own, others = (by_set(judge(prepared, one)) for one in (factors, replace(factors, step_factor=copied)))
    for goal, least in ((TPOT_MOE, 40), (OFFLINE_MOE, 4)):
        with_own, with_others = errors_of(own[goal]), errors_of(others[goal])
        assert with_own is not None
        assert with_others is not None
        assert with_own.figures >= least
        assert with_own.median < with_others.median
        assert goal.median is not None
        assert with_own.median <= goal.median
    dense = errors_of(own[TPOT_DENSE])
    assert dense is not None
    assert TPOT_DENSE.median is not None
    assert dense.median <= TPOT_DENSE.median


def sglang_rows() -> list[Measurement]:
    return [
        at_concurrency(load, 2 + number, engine="SGLang 0.5.9", gpu=gpu, ttft_ms=None)
        for number, (gpu, load) in enumerate(
            (gpu, load) for gpu in ("H100", "A100-SXM") for load in (1, 8, 64)
        )
    ]


def test_a_known_pace_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows tell less than the pull to what is expected that a table bears."""
    monkeypatch.setattr(engine_fit, "PULL", 1e-4)
    fit = CONFIG.fit
    made_by = replace(fit, engines={**fit.engines, "sglang": replace(fit.engines["sglang"], step_factor=1.4)})
    prepared = prepare(cases_of(sglang_rows(), CONFIG.models, CONFIG.gpus)[0], fit.engines)[0]
    figures = predict(prepared, factors_of(prepared, made_by)).tolist()
    cases = [replace(case, measured=figure) for case, figure in zip(prepared.cases, figures, strict=True)]
    assert step_factor_of(cases, fit, "sglang") == pytest.approx(1.4, rel=1e-3)


def test_the_command_writes_the_pace_and_leaves_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "config" / "performance.yaml"
    output.parent.mkdir()
    table = write_table(tmp_path / "table.csv", [*sglang_rows(), at_concurrency(4, 30, engine="vllm 0.19.0")])
    assert main(["--engines", str(table), "--output", str(output)]) == 0
    assert "is written" in capsys.readouterr().out
    found, shipped = load_config(output.parent).fit, CONFIG.fit
    assert found.engines["sglang"].step_factor != shipped.engines["sglang"].step_factor
    assert found.engines["sglang"].source.startswith("6 figures of 1 model on A100-80GB, H100, ")
    # vLLM's was told by the main table, of thousands of rows.
    assert found.engines["vllm"] == shipped.engines["vllm"]
    assert list(found.record["engines"]) == ["sglang"]
    content = yaml.safe_load(output.read_text(encoding="utf-8"))
    before = yaml.safe_load(performance_yaml(shipped))
    assert {name for name in before if content[name] != before[name]} == {"fitted", "engines"}


@pytest.mark.parametrize("engine", ["vllm 0.19.0", "TensorRT-LLM 1.2", "LMDeploy 0.6"])
def test_a_table_without_such_an_engine_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    table = write_table(tmp_path / "table.csv", [at_concurrency(4, engine=engine)])
    assert main(["--engines", str(table), "--output", str(tmp_path / "out.yaml")]) == 2
    said = capsys.readouterr().err
    assert f"{table}: no engine's pace can be fitted" in said
    assert "sglang" in said
    assert not (tmp_path / "out.yaml").exists()


def test_rows_with_first_tokens_alone_tell_no_pace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [at_concurrency(1, engine="SGLang 0.5.9", source=INFERENCEX, tpot_ms=None)]
    assert (
        main(["--engines", str(write_table(tmp_path / "table.csv", rows)), "--output", str(tmp_path / "o")])
        == 2
    )
    assert "none of them has a figure of the sets" in capsys.readouterr().err


def test_no_table_at_all_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "give a table of measurements" in capsys.readouterr().err


def test_accuracy_says_that_the_pace_was_fitted_to_this_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy([str(TABLE)]) == 0
    assert "Fitted to this table (" in capsys.readouterr().out
