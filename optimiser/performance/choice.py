"""Which of the ways to lay a model out on one kind of hardware is estimated: the best by what plans count on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimiser.performance.anchor import Anchor, Operators
from optimiser.performance.beside_measured import off_beside
from optimiser.performance.confidence import planned_share
from optimiser.performance.disagreement import far_apart, roofline_rates
from optimiser.performance.doubts import OPERATORS_ERROR, doubts_of, model_error, relative_error_of
from optimiser.performance.layouts import Array
from optimiser.performance.results import estimates_of
from optimiser.performance.trial import Question, Trial

# Four instances are offered beside two only where they serve so much more per instance.
LARGER_GROUP_GAIN = 1.1


def every_roofline_rate(question: Question, trial: Trial) -> Array:
    """Requests/s per replica that the roofline gives every row, (rows,); nan where none is on measured operators."""
    chosen, place = np.unique(trial.alike, return_inverse=True)
    return roofline_rates(question, trial, chosen)[place]


def best_rows(question: Question, trial: Trial, rows: Sequence[int], roofline: Array) -> list[int]:
    """The row of one hardware with the highest rate per unit for each number of instances, smallest number first.

    A larger group is kept only where it serves LARGER_GROUP_GAIN times as much per instance. roofline is
    every_roofline_rate. Set-ups count with the lower bound at the question's confidence, that of plans, so that none is
    chosen for the error in it, and none that a plan counts less on: one that was measured with the error that its
    estimate states, and beside it one that was not by no less than the model was off of the measured one.
    """
    anchors = trial.layouts.anchors
    best: dict[int, tuple[float, int]] = {}
    measured = [row for row in rows if anchors and isinstance(anchors[row], Anchor)]
    off = off_beside(question, trial, measured)
    stated = _measured_errors(question, trial, measured)
    for row in rows:
        candidate = trial.candidates[row]
        if row in stated:
            error = stated[row]
        else:
            error = max(_model_error(question, trial, row, float(roofline[row])), off - 1.0)
        rate = float(trial.rate[row, 0]) * candidate.replicas * planned_share(error, question.confidence)
        if rate > best.get(candidate.instances, (0.0, -1))[0]:
            best[candidate.instances] = (rate, row)
    kept: list[int] = []
    per_instance = 0.0
    for instances, (rate, row) in sorted(best.items()):
        if rate / instances > per_instance * LARGER_GROUP_GAIN:
            kept.append(row)
            per_instance = rate / instances
    return kept


def _measured_errors(question: Question, trial: Trial, rows: Sequence[int]) -> dict[int, float]:
    """The errors that the estimates of measured rows state, of those that serve anything."""
    serving = [row for row in rows if trial.rate[row, 0] > 0]
    if not serving:
        return {}
    found = estimates_of(replace(question, each_size=False), trial, serving)
    return {row: one.relative_error for row, one in zip(serving, found, strict=True)}


def _model_error(question: Question, trial: Trial, row: int, roofline_rate: float) -> float:
    """The median error that the estimate of a row states where no measurement of its hardware tells of it."""
    candidate, places = trial.candidates[row], float(trial.places[row, 0])
    if not (trial.layouts.anchors and isinstance(trial.layouts.anchors[row], Operators)):
        return model_error(question, candidate, places)
    far = far_apart(float(trial.rate[row, 0]), roofline_rate, candidate.replicas)
    low = far is not None or bool(doubts_of(question, candidate, places))
    return relative_error_of(question, candidate, low, OPERATORS_ERROR)
