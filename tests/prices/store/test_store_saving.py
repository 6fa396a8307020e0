"""Storing snapshots: exact, whole, and once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from stored_prices import DAY, EAST, HOUR, NIGHT, SPOT, WEST, YEARS, at_usd, missing, offer, seen, snapshot

from optimiser.prices.refreshed import Finding, Severity, Status
from optimiser.prices.store import (
    Store,
    StoreError,
    in_force,
    in_force_table,
    prices_of,
    save,
    scopes_in_force,
    snapshots,
)
from optimiser.prices.store.connection import reading
from optimiser.prices.store.tables import BLOCKS, KEYS, ROWS, TEXTS
from providers.offer import Tier

EVERYTHING = (
    seen(
        YEARS,
        offer(
            YEARS,
            "0",
            kind="reserved_instance",
            term_months=36,
            payment="all_upfront",
            upfront_usd=Decimal("1234567.89"),
        ),
        offer(YEARS, "30.1", kind="savings_plan", term_months=12, payment="no_upfront"),
        offer(
            YEARS,
            "29",
            kind="savings_plan",
            term_months=12,
            payment="no_upfront",
            contract="edp",
            max_instances=4,
            valid_until=date(2027, 3, 31),
        ),
        missing(YEARS),
    ),
    seen(
        SPOT,
        offer(SPOT, "11.040001", zone="use1-az1"),
        offer(SPOT, "0.000000001", zone="use1-az2", region_kind="local_zone"),
        missing(SPOT, zone="use1-az1", reason='says "NULL", {it},\\ and ünïcödé'),
    ),
    seen(EAST, offer(EAST, "55.04"), offer(EAST, "60", market="capacity_block"), at=NIGHT + HOUR),
    seen(WEST),
)


def rows_of(store: Store, table: object) -> int:
    with reading(store) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_what_was_stored_comes_back_equal(store: Store) -> None:
    stored = save(store, snapshot(*EVERYTHING))
    found = in_force(store, "aws")
    assert set(found) == {prices.scope for prices in EVERYTHING}
    for prices in EVERYTHING:
        back = found[prices.scope]
        assert set(back.offers) == set(prices.offers)
        assert set(back.missing) == set(prices.missing)
        assert len(back.offers) == len(prices.offers)
        assert (back.observed_at, back.snapshot_id) == (prices.observed_at, stored.id)
    assert prices_of(store, stored.id) == found


def test_the_stored_snapshot_knows_its_id_and_counts(store: Store) -> None:
    stored = save(store, snapshot(*EVERYTHING))
    assert (stored.scopes, stored.offers, stored.missing) == (4, 7, 2)
    assert {prices.snapshot_id for prices in stored.accepted} == {stored.id}
    assert save(store, at_usd("1", NIGHT + DAY)).id == stored.id + 1


def test_a_summary_comes_back_with_findings_failures_and_counts(store: Store) -> None:
    finding = Finding(
        check="no_price_jump",
        severity=Severity.HOLD,
        scope=EAST,
        subject="p5.48xlarge",
        message='98.32 -> 55.04 USD: a step of "-44 %"',
        acknowledged=True,
    )
    full = snapshot(
        seen(EAST, offer(EAST, "55.04")),
        findings=(finding,),
        failures=((WEST, "throttled"),),
        status=Status.INCOMPLETE,
        source_version="20260910195514",
    )
    stored = save(store, full)
    assert snapshots(store) == [replace(stored, accepted=())]


def test_snapshots_are_listed_newest_first_by_provider_and_up_to_a_limit(store: Store) -> None:
    ids = [
        save(store, at_usd("1", NIGHT)).id,
        save(store, at_usd("2", NIGHT, EAST._replace(provider="gcp"))).id,
        save(store, at_usd("3", NIGHT + DAY)).id,
    ]
    assert [one.id for one in snapshots(store)] == ids[::-1]
    assert [one.id for one in snapshots(store, provider="aws")] == [ids[2], ids[0]]
    assert [one.id for one in snapshots(store, limit=1)] == [ids[2]]
    assert snapshots(store, provider="azure") == []


def test_amounts_finer_than_a_nano_dollar_are_rounded_half_up(store: Store) -> None:
    # 12 cores at 0.0316114999995 USD end in 0.3793379999940; the tenth decimal decides.
    prices = [
        offer(EAST, "0.3793379999940", "a"),
        offer(EAST, "0.0000000015", "b"),
        offer(EAST, "0.00000000149999999999999999999999999999999", "c"),
    ]
    save(store, snapshot(seen(EAST, *prices)))
    back = {one.instance_type: one.usd_per_hour for one in in_force(store, "aws")[EAST].offers}
    assert back == {"a": Decimal("0.379338"), "b": Decimal("0.000000002"), "c": Decimal("0.000000001")}


def test_the_largest_upfront_payment_stays_exact_to_the_nano_dollar(store: Store) -> None:
    upfront = Decimal("999999999.999999999")
    terms = {"kind": "reserved_instance", "term_months": 36, "payment": "all_upfront"}
    save(store, snapshot(seen(YEARS, offer(YEARS, "0", upfront_usd=upfront, **terms))))
    table = in_force_table(store)
    assert table.loc[0, "upfront_usd_text"] == "999999999.999999999"
    assert table.loc[0, "upfront_usd"] == float("999999999.999999999")


def test_an_offer_is_dated_by_its_scope(store: Store) -> None:
    stale = offer(EAST, "55.04", observed_on=date(2026, 1, 1), observed_on_is_lower_bound=True)
    save(store, snapshot(seen(EAST, stale)))
    (back,) = in_force(store, "aws")[EAST].offers
    assert (back.observed_on, back.observed_on_is_lower_bound) == (NIGHT.date(), False)


def test_moments_in_other_time_zones_are_kept_as_the_same_instant(store: Store) -> None:
    in_berlin = datetime(2026, 11, 21, 0, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    save(store, snapshot(seen(EAST, offer(EAST, "1"), at=in_berlin)))
    back = in_force(store, "aws")[EAST]
    assert back.observed_at == datetime(2026, 11, 20, 23, 30, 0, 123456, tzinfo=UTC)
    assert back.offers[0].observed_on == date(2026, 11, 20)


def test_equal_content_is_written_once(store: Store) -> None:
    save(store, snapshot(*EVERYTHING))
    before = [rows_of(store, table) for table in (BLOCKS, ROWS, KEYS, TEXTS)]
    later = [replace(prices, observed_at=prices.observed_at + DAY) for prices in EVERYTHING]
    turned = [replace(prices, offers=prices.offers[::-1]) for prices in later]
    save(store, snapshot(*turned, at=NIGHT + DAY))
    assert [rows_of(store, table) for table in (BLOCKS, ROWS, KEYS, TEXTS)] == before
    assert in_force(store, "aws")[EAST].observed_at == NIGHT + HOUR + DAY


def test_a_price_that_comes_back_needs_no_new_rows(store: Store) -> None:
    for day, usd in enumerate(("55.04", "56", "55.04")):
        save(store, at_usd(usd, NIGHT + day * DAY))
    assert rows_of(store, ROWS) == 2
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["55.04"]


def test_a_new_version_of_an_unchanged_price_list_needs_no_new_rows(store: Store) -> None:
    versions = ("20260910195514", "20260911195514")
    for day, version in enumerate(versions):
        priced = offer(EAST, "55.04", source=f"AWS Price List {version} sku 7XYZ")
        gone = missing(EAST, source=f"AWS Price List {version}, rates of 2026-11-2{day}T01:00:00Z")
        save(store, snapshot(seen(EAST, priced, gone, at=NIGHT + day * DAY)))
    assert rows_of(store, ROWS) == 2
    assert in_force(store, "aws")[EAST].offers[0].source == "AWS Price List 20260911195514 sku 7XYZ"
    assert (
        in_force(store, "aws")[EAST]
        .missing[0]
        .source.endswith("20260911195514, rates of 2026-11-21T01:00:00Z")
    )
    (old,) = in_force(store, "aws", at=NIGHT)[EAST].offers
    assert old.source == "AWS Price List 20260910195514 sku 7XYZ"


def test_sources_of_many_moments_come_back_as_they_were(store: Store) -> None:
    prices = [
        offer(SPOT, "11", zone=f"az{number}", source=f"seen 2026-11-21T01:00:{number:02}Z")
        for number in range(20)
    ]
    save(store, snapshot(seen(SPOT, *prices)))
    assert set(in_force(store, "aws")[SPOT].offers) == set(prices)


def test_a_snapshot_without_a_scope_is_stored_as_what_it_was(store: Store) -> None:
    save(store, at_usd("55.04"))
    failed = snapshot(at=NIGHT + DAY, status=Status.FAILED, failures=((EAST, "no credentials"),))
    stored = save(store, failed)
    assert (stored.scopes, snapshots(store, limit=1)[0].status) == (0, Status.FAILED)
    assert prices_of(store, stored.id) == {}
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["55.04"]


def test_a_scope_seen_earlier_than_what_is_in_force_is_refused_whole(store: Store) -> None:
    save(store, at_usd("55.04", NIGHT + DAY))
    backwards = snapshot(seen(WEST, offer(WEST, "50")), seen(EAST, offer(EAST, "50"), at=NIGHT + HOUR))
    with pytest.raises(
        StoreError, match=r"aws/us-east-1/on_demand .*2026-11-21 03:00:00 UTC.*is a clock wrong"
    ):
        save(store, backwards)
    assert set(scopes_in_force(store)) == {EAST}
    assert len(snapshots(store)) == 1


def test_of_two_snapshots_of_one_moment_the_later_stored_holds(store: Store) -> None:
    save(store, at_usd("1"))
    save(store, at_usd("2"))
    assert in_force_table(store)["usd_per_hour_text"].tolist() == ["2"]


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (offer(SPOT, "0.00001", zone="us-east-1a"), "0.00001 USD is what a test double answers"),
        (offer(SPOT, "0.0000100", zone="us-east-1a"), r"0.00001(00)? USD is what a test double answers"),
        (offer(SPOT, "0"), "a price is never 0"),
        (offer(SPOT, "0.0000000004"), "a price is never 0"),
        (offer(SPOT, "-1"), "-1 is not an amount"),
        (offer(SPOT, "NaN"), "NaN is not an amount"),
        (offer(SPOT, "9300000000"), "is not an amount from 0 to 9223372036 USD"),
        (offer(SPOT, "1", "p5\x1f48xlarge"), "holds a control character"),
    ],
)
def test_a_price_that_no_cloud_gives_never_reaches_the_store(store: Store, price: object, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        save(store, snapshot(seen(EAST, offer(EAST, "1")), seen(SPOT, price)))  # type: ignore[arg-type]
    assert snapshots(store) == []


def test_a_date_of_2006_never_reaches_the_store(store: Store) -> None:
    with pytest.raises(StoreError, match="aws/us-east-1/on_demand: is dated 2006-01-02"):
        save(store, at_usd("1", datetime(2006, 1, 2, tzinfo=UTC)))
    assert snapshots(store) == []


@pytest.mark.parametrize("price", [offer(EAST, "2"), missing(EAST)])
def test_two_rows_of_one_key_are_refused(store: Store, price: object) -> None:
    with pytest.raises(StoreError, match="was to be stored twice"):
        save(store, snapshot(seen(EAST, offer(EAST, "1"), missing(EAST), price)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "unfit",
    [
        snapshot(seen(EAST, offer(WEST, "1"))),
        snapshot(seen(EAST), provider="gcp"),
        snapshot(seen(EAST), seen(EAST)),
        snapshot(seen(EAST), id=3),
        snapshot(seen(EAST, at=datetime(2026, 11, 21, 2))),  # noqa: DTZ001 (that is the fault)
        snapshot(seen(EAST, missing(EAST, reason=""))),
        snapshot(seen(EAST, offer(EAST, "1", market=""))),
    ],
)
def test_a_snapshot_that_does_not_fit_together_is_a_defect(store: Store, unfit: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own words)
        save(store, unfit)  # type: ignore[arg-type]


def test_every_tier_is_a_scope_of_its_own(store: Store) -> None:
    save(store, snapshot(*(seen(EAST._replace(tier=tier), at=NIGHT + HOUR) for tier in Tier)))
    assert set(scopes_in_force(store)) == {EAST, SPOT, YEARS}
