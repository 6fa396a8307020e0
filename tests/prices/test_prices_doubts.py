"""Prices that look wrong are brought in, and said to look wrong; writers wait for each other."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pandas as pd

from optimiser.files import locked
from optimiser.prices.doubts import doubts


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
    assert (
        doubts(BEFORE, offers(("a", "r1", 9.0, "2026-06-01", "new"), ("b", "r2", 12.0, "2026-05-01", "old")))
        == []
    )


def test_an_older_price_an_unknown_region_and_a_price_far_off_are_named() -> None:
    (older,) = doubts(BEFORE, offers(("a", "r1", 9.0, "2026-04-01", "new")))
    assert "1 prices are older" in older
    (nowhere,) = doubts(BEFORE, offers(("c", "r-1", 9.0, "2026-06-01", "new")))
    assert "r-1" in nowhere
    (far,) = doubts(BEFORE, offers(("a", "r1", 0.011, "2026-06-01", "new")))
    assert "0.011 USD" in far


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
