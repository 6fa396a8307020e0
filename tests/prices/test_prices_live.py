"""Prices of the store as a layer of the book: what they mask, how old they may be, and what is said of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from price_lists import GOOD, SHAPES, SPOT, YEAR, write

from optimiser.prices.book import PriceBook, load_book
from optimiser.prices.live import LivePrices
from optimiser.prices.table import read_price_tables
from providers.fetch import Scope
from providers.offer import Tier

DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIVE_DAY = "2026-11-20"
NORTH = Scope("acme", "north", Tier.ON_DEMAND)


def live(
    folder: Path,
    *rows: dict[str, str],
    hours_old: float = 20,
    covers: tuple[Scope, ...] = (NORTH,),
    **limits: object,
) -> LivePrices:
    """The rows as the store hands them over, all fetched hours_old before NOW."""
    fetched = NOW - timedelta(hours=hours_old)
    table = read_price_tables([write(folder / "live.csv", *rows)])
    seen = pd.Timestamp(fetched.replace(tzinfo=None))
    return LivePrices(
        label="sqlite:///prices",
        at=NOW,
        table=table.assign(
            observed_at=seen, observed_on=seen.floor("D"), file="price store sqlite:///prices"
        ),
        scopes=dict.fromkeys(covers, fetched),
        **limits,
    )


def book(
    folder: Path, own: list[dict[str, str]], embedded: list[dict[str, str]], at: LivePrices | None
) -> PriceBook:
    own_files = [write(folder / "own.csv", *own)] if own else []
    inside = [write(folder / "embedded.csv", *embedded)] if embedded else []
    return load_book(own_files, SHAPES, DAY, embedded=inside, live=at)


def test_what_was_fetched_takes_the_place_of_the_embedded_price_older_or_not(tmp_path: Path) -> None:
    newer_date = {**GOOD, "observed_on": "2026-11-21"}
    found = book(tmp_path, [], [newer_date], live(tmp_path, {**GOOD, "usd_per_hour": "55.04"}))
    assert list(found.offers["usd_per_hour"]) == [55.04]
    assert found.offer("acme/north/big/on_demand").observed_on == date(2026, 11, 20)


def test_a_delisted_type_never_returns_at_its_embedded_price(tmp_path: Path) -> None:
    small = {**GOOD, "instance_type": "small"}
    gone = {**GOOD, "usd_per_hour": "", "missing_reason": "no longer on sale"}
    found = book(tmp_path, [], [GOOD, small], live(tmp_path, gone))
    assert found.offers.empty
    assert list(found.missing["reason"]) == ["no longer on sale"]


def test_what_was_not_fetched_keeps_its_embedded_price(tmp_path: Path) -> None:
    south = {**GOOD, "region": "south"}
    found = book(tmp_path, [], [GOOD, south, SPOT, YEAR], live(tmp_path, {**GOOD, "usd_per_hour": "1"}))
    kept = {(row.region, row.tier) for row in found.offers.itertuples()}
    assert kept == {("north", "on_demand"), ("south", "on_demand"), ("north", "spot"), ("north", "reserved")}


def test_an_imported_list_price_holds_only_where_it_was_seen_on_the_day_of_the_fetch_or_later(
    tmp_path: Path,
) -> None:
    fetched = live(tmp_path, {**GOOD, "usd_per_hour": "1"})
    for seen_on, price in (("2026-11-19", 1.0), ("2026-11-20", 98.32), ("2026-11-21", 98.32)):
        found = book(tmp_path, [{**GOOD, "observed_on": seen_on}], [], fetched)
        assert list(found.offers["usd_per_hour"]) == [price], seen_on


def test_a_list_price_of_after_the_day_stands_in_no_place_that_was_fetched(tmp_path: Path) -> None:
    later = {**GOOD, "usd_per_hour": "2", "observed_on": "2026-11-22"}
    other_type, elsewhere = {**later, "instance_type": "small"}, {**later, "region": "south"}
    fetched = live(tmp_path, {**GOOD, "usd_per_hour": "1"})
    found = book(tmp_path, [later, other_type, elsewhere], [], fetched)
    assert dict(zip(found.offers["region"], found.offers["usd_per_hour"], strict=True)) == {
        "north": 1.0,
        "south": 2.0,
    }
    assert any(note.startswith("1 of 2 prices in force are later than 2026-11-21") for note in found.notes)


def test_an_old_missing_of_a_file_does_not_hide_what_was_fetched(tmp_path: Path) -> None:
    gone = {**GOOD, "usd_per_hour": "", "missing_reason": "sold out"}
    found = book(tmp_path, [gone], [gone], live(tmp_path, {**GOOD, "usd_per_hour": "1"}))
    assert list(found.offers["usd_per_hour"]) == [1.0]
    assert found.missing.empty


def test_a_contract_stands_beside_what_was_fetched_whatever_its_date(tmp_path: Path) -> None:
    contract = {**GOOD, "contract": "edp", "usd_per_hour": "47.5", "observed_on": "2025-01-01"}
    found = book(tmp_path, [contract], [], live(tmp_path, GOOD))
    assert set(found.offers.index) == {"acme/north/big/on_demand", "acme/north/big/on_demand/contract=edp"}


def test_prices_past_the_store_s_limit_are_marked_not_dropped(tmp_path: Path) -> None:
    for hours, too_old in ((167, False), (169, True)):
        at = live(tmp_path, GOOD, hours_old=hours, refuse_after_hours=168)
        assert list(book(tmp_path, [], [], at).offers["too_old"]) == [too_old]
    for_ever = live(tmp_path, GOOD, hours_old=9999, refuse_after_hours=None)
    assert list(book(tmp_path, [], [], for_ever).offers["too_old"]) == [False]


def test_each_tier_past_its_soft_limit_is_named_with_its_oldest_regions(tmp_path: Path) -> None:
    scopes = tuple(Scope("acme", region, Tier.SPOT) for region in ("a", "b", "c", "d", "e"))
    spots = [{**SPOT, "region": scope.region} for scope in scopes]
    fetched = live(
        tmp_path,
        *spots,
        hours_old=7,
        covers=scopes,
        warn_after_hours={"spot": 6, "on_demand": 36, "reserved": None},
    )
    said = book(tmp_path, [], [], fetched).notes[-1]
    assert said == (
        "spot prices last fetched up to 7 h ago (limit 6 h): acme a, acme b, acme c and 2 more; "
        "see `optimiser prices status`"
    )
    fresh = live(tmp_path, *spots, hours_old=6, covers=scopes, warn_after_hours={"spot": 6})
    assert book(tmp_path, [], [GOOD], fresh).notes == ()


def test_a_book_of_files_alone_knows_no_moment_of_fetching(tmp_path: Path) -> None:
    found = book(tmp_path, [GOOD], [], None)
    assert found.offers["observed_at"].isna().all()
    assert not found.offers["too_old"].any()


def test_what_was_never_fetched_is_named_unless_the_snapshot_fills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimiser.prices.live.PROVIDERS", {"acme": "", "other": ""})
    scopes = (NORTH, Scope("acme", "north", Tier.SPOT), Scope("acme", "south", Tier.SPOT))
    fetched = live(tmp_path, GOOD, SPOT, covers=scopes)
    why = "were not fetched yet: plans know nothing of them; see `optimiser prices status`"
    assert book(tmp_path, [], [], fetched).notes == (
        f"on demand prices of acme south {why}",
        f"reserved prices of acme {why}",
        f"prices of other {why}",
    )
    assert book(tmp_path, [], [GOOD], fetched).notes == ()
    earlier = book(tmp_path, [], [], replace(fetched, in_the_past=True))
    assert earlier.notes[-1].startswith("prices of other were not fetched by 2026-11-21, or are pruned: ")


def test_prices_from_a_clock_that_was_ahead_are_named(tmp_path: Path) -> None:
    notes = book(tmp_path, [], [GOOD], live(tmp_path, GOOD, hours_old=-24)).notes
    assert notes == (
        "prices of acme north are dated in the future: a clock was wrong when they were fetched; "
        "see `optimiser prices status` and `optimiser prices discard`",
    )
