"""What an instance costs: an `Offer`, or a `Missing` that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

HOURS_PER_YEAR = 8760


class Tier(StrEnum):
    """How an instance is paid."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One price at which one instance type can be had in one region.

    usd_per_hour is billed per running hour (per committed hour for a commitment) and excludes upfront_usd,
    which is paid once for the whole term of term_months. zone is set for spot alone, "" where the source
    gives one price for the region. kind is "" outside commitments ("reserved_instance",
    "reserved_instance_convertible", "committed_use", "savings_plan"). contract names a private agreement
    ("" for list prices); it may limit max_instances and end on valid_until.
    """

    provider: str
    region: str
    region_kind: str
    zone: str
    instance_type: str
    tier: Tier
    market: str = "standard"
    kind: str = ""
    term_months: int = 0
    payment: str = ""
    contract: str = ""
    usd_per_hour: Decimal
    upfront_usd: Decimal = Decimal(0)
    max_instances: int | None = None
    valid_until: date | None = None
    observed_on: date
    observed_on_is_lower_bound: bool = False
    source: str

    @property
    def offer_id(self) -> str:
        """Stable key: one price per key within a price book."""
        parts = (
            self.provider,
            self.region,
            self.zone,
            self.instance_type,
            self.tier.value,
            self.market,
            self.kind,
            f"{self.term_months}m" if self.term_months else "",
            self.payment,
            self.contract,
        )
        return "/".join(part for part in parts if part and part != "standard")

    @property
    def amortised_usd_per_hour(self) -> Decimal:
        """usd_per_hour plus the upfront payment spread over the hours of the term (8,760 per year)."""
        if not self.upfront_usd:
            return self.usd_per_hour
        return self.usd_per_hour + self.upfront_usd * 12 / (self.term_months * HOURS_PER_YEAR)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A price that does not exist, with the reason: never a 0, never another tier's price in its place."""

    provider: str
    region: str
    region_kind: str
    zone: str
    instance_type: str
    tier: Tier
    reason: str
    observed_on: date
    source: str
