"""What measurements of one set-up say of another on the same GPUs: how far off the model is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimiser.performance.anchor import Anchor
from optimiser.performance.disagreement import model_rates
from optimiser.performance.setups import Hardware
from optimiser.performance.trial import Question, Trial

# A latency target turns a little slower into far fewer, or none: beyond this a factor says only that the rate is not
# known.
LARGEST_OFF = 4.0
# A measured rate so many times the model's, or the model's so many times it, contradicts it: one of the two is wrong.
CONTRADICTS = 2.0


def measured_rows(trial: Trial, hardware: Hardware) -> list[int]:
    """Rows of the trial on this hardware, or within one instance that does the same, whose set-up was measured."""
    pairs = zip(trial.candidates, trial.layouts.anchors, strict=False)
    return [
        row
        for row, (one, anchor) in enumerate(pairs)
        if isinstance(anchor, Anchor)
        and (one.hardware is hardware or (one.instances == 1 and one.hardware.instance == hardware.instance))
    ]


def off_beside(question: Question, trial: Trial, rows: Sequence[int]) -> float:
    """The largest factor between the rate of the set-ups at `rows` as measured and by the model, at most LARGEST_OFF.

    1 where there are none. Under a target that both miss, the rates without one are compared.
    """
    if not rows:
        return 1.0
    chosen = np.array(rows)
    rates = trial.rate[chosen, 0], model_rates(question, trial, chosen)
    offline = replace(question, target=None)
    paces = model_rates(offline, trial, chosen, trial.layouts.anchors), model_rates(offline, trial, chosen)
    neither = np.maximum(*rates) == 0
    measured, model = (np.where(neither, pace, rate) for rate, pace in zip(rates, paces, strict=True))
    lower, higher = np.minimum(measured, model), np.maximum(measured, model)
    return float((higher / np.maximum(lower, higher / LARGEST_OFF)).max())


def contradiction(question: Question, trial: Trial, row: int) -> float:
    """How many times apart the rates of a measured set-up and of the model for it are, at most LARGEST_OFF; 1 up to
    CONTRADICTS.
    """
    off = off_beside(question, trial, [row])
    return off if off > CONTRADICTS else 1.0


def error_of(apart: float) -> float:
    """The error of a measured set-up whose rate is so many times apart from the model's.

    Which of the two is wrong is not known: of two that are a factor r apart the middle is √r from each.
    """
    return math.sqrt(apart) - 1.0
