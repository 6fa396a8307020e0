"""What would still be used of each commitment if demand fell: a commitment is paid whether it is used or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.problem import SIGNED, Problem
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
    policy = problem.policy
    needed = total_capacity(problem.planned_rps * demand_left, solution.spare_unit_rps, policy)
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
