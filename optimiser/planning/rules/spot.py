"""Spot carries no more than its share, and no one pool more than the fleet can lose."""

from __future__ import annotations

import numpy as np

from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, How
from optimiser.planning.rules.rule import RPS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.policy import Policy

FIRM = ("commitment", "held_on_demand", "on_demand", "owned", "shared")


def limit_spot_share(m: Model) -> None:
    """Firm capacity carries all but the permitted spot share of the capacity required.

    Σ_{c firm} rate[c] · running[c, p]  ≥  (1 − max_spot_share) · T[p]      ∀ p, T as in `requirements`
    """
    share = m.problem.policy.max_spot_share
    for p in m.periods:
        firm = m.capacity(p, lambda column: column.purchase.how is not How.SPOT)
        m.add(f"limit_spot_share_{p}", firm + m.required(p, share - 1), ">=", 0)


def verify_limit_spot_share(view: PlanView) -> list[str]:
    """Firm capacity reaches its share of what the period requires."""
    share = float(view.policy["max_spot_share"])
    faults = []
    for p in view.periods():
        short = (1 - share) * view.required(p) - view.capacity(p, *FIRM)
        if short > TOLERANCE:
            faults.append(
                (short, f"{view.when(p)}: firm capacity {short:.4g} req/s short of {1 - share:.0%}")
            )
    return worst(faults)


def survive_spot_pool_loss(m: Model) -> None:
    """No spot pool (type × zone) holds more than the rules keep spare, whatever else runs.

    Σ_{c in pool} rate[c] · running[c, p]  ≤  T[p] − planned[p]      ∀ pool, p
    """
    if not m.problem.policy.survive_spot_pool_loss:
        return
    for number, pool in enumerate(sorted({column.purchase.pool for column in m.columns} - {""})):
        for p in m.periods:
            inside = m.capacity(p, lambda column, pool=pool: column.purchase.pool == pool)  # type: ignore[misc]
            planned = float(m.problem.planned_rps[p])
            spare = m.required(p, -1)
            m.add(f"survive_spot_pool_loss_{number}_{p}", inside + spare, "<=", -planned)


def verify_survive_spot_pool_loss(view: PlanView) -> list[str]:
    """No spot pool holds more than the rules keep spare above the planned demand."""
    if not view.policy["survive_spot_pool_loss"]:
        return []
    faults = []
    for p in view.periods():
        for pool, inside in view.spot_by_pool(p).items():
            beyond = inside - (view.required(p) - view.planned[p])
            if beyond > TOLERANCE:
                faults.append(
                    (
                        beyond,
                        f"{view.when(p)}: pool {pool} holds {beyond:.4g} req/s more than the rules keep spare",
                    )
                )
    return worst(faults)


def share_in_words(policy: Policy) -> str:
    """The share, as what is left for all else."""
    share = policy.max_spot_share
    return f"what is not spot carries {100 - share * 100:g} % of required capacity" if share < 1 else ""


def share_slack(run: Running) -> Floats:
    """Firm capacity above its share, req/s."""
    least = (1 - run.policy.max_spot_share) * run.per_period(run.level.total)
    above: Floats = run.paid(lambda how: how is not How.SPOT) - least
    return above


def pool_in_words(policy: Policy) -> str:
    """What a pool may hold."""
    return "no spot pool above what the rules keep spare" if policy.survive_spot_pool_loss else ""


def pool_slack(run: Running) -> Floats:
    """Room in the fullest pool, req/s."""
    room = run.per_period(run.level.total) - run.planned
    least: Floats = np.min([room, *(room - held for held in run.in_pools())], axis=0)
    return least


LIMIT_SPOT_SHARE = Rule(
    name="limit_spot_share",
    rows=limit_spot_share,
    scope="period",
    verify=verify_limit_spot_share,
    limit=share_in_words,
    slack=share_slack,
    unit=RPS,
    without=policy_with(max_spot_share=1.0),
    eased="max_spot_share: 1",
)

SURVIVE_SPOT_POOL_LOSS = Rule(
    name="survive_spot_pool_loss",
    rows=survive_spot_pool_loss,
    scope="period",
    verify=verify_survive_spot_pool_loss,
    limit=pool_in_words,
    slack=pool_slack,
    unit=RPS,
    without=policy_with(survive_spot_pool_loss=False),
    eased="survive_spot_pool_loss: false",
)
