"""Offers, scopes and snapshots of a made-up night, as the tests of the store need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import delete

from optimiser.prices.refreshed import ScopePrices, Snapshot, Status
from optimiser.prices.store import Store
from optimiser.prices.store.connection import writing
from optimiser.prices.store.tables import FORMATS, METADATA
from providers.fetch import Scope
from providers.offer import Missing, Offer, Tier

NIGHT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def scope(region: str = "us-east-1", tier: Tier = Tier.ON_DEMAND, provider: str = "aws") -> Scope:
    return Scope(provider, region, tier)


EAST = scope()
WEST = scope("us-west-2")
SPOT = scope(tier=Tier.SPOT)
YEARS = scope(tier=Tier.RESERVED)
GCP = scope("europe-west4", provider="gcp")


def offer(where: Scope, usd: str, instance_type: str = "p5.48xlarge", **fields: Any) -> Offer:
    known: dict[str, Any] = {
        "region_kind": "region",
        "zone": "",
        "instance_type": instance_type,
        "usd_per_hour": Decimal(usd),
        "observed_on": NIGHT.date(),
        "source": "price list sku ABC",
    }
    return Offer(**known | where._asdict() | fields)


def missing(where: Scope, instance_type: str = "p4d.24xlarge", **fields: Any) -> Missing:
    known: dict[str, Any] = {
        "region_kind": "region",
        "zone": "",
        "instance_type": instance_type,
        "reason": "not sold in this region",
        "observed_on": NIGHT.date(),
        "source": "price list",
    }
    return Missing(**known | where._asdict() | fields)


def seen(where: Scope, *prices: Offer | Missing, at: datetime = NIGHT) -> ScopePrices:
    return ScopePrices(
        scope=where,
        observed_at=at,
        offers=tuple(price for price in prices if isinstance(price, Offer)),
        missing=tuple(price for price in prices if isinstance(price, Missing)),
    )


def snapshot(*accepted: ScopePrices, at: datetime = NIGHT, **fields: Any) -> Snapshot:
    known: dict[str, Any] = {
        "provider": accepted[0].scope.provider if accepted else "aws",
        "started_at": at,
        "finished_at": at + timedelta(minutes=3),
        "source_version": "",
        "status": Status.GOOD,
        "counts": {"requests": 12},
        "findings": (),
        "failures": (),
        "accepted": accepted,
    }
    return Snapshot(**known | fields)


def at_usd(usd: str, at: datetime = NIGHT, where: Scope = EAST) -> Snapshot:
    """A snapshot of one price."""
    return snapshot(seen(where, offer(where, usd, observed_on=at.date()), at=at), at=at)


def empty(store: Store) -> None:
    """Forget everything a store holds."""
    with writing(store) as connection:
        for table in reversed(METADATA.sorted_tables):
            if table is not FORMATS:
                connection.execute(delete(table))
