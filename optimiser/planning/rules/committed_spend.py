"""What a plan signs stays within a budget."""

from __future__ import annotations

from decimal import Decimal

from optimiser.planning.commitment_budget import budget_of
from optimiser.planning.leaves import Solution
from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.rules.rule import Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import HOURS_PER_MONTH, PlanView
from optimiser.policy import Policy

CENT = Decimal("0.01")


def limit_committed_spend(m: Model) -> None:
    """New commitments at their amortised prices come to no more an hour than the budget.

    Σ_{c committed} usd[c] · units[c]  ≤  max_committed_monthly_usd / 730
    """
    budget = budget_of(m.problem.policy)
    if budget is None:
        return
    signed = [
        (m.running[c][0], budget.signs(column.option, column.purchase))
        for c, column in enumerate(m.columns)
        if column.purchase.how is How.COMMITMENT
    ]
    if signed:
        m.add("limit_committed_spend", signed, "<=", budget.usd_per_hour)


def verify_limit_committed_spend(view: PlanView) -> list[str]:
    """Instances committed to, at their offers' amortised prices, come to no more a month than the policy allows."""
    most = view.policy.get("max_committed_monthly_usd")
    if most is None:
        return []
    signed = Decimal(0)
    for name in view.used():
        if view.how(name) == "commitment":
            instances = max(view.units[name]) * view.option_of(name)["instances_per_unit"]
            signed += instances * Decimal(view.offer_of(name)["amortised_usd_per_hour"]) * HOURS_PER_MONTH
    if signed <= Decimal(repr(float(most))) + CENT:
        return []
    return [f"commitments come to {signed:.2f} USD a month, {most:,g} allowed"]


def budget_in_words(policy: Policy) -> str:
    """The budget."""
    most = policy.max_committed_monthly_usd
    return "" if most is None else f"commitments of at most {most:,.0f} USD a month"


def slack(run: Running) -> Floats:
    """What may still be signed, USD a month."""
    left = (run.policy.max_committed_monthly_usd or 0.0) - signed_monthly_usd(run.problem, run.solution)
    return run.planned * 0.0 + left


def signed_monthly_usd(problem: Problem, solution: Solution) -> float:
    """What a solution's new commitments come to, USD a month."""
    budget = budget_of(policy_with(max_committed_monthly_usd=0.0)(problem).policy)
    return budget.signed(solution) * HOURS_PER_MONTH if budget else 0.0


def what_it_signs(problem: Problem, solution: Solution) -> str:
    """What a solution without the budget signs."""
    return f"commitments of {signed_monthly_usd(problem, solution):,.0f} USD a month"


LIMIT_COMMITTED_SPEND = Rule(
    name="limit_committed_spend",
    rows=limit_committed_spend,
    scope="horizon",
    verify=verify_limit_committed_spend,
    limit=budget_in_words,
    slack=slack,
    unit="USD a month",
    without=policy_with(max_committed_monthly_usd=None),
    eased="max_committed_monthly_usd: null",
    wanted=what_it_signs,
    always_priced=True,
    decides_on_sites=True,
)
