"""Capacity carries the demand of every period below the utilisation ceiling."""

from __future__ import annotations

from optimiser.planning.model import Model
from optimiser.planning.problem import Floats
from optimiser.planning.rules.rule import RPS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.policy import Policy


def carry_demand(m: Model) -> None:
    """Running capacity times the ceiling carries the planned demand.

    utilisation_ceiling · Σ_c rate[c] · running[c, p]  ≥  planned[p]      ∀ period p
    """
    for p in m.periods:
        needed = float(m.problem.planned_rps[p]) / m.problem.policy.utilisation_ceiling
        m.add(f"carry_demand_{p}", m.capacity(p), ">=", needed)


def verify_carry_demand(view: PlanView) -> list[str]:
    """Planned demand stays within the ceiling of what runs."""
    ceiling = float(view.policy["utilisation_ceiling"])
    short = [
        (view.planned[p] - ceiling * view.capacity(p), p)
        for p in view.periods()
        if view.planned[p] > ceiling * view.capacity(p) + TOLERANCE
    ]
    return worst(
        [
            (gap, f"{view.when(p)}: {gap:.4g} req/s of {view.planned[p]:.4g} above the ceiling")
            for gap, p in short
        ]
    )


def limit_in_words(policy: Policy) -> str:
    """The ceiling."""
    return f"load within {policy.utilisation_ceiling * 100:g} % of the rate that meets the target"


def slack(run: Running) -> Floats:
    """Capacity above what the ceiling asks, req/s."""
    above: Floats = run.capacity - run.planned / run.policy.utilisation_ceiling
    return above


CARRY_DEMAND = Rule(
    name="carry_demand",
    rows=carry_demand,
    scope="period",
    verify=verify_carry_demand,
    limit=limit_in_words,
    slack=slack,
    unit=RPS,
    without=policy_with(utilisation_ceiling=1.0),
    eased="utilisation_ceiling: 1",
)
