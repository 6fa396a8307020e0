"""From what services run together to their plan: parts, what is shared, money in exact decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from optimiser.planning.assemble import Core, core_of, plan_quotas
from optimiser.planning.caps import Cap
from optimiser.planning.energy import footprint_of
from optimiser.planning.leaves import Solution
from optimiser.planning.offer_money import CENT, cents, exact, plan_offer
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_parts import PlanQuota, PlanService
from optimiser.planning.problem import How, Problem
from optimiser.planning.together.apart_cost import ApartCost, cash_of, sum_of_costs
from optimiser.planning.together.caps import taken_of
from optimiser.planning.together.footprint import footprint_of_all, idle_of
from optimiser.planning.together.plan import ServicePart, SharedOffer, TogetherTotals, uses_owned
from optimiser.planning.together.services import PAID_FOR_ALL
from optimiser.planning.totals import overheads_monthly_usd
from optimiser.planning.weighing import capital_usd_per_hour, weighed_usd
from providers.offer import Offer


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A service that is planned: what it runs, and what it stands for and costs apart."""

    problem: Problem
    solution: Solution
    service: PlanService
    stands_for: tuple[str, ...]
    apart: ApartCost | None
    monthly_tokens: float


@dataclass(frozen=True)
class Parts:
    """What a plan of services together is made of."""

    services: tuple[ServicePart, ...]
    shared: tuple[SharedOffer, ...]
    quotas: tuple[PlanQuota, ...]
    totals: TogetherTotals


def parts_of(ran: Sequence[Ran], bought: Mapping[str, tuple[How, int]], offers: Mapping[str, Offer]) -> Parts:
    """The parts of services that run so; bought is how and how many instances of each offer are bought for all."""
    cores = [core_of(one.problem, one.solution, offers, {}) for one in ran]
    problem = ran[0].problem
    shared = tuple(
        _shared(name, how, instances, offers, problem, ran)
        for name, (how, instances) in sorted(bought.items())
        if instances
    )
    paid = _paid(ran, cores, shared) if shared else _paid_alone(ran, cores)
    services = tuple(_part(one, core, paid) for one, core in zip(ran, cores, strict=True))
    running = {name: instances for name, (_, instances) in bought.items()}
    return Parts(services, shared, _quotas(ran, running), _totals(ran, services, shared, running))


def _shared(
    name: str, how: How, instances: int, offers: Mapping[str, Offer], problem: Problem, ran: Sequence[Ran]
) -> SharedOffer:
    offer = offers[name]
    planned = offer.amortised_usd_per_hour
    used = np.array([_used(one, name) for one in ran])
    hours = problem.hours
    in_use = float(used.sum(axis=0) @ hours)
    columns = (column for one in ran for column in one.solution.columns)
    machine = next((c.option for c in columns if c.purchase.offer_id == name), None)
    capital = capital_usd_per_hour(offer, problem.policy.discount_rate_per_year)
    return SharedOffer(
        offer=plan_offer(name, offer, planned, weighed_usd(problem.policy, offer, planned), None),
        how=how.value,
        instances=instances,
        monthly_usd=cents(planned * instances * HOURS_PER_MONTH),
        used_share=in_use / (instances * float(hours.sum())),
        used=tuple(tuple(row) for row in used.tolist()),
        upfront_usd=cents(offer.upfront_usd * instances),
        capital_monthly_usd=cents(capital * HOURS_PER_MONTH * instances),
        idle=idle_of(problem, machine, instances * float(hours.sum()) - in_use) if machine else None,
    )


def _used(ran: Ran, offer_id: str) -> np.ndarray:
    """Instances of an offer that a service uses in each period."""
    used = np.zeros(len(ran.problem.periods), dtype=np.int64)
    for column, units in zip(ran.solution.columns, ran.solution.units.T, strict=True):
        if column.purchase.offer_id == offer_id and column.purchase.how in PAID_FOR_ALL:
            used += units * column.option.estimate.setup.instances_per_unit
    return used


def _paid(
    ran: Sequence[Ran], cores: Sequence[Core], shared: Sequence[SharedOffer]
) -> dict[tuple[str, str], Decimal]:
    """What each service pays a month of each shared purchase, by service and purchase: by instance-hours in use."""
    hours = ran[0].problem.hours
    paid: dict[tuple[str, str], Decimal] = {}
    for one in shared:
        by: dict[tuple[str, str], Decimal] = {}
        for service, core in zip(ran, cores, strict=True):
            instances = {o.id: o.instances_per_unit for o in core.options}
            for c, row in enumerate(core.purchases):
                if row.offer == one.offer.id and row.how == How.SHARED.value:
                    unit_hours = exact(float(hours @ service.solution.units[:, c]))
                    by[service.service.name, row.id] = unit_hours * instances[row.option]
        total = sum(by.values(), Decimal(0))
        if not total:
            continue
        paid |= _to_the_cent({key: one.monthly_usd * used / total for key, used in by.items()})
    return paid


def _paid_alone(ran: Sequence[Ran], cores: Sequence[Core]) -> dict[tuple[str, str], Decimal]:
    """What each service pays a month of its purchases where nothing is shared, in all what its own plan comes to."""
    paid: dict[tuple[str, str], Decimal] = {}
    for one, core in zip(ran, cores, strict=True):
        instances = {option.id: option.instances_per_unit for option in core.options}
        planned = {offer.id: offer.planned_usd_per_hour for offer in core.offers}
        month = HOURS_PER_MONTH / exact(one.problem.horizon_hours)
        due = {}
        for row, units in zip(core.purchases, one.solution.units.T, strict=True):
            hours = exact(float(one.problem.hours @ units)) * instances[row.option]
            due[one.service.name, row.id] = hours * planned[row.offer] * month
        paid |= _to_the_cent(due)
    return paid


def _to_the_cent(due: Mapping[tuple[str, str], Decimal]) -> dict[tuple[str, str], Decimal]:
    """Amounts whose sum is what is due in all, to the cent: the cents left over go to the largest remainders."""
    floors = {key: usd.quantize(CENT, rounding=ROUND_FLOOR) for key, usd in due.items()}
    left = int((cents(sum(due.values(), Decimal(0))) - sum(floors.values(), Decimal(0))) / CENT)
    for key in sorted(due, key=lambda key: (floors[key] - due[key], key))[:left]:
        floors[key] += CENT
    return floors


def _part(ran: Ran, core: Core, paid: Mapping[tuple[str, str], Decimal]) -> ServicePart:
    apart = ran.apart
    purchases = tuple(
        replace(one, monthly_usd=paid.get((ran.service.name, one.id), one.monthly_usd))
        for one in core.purchases
    )
    return ServicePart(
        stands_for=ran.stands_for,
        service=ran.service,
        policy=ran.problem.policy.model_dump(mode="json"),
        demand=core.demand,
        options=core.options,
        offers=core.offers,
        purchases=purchases,
        counts=core.counts,
        routing=core.routing,
        spare_unit_rps=core.spare_unit_rps,
        monthly_usd=sum((one.monthly_usd for one in purchases), Decimal(0)),
        apart_monthly_usd=apart.monthly_usd if apart else None,
        apart_upfront_usd=apart.upfront_usd if apart else None,
        apart_capital_monthly_usd=apart.capital_monthly_usd if apart else None,
        energy=core.energy,
        carbon=core.carbon,
        footprint=footprint_of(
            dict.fromkeys(column.option for column in ran.solution.columns),
            core.energy,
            core.carbon,
            ran.monthly_tokens,
        ),
    )


def _quotas(ran: Sequence[Ran], bought: Mapping[str, int]) -> tuple[PlanQuota, ...]:
    """What all services take of each quota at once at the most."""
    solutions = [one.solution for one in ran]
    keys = {
        (one.option.quota(one.purchase.how), str(one.option.shape.quota_unit))
        for solution in solutions
        for one in solution.columns
    }
    peak = {key: int(taken_of(Cap(amount=0, key=key[0]), solutions, bought).max()) for key in keys}
    return plan_quotas(ran[0].problem, peak)


def _totals(
    ran: Sequence[Ran],
    services: Sequence[ServicePart],
    shared: Sequence[SharedOffer],
    bought: Mapping[str, int],
) -> TogetherTotals:
    """All services."""
    hours = ran[0].problem.hours
    monthly = sum((one.monthly_usd for one in services), Decimal(0))
    overheads = _overheads_usd(ran, services, shared)
    apart = sum_of_costs([one.apart for one in ran])
    compared = apart is not None and not uses_owned(shared)
    upfront, capital = cash_of([row for one in services for row in one.purchases])
    return TogetherTotals(
        horizon_hours=float(hours.sum()),
        monthly_usd=monthly,
        overheads_monthly_usd=overheads,
        total_monthly_usd=monthly + overheads,
        apart_monthly_usd=apart.monthly_usd if apart else None,
        saving_monthly_usd=apart.monthly_usd - monthly - overheads if apart and compared else None,
        max_gpus=int(taken_of(Cap(amount=0), [one.solution for one in ran], bought).max()),
        upfront_usd=sum((one.upfront_usd for one in shared), upfront),
        capital_monthly_usd=sum((one.capital_monthly_usd for one in shared), capital),
        footprint=footprint_of_all(services, shared, sum(one.monthly_tokens for one in ran)),
        apart_upfront_usd=apart.upfront_usd if apart else None,
        apart_capital_monthly_usd=apart.capital_monthly_usd if apart else None,
    )


def _overheads_usd(
    ran: Sequence[Ran], services: Sequence[ServicePart], shared: Sequence[SharedOffer]
) -> Decimal:
    """As a plan's own (totals.py), USD a month of each service's for itself: their sum where nothing is shared."""
    if not shared:
        alone = [
            cents(overheads_monthly_usd(one.problem, one.solution, part.monthly_usd))
            for one, part in zip(ran, services, strict=True)
        ]
        return sum(alone, Decimal(0))
    given, hours = ran[0].problem.policy.overheads, ran[0].problem.hours
    nodes = float(hours.sum()) * sum(one.instances for one in shared)
    for one in ran:
        for column, units in zip(one.solution.columns, one.solution.units.T, strict=True):
            if column.purchase.how in PAID_FOR_ALL:
                continue
            nodes += float(hours @ units) * column.option.estimate.setup.instances_per_unit
    per_node = exact(nodes / float(hours.sum())) * exact(given.usd_per_node_hour) * HOURS_PER_MONTH
    monthly = sum((one.monthly_usd for one in services), Decimal(0))
    return cents(per_node + exact(given.usd_per_month) * len(ran) + monthly * exact(given.percent) / 100)
