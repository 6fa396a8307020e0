"""The pipeline: a workload, prices and a policy in; a plan with its proof out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import pandas as pd

from optimiser import __version__
from optimiser.config import Config
from optimiser.config.carbon import load_carbon
from optimiser.config.quotas import granted_quotas
from optimiser.errors import NoFeasiblePlan, StalePrices, bad_value
from optimiser.estimating import estimates_for
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.planning.answer import Answer, plan_of
from optimiser.planning.by_size import BY_SIZE, SizedOutcome, search_by_size, with_rates_by_size
from optimiser.planning.carbon import with_footprints
from optimiser.planning.comparison import Comparison, compare, compared_in_short, nothing_compared
from optimiser.planning.faults import refuse_faults
from optimiser.planning.infeasible import (
    beyond_reason,
    nothing_allowed,
    nothing_fits,
    over_budget,
)
from optimiser.planning.other_footing import other_footing_notes
from optimiser.planning.outcome import Outcome
from optimiser.planning.over_sites import refuse_beside_split
from optimiser.planning.owned import Owned, lasting, planned_days, planned_without, still_owed
from optimiser.planning.owned_unused import needed_no_more, usable
from optimiser.planning.patterns import settle_parts
from optimiser.planning.plan import HOURS_PER_MONTH, Plan
from optimiser.planning.plan_parts import PlanLeftOut
from optimiser.planning.planned_demand import planned_periods
from optimiser.planning.price_basis import lasting_a_month, offers_behind, providers_left_out, within_age
from optimiser.planning.problem import AS_MEASURED, GrantedQuota, Option, Problem, Scenario
from optimiser.planning.round_trips import options_within_reach
from optimiser.planning.search import search
from optimiser.planning.spare_for_spot import more_spare_notes
from optimiser.planning.spot_notes import left_out_notes, mixed_sources_note
from optimiser.planning.stages import Stage, serves, signing_no_more, with_stages
from optimiser.planning.start_up import slow_start_notes
from optimiser.policy import Policy
from optimiser.pooling import target_of_pool
from optimiser.prices.book import PriceBook
from optimiser.prices.markets import odd_markets
from optimiser.prices.spot_past import NO_PAST, SpotPast
from optimiser.refusals import nothing_to_buy, of_the_time_after, with_what_is_left_out
from optimiser.workload import Target, Workload

SECONDS_PER_HOUR, FEWEST_REQUESTS = 3600, 1.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question: plan this workload under this policy at the prices in force on as_of.

    alone leaves out what a plan is compared with (baselines, other sites, rules switched off), which takes longer than
    the plan itself, and the stages of what is owned and ends within the days planned. in_short leaves out all that it
    is compared with but the baseline of its headline, for lists of plans. grids_by is the method that grids are told
    by; None: the one that fits its own regions best.
    """

    workload: Workload
    policy: Policy
    config: Config
    book: PriceBook
    as_of: date
    explain: bool = False
    spot_past: SpotPast = NO_PAST
    alone: bool = False
    in_short: bool = False
    grids_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A question as planning takes it, and what is to be said of it: prices left out, places, what is owned.

    owned lasts as long as what is planned, usable is all that is owned and may serve, or has ended."""

    problem: Problem
    options: tuple[Option, ...]
    quotas: tuple[GrantedQuota, ...]
    estimates: Sequence[Estimate]
    rejections: tuple[Rejection, ...]
    offers: pd.DataFrame
    owned: Sequence[Owned]
    usable: Sequence[Owned]
    notes: tuple[str, ...]
    left_out: tuple[PlanLeftOut, ...]


def prepared(request: Request, stage: Stage | None = None) -> Prepared:
    """What is to be planned, with what is owned for all of the time planned, or as long as a stage lasts. Raises as
    recommend does where there is nothing to plan."""
    workload, policy, config = request.workload, request.policy, request.config
    results = estimates_for(workload, config, policy)
    estimates = [result for result in results if isinstance(result, Estimate)]
    if not estimates:
        raise nothing_fits(workload, results)
    days = planned_days(sum(period.hours for period in workload.periods))
    on_sale = request.book.offers[request.book.offers["market"].isin(policy.markets)]
    held, ending_notes = lasting_a_month(on_sale, request.as_of, days)
    offers, age_notes = within_age(held, config.settings.max_price_age_days, request.as_of)
    age_notes = request.book.notes + ending_notes + age_notes
    left_out = providers_left_out(request.book.unfetched, held, offers, policy)
    all_usable, unusable_notes = usable(
        config.owned, request.as_of, results, config.shapes, config.gpus, request.book.offers, policy
    )
    owned = lasting(all_usable, stage.until if stage else request.as_of + timedelta(days=days))
    age_notes += unusable_notes + planned_without(all_usable, request.as_of, days)
    age_notes += still_owed(config.owned, HOURS_PER_MONTH) + odd_markets(request.book.offers, policy.markets)
    options, place_notes = _options(request, estimates, offers, owned)
    if stage:
        options = signing_no_more(options, stage)
    if not options:
        raise nothing_to_buy(request, estimates, offers, age_notes, left_out, place_notes)
    quotas = granted_quotas(config.quotas, request.book.quotas)
    return Prepared(
        problem=_problem(workload, options, policy, quotas),
        options=options,
        quotas=quotas,
        estimates=estimates,
        rejections=tuple(result for result in results if isinstance(result, Rejection)),
        offers=offers,
        owned=owned,
        usable=all_usable,
        notes=age_notes + place_notes,
        left_out=left_out,
    )


def at_demand(known: Prepared, request: Request) -> Prepared:
    """What is known of a question, for one that differs from it in nothing but its demand. Raises as prepared does."""
    target = request.workload.target
    if target is not None and target.service_arrival_cv != 1:
        # How many replicas share a service's bursts goes by the demand, and estimates by that.
        return prepared(request)
    return replace(known, problem=_problem(request.workload, known.options, request.policy, known.quotas))


def recommend(request: Request, known: Prepared | None = None) -> Plan:
    """The cheapest plan found, its bound and what it rests on; known is the request prepared, where that is done.

    Raises NoFeasiblePlan where nothing meets the workload under the policy and budget, saying what stands in
    the way, StalePrices where every price that would do is past its age limit, and UsageError for an unknown
    model.
    """
    known = known or prepared(request)
    try:
        plan = _planned(request, known, None)
    except NoFeasiblePlan as refusal:
        raise of_the_time_after(refusal, request, known.usable) from None
    plan = replace(plan, notes=plan.notes + needed_no_more(plan, known.owned))
    return plan if request.alone else with_stages(plan, known.usable, partial(_planned_stage, request))


def _planned_stage(request: Request, stage: Stage) -> Plan | None:
    """The plan of a stage; None where there is none, or nothing that ends with it would serve."""
    # What is promised a month is held against all days together.
    policy = request.policy.model_copy(update={"minimum_monthly_usd_by_provider": {}})
    alone = replace(request, policy=policy, alone=True)
    try:
        known = prepared(alone, stage)
        return _planned(alone, known, stage) if serves(known.problem.options, stage) else None
    except (NoFeasiblePlan, StalePrices):
        return None


def _planned(request: Request, known: Prepared, stage: Stage | None) -> Plan:
    """One plan, of a stage or of the time after all of them."""
    workload, policy = request.workload, request.policy
    problem, left_out = known.problem, known.left_out
    gap = request.config.settings.solver.relative_gap
    outcome = search_by_size(problem, gap) if problem.routing == BY_SIZE else search(problem, gap)
    if outcome.best is None:
        raise with_what_is_left_out(nothing_allowed(problem, gap), left_out)
    if isinstance(outcome, SizedOutcome):
        solution, solved = outcome.best.solution, outcome.settled
    else:
        solution, solved = settle_parts(problem, outcome.best.solution, outcome.best.usd_per_kg)
        solved = replace(solved, timed_out=solved.timed_out or outcome.timed_out)
    answer = Answer(
        problem=problem,
        workload=workload,
        model=request.config.find_model(workload.model),
        outcome=outcome,
        solution=solution,
        solved=solved,
        offers=offers_behind(request.book, outcome.best.options, known.owned, request.as_of),
        notes=known.notes
        + left_out_notes(known.estimates, known.offers, policy, request.spot_past)
        + mixed_sources_note(problem.options)
        + slow_start_notes(problem.options, policy)
        + _searched_again(request, problem, outcome),
        rejections=known.rejections,
        comparison=_compared(request, problem, outcome),
        embedded=request.config.directories[0],
        left_out=left_out,
        large_pool_usd=_large_pool_usd(request, stage, gap),
    )
    plan = plan_of(answer, request.book, request.as_of, __version__)
    refuse_faults(plan, outcome.lower_usd, outcome.best.usd)
    if refusal := over_budget(plan):
        raise refusal
    return plan


def _compared(request: Request, problem: Problem, outcome: Outcome | SizedOutcome) -> Comparison:
    gap = request.config.settings.solver.relative_gap
    if request.alone:
        return nothing_compared(problem, outcome)
    if request.in_short:
        return compared_in_short(problem, outcome, gap)
    return compare(problem, outcome, gap, explain=request.explain)


def _searched_again(request: Request, problem: Problem, outcome: Outcome | SizedOutcome) -> tuple[str, ...]:
    """Other figures of the grids under a cap that binds, and a unit more spare where there is none, or to explain."""
    if request.alone or request.in_short or isinstance(outcome, SizedOutcome):
        return ()
    gap = request.config.settings.solver.relative_gap
    carbon = load_carbon(request.config.directories) if outcome.carbon_steps else None
    other = other_footing_notes(problem, outcome, carbon, gap) if carbon else ()
    asked = request.explain or not problem.policy.survive_instance_losses
    return other + (more_spare_notes(problem, outcome, gap) if asked else ())


def _large_pool_usd(request: Request, stage: Stage | None, gap: float) -> float | None:
    """What every plan costs at least where no replica sees the service's bursts, USD over the horizon; None where
    bursts are not the service's."""
    target = request.workload.target
    if target is None or target.service_arrival_cv == 1:
        return None
    workload = replace(request.workload, target=target_of_pool(target, math.inf))
    problem = prepared(replace(request, workload=workload), stage).problem
    found = (
        search_by_size(problem, gap) if problem.routing == BY_SIZE else search(problem, gap, alternatives=1)
    )
    return found.lower_usd


def _options(
    request: Request, estimates: Sequence[Estimate], offers: pd.DataFrame, owned: Sequence[Owned]
) -> tuple[tuple[Option, ...], tuple[str, ...]]:
    """What can be bought and what it emits, and notes on regions too far away or without a figure of that."""
    workload, config, policy = request.workload, request.config, request.policy

    def within(target: Target) -> list[Estimate]:
        results = estimates_for(replace(workload, target=target), config, policy)
        return [result for result in results if isinstance(result, Estimate)]

    options, far_notes = options_within_reach(
        estimates,
        config.shapes,
        offers,
        policy,
        owned=owned,
        past=request.spot_past,
        start_up=config.settings.start_up,
        target=workload.target,
        estimates_within=within,
    )
    carbon = load_carbon(config.directories)
    known, carbon_notes = with_footprints(options, carbon, config.gpus, policy, request.grids_by)
    return known, far_notes + carbon_notes


def _problem(
    workload: Workload, options: tuple[Option, ...], policy: Policy, quotas: tuple[GrantedQuota, ...]
) -> Problem:
    """What is to be planned. Raises UsageError for next to no demand, NoFeasiblePlan for more than can be bought."""
    courses = workload.scenarios
    blended = Problem(
        services=(workload.name,),
        options=options,
        periods=planned_periods([one.periods for one in courses] or [workload.periods], policy),
        policy=policy,
        scenarios=tuple(Scenario(name=one.name, probability=one.probability) for one in courses)
        or (AS_MEASURED,),
        bucket_shares=tuple(bucket.share for bucket in workload.buckets),
        routing=workload.routing,
        quotas=quotas,
        output_tokens_per_request=sum(bucket.share * bucket.output_tokens for bucket in workload.buckets),
    )
    problem = with_rates_by_size(blended) if workload.routing == BY_SIZE else blended
    refuse_beside_split(problem)
    if float(problem.hours @ problem.mean_rps) * SECONDS_PER_HOUR < FEWEST_REQUESTS:
        right = f"next to nothing: fewer than {FEWEST_REQUESTS:g} requests in all the hours planned"
        raise bad_value(workload.name, "demand", float(problem.mean_rps.max()), right)
    if refusal := beyond_reason(problem):
        raise refusal
    return problem
