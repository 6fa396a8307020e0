"""How often a measured rate is at least the share of the estimate that is planned on at a stated confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimiser.accuracy import sets
from optimiser.accuracy.prepare import Prepared
from optimiser.accuracy.sets import Case, Goal, How
from optimiser.accuracy.summary import Judged
from optimiser.performance.confidence import planned_share
from optimiser.performance.doubts import model_error
from optimiser.performance.specs import Efficiency

CONFIDENCES = (0.75, 0.90, 0.95)
# What plans rest on: rates, offline, of so many requests in flight (load / time per token) and under limits.
COVERED = (
    sets.OFFLINE_DENSE,
    sets.OFFLINE_MOE,
    sets.TPOT_DENSE,
    sets.TPOT_MOE,
    sets.SERVER,
    sets.INTERACTIVE,
)

Figure = tuple[int, How]


def figure_of(case: Case) -> Figure:
    """What tells a case from the others of its table."""
    return case.row.line, case.how


def stated_errors(prepared: Prepared, generations: Mapping[str, Efficiency]) -> dict[Figure, float]:
    """The relative_error that users are told beside the estimate of each case; the least of those of its layouts."""
    errors = np.full(len(prepared.cases), np.inf)
    for group in prepared.groups:
        question = replace(group.question, target=group.target)
        for entry, candidate in enumerate(group.candidates):
            hardware = candidate.hardware
            reach = generations[hardware.gpu.generation]
            at = replace(candidate, hardware=replace(hardware, efficiency=reach))
            error = model_error(question, at, float(group.places[entry, 0]))
            errors[group.case[entry]] = min(errors[group.case[entry]], error)
    return dict(zip(map(figure_of, prepared.cases), errors.tolist(), strict=True))


def coverage_of(judged: Sequence[Judged], errors: Mapping[Figure, float]) -> dict[Goal, list[float]]:
    """By set, the share of figures whose measured rate reaches what is planned on, for each of CONFIDENCES."""
    table: dict[Goal, list[float]] = {}
    for goal in COVERED:
        some = [item for item in judged if item.case.judged_in is goal]
        if some:
            table[goal] = [
                sum(_rate(item) >= planned_share(errors[figure_of(item.case)], confidence) for item in some)
                / len(some)
                for confidence in CONFIDENCES
            ]
    return table


def _rate(item: Judged) -> float:
    """Measured over estimated rate."""
    ratio = item.case.measured / item.predicted
    return 1.0 / ratio if item.case.how is How.CLOSED_TPOT else ratio
