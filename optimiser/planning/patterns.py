"""The last word on a plan: a PuLP master that picks one whole-number pattern per slot, commitments fixed.

A pattern is what runs by the hour (on demand and spot units). The master sees the patterns the decomposition
found, each only in the slots whose levels it reaches, and must come to the decomposition's cost by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimiser.planning.carbon_cap import cap_kg, horizon_kg
from optimiser.planning.leaves import Solution, is_constant, with_idle_row
from optimiser.planning.parts import by_part, put_together
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.requirements import IDLE, Levels, levels
from optimiser.planning.rules.schedule import keeps_schedule
from optimiser.planning.solve import Programme, Solved, Variable, value
from optimiser.planning.start_up import may_stand_idle

PATTERNS_PER_SLOT = 6


def settle_parts(problem: Problem, solution: Solution, usd_per_kg: float = 0.0) -> tuple[Solution, Solved]:
    """`settle`, of a solution that splits demand over sites in each of them."""
    if not solution.parts:
        return settle(problem, solution, usd_per_kg)
    settled = [settle(asked, its, usd_per_kg) for asked, its in by_part(problem, solution)]
    reports = [solved for _, solved in settled]
    parts = [
        replace(part, spare_unit_rps=one.spare_unit_rps)
        for part, (one, _) in zip(solution.parts, settled, strict=True)
    ]
    worst = next((one for one in reports if one.status != "optimal"), reports[0])
    return put_together([one for one, _ in settled], parts), replace(
        worst, timed_out=any(one.timed_out for one in reports)
    )


def settle(problem: Problem, solution: Solution, usd_per_kg: float = 0.0) -> tuple[Solution, Solved]:
    """The cheapest choice of patterns per slot for the constant part of a solution, and the solver's report. usd_per_kg
    is what a kilogram of CO2e weighs beyond the problem's own prices.

        min Σ_{slot, k} hours[slot] · usd[k] · z[slot, k]      Σ_k z[slot, k] = 1 ∀ slot,   0 ≤ z ≤ 1

    The choice in one slot does not touch another's, so the linear programme has a whole-number optimum. Where
    the solver stops before it, or its choice breaks a rule on the schedule or passes the cap on carbon, the solution
    stays as it was.
    """
    level = levels(problem, solution.spare_unit_rps)
    if may_stand_idle(problem.policy, [one.option for one in solution.columns if not is_constant(one)]):
        level = level.standing_idle()
    kg = np.array([column.option.kg_per_unit_hour for column in solution.columns])
    usd = np.array([column.purchase.usd_per_unit_hour for column in solution.columns]) + usd_per_kg * kg
    constant = np.array([is_constant(column) for column in solution.columns], dtype=bool)
    patterns = np.unique(solution.units, axis=0)
    price = patterns @ np.where(constant, 0.0, usd)
    reached = Reached.of(solution, patterns)
    order = np.argsort(price, kind="stable")
    master = Programme("master")
    choice: dict[tuple[int, int], Variable] = {}
    objective = []
    for slot, hours in enumerate(level.hours.tolist()):
        fitting = reached.fits(level, slot, problem.policy.min_firm_instances)
        columns = order[fitting[order]][:PATTERNS_PER_SLOT].tolist()
        picks = [master.variable(f"slot_{slot}_pattern_{k}", 1) for k in columns]
        choice |= {(slot, k): pick for k, pick in zip(columns, picks, strict=True)}
        objective += [(pick, hours * float(price[k])) for k, pick in zip(columns, picks, strict=True)]
        master.row(f"one_pattern_{slot}", [(pick, 1.0) for pick in picks], "=", 1)
    master.minimise(objective)
    solved = master.solve()
    if solved.status != "optimal":
        return solution, solved
    units = np.zeros((len(level.hours), len(solution.columns)), dtype=np.int64)
    for (slot, k), pick in choice.items():
        if value(pick) > 0.5:
            units[slot] = patterns[k]
    units = with_idle_row(units, solution.columns)
    settled = Solution(solution.columns, units[level.slot_of_period], solution.spare_unit_rps)
    over = horizon_kg(problem, settled) > max(cap_kg(problem), horizon_kg(problem, solution))
    return solution if over or not keeps_schedule(problem, settled) else settled, solved


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What patterns of units reach: capacity in all and of firm units, in req/s, firm units, each of shape (patterns,),
    and the capacity in each spot pool, shape (patterns, pools).
    """

    total: Floats
    firm: Floats
    units: np.ndarray
    pools: Floats

    @classmethod
    def of(cls, solution: Solution, patterns: np.ndarray) -> Reached:
        """Patterns of a solution's columns, shape (patterns, columns)."""
        rate = np.array([column.option.rate_rps for column in solution.columns])
        firm = np.array([column.purchase.how is not How.SPOT for column in solution.columns], dtype=bool)
        names = sorted({column.purchase.pool for column in solution.columns} - {""})
        pool = np.array([[column.purchase.pool == name for name in names] for column in solution.columns])
        return cls(
            total=patterns @ rate,
            firm=patterns @ np.where(firm, rate, 0.0),
            units=patterns @ firm.astype(np.int64),
            pools=patterns @ (pool * rate[:, None]),
        )

    def fits(self, level: Levels, slot: int, floor: int) -> np.ndarray:
        """Whether each pattern reaches the levels of a slot and a floor of firm units, shape (patterns,).

        In idle periods any does that is not on spot.
        """
        if slot == IDLE:
            return np.asarray((self.pools <= 1e-6).all(axis=1))
        enough = (self.total >= level.total[slot] - 1e-6) & (self.firm >= level.firm[slot] - 1e-6)
        return np.asarray(
            enough & (self.units >= floor) & (self.pools <= level.pool[slot] + 1e-6).all(axis=1)
        )
