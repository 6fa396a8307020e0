"""Services planned together as a value. Money is USD in decimals, a month of 730 h, rates are requests per second.

Parts that a plan has too are named as there (`optimiser schema plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from optimiser.planning.plan_bought import PlanOffer, PlanOption, PlanPurchase
from optimiser.planning.plan_footprint import PlanCarbon, PlanEnergy, PlanFootprint
from optimiser.planning.plan_parts import (
    PlanBound,
    PlanCount,
    PlanDemand,
    PlanLeftOut,
    PlanPeriod,
    PlanPriceDate,
    PlanQuota,
    PlanRoute,
    PlanService,
)
from optimiser.planning.problem import How

SCHEMA_VERSION = "1.3"


@dataclass(frozen=True, kw_only=True)
class ServicePart:
    """What one service runs. A purchase of how "shared" is its use of what is bought once for all (`shared`): counts
    are units in use, monthly_usd its part of the cost by unit-hours in use, so that the services' monthly_usd add up.

    stands_for names the workloads it was made of, one of its own name or several whose replicas are shared.
    apart_monthly_usd is what they cost planned apart, overheads included: where quotas, max_gpus or limited offers
    do not hold all of them at once, planned in turn within what those before leave (null where no such plan was found),
    and without what is owned. apart_upfront_usd is paid at once then; its capital costs apart_capital_monthly_usd,
    in no other figure.
    energy, carbon and footprint are of the units that it has in use, as a plan's own.
    """

    stands_for: tuple[str, ...]
    service: PlanService
    policy: dict[str, Any]
    demand: tuple[PlanDemand, ...]
    options: tuple[PlanOption, ...]
    offers: tuple[PlanOffer, ...]
    purchases: tuple[PlanPurchase, ...]
    counts: tuple[PlanCount, ...]
    routing: tuple[PlanRoute, ...]
    spare_unit_rps: float
    monthly_usd: Decimal
    apart_monthly_usd: Decimal | None
    energy: tuple[PlanEnergy, ...]
    carbon: tuple[PlanCarbon, ...]
    footprint: PlanFootprint | None
    apart_upfront_usd: Decimal | None
    apart_capital_monthly_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class SharedIdle:
    """What the instances of a shared offer draw, emit and have embodied, a month of 730 h, while no service uses them:
    with the building, at the power of a machine without a request; null where a figure is missing, never 0."""

    instance_hours_monthly: float
    watts_per_instance: float
    kwh_monthly: float | None
    kg_co2e_monthly: float | None
    embodied_kg_co2e_monthly_low: float | None
    embodied_kg_co2e_monthly_high: float | None


@dataclass(frozen=True, kw_only=True)
class SharedOffer:
    """What is bought once for all services and runs throughout. how: commitment | held_on_demand | owned.

    used_share is of its instance-hours; used[service][period] is instances in use; idle is null where no power is
    known. upfront_usd is paid at once for all instances, over the term a part of monthly_usd; capital_monthly_usd is
    what the capital in it costs, in no other figure.
    """

    offer: PlanOffer
    how: str
    instances: int
    monthly_usd: Decimal
    used_share: float
    used: tuple[tuple[int, ...], ...]
    upfront_usd: Decimal
    capital_monthly_usd: Decimal
    idle: SharedIdle | None


def uses_owned(shared: Sequence[SharedOffer]) -> bool:
    """Whether any service uses what is owned, which planning apart leaves out."""
    return any(one.how == How.OWNED.value and one.used_share > 0 for one in shared)


@dataclass(frozen=True, kw_only=True)
class TogetherTotals:
    """All services. total = monthly (instances) + overheads; saving is apart − total (both null where no plan apart was
    found, saving also where what is owned is used, which apart is planned without); max_gpus is how many run at once at
    the peak, what is bought for all counted whole. upfront_usd and capital_monthly_usd are of all commitments,
    apart_upfront_usd and apart_capital_monthly_usd of those planned apart. footprint is the services' and what is idle.
    """

    horizon_hours: float
    monthly_usd: Decimal
    overheads_monthly_usd: Decimal
    total_monthly_usd: Decimal
    apart_monthly_usd: Decimal | None
    saving_monthly_usd: Decimal | None
    max_gpus: int
    upfront_usd: Decimal
    capital_monthly_usd: Decimal
    footprint: PlanFootprint | None
    apart_upfront_usd: Decimal | None
    apart_capital_monthly_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class TogetherPlan:
    """One answer for several services. together is False where planning apart is cheaper: then each service is as it
    would be alone and nothing is shared. quotas are what all take of each at once, what is bought for all counted whole
    in every hour. grid_method is the method by which all places' grids are told (null where none has a figure)."""

    schema_version: str = SCHEMA_VERSION
    tool_version: str
    planned_on: date
    together: bool
    periods: tuple[PlanPeriod, ...]
    services: tuple[ServicePart, ...]
    shared: tuple[SharedOffer, ...]
    quotas: tuple[PlanQuota, ...]
    totals: TogetherTotals
    bound: PlanBound
    price_dates: tuple[PlanPriceDate, ...]
    price_sources: tuple[str, ...]
    providers_left_out: tuple[PlanLeftOut, ...]
    estimate_relative_error: float
    deterministic: bool
    not_included: tuple[str, ...]
    grid_method: str | None
    notes: tuple[str, ...]
