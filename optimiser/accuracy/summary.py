"""Errors of predictions, in sets and by GPU, model family, precision, engine and source."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimiser.accuracy.names import engine_of, family_of
from optimiser.accuracy.predict import Factors, load_shares, predict
from optimiser.accuracy.prepare import Prepared
from optimiser.accuracy.sets import OPEN_TTFT, OTHER_TTFT, SETS, Case, Goal, LeftOut
from optimiser.accuracy.sources import source_of

# The goal for the open loop is one for this share of the highest rate and less.
HIGHEST_LOAD_SHARE = 0.70

DIMENSIONS: dict[str, Callable[[Case], str]] = {
    "GPU": lambda case: case.gpu.name,
    "model family": lambda case: family_of(case.model.name),
    "weight precision": lambda case: case.served.weight_precision,
    "engine": lambda case: engine_of(case.row.engine),
    "source": lambda case: source_of(case.row),
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One case with its prediction, in the unit of the measurement; error is predicted/measured − 1."""

    case: Case
    predicted: float

    @property
    def error(self) -> float:
        return self.predicted / self.case.measured - 1.0


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Relative errors of some figures: median and p90 without their sign, bias the median with it (0.1 is 10 %)."""

    figures: int
    median: float
    p90: float
    bias: float

    def meets(self, goal: Goal) -> bool | None:
        """Whether median and p90 are within the goal, None where it sets none."""
        return goal.met_by(self.median, self.p90)


def judge(prepared: Prepared, factors: Factors) -> tuple[Judged, ...]:
    """Every case with its prediction; an open loop above HIGHEST_LOAD_SHARE moves to the set without a goal."""
    predicted, shares = predict(prepared, factors), load_shares(prepared, factors)
    judged = []
    for case, figure, share in zip(prepared.cases, predicted.tolist(), shares.tolist(), strict=True):
        busy = case.judged_in is OPEN_TTFT and share > HIGHEST_LOAD_SHARE
        judged.append(Judged(case=replace(case, judged_in=OTHER_TTFT) if busy else case, predicted=figure))
    return tuple(judged)


def errors_of(judged: Iterable[Judged]) -> Errors | None:
    """Their errors, None where there are no figures."""
    errors = np.array([item.error for item in judged])
    if not len(errors):
        return None
    size = np.abs(errors)
    # Between two infinite errors, which overload predicts, numpy's quantile is nan.
    with np.errstate(invalid="ignore"):
        p90 = float(np.quantile(size, 0.9))
    return Errors(
        figures=len(errors),
        median=float(np.median(size)),
        p90=math.inf if math.isnan(p90) else p90,
        bias=float(np.median(errors)),
    )


def by_set(judged: Sequence[Judged]) -> dict[Goal, tuple[Judged, ...]]:
    """The figures of every set, also of those without any, in the order of SETS."""
    return {goal: tuple(item for item in judged if item.case.judged_in is goal) for goal in SETS}


def table_of_errors(kinds: Mapping[str, Sequence[Judged]]) -> dict[str, dict[str, list[float]]]:
    """By set and kind (such as a model left out) median and p90 of the size of the errors, to three digits."""
    table: dict[str, dict[str, list[float]]] = {}
    for kind, judged in kinds.items():
        for goal, some in by_set(judged).items():
            errors = errors_of(some)
            if errors:
                table.setdefault(goal.name, {})[kind] = [round(errors.median, 3), round(errors.p90, 3)]
    return table


def by_dimension(judged: Sequence[Judged], dimension: str) -> dict[str, dict[Goal, Errors]]:
    """Errors by the value in a dimension and by set, values in alphabetical order."""
    cells: dict[str, dict[Goal, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for item in judged:
        cells[DIMENSIONS[dimension](item.case)][item.case.judged_in].append(item)
    table: dict[str, dict[Goal, Errors]] = {}
    for value in sorted(cells):
        found = ((goal, errors_of(some)) for goal, some in cells[value].items())
        table[value] = {goal: errors for goal, errors in found if errors}
    return table


def by_reason(left_out: Iterable[LeftOut]) -> dict[str, Counter[str]]:
    """Per reason, the number of rows by detail; the reasons with most rows first."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for item in left_out:
        reasons[item.reason][item.detail] += 1
    return dict(sorted(reasons.items(), key=lambda pair: -pair[1].total()))
