"""Pruning: what is in force, what is shared and every provider's newest snapshot outlive it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from stored_prices import DAY, EAST, GCP, HOUR, NIGHT, WEST, YEARS, at_usd, offer, seen, snapshot

from optimiser.errors import UsageError
from optimiser.prices.refreshed import Status
from optimiser.prices.store import (
    Pruned,
    Store,
    StoreError,
    discard,
    in_force,
    in_force_table,
    prices_of,
    prune,
    save,
    save_spot_history,
    scopes_in_force,
    snapshots,
    spot_history,
)
from optimiser.prices.store.connection import reading
from optimiser.prices.store.tables import BLOCKS, COVERAGE, KEYS, ROWS, TEXTS
from providers.fetch import SpotPrice

YEAR = {"kind": "reserved_instance", "term_months": 12, "payment": "no_upfront"}


def test_old_snapshots_go_with_what_they_alone_hold(store: Store) -> None:
    for day in range(4):
        save(store, at_usd(f"{day + 1}", NIGHT + day * DAY))
    assert prune(store, NIGHT + 2 * DAY) == Pruned(snapshots=2, prices=2)
    assert [one.started_at for one in snapshots(store)] == [NIGHT + 3 * DAY, NIGHT + 2 * DAY]
    assert in_force_table(store, at=NIGHT + 2 * DAY)["usd_per_hour_text"].tolist() == ["3"]
    assert len(in_force_table(store, at=NIGHT + DAY)) == 0
    assert prune(store, NIGHT + 2 * DAY) == Pruned(snapshots=0, prices=0)


def test_what_is_in_force_stays_whatever_its_age(store: Store) -> None:
    old = save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(WEST, offer(WEST, "2"))))
    save(store, at_usd("3", NIGHT + DAY))
    newest = save(store, at_usd("4", NIGHT + 2 * DAY))
    before = in_force(store, "aws")
    assert prune(store, NIGHT + 9 * DAY) == Pruned(snapshots=1, prices=1)
    assert in_force(store, "aws") == before
    assert scopes_in_force(store) == {EAST: (NIGHT + 2 * DAY, newest.id), WEST: (NIGHT, old.id)}
    assert prices_of(store, old.id)[EAST].offers[0].usd_per_hour == 1


def test_content_shared_with_a_kept_snapshot_stays(store: Store) -> None:
    for day, usd in enumerate(("1", "2", "1")):
        save(store, at_usd(usd, NIGHT + day * DAY))
    assert prune(store, NIGHT + 9 * DAY) == Pruned(snapshots=2, prices=1)
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["1"]


def test_every_provider_s_newest_snapshot_stays_even_where_it_failed(store: Store) -> None:
    save(store, at_usd("1", NIGHT, GCP))
    failed = save(store, snapshot(at=NIGHT + HOUR, provider="gcp", status=Status.FAILED))
    save(store, at_usd("2"))
    assert prune(store, NIGHT + 9 * DAY) == Pruned(snapshots=0, prices=0)
    assert snapshots(store, provider="gcp")[0].id == failed.id


def test_a_dry_run_says_the_same_and_drops_nothing(store: Store) -> None:
    for day in range(3):
        save(store, at_usd(f"{day + 1}", NIGHT + day * DAY))
    told = prune(store, NIGHT + 9 * DAY, dry_run=True)
    assert (told, len(snapshots(store))) == (Pruned(snapshots=2, prices=2), 3)
    assert prune(store, NIGHT + 9 * DAY) == told


def test_nothing_is_left_behind_that_nothing_refers_to(store: Store) -> None:
    save(
        store,
        snapshot(seen(EAST, offer(EAST, "1", "old", source="old list")), seen(WEST, offer(WEST, "5", "old"))),
    )
    new = seen(EAST, offer(EAST, "2", "new", source="new list"), at=NIGHT + DAY)
    save(store, snapshot(new, seen(WEST, at=NIGHT + DAY), at=NIGHT + DAY))
    prune(store, NIGHT + 9 * DAY)
    with reading(store) as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar()
            for table in (BLOCKS, COVERAGE, ROWS, KEYS, TEXTS)
        }
    assert counts == {
        "price_blocks": 2,
        "price_coverage": 2,
        "price_rows": 1,
        "price_keys": 1,
        "price_texts": 1,
    }
    save(store, at_usd("3", NIGHT + 2 * DAY))
    assert in_force(store, "aws")[EAST].offers == (offer(EAST, "3", observed_on=(NIGHT + 2 * DAY).date()),)


def test_old_spot_steps_go_but_for_the_one_of_each_pool_in_force_then(store: Store) -> None:
    def step(zone: str, day: int) -> SpotPrice:
        return SpotPrice(
            provider="aws",
            region="us-east-1",
            zone=zone,
            instance_type="p5.48xlarge",
            usd_per_hour=Decimal(day + 1),
            since=NIGHT + day * DAY,
        )

    save_spot_history(store, [step("a", 0), step("a", 1), step("a", 5), step("b", 0), step("b", 1)])
    assert prune(store, NIGHT + 2 * DAY).spot_steps == 2
    assert spot_history(store) == (step("a", 1), step("a", 5), step("b", 1))


def test_an_empty_store_can_be_pruned(store: Store) -> None:
    assert prune(store, NIGHT) == Pruned(snapshots=0, prices=0)


def test_a_discarded_snapshot_gives_way_to_what_was_before_it(store: Store) -> None:
    first = save(store, snapshot(seen(EAST, offer(EAST, "55.04")), seen(YEARS, offer(YEARS, "9", **YEAR))))
    wrong = save(
        store,
        snapshot(
            seen(EAST, offer(EAST, "5.5"), at=NIGHT + DAY), seen(WEST, offer(WEST, "1"), at=NIGHT + DAY)
        ),
    )
    assert discard(store, wrong.id) == {WEST}
    assert scopes_in_force(store) == {EAST: (NIGHT, first.id), YEARS: (NIGHT, first.id)}
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["55.04", "9"]
    summary = snapshots(store)[0]
    assert (summary.id, summary.status, summary.scopes, summary.offers) == (wrong.id, Status.DISCARDED, 0, 0)
    assert prices_of(store, wrong.id) == {}


def test_after_a_clock_years_ahead_discarding_lets_the_true_time_in(store: Store) -> None:
    save(store, at_usd("1", NIGHT))
    ahead = save(store, at_usd("2", NIGHT + 9999 * DAY))
    with pytest.raises(StoreError):
        save(store, at_usd("3", NIGHT + DAY))
    assert discard(store, ahead.id) == frozenset()
    save(store, at_usd("3", NIGHT + DAY))
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["3"]


def test_discarding_what_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="no snapshot 7"):
        discard(store, 7)


def test_content_that_others_share_outlives_a_discarded_snapshot(store: Store) -> None:
    save(store, at_usd("1", NIGHT))
    again = save(store, at_usd("1", NIGHT + DAY))
    assert discard(store, again.id) == frozenset()
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["1"]
