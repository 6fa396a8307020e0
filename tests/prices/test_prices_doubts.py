"""Prices that look wrong are brought in, and said to look wrong; writers wait for each other."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from optimiser.files import locked
from optimiser.prices.doubts import doubts, own_price_doubts
from optimiser.prices.live import LivePrices
from providers.fetch import Scope
from providers.offer import Tier


def offers(*rows: tuple[str, str, float, str, str]) -> pd.DataFrame:
    """Offers of one cloud: id, region, USD per hour, day seen, file."""
    return pd.DataFrame(
        {
            "provider": "acme",
            "region": [row[1] for row in rows],
            "instance_type": "big",
            "tier": "on_demand",
            "amortised_usd_per_hour": [row[2] for row in rows],
            "observed_on": pd.to_datetime([row[3] for row in rows]),
            "file": [row[4] for row in rows],
        },
        index=[row[0] for row in rows],
    )


BEFORE = offers(("a", "r1", 10.0, "2026-05-01", "old"), ("b", "r2", 12.0, "2026-05-01", "old"))


def test_what_is_usual_raises_no_doubt() -> None:
    usual = offers(("a", "r1", 9.0, "2026-06-01", "new"), ("b", "r2", 12.0, "2026-05-01", "old"))
    assert doubts(BEFORE, usual, None) == []
    assert doubts(BEFORE, offers(("a", "r1", 10.0, "2026-05-01", "new")), None) == []


def test_an_older_price_an_unknown_region_and_a_price_far_off_are_named() -> None:
    (older,) = doubts(BEFORE, offers(("a", "r1", 9.0, "2026-04-01", "new")), None)
    assert "1 prices are older" in older
    (nowhere,) = doubts(BEFORE, offers(("c", "r-1", 9.0, "2026-06-01", "new")), None)
    assert "r-1" in nowhere
    (far,) = doubts(BEFORE, offers(("a", "r1", 0.011, "2026-06-01", "new")), None)
    assert "0.011 USD" in far


def own_notes(*mine: tuple[str, str, float, str, str], used: str) -> tuple[str, ...]:
    book = pd.concat([BEFORE, offers(*mine)]).assign(line=2)
    return own_price_doubts(book, {row[0] for row in mine}, {used})


def test_a_plan_repeats_what_is_odd_about_an_own_price_that_it_uses() -> None:
    # The median of 10 and 12 is 11: 5 times below it is 2.2, 5 times above 55.
    (low,) = own_notes(("c", "r1", 1.1, "2026-06-01", "mine.csv"), used="c")
    assert "own price of big on demand in acme r1, 1.1 USD an hour (mine.csv line 2): 10 times below" in low
    (high,) = own_notes(("c", "r1", 66.0, "2026-06-01", "mine.csv"), used="c")
    assert "6 times above the median of its kind" in high
    (nowhere,) = own_notes(("c", "r9", 11.0, "2026-06-01", "mine.csv"), used="c")
    assert "no list of acme has a price in r9" in nowhere
    assert "median" not in nowhere
    (both,) = own_notes(("c", "r9", 1.0, "2026-06-01", "mine.csv"), used="c")
    assert "11 times below the median of its kind, and no list of acme" in both


def test_a_plan_is_silent_of_usual_own_prices_and_of_those_it_does_not_use() -> None:
    assert own_notes(("c", "r1", 2.3, "2026-06-01", "mine.csv"), used="c") == ()
    assert own_notes(("c", "r1", 54.0, "2026-06-01", "mine.csv"), used="c") == ()
    assert own_notes(("c", "r9", 1.0, "2026-06-01", "mine.csv"), used="a") == ()


def test_where_all_prices_of_a_provider_are_ones_own_nothing_is_odd() -> None:
    only = offers(("c", "r9", 0.1, "2026-06-01", "mine.csv")).assign(line=2)
    assert own_price_doubts(only, {"c"}, {"c"}) == ()


def test_another_price_of_the_same_day_is_named_in_the_same_file_too() -> None:
    (twice,) = doubts(BEFORE, offers(("a", "r1", 9.0, "2026-05-01", "old")), None)
    assert "1 prices take the place of others of the same day, such as a" in twice


def test_a_price_older_than_what_the_store_fetched_is_named_for_it_will_not_be_used() -> None:
    fetched = Scope("acme", "r1", Tier.ON_DEMAND)
    live = LivePrices(
        label="store",
        at=datetime(2026, 7, 1, tzinfo=UTC),
        table=pd.DataFrame(),
        scopes={fetched: datetime(2026, 6, 15, tzinfo=UTC)},
    )
    rows = offers(("a", "r1", 9.0, "2026-06-14", "new"), ("b", "r2", 11.0, "2026-06-14", "new"))
    (unused,) = doubts(BEFORE, rows.assign(contract=""), live)
    assert unused == (
        "1 prices are older than those fetched into the store, which are used in their place, such as a"
    )
    assert doubts(BEFORE, rows.assign(contract="edp", observed_on=pd.Timestamp("2026-06-15")), live) == []


def _count_up(path: Path) -> None:
    with locked(path):
        value = int(path.read_text(encoding="utf-8"))
        time.sleep(0.02)
        path.write_text(str(value + 1), encoding="utf-8")


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="utf-8")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(_count_up, [counter] * 8)
    assert counter.read_text(encoding="utf-8") == "8"
