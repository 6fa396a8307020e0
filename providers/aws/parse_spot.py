"""Spot, pure: rows of DescribeSpotPriceHistory to the price in force per zone, and to a history of steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from providers.aws.payload import usd
from providers.aws.places import zone_kind
from providers.errors import UnexpectedPayload
from providers.fetch import SpotPrice
from providers.offer import Offer, Tier

LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
# What no real answer holds: AWS keeps 90 days of spot prices, and no GPU machine was ever sold for a tenth of a
# cent an hour; a simulator of AWS is below both (providers.offer.TEST_DOUBLE_USD_PER_HOUR).
LEAST_USD_PER_HOUR = Decimal("0.001")
OLDEST = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class SpotRow:
    """One row that can be used: a price of a zone (its id) since a moment (UTC)."""

    zone: str
    instance_type: str
    description: str
    usd_per_hour: Decimal
    since: datetime


def read_rows(
    rows: Iterable[Mapping[str, Any]],
    region: str,
    types: Mapping[str, object],
    zone_ids: Mapping[str, str],
    now: datetime,
    counts: Counter[str],
) -> list[SpotRow]:
    """The Linux rows of types. zone_ids turns an account's zone names to ids where a row has no id itself.

    Raises UnexpectedPayload for a row without its fields or zone, and for a price or date that no market has.
    """
    kept = []
    for row in rows:
        counts["spot prices"] += 1
        try:
            instance_type, description = row["InstanceType"], row["ProductDescription"]
            text, stamp, name = row["SpotPrice"], row["Timestamp"], row["AvailabilityZone"]
        except KeyError as error:
            raise UnexpectedPayload(f"aws: spot prices of {region}: a row without {error.args[0]}") from None
        if description not in LINUX or instance_type not in types:
            counts[f"left out: spot for {description if instance_type in types else 'other types'}"] += 1
            continue
        zone = row.get("AvailabilityZoneId") or zone_ids.get(name)
        if not zone:
            raise UnexpectedPayload(f"aws: spot prices of {region}: zone {name} has no zone id")
        amount, since = usd(text, f"spot prices of {region}"), stamp.astimezone(UTC)
        if not amount:
            counts["left out: zero price"] += 1
            continue
        _check_plausible(amount, since, now, f"aws: spot prices of {region}: {instance_type} in {zone}")
        kept.append(
            SpotRow(
                zone=zone,
                instance_type=instance_type,
                description=description,
                usd_per_hour=amount,
                since=since,
            )
        )
    return kept


def lacks_zone_ids(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a row names its zone by the account's own name alone."""
    return any(not row.get("AvailabilityZoneId") for row in rows)


def current_offers(rows: Iterable[SpotRow], region: str, now: datetime) -> list[Offer]:
    """One offer per zone and type: the newest price, the dearer where two are equally new."""
    newest: dict[tuple[str, str], SpotRow] = {}
    for row in rows:
        pool = (row.zone, row.instance_type)
        standing = newest.get(pool)
        if standing is None or (row.since, row.usd_per_hour) > (standing.since, standing.usd_per_hour):
            newest[pool] = row
    return [
        Offer(
            provider="aws",
            region=region,
            region_kind=zone_kind(row.zone),
            zone=row.zone,
            instance_type=row.instance_type,
            tier=Tier.SPOT,
            usd_per_hour=row.usd_per_hour,
            observed_on=now.date(),
            source=f"AWS DescribeSpotPriceHistory since {row.since:%Y-%m-%dT%H:%MZ}",
        )
        for row in newest.values()
    ]


def history(rows: Iterable[SpotRow], region: str) -> list[SpotPrice]:
    """The steps of each pool in order of time. A pool's "Linux/UNIX" rows, else its "(Amazon VPC)" ones:
    both describe the same machines, and the two series must not be mixed.
    """
    pools: dict[tuple[str, str], dict[str, dict[datetime, SpotRow]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        pools[row.zone, row.instance_type][row.description][row.since] = row
    steps = []
    for (zone, instance_type), series in sorted(pools.items()):
        chosen = next(series[name] for name in LINUX if name in series)
        steps += [
            SpotPrice(
                provider="aws",
                region=region,
                zone=zone,
                instance_type=instance_type,
                usd_per_hour=row.usd_per_hour,
                since=since,
            )
            for since, row in sorted(chosen.items())
        ]
    return steps


def _check_plausible(amount: Decimal, since: datetime, now: datetime, where: str) -> None:
    if amount < LEAST_USD_PER_HOUR:
        raise UnexpectedPayload(f"{where}: {amount} USD per hour is no price of a GPU machine")
    if not now - OLDEST <= since <= now + timedelta(days=1):
        raise UnexpectedPayload(f"{where}: dated {since:%Y-%m-%d}, while AWS keeps 90 days")
