"""A night of real size: what it costs to read, and to keep."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from stored_prices import DAY, HOUR, NIGHT, offer, scope, seen, snapshot

from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store import in_force_table, open_store, save
from providers.offer import Tier

REGIONS, TYPES = 30, 500
SPOT_TYPES = 100


def region(number: int, tier: Tier, types: int, extra: str = "") -> ScopePrices:
    """A region of so many instance types, no two prices alike; extra adds a digit to each."""
    where = scope(f"region-{number}", tier)
    return seen(
        where,
        *(
            offer(
                where,
                f"{kind + 1}.{number:02}{kind:03}{extra}",
                f"type-{kind}",
                source=f"list sku {number}-{kind}",
            )
            for kind in range(types)
        ),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.sqlite3"


def test_a_third_of_a_night_loads_in_well_under_a_third_of_a_second(file: Path) -> None:
    with open_store(f"sqlite:///{file}", create=True) as store:
        save(store, snapshot(*(region(number, Tier.ON_DEMAND, TYPES) for number in range(REGIONS))))
        in_force_table(store)
        began = time.process_time()
        assert len(in_force_table(store)) == REGIONS * TYPES
        assert time.process_time() - began < 0.33
    assert file.stat().st_size < 3 * 2**20


def test_an_unchanged_night_costs_next_to_nothing(file: Path) -> None:
    prices = [region(number, Tier.ON_DEMAND, SPOT_TYPES) for number in range(REGIONS)]
    sizes = []
    for night in range(3):
        at = NIGHT + night * DAY
        with open_store(f"sqlite:///{file}", create=True) as store:
            save(store, snapshot(*(replace(one, observed_at=at) for one in prices), at=at))
        sizes.append(file.stat().st_size)
    assert sizes[2] - sizes[0] < 0.1 * sizes[0]


def test_an_hour_in_which_a_tenth_of_the_regions_changed_costs_a_tenth(file: Path) -> None:
    prices = [region(number, Tier.SPOT, SPOT_TYPES) for number in range(REGIONS)]
    sizes = []
    with open_store(f"sqlite:///{file}", create=True) as store:
        for hour in range(11):
            at = NIGHT + hour * HOUR
            if hour:
                first = 3 * hour % REGIONS
                for number in range(first, first + 3):
                    prices[number] = region(number, Tier.SPOT, SPOT_TYPES, str(hour % 9 + 1))
            save(store, snapshot(*(replace(one, observed_at=at) for one in prices), at=at))
            store.close()
            sizes.append(file.stat().st_size)
    assert sizes[10] < 2 * sizes[0]
