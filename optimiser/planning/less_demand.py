"""What would still be used of each commitment if demand fell: a commitment is paid whether it is used or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.problem import How, Problem
from optimiser.planning.requirements import total_capacity

DEMAND_LEFT = 0.7


def used_shares(
    problem: Problem, solution: Solution, demand_left: float = DEMAND_LEFT
) -> Mapping[str, float]:
    """The share of its unit-hours in use at so much of the planned demand, by id of each committed purchase.

    Signed capacity runs first, since it costs nothing more, of several kinds the one of the lowest USD per req/s.
    Of u units of r req/s beside c req/s (n units) of those before it, an hour that needs T req/s and f firm units
    uses min(u, max(⌈(T − c) / r⌉, f − n)).
    """
    policy = problem.policy
    needed = total_capacity(problem.planned_rps * demand_left, solution.spare_unit_rps, policy)
    capacity, units_before, shares = 0.0, 0, {}
    signed = [c for c, one in enumerate(solution.columns) if one.purchase.how is How.COMMITMENT]

    def usd_per_rps(c: int) -> tuple[float, str]:
        one = solution.columns[c]
        return one.purchase.billed / one.option.rate_rps, one.purchase.id

    for c in sorted(signed, key=usd_per_rps):
        units, rate = int(solution.units[0, c]), solution.columns[c].option.rate_rps
        wanted = np.ceil((needed - capacity) / rate - 1e-9)
        used = np.clip(np.maximum(wanted, policy.min_firm_instances - units_before), 0, units)
        shares[solution.columns[c].purchase.id] = float(problem.hours @ used / (units * problem.hours.sum()))
        capacity, units_before = capacity + units * rate, units_before + units
    return shares
