"""What each period asks of the fleet, in requests per second of capacity.

A plan is sized for the loss of k units of t req/s, at least the largest it uses; so the levels are a function of
t, and the plan names it. It carries, in a period with planned demand d > 0,

    total  T = max(d / utilisation_ceiling, d + k · t, d · z / (z − 1) + t, d · f)
    firm   F = max((1 − max_spot_share) · T, d, d · z / (z − 1) + t, d · f)
    pool   P = min(T − d, max_spot_share · T / m)      (the most one spot pool may hold)

with k = survive_instance_losses, m = min_spot_pools and z = survive_zone_loss_of: firm units put one by one where least
runs leave at most F / z + (1 − 1 / z) · t in a zone (Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl.
Math. 17, 1969), so that F ≥ d · z / (z − 1) + t outlives any, all spot lost with it. The terms of z stand only with z,
d in F only with survive_spot_region_loss, T − d in P only with survive_spot_pool_loss, and d · f only in the part of a
plan over several regions that outlives the loss of another, all spot lost with it (f > 1, parts.py).

Commitments stay below max(commitment_headroom · d, d + commitment_spare · s) + s, with d the committable demand of the
hour at commitment_hours_share (lowest first) and s the smallest unit in use. Not below T of that hour: what asks for
more spare would let more be committed, and a stricter rule could cost less, as by P it can (spare_for_spot.py). Where
there are scenarios, T, F and P are those of each period of each, and an hour of one counts as much as it is probable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from optimiser.planning.problem import Floats, Problem
from optimiser.policy import Policy

# The slot of periods in which nothing by the hour runs: the last of a list that has one more than there are levels.
IDLE = -1


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Capacity levels per distinct demand, in req/s; hours is how long each lasts in the horizon, in expectation.

    largest_rps is the unit they keep spare, pool_rules the rules that the limit of a pool is of. idle_hours are those
    without demand in which nothing by the hour need run: they have no level, and slot_of_period is IDLE there.
    """

    largest_rps: float
    demand: Floats
    hours: Floats
    total: Floats
    firm: Floats
    pool: Floats
    slot_of_period: np.ndarray
    pool_rules: tuple[str, ...] = ()
    idle_hours: float = 0.0

    @property
    def horizon_hours(self) -> float:
        """Hours in the horizon."""
        return float(self.hours.sum()) + self.idle_hours

    def standing_idle(self) -> Levels:
        """The same where nothing by the hour need run without demand."""
        idle = int(np.count_nonzero(self.demand <= 0))
        if not 0 < idle < len(self.demand):
            return self
        return replace(
            self,
            demand=self.demand[idle:],
            hours=self.hours[idle:],
            total=self.total[idle:],
            firm=self.firm[idle:],
            pool=self.pool[idle:],
            slot_of_period=np.maximum(self.slot_of_period - idle, IDLE),
            idle_hours=float(self.hours[:idle].sum()),
        )


def low_quantile(values: Floats, hours: Floats, share: float) -> float:
    """The smallest value below or at which at least `share` of the hours lie; share 0 gives the minimum."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(hours[order]) >= share * hours.sum() - 1e-9
    return float(values[order][int(np.argmax(reached))])


def total_capacity(demand: Floats, largest_rps: float, problem: Problem) -> Floats:
    """T of the module's formula, shape as demand: 0 where nothing is asked."""
    policy = problem.policy
    spare = policy.survive_instance_losses * largest_rps
    total = np.maximum(demand / policy.utilisation_ceiling, demand + spare)
    total = np.maximum(total, _over_regions(demand, problem))
    return np.where(demand > 0, np.maximum(total, over_zones(demand, largest_rps, policy)), 0.0)


def over_zones(demand: Floats, largest_rps: float, policy: Policy) -> Floats:
    """What must run without spot for the loss of a zone: d · z / (z − 1) + t; 0 where nothing is asked."""
    zones = policy.survive_zone_loss_of
    if zones is None:
        return np.zeros_like(demand)
    return np.where(demand > 0, demand * zones / (zones - 1) + largest_rps, 0.0)


def _over_regions(demand: Floats, problem: Problem) -> Floats:
    """What must run without spot for the loss of another region: d · f."""
    return demand * (problem.on_region_loss if problem.on_region_loss > 1 else 0.0)


def committed_below(problem: Problem, smallest_rps: float) -> float:
    """What commitments stay below by the module's formula, req/s; inf where the policy sets no limit."""
    policy = problem.policy
    if policy.commitment_hours_share >= 1:
        return math.inf
    low = low_quantile(problem.committable_rps, problem.hours, policy.commitment_hours_share)
    spare = policy.commitment_spare * smallest_rps if low > 0 else 0.0
    return max(policy.commitment_headroom * low, low + spare) + smallest_rps


def levels(problem: Problem, largest_rps: float) -> Levels:
    """The capacity levels of every distinct demand, ascending, for a fleet whose largest unit is largest_rps."""
    policy = problem.policy
    demand, hours, slot_of_period = problem.distinct
    total = total_capacity(demand, largest_rps, problem)
    firm = np.maximum((1 - policy.max_spot_share) * total, over_zones(demand, largest_rps, policy))
    firm = np.maximum(firm, _over_regions(demand, problem))
    if policy.survive_spot_region_loss:
        firm = np.maximum(firm, demand)
    pool, pool_rules = np.full_like(total, np.inf), tuple[str, ...]()
    if policy.survive_spot_pool_loss:
        pool, pool_rules = total - demand, ("survive_spot_pool_loss",)
    if policy.min_spot_pools > 1:
        pool = np.minimum(pool, policy.max_spot_share * total / policy.min_spot_pools)
        pool_rules += ("spread_spot",)
    return Levels(
        largest_rps=largest_rps,
        demand=demand,
        hours=hours,
        total=total,
        firm=firm,
        pool=pool,
        slot_of_period=slot_of_period,
        pool_rules=pool_rules,
    )
