"""How may be paid: tiers, and what a commitment is weighed against."""

from __future__ import annotations

from pydantic import Field

from optimiser.policy.frozen import Frozen, NotNegative, Share


class Buying(Frozen):
    """How may be paid: tiers, and what a commitment is weighed against."""

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
        description="commitments are held to the demand that all but this share of the hours have; 1 is no limit",
    )
    # Headroom and spare of the default utilisation_ceiling and survive_instance_losses. Not of those that hold: a rule
    # that keeps more would then let more be committed, and could make a plan cheaper by being stricter.
    commitment_headroom: float = Field(
        default=1.25,
        ge=1,
        le=100,
        description="commitments stay within so many times that demand, to a unit, whatever the other rules keep",
    )
    commitment_spare: int = Field(
        default=1,
        ge=0,
        le=16,
        description="or within that demand and so many units spare, where that is more",
    )
    max_committed_monthly_usd: float | None = Field(
        default=None,
        ge=0,
        description="most that new commitments may come to a month, USD, with what is paid up front; null is no limit",
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
    minimum_monthly_usd_by_provider: dict[str, NotNegative] = Field(
        default={},
        description="USD a month promised to each provider (such as an AWS EDP, Azure MACC): what is not spent is owed",
    )
    assume_obtainable: bool = Field(
        default=False,
        description="treat scarce and reservation-only machines as if they could be had by the hour",
    )
