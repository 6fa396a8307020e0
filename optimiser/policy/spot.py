"""How far spot is relied on, and at what price."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen, Share


class Spot(Frozen):
    """How far spot is relied on, and at what price."""

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
        default=False,
        description="whether a replica or a training job over several instances may run on spot",
    )
    survive_spot_pool_loss: bool = Field(
        default=True,
        description="no spot pool (type × zone) holds more than the rules keep spare, so that demand outlives its loss",
    )
    min_spot_pools: int = Field(
        default=1,
        ge=1,
        le=16,
        description="no spot pool holds more than one part in so many of what spot may carry",
    )
    survive_spot_region_loss: bool = Field(
        default=False,
        description="demand outlives the loss of all spot of the plan: a region's may vanish at once",
    )
