"""What must run: spare, headroom, time to start, caution about estimates."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen, NotNegative

MOST_INSTANCE_LOSSES = 16
# The share of estimates whose true rate is at least what is planned on.
DEFAULT_CONFIDENCE = 0.75


class Deployment(Frozen):
    """Extra instances while a new version is rolled out."""

    surge_instances: int = Field(default=0, ge=0, le=10_000, description="instances beside the fleet")
    hours_per_week: float = Field(default=0, ge=0, le=168, description="hours a week that they run")


class Running(Frozen):
    """What must run: spare, headroom, time to start, caution about estimates."""

    min_firm_instances: int = Field(
        default=2,
        ge=0,
        le=16,
        description="instances that are not spot, in every hour; a group that holds one replica counts as one",
    )
    survive_instance_losses: int = Field(
        default=1,
        ge=0,
        le=MOST_INSTANCE_LOSSES,
        description="every hour keeps so many largest instances (or groups) spare, so that demand outlives their loss",
    )
    survive_zone_loss_of: int | None = Field(
        default=None,
        ge=2,
        le=16,
        description="zones the fleet is spread over; demand outlives any one of them, and all spot. null: no rule",
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
    deployment: Deployment = Deployment()
    round_trip_ms_by_region: dict[str, NotNegative] = Field(
        default={},
        description="ms that requests take to a region and back, taken off the TTFT target there; unlisted regions 0",
    )
    performance_margin: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="share taken off every estimated rate; null plans on each estimate's lower bound",
    )
    performance_confidence: float = Field(
        default=DEFAULT_CONFIDENCE,
        ge=0.5,
        lt=1,
        description="the share of estimates whose true rate is at least what is planned on; 0.5 is the estimate itself",
    )
