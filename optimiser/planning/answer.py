"""The plan as it is handed out: the fleet, its proof, and everything it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from optimiser.performance.estimate_types import Rejection
from optimiser.performance.specs import ModelSpec
from optimiser.planning.assemble import cents, core_of, exact, fleet_lines, quotas
from optimiser.planning.baselines import BASELINES, relax, solve_baseline, within
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import (
    HOURS_PER_MONTH,
    Plan,
    PlanAlternative,
    PlanBound,
    PlanBucket,
    PlanPriceDate,
    PlanRejection,
    PlanRule,
    PlanScenario,
    PlanService,
)
from optimiser.planning.problem import Problem
from optimiser.planning.rules import RULES
from optimiser.planning.search import Found, Outcome
from optimiser.planning.solve import Solved
from optimiser.planning.totals import rule_slacks, totals_of
from optimiser.prices.book import PriceBook
from optimiser.workload import Workload
from providers.offer import Offer

NOT_INCLUDED = (
    "disks", "load balancer", "control plane", "NAT and cross-zone traffic", "support plan", "tax", "staging",
    "deployment surge",
)
ALWAYS_PRICED_RULES = ("survive_instance_loss",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Other plans under the same estimates: baselines by name, the free choice of sites, rules switched off."""

    baselines: Mapping[str, Found | None]
    mixed_sites: Found | None
    without_rule_usd: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """All that a plan is made from."""

    problem: Problem
    workload: Workload
    model: ModelSpec
    outcome: Outcome
    solution: Solution
    solved: Solved
    offers: Mapping[str, Offer]
    rejections: Sequence[Rejection]
    comparison: Comparison


def compare(problem: Problem, outcome: Outcome, gap: float, *, explain: bool) -> Comparison:
    """Solve what the plan is compared with; explain prices every rule, else only the one that is always shown.

    Rules are switched off within the chosen sites, so their cost is what they cost there.
    """
    best = outcome.best
    if best is None:
        raise ValueError("there is no plan to compare with")
    here = within(problem, lambda option: option.site in best.site)
    rules = [rule for rule in RULES.values() if rule.relaxed and (explain or rule.name in ALWAYS_PRICED_RULES)]
    relaxed = {rule.name: relax(here, rule.relaxed, gap).best for rule in rules if rule.name != "limit_sites"}
    mixed = relax(problem, {"max_sites": None}, gap).best if problem.policy.max_sites is not None else None
    return Comparison(
        baselines={name: solve_baseline(problem, name, gap) for name in BASELINES},
        mixed_sites=mixed,
        without_rule_usd={name: min(found.usd, best.usd) for name, found in relaxed.items() if found},
    )


def plan_of(answer: Answer, book: PriceBook, as_of: date, tool_version: str) -> Plan:
    """The finished plan; money in exact decimals, every comparison in USD a month."""
    problem, workload, target = answer.problem, answer.workload, answer.workload.target
    core = core_of(problem, answer.solution, answer.offers, list_prices(answer))
    totals = totals_of(problem, workload, answer.solution, core)
    used = core.options
    return Plan(
        tool_version=tool_version,
        planned_on=as_of,
        services=(
            PlanService(
                name=workload.name, model=answer.model.name, weight_precision=used[0].weight_precision,
                kv_precision=used[0].kv_precision, ttft_ms=target.ttft_ms if target else None,
                tpot_ms=target.tpot_ms if target else None, percentile=target.percentile if target else None,
                buckets=tuple(PlanBucket(prompt_tokens=b.prompt_tokens, output_tokens=b.output_tokens, share=b.share) for b in workload.buckets),
                routing=problem.routing,
            ),
        ),
        scenarios=(PlanScenario(name="as measured", probability=1.0),),
        policy=problem.policy.model_dump(mode="json"),
        periods=core.periods, demand=core.demand, options=core.options, offers=core.offers,
        purchases=core.purchases, counts=core.counts, routing=core.routing, totals=totals,
        bound=_bound(answer),
        baselines=tuple(_baseline(answer, name) for name in BASELINES),
        by_provider=_by_provider(answer),
        alternatives=_alternatives(answer),
        rules=_rules(answer),
        quotas=quotas(answer.solution),
        price_dates=_price_dates(book, problem, answer),
        tiers_without_prices=_uncovered(book, problem),
        rejections=tuple(
            PlanRejection(provider=r.provider, instance_type=r.instance_type, gpu=r.gpu, code=r.code, reason=r.reason)
            for r in answer.rejections
        ),
        estimate_relative_error=max(option.estimate_relative_error for option in used),
        solver=f"{answer.solved.solver} (PuLP); {answer.outcome.leaves_solved} of {answer.outcome.leaves} candidate fleets solved, the rest excluded by bound",
        deterministic=True,
        not_included=NOT_INCLUDED,
        notes=workload.notes,
    )


def list_prices(answer: Answer) -> dict[str, Offer]:
    """The on-demand list price beside each option of the plan, by option id, where there is one."""
    by_place = {
        (offer.provider, offer.region, offer.instance_type): offer
        for offer in answer.offers.values()
        if offer.tier.value == "on_demand" and not offer.contract
    }
    options = {column.option.id: column.option for column in answer.solution.columns}
    found = {name: by_place.get((o.provider, o.region, o.instance_type)) for name, o in options.items()}
    return {name: offer for name, offer in found.items() if offer is not None}


def _monthly(problem: Problem, usd: float) -> Decimal:
    return cents(exact(usd) * HOURS_PER_MONTH / exact(float(problem.hours.sum())))


def _bound(answer: Answer) -> PlanBound:
    outcome = answer.outcome
    usd = answer.solution.usd(answer.problem.hours)
    exactly = "every fleet of the last candidates listed" if outcome.exact else f"sums rounded both ways to {outcome.unit_rps:g} req/s"
    return PlanBound(
        value_usd=_monthly(answer.problem, outcome.lower_usd),
        gap=max(usd / outcome.lower_usd - 1, 0.0) if outcome.lower_usd > 0 else 0.0,
        method=f"branch and bound over sites and instance types, two-sided decomposition over hours ({exactly})",
        unit_rps=outcome.unit_rps,
        dropped_rules=outcome.dropped,
    )


def _alternative(answer: Answer, name: str, description: str, found: Found | None) -> PlanAlternative:
    if found is None:
        return PlanAlternative(name=name, description=description, monthly_usd=None, extra_monthly_usd=None, fleet=())
    monthly = _monthly(answer.problem, found.usd)
    own = _monthly(answer.problem, answer.solution.usd(answer.problem.hours))
    return PlanAlternative(
        name=name, description=description, monthly_usd=monthly, extra_monthly_usd=monthly - own,
        fleet=fleet_lines(found.solution),
    )


def _baseline(answer: Answer, name: str) -> PlanAlternative:
    return _alternative(answer, name, BASELINES[name].description, answer.comparison.baselines[name])


def _by_provider(answer: Answer) -> tuple[PlanAlternative, ...]:
    providers = sorted({option.provider for option in answer.problem.options})
    return tuple(
        _alternative(answer, name, f"best plan within {name}", answer.outcome.best_of(name)) for name in providers
    )


def _alternatives(answer: Answer) -> tuple[PlanAlternative, ...]:
    best = answer.outcome.best
    found = [_alternative(answer, "next_best", "the next best plan with other machines or elsewhere", _next_best(answer.outcome))]
    if best and answer.problem.policy.max_sites is not None:
        mixed = answer.comparison.mixed_sites
        cheaper = mixed if mixed and mixed.usd < best.usd else None
        found.append(_alternative(answer, "mixed_sites", "the same rules with any number of sites", cheaper))
    return tuple(found)


def _next_best(outcome: Outcome) -> Found | None:
    first = outcome.plans[0]
    return next((plan for plan in outcome.plans[1:] if plan.machines != first.machines), None)


def _rules(answer: Answer) -> tuple[PlanRule, ...]:
    slacks = rule_slacks(answer.problem, answer.solution)
    usd = answer.solution.usd(answer.problem.hours)
    rows = []
    for name in RULES:
        row = slacks.get(name) or PlanRule(name=name, limit="", slack=None, unit="", binding=False, cost_monthly_usd=None)
        without = answer.comparison.without_rule_usd.get(name)
        if without is not None:
            row = replace(row, cost_monthly_usd=_monthly(answer.problem, max(usd - without, 0.0)))
        rows.append(row)
    return tuple(rows)


def _price_dates(book: PriceBook, problem: Problem, answer: Answer) -> tuple[PlanPriceDate, ...]:
    """Per provider in play and tier: dates of all its prices, and the oldest among those the plan uses."""
    used: dict[tuple[str, str], date] = {}
    for column in answer.solution.columns:
        offer = answer.offers[column.purchase.offer_id]
        key = (offer.provider, offer.tier.value)
        used[key] = min(used.get(key, offer.observed_on), offer.observed_on)
    providers = {option.provider for option in problem.options}
    coverage = book.coverage()
    return tuple(
        PlanPriceDate(
            provider=provider, tier=tier, oldest=row["oldest"].date(), newest=row["newest"].date(),
            oldest_used=used.get((provider, tier)), offers=int(row["offers"]),
        )
        for (provider, tier), row in coverage.to_dict("index").items()
        if provider in providers
    )


def _uncovered(book: PriceBook, problem: Problem) -> tuple[str, ...]:
    """Per provider, tiers for which few or none of the machines that would serve have a price."""
    considered: dict[str, set[str]] = {}
    for option in problem.options:
        considered.setdefault(option.provider, set()).add(option.instance_type)
    offers = book.offers
    found = []
    for provider, types in sorted(considered.items()):
        own = offers[(offers["provider"] == provider) & offers["instance_type"].isin(types)]
        for tier in ("on_demand", "spot", "reserved"):
            priced = own.loc[own["tier"] == tier, "instance_type"].nunique()
            if priced < len(types):
                count = "none" if priced == 0 else f"only {priced}"
                found.append(f"{provider} {tier}: {count} of the {len(types)} instance types that would serve it has a price")
    return tuple(found)

