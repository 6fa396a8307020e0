"""Fitting: what made the measurements is found again, wild rows or not, and written as the config that is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from measurement_rows import at_concurrency, offline, write_table

from optimiser.accuracy import engine_fit, fit
from optimiser.accuracy.__main__ import main as accuracy
from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.fit import EXPECTED, Solution, solve, without_each
from optimiser.accuracy.fit_command import UNMEASURED, main
from optimiser.accuracy.least_squares import minimise
from optimiser.accuracy.predict import factors_of, predict
from optimiser.accuracy.prepare import prepare
from optimiser.accuracy.sets import Case
from optimiser.accuracy.summary import errors_of
from optimiser.accuracy.table import Measurement
from optimiser.config import load_config

CONFIG = load_config()
MADE_BY = Solution(
    physics=replace(EXPECTED, layer_overhead_us=60.0),
    generations={"Hopper": (0.5, 0.9), "Ampere": (0.8, 0.6)},
    step_factors={"vllm": 1.3},
)


def rows() -> list[Measurement]:
    some = product(("H100", "A100-SXM"), ("TensorRT-LLM", "vllm 0.19.0"), (128.0, 1000.0, 4000.0))
    return [
        row
        for number, (gpu, engine, prompt) in enumerate(some)
        for row in (
            offline(2 + 20 * number, gpu=gpu, engine=engine, isl=prompt, osl=prompt / 2),
            offline(3 + 20 * number, gpu=gpu, engine=engine, isl=prompt, osl=2 * prompt),
            *(
                at_concurrency(
                    load, 4 + index + 20 * number, gpu=gpu, engine=engine, isl=prompt, ttft_ms=None
                )
                for index, load in enumerate((1, 4, 16, 64))
            ),
        )
    ]


def as_made(spoilt: int = 0) -> tuple[Case, ...]:
    """Cases whose measured figures are what MADE_BY predicts, the first few of them a hundredfold."""
    cases, left_out = cases_of(rows(), CONFIG.models, CONFIG.gpus)
    assert not left_out
    prepared, unfit = prepare(cases, CONFIG.fit.engines)
    assert not unfit
    figures = predict(prepared, MADE_BY.factors(prepared.cases)).tolist()
    return tuple(
        replace(case, measured=figure * (100 if number < spoilt else 1))
        for number, (case, figure) in enumerate(zip(prepared.cases, figures, strict=True))
    )


@pytest.mark.parametrize("spoilt", [0, 3])
def test_a_fit_finds_what_made_the_measurements_though_some_are_wild(
    spoilt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So few rows tell less than the pull to what is expected that a table of thousands bears."""
    monkeypatch.setattr(fit, "PULL", 0.015)
    found = solve(as_made(spoilt), CONFIG.fit.engines)
    for generation, reach in MADE_BY.generations.items():
        assert found.generations[generation] == pytest.approx(reach, rel=0.06)
    assert found.step_factors["vllm"] == pytest.approx(1.3, rel=0.03)
    assert found.physics.layer_overhead_us == pytest.approx(60.0, rel=0.1)


def test_what_no_measurement_tells_stays_as_expected() -> None:
    found = solve(as_made(), CONFIG.fit.engines)
    assert found.physics.grouped_share == pytest.approx(EXPECTED.grouped_share, rel=1e-3)
    assert found.physics.block_scaled_share == pytest.approx(EXPECTED.block_scaled_share, rel=1e-3)


def test_a_generation_left_out_is_predicted_by_the_others() -> None:
    cases = as_made()
    near = solve(cases, CONFIG.fit.engines)
    told: list[str] = []
    judged = without_each(cases, CONFIG.fit.engines, near, lambda case: case.gpu.generation, told.append)
    assert told == ["Ampere", "Hopper"]
    assert len(judged) == len(cases)
    errors = {name: errors_of(one for one in judged if one.case.gpu.generation == name) for name in told}
    # Each is taken for the other: 0.5 and 0.8 of compute, 0.9 and 0.6 of bandwidth.
    assert all(found is not None and found.median > 0.15 for found in errors.values())


def test_least_squares_by_hand() -> None:
    """log-linear errors of two unknowns: the minimum is where both are 0, whatever the pull towards it."""
    x = np.linspace(0.0, 1.0, 50)

    def errors(at: np.ndarray) -> np.ndarray:
        return np.asarray((at[0] - 2.0) + (at[1] + 1.0) * x)

    everywhere = np.ones(50, dtype=np.bool_)
    blocks = [[(0, everywhere)], [(1, everywhere)]]
    weights = np.full(50, 50**-0.5)
    found = minimise(errors, weights, np.zeros(2), np.array([2.0, -1.0]), 0.1, blocks, 40)
    assert found == pytest.approx([2.0, -1.0], abs=1e-3)
    pulled = minimise(errors, weights, np.zeros(2), np.zeros(2), 100.0, blocks, 40)
    assert pulled == pytest.approx([0.0, 0.0], abs=1e-3)


def test_the_file_that_a_fit_writes_is_the_config_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = as_made()
    table = write_table(tmp_path / "table.csv", [_measured(case) for case in cases])
    output = tmp_path / "config" / "performance.yaml"
    output.parent.mkdir()
    assert main([str(table), "--output", str(output)]) == 0
    content = yaml.safe_load(output.read_text(encoding="utf-8"))
    assert content["fitted"]["figures"] == len(cases)
    assert date.fromisoformat(content["fitted"]["date"])
    found = load_config(output.parent).fit
    assert found.generations["Hopper"].compute == pytest.approx(0.5, rel=0.06)
    assert found.generations["Hopper"].fitted
    assert not found.generations["Ada"].fitted
    assert found.generations["Ada"].relative_error > found.generations["Hopper"].relative_error
    assert found.engines["sglang"].step_factor == found.engines["vllm"].step_factor
    assert (found.engines["sglang"].versions, found.engines["sglang"].source) == ("", UNMEASURED)
    # What no measurement of the table tells is kept.
    shipped = load_config().fit
    assert found.generations["CDNA3"].moe_step_factor == shipped.generations["CDNA3"].moe_step_factor > 1
    assert found.engines["vllm"].graph_tokens == shipped.engines["vllm"].graph_tokens > 0
    for name, engine in shipped.engines.items():
        assert (found.engines[name].kv_without, found.engines[name].kv_since) == (
            engine.kv_without,
            engine.kv_since,
        )
        assert engine.kv_without
    capsys.readouterr()
    monkeypatch.setenv("OPTIMISER_CONFIG", str(output.parent))
    assert accuracy([str(table)]) == 0
    assert "Fitted to this table (" in capsys.readouterr().out


def test_an_engine_that_the_table_lacks_takes_its_pace_from_a_further_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found against the factors of the new fit, not those that are shipped."""
    monkeypatch.setattr(engine_fit, "PULL", 1e-4)
    table = write_table(tmp_path / "table.csv", [_measured(case) for case in as_made()])
    output = tmp_path / "config" / "performance.yaml"
    output.parent.mkdir()
    assert main([str(table), "--output", str(output)]) == 0
    alone = load_config(output.parent).fit
    slower = replace(alone.engines["sglang"], step_factor=1.6)
    made_by = replace(alone, engines={**alone.engines, "sglang": slower})
    cases = cases_of([replace(row, engine="SGLang 0.5.9") for row in rows()], CONFIG.models, CONFIG.gpus)[0]
    prepared = prepare(cases, CONFIG.fit.engines)[0]
    figures = predict(prepared, factors_of(prepared, made_by)).tolist()
    made = [
        _measured(replace(case, measured=figure))
        for case, figure in zip(prepared.cases, figures, strict=True)
    ]
    further = write_table(tmp_path / "further.csv", made)
    assert main([str(table), "--engines", str(further), "--output", str(output)]) == 0
    found = load_config(output.parent).fit
    assert found.engines["sglang"].step_factor == pytest.approx(1.6, rel=5e-3)
    assert found.engines["sglang"].versions == "0.5.9"
    assert found.engines["vllm"] == alone.engines["vllm"]
    assert found.physics == alone.physics


def _measured(case: Case) -> Measurement:
    if case.row.tpot_ms is not None:
        return replace(case.row, tpot_ms=case.measured)
    return replace(case.row, throughput_tok_s_total_output=case.measured)


@pytest.mark.parametrize(("content", "said"), [("model\n", "no rows"), (None, "nowhere.csv")])
def test_a_bad_table_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    path = tmp_path / "nowhere.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main([str(path), "--output", str(tmp_path / "out.yaml")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.yaml").exists()
