"""The pace of engines that a fit's own table lacks, from a further table of measurements; all else stays as it is.

step_factor alone is found, as in the main fit: by the sets of WEIGHTS, each counting as much whatever its size,
wild rows little, drawn to EXPECTED_STEP_FACTOR. What such a table tells of first tokens is judged and not fitted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.fit import (
    EXPECTED_STEP_FACTOR,
    LEFT_OUT,
    PULL,
    REFERENCE_ENGINE,
    ROUNDS,
    WEIGHTS,
    each_left_out,
    fitted_of,
    rounded,
    told_by,
    weights_of,
)
from optimiser.accuracy.least_squares import minimise
from optimiser.accuracy.predict import Factors, factors_of, predict
from optimiser.accuracy.prepare import Prepared, prepare
from optimiser.accuracy.sets import Case
from optimiser.accuracy.sources import source_of
from optimiser.accuracy.summary import Judged, judge, table_of_errors
from optimiser.accuracy.table import digest_of, read_measurements
from optimiser.config import Config
from optimiser.errors import UsageError
from optimiser.performance.layouts import Array
from optimiser.performance.physics import Fit

_RELEASE = re.compile(r"\d+(?:\.\d+)+")


def with_engines(fit: Fit, path: Path, config: Config, on: date) -> Fit:
    """The fit with the pace of each engine of the table at path that its own table lacks, and a record of it: the
    `engines` of Fit.record has by name the date, figures, table, sources and errors.

    Raises UsageError for a bad table, and one without figures of such an engine.
    """
    cases = cases_of(read_measurements(path), config.models, config.gpus)[0]
    with_room = prepare(cases, fit.engines)[0].cases
    lacking = [name for name in fit.engines if not _told_by_main_table(fit, name)]
    of_engine = {name: [case for case in with_room if case.engine == name] for name in lacking}
    found = {name: some for name, some in of_engine.items() if fitted_of(some)}
    if not found:
        sets, known = ", ".join(goal.name for goal in WEIGHTS), ", ".join(lacking) or "none"
        raise UsageError(
            f"{path}: no engine's pace can be fitted: engines that the main table did not tell are {known}, and none "
            f"of them has a figure of the sets {sets} here"
        )
    for name, some in found.items():
        fit = _with_engine(fit, name, some, digest_of(path), on)
    return fit


def step_factor_of(cases: Sequence[Case], fit: Fit, name: str) -> float:
    """The step factor of an engine that explains its cases best, with all else as the fit has it; cases of sets that
    are not fitted are passed over.
    """
    prepared = prepare(fitted_of(cases), fit.engines)[0]
    measured = np.array([case.measured for case in prepared.cases])

    def errors(at: Array) -> Array:
        factors = _factors_at(prepared, fit, name, float(np.exp(at[0])))
        return np.asarray(np.log(predict(prepared, factors) / measured))

    everywhere = np.ones(len(prepared.cases), dtype=np.bool_)
    expected = np.log([EXPECTED_STEP_FACTOR])
    weights = weights_of(prepared.cases)
    found = minimise(errors, weights, expected, expected, PULL, [[(0, everywhere)]], ROUNDS)
    return float(np.exp(found[0]))


def _with_engine(fit: Fit, name: str, cases: Sequence[Case], table: str, on: date) -> Fit:
    told = fitted_of(cases)
    factor = rounded(step_factor_of(told, fit, name))

    def refit(others: Sequence[Case], left_out: Prepared) -> Factors:
        return _factors_at(left_out, fit, name, step_factor_of(others, fit, name))

    prepared = prepare(cases, fit.engines)[0]
    judged = {"here": judge(prepared, _factors_at(prepared, fit, name, factor))}
    judged |= {kind: _each_left_out(cases, fit, refit, key) for kind, key in LEFT_OUT.items()}
    entry = {
        "date": on.isoformat(),
        "figures": len(told),
        "table_sha256": table,
        "sources": sorted({source_of(case.row) for case in cases}),
        "errors": table_of_errors(judged),
    }
    engine = replace(
        fit.engines[name],
        step_factor=factor,
        versions=_versions(told),
        source=told_by(told, on) + "; all else as fitted",
    )
    record = {**fit.record, "engines": {**fit.record.get("engines", {}), name: entry}}
    return replace(fit, engines={**fit.engines, name: engine}, record=record)


def _each_left_out(
    cases: Sequence[Case],
    fit: Fit,
    refit: Callable[[Sequence[Case], Prepared], Factors],
    key: Callable[[Case], str],
) -> tuple[Judged, ...]:
    """As each_left_out; none where all that is fitted has one key, so that nothing is left to fit without it."""
    if len({key(case) for case in fitted_of(cases)}) < 2:
        return ()
    return each_left_out(cases, fit.engines, refit, key)


def _told_by_main_table(fit: Fit, name: str) -> bool:
    measured = bool(fit.engines[name].versions) and name not in fit.record.get("engines", {})
    return name == REFERENCE_ENGINE or measured


def _factors_at(prepared: Prepared, fit: Fit, name: str, step_factor: float) -> Factors:
    engine = replace(fit.engines[name], step_factor=step_factor)
    return factors_of(prepared, replace(fit, engines={**fit.engines, name: engine}))


def _versions(cases: Sequence[Case]) -> str:
    """The oldest and the newest release among the engines' names, as far as those have one."""
    releases = {found[0] for case in cases if (found := _RELEASE.search(case.row.engine or ""))}
    ordered = sorted(releases, key=lambda release: [int(part) for part in release.split(".")])
    return " to ".join(dict.fromkeys([ordered[0], ordered[-1]])) if ordered else "unknown"
