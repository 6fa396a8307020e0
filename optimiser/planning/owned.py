"""Machines that are already paid for: in a plan they cost nothing more, whoever uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from providers.offer import Offer, Tier

# A plan is for a month from its day: what ends within it is not counted on for good.
PLANNED_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Owned:
    """So many instances of a type in a region that are paid until the end of the day `ends` (UTC).

    kind says how (such as "reserved_instance"), note whatever helps to know them again. usd_per_hour is what is still
    owed for each, whatever runs: it is reported, and weighs nothing. number tells entries apart, source is where it
    was written.
    """

    number: int
    provider: str
    region: str
    instance_type: str
    instances: int
    ends: date
    kind: str = ""
    note: str = ""
    usd_per_hour: float = 0.0
    source: str = ""

    @property
    def offer_id(self) -> str:
        """The id of the offer that stands for it, apart from every offer of a price book."""
        return f"{self.provider}/{self.region}/{self.instance_type}/owned/{self.number}"

    def offer(self, region_kind: str, as_of: date) -> Offer:
        """What is owned as an offer at no price, limited in number; its id in a plan is offer_id."""
        return Offer(
            provider=self.provider,
            region=self.region,
            region_kind=region_kind,
            zone="",
            instance_type=self.instance_type,
            tier=Tier.RESERVED,
            kind=self.kind,
            usd_per_hour=Decimal(0),
            max_instances=self.instances,
            valid_until=self.ends,
            observed_on=as_of,
            source="owned.yaml",
        )


def planned_days(horizon_hours: float) -> int:
    """The days after its own that a plan is for: PLANNED_DAYS, or those of its demand where that is longer."""
    return max(PLANNED_DAYS, math.ceil(horizon_hours / 24 - 1e-9))


def lasting(owned: Iterable[Owned], until: date) -> list[Owned]:
    """What is owned until that day or longer."""
    return [one for one in owned if one.ends >= until]


def ending_within(owned: Iterable[Owned], as_of: date, days: int) -> list[Owned]:
    """What is owned in some of the planned days, and not to their end."""
    return [one for one in owned if as_of < one.ends < as_of + timedelta(days=days)]


def planned_without(owned: Iterable[Owned], as_of: date, days: int) -> tuple[str, ...]:
    """A note on each that has ended or ends within the planned days: a plan that ran on it would be short of machines
    before they are over."""
    return tuple(
        f"owned until {one.ends} and planned without: {instances_of(one)} {_ending(one, as_of, days)}"
        for one in owned
        if one.ends < as_of + timedelta(days=days)
    )


def _ending(one: Owned, as_of: date, days: int) -> str:
    if one.ends < as_of:
        return f"ended before {as_of}"
    if one.ends == as_of:
        return f"end on {as_of}, the plan's own day, after which the days planned begin"
    return f"end within {days} days of {as_of}"


def instances_of(one: Owned) -> str:
    """`3 × p5.48xlarge in us-east-1`."""
    return f"{one.instances} × {one.instance_type} in {one.region}"


def still_owed(owned: Iterable[Owned], hours_per_month: int) -> tuple[str, ...]:
    """A note on what is owed each month for what is owned, used or not."""
    return tuple(
        f"owed until {one.ends} whatever runs, and not in this cost: "
        f"{one.usd_per_hour * one.instances * hours_per_month:,.2f} USD a month for {instances_of(one)}"
        for one in owned
        if one.usd_per_hour
    )
