"""Storing a snapshot: in one transaction, content that stands there already only once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Table, func, insert, select
from sqlalchemy.engine import Connection

from optimiser.prices.refreshed import ScopePrices, Snapshot
from optimiser.prices.store.amounts import from_micros, to_micros
from optimiser.prices.store.columns import insert_rows, read_columns
from optimiser.prices.store.connection import Store, writing
from optimiser.prices.store.content import Content, Key, content_of
from optimiser.prices.store.errors import StoreError
from optimiser.prices.store.guards import check_snapshot
from optimiser.prices.store.summaries import summary_row
from optimiser.prices.store.tables import BLOCKS, COVERAGE, KEYS, ROWS, SCOPES, SNAPSHOTS, TEXTS
from providers.fetch import Scope


def save(store: Store, snapshot: Snapshot) -> Snapshot:
    """Store a snapshot whole and return it with its id and counts filled in; its scopes are in force from now on.

    Amounts are kept to 1e-9 USD, finer ones rounded half up; an offer's observed_on becomes the day of its scope's
    observed_at. Raises StoreError, with nothing stored, for a price of 0 or of a test double, a date before
    2020, two prices of one key, a scope seen earlier than what is in force there, and where the database fails.
    Raises ValueError for a snapshot that does not fit together.
    """
    check_snapshot(snapshot)
    contents = {prices.scope: content_of(prices) for prices in snapshot.accepted}
    with writing(store) as connection:
        scope_ids = _scope_ids(connection, contents)
        _refuse_earlier(connection, store.label, snapshot.accepted, scope_ids)
        blocks = _block_ids(connection, contents, scope_ids)
        snapshot_id = _next_id(connection, SNAPSHOTS)
        stored = _numbered(snapshot, snapshot_id)
        connection.execute(insert(SNAPSHOTS).values(**summary_row(stored)))
        coverage = [
            {
                "snapshot_id": snapshot_id,
                "scope_id": scope_ids[prices.scope],
                "observed_at": to_micros(prices.observed_at),
                "block_id": blocks[prices.scope],
                "moments": json.dumps(contents[prices.scope].moments),
            }
            for prices in snapshot.accepted
        ]
        insert_rows(connection, COVERAGE, coverage)
    return stored


def _numbered(snapshot: Snapshot, snapshot_id: int) -> Snapshot:
    return replace(
        snapshot,
        id=snapshot_id,
        accepted=tuple(replace(prices, snapshot_id=snapshot_id) for prices in snapshot.accepted),
        scopes=len(snapshot.accepted),
        offers=sum(len(prices.offers) for prices in snapshot.accepted),
        missing=sum(len(prices.missing) for prices in snapshot.accepted),
    )


def _scope_ids(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, int]:
    """The number of each scope, given to it now where it is new."""
    columns = (SCOPES.c.id, SCOPES.c.provider, SCOPES.c.region, SCOPES.c.tier)
    known = {tuple(names): number for number, *names in connection.execute(select(*columns))}
    ids: dict[Scope, int] = {}
    new: list[dict[str, object]] = []
    following = _next_id(connection, SCOPES)
    for scope in scopes:
        names = (scope.provider, scope.region, scope.tier.value)
        if names not in known:
            known[names] = following + len(new)
            new.append(dict(zip(("id", "provider", "region", "tier"), (known[names], *names), strict=True)))
        ids[scope] = known[names]
    insert_rows(connection, SCOPES, new)
    return ids


def _refuse_earlier(
    connection: Connection, label: str, accepted: Iterable[ScopePrices], scope_ids: Mapping[Scope, int]
) -> None:
    """StoreError where a clock went backwards: the older prices would never come into force."""
    latest = select(COVERAGE.c.scope_id, func.max(COVERAGE.c.observed_at).label("newest")).group_by(
        COVERAGE.c.scope_id
    )
    rows = connection.execute(latest.where(COVERAGE.c.scope_id.in_(list(scope_ids.values()))))
    in_force = {row.scope_id: row.newest for row in rows}
    for prices in accepted:
        newest = in_force.get(scope_ids[prices.scope])
        if newest is not None and to_micros(prices.observed_at) < newest:
            raise StoreError(
                f"{label}: {prices.scope} was to be stored as seen at {prices.observed_at:%Y-%m-%d %H:%M:%S} UTC, "
                f"but what is in force there was seen at {from_micros(newest):%Y-%m-%d %H:%M:%S} UTC: "
                "is a clock wrong? Nothing was stored"
            )


def _block_ids(
    connection: Connection, contents: Mapping[Scope, Content], scope_ids: Mapping[Scope, int]
) -> dict[Scope, int]:
    """The block of each scope's content: the one written when it was seen first, else a new one."""
    wanted = {(scope_ids[scope], content.digest): scope for scope, content in contents.items()}
    alike = select(BLOCKS.c.id, BLOCKS.c.scope_id, BLOCKS.c.digest).where(
        BLOCKS.c.scope_id.in_({scope_id for scope_id, _ in wanted}),
        BLOCKS.c.digest.in_({digest for _, digest in wanted}),
    )
    found = {(scope_id, digest): number for number, scope_id, digest in connection.execute(alike)}
    blocks = {scope: found[name] for name, scope in wanted.items() if name in found}
    new = [scope for scope in contents if scope not in blocks]
    blocks |= {scope: number for number, scope in enumerate(new, _next_id(connection, BLOCKS))}
    insert_rows(
        connection,
        BLOCKS,
        [
            {"id": blocks[scope], "scope_id": scope_ids[scope], "digest": contents[scope].digest}
            for scope in new
        ],
    )
    _write_rows(connection, {blocks[scope]: (scope_ids[scope], contents[scope]) for scope in new})
    return blocks


def _write_rows(connection: Connection, blocks: Mapping[int, tuple[int, Content]]) -> None:
    """Write the rows of new blocks, {block id: (scope id, content)}."""
    keys = _key_ids(
        connection, [(scope_id, row.key) for scope_id, new in blocks.values() for row in new.rows]
    )
    texts = _text_ids(
        connection,
        [text for _, new in blocks.values() for row in new.rows for text in (row.source, row.reason)],
    )
    rows = [
        {
            "block_id": block_id,
            "key_id": keys[scope_id, row.key],
            "usd_per_hour_nano": row.usd_per_hour_nano,
            "upfront_usd_nano": row.upfront_usd_nano,
            "max_instances": row.max_instances,
            "valid_until": row.valid_until,
            "source_id": texts[row.source],
            "reason_id": None if row.reason is None else texts[row.reason],
        }
        for block_id, (scope_id, new) in blocks.items()
        for row in new.rows
    ]
    insert_rows(connection, ROWS, rows)


def _key_ids(connection: Connection, wanted: list[tuple[int, Key]]) -> dict[tuple[int, Key], int]:
    columns = [KEYS.c.id, KEYS.c.scope_id, *(KEYS.c[name] for name in Key._fields)]
    among = KEYS.c.scope_id.in_({scope_id for scope_id, _ in wanted})
    known: dict[tuple[int, Key], int] = {}
    for number, scope_id, *parts in zip(*read_columns(connection, columns, among), strict=True):
        texts = dict(zip(Key._fields, parts, strict=True))
        key = Key(**texts | {"term_months": int(texts["term_months"])})
        known[int(scope_id), key] = int(number)
    new = [name for name in dict.fromkeys(wanted) if name not in known]
    numbered = {name: number for number, name in enumerate(new, _next_id(connection, KEYS))}
    rows = [
        {"id": number, "scope_id": scope_id, **key._asdict()} for (scope_id, key), number in numbered.items()
    ]
    insert_rows(connection, KEYS, rows)
    return known | numbered


def _text_ids(connection: Connection, wanted: Iterable[str | None]) -> dict[str, int]:
    ids, texts = read_columns(connection, [TEXTS.c.id, TEXTS.c.text])
    known = dict(zip(texts, map(int, ids), strict=True))
    new = [text for text in dict.fromkeys(wanted) if text is not None and text not in known]
    numbered: dict[str, int] = {text: number for number, text in enumerate(new, _next_id(connection, TEXTS))}
    insert_rows(connection, TEXTS, [{"id": number, "text": text} for text, number in numbered.items()])
    return known | numbered


def _next_id(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
