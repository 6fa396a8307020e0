"""How near a plan comes to each rule's limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.plan import PlanRule
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.requirements import Levels, levels
from optimiser.policy import Policy

INSTANCES = "instances"
RPS = "req/s"


@dataclass(frozen=True)
class _Running:
    """A solution period by period: rates per column, capacity and levels per period, in req/s."""

    solution: Solution
    policy: Policy
    rate: Floats
    capacity: Floats
    planned: Floats
    level: Levels
    low: float

    def of(self, keep: Callable[[How], bool]) -> Floats:
        """Capacity per period of the columns paid in certain ways."""
        kept = np.array([keep(column.purchase.how) for column in self.solution.columns], dtype=bool)
        return np.asarray(self.solution.units @ np.where(kept, self.rate, 0.0), dtype=np.float64)

    @property
    def slot(self) -> np.ndarray:
        """Slot of each period."""
        return self.level.slot_of_period


def _carry(run: _Running) -> Floats:
    slack: Floats = run.capacity - run.planned / run.policy.utilisation_ceiling
    return slack


def _instance_loss(run: _Running) -> Floats:
    return run.capacity - run.planned - run.solution.spare_unit_rps


def _firm_floor(run: _Running) -> Floats:
    firm = [column.purchase.how is not How.SPOT for column in run.solution.columns]
    return np.asarray(
        run.solution.units[:, firm].sum(axis=1) - run.policy.min_firm_instances, dtype=np.float64
    )


def _spot_share(run: _Running) -> Floats:
    slack: Floats = run.of(lambda how: how is not How.SPOT) - run.level.firm[run.slot]
    return slack


def _pool_loss(run: _Running) -> Floats:
    slack: Floats = run.level.pool[run.slot]
    for pool in {column.purchase.pool for column in run.solution.columns} - {""}:
        inside = np.array([column.purchase.pool == pool for column in run.solution.columns], dtype=bool)
        held = run.solution.units @ np.where(inside, run.rate, 0.0)
        slack = np.minimum(slack, run.level.pool[run.slot] - held)
    return slack


def _commitments(run: _Running) -> Floats:
    committed = run.of(lambda how: how is How.COMMITMENT)
    return run.low + float(run.rate.min()) - committed


_SLACKS: dict[str, tuple[Callable[[_Running], Floats], str, Callable[[Policy], bool]]] = {
    "carry_demand": (_carry, RPS, lambda _: True),
    "survive_instance_loss": (_instance_loss, RPS, lambda policy: policy.survive_instance_loss),
    "keep_firm_floor": (_firm_floor, INSTANCES, lambda policy: policy.min_firm_instances > 0),
    "limit_spot_share": (_spot_share, RPS, lambda policy: 0 < policy.max_spot_share < 1),
    "survive_spot_pool_loss": (_pool_loss, RPS, lambda policy: policy.survive_spot_pool_loss),
    "limit_commitments": (_commitments, RPS, lambda policy: policy.commitment_hours_share < 1),
}


def limit_text(name: str, policy: Policy) -> str:
    """A rule's limit under a policy, in words; "" where the policy switches it off."""
    sites, types = policy.max_sites, policy.max_instance_types
    texts = {
        "carry_demand": f"load within {policy.utilisation_ceiling * 100:g} % of the rate that meets the target",
        "survive_instance_loss": "one unit's capacity spare in every hour" * policy.survive_instance_loss,
        "keep_firm_floor": f"at least {policy.min_firm_instances} instances that are not spot",
        "limit_spot_share": f"spot within {policy.max_spot_share * 100:g} % of required capacity",
        "survive_spot_pool_loss": "no spot pool above what is kept spare" * policy.survive_spot_pool_loss,
        "limit_commitments": f"committed: what the lowest {policy.commitment_hours_share * 100:g} % of hours fill",
        "hold_scarce": "scarce machines on demand run all week" * (not policy.assume_obtainable),
        "respect_offer_limits": "no offer taken more often than it is made",
        "limit_sites": f"at most {sites} site{'s' if sites != 1 else ''}" if sites else "",
        "limit_instance_types": f"at most {types} instance type{'s' if types != 1 else ''}" if types else "",
    }
    return texts[name]


def rule_row(name: str, problem: Problem, solution: Solution) -> PlanRule:
    """A rule with its limit and its smallest slack over the periods with demand; without cost.

    It binds where one unit fewer, the smallest in use, would break it.
    """
    rate = np.array([column.option.rate_rps for column in solution.columns], dtype=np.float64)
    run = _Running(
        solution=solution,
        policy=problem.policy,
        rate=rate,
        capacity=np.asarray(solution.units @ rate, dtype=np.float64),
        planned=problem.planned_rps,
        level=levels(problem, solution.spare_unit_rps),
        low=levels(problem, float(rate.min())).committed,
    )
    slack, unit = None, ""
    if name in _SLACKS and _SLACKS[name][2](problem.policy):
        measure, unit, _ = _SLACKS[name]
        busy = problem.planned_rps > 0
        slack = float(measure(run)[busy].min())
    one = 1.0 if unit == INSTANCES else float(rate.min())
    return PlanRule(
        name=name,
        limit=limit_text(name, problem.policy),
        slack=slack,
        unit=unit,
        binding=slack is not None and slack < one - 1e-9,
        cost_monthly_usd=None,
    )
