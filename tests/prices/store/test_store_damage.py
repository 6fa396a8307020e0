"""A store whose content no refresh wrote: told as damage, in one line that names it, never as a fault of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from stored_prices import DAY, EAST, NIGHT, SPOT, YEARS, missing, offer, seen, snapshot

from optimiser.prices.refreshed import Finding, Severity
from optimiser.prices.store import (
    Store,
    StoreError,
    counts_in_force,
    discard,
    history,
    in_force,
    in_force_table,
    open_store,
    quotas,
    save,
    save_quotas,
    save_signals,
    save_spot_history,
    scopes_in_force,
    signals,
    snapshots,
    snapshots_that_count,
    spot_history,
)
from optimiser.prices.store.connection import writing
from providers.fetch import Quota, SpotPrice, SpotSignal
from providers.shape import QuotaUnit

TYPE = "p5.48xlarge"
READERS: dict[str, Callable[[Store], object]] = {
    "in_force": lambda store: in_force(store, "aws"),
    "in_force_table": in_force_table,
    "scopes_in_force": scopes_in_force,
    "counts_in_force": counts_in_force,
    "snapshots": snapshots,
    "snapshots_that_count": snapshots_that_count,
    "history": lambda store: history(store, since=NIGHT - DAY, until=NIGHT + DAY, instance_type=TYPE),
    "spot_history": spot_history,
    "signals": signals,
    "quotas": quotas,
    "discard": lambda store: discard(store, 1),
    "save": lambda store: save(store, snapshot(seen(EAST, offer(EAST, "2"), at=NIGHT + DAY))),
}
PRICES = ("in_force", "in_force_table", "history")
SUMMARIES = ("snapshots", "snapshots_that_count")
EVERYWHERE = [
    ("UPDATE price_snapshots SET counts = '{'", SUMMARIES),
    ("UPDATE price_snapshots SET counts = '{\"requests\": NaN}'", SUMMARIES),
    ("UPDATE price_snapshots SET findings = '[{\"check\": 1}]'", SUMMARIES),
    ('UPDATE price_snapshots SET failures = \'[[["aws"], "x"]]\'', SUMMARIES),
    ("UPDATE price_snapshots SET status = 'splendid'", SUMMARIES),
    ("UPDATE price_scopes SET tier = 'sport'", ("scopes_in_force", "counts_in_force", "discard")),
    ("UPDATE price_scopes SET provider = 'awz'", ("snapshots_that_count",)),
    ("UPDATE price_coverage SET moments = '[2026'", PRICES),
    ("UPDATE price_coverage SET observed_at = 9000000000000000000", ("in_force", "scopes_in_force")),
    ("UPDATE price_rows SET usd_per_hour_nano = 0, upfront_usd_nano = 0", PRICES),
    ("UPDATE price_rows SET usd_per_hour_nano = -1", PRICES),
    ("UPDATE price_rows SET usd_per_hour_nano = NULL", PRICES),
    ("UPDATE price_rows SET valid_until = '2026-02-31'", PRICES),
    ("UPDATE price_rows SET source_id = 99", PRICES),
    ("UPDATE price_keys SET term_months = 0", ("in_force", "in_force_table")),
    ("DELETE FROM price_keys", ("in_force", "in_force_table")),
    ("DELETE FROM price_texts", PRICES),
    ("UPDATE price_spot_steps SET usd_per_hour_nano = -1", ("spot_history", "history")),
    ("UPDATE price_spot_steps SET usd_per_hour_nano = 0", ("history",)),
    ("UPDATE price_spot_signals SET observed_at = 9000000000000000000", ("signals",)),
    ("UPDATE price_quotas SET unit = 'horse'", ("quotas",)),
]
# SQLite keeps whatever is put into a column, and tells of a table only when it is asked for.
IN_SQLITE = [
    ("UPDATE price_rows SET usd_per_hour_nano = 'a lot'", PRICES),
    ("UPDATE price_rows SET max_instances = '{'", PRICES),
    ("UPDATE price_rows SET source_id = x'ff'", PRICES),
    ("UPDATE price_scopes SET region = x'ff'", (*PRICES, "scopes_in_force", "counts_in_force")),
    ("UPDATE price_coverage SET observed_at = 'noon'", ("in_force", "scopes_in_force")),
    ("UPDATE price_keys SET term_months = 'year'", ("in_force_table", "save")),
    ("UPDATE price_spot_steps SET usd_per_hour_nano = 1.5", ("spot_history", "history")),
    ("DROP TABLE price_rows", (*PRICES, "counts_in_force", "save")),
    ("ALTER TABLE price_quotas RENAME COLUMN used TO spent", ("quotas",)),
]


def fill(store: Store) -> None:
    """One of everything, up front and Missing included."""
    warning = Finding(check="price_in_band", severity=Severity.WARN, scope=EAST, subject=TYPE, message="x")
    bought = {"kind": "reserved_instance", "term_months": 12, "payment": "partial_upfront"}
    paid = offer(YEARS, "20", upfront_usd=Decimal(8760), **bought)
    listed = (offer(EAST, "55.04"), missing(EAST), offer(SPOT, "20", zone="use1-az1"))
    scopes = (seen(EAST, *listed[:2]), seen(SPOT, listed[2]), seen(YEARS, paid))
    save(store, snapshot(*scopes, findings=(warning,), failures=((SPOT, "timed out"),)))
    place = {"provider": "aws", "region": "us-east-1"}
    pool = {**place, "zone": "use1-az1", "instance_type": TYPE}
    save_spot_history(store, [SpotPrice(**pool, usd_per_hour=Decimal(18), since=NIGHT)])
    band = {"low_percent": 5, "high_percent": 10, "per": "month", "savings_percent": 60, "source": "advisor"}
    save_signals(store, [SpotSignal(**place, instance_type=TYPE, **band, observed_at=NIGHT)])
    limit = {"unit": QuotaUnit.VCPU, "limit": 192, "used": 96, "observed_at": NIGHT}
    save_quotas(store, [Quota(**place, quota_family="P", tier=EAST.tier, **limit)])


@pytest.mark.parametrize(("damage", "readers"), EVERYWHERE, ids=[damage for damage, _ in EVERYWHERE])
def test_what_no_refresh_wrote_is_damage(store: Store, damage: str, readers: tuple[str, ...]) -> None:
    fill(store)
    with writing(store) as connection:
        connection.exec_driver_sql(damage)
    for name in readers:
        _told_as_damage(name, store)


@pytest.mark.parametrize(("damage", "readers"), IN_SQLITE, ids=[damage for damage, _ in IN_SQLITE])
def test_what_only_sqlite_lets_somebody_do_is_damage_too(
    sqlite_url: str, damage: str, readers: tuple[str, ...]
) -> None:
    with open_store(sqlite_url, create=True) as store:
        fill(store)
        with writing(store) as connection:
            connection.exec_driver_sql(damage)
        for name in readers:
            _told_as_damage(name, store)


def _told_as_damage(reader: str, store: Store) -> None:
    label = re.escape(store.label)
    with pytest.raises(StoreError, match=rf"^{label}: is damaged or was changed by hand \(.+\): put a"):
        READERS[reader](store)


def test_everything_can_be_read_before_it_is_damaged(store: Store) -> None:
    fill(store)
    for read in READERS.values():
        read(store)
