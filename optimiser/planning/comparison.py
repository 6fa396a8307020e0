"""What the plan is compared with: baselines, other clouds, other sites, and the same without a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite

from optimiser.planning.assemble import fleet_lines
from optimiser.planning.baselines import (
    ALL_VARIANTS,
    BASELINES,
    BLENDED,
    HEADLINE_BASELINE,
    solve_baseline,
    within,
)
from optimiser.planning.by_size import SizedFound, SizedOutcome
from optimiser.planning.leaves import Solution
from optimiser.planning.offer_money import cents, exact
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.parts import by_part
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_parts import PlanAlternative, PlanRule, PlanSensitivity
from optimiser.planning.problem import Problem
from optimiser.planning.rules import IN_EACH_SITE, TERMS
from optimiser.planning.rules.rule import RPS, Term
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.weighed import WEIGH_COMMITMENTS
from optimiser.planning.search import search
from optimiser.planning.sensitivity import sensitivity_of
from optimiser.planning.totals import all_in_monthly_usd


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Other plans under the same estimates: baselines by name, the free choice of sites, rules switched off; and plans
    where a price or an estimate is off.

    outcome is the search that found the plan itself.
    """

    problem: Problem
    outcome: Outcome | SizedOutcome
    baselines: Mapping[str, Found | None]
    mixed_sites: Found | None
    without_rule: Mapping[str, Found]
    sensitivity: tuple[PlanSensitivity, ...] = ()

    @property
    def own_monthly_usd(self) -> Decimal:
        """The plan itself, all in."""
        if self.outcome.best is None:
            raise ValueError("there is no plan to compare with")
        return all_in_monthly_usd(self.problem, self.outcome.best.solution)


def compare(problem: Problem, outcome: Outcome | SizedOutcome, gap: float, *, explain: bool) -> Comparison:
    """Solve what the plan is compared with; explain prices every rule, else only those that are always shown.

    Rules are switched off within the chosen sites, so their cost is what they cost there, but for those that decide on
    the sites. One that is off already is not solved for. A plan that routes by size is compared with baselines that
    spread every size alike, and its rules are not switched off.
    """
    best = outcome.best
    if best is None:
        raise ValueError("there is no plan to compare with")
    names = [*BASELINES, *([BLENDED.name] if isinstance(outcome, SizedOutcome) else [])]
    baselines = {name: solve_baseline(problem, name, gap) for name in names}
    if isinstance(outcome, SizedOutcome):
        return Comparison(
            problem=problem, outcome=outcome, baselines=baselines, mixed_sites=None, without_rule={}
        )
    mixed = None if problem.policy.max_sites is None else _without("limit_sites", problem, gap)
    here = within(problem, lambda option: option.site in best.site)
    without: dict[str, Found | None] = {"limit_sites": mixed}
    for name, term in TERMS.items():
        if name not in without and (explain or term.always_priced) and term.limit(problem.policy):
            without[name] = _without(name, problem if term.decides_on_sites else here, gap)
    if WEIGH_COMMITMENTS.name in without and not problem.policy.carbon_usd_per_tonne:
        found = [without[WEIGH_COMMITMENTS.name], *outcome.plans]
        without[WEIGH_COMMITMENTS.name] = _least_billed(problem, found)
    return Comparison(
        problem=problem,
        outcome=outcome,
        baselines=baselines,
        mixed_sites=mixed,
        without_rule={name: found for name, found in without.items() if found},
        sensitivity=sensitivity_of(problem, best.solution, gap) if explain else (),
    )


def nothing_compared(problem: Problem, outcome: Outcome | SizedOutcome) -> Comparison:
    """A plan by itself, which other plans are held against elsewhere."""
    return Comparison(problem=problem, outcome=outcome, baselines={}, mixed_sites=None, without_rule={})


def compared_in_short(problem: Problem, outcome: Outcome | SizedOutcome, gap: float) -> Comparison:
    """A plan beside the one baseline that its headline names."""
    baselines = {HEADLINE_BASELINE: solve_baseline(problem, HEADLINE_BASELINE, gap)}
    return replace(nothing_compared(problem, outcome), baselines=baselines)


def _without(name: str, problem: Problem, gap: float) -> Found | None:
    """The best plan with a rule off, or eased as it says; None where nothing does that."""
    easier = TERMS[name].without
    return search(easier(problem), gap, alternatives=0).best if easier else None


def _least_billed(problem: Problem, plans: Iterable[Found | None]) -> Found | None:
    """The plan that is billed the least. Where nothing but the bill counts once commitments are not weighed, plans that
    were found with them weighed are as good, and the report shows them beside the rule's cost (other clouds' best)."""
    found = [plan for plan in plans if plan is not None]
    return min(found, key=lambda plan: all_in_monthly_usd(problem, plan.solution), default=None)


def monthly_usd(problem: Problem, usd: float) -> Decimal:
    """USD over the horizon as USD a month of 730 h."""
    return cents(exact(usd) * HOURS_PER_MONTH / exact(problem.horizon_hours))


def _alternative(
    compared: Comparison, name: str, description: str, found: Found | SizedFound | None
) -> PlanAlternative:
    if found is None:
        return PlanAlternative(
            name=name, description=description, monthly_usd=None, extra_monthly_usd=None, fleet=()
        )
    monthly = all_in_monthly_usd(compared.problem, found.solution)
    return PlanAlternative(
        name=name,
        description=description,
        monthly_usd=monthly,
        extra_monthly_usd=monthly - compared.own_monthly_usd,
        fleet=fleet_lines(found.solution),
    )


def baselines_of(compared: Comparison) -> tuple[PlanAlternative, ...]:
    """The baselines as the plan carries them."""
    return tuple(
        _alternative(compared, name, ALL_VARIANTS[name].description, found)
        for name, found in compared.baselines.items()
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
    if compared.problem.policy.max_sites is not None and isinstance(compared.outcome, Outcome):
        mixed = compared.mixed_sites
        best = compared.outcome.best
        cheaper = mixed if mixed and best and mixed.usd < best.usd else None
        found.append(
            _alternative(compared, "mixed_sites", "the same rules with any number of sites", cheaper)
        )
    return tuple(found)


def _next_best(outcome: Outcome | SizedOutcome) -> Found | SizedFound | None:
    first = outcome.plans[0]
    return next((plan for plan in outcome.plans[1:] if plan.machines != first.machines), None)


def rules_of(compared: Comparison, solution: Solution) -> tuple[PlanRule, ...]:
    """Every rule with its smallest slack over the periods with demand, and its cost where it was switched off to
    see. A rule binds where one unit fewer, the smallest in use, would break it, unless it is seen to cost nothing.
    """
    running = [Running.of(*part) for part in by_part(compared.problem, solution)]
    terms = within(compared.problem, lambda _: False)
    return tuple(_rule_row(rule, running, compared, terms) for rule in TERMS.values())


def _rule_row(rule: Term, running: Sequence[Running], compared: Comparison, terms: Problem) -> PlanRule:
    """running is every site that demand is split over: the rule is as near as in that where it is nearest. terms is the
    problem without its options: what a plan costs depends on its own alone."""
    limit = rule.limit(compared.problem.policy)
    # Slack is measured in the whole mix's rate, which says nothing of sizes that are routed apart.
    measured = rule.slack if limit and running[0].solution.shares is None else None
    slack, binding = None, False
    for one in running if measured else ():
        least = float(measured(one)[one.planned > 0].min())  # type: ignore[misc]
        # Without a limit on anything in use there is no distance to it.
        if isfinite(least):
            slack = least if slack is None else min(slack, least)
            one_unit = float(one.rate.min()) if rule.unit == RPS else 1.0
            binding |= least < one_unit - 1e-9
    if limit and len(running) > 1 and rule.name in IN_EACH_SITE:
        limit += ", in each site"
    cost = None if limit else Decimal(0)
    without = compared.without_rule.get(rule.name)
    if without is not None and rule.without is not None:
        easier = all_in_monthly_usd(rule.without(terms), without.solution)
        cost = max(compared.own_monthly_usd - easier, Decimal(0))
        binding = cost > 0
    unit = rule.unit if slack is not None else ""
    return PlanRule(
        name=rule.name,
        limit=limit,
        slack=slack,
        unit=unit,
        binding=binding,
        cost_monthly_usd=cost,
        eased=rule.eased if without is not None else "",
        eased_fleet=fleet_lines(without.solution) if without is not None else (),
    )
