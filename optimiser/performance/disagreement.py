"""Estimates on measured operators beside the roofline's of the same set-ups, and where they are far apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.anchor import Anchors, Operators
from optimiser.performance.layouts import Array
from optimiser.performance.operating import fastest_batch, largest_batch
from optimiser.performance.trial import Question, Trial

# Rates so many times one another are told, and the estimate is in doubt.
FAR = 1.3


def roofline_rates(question: Question, trial: Trial, rows: NDArray[np.intp]) -> Array:
    """Requests/s per replica that the roofline gives the set-ups at `rows`, (rows,); nan where none is on operators."""
    if not any(isinstance(trial.layouts.anchors[row], Operators) for row in rows if trial.layouts.anchors):
        return np.full(len(rows), np.nan)
    return model_rates(question, trial, rows)


def model_rates(question: Question, trial: Trial, rows: NDArray[np.intp], anchors: Anchors = ()) -> Array:
    """Requests/s per replica that the model gives the set-ups at `rows` with the trial's `anchors`, or with none."""
    layouts = replace(trial.layouts, anchors=anchors).select(rows)
    largest = largest_batch(question.work, layouts, trial.places[rows], question.mix, question.target)
    rates = fastest_batch(question.work, layouts, largest, question.mix)[1]
    return np.where(largest > 0, rates, 0.0)[:, 0]


def far_apart(rate: float, roofline_rate: float, replicas: int) -> str | None:
    """What to say of a rate on operators that is far from the roofline's, both per replica; None where it is not."""
    if roofline_rate / FAR <= rate <= roofline_rate * FAR:
        return None
    if not roofline_rate:
        return "on the roofline it misses the target: measured operators and roofline are far apart"
    there = f"{roofline_rate * replicas:.3g} requests/s on the roofline"
    return f"{there}, {rate / roofline_rate - 1:+.0%} on measured operators: one of the two is far off"
