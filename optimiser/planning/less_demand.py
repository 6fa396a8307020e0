"""What would still be used of each commitment if demand fell: a commitment is paid whether it is used or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimiser.planning.leaves import Solution, loads_by_size
from optimiser.planning.parts import by_part
from optimiser.planning.problem import SIGNED, Floats, Problem
from optimiser.planning.requirements import total_capacity

DEMAND_LEFT = 0.7


def used_shares(
    problem: Problem, solution: Solution, demand_left: float = DEMAND_LEFT
) -> Mapping[str, float]:
    """The share of its unit-hours in use at so much of the planned demand, by id of each purchase that is signed.

    Signed capacity runs first, since it costs nothing more: what is owned, then the lowest USD per req/s.
    Of u units of r req/s beside c req/s (n units) of those before it, an hour that needs T req/s and f firm units
    uses min(u, max(⌈(T − c) / r⌉, f − n)).
    """
    if solution.shares is not None:
        return _used_by_size(problem, solution, solution.shares, demand_left)
    if solution.parts:
        parts = by_part(problem, solution)
        return {name: used for part in parts for name, used in used_shares(*part, demand_left).items()}
    policy = problem.policy
    needed = total_capacity(problem.planned_rps * demand_left, solution.spare_unit_rps, problem)
    capacity, units_before, shares = 0.0, 0, {}
    signed = [c for c, one in enumerate(solution.columns) if one.purchase.how in SIGNED]

    def usd_per_rps(c: int) -> tuple[float, str]:
        one = solution.columns[c]
        return one.purchase.billed / one.option.rate_rps, one.purchase.id

    for c in sorted(signed, key=usd_per_rps):
        units, rate = int(solution.units[0, c]), solution.columns[c].option.rate_rps
        wanted = np.ceil((needed - capacity) / rate - 1e-9)
        used = np.clip(np.maximum(wanted, policy.min_firm_instances - units_before), 0, units)
        shares[solution.columns[c].purchase.id] = float(
            problem.hours @ used / (max(units, 1) * problem.hours.sum())
        )
        capacity, units_before = capacity + units * rate, units_before + units
    return shares


def _used_by_size(
    problem: Problem, solution: Solution, shares: Mapping[str, Floats], demand_left: float
) -> Mapping[str, float]:
    """The same where sizes are routed: of each option's own units, at what it carries then."""
    policy, used = problem.policy, {}
    loads = loads_by_size(problem, shares)
    none = np.zeros(len(problem.hours))
    before: dict[str, int] = {}
    signed = [c for c, one in enumerate(solution.columns) if one.purchase.how in SIGNED]
    for c in sorted(
        signed, key=lambda c: (solution.columns[c].purchase.billed, solution.columns[c].purchase.id)
    ):
        one, units = solution.columns[c], int(solution.units[0, c])
        name = one.option.id
        load = demand_left * problem.planned_rps * loads[name].sum(axis=1) if name in loads else none
        spare = policy.survive_instance_losses * (load > 0)
        wanted = np.ceil(np.maximum(load / policy.utilisation_ceiling, load + spare) - 1e-9)
        busy = np.clip(wanted - before.get(name, 0), 0, units)
        used[one.purchase.id] = float(problem.hours @ busy / (max(units, 1) * problem.hours.sum()))
        before[name] = before.get(name, 0) + units
    return used
