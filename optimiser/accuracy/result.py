"""What is known of the accuracy of the performance model on one table of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimiser.accuracy.ranking import Ranking
from optimiser.accuracy.sets import Goal, LeftOut
from optimiser.accuracy.summary import Errors, Judged
from optimiser.accuracy.verdicts import Verdict, verdict_of

Unseen = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """All that is reported of one table: its name and number of rows, the figures, and the rows left out.

    coverage is by set the share of measured rates that reach what is planned on, at each of CONFIDENCES. unseen and
    unseen_coverage hold, where the shipped constants were fitted to this very table, by set the errors and the
    coverage on models and on GPU generations that were left out of the fit, as config/performance.yaml records them.
    fitted_on is the day of that fit, "" where nothing was fitted to this table, and fitted_engine the engine whose pace
    was all that was fitted, "" where it was everything. roofline holds, where the figures are predicted on measured
    operators, the roofline's of the same ones.
    """

    table: str
    rows: int
    judged: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...]
    rankings: tuple[Ranking, ...]
    coverage: Mapping[Goal, Sequence[float]] = field(default_factory=dict)
    unseen: Unseen = field(default_factory=dict)
    unseen_coverage: Unseen = field(default_factory=dict)
    roofline: tuple[Judged, ...] = ()
    fitted_on: str = ""
    fitted_engine: str = ""

    def verdict_on(self, goal: Goal, errors: Errors) -> Verdict:
        """Whether the set meets its goals, its figures having these errors."""
        left_out = self.unseen.get(goal.name, {}) if self.unseen else None
        return verdict_of(goal, errors, left_out, of_generations=not self.fitted_engine)
