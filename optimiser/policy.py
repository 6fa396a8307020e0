"""The rules a plan obeys: every default protects a first-time user, every one can be overridden."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Overheads(_Frozen):
    """Costs around the instances that no price list holds; all zero unless the user gives them."""

    usd_per_node_hour: float = Field(
        default=0, ge=0, description="USD per running instance and hour (disks, agents)"
    )
    usd_per_month: float = Field(
        default=0, ge=0, description="USD a month whatever runs (load balancer, control plane)"
    )
    percent: float = Field(
        default=0, ge=0, description="percent on top of the instances' cost (support plan, tax)"
    )


class Policy(_Frozen):
    """What may be bought and how careful to be. Shares are 0..1, money is USD, rates are requests per second."""

    providers: tuple[str, ...] | None = Field(
        default=None, description="providers to consider; null is all that have prices"
    )
    regions: tuple[str, ...] | None = Field(
        default=None, description="regions to consider; null is all of region_kinds"
    )
    region_kinds: tuple[str, ...] = Field(
        default=("region",),
        description="kinds of region considered where `regions` names none: region, government, local_zone, wavelength",
    )
    gpu_vendors: tuple[str, ...] = Field(default=("NVIDIA",), description="GPU vendors considered")
    gpus: tuple[str, ...] | None = Field(
        default=None, description="GPUs to consider; null is all of gpu_vendors"
    )
    instance_types: tuple[str, ...] | None = Field(
        default=None, description="instance types to consider; null is all"
    )
    markets: tuple[str, ...] = Field(default=("standard",), description="price markets considered")
    max_sites: int | None = Field(
        default=1, ge=1, description="sites (provider × region) in one plan; null is no limit"
    )
    max_instance_types: int | None = Field(
        default=2, ge=1, description="instance types in one plan; null is no limit"
    )

    tiers: tuple[str, ...] = Field(
        default=("on_demand", "spot", "reserved"), description="tiers that may be bought"
    )
    max_commitment_months: int = Field(
        default=12, ge=0, description="longest commitment, in months; 0 is none"
    )
    allow_upfront: bool = Field(
        default=False, description="whether commitments paid (partly) up front may be bought"
    )
    commitment_hours_share: Share = Field(
        default=0.10,
        description="commitments stay within what this lowest share of hours needs, spare included, to a unit",
    )
    price_decline_per_year: float = Field(
        default=0.20,
        ge=0,
        lt=0.9,
        description="share by which prices by the hour are taken to fall each year while a commitment keeps its own",
    )
    discount_rate_per_year: float = Field(
        default=0.08,
        ge=0,
        le=1,
        description="yearly cost of capital that money paid up front for a commitment is weighed at",
    )
    assume_obtainable: bool = Field(
        default=False,
        description="treat scarce and reservation-only machines as if they could be had by the hour",
    )

    max_spot_share: Share = Field(
        default=0.30, description="largest share of required capacity carried by spot"
    )
    spot_price_floor_share: Share = Field(
        default=0.35,
        description="spot without known past is planned at no less than this share of the on-demand price",
    )
    spot_price_percentile: float = Field(
        default=80,
        gt=0,
        le=100,
        description="spot is planned at this percentile of its past prices, where a store knows at least a day of them",
    )
    spot_history_days: int = Field(
        default=30, ge=1, le=3650, description="days of spot prices that the percentile is taken of"
    )
    spot_max_usd_per_hour: float | None = Field(
        default=None, gt=0, description="most that an instance on spot is expected to cost, USD per hour"
    )
    spot_min_discount: Share = Field(
        default=0.10, description="spot is planned only where it is at least so far below on demand"
    )
    spot_interruptions_per_hour: float = Field(
        default=0.10,
        ge=0,
        description="interruptions of a spot instance in an hour, where a store has no figure of the cloud's",
    )
    spot_replacement_minutes: float = Field(
        default=15,
        ge=0,
        description="minutes until an interrupted spot instance is replaced; on demand is paid meanwhile",
    )
    spot_for_groups: bool = Field(
        default=False, description="whether a replica over several instances may run on spot"
    )
    survive_spot_pool_loss: bool = Field(
        default=True,
        description="no spot pool (type × zone) holds more than is kept spare, so that demand outlives its loss",
    )

    min_firm_instances: int = Field(
        default=2,
        ge=0,
        le=16,
        description="instances that are not spot, in every hour; a group that holds one replica counts as one",
    )
    survive_instance_losses: int = Field(
        default=1,
        ge=0,
        le=16,
        description="every hour keeps so many largest instances (or groups) spare, so that demand outlives their loss",
    )
    utilisation_ceiling: float = Field(
        default=0.80,
        gt=0,
        le=1,
        description="share of the rate that meets the target which may be planned on",
    )
    burst_factor_over_10min_peak: float = Field(
        default=1.2, ge=1, description="an hour is planned at its highest 10-minute rate times this"
    )
    burst_factor_over_hour_mean: float = Field(
        default=1.4, ge=1, description="the same over the hour's mean, where only that is known"
    )
    start_up_hours: int = Field(
        default=1,
        ge=0,
        le=24,
        description="an hour carries the demand of so many hours after it, so that start-up is paid for",
    )
    performance_margin: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="share taken off every estimated rate; null plans on each estimate's lower bound",
    )
    performance_confidence: float = Field(
        default=0.75,
        ge=0.5,
        lt=1,
        description="the share of estimates whose true rate is at least what is planned on; 0.5 is the estimate itself",
    )

    within_quotas: bool = Field(
        default=False,
        description="keep within the quotas granted, as far as they are known; false shows what to ask for",
    )
    max_gpus: int | None = Field(
        default=None, ge=1, description="GPUs running at once, all purchases together; null is no limit"
    )
    max_monthly_usd: float | None = Field(
        default=None, gt=0, description="monthly budget in USD; null is none"
    )
    overheads: Overheads = Overheads()
    price_age_note_days: int = Field(
        default=90, ge=0, description="the report's first line names a tier whose oldest price is older"
    )
    spot_age_note_days: int = Field(default=7, ge=0, description="the same for spot quotes")
