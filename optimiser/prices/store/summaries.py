"""What a snapshot was, apart from its prices: counts, findings and failures, as JSON text in its row."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, false, func, or_, select
from sqlalchemy.engine import Row

from optimiser.prices.refreshed import Finding, Severity, Snapshot, Status
from optimiser.prices.store.amounts import from_micros, to_micros
from optimiser.prices.store.connection import Store, reading
from optimiser.prices.store.in_force import newest
from optimiser.prices.store.tables import SNAPSHOTS
from providers.fetch import Scope
from providers.offer import Tier


def snapshots(store: Store, *, provider: str | None = None, limit: int | None = None) -> list[Snapshot]:
    """The snapshots stored, newest first, without their prices (accepted is empty). Raises StoreError."""
    query = select(SNAPSHOTS).order_by(SNAPSHOTS.c.id.desc()).limit(limit)
    if provider is not None:
        query = query.where(SNAPSHOTS.c.provider == provider)
    with reading(store) as connection:
        return list(map(_snapshot, connection.execute(query)))


def snapshots_that_count(store: Store) -> list[Snapshot]:
    """Of each provider the snapshots since the oldest that holds something in force (its newest where none
    does), newest first, without their prices: what a status needs of years of refreshes. Raises StoreError.
    """
    with reading(store) as connection:
        last = select(SNAPSHOTS.c.provider, func.max(SNAPSHOTS.c.id).label("newest")).group_by(
            SNAPSHOTS.c.provider
        )
        since = {row.provider: row.newest for row in connection.execute(last)}
        for row in connection.execute(newest(None)):
            since[row.provider] = min(since[row.provider], row.snapshot_id)
        counts = [
            and_(SNAPSHOTS.c.provider == provider, SNAPSHOTS.c.id >= first)
            for provider, first in since.items()
        ]
        query = select(SNAPSHOTS).where(or_(false(), *counts)).order_by(SNAPSHOTS.c.id.desc())
        return list(map(_snapshot, connection.execute(query)))


def summary_row(snapshot: Snapshot) -> dict[str, Any]:
    """The row of a snapshot that has its id and counts."""
    failures = [[_names(scope), reason] for scope, reason in snapshot.failures]
    return {
        "id": snapshot.id,
        "provider": snapshot.provider,
        "started_at": to_micros(snapshot.started_at),
        "finished_at": to_micros(snapshot.finished_at),
        "source_version": snapshot.source_version,
        "status": snapshot.status.value,
        "counts": json.dumps(dict(snapshot.counts)),
        "findings": json.dumps([asdict(one) | {"scope": _names(one.scope)} for one in snapshot.findings]),
        "failures": json.dumps(failures),
        "scopes": snapshot.scopes,
        "offers": snapshot.offers,
        "missing": snapshot.missing,
    }


def _snapshot(row: Row[Any]) -> Snapshot:
    return Snapshot(
        id=row.id,
        provider=row.provider,
        started_at=from_micros(row.started_at),
        finished_at=from_micros(row.finished_at),
        source_version=row.source_version,
        status=Status(row.status),
        counts={name: int(amount) for name, amount in dict(json.loads(row.counts)).items()},
        findings=tuple(map(_finding, json.loads(row.findings))),
        failures=tuple((_scope(names), reason) for names, reason in json.loads(row.failures)),
        scopes=row.scopes,
        offers=row.offers,
        missing=row.missing,
    )


def _finding(fields: dict[str, Any]) -> Finding:
    return Finding(**fields | {"scope": _scope(fields["scope"]), "severity": Severity(fields["severity"])})


def _names(scope: Scope) -> list[str]:
    return [scope.provider, scope.region, scope.tier.value]


def _scope(names: list[str]) -> Scope:
    provider, region, tier = names
    return Scope(provider, region, Tier(tier))
