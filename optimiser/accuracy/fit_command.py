"""`make fit`: fit the performance model to a table of measurements and write config/performance.yaml.

The errors beside the constants are of fits that never saw what they are judged on: LEFT_OUT.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import yaml

from optimiser.accuracy.cases import cases_of
from optimiser.accuracy.coverage import coverage_of, stated_errors
from optimiser.accuracy.engine_fit import with_engines
from optimiser.accuracy.fit import (
    LEFT_OUT,
    REFERENCE_ENGINE,
    WEIGHTS,
    Solution,
    fitted_of,
    rounded,
    solve,
    told_by,
    without_each,
)
from optimiser.accuracy.matrix_shares import MATRIX_SHARES
from optimiser.accuracy.prepare import Prepared, prepare
from optimiser.accuracy.sets import Case
from optimiser.accuracy.sources import source_of
from optimiser.accuracy.summary import Judged, errors_of, judge, table_of_errors
from optimiser.accuracy.table import digest_of, read_measurements
from optimiser.config import Config, load_config
from optimiser.errors import OptimiserError, UsageError
from optimiser.files import write_whole
from optimiser.performance.physics import Fit
from optimiser.performance.specs import Efficiency

HEADER = """\
# What was fitted to measurements of serving; `make fit DATA=TABLE` writes this file anew. Fields and units:
# config/README.md, "Performance". Errors are median and 90th percentile of |predicted / measured - 1|: here, and on
# models, GPU generations, GPUs and fifths of the rows that were left out of the fit.
"""
# An engine differs by about as much from one version to the next: no estimate is sold as better.
LEAST_ERROR = 0.08
# Where one model alone was measured on a generation nobody knows how far another is off: an assumption.
ONE_MODEL_ERROR = 0.25
FEWEST_FIGURES, FEWEST_SPLIT = 3, 10
UNMEASURED = "no measurement: the mean of the others"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A fit and how far it is off: on its own measurements, and on each of LEFT_OUT."""

    table_sha256: str
    solution: Solution
    prepared: Prepared
    here: tuple[Judged, ...]
    left_out: Mapping[str, tuple[Judged, ...]]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The figures that it was made of, and those that it was only judged on."""
        return self.prepared.cases


def fitted(path: Path, config: Config) -> Outcome:
    """Fit the table at path. Raises UsageError for a bad table, or one with nothing to fit."""
    cases = cases_of(read_measurements(path), config.models, config.gpus)[0]
    prepared = prepare(cases, config.fit.engines)[0]
    solution = solve(prepared.cases, config.fit.engines)

    def tell(name: str) -> None:
        sys.stderr.write(f"fitting without {name}\n")

    left_out = {
        kind: without_each(prepared.cases, config.fit.engines, solution, key, tell)
        for kind, key in LEFT_OUT.items()
    }
    return Outcome(
        table_sha256=digest_of(path),
        solution=solution,
        prepared=prepared,
        here=judge(prepared, solution.factors(prepared.cases)),
        left_out=left_out,
    )


def fit_of(outcome: Outcome, config: Config, on: date) -> Fit:
    """What was found as a Fit, with the engines' memory rules and versions as the config has them; engines that the
    table lacks have the pace of those that it holds, and say so.
    """
    solution = outcome.solution
    generations = _generations(outcome, config, on)
    measured = {REFERENCE_ENGINE, *solution.step_factors}
    return Fit(
        physics=replace(
            solution.physics, **{name: rounded(value) for name, value in vars(solution.physics).items()}
        ),
        engines={
            name: replace(
                engine,
                step_factor=rounded(solution.step_factor(name)),
                latent_prompt_layer_us=rounded(solution.latent_prompt_layer_us(name)),
                versions=engine.versions if name in measured else "",
                source=engine.source if name in measured else UNMEASURED,
            )
            for name, engine in config.fit.engines.items()
        },
        generations=generations,
        record={
            "date": on.isoformat(),
            "figures": len(fitted_of(outcome.cases)),
            "table_sha256": outcome.table_sha256,
            "sources": sorted({source_of(case.row) for case in outcome.cases}),
            "errors": table_of_errors(_kinds(outcome)),
            "coverage": _coverage(outcome, generations),
        },
    )


def performance_yaml(fit: Fit) -> str:
    """The file that holds the fit."""
    content = {
        "fitted": fit.record,
        "physics": vars(fit.physics),
        **{
            section: {name: _without_name(vars(one)) for name, one in entries.items()}
            for section, entries in (
                ("engines", fit.engines),
                ("generations", fit.generations),
                ("gpus", fit.gpus),
            )
            if entries
        },
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=118, default_flow_style=None)


def _kinds(outcome: Outcome) -> dict[str, tuple[Judged, ...]]:
    return {"here": outcome.here, **outcome.left_out}


def _coverage(outcome: Outcome, generations: Mapping[str, Efficiency]) -> dict[str, dict[str, list[float]]]:
    errors = stated_errors(outcome.prepared, generations)
    table: dict[str, dict[str, list[float]]] = {}
    for kind, judged in _kinds(outcome).items():
        for goal, shares in coverage_of(judged, errors).items():
            table.setdefault(goal.name, {})[kind] = [round(share, 3) for share in shares]
    return table


def _generations(outcome: Outcome, config: Config, on: date) -> dict[str, Efficiency]:
    """Every generation of the config: as fitted where there are measurements, by its matrix share where not."""
    overall = errors_of(
        one for one in outcome.left_out["generation_left_out"] if one.case.judged_in in WEIGHTS
    )
    found = {}
    for name in config.fit.generations:
        cases = [case for case in fitted_of(outcome.cases) if case.gpu.generation == name]
        fits = len(cases) >= FEWEST_FIGURES
        solution = outcome.solution
        compute, bandwidth = solution.reach(name) if fits else solution.unmeasured(name)
        usual_error = overall.median if overall else ONE_MODEL_ERROR
        found[name] = Efficiency(
            generation=name,
            compute=rounded(compute),
            bandwidth=rounded(bandwidth),
            relative_error=round(_error(name, cases, outcome) if fits else 1.5 * usual_error, 2),
            fitted=fits,
            source=told_by(cases, on) if fits else _unmeasured(name),
            split_over_pcie_measured=_split_over_pcie(cases) >= FEWEST_SPLIT,
            moe_step_factor=config.fit.generations[name].moe_step_factor,
        )
    return found


def _unmeasured(generation: str) -> str:
    published = MATRIX_SHARES.get(generation)
    by = f"compute by what large matrix products reach ({published.source}), " if published else ""
    return f"no measurement: {by}all else as NVIDIA's other generations, error assumed"


def _error(generation: str, cases: Sequence[Case], outcome: Outcome) -> float:
    """Median error on models left out of the fit."""
    if len({case.model.name for case in cases}) == 1:
        return ONE_MODEL_ERROR
    judged = (one for one in outcome.left_out["model_left_out"] if one.case.gpu.generation == generation)
    errors = errors_of(one for one in judged if one.case.judged_in in WEIGHTS)
    return max(errors.median, LEAST_ERROR) if errors else ONE_MODEL_ERROR


def _split_over_pcie(cases: Sequence[Case]) -> int:
    """How many of the measurements are of a model split over GPUs that PCIe alone joins."""
    return sum(
        case.split is not None
        and case.gpu.link.startswith("PCIe")
        and case.split.shards * case.split.ranks * case.split.stages > 1
        for case in cases
    )


def _without_name(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in ("name", "generation", "gpu")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; 0, or the exit code of the fault that is told on stderr."""
    parser = argparse.ArgumentParser(prog="python -m optimiser.accuracy.fit_command", description=__doc__)
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        nargs="?",
        help="table of serving measurements (CSV); without it all but the pace of the engines below stays as it is",
    )
    parser.add_argument(
        "--engines",
        type=Path,
        metavar="FILE",
        help="a further table, for the pace of engines that FILE lacks",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: performance.yaml of the config")
    asked = parser.parse_args(arguments)
    try:
        if asked.file is None and asked.engines is None:
            raise UsageError("there is nothing to fit: give a table of measurements, or one as --engines")
        config = load_config()
        output = asked.output or config.directories[0] / "performance.yaml"
        on = datetime.now(UTC).date()
        fit = fit_of(fitted(asked.file, config), config, on) if asked.file else config.fit
        if asked.engines:
            fit = with_engines(fit, asked.engines, config, on)
        try:
            write_whole(output, performance_yaml(fit))
        except OSError as error:
            raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    except OptimiserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{output} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
