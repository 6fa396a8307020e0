"""What each period asks of the fleet, in requests per second of capacity.

A plan is sized for the loss of k units of t req/s, at least the largest it uses; so the levels are a function of
t, and the plan names it. It carries, in a period with planned demand d > 0,

    total  T = max(d / utilisation_ceiling, d + k · t)     (k = survive_instance_losses)
    firm   F = (1 − max_spot_share) · T
    pool   P = T − d                                   (the most one spot pool may hold)

and commitments stay below T of the hour at commitment_hours_share (lowest demand first), taken for the smallest
unit in use, plus that unit: each committed unit is needed in all but that share of the hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats, Problem
from optimiser.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Capacity levels per distinct demand, in req/s; hours is how long each lasts in the horizon.

    largest_rps is the unit they keep spare.
    """

    largest_rps: float
    demand: Floats
    hours: Floats
    total: Floats
    firm: Floats
    pool: Floats
    committed: float
    slot_of_period: np.ndarray

    @property
    def horizon_hours(self) -> float:
        """Hours in the horizon."""
        return float(self.hours.sum())


def low_quantile(values: Floats, hours: Floats, share: float) -> float:
    """The smallest value below or at which at least `share` of the hours lie; share 0 gives the minimum."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(hours[order]) >= share * hours.sum() - 1e-9
    return float(values[order][int(np.argmax(reached))])


def total_capacity(demand: Floats, largest_rps: float, policy: Policy) -> Floats:
    """T of the module's formula, shape as demand: 0 where nothing is asked."""
    spare = policy.survive_instance_losses * largest_rps
    total = np.maximum(demand / policy.utilisation_ceiling, demand + spare)
    return np.where(demand > 0, total, 0.0)


def levels(problem: Problem, largest_rps: float) -> Levels:
    """The capacity levels of every distinct demand, ascending, for a fleet whose largest unit is largest_rps."""
    policy = problem.policy
    demand, slot_of_period = np.unique(problem.planned_rps, return_inverse=True)
    hours = np.bincount(slot_of_period, weights=problem.hours, minlength=len(demand)).astype(np.float64)
    total = total_capacity(demand, largest_rps, policy)
    pool = total - demand if policy.survive_spot_pool_loss else np.full_like(total, np.inf)
    return Levels(
        largest_rps=largest_rps,
        demand=demand,
        hours=hours,
        total=total,
        firm=(1 - policy.max_spot_share) * total,
        pool=pool,
        committed=low_quantile(total, hours, policy.commitment_hours_share),
        slot_of_period=slot_of_period,
    )
