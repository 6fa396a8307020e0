"""The last word on a plan: a PuLP master that picks one whole-number pattern per slot, commitments fixed.

A pattern is what runs by the hour (on demand and spot units). The master sees the patterns the decomposition
found, each only in the slots whose levels it reaches, and must come to the decomposition's cost by itself.
"""

from __future__ import annotations

import numpy as np

from optimiser.planning.carbon_cap import cap_kg, horizon_kg
from optimiser.planning.leaves import Solution, is_constant
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.requirements import levels
from optimiser.planning.solve import Programme, Solved, Variable, value

PATTERNS_PER_SLOT = 6


def settle(problem: Problem, solution: Solution, usd_per_kg: float = 0.0) -> tuple[Solution, Solved]:
    """The cheapest choice of patterns per slot for the constant part of a solution, and the solver's report. usd_per_kg
    is what a kilogram of CO2e weighs beyond the problem's own prices.

        min Σ_{slot, k} hours[slot] · usd[k] · z[slot, k]      Σ_k z[slot, k] = 1 ∀ slot,   0 ≤ z ≤ 1

    The choice in one slot does not touch another's, so the linear programme has a whole-number optimum. Where
    the solver stops before it, or equal patterns would pass the cap on carbon, the solution stays as it was.
    """
    level = levels(problem, solution.spare_unit_rps)
    rate = np.array([column.option.rate_rps for column in solution.columns])
    kg = np.array([column.option.kg_per_unit_hour for column in solution.columns])
    usd = np.array([column.purchase.usd_per_unit_hour for column in solution.columns]) + usd_per_kg * kg
    firm = np.array([column.purchase.how is not How.SPOT for column in solution.columns], dtype=bool)
    constant = np.array([is_constant(column) for column in solution.columns], dtype=bool)
    patterns = np.unique(solution.units, axis=0)
    price = patterns @ np.where(constant, 0.0, usd)
    fits = _fits(problem, solution, patterns, rate, firm, level.total, level.firm, level.pool)
    order = np.argsort(price, kind="stable")
    master = Programme("master")
    choice: dict[tuple[int, int], Variable] = {}
    objective = []
    for slot, hours in enumerate(level.hours.tolist()):
        columns = [int(k) for k in order if fits[slot, k]][:PATTERNS_PER_SLOT]
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
    settled = Solution(solution.columns, units[level.slot_of_period], solution.spare_unit_rps)
    if horizon_kg(problem, settled) > max(cap_kg(problem), horizon_kg(problem, solution)):
        return solution, solved
    return settled, solved


def _fits(
    problem: Problem,
    solution: Solution,
    patterns: np.ndarray,
    rate: Floats,
    firm: np.ndarray,
    total: Floats,
    firm_level: Floats,
    pool_level: Floats,
) -> np.ndarray:
    """Whether each pattern reaches the levels of each slot, shape (slots, patterns)."""
    capacity, firm_capacity = patterns @ rate, patterns @ np.where(firm, rate, 0.0)
    enough_units = patterns @ firm.astype(np.int64) >= problem.policy.min_firm_instances
    fits = (capacity >= total[:, None] - 1e-6) & (firm_capacity >= firm_level[:, None] - 1e-6) & enough_units
    for name in {column.purchase.pool for column in solution.columns} - {""}:
        inside = np.array([column.purchase.pool == name for column in solution.columns], dtype=bool)
        fits &= patterns @ np.where(inside, rate, 0.0) <= pool_level[:, None] + 1e-6
    return fits
