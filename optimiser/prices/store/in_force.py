"""The prices in force: per scope the last good ones, each with the moment they were seen."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.engine import Connection

from optimiser.errors import UsageError
from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store.amounts import from_micros, to_micros
from optimiser.prices.store.connection import Store, reading
from optimiser.prices.store.covered import COVERED, read_covered, scope_in
from optimiser.prices.store.tables import COVERAGE, ROWS, SCOPES, SNAPSHOTS
from optimiser.prices.store.values import as_values
from providers.fetch import Scope
from providers.offer import Tier

if TYPE_CHECKING:
    import pandas as pd


MOST_ID = 2**31


def in_force(
    store: Store, provider: str, *, tiers: Collection[Tier] = tuple(Tier), at: datetime | None = None
) -> dict[Scope, ScopePrices]:
    """A provider's last good prices by scope, as they stood at a moment (now, where at is None), amounts exact.

    Raises StoreError where the store cannot be read.
    """
    asked = (SCOPES.c.provider == provider, SCOPES.c.tier.in_([tier.value for tier in tiers]))
    with reading(store) as connection:
        return _values(connection, newest(at).where(*asked))


def in_force_table(store: Store, *, at: datetime | None = None) -> pd.DataFrame:
    """The last good prices of every scope, a row per offer and per Missing, ordered by place and terms.

    Columns: provider, region, region_kind, zone, instance_type, tier, market, kind, payment, contract, source and
    missing_reason (text, "" where there is none; the market of a Missing is "standard"); term_months and
    snapshot_id (int64); usd_per_hour_text and upfront_usd_text (exact decimal text, "" where Missing);
    usd_per_hour and upfront_usd (float64, NaN where Missing); max_instances (float64, NaN: no limit);
    valid_until (datetime64[s], NaT: no end); observed_at (datetime64[us, UTC]). Raises StoreError.
    """
    from optimiser.prices.store.price_table import price_table

    with reading(store) as connection:
        return price_table(connection, newest(at))


def table_and_scopes(
    store: Store, *, at: datetime | None = None
) -> tuple[pd.DataFrame, dict[Scope, tuple[datetime, int]]]:
    """in_force_table and scopes_in_force of one and the same moment: a refresh may end between two calls."""
    from optimiser.prices.store.price_table import price_table

    with reading(store) as connection:
        return price_table(connection, newest(at)), _scopes(connection, newest(at))


def scopes_in_force(store: Store, *, at: datetime | None = None) -> dict[Scope, tuple[datetime, int]]:
    """When each scope's prices in force were seen (UTC), and the id of the snapshot that brought them."""
    with reading(store) as connection:
        return _scopes(connection, newest(at))


def counts_in_force(store: Store) -> dict[Scope, tuple[int, int]]:
    """How many offers and how many Missing are in force in each scope. Raises StoreError."""
    standing = newest(None).subquery()
    offers, rows = func.count(ROWS.c.usd_per_hour_nano), func.count(ROWS.c.key_id)
    names = (standing.c.provider, standing.c.region, standing.c.tier)
    query = (
        select(*names, offers.label("offers"), (rows - offers).label("missing"))
        .join_from(standing, ROWS, ROWS.c.block_id == standing.c.block_id, isouter=True)
        .group_by(*names)
    )
    with reading(store) as connection:
        return {scope_in(row): (row.offers, row.missing) for row in connection.execute(query)}


def prices_of(store: Store, snapshot_id: int) -> dict[Scope, ScopePrices]:
    """All that one snapshot put in force. Raises UsageError for an id that is not there, StoreError."""
    with reading(store) as connection:
        check_id(connection, store, snapshot_id)
        return _values(connection, COVERED.where(COVERAGE.c.snapshot_id == snapshot_id))


def check_id(connection: Connection, store: Store, snapshot_id: int) -> None:
    """Raises UsageError where there is no snapshot of that id."""
    within = abs(snapshot_id) < MOST_ID
    known = (
        within and connection.execute(select(SNAPSHOTS.c.id).where(SNAPSHOTS.c.id == snapshot_id)).scalar()
    )
    if not known:
        last = connection.execute(select(func.max(SNAPSHOTS.c.id))).scalar()
        right = f"the newest is {last}" if last else "there is none yet"
        raise UsageError(f"{store.label}: there is no snapshot {snapshot_id}: {right}")


def newest(at: datetime | None) -> Select[Any]:
    """Of each scope the newest coverage, or the newest seen until a moment.

    Written so that both databases look up one coverage per scope by index: coverage grows with every refresh.
    """
    earlier, scopes = COVERAGE.alias(), SCOPES.alias()
    last = (
        select(earlier.c.snapshot_id)
        .where(earlier.c.scope_id == scopes.c.id)
        .order_by(earlier.c.observed_at.desc(), earlier.c.snapshot_id.desc())
        .limit(1)
    )
    if at is not None:
        last = last.where(earlier.c.observed_at <= to_micros(at))
    newest_of_each = select(last.correlate(scopes).scalar_subquery(), scopes.c.id)
    return COVERED.where(tuple_(COVERAGE.c.snapshot_id, COVERAGE.c.scope_id).in_(newest_of_each))


def _values(connection: Connection, covered: Select[Any]) -> dict[Scope, ScopePrices]:
    return as_values(read_covered(connection, covered))


def _scopes(connection: Connection, covered: Select[Any]) -> dict[Scope, tuple[datetime, int]]:
    rows = sorted(
        connection.execute(covered), key=lambda row: (row.provider, row.region, row.tier, row.observed_at)
    )
    return {scope_in(row): (from_micros(row.observed_at), row.snapshot_id) for row in rows}
