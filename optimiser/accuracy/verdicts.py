"""Whether a set's goals are met: on figures that no fit saw where the table was fitted, else on its own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimiser.accuracy.sets import GENERATION_LEFT_OUT, Goal
from optimiser.accuracy.summary import Errors

# The fits that decide, as config/performance.yaml names what was left out of them.
ROWS, GENERATION = "fifth_left_out", "generation_left_out"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a set meets its goal, and by which errors ("here", ROWS, or None where nothing can tell); and whether
    it meets GENERATION_LEFT_OUT with the GPU generation left out of the fit. None: no goal, or no such errors.
    """

    met: bool | None = None
    decided_by: str | None = None
    generation_met: bool | None = None


def verdict_of(
    goal: Goal, errors: Errors, left_out: Mapping[str, Sequence[float]] | None, *, of_generations: bool = True
) -> Verdict:
    """The verdict on a set with these errors. left_out is None where nothing was fitted to the table: its figures
    decide then. Else it holds median and p90 by what was left out of the fit, and the figures themselves, which the
    fit saw, decide nothing. of_generations is False where that fit left the GPUs' shares as they were.
    """
    if goal.median is None:
        return Verdict()
    if left_out is None:
        return Verdict(met=goal.met_by(errors.median, errors.p90), decided_by="here")
    rows, generation = left_out.get(ROWS), left_out.get(GENERATION) if of_generations else None
    return Verdict(
        met=goal.met_by(*rows) if rows else None,
        decided_by=ROWS if rows else None,
        generation_met=GENERATION_LEFT_OUT.met_by(*generation) if generation else None,
    )
