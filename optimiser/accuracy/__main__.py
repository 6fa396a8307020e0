"""`python -m optimiser.accuracy FILE`: how far the performance model is from a table of measurements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.coverage import coverage_of, stated_errors
from optimiser.accuracy.input_faults import doubts_of_units, nothing_judged
from optimiser.accuracy.operators import on_operators
from optimiser.accuracy.predict import factors_of
from optimiser.accuracy.prepare import Prepared, prepare
from optimiser.accuracy.ranking import rankings, usd_per_gpu_hour
from optimiser.accuracy.report import as_csv, as_json, as_text
from optimiser.accuracy.result import Accuracy
from optimiser.accuracy.sets import LeftOut
from optimiser.accuracy.summary import judge
from optimiser.accuracy.table import digest_of, read_measurements
from optimiser.config import Config, load_config
from optimiser.errors import OptimiserError, UsageError
from optimiser.files import write_whole
from optimiser.silicon.library import require_library
from optimiser.workload.resolved import PERFORMANCE


def accuracy_of(path: Path, performance: str = "roofline") -> Accuracy:
    """Judge the shipped (or the user's own) configuration on a table; with performance "silicon" on measured operators,
    where they cover a row. Raises UsageError for a bad table, and where those are not installed.
    """
    if performance == "silicon":
        require_library("--performance")
    rows = read_measurements(path)
    config = load_config()
    cases, left_out = cases_of(rows, config.models, config.gpus)
    prepared, unfit = prepare(cases, config.fit.engines)
    judged = judge(prepared, factors_of(prepared, config.fit))
    record, engine = _fitted_to(config, digest_of(path))
    no_room = [
        LeftOut(row=case.row, reason="the memory model has no room for it", detail=case.model.name)
        for case in unfit
    ]
    accuracy = Accuracy(
        table=str(path),
        rows=len(rows),
        judged=judged,
        left_out=(*left_out, *no_room),
        rankings=rankings(judged, usd_per_gpu_hour(config)),
        coverage=coverage_of(judged, stated_errors(prepared, config.fit.generations)),
        unseen=record.get("errors", {}),
        unseen_coverage=record.get("coverage", {}),
        fitted_on=str(record.get("date", "unknown day")) if record else "",
        fitted_engine=engine,
    )
    return _on_operators(accuracy, prepared, config) if performance == "silicon" else accuracy


def _fitted_to(config: Config, table: str) -> tuple[dict[str, Any], str]:
    """What is on record of the fit to this very table, and the engine whose pace was all of it ("" where it was of
    all); nothing where none was.
    """
    record = config.fit.record
    fits = [(record, ""), *((one, name) for name, one in record.get("engines", {}).items())]
    return next((pair for pair in fits if pair[0].get("table_sha256") == table), ({}, ""))


def _on_operators(accuracy: Accuracy, prepared: Prepared, config: Config) -> Accuracy:
    """The figures that measured operators cover, predicted on them, with the roofline's beside."""
    operated, uncovered = on_operators(prepared, config.fit)
    found = judge(operated, factors_of(operated, config.fit))
    covered = [index for index in range(len(found)) if index not in uncovered]
    judged = tuple(found[index] for index in covered)
    without = (
        LeftOut(row=prepared.cases[index].row, reason="measured operators do not cover it", detail=reason)
        for index, reason in uncovered.items()
    )
    return replace(
        accuracy,
        judged=judged,
        left_out=(*accuracy.left_out, *without),
        rankings=rankings(judged, usd_per_gpu_hour(config)),
        unseen={},
        roofline=tuple(accuracy.judged[index] for index in covered),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; 0, or the exit code of the fault that is told on stderr."""
    parser = argparse.ArgumentParser(prog="python -m optimiser.accuracy", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="table of serving measurements (CSV)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: table")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="also write every figure and its error (CSV)"
    )
    parser.add_argument(
        "--performance", choices=PERFORMANCE, default=PERFORMANCE[0], help="what is judged; default: roofline"
    )
    asked = parser.parse_args(arguments)
    try:
        accuracy = accuracy_of(asked.file, asked.performance)
        if not accuracy.judged:
            raise nothing_judged(asked.file, accuracy.left_out)
        if asked.rows:
            _write(asked.rows, as_csv(accuracy.judged))
    except OptimiserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for line in doubts_of_units(accuracy.judged):
        sys.stderr.write(f"warning: {line}\n")
    sys.stdout.write(as_json(accuracy) if asked.format == "json" else as_text(accuracy))
    return 0


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"--rows {path}: cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
