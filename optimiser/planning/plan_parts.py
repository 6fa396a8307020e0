"""The rows a plan is made of. Money is USD in decimals, rates are requests per second, shares 0..1, times UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class PlanBucket:
    """A request size and its share of all requests."""

    prompt_tokens: float
    output_tokens: float
    share: float


@dataclass(frozen=True, kw_only=True)
class PlanService:
    """What is served. ttft_ms, tpot_ms and percentile are null for work without a latency target."""

    name: str
    model: str
    weight_precision: str
    kv_precision: str
    ttft_ms: float | None
    tpot_ms: float | None
    percentile: float | None
    buckets: tuple[PlanBucket, ...]
    routing: str


@dataclass(frozen=True, kw_only=True)
class PlanScenario:
    """One course of demand and its probability; monthly_usd is what the plan costs a month where it comes, overheads
    included (null in older plans)."""

    name: str
    probability: float
    monthly_usd: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PlanPeriod:
    """One stretch of time, by index in order."""

    start: datetime
    hours: float


@dataclass(frozen=True, kw_only=True)
class PlanDemand:
    """Demand of a service in a period of a scenario: its mean, what the plan carries after bursts and start-up, and
    what commitments are held to where that is another."""

    scenario: int
    service: int
    period: int
    mean_rps: float
    planned_rps: float
    committable_rps: float | None = None


@dataclass(frozen=True, kw_only=True)
class PlanCount:
    """Units of a purchase running in a period of a scenario (zero is left out)."""

    scenario: int
    period: int
    purchase: str
    units: int


@dataclass(frozen=True, kw_only=True)
class PlanSite:
    """A site's share of the requests in every hour, for a plan that splits them. Its capacity carries loss_share of all
    planned demand, which is what it gets at most where another site is lost, and keeps a unit of spare_unit_rps spare
    (policy)."""

    provider: str
    region: str
    traffic_share: float
    loss_share: float
    spare_unit_rps: float


@dataclass(frozen=True, kw_only=True)
class PlanRoute:
    """Share of a service's requests of a size bucket (null: of every bucket alike) sent to an option."""

    scenario: int
    period: int
    service: int
    bucket: int | None
    option: str
    share: float


@dataclass(frozen=True, kw_only=True)
class PlanBound:
    """No plan under this policy, these prices and these estimates costs less than value_usd a month with its charges,
    offers counting at their weighed_usd_per_hour. plan_usd is what the plan comes to so (null in older plans); gap is
    between the two. splits are those of demand over sites that it is of, in words ("": demand is not split)."""

    value_usd: Decimal
    gap: float
    method: str
    unit_rps: float
    dropped_rules: tuple[str, ...]
    plan_usd: Decimal | None = None
    splits: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanCharge:
    """What is owed beside instances and to whom, USD a month. kind: deployment_surge | egress | minimum_spend."""

    provider: str
    kind: str
    what: str
    monthly_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class PlanTotals:
    """Money a month of 730 h: instances alone, overheads given by the user, charges, and all of it; expected over the
    scenarios."""

    horizon_hours: float
    horizon_usd: Decimal
    monthly_usd: Decimal
    overheads_monthly_usd: Decimal
    total_monthly_usd: Decimal
    usd_per_million_input_tokens: Decimal
    usd_per_million_output_tokens: Decimal
    usd_per_million_tokens: Decimal
    mean_utilisation: float
    charges_monthly_usd: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class PlanFleetLine:
    """One line of a fleet summary."""

    how: str
    provider: str
    region: str
    instance_type: str
    min_units: int
    max_units: int


@dataclass(frozen=True, kw_only=True)
class PlanAlternative:
    """Another plan under the same estimates: its cost a month, overheads and charges included, and what it costs
    beyond the chosen one."""

    name: str
    description: str
    monthly_usd: Decimal | None
    extra_monthly_usd: Decimal | None
    fleet: tuple[PlanFleetLine, ...]


@dataclass(frozen=True, kw_only=True)
class PlanRule:
    """How near a rule is to binding, and what it costs a month (null where it was not asked for, 0 where it is off).

    slack is the smallest distance to the limit over all periods, in `unit`; binding where one unit fewer
    would break it. eased is the change of policy that the cost is of, eased_fleet the best fleet under it (empty where
    it was not asked for).
    """

    name: str
    limit: str
    slack: float | None
    unit: str
    binding: bool
    cost_monthly_usd: Decimal | None
    eased: str = ""
    eased_fleet: tuple[PlanFleetLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanSensitivity:
    """A price or an estimate that the plan rests on, times factor, everything else as it is.

    of is "price" (of an instance type paid `how` in the plan's region) or "estimate" (of a GPU, in `name`, everywhere).
    kept_monthly_usd is what the same fleet costs then; it lacks kept_short_rps in the worst period, req/s of the
    planned demand. best_monthly_usd is the best plan then, best_fleet its fleet (null and empty where there is none);
    same_machines says whether that is the plan's machines, paid in the same ways.
    """

    of: str
    provider: str
    region: str
    name: str
    how: str
    factor: float
    kept_monthly_usd: Decimal
    kept_short_rps: float
    best_monthly_usd: Decimal | None
    best_fleet: tuple[PlanFleetLine, ...]
    same_machines: bool


@dataclass(frozen=True, kw_only=True)
class PlanQuota:
    """Quota the fleet takes at its largest, as the provider counts it (unit vcpu or gpu), spot and others apart;
    granted is how much is known to be (null: not known), by granted_source on granted_on."""

    provider: str
    region: str
    family: str
    spot: bool
    unit: str
    amount: int
    granted: float | None = None
    granted_on: date | None = None
    granted_source: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanPriceDate:
    """How old a provider's prices of a tier are, and the oldest among those the plan uses (null: none used)."""

    provider: str
    tier: str
    oldest: date
    newest: date
    oldest_used: date | None
    offers: int


@dataclass(frozen=True, kw_only=True)
class PlanLeftOut:
    """A provider that the policy allows and the plan knows no price of: what it sells was not compared."""

    provider: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlanRejection:
    """An instance type that is out, and why."""

    provider: str
    instance_type: str
    gpu: str
    code: str
    reason: str
