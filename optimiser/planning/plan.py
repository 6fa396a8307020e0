"""The answer as a value: everything needed to recompute its cost and its capacity, and nothing else.

Money is a decimal string in USD, rates are requests per second, shares 0..1, times ISO 8601 in UTC. Additions
keep the major of SCHEMA_VERSION; readers refuse an unknown major.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from optimiser.planning.plan_bought import PlanOffer, PlanOption, PlanPurchase, PlanSigning
from optimiser.planning.plan_footprint import PlanCarbon, PlanEnergy, PlanFootprint
from optimiser.planning.plan_parts import (
    PlanAlternative,
    PlanBound,
    PlanCharge,
    PlanCount,
    PlanDemand,
    PlanLeftOut,
    PlanPeriod,
    PlanPriceDate,
    PlanQuota,
    PlanRejection,
    PlanRoute,
    PlanRule,
    PlanScenario,
    PlanSensitivity,
    PlanService,
    PlanSite,
    PlanTotals,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA_VERSION = "1.5"
HOURS_PER_MONTH = 730
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One answer. Baselines, alternatives and rules are under the same prices, estimates and policy.

    spare_unit_rps is the unit whose loss the fleet is sized for, requests per second. sites are those that demand is
    split over by the policy, none where it is not.
    """

    schema_version: str = SCHEMA_VERSION
    tool_version: str
    planned_on: date
    services: tuple[PlanService, ...]
    scenarios: tuple[PlanScenario, ...]
    policy: dict[str, Any]
    periods: tuple[PlanPeriod, ...]
    demand: tuple[PlanDemand, ...]
    options: tuple[PlanOption, ...]
    offers: tuple[PlanOffer, ...]
    purchases: tuple[PlanPurchase, ...]
    counts: tuple[PlanCount, ...]
    routing: tuple[PlanRoute, ...]
    spare_unit_rps: float
    totals: PlanTotals
    bound: PlanBound
    baselines: tuple[PlanAlternative, ...]
    by_provider: tuple[PlanAlternative, ...]
    alternatives: tuple[PlanAlternative, ...]
    rules: tuple[PlanRule, ...]
    quotas: tuple[PlanQuota, ...]
    price_dates: tuple[PlanPriceDate, ...]
    tiers_without_prices: tuple[str, ...]
    price_sources: tuple[str, ...]
    rejections: tuple[PlanRejection, ...]
    estimate_relative_error: float
    solver: str
    deterministic: bool
    not_included: tuple[str, ...]
    notes: tuple[str, ...]
    providers_left_out: tuple[PlanLeftOut, ...] = ()
    sensitivity: tuple[PlanSensitivity, ...] = ()
    signing: tuple[PlanSigning, ...] = ()
    charges: tuple[PlanCharge, ...] = ()
    carbon: tuple[PlanCarbon, ...] = ()
    sites: tuple[PlanSite, ...] = ()
    energy: tuple[PlanEnergy, ...] = ()
    footprint: PlanFootprint | None = None
    while_owned: PlanWhileOwned | None = None

    @property
    def with_stages(self) -> tuple[Plan, ...]:
        """The plan and those of its stages."""
        return (self, *(one.plan for one in self.while_owned.stages)) if self.while_owned else (self,)


@dataclass(frozen=True, kw_only=True)
class PlanStage:
    """What runs from first_day to until, both included: a plan by itself, without what the whole plan says of it
    already (rejections, notes).

    It signs no more units of any commitment than the plan after it, so that whatever is signed stays in use; its bound
    is that of such plans.
    """

    first_day: date
    until: date
    days: int
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class PlanWhileOwned:
    """The stages before the plan itself, first to last: while machines that are owned, and end within the days planned,
    still last. The plan's own fields are of the time after.

    The planned_days follow planned_on. monthly_usd is what they cost on average, overheads and charges included, USD a
    month of 730 h: each stage's total_monthly_usd × its share of the days, and the plan's own for the rest; but what is
    promised to providers counts once, as charges: what the average over the days lacks of it (stages are planned
    without it, and the plan's own share of that is not counted here). usd is of all days: monthly_usd × planned_days ×
    24 / 730.
    """

    planned_days: int
    monthly_usd: Decimal
    usd: Decimal
    charges: tuple[PlanCharge, ...]
    stages: tuple[PlanStage, ...]


# Most of a plan's values, which pass as they are; their subclasses, such as enumerations, may not.
_PLAIN = frozenset({str, int, float, bool, type(None)})


@cache
def _field_names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(part.name for part in fields(kind))


def to_jsonable(value: Any) -> Any:
    """A plan (or part of one) as plain JSON values: Decimal as string, dates as ISO 8601."""
    if type(value) in _PLAIN:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_jsonable(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): to_jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(part) for part in value]
    return value
