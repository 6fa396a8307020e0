"""Where may be bought, and of what."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen


class Places(Frozen):
    """Where may be bought, and of what."""

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
        default=1,
        ge=1,
        description="sites (provider × region) in one plan, or as many as the next three ask; null is no limit",
    )
    min_regions: int = Field(
        default=1, ge=1, le=8, description="regions that each carry a part of the demand in every hour"
    )
    survive_region_loss: bool = Field(
        default=False,
        description="the regions left carry the whole planned demand when any one region is lost, and all spot",
    )
    max_share_per_provider: float = Field(
        default=1.0, gt=0, le=1, description="most of the demand that one provider carries"
    )
    max_instance_types: int | None = Field(
        default=2, ge=1, description="instance types in one plan; null is no limit"
    )
