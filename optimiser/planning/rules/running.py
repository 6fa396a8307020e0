"""A solution period by period, as the rules measure their slack on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.requirements import Levels, levels
from optimiser.policy import Policy


@dataclass(frozen=True)
class Running:
    """Rates per column, capacity and planned demand per period and the levels it is held to, in req/s."""

    problem: Problem
    solution: Solution
    rate: Floats
    capacity: Floats
    planned: Floats
    level: Levels

    @classmethod
    def of(cls, problem: Problem, solution: Solution) -> Running:
        """A solution of a problem; levels for the unit it is sized for."""
        rate = np.array([column.option.rate_rps for column in solution.columns], dtype=np.float64)
        return cls(
            problem=problem,
            solution=solution,
            rate=rate,
            capacity=np.asarray(solution.units @ rate, dtype=np.float64),
            planned=problem.planned_rps,
            level=levels(problem, solution.spare_unit_rps),
        )

    @property
    def policy(self) -> Policy:
        """The problem's policy."""
        return self.problem.policy

    def paid(self, keep: Callable[[How], bool]) -> Floats:
        """Capacity per period of the columns paid in certain ways, req/s."""
        kept = np.array([keep(column.purchase.how) for column in self.solution.columns], dtype=bool)
        return np.asarray(self.solution.units @ np.where(kept, self.rate, 0.0), dtype=np.float64)

    def in_pools(self) -> list[Floats]:
        """Capacity per period of each spot pool in use, req/s."""
        names = {column.purchase.pool for column in self.solution.columns} - {""}
        inside = [
            [column.purchase.pool == name for column in self.solution.columns] for name in sorted(names)
        ]
        return [np.asarray(self.solution.units @ np.where(pool, self.rate, 0.0)) for pool in inside]

    def per_period(self, values: Floats) -> Floats:
        """A level by slot as one by period."""
        found: Floats = values[self.level.slot_of_period]
        return found
