"""Dropping old snapshots and what they alone hold, and taking back what one put in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, false, func, select, union, update
from sqlalchemy.engine import Connection

from optimiser.prices.refreshed import Status
from optimiser.prices.store.amounts import to_micros
from optimiser.prices.store.connection import Store, reading, writing
from optimiser.prices.store.covered import scope_in
from optimiser.prices.store.in_force import check_id, newest
from optimiser.prices.store.tables import BLOCKS, COVERAGE, KEYS, ROWS, SNAPSHOTS, SPOT_STEPS, TEXTS
from providers.fetch import Scope


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What went, or would go: snapshots, prices (rows of content that nothing else shares), steps of spot prices."""

    snapshots: int
    prices: int
    spot_steps: int = 0


def prune(store: Store, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Drop the snapshots begun before a moment that hold nothing in force and are not their provider's newest.

    Content that a kept snapshot shares stays. Steps of spot prices before that moment go as well, but
    for the one of each pool that was in force then. With dry_run nothing goes. The file does not shrink; what
    comes next fills the room. Raises StoreError.
    """
    moment = to_micros(before)
    with reading(store) if dry_run else writing(store) as connection:
        doomed = _doomed(connection, moment)
        kept_blocks = select(COVERAGE.c.block_id).where(COVERAGE.c.snapshot_id.not_in(doomed))
        orphans = ROWS.c.block_id.not_in(kept_blocks)
        old_steps = _old_steps(moment)
        pruned = Pruned(
            snapshots=_count(connection, SNAPSHOTS, SNAPSHOTS.c.id.in_(doomed)),
            prices=_count(connection, ROWS, orphans),
            spot_steps=_count(connection, SPOT_STEPS, old_steps),
        )
        if not dry_run:
            connection.execute(delete(SPOT_STEPS).where(old_steps))
            _drop(connection, doomed)
    return pruned


def discard(store: Store, snapshot_id: int) -> frozenset[Scope]:
    """Take back what a snapshot put in force, as if it had accepted nothing; its summary stays, as DISCARDED.

    Returns the scopes that it alone had prices for, and which have none now; in the others the prices before it
    are in force again, with their own date. Raises UsageError for an id that is not there, StoreError.
    """
    with writing(store) as connection:
        check_id(connection, store, snapshot_id)
        before = set(map(scope_in, connection.execute(newest(None))))
        connection.execute(delete(COVERAGE).where(COVERAGE.c.snapshot_id == snapshot_id))
        counts = {"status": Status.DISCARDED.value, "scopes": 0, "offers": 0, "missing": 0}
        connection.execute(update(SNAPSHOTS).where(SNAPSHOTS.c.id == snapshot_id).values(**counts))
        _drop(connection, select(SNAPSHOTS.c.id).where(false()))
        return frozenset(before.difference(map(scope_in, connection.execute(newest(None)))))


def _doomed(connection: Connection, moment: int) -> Select[tuple[int]]:
    in_force = {row.snapshot_id for row in connection.execute(newest(None))}
    last = connection.scalars(select(func.max(SNAPSHOTS.c.id)).group_by(SNAPSHOTS.c.provider))
    old = SNAPSHOTS.c.started_at < moment
    return select(SNAPSHOTS.c.id).where(old, SNAPSHOTS.c.id.not_in(in_force | set(last)))


def _old_steps(moment: int) -> ColumnElement[bool]:
    """Steps before a moment that another step of their pool had replaced by then."""
    later = SPOT_STEPS.alias()
    same_pool = (
        later.c[name] == SPOT_STEPS.c[name] for name in ("provider", "region", "zone", "instance_type")
    )
    return and_(
        SPOT_STEPS.c.since < moment,
        exists()
        .where(*same_pool, later.c.since > SPOT_STEPS.c.since, later.c.since <= moment)
        .correlate(SPOT_STEPS),
    )


def _drop(connection: Connection, doomed: Select[tuple[int]]) -> None:
    """Delete snapshots, then from top to bottom what nothing refers to any more."""
    connection.execute(delete(COVERAGE).where(COVERAGE.c.snapshot_id.in_(doomed)))
    connection.execute(delete(SNAPSHOTS).where(SNAPSHOTS.c.id.in_(doomed)))
    connection.execute(delete(BLOCKS).where(BLOCKS.c.id.not_in(select(COVERAGE.c.block_id))))
    connection.execute(delete(ROWS).where(ROWS.c.block_id.not_in(select(BLOCKS.c.id))))
    connection.execute(delete(KEYS).where(KEYS.c.id.not_in(select(ROWS.c.key_id))))
    told = union(select(ROWS.c.source_id), select(ROWS.c.reason_id).where(ROWS.c.reason_id.is_not(None)))
    connection.execute(delete(TEXTS).where(TEXTS.c.id.not_in(told)))


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
