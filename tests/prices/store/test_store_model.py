"""Any sequence of snapshots against a dictionary of the last good prices per scope."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_prices import NIGHT, empty, missing, offer, seen, snapshot

from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store import (
    Store,
    StoreError,
    in_force,
    in_force_table,
    prices_of,
    prune,
    save,
    scopes_in_force,
)
from providers.fetch import Scope
from providers.offer import Missing, Offer, Tier

SCOPES = [Scope("aws", region, tier) for region in ("r1", "r2") for tier in (Tier.ON_DEMAND, Tier.SPOT)]
TEXT = st.text(st.characters(exclude_categories=["C"], exclude_characters=["\x7f"]), max_size=6)
NANO_USD = st.integers(1, 10**15).filter(lambda nano: nano != 10_000)


@st.composite
def contents(draw: st.DrawFn, where: Scope) -> list[Offer | Missing]:
    """Prices of a scope, few enough names that sequences meet the same keys again."""
    names = draw(st.lists(st.sampled_from(["p5", "p4d", "NULL", "g6 'x'"]), unique=True, max_size=4))
    prices: list[Offer | Missing] = []
    for name in names:
        source = draw(
            st.sampled_from(["list 20260910195514 sku A", "list 20260911195514 sku A", "{}"]) | TEXT
        )
        if draw(st.booleans()):
            usd = Decimal(draw(NANO_USD)).scaleb(-9)
            contract = draw(st.sampled_from(["", "edp"]))
            most = draw(st.none() | st.integers(1, 10**9))
            fields: dict[str, Any] = {"source": source, "contract": contract, "max_instances": most}
            prices.append(offer(where, str(usd), name, **fields))
        else:
            prices.append(missing(where, name, reason="gone " + draw(TEXT), source=source))
    return prices


@st.composite
def nights(draw: st.DrawFn) -> list[ScopePrices]:
    """One snapshot's scopes, each seen within two days of NIGHT, so that clocks sometimes go backwards."""
    found = draw(st.lists(st.sampled_from(SCOPES), unique=True, max_size=3))
    hours = st.integers(0, 47)
    return [seen(one, *draw(contents(one)), at=NIGHT + timedelta(hours=draw(hours))) for one in found]


def dated(prices: ScopePrices, snapshot_id: int) -> tuple[datetime, int, set[Offer], set[Missing]]:
    """What the store must give back: everything, dated by the scope."""
    day = {"observed_on": prices.observed_at.date()}
    offers = {Offer(**vars(one) | day) for one in prices.offers}
    return prices.observed_at, snapshot_id, offers, {Missing(**vars(one) | day) for one in prices.missing}


def found_in(prices: dict[Scope, ScopePrices]) -> dict[Scope, Any]:
    return {
        one: (kept.observed_at, kept.snapshot_id, set(kept.offers), set(kept.missing))
        for one, kept in prices.items()
    }


def agrees_with_a_dictionary(store: Store, sequence: list[list[ScopePrices]], pruned_at: int) -> None:
    last_good: dict[Scope, Any] = {}
    stored: dict[int, dict[Scope, Any]] = {}
    empty(store)
    for number, accepted in enumerate(sequence):
        if any(one.scope in last_good and one.observed_at < last_good[one.scope][0] for one in accepted):
            with pytest.raises(StoreError, match="clock"):
                save(store, snapshot(*accepted))
        else:
            new = save(store, snapshot(*accepted)).id
            stored[new] = {one.scope: dated(one, new) for one in accepted}
            last_good |= stored[new]
        if number == pruned_at:
            prune(store, NIGHT + timedelta(days=9))
            kept = {scoped[1] for scoped in last_good.values()} | ({max(stored)} if stored else set())
            stored = {one: prices for one, prices in stored.items() if one in kept}
        assert found_in(in_force(store, "aws")) == last_good
    assert scopes_in_force(store) == {one: kept[:2] for one, kept in last_good.items()}
    for one, prices in stored.items():
        assert found_in(prices_of(store, one)) == prices
    rows = sum(len(offers) + len(gone) for _, _, offers, gone in last_good.values())
    assert len(in_force_table(store)) == rows


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=st.lists(nights(), max_size=7), pruned_at=st.integers(0, 12))
def test_any_sequence_of_snapshots_leaves_the_last_good_of_every_scope(
    shared_sqlite_store: tuple[str, Store], sequence: list[list[ScopePrices]], pruned_at: int
) -> None:
    agrees_with_a_dictionary(shared_sqlite_store[1], sequence, pruned_at)


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=st.lists(nights(), min_size=2, max_size=6), pruned_at=st.integers(0, 12))
def test_any_sequence_leaves_the_last_good_in_postgresql_too(
    shared_postgres_store: tuple[str, Store], sequence: list[list[ScopePrices]], pruned_at: int
) -> None:
    agrees_with_a_dictionary(shared_postgres_store[1], sequence, pruned_at)
