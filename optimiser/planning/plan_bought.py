"""What a plan buys and how it is paid, as rows of it. Money is USD in decimals, rates are requests per second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from optimiser.performance.estimate_types import LoadPoint


@dataclass(frozen=True, kw_only=True)
class PlanOption:
    """A unit that can be bought. rate_rps = estimated_rps × (1 − margin), rounded down to four digits.

    margin is the policy's performance_margin; where that is null, what leaves the lower bound that true rates reach
    with its performance_confidence: 1 − (1 + estimate_relative_error)^(−log2(1 / (2 (1 − confidence)))). TTFTs have
    round_trip_ms in them, the policy's allowance for the way there and back. surge_usd_per_instance_hour is what one
    more instance costs by the hour while a deployment lasts, the overhead of a node included (null in older plans).
    start_up_minutes is how long a unit takes until it serves (null in older plans).
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
    round_trip_ms: float = 0.0
    surge_usd_per_instance_hour: Decimal | None = None
    start_up_minutes: float | None = None


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
    capital_monthly_usd is what the capital in the money up front costs at the policy's discount_rate_per_year, as the
    search weighed it: beside monthly_usd and every total, in none of them (null in older plans).
    """

    contract_value_usd: Decimal
    upfront_usd: Decimal
    break_even_utilisation: float | None
    loss_if_ended_half_way_usd: Decimal
    used_share_at_30_pct_less_demand: float | None = None
    beats_on_demand_at_30_pct_less_demand: bool | None = None
    capital_monthly_usd: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PlanPurchase:
    """One way of paying for one option. how: commitment | held_on_demand | on_demand | spot | owned.

    Units are over the periods of all scenarios, mean_units and monthly_usd as they are expected.
    """

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
class PlanAmount:
    """So much of something: unit is "instance", "usd_per_hour", "vcpu", "gib" or a GPU's name (so many GPUs)."""

    amount: Decimal
    unit: str


@dataclass(frozen=True, kw_only=True)
class PlanSigning:
    """A contract to sign, for the commitments of `purchases` together: reserved instances by number, savings plans in
    USD an hour, resource commitments in vCPUs, GiB and GPUs. scope is what it may cover: an instance type or family
    and a region, "" for any of the provider's.
    """

    provider: str
    kind: str
    term_months: int
    payment: str
    contract: str
    scope: str
    amounts: tuple[PlanAmount, ...]
    purchases: tuple[str, ...]
