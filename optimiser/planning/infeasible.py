"""When nothing works: say what stands in the way, how near the best came, and what would change it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from optimiser.errors import NoFeasiblePlan
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.planning.by_size import BY_SIZE, unserved_sizes
from optimiser.planning.options import allowed_offers
from optimiser.planning.parts import least_sites
from optimiser.planning.plan import HOURS_PER_MONTH, Plan
from optimiser.planning.problem import How, Problem
from optimiser.planning.rules import TERMS
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd
from optimiser.policy import Policy
from optimiser.workload import Workload

MOST_UNITS = 20_000


def nothing_fits(workload: Workload, results: Sequence[Estimate | Rejection]) -> NoFeasiblePlan:
    """No shape serves the workload: memory, or a target no GPU meets, with the nearest one."""
    rejections = [result for result in results if isinstance(result, Rejection)]
    if not rejections:
        fields = "gpu_vendors, gpus, providers, instance_types"
        return NoFeasiblePlan(f"{workload.name}: the policy leaves no instance type to consider ({fields})")
    near = [r for r in rejections if r.best_ttft_ms is not None and r.best_tpot_ms is not None]
    target = workload.target
    if near and target:
        best = min(near, key=lambda r: _excess(r, workload))
        asked = f"TTFT {target.ttft_ms:g} ms and TPOT {target.tpot_ms:g} ms at p{target.percentile:g}"
        reached = f"TTFT {best.best_ttft_ms:.0f} ms and TPOT {best.best_tpot_ms:.1f} ms"
        return NoFeasiblePlan(
            f"{workload.name}: no GPU considered meets the target {asked}; "
            f"the nearest is {best.provider} {best.instance_type} ({best.gpu}) with {reached}: {best.reason}"
        )
    code = Counter(r.code for r in rejections).most_common(1)[0][0]
    example = next(r for r in reversed(rejections) if r.code == code)
    return NoFeasiblePlan(
        f"{workload.name}: none of {len(rejections)} instance types can serve {workload.model}; "
        f"for example {example.provider} {example.instance_type} ({example.gpu}): {example.reason}"
    )


def nothing_priced(
    workload: Workload,
    estimates: Sequence[Estimate],
    offers: pd.DataFrame,
    missing: pd.DataFrame,
    policy: Policy,
) -> NoFeasiblePlan:
    """Shapes fit, but none has a price the policy allows."""
    types = sorted({estimate.instance_type for estimate in estimates})
    known = offers[offers["instance_type"].isin(types)]
    shown = ", ".join(types[:5]) + (f" and {len(types) - 5} more" if len(types) > 5 else "")
    would = f"{workload.name}: {shown} would serve it, but"
    if known.empty:
        absent = missing[missing["instance_type"].isin(types)]
        why = f" ({absent['tier'].iloc[0]}: {absent['reason'].iloc[0]})" if len(absent) else ""
        return NoFeasiblePlan(
            f"{would} there is no price for it{why}; import one with `optimiser prices import`"
        )
    allowed = allowed_offers(offers, policy)
    if not allowed["instance_type"].isin(types).any():
        tiers, regions = sorted(set(known["tier"])), sorted(set(known["region"]))
        some = ", ".join(regions[:4]) + (" …" if len(regions) > 4 else "")
        return NoFeasiblePlan(
            f"{would} the policy allows none of the {len(known)} prices (tiers {', '.join(tiers)}; regions {some}): "
            "check tiers, regions, markets, max_commitment_months, allow_upfront"
        )
    return NoFeasiblePlan(
        f"{would} it is sold by reservation or spot alone: set assume_obtainable: true if you hold such capacity"
    )


def beyond_reason(problem: Problem) -> NoFeasiblePlan | None:
    """A peak that the largest unit on offer would have to carry more than MOST_UNITS times, else None."""
    peak, largest = float(problem.planned_rps.max()), max(option.rate_rps for option in problem.options)
    if peak <= MOST_UNITS * largest:
        return None
    return NoFeasiblePlan(
        f"{problem.services[0]}: the planned peak of {peak:,.0f} req/s would take {peak / largest:,.0f} of the largest "
        f"machines that serve it, and more than {MOST_UNITS:,} are not to be had: is the rate in requests per second?"
    )


def nothing_allowed(problem: Problem, gap: float) -> NoFeasiblePlan:
    """Options exist, but no allowed set of them carries the demand: name the rules whose relaxation helps."""
    if problem.routing == BY_SIZE:
        return _nothing_by_size(problem, gap)
    firm = [p for option in problem.options for p in option.purchases if p.how is not How.SPOT]
    why = _too_few_places(problem) or "no set of purchases the policy allows carries the peak"
    if not firm:
        why = "of what would serve it only spot can be bought, and spot may not carry all of it (max_spot_share)"
    elif all(purchase.max_units is not None for purchase in firm):
        why = "the offers that would serve it are limited in number (max_instances) and too few for the peak"
    elif all(purchase.how is How.COMMITMENT for purchase in firm):
        why = "commitments alone may not carry the peak (commitment_hours_share)"
    ways = []
    for rule in TERMS.values():
        if not rule.without or not rule.limit(problem.policy):
            continue
        found = search(rule.without(problem), gap, alternatives=0).best
        if found:
            usd = all_in_monthly_usd(problem, found.solution)
            way = f"{rule.eased} would allow a plan at {usd:,.0f} USD a month"
            if rule.wanted:
                why = f"there is no plan with {rule.limit(problem.policy)}"
                way += f", which takes {rule.wanted(problem, found.solution)}"
            ways.append(way)
    remedy = (
        "; ".join(ways)
        or "no single rule stands in the way alone: allow more tiers, regions or instance types"
    )
    return NoFeasiblePlan(f"{problem.services[0]}: {why}; {remedy}")


def _too_few_places(problem: Problem) -> str:
    """Whether what would serve is sold in fewer regions, or by fewer providers, than demand is to be split over."""
    places = sorted({option.site for option in problem.options})
    providers = sorted({name for name, _ in places})
    most = problem.policy.max_share_per_provider
    if len(providers) * most < 1 - 1e-9:
        return (
            f"max_share_per_provider = {most:g} takes {math.ceil(1 / most - 1e-9)} providers, and what would serve it "
            f"is sold by {len(providers)} ({', '.join(providers)})"
        )
    least = least_sites(problem.policy)
    if len(places) < least:
        named = ", ".join(f"{name} {region}" for name, region in places)
        return f"demand is to be split over {least} regions, what would serve it is sold in {len(places)} ({named})"
    return ""


def over_budget(plan: Plan) -> NoFeasiblePlan | None:
    """A plan that costs more than max_monthly_usd, else None."""
    budget, found, least = plan.policy["max_monthly_usd"], plan.totals.total_monthly_usd, plan.bound.value_usd
    if budget is None or found <= budget:
        return None
    splits = f" that splits demand in {plan.bound.splits}" if plan.bound.splits else ""
    floor = f"the instances of any plan under this policy{splits} at least {least:,.0f}"
    if (owed := _owed_anyway(plan.policy)) > budget:
        floor = f"minimum_monthly_usd_by_provider alone comes to {owed:,.0f}, whatever is bought"
    elif any(rule.name == "weigh_commitments" and rule.limit for rule in plan.rules):
        eased = "price_decline_per_year: 0 and discount_rate_per_year: 0"
        floor = f"one with more commitments may cost less today: {eased} would show whether there is one"
    costs = "is expected to cost" if len(plan.scenarios) > 1 else "costs"
    return NoFeasiblePlan(
        f"{plan.services[0].name}: max_monthly_usd = {budget:,.0f} is too small: the cheapest plan found {costs} "
        f"{found:,.0f} USD a month, and {floor}"
    )


def _owed_anyway(policy: dict[str, Any]) -> float:
    """What is promised to providers, USD a month."""
    return math.fsum(float(usd) for usd in policy["minimum_monthly_usd_by_provider"].values())


def _nothing_by_size(problem: Problem, gap: float) -> NoFeasiblePlan:
    """Options exist, but no allowed set of them carries every size apart."""
    unserved = unserved_sizes(problem)
    why = "no set of purchases the policy allows carries every size with its own spare"
    if unserved:
        share = sum(problem.bucket_shares[b] for b in unserved)
        why = f"{len(unserved)} of the request sizes ({share:.1%} of requests) meet the target alone on no machine"
    found = search(problem, gap, alternatives=0).best
    if found is None:
        remedy = str(nothing_allowed(replace(problem, routing="uniform"), gap)).partition(": ")[2]
    else:
        usd = found.solution.billed_usd(problem.hours) * HOURS_PER_MONTH / problem.horizon_hours
        remedy = f"routing: uniform has a plan at {usd:,.0f} USD a month"
    return NoFeasiblePlan(f"{problem.services[0]}: routing: by_size: {why}; {remedy}")


def _excess(rejection: Rejection, workload: Workload) -> float:
    if workload.target is None:
        return 0.0
    ttft, tpot = rejection.best_ttft_ms or 0.0, rejection.best_tpot_ms or 0.0
    return max(ttft / workload.target.ttft_ms, tpot / workload.target.tpot_ms)
