"""Stored rows as offers and Missing again, without pandas: a refresh reads all that is in force, and needs no table."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache
from sys import intern
from typing import Any

from sqlalchemy.engine import Row

from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store.amounts import from_micros, from_nano
from optimiser.prices.store.content import Key, with_moments
from optimiser.prices.store.covered import Stored, scope_in
from providers.fetch import Scope
from providers.offer import Missing, Offer, Tier


def as_values(stored: Stored) -> dict[Scope, ScopePrices]:
    """What each scope holds, scopes in order; the newest where a scope was covered several times."""
    keys = dict(zip(stored.keys["id"], _keys(stored), strict=True))
    texts = dict(zip(stored.texts["id"], stored.texts["text"], strict=True))
    of_block: dict[str, list[int]] = defaultdict(list)
    for place, block in enumerate(stored.rows["block_id"]):
        of_block[block].append(place)
    in_order = sorted(stored.coverage, key=lambda one: (one.provider, one.region, one.tier, one.observed_at))
    values = {}
    for one in in_order:
        prices = list(_prices(one, of_block[str(one.block_id)], stored, keys, texts))
        scope = scope_in(one)
        values[scope] = ScopePrices(
            scope=scope,
            observed_at=from_micros(one.observed_at),
            offers=tuple(price for price in prices if isinstance(price, Offer)),
            missing=tuple(price for price in prices if isinstance(price, Missing)),
            snapshot_id=one.snapshot_id,
        )
    return values


def _keys(stored: Stored) -> Iterator[Key]:
    texts = {name: map(intern, stored.keys[name]) for name in Key._fields}
    cells = {**texts, "term_months": map(int, stored.keys["term_months"])}
    return map(Key._make, zip(*cells.values(), strict=True))


def _prices(
    coverage: Row[Any], places: list[int], stored: Stored, keys: dict[str, Key], texts: dict[str, str]
) -> Iterator[Offer | Missing]:
    """The prices of one coverage, whose rows stand at places, by place and terms."""
    rows = stored.rows
    moments = tuple(json.loads(coverage.moments))
    source_of = cache(lambda source_id: with_moments(texts[source_id], moments))
    usd_of = cache(lambda nano_usd: from_nano(int(nano_usd)))
    shared: dict[str, Any] = {
        "provider": coverage.provider,
        "region": coverage.region,
        "tier": Tier(coverage.tier),
        "observed_on": from_micros(coverage.observed_at).date(),
    }
    for key, row in sorted(((keys[rows["key_id"][place]], place) for place in places), key=_by_place):
        fields = {**shared, "source": source_of(rows["source_id"][row])}
        if reason_id := rows["reason_id"][row]:
            place_alone = {name: getattr(key, name) for name in ("region_kind", "zone", "instance_type")}
            yield Missing(**fields, **place_alone, reason=texts[reason_id])
            continue
        hourly, upfront = usd_of(rows["usd_per_hour_nano"][row]), usd_of(rows["upfront_usd_nano"][row])
        if not hourly + upfront or (upfront and key.term_months <= 0):
            raise ValueError("an offer has no price")
        most, until = rows["max_instances"][row], rows["valid_until"][row]
        yield Offer(
            **fields,
            **key._asdict(),
            usd_per_hour=hourly,
            upfront_usd=upfront,
            max_instances=int(most) if most else None,
            valid_until=date.fromisoformat(until) if until else None,
        )


def _by_place(found: tuple[Key, int]) -> tuple[Any, ...]:
    key, _ = found
    return key.instance_type, key.zone, key.region_kind, *key[3:]
