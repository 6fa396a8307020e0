"""From the ways that were found to the plan that is shown: the cheapest, the best of each tier, the next ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from optimiser import __version__
from optimiser.costing.training.emitted import at_carbon_price
from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.layouts import ALL, CHEAP
from optimiser.costing.training.market import old_price_said
from optimiser.costing.training.pace import steps_of
from optimiser.costing.training.plan import (
    TRAINING_SCHEMA_VERSION,
    TrainChoice,
    TrainLeg,
    TrainPlan,
    TrainQuota,
    TrainTier,
    TrainWork,
)
from optimiser.costing.training.request import TrainRequest
from optimiser.costing.training.train import Found, found_ways, granted_amounts, quotas_of
from optimiser.costing.training.ways import BLOCK, HOWS, MIXED, ON_DEMAND, RESERVED, SPOT, Leg, Way, ways
from optimiser.costing.training.work import token_flops, trained_parameters
from optimiser.performance.parameters import active_parameter_count, parameter_count
from optimiser.planning.offer_money import cents, exact, to_the_nano
from optimiser.planning.price_ages import oldest_seen, past_their_age
from optimiser.prices.book import PriceBook
from providers.offer import HOURS_PER_YEAR

ALTERNATIVES = 5
GANG = "several instances on spot, which one pool must hold at once: spot_for_groups is false"
# What policy.tiers calls a way to pay; Capacity Blocks are of on demand.
_TIER_OF = {RESERVED: "reserved", SPOT: "spot"}
_RECOMPUTE = {int(ALL): "all activations", int(CHEAP): "norms and activation functions"}


def train(request: TrainRequest) -> TrainPlan:
    """The cheapest way to train the job by its deadline. Raises as found_ways does."""
    found = found_ways(request)
    job, policy, best = request.job, request.policy, found.ways[0]
    choice = _choice(best, request)
    at_estimate = _choice(_at_estimate(best, found), request)
    return TrainPlan(
        schema_version=TRAINING_SCHEMA_VERSION,
        generated_by=f"optimiser {__version__}",
        job=job.name,
        source=job.source,
        model=found.model.name,
        method=job.method.value,
        tokens=job.tokens,
        sequence_tokens=job.sequence_tokens,
        batch_tokens=job.batch_tokens,
        precision=job.precision,
        planned_on=request.as_of,
        deadline_hours=job.deadline_hours,
        deadline=job.deadline_said,
        confidence=policy.performance_confidence if policy.performance_margin is None else None,
        carbon_usd_per_tonne=policy.carbon_usd_per_tonne,
        work=_work(found, job),
        choice=choice,
        estimate_hours=at_estimate.hours,
        estimate_usd=at_estimate.total_usd,
        energy=found.emitted.of_run(best),
        quotas=_quotas(best, request),
        tiers=tuple(_tier(how, found, request) for how in HOWS),
        alternatives=tuple(_choice(way, request) for way in _next_best(found.ways)),
        rejected=tuple(f"{why}: {', '.join(names)}" for why, names in found.rejected.items()),
        old_prices=past_their_age(choice.oldest_prices),
        notes=found.notes,
    )


def _choice(way: Way, request: TrainRequest) -> TrainChoice:
    market, pace = way.market, way.pace
    legs = tuple(_leg(leg, way, request.book) for leg in way.legs)
    seen = ((leg.tier, leg.observed_on) for leg in legs)
    machines = sum((leg.usd for leg in legs), Decimal(0))
    overheads, storage = cents(exact(way.overheads_usd)), cents(exact(way.storage_usd))
    layout = pace.layout
    return TrainChoice(
        how=way.how,
        provider=market.provider,
        region=market.region,
        region_kind=market.region_kind,
        instance_type=market.shape.instance_type,
        gpu=market.shape.gpu,
        instances=pace.nodes,
        gpus=pace.gpus,
        obtainability=market.shape.obtainability.value,
        tensor=layout["tensor"],
        pipeline=layout["pipeline"],
        data=layout["data"],
        expert=layout["expert"],
        zero=layout["zero"],
        micro_batch_sequences=layout["sequences"],
        micro_batches=layout["micro_batches"],
        chunks=layout["chunks"],
        recompute=_RECOMPUTE.get(layout["recompute"], "nothing"),
        memory_gib_per_gpu=sum(pace.memory_gib.values()),
        step_seconds=sum(pace.step_seconds.values()),
        peak_tflops=pace.peak_flops / 1e12,
        mfu=pace.mfu,
        step_mfu=pace.step_mfu,
        step_hfu=pace.step_hfu,
        relative_error=pace.relative_error,
        estimated_hours=pace.hours,
        hours=way.hours,
        gpu_hours=way.hours * pace.gpus,
        machines_usd=machines,
        overheads_usd=overheads,
        storage_usd=storage,
        total_usd=machines + overheads + storage,
        carbon_usd=cents(exact(way.carbon_usd)),
        upfront_usd=sum((leg.upfront_usd for leg in legs), Decimal(0)),
        legs=legs,
        oldest_prices=oldest_seen(seen, dict(request.policy), request.as_of),
    )


def _leg(leg: Leg, way: Way, book: PriceBook) -> TrainLeg:
    offer, spot, course = book.offer(leg.price.offer_id), leg.price.spot, leg.course
    usd = spot.expected_usd_per_hour if spot else offer.amortised_usd_per_hour
    billed = to_the_nano(leg.billed_hours)
    paid = cents(usd * billed * way.pace.nodes)
    term_hours = leg.price.term_months * HOURS_PER_YEAR / 12
    terms = round(leg.billed_hours / term_hours) if term_hours else 0
    at_once = leg.tier == "capacity_block"
    return TrainLeg(
        tier=leg.tier,
        offer_id=leg.price.offer_id,
        zone=leg.price.zone,
        term_months=leg.price.term_months,
        usd_per_instance_hour=to_the_nano(usd),
        hours=leg.hours,
        billed_hours_per_instance=billed,
        usd=paid,
        upfront_usd=paid if at_once else cents(offer.upfront_usd * terms * way.pace.nodes),
        interruptions=leg.hours / course.mtbf_hours,
        interruptions_per_instance_hour=spot.interruptions_per_hour if spot else 0.0,
        interruptions_source=spot.interruptions_source if spot else "",
        mtbf_hours=course.mtbf_hours,
        checkpoint_every_hours=course.checkpoint_every_hours,
        wasted_share=course.wasted_share,
        observed_on=offer.observed_on,
    )


def _at_estimate(best: Way, found: Found) -> Way:
    """The same cluster paid the same way at the estimate itself; on spot alone where that is soon enough then."""
    terms = found.terms
    even = {"performance_confidence": 0.5, "performance_margin": None}
    policy = terms.policy.model_copy(update=even)
    every = list(ways(best.market, best.pace, replace(terms, policy=policy)))
    offers = {leg.price.offer_id for leg in best.legs}
    same = [way for way in every if {leg.price.offer_id for leg in way.legs} <= offers]
    weighed, _ = at_carbon_price(same, found.emitted, policy)
    return min(weighed, key=lambda way: way.weighed_usd, default=best)


def _work(found: Found, job: TrainingJob) -> TrainWork:
    model, flops = found.model, token_flops(found.model, job).model
    return TrainWork(
        parameters=parameter_count(model),
        active_parameters=active_parameter_count(model),
        trained_parameters=trained_parameters(model, job),
        flops_per_token=flops,
        total_flops=flops * job.tokens,
        steps=steps_of(job),
        checkpoint_gb=found.terms.checkpoint_gb,
    )


def _quotas(way: Way, request: TrainRequest) -> tuple[TrainQuota, ...]:
    granted = granted_amounts(request)
    return tuple(
        TrainQuota(
            provider=key.provider,
            region=key.region,
            family=key.family,
            unit=way.market.shape.quota_unit.value,
            spot=key.spot,
            needed=needed,
            granted=granted.get(key),
        )
        for key, needed in sorted(quotas_of(way).items())
    )


def _tier(how: str, found: Found, request: TrainRequest) -> TrainTier:
    """The cheapest of a way to pay, one that the policy does not allow only where it is cheaper, and a Capacity Block
    at an old price only where there is none at a recent one.
    """
    every = sorted(
        (way for way in (*found.ways, *found.gangs) if way.how == how),
        key=lambda way: (way.weighed_usd, way.gang_on_spot),
    )
    if not every and how == BLOCK and found.old_blocks:
        one = found.old_blocks[0]
        said = old_price_said((leg.price for leg in one.legs), request.as_of)
        return TrainTier(how=how, choice=_choice(one, request), why_not=said)
    if not every:
        return TrainTier(how=how, choice=None, why_not=_why_none(how, found, request))
    alone = (way.weighed_usd for way in found.ways if way.how in (SPOT, ON_DEMAND))
    if how == MIXED and min(alone, default=math.inf) <= every[0].weighed_usd:
        return TrainTier(how=how, choice=None, why_not="one of the two alone ends in time for less")
    gang = every[0] in found.gangs
    return TrainTier(how=how, choice=_choice(every[0], request), why_not=GANG if gang else "")


def _why_none(how: str, found: Found, request: TrainRequest) -> str:
    policy = request.policy
    if how == MIXED and any(way.how == SPOT for way in (*found.ways, *found.gangs)):
        return "not needed: spot alone ends in time"
    if how in found.sold:
        return "none that the policy allows ends by the deadline"
    if _TIER_OF.get(how, "on_demand") not in policy.tiers:
        return "no price that the policy allows"
    if how == RESERVED:
        upfront = "" if policy.allow_upfront else ", none of it upfront"
        return f"no commitment of at most {policy.max_commitment_months} months{upfront} is on sale"
    if how == BLOCK:
        return "no price: `optimiser refresh --capacity-blocks` asks for them"
    return "no price that the policy allows"


def _next_best(every: Sequence[Way]) -> Iterable[Way]:
    """The cheapest of each instance type and way to pay, but the one chosen."""
    seen = {(every[0].market.shape.instance_type, every[0].how)}
    for way in every:
        key = (way.market.shape.instance_type, way.how)
        if key not in seen:
            seen.add(key)
            yield way
        if len(seen) > ALTERNATIVES:
            return
