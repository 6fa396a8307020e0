"""The rows a plan is made of. Money is USD in decimals, rates are requests per second, shares 0..1, times UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from optimiser.performance.estimate_types import LoadPoint


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
    """One course of demand and its probability."""

    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class PlanPeriod:
    """One stretch of time, by index in order."""

    start: datetime
    hours: float


@dataclass(frozen=True, kw_only=True)
class PlanDemand:
    """Demand of a service in a period: its mean, and what the plan carries after bursts and start-up."""

    scenario: int
    service: int
    period: int
    mean_rps: float
    planned_rps: float


@dataclass(frozen=True, kw_only=True)
class PlanOption:
    """A unit that can be bought. rate_rps = estimated_rps × (1 − margin), rounded down to four digits.

    margin is the policy's performance_margin; where that is null, what leaves the lower bound that true rates reach
    with its performance_confidence: 1 − (1 + estimate_relative_error)^(−log2(1 / (2 (1 − confidence)))).
    """

    id: str
    provider: str
    region: str
    region_kind: str
    instance_type: str
    gpu: str
    gpus_per_instance: int
    vcpus_per_instance: int
    memory_gib_per_instance: float
    obtainability: str
    quota_family: str
    quota_unit: str
    instances_per_unit: int
    replicas_per_unit: int
    tensor_parallel: int
    pipeline_parallel: int
    weight_precision: str
    kv_precision: str
    estimated_rps: float
    margin: float
    rate_rps: float
    bucket_rates_rps: tuple[float, ...]
    ttft_ms: float
    tpot_ms: float
    prefill_time_share: float
    limited_by: str
    load_points: tuple[LoadPoint, ...]
    estimate_method: str
    estimate_relative_error: float
    low_confidence: bool
    notes: tuple[str, ...]
    attention_data_parallel: bool
    engine: str = ""
    spot_quota_family: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanSpot:
    """What the planned price of a spot offer is made of, per instance-hour.

    expected_usd_per_hour is by price_basis: the policy's "percentile" of the history_days that the store knows of
    the pool, the "quote", or the policy's "floor" above it. on_demand_usd_per_hour is the machine's list price
    there, null where it has none. A unit runs available_share of the time, interrupted interruptions_per_hour
    times an hour by the source named, and is replaced on demand for the rest: planned_usd_per_hour =
    available_share × expected + (1 − available_share) × on demand (expected / available_share without such a price).
    """

    expected_usd_per_hour: Decimal
    price_basis: str
    history_days: float | None = None
    on_demand_usd_per_hour: Decimal | None = None
    interruptions_per_hour: float = 0.0
    interruptions_source: str = ""
    available_share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class PlanOffer:
    """A price as it stands in the price book; planned_usd_per_hour is what the plan reckons with, per instance.

    weighed_usd_per_hour is what the search took it at (null in older plans): a commitment, with interest on its upfront
    money, over the share of today's price that buying by the hour costs on average over its term.
    own says that it is from a price file of the user's, rather than fetched or embedded.
    """

    id: str
    provider: str
    region: str
    zone: str
    instance_type: str
    tier: str
    market: str
    kind: str
    term_months: int
    payment: str
    contract: str
    usd_per_hour: Decimal
    upfront_usd: Decimal
    amortised_usd_per_hour: Decimal
    planned_usd_per_hour: Decimal
    max_instances: int | None
    valid_until: date | None
    observed_on: date
    source: str
    own: bool = False
    weighed_usd_per_hour: Decimal | None = None
    spot: PlanSpot | None = None


@dataclass(frozen=True, kw_only=True)
class PlanCommitment:
    """What signing a commitment means: money over the whole term, for all units of the purchase.

    break_even_utilisation is the share of the term's hours that must be used for it to beat on demand (null
    where the region has no on-demand price); loss_if_ended_half_way_usd is what is still owed after half the
    term without use. used_share_at_30_pct_less_demand is the share of its hours in use if every hour asked 30 % less,
    beats_on_demand_at_30_pct_less_demand whether those on demand cost more than all of it as weighed (null if unknown).
    """

    contract_value_usd: Decimal
    upfront_usd: Decimal
    break_even_utilisation: float | None
    loss_if_ended_half_way_usd: Decimal
    used_share_at_30_pct_less_demand: float | None = None
    beats_on_demand_at_30_pct_less_demand: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PlanPurchase:
    """One way of paying for one option. how: commitment | held_on_demand | on_demand | spot | owned."""

    id: str
    option: str
    offer: str
    how: str
    pool: str
    min_units: int
    mean_units: float
    max_units: int
    monthly_usd: Decimal
    commitment: PlanCommitment | None = None


@dataclass(frozen=True, kw_only=True)
class PlanCount:
    """Units of a purchase running in a period (zero is left out)."""

    scenario: int
    period: int
    purchase: str
    units: int


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
    """No plan under this policy, these prices and these estimates costs less than value_usd a month, offers counting at
    their weighed_usd_per_hour. plan_usd is what the plan comes to so (null in older plans); gap is between the two."""

    value_usd: Decimal
    gap: float
    method: str
    unit_rps: float
    dropped_rules: tuple[str, ...]
    plan_usd: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PlanTotals:
    """Money a month of 730 h: instances alone, overheads given by the user, and both."""

    horizon_hours: float
    horizon_usd: Decimal
    monthly_usd: Decimal
    overheads_monthly_usd: Decimal
    total_monthly_usd: Decimal
    usd_per_million_input_tokens: Decimal
    usd_per_million_output_tokens: Decimal
    usd_per_million_tokens: Decimal
    mean_utilisation: float


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
    """Another plan under the same estimates: its cost a month, overheads included, and what it costs beyond
    the chosen one."""

    name: str
    description: str
    monthly_usd: Decimal | None
    extra_monthly_usd: Decimal | None
    fleet: tuple[PlanFleetLine, ...]


@dataclass(frozen=True, kw_only=True)
class PlanRule:
    """How near a rule is to binding, and what it costs a month (null where it was not asked for, 0 where it is off).

    slack is the smallest distance to the limit over all periods, in `unit`; binding where one unit fewer
    would break it.
    """

    name: str
    limit: str
    slack: float | None
    unit: str
    binding: bool
    cost_monthly_usd: Decimal | None


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
