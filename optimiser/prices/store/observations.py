"""What clouds tell beside prices: steps of spot prices, interruption bands, quotas. The newest of each is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Select, Text, and_, func, select, type_coerce, union_all

from optimiser.prices.store.amounts import NANO_USD_PER_USD, from_micros, from_nano, to_micros, to_nano
from optimiser.prices.store.columns import put_newest
from optimiser.prices.store.connection import Store, reading, writing
from optimiser.prices.store.guards import check_spot_price
from optimiser.prices.store.tables import QUOTAS, SPOT_SIGNALS, SPOT_STEPS
from providers.fetch import Quota, SpotPrice, SpotSignal
from providers.offer import Tier
from providers.shape import QuotaUnit

_MICROS_PER_HOUR = 3.6e9


def save_spot_history(store: Store, prices: Iterable[SpotPrice]) -> None:
    """Store steps of spot prices; one that stands there already is replaced. All or nothing.

    Raises StoreError for a step of a test double, and where the database fails.
    """
    steps = list(prices)
    for step in steps:
        check_spot_price(step)
    rows = [
        {
            "instance_type": step.instance_type,
            "provider": step.provider,
            "region": step.region,
            "zone": step.zone,
            "since": to_micros(step.since),
            "usd_per_hour_nano": to_nano(step.usd_per_hour),
        }
        for step in steps
    ]
    with writing(store) as connection:
        put_newest(connection, SPOT_STEPS, rows, "since")


def spot_history(
    store: Store,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    provider: str | None = None,
    region: str | None = None,
    zone: str | None = None,
    instance_type: str | None = None,
) -> tuple[SpotPrice, ...]:
    """The steps stored, both moments included, by pool and then from old to new. Raises StoreError."""
    steps = SPOT_STEPS.c
    query = select(SPOT_STEPS).order_by(
        steps.provider, steps.region, steps.zone, steps.instance_type, steps.since
    )
    if since is not None:
        query = query.where(steps.since >= to_micros(since))
    if until is not None:
        query = query.where(steps.since <= to_micros(until))
    wanted = {"provider": provider, "region": region, "zone": zone, "instance_type": instance_type}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(steps[name] == value)
    with reading(store) as connection:
        return tuple(
            SpotPrice(
                provider=row.provider,
                region=row.region,
                zone=row.zone,
                instance_type=row.instance_type,
                usd_per_hour=from_nano(row.usd_per_hour_nano),
                since=from_micros(row.since),
            )
            for row in connection.execute(query)
        )


def spot_steps_in_force(
    store: Store, instance_types: Collection[str], since: datetime, until: datetime
) -> dict[tuple[str, str, str, str], list[tuple[float, float]]]:
    """(USD per hour, hours it held within the two moments) of every step in force between them, oldest first, by
    (provider, region, zone, instance type). The newest of a pool holds until the end. Raises StoreError.
    """
    steps = SPOT_STEPS.c
    begin, end = to_micros(since), to_micros(until)
    pool = (steps.instance_type, steps.provider, steps.region, steps.zone)
    of_types = steps.instance_type.in_(sorted(instance_types))
    newest = select(*pool, func.max(steps.since).label("since")).where(of_types, steps.since <= begin)
    at_begin = newest.group_by(*pool).subquery()
    columns = (*(type_coerce(column, Text) for column in pool), steps.since, steps.usd_per_hour_nano)
    query = union_all(
        select(*columns).join(
            at_begin, and_(*(column == at_begin.c[column.name] for column in (*pool, steps.since)))
        ),
        select(*columns).where(of_types, steps.since > begin, steps.since < end),
    )
    found: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    with reading(store) as connection:
        for *of, began, nano_usd in connection.execute(query):
            found[tuple(of)].append((max(began, begin), nano_usd))
    return {
        (provider, region, zone, instance_type): _held(sorted(known), end)
        for (instance_type, provider, region, zone), known in found.items()
    }


def _held(known: list[tuple[int, int]], end: int) -> list[tuple[float, float]]:
    """USD and hours from the moments (microseconds) and nano-USD of one pool's steps, the last of them up to end."""
    ends = [began for began, _ in known[1:]] + [end]
    return [
        (nano_usd / NANO_USD_PER_USD, (ended - began) / _MICROS_PER_HOUR)
        for (began, nano_usd), ended in zip(known, ends, strict=True)
    ]


def save_signals(store: Store, signals: Iterable[SpotSignal]) -> None:
    """Store interruption bands, each in the place of an older one of its instance type and region."""
    names = (
        "provider",
        "region",
        "instance_type",
        "low_percent",
        "high_percent",
        "per",
        "savings_percent",
        "source",
    )
    rows = [
        {name: getattr(signal, name) for name in names} | {"observed_at": to_micros(signal.observed_at)}
        for signal in signals
    ]
    with writing(store) as connection:
        put_newest(connection, SPOT_SIGNALS, rows, "observed_at")


def signals(store: Store, *, provider: str | None = None) -> tuple[SpotSignal, ...]:
    """The newest interruption band of every instance type and region. Raises StoreError."""
    query = _of(select(SPOT_SIGNALS).order_by(*SPOT_SIGNALS.primary_key), provider)
    with reading(store) as connection:
        return tuple(
            SpotSignal(**row._asdict() | {"observed_at": from_micros(row.observed_at)})
            for row in connection.execute(query)
        )


def save_quotas(store: Store, quotas: Iterable[Quota]) -> None:
    """Store quotas, each in the place of an older one of its region, family and tier."""
    names = ("provider", "region", "quota_family", "limit", "used")
    rows = [
        {name: getattr(quota, name) for name in names}
        | {
            "tier": quota.tier.value,
            "unit": quota.unit.value,
            "observed_at": to_micros(quota.observed_at),
        }
        for quota in quotas
    ]
    with writing(store) as connection:
        put_newest(connection, QUOTAS, rows, "observed_at")


def quotas(store: Store, *, provider: str | None = None) -> tuple[Quota, ...]:
    """The newest quota of every region, family and tier. Raises StoreError."""
    query = _of(select(QUOTAS).order_by(*QUOTAS.primary_key), provider)
    with reading(store) as connection:
        return tuple(
            Quota(
                **row._asdict()
                | {
                    "tier": Tier(row.tier),
                    "unit": QuotaUnit(row.unit),
                    "observed_at": from_micros(row.observed_at),
                }
            )
            for row in connection.execute(query)
        )


def _of(query: Select[tuple[object, ...]], provider: str | None) -> Select[tuple[object, ...]]:
    if provider is None:
        return query
    return query.where(query.selected_columns["provider"] == provider)
