"""How fast and how often the fleet may change, and how long a machine takes to start."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen


class Schedule(Frozen):
    """How fast and how often the fleet may change, and how long a machine takes to start."""

    weights_load_gb_per_s: float = Field(
        default=1.0, gt=0, description="GB/s at which a starting instance loads the model's weights"
    )
    scale_to_zero_within_s: float | None = Field(
        default=None,
        gt=0,
        description="hours without demand need no instance, where all that run by the hour start within so many "
        "seconds; null keeps min_firm_instances",
    )
    min_up_hours: float = Field(
        default=0, ge=0, le=168, description="hours that an instance bought by the hour runs at least"
    )
    max_starts_per_hour: int | None = Field(
        default=None,
        ge=1,
        description="instances (or groups) of one type in one region that may start within an hour, on demand and spot "
        "together; null is no limit",
    )
    max_stops_per_hour: int | None = Field(default=None, ge=1, description="the same for stops")
    max_schedule_changes_per_day: int | None = Field(
        default=None,
        ge=0,
        description="times in a calendar day (UTC) at which any number of instances changes; null is no limit",
    )
