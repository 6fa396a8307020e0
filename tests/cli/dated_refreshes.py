"""Refreshes of made-up prices, dated back from now, and the store that holds them."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from optimiser.prices.refreshed import ScopePrices, Snapshot, Status
from optimiser.prices.store import open_store, save
from providers.fetch import scope_of
from providers.offer import Missing, Offer, Tier

NOW = datetime.now(UTC).replace(microsecond=0)
TYPE = "p5.48xlarge"


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def offer(usd: str, region: str = "us-east-1", tier: Tier = Tier.ON_DEMAND, **fields: Any) -> Offer:
    return Offer(
        **{
            "provider": "aws",
            "region": region,
            "region_kind": "region",
            "zone": "",
            "instance_type": TYPE,
            "tier": tier,
            "usd_per_hour": Decimal(usd),
            "observed_on": NOW.date(),
            "source": "price list",
            **fields,
        }
    )


def missing(reason: str, region: str = "us-east-1", tier: Tier = Tier.ON_DEMAND, **fields: Any) -> Missing:
    return Missing(
        **{
            "provider": "aws",
            "region": region,
            "region_kind": "region",
            "zone": "",
            "instance_type": TYPE,
            "tier": tier,
            "reason": reason,
            "observed_on": NOW.date(),
            "source": "price list",
            **fields,
        }
    )


def snapshot(at: datetime, *rows: Offer | Missing, provider: str = "aws", **fields: Any) -> Snapshot:
    """One refresh that saw those prices, and ended five minutes later."""
    rows = tuple(replace(row, provider=provider) for row in rows)
    accepted = tuple(
        ScopePrices(
            scope=scope,
            observed_at=at,
            offers=tuple(row for row in rows if isinstance(row, Offer) and scope_of(row) == scope),
            missing=tuple(row for row in rows if isinstance(row, Missing) and scope_of(row) == scope),
        )
        for scope in sorted(set(map(scope_of, rows)))
    )
    return Snapshot(
        **{
            "provider": provider,
            "started_at": at,
            "finished_at": at + timedelta(minutes=5),
            "source_version": "20261119",
            "status": Status.GOOD,
            "counts": {"requests": 3},
            "findings": (),
            "failures": (),
            "accepted": accepted,
            **fields,
        }
    )


def stored(folder: Path, *snapshots: Snapshot) -> str:
    """The URL of a store in that folder which holds those snapshots."""
    url = f"sqlite:///{folder / 'prices.sqlite3'}"
    with open_store(url, create=True) as store:
        for one in snapshots:
            save(store, one)
    return url


def two_days() -> tuple[Snapshot, ...]:
    """1 and 2 of AWS, two days and one day old, and 3 of GCP."""
    return (
        snapshot(
            days_ago(2),
            offer("50"),
            offer("60", "us-west-2"),
            offer("20", tier=Tier.SPOT, zone="use1-az1"),
            offer("7", instance_type="g5.48xlarge"),
        ),
        snapshot(
            days_ago(1),
            offer("40"),
            missing("no spare capacity", tier=Tier.SPOT, zone="use1-az1"),
            offer("9", instance_type="g6.48xlarge"),
            offer("30", "eu-west-1"),
        ),
        snapshot(days_ago(0.5), offer("88"), provider="gcp"),
    )


def a_week(ago: int = 0) -> tuple[Snapshot, ...]:
    """Nightly refreshes of eight nights up to so many days ago, the fourth left out; spot is off sale on the sixth."""
    nights = []
    for night in (7, 6, 5, 3, 2, 1, 0):
        zone = {"tier": Tier.SPOT, "zone": "use1-az1"}
        spot = missing("no spare capacity", **zone) if night == 2 else offer(str(20 + night), **zone)
        nights.append(snapshot(days_ago(ago + night + 0.03), offer("55.04" if night > 4 else "49.5"), spot))
    return tuple(nights)


def flat(text: str) -> str:
    """The text on one line, wherever it was wrapped."""
    return " ".join(text.split())


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
