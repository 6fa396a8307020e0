"""What an instance costs: an `Offer`, or a `Missing` that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

HOURS_PER_YEAR = 8760
_NANO_USD = Decimal("1e-9")
# By these an endpoint is known that was left pointing at a test double: moto, the usual one for AWS, sells every
# machine at that price on spot and dates it in 2006. No cloud's price of today was seen before 2020.
TEST_DOUBLE_USD_PER_HOUR = Decimal("0.00001")
FIRST_CREDIBLE_YEAR = 2020
REGION = "region"
STANDARD = "standard"


class Tier(StrEnum):
    """How an instance is paid."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"


def to_nano_usd(amount: Decimal) -> Decimal:
    """An amount rounded half up to 1e-9 USD, the finest that is kept: what a sum or a quotient is worth."""
    return amount.quantize(_NANO_USD, ROUND_HALF_UP)


def place_key(provider: str, region: str, region_kind: str, zone: str, instance_type: str, tier: str) -> str:
    """Where what is sold in which tier, as text: "aws/us-east-1/p5.48xlarge/on_demand".

    A zone stands before the instance type; a region_kind other than "region" is named at the end, since one
    region code may have both its own zones and Local Zones.
    """
    where = f"{provider}/{region}/{zone}" if zone else f"{provider}/{region}"
    special = "" if region_kind == REGION else f"/region_kind={region_kind}"
    return f"{where}/{instance_type}/{tier}{special}"


def offer_key(place: str, market: str, kind: str, term_months: int, payment: str, contract: str) -> str:
    """The place and the terms as text, such as "…/reserved/reserved_instance/36m/all_upfront/contract=edp".

    No two offers that differ in a part share a key, as long as no part holds a slash and kind, term_months
    and payment are given together.
    """
    terms = f"/{kind}" if kind else ""
    if term_months:
        terms += f"/{term_months}m"
    if payment:
        terms += f"/{payment}"
    if market != STANDARD:
        terms += f"/market={market}"
    return f"{place}{terms}/contract={contract}" if contract else place + terms


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
    market: str = STANDARD
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
    def place(self) -> str:
        """Provider, region, zone, instance type and tier as one key, whatever the terms."""
        return place_key(
            self.provider, self.region, self.region_kind, self.zone, self.instance_type, self.tier.value
        )

    @property
    def offer_id(self) -> str:
        """Stable key: one price per key within a price book."""
        return offer_key(self.place, self.market, self.kind, self.term_months, self.payment, self.contract)

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

    @property
    def place(self) -> str:
        """What it speaks of, as Offer.place has it: every list price there."""
        return place_key(
            self.provider, self.region, self.region_kind, self.zone, self.instance_type, self.tier.value
        )
