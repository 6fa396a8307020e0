"""The plan as it is handed out: the fleet, its proof, and everything it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from optimiser.performance.estimate_types import Rejection
from optimiser.performance.specs import ModelSpec
from optimiser.planning.assemble import Core, core_of
from optimiser.planning.by_size import SizedOutcome
from optimiser.planning.charges import Charges
from optimiser.planning.comparison import (
    Comparison,
    alternatives_of,
    baselines_of,
    best_by_provider,
    monthly_usd,
    rules_of,
)
from optimiser.planning.energy import footprint_of
from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Outcome
from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanOption
from optimiser.planning.plan_parts import (
    PlanBound,
    PlanBucket,
    PlanLeftOut,
    PlanQuota,
    PlanRejection,
    PlanService,
)
from optimiser.planning.price_basis import own_prices, price_dates, price_sources, uncovered_tiers
from optimiser.planning.problem import How, Option, Problem
from optimiser.planning.solve import Solved
from optimiser.planning.totals import monthly_tokens, scenarios_of, totals_of
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from optimiser.prices.doubts import own_price_doubts
from optimiser.workload import Workload
from providers.offer import Offer

NOT_INCLUDED = (
    "disks",
    "load balancer",
    "control plane",
    "NAT and cross-zone traffic",
    "support plan",
    "tax",
    "staging",
    "deployment surge",
    "traffic out",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that a plan is made from. large_pool_usd bounds plans at the rates of machines in a large pool, USD over the
    horizon; None where the rates do not depend on the pool."""

    problem: Problem
    workload: Workload
    model: ModelSpec
    outcome: Outcome | SizedOutcome
    solution: Solution
    solved: Solved
    offers: Mapping[str, Offer]
    rejections: Sequence[Rejection]
    comparison: Comparison
    embedded: Path
    left_out: tuple[PlanLeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    large_pool_usd: float | None = None


def plan_of(answer: Answer, book: PriceBook, as_of: date, tool_version: str) -> Plan:
    """The finished plan; money in exact decimals, every comparison in USD a month."""
    problem, workload = answer.problem, answer.workload
    core = core_of(problem, answer.solution, answer.offers, list_prices(answer))
    totals = totals_of(problem, workload, answer.solution, core)
    used, own = core.options, own_prices(book, answer.embedded)
    return Plan(
        tool_version=tool_version,
        planned_on=as_of,
        services=(service_of(workload, answer.model, problem.routing, used[0]),),
        scenarios=scenarios_of(problem, answer.solution, core),
        policy=problem.policy.model_dump(mode="json"),
        periods=core.periods,
        demand=core.demand,
        options=core.options,
        offers=tuple(replace(one, own=one.id in own) for one in core.offers),
        purchases=core.purchases,
        counts=core.counts,
        signing=core.signing,
        routing=core.routing,
        spare_unit_rps=core.spare_unit_rps,
        totals=totals,
        bound=_bound(answer),
        baselines=baselines_of(answer.comparison),
        by_provider=best_by_provider(answer.comparison, _providers(answer)),
        alternatives=alternatives_of(answer.comparison),
        rules=rules_of(answer.comparison, answer.solution),
        sensitivity=answer.comparison.sensitivity,
        quotas=core.quotas,
        charges=core.charges,
        carbon=core.carbon,
        sites=core.sites,
        energy=core.energy,
        footprint=footprint_of(
            _options_used(answer), core.energy, core.carbon, monthly_tokens(problem, workload)
        ),
        price_dates=price_dates(book, problem, _offers_used(answer)),
        tiers_without_prices=uncovered_tiers(book, problem),
        price_sources=price_sources(
            book, answer.embedded, {offer.offer_id for offer in _offers_used(answer)}
        ),
        providers_left_out=answer.left_out,
        rejections=tuple(map(_rejection, answer.rejections)),
        estimate_relative_error=max(option.estimate_relative_error for option in used),
        solver=f"{answer.solved.solver} through PuLP",
        deterministic=answer.solved.status == "optimal" and not answer.solved.timed_out,
        not_included=_not_included(problem.policy),
        notes=(
            *workload.notes,
            *_demand_notes(answer),
            *quota_notes(answer.problem.policy, core.quotas),
            *_routing_notes(answer),
            *_split_notes(core),
            *own_price_doubts(book.offers, own, {offer.id for offer in core.offers}),
            *answer.notes,
        ),
    )


def _rejection(one: Rejection) -> PlanRejection:
    return PlanRejection(
        provider=one.provider,
        instance_type=one.instance_type,
        gpu=one.gpu,
        code=one.code,
        reason=one.reason,
    )


def _not_included(policy: Policy) -> tuple[str, ...]:
    """What the cost leaves out, but for what the policy gives figures of."""
    given = {
        "deployment surge": policy.deployment.surge_instances and policy.deployment.hours_per_week,
        "traffic out": policy.overheads.egress_usd_per_gb,
    }
    return tuple(name for name in NOT_INCLUDED if not given.get(name))


def service_of(workload: Workload, model: ModelSpec, routing: str, served_on: PlanOption) -> PlanService:
    """What is served, at the precisions of a machine in use."""
    target = workload.target
    return PlanService(
        name=workload.name,
        model=model.name,
        weight_precision=served_on.weight_precision,
        kv_precision=served_on.kv_precision,
        ttft_ms=target.ttft_ms if target else None,
        tpot_ms=target.tpot_ms if target else None,
        percentile=target.percentile if target else None,
        buckets=tuple(
            PlanBucket(prompt_tokens=b.prompt_tokens, output_tokens=b.output_tokens, share=b.share)
            for b in workload.buckets
        ),
        routing=routing,
    )


def list_prices(answer: Answer) -> dict[str, Offer]:
    """The on-demand list price beside each option of the plan, by option id, where there is one."""
    by_place = {
        (offer.provider, offer.region, offer.region_kind, offer.instance_type): offer
        for offer in answer.offers.values()
        if offer.tier.value == "on_demand" and not offer.contract and offer.market == "standard"
    }
    options = {column.option.id: column.option for column in answer.solution.columns}
    found = {
        name: by_place.get((o.provider, o.region, o.region_kind, o.instance_type))
        for name, o in options.items()
    }
    return {name: offer for name, offer in found.items() if offer is not None}


def _bound(answer: Answer) -> PlanBound:
    outcome = answer.outcome
    usd = Charges(answer.problem).weighed_usd(answer.solution)
    lower_usd, method = outcome.lower_usd, outcome.method
    if answer.large_pool_usd is not None:
        lower_usd = min(lower_usd, answer.large_pool_usd)
        method += ", at the rate of each machine among very many"
    return PlanBound(
        value_usd=monthly_usd(answer.problem, lower_usd),
        gap=round(max(usd / lower_usd - 1, 0.0), 9) if lower_usd > 0 else 0.0,
        method=method,
        unit_rps=outcome.unit_rps if isinstance(outcome, Outcome) else 0.0,
        dropped_rules=outcome.dropped if isinstance(outcome, Outcome) else (),
        plan_usd=monthly_usd(answer.problem, usd),
        splits=outcome.splits if isinstance(outcome, Outcome) else "",
    )


def _options_used(answer: Answer) -> list[Option]:
    return list(dict.fromkeys(column.option for column in answer.solution.columns))


def _offers_used(answer: Answer) -> list[Offer]:
    """What is paid for; what is owned has no price."""
    bought = [one.purchase for one in answer.solution.columns if one.purchase.how is not How.OWNED]
    return [answer.offers[purchase.offer_id] for purchase in bought]


def _providers(answer: Answer) -> set[str]:
    """Providers that serve the workload, or were considered for it."""
    serving = {option.provider for option in answer.problem.options}
    return serving | {rejection.provider for rejection in answer.rejections}


def quota_notes(policy: Policy, quotas: Sequence[PlanQuota]) -> tuple[str, ...]:
    """Where the plan is to keep within quotas: which of those it takes from are not known, and so limit nothing."""
    if not policy.within_quotas:
        return ()
    unknown = ", ".join(
        f"{quota.provider} {quota.region} {quota.family} ({'spot' if quota.spot else 'on demand'})"
        for quota in quotas
        if quota.granted is None
    )
    remedy = "add it to quotas.yaml, or run `optimiser refresh --quotas`"
    return (f"within_quotas: not known, so no limit: {unknown}; {remedy}",) if unknown else ()


def _routing_notes(answer: Answer) -> tuple[str, ...]:
    """What routing by size rests on."""
    if answer.solution.shares is None:
        return ()
    return (
        "routing by size: an option carries each size at its rate for that size alone, lowered where the whole mix "
        "would go beyond its own rate, and keeps its own spare and firm share; what the rules cost is not worked out",
    )


def _split_notes(core: Core) -> tuple[str, ...]:
    """What a split of demand over sites rests on."""
    if not core.sites:
        return ()
    return (
        "demand is split over sites by fixed weights, the same in every hour; a load balancer in front of them that "
        "deals out a lost site's requests by the weights of the others is not included, nor what keeps sites alike",
    )


def _demand_notes(answer: Answer) -> tuple[str, ...]:
    """How the planned rate of an hour came from its demand."""
    policy, workload = answer.problem.policy, answer.workload
    periods = [period for one in workload.scenarios for period in one.periods] or workload.periods
    if all(period.exact for period in periods):
        basis = "the work is scheduled: hours are planned at exactly its rate"
    elif all(period.peak_10min_rps is not None or period.exact for period in periods):
        basis = f"hours are planned at their highest 10-minute rate × {policy.burst_factor_over_10min_peak:g}"
    else:
        factor = policy.burst_factor_over_hour_mean
        basis = f"hours are planned at their mean rate × {factor:g} (their bursts are not known)"
    ahead = f", or that of the {policy.start_up_hours} h after if higher" if policy.start_up_hours else ""
    return (basis + ahead,)
