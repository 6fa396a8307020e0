"""What is spread, so that no one place takes too much with it: spot over pools, all spot, the fleet over zones."""

from __future__ import annotations

import numpy as np

from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, How
from optimiser.planning.requirements import over_zones
from optimiser.planning.rules.rule import RPS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.policy import Policy


def spread_spot(m: Model) -> None:
    """No spot pool holds more than one part in min_spot_pools of the capacity that spot may carry.

    Σ_{c in pool} rate[c] · running[c, p]  ≤  max_spot_share / min_spot_pools · T[p]      ∀ pool, p

    Where spot carries its whole share it lies in at least so many pools, and where it carries less, no pool's loss
    takes more than that part. (Parts of the spot that happens to run would forbid three equal units in two pools.)
    """
    policy = m.problem.policy
    if policy.min_spot_pools == 1:
        return
    part = policy.max_spot_share / policy.min_spot_pools
    for number, pool in enumerate(sorted({column.purchase.pool for column in m.columns} - {""})):
        for p in m.periods:
            inside = m.capacity(p, lambda column, pool=pool: column.purchase.pool == pool)  # type: ignore[misc]
            m.add(f"spread_spot_{number}_{p}", inside + m.required(p, -part), "<=", 0)


def verify_spread_spot(view: PlanView) -> list[str]:
    """No spot pool holds more than its part of what spot may carry."""
    pools = int(view.policy["min_spot_pools"])
    if pools == 1:
        return []
    part, faults = float(view.policy["max_spot_share"]) / pools, []
    for p in view.periods():
        for pool, inside in view.spot_by_pool(p).items():
            beyond = inside - part * view.required(p)
            if beyond > TOLERANCE:
                faults.append(
                    (beyond, f"{view.when(p)}: pool {pool} holds {beyond:.4g} req/s more than its part")
                )
    return worst(faults)


def survive_spot_region_loss(m: Model) -> None:
    """What is not spot carries the demand by itself.

    Σ_{c firm} rate[c] · running[c, p]  ≥  planned[p]      ∀ p

    In a plan of one site that is its region's spot; in one of several it also covers two that fail together.
    """
    if not m.problem.policy.survive_spot_region_loss:
        return
    for p in m.periods:
        firm = m.capacity(p, lambda column: column.purchase.how is not How.SPOT)
        m.add(f"survive_spot_region_loss_{p}", firm, ">=", float(m.problem.planned_rps[p]))


def verify_survive_spot_region_loss(view: PlanView) -> list[str]:
    """Demand is carried without any spot."""
    if not view.policy["survive_spot_region_loss"]:
        return []
    faults = []
    for p in view.periods():
        short = view.planned[p] - (view.capacity(p) - view.capacity(p, "spot"))
        if short > TOLERANCE:
            faults.append((short, f"{view.when(p)}: {short:.4g} req/s lost with all spot"))
    return worst(faults)


def survive_zone_loss(m: Model) -> None:
    """Spread evenly over z = survive_zone_loss_of zones, what is not spot outlives any: F as in `requirements`.

    Σ_{c firm} rate[c] · running[c, p]  ≥  planned[p] · z / (z − 1) + Σ_i rate[i] · largest[i]   ∀ p: planned[p] > 0
    """
    zones = m.problem.policy.survive_zone_loss_of
    if zones is None:
        return
    largest = [(pick, -option.rate_rps) for pick, option in zip(m.largest, m.problem.options, strict=True)]
    for p in m.periods:
        planned = float(m.problem.planned_rps[p])
        if planned > 0:
            least = planned * zones / (zones - 1)
            firm = m.capacity(p, lambda column: column.purchase.how is not How.SPOT)
            m.add(f"survive_zone_loss_{p}", firm + largest, ">=", least)


def verify_survive_zone_loss(view: PlanView) -> list[str]:
    """Dealing each period's units that are not spot out, largest first, to the zone with least leaves demand carried
    without any zone and without any spot.
    """
    zones = view.policy["survive_zone_loss_of"]
    if zones is None:
        return []
    faults = []
    for p in view.periods():
        loads = [0.0] * int(zones)
        for rate in sorted(view.firm_rates(p), reverse=True):
            loads[loads.index(min(loads))] += rate
        short = view.planned[p] - (sum(loads) - max(loads))
        if short > TOLERANCE:
            faults.append((short, f"{view.when(p)}: {short:.4g} req/s lost with a zone of {zones}"))
    return worst(faults)


def spread_in_words(policy: Policy) -> str:
    """The part of spot's share that a pool may hold."""
    pools = policy.min_spot_pools
    return f"no spot pool above 1/{pools} of what spot may carry" if pools > 1 else ""


def spread_slack(run: Running) -> Floats:
    """What the fullest pool is below its part, req/s."""
    part = run.policy.max_spot_share / run.policy.min_spot_pools * run.per_period(run.level.total)
    least: Floats = np.min([part, *(part - held for held in run.in_pools())], axis=0)
    return least


def region_in_words(policy: Policy) -> str:
    """What outlives the loss of all spot."""
    return "demand outlives the loss of all spot" if policy.survive_spot_region_loss else ""


def region_slack(run: Running) -> Floats:
    """Firm capacity above demand, req/s."""
    above: Floats = run.paid(lambda how: how is not How.SPOT) - run.planned
    return above


def zone_in_words(policy: Policy) -> str:
    """What is spread over zones."""
    zones = policy.survive_zone_loss_of
    return f"spread over {zones} zones, demand outlives any one and all spot" if zones else ""


def zone_slack(run: Running) -> Floats:
    """Firm capacity above what the loss of a zone asks, req/s."""
    least = over_zones(run.planned, run.solution.spare_unit_rps, run.policy)
    above: Floats = run.paid(lambda how: how is not How.SPOT) - least
    return above


SPREAD_SPOT = Rule(
    name="spread_spot",
    rows=spread_spot,
    scope="period",
    verify=verify_spread_spot,
    limit=spread_in_words,
    slack=spread_slack,
    unit=RPS,
    without=policy_with(min_spot_pools=1),
    eased="min_spot_pools: 1",
)

SURVIVE_SPOT_REGION_LOSS = Rule(
    name="survive_spot_region_loss",
    rows=survive_spot_region_loss,
    scope="period",
    verify=verify_survive_spot_region_loss,
    limit=region_in_words,
    slack=region_slack,
    unit=RPS,
    without=policy_with(survive_spot_region_loss=False),
    eased="survive_spot_region_loss: false",
)

SURVIVE_ZONE_LOSS = Rule(
    name="survive_zone_loss",
    rows=survive_zone_loss,
    scope="period",
    verify=verify_survive_zone_loss,
    limit=zone_in_words,
    slack=zone_slack,
    unit=RPS,
    without=policy_with(survive_zone_loss_of=None),
    eased="survive_zone_loss_of: null",
    always_priced=True,
)
