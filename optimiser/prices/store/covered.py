"""What stands in the store, read as it stands: the coverages asked for, and by column the rows they point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, select, union
from sqlalchemy.engine import Connection, Row

from optimiser.prices.store.columns import read_columns
from optimiser.prices.store.content import Key
from optimiser.prices.store.tables import COVERAGE, KEYS, ROWS, SCOPES, TEXTS
from providers.fetch import Scope
from providers.offer import Tier

# What one coverage is, as every reading function selects it; conditions say which.
COVERED = select(
    SCOPES.c.provider,
    SCOPES.c.region,
    SCOPES.c.tier,
    COVERAGE.c.snapshot_id,
    COVERAGE.c.observed_at,
    COVERAGE.c.block_id,
    COVERAGE.c.moments,
).join_from(COVERAGE, SCOPES, COVERAGE.c.scope_id == SCOPES.c.id)

Columns = Mapping[str, list[str]]


class Stored(NamedTuple):
    """Coverages, and the columns of price_rows, price_keys and price_texts that they need, as text ("" is NULL)."""

    coverage: Sequence[Row[Any]]
    rows: Columns
    keys: Columns
    texts: Columns


def read_covered(
    connection: Connection, covered: Select[Any], of_keys: ColumnElement[bool] | None = None
) -> Stored:
    """All that covered, which is COVERED with conditions, speaks of; of_keys is a condition on price_keys."""
    keys_wanted: ColumnElement[bool] = KEYS.c.scope_id.in_(_only(covered, COVERAGE.c.scope_id))
    rows_wanted: ColumnElement[bool] = ROWS.c.block_id.in_(_only(covered, COVERAGE.c.block_id))
    if of_keys is not None:
        keys_wanted = and_(keys_wanted, of_keys)
        rows_wanted = and_(rows_wanted, ROWS.c.key_id.in_(select(KEYS.c.id).where(keys_wanted)))
    return Stored(
        coverage=connection.execute(covered).all(),
        rows=_columns(connection, list(ROWS.columns), rows_wanted),
        keys=_columns(connection, [KEYS.c.id, *(KEYS.c[name] for name in Key._fields)], keys_wanted),
        texts=_columns(connection, [TEXTS.c.id, TEXTS.c.text], TEXTS.c.id.in_(_told(rows_wanted))),
    )


def scope_in(row: Row[Any]) -> Scope:
    """The scope that a row names. Raises ValueError for a tier there is not."""
    return Scope(row.provider, row.region, Tier(row.tier))


def _only(covered: Select[Any], column: ColumnElement[int]) -> Select[Any]:
    return covered.with_only_columns(column, maintain_column_froms=True)


def _told(rows: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The texts that rows name: other snapshots' sources may be many times as many."""
    reasons = select(ROWS.c.reason_id).where(rows, ROWS.c.reason_id.is_not(None))
    return union(select(ROWS.c.source_id).where(rows), reasons)


def _columns(connection: Connection, columns: Sequence[Any], where: ColumnElement[bool] | None) -> Columns:
    names = [column.name for column in columns]
    return dict(zip(names, read_columns(connection, columns, where), strict=True))
