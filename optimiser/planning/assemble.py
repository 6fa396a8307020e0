"""From a solution to a plan: counts, routing, money in exact decimals, what each purchase means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimiser.planning.carbon import plan_carbon
from optimiser.planning.charges import plan_charges
from optimiser.planning.energy import plan_energy
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.less_demand import used_shares
from optimiser.planning.offer_money import (
    cents,
    cheapest_on_demand_usd,
    commitment_of,
    exact,
    plan_offer,
    planned_usd,
    to_the_nano,
)
from optimiser.planning.parts import Part
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_bought import (
    PlanCommitment,
    PlanOffer,
    PlanOption,
    PlanPurchase,
    PlanSigning,
)
from optimiser.planning.plan_footprint import PlanCarbon, PlanEnergy
from optimiser.planning.plan_parts import (
    PlanCharge,
    PlanCount,
    PlanDemand,
    PlanFleetLine,
    PlanPeriod,
    PlanQuota,
    PlanRoute,
    PlanScenario,
    PlanSite,
)
from optimiser.planning.plan_routes import routing_of
from optimiser.planning.problem import How, Option, Problem, QuotaKey
from optimiser.planning.signing import signing_of
from optimiser.planning.weighing import weighed_usd
from providers.offer import Offer


@dataclass(frozen=True, kw_only=True)
class Core:
    """The parts of a plan that its rules are checked on. horizon_usd is what is expected over the scenarios."""

    scenarios: tuple[PlanScenario, ...]
    periods: tuple[PlanPeriod, ...]
    demand: tuple[PlanDemand, ...]
    options: tuple[PlanOption, ...]
    offers: tuple[PlanOffer, ...]
    purchases: tuple[PlanPurchase, ...]
    counts: tuple[PlanCount, ...]
    routing: tuple[PlanRoute, ...]
    quotas: tuple[PlanQuota, ...]
    signing: tuple[PlanSigning, ...]
    charges: tuple[PlanCharge, ...]
    carbon: tuple[PlanCarbon, ...]
    sites: tuple[PlanSite, ...]
    energy: tuple[PlanEnergy, ...]
    spare_unit_rps: float
    horizon_usd: Decimal


def core_of(
    problem: Problem, solution: Solution, offers: Mapping[str, Offer], on_demand: Mapping[str, Offer]
) -> Core:
    """Everything about the fleet itself. offers by id; on_demand is the list price by option id, where known."""
    used = {column.option.id: column.option for column in solution.columns}
    planned = {
        column.purchase.offer_id: planned_usd(column.purchase, offers[column.purchase.offer_id])
        for column in solution.columns
    }
    weighed = {name: weighed_usd(problem.policy, offers[name], usd) for name, usd in planned.items()}
    spot = {column.purchase.offer_id: column.purchase.spot for column in solution.columns}
    hours = _hours(problem)
    still_used = used_shares(problem, solution)

    def signed(column: Bought, instances: int) -> PlanCommitment:
        offer = offers[column.purchase.offer_id]
        payable = cheapest_on_demand_usd(column.option, offers, on_demand.get(column.option.id))
        used_share, rate = still_used[column.purchase.id], problem.policy.discount_rate_per_year
        return commitment_of(offer, instances, payable, weighed[offer.offer_id], used_share, rate)

    purchases = tuple(
        _purchase(column, solution.units[:, c], hours, planned[column.purchase.offer_id], signed)
        for c, column in enumerate(solution.columns)
    )
    plan_options = tuple(plan_option(option) for option in used.values())
    plan_offers = tuple(
        plan_offer(name, offers[name], usd, weighed[name], spot[name]) for name, usd in planned.items()
    )
    bought = tuple(purchase for purchase, _ in purchases)
    return Core(
        scenarios=tuple(PlanScenario(name=s.name, probability=s.probability) for s in problem.scenarios),
        periods=tuple(PlanPeriod(start=period.start, hours=period.hours) for period in problem.periods),
        demand=_demand(problem),
        options=plan_options,
        offers=plan_offers,
        purchases=bought,
        counts=_counts(problem, solution),
        routing=routing_of(problem, solution),
        quotas=_quotas(problem, solution),
        signing=signing_of(plan_options, plan_offers, bought),
        charges=plan_charges(problem, solution),
        carbon=plan_carbon(problem, solution),
        sites=tuple(map(_site, solution.parts)),
        energy=plan_energy(problem, solution),
        spare_unit_rps=solution.spare_unit_rps,
        horizon_usd=sum((usd for _, usd in purchases), Decimal(0)),
    )


def _site(part: Part) -> PlanSite:
    return PlanSite(
        provider=part.site[0],
        region=part.site[1],
        traffic_share=part.share,
        loss_share=part.share * part.on_region_loss,
        spare_unit_rps=part.spare_unit_rps,
    )


def _hours(problem: Problem) -> list[Decimal]:
    """The hours of every period of every scenario, by its probability."""
    # 1 and not 1.0, which would lengthen every amount by a digit.
    shares = [exact(scenario.probability).normalize() for scenario in problem.scenarios]
    return [share * exact(period.hours) for share in shares for period in problem.periods]


def _demand(problem: Problem) -> tuple[PlanDemand, ...]:
    return tuple(
        PlanDemand(
            scenario=scenario,
            service=service,
            period=p,
            mean_rps=demand.mean_rps,
            planned_rps=demand.planned_rps,
            committable_rps=demand.committable_rps,
        )
        for p, period in enumerate(problem.periods)
        for scenario, services in enumerate(period.demand)
        for service, demand in enumerate(services)
    )


def _purchase(
    column: Bought,
    units: np.ndarray,
    hours: list[Decimal],
    planned: Decimal,
    signed: Callable[[Bought, int], PlanCommitment],
) -> tuple[PlanPurchase, Decimal]:
    """One purchase and its expected USD over the horizon; signed says what committing to so many instances means."""
    option = column.option
    instances = option.estimate.setup.instances_per_unit
    horizon_hours = sum(hours, Decimal(0))
    unit_hours = sum((int(n) * h for n, h in zip(units, hours, strict=True)), Decimal(0))
    usd = unit_hours * instances * planned
    commitment = signed(column, int(units[0]) * instances) if column.purchase.how is How.COMMITMENT else None
    purchase = PlanPurchase(
        id=column.purchase.id,
        option=option.id,
        offer=column.purchase.offer_id,
        how=column.purchase.how.value,
        pool=column.purchase.pool,
        min_units=int(units.min()),
        mean_units=float(unit_hours / horizon_hours),
        max_units=int(units.max()),
        monthly_usd=cents(usd * HOURS_PER_MONTH / horizon_hours),
        commitment=commitment,
    )
    return purchase, usd


def plan_option(option: Option) -> PlanOption:
    """An option with all that its rate rests on."""
    estimate, shape = option.estimate, option.shape
    setup = estimate.setup
    return PlanOption(
        id=option.id,
        provider=option.provider,
        region=option.region,
        region_kind=option.region_kind,
        instance_type=option.instance_type,
        gpu=shape.gpu,
        gpus_per_instance=shape.gpu_count,
        vcpus_per_instance=shape.vcpus,
        memory_gib_per_instance=shape.memory_gib,
        obtainability=shape.obtainability.value,
        quota_family=shape.quota_family,
        quota_unit=shape.quota_unit,
        instances_per_unit=setup.instances_per_unit,
        replicas_per_unit=setup.replicas_per_unit,
        tensor_parallel=setup.tensor_parallel,
        pipeline_parallel=setup.pipeline_parallel,
        weight_precision=setup.weight_precision,
        kv_precision=setup.kv_precision,
        estimated_rps=estimate.requests_per_second,
        margin=option.margin,
        rate_rps=option.rate_rps,
        bucket_rates_rps=option.bucket_rates_rps,
        ttft_ms=estimate.ttft_ms + option.round_trip_ms,
        tpot_ms=estimate.tpot_ms,
        prefill_time_share=estimate.prefill_time_share,
        limited_by=estimate.limited_by,
        load_points=tuple(
            replace(point, ttft_ms=point.ttft_ms + option.round_trip_ms) for point in estimate.load_points
        ),
        estimate_method=estimate.method,
        estimate_relative_error=estimate.relative_error,
        low_confidence=estimate.low_confidence,
        notes=estimate.notes,
        attention_data_parallel=setup.attention_data_parallel,
        engine=estimate.engine,
        spot_quota_family=shape.spot_quota_family,
        round_trip_ms=option.round_trip_ms,
        surge_usd_per_instance_hour=to_the_nano(option.surge_usd_per_instance_hour),
        start_up_minutes=option.start_up_minutes,
    )


def fleet_lines(solution: Solution) -> tuple[PlanFleetLine, ...]:
    """The fleet in a few lines: one per way of paying and instance type, spot pools together."""
    lines: dict[tuple[str, Option], np.ndarray] = {}
    for c, column in enumerate(solution.columns):
        key = (column.purchase.how.value, column.option)
        lines[key] = lines.get(key, 0) + solution.units[:, c]
    return tuple(
        PlanFleetLine(
            how=how,
            provider=option.provider,
            region=option.region,
            instance_type=option.instance_type,
            min_units=int(units.min()),
            max_units=int(units.max()),
        )
        for (how, option), units in lines.items()
    )


def _quotas(problem: Problem, solution: Solution) -> tuple[PlanQuota, ...]:
    """What is taken at the peak of each quota, as the provider counts it, beside what is known to be granted."""
    peak: dict[tuple[QuotaKey, str], np.ndarray] = {}
    for c, column in enumerate(solution.columns):
        key = (column.option.quota(column.purchase.how), str(column.option.shape.quota_unit))
        peak[key] = peak.get(key, 0) + column.option.quota_per_unit * solution.units[:, c]
    return plan_quotas(problem, {key: int(amount.max()) for key, amount in peak.items()})


def plan_quotas(problem: Problem, peak: Mapping[tuple[QuotaKey, str], int]) -> tuple[PlanQuota, ...]:
    """What is taken at the peak of each quota, by the unit it counts in, beside what is known to be granted."""
    granted = {quota.key: quota for quota in problem.quotas}
    return tuple(
        PlanQuota(
            **key._asdict(),
            unit=unit,
            amount=amount,
            granted=known.amount if (known := granted.get(key)) else None,
            granted_on=known.granted_on if known else None,
            granted_source=known.source if known else "",
        )
        for (key, unit), amount in sorted(peak.items(), key=lambda item: item[0])
    )


def _counts(problem: Problem, solution: Solution) -> tuple[PlanCount, ...]:
    return tuple(
        PlanCount(
            scenario=p // len(problem.periods),
            period=p % len(problem.periods),
            purchase=solution.columns[c].purchase.id,
            units=int(solution.units[p, c]),
        )
        for p, c in np.argwhere(solution.units > 0).tolist()
    )
