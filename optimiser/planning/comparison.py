"""What the plan is compared with: baselines, other clouds, other sites, and the same without a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from optimiser.planning.assemble import cents, exact, fleet_lines
from optimiser.planning.baselines import BASELINES, BY_THE_HOUR, changed, relax, solve_baseline, within
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import HOURS_PER_MONTH, PlanAlternative, PlanRule
from optimiser.planning.problem import Problem
from optimiser.planning.rules import RULES
from optimiser.planning.search import Found, Outcome, search
from optimiser.planning.slack import rule_row

ALWAYS_PRICED_RULES = ("survive_instance_loss",)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Other plans under the same estimates: baselines by name, the free choice of sites, rules switched off.

    outcome is the search that found the plan itself; costs in USD over the horizon.
    """

    problem: Problem
    outcome: Outcome
    own_usd: float
    baselines: Mapping[str, Found | None]
    mixed_sites: Found | None
    without_rule_usd: Mapping[str, float]


def compare(problem: Problem, outcome: Outcome, gap: float, *, explain: bool) -> Comparison:
    """Solve what the plan is compared with; explain prices every rule, else only the one that is always shown.

    Rules are switched off within the chosen sites, so their cost is what they cost there.
    """
    best = outcome.best
    if best is None:
        raise ValueError("there is no plan to compare with")
    mixed = relax(problem, {"max_sites": None}, gap).best if problem.policy.max_sites is not None else None
    here = within(problem, lambda option: option.site in best.site)
    without: dict[str, Found | None] = {"limit_sites": mixed} if explain else {}
    for name in RULES if explain else ALWAYS_PRICED_RULES:
        if RULES[name].relaxed and name != "limit_sites":
            without[name] = _without(name, here, gap)
    return Comparison(
        problem=problem,
        outcome=outcome,
        own_usd=best.usd,
        baselines={name: solve_baseline(problem, name, gap) for name in BASELINES},
        mixed_sites=mixed,
        without_rule_usd={name: min(found.usd, best.usd) for name, found in without.items() if found},
    )


def _without(name: str, problem: Problem, gap: float) -> Found | None:
    """The best plan with a rule switched off; one more instance type stands for no limit on them."""
    if name == "hold_scarce":
        return search(changed(problem, BY_THE_HOUR), gap, alternatives=1).best
    change = RULES[name].relaxed
    if name == "limit_instance_types" and problem.policy.max_instance_types is not None:
        change = {"max_instance_types": problem.policy.max_instance_types + 1}
    return relax(problem, change, gap).best


def monthly_usd(problem: Problem, usd: float) -> Decimal:
    """USD over the horizon as USD a month of 730 h."""
    return cents(exact(usd) * HOURS_PER_MONTH / exact(float(problem.hours.sum())))


def _alternative(compared: Comparison, name: str, description: str, found: Found | None) -> PlanAlternative:
    if found is None:
        return PlanAlternative(
            name=name, description=description, monthly_usd=None, extra_monthly_usd=None, fleet=()
        )
    monthly = monthly_usd(compared.problem, found.usd)
    own = monthly_usd(compared.problem, compared.own_usd)
    return PlanAlternative(
        name=name,
        description=description,
        monthly_usd=monthly,
        extra_monthly_usd=monthly - own,
        fleet=fleet_lines(found.solution),
    )


def baselines_of(compared: Comparison) -> tuple[PlanAlternative, ...]:
    """The baselines as the plan carries them."""
    return tuple(
        _alternative(compared, name, variant.description, compared.baselines[name])
        for name, variant in BASELINES.items()
    )


def best_by_provider(compared: Comparison, providers: Iterable[str]) -> tuple[PlanAlternative, ...]:
    """The best plan within each provider; without cost where nothing of it carries the workload."""
    return tuple(
        _alternative(compared, name, f"best plan within {name}", compared.outcome.best_of(name))
        for name in sorted(providers)
    )


def alternatives_of(compared: Comparison) -> tuple[PlanAlternative, ...]:
    """The next best plan, and what a free choice of sites would bring where the policy limits it."""
    following = _next_best(compared.outcome)
    text = "the next best plan with other machines or elsewhere"
    found = [_alternative(compared, "next_best", text, following)]
    if compared.problem.policy.max_sites is not None:
        mixed = compared.mixed_sites
        cheaper = mixed if mixed and mixed.usd < compared.own_usd else None
        found.append(
            _alternative(compared, "mixed_sites", "the same rules with any number of sites", cheaper)
        )
    return tuple(found)


def _next_best(outcome: Outcome) -> Found | None:
    first = outcome.plans[0]
    return next((plan for plan in outcome.plans[1:] if plan.machines != first.machines), None)


def rules_of(compared: Comparison, solution: Solution) -> tuple[PlanRule, ...]:
    """Every rule with its slack, and its cost where it was switched off to see; a rule that costs nothing is not
    said to bind."""
    rows = []
    for name in RULES:
        row = rule_row(name, compared.problem, solution)
        without = compared.without_rule_usd.get(name)
        if without is not None:
            cost = monthly_usd(compared.problem, compared.own_usd - without)
            row = replace(row, cost_monthly_usd=cost, binding=cost > 0)
        rows.append(row)
    return tuple(rows)
