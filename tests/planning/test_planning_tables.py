"""The tables against plain enumeration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.planning.knapsack import Knapsack
from optimiser.planning.tables import Item, frontier, undominated, worth_keeping

RATES = st.sampled_from([1.0, 1.5, 2.0, 2.7, 3.3, 5.0])
USD = st.integers(1, 60).map(lambda cents: cents / 10)
LIMITS = st.one_of(st.none(), st.none(), st.integers(1, 3))
ITEMS = st.lists(st.builds(Item, RATES, USD, LIMITS), min_size=1, max_size=3)
CELLS = st.lists(st.builds(Item, st.integers(1, 7).map(float), USD, LIMITS), min_size=1, max_size=4)
QUICK = settings(max_examples=40)


def every_purchase(
    items: list[Item], reach: float, floor: int = 0
) -> Iterator[tuple[tuple[int, ...], float, float]]:
    """Units, capacity and USD of all purchases up to what reaches `reach` or `floor` with one item alone."""
    most = []
    for item in items:
        enough = max(math.ceil(reach / item.rate), floor)
        most.append(enough if item.max_units is None else min(enough, item.max_units))
    for units in product(*(range(n + 1) for n in most)):
        capacity = sum(n * item.rate for n, item in zip(units, items, strict=True))
        yield units, capacity, sum(n * item.usd for n, item in zip(units, items, strict=True))


def cheapest(items: list[Item], need: float, reach: float, floor: int = 0) -> float:
    return min(
        (
            usd
            for units, capacity, usd in every_purchase(items, reach, floor)
            if capacity >= need - 1e-9 and sum(units) >= floor
        ),
        default=math.inf,
    )


@given(items=ITEMS, reach=st.sampled_from([3.0, 7.4, 10.0]), floor=st.integers(0, 3))
@QUICK
def test_a_frontier_covers_every_need_at_the_true_minimum(
    items: list[Item], reach: float, floor: int
) -> None:
    table = frontier(items, reach, floor)
    needs = np.linspace(0.0, reach, 12)
    for units in range(floor + 1):
        found = table.at_least(units).cover(needs)
        assert found == pytest.approx([cheapest(items, need, reach, units) for need in needs])


POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4)), max_size=25)


@given(points=POINTS, floor=st.integers(0, 3))
@QUICK
def test_a_point_is_kept_unless_another_of_as_many_units_holds_as_much_for_as_little(
    points: list[tuple[int, int, int]], floor: int
) -> None:
    def beaten(place: int, units: int) -> bool:
        """By one that holds more for as little, as much for less, or the same as the first of equals."""
        capacity, usd, _ = points[place]
        own = (-capacity, usd, place)
        return any(
            count >= units and cost <= usd and (-holds, cost, other) < own
            for other, (holds, cost, count) in enumerate(points)
        )

    kept = {
        place
        for place, (_, _, count) in enumerate(points)
        if any(count >= units and not beaten(place, units) for units in range(floor + 1))
    }
    capacity, usd, count = np.array(points, dtype=np.int64).reshape(-1, 3).T
    found = worth_keeping(capacity.astype(np.float64), usd.astype(np.float64), count, floor)
    assert found.tolist() == sorted(kept, key=lambda place: (points[place][0], -points[place][1], -place))


@given(items=ITEMS, need=st.floats(0.0, 10.0))
@QUICK
def test_the_units_of_a_frontier_point_hold_and_cost_what_it_says(items: list[Item], need: float) -> None:
    table = frontier(items, 10.0)
    point = int(table.index_of_cover(np.array([need]))[0])
    if point == len(table.capacity):
        assert cheapest(items, need, 10.0) == math.inf
        return
    units = table.units[point]
    assert sum(units * [item.rate for item in items]) == pytest.approx(table.capacity[point])
    assert sum(units * [item.usd for item in items]) == pytest.approx(table.usd[point])
    assert table.capacity[point] >= need - 1e-9
    assert all(
        n <= item.max_units for n, item in zip(units, items, strict=True) if item.max_units is not None
    )


def test_a_frontier_ends_where_limited_items_do() -> None:
    table = frontier([Item(2.0, 1.0, 2)], 10.0)
    assert table.cover(np.array([4.0, 4.1])).tolist() == [2.0, math.inf]


@given(items=ITEMS)
@QUICK
def test_dominated_items_are_never_missed(items: list[Item]) -> None:
    needs = np.linspace(0.0, 9.0, 19)
    kept = [items[i] for i in undominated(items)]
    assert frontier(kept, 9.0).cover(needs) == pytest.approx(frontier(items, 9.0).cover(needs))


def test_copies_of_a_limited_item_replace_nothing() -> None:
    assert undominated([Item(1.0, 1.0, 3), Item(2.0, 2.5)]) == [0, 1]
    assert undominated([Item(1.0, 1.0), Item(2.0, 2.5)]) == [0]
    assert undominated([Item(2.0, 1.0), Item(2.0, 1.0)]) == [0]


@given(items=CELLS)
@QUICK
def test_a_knapsack_covers_whole_cells_at_the_true_minimum(items: list[Item]) -> None:
    table = Knapsack(items, 12.0, 1.0)
    needs = np.arange(13.0)
    assert table.cover(needs) == pytest.approx([cheapest(items, need, 12.0) for need in needs])


@given(items=CELLS, need=st.integers(0, 12))
@QUICK
def test_a_knapsack_buys_what_its_cover_costs(items: list[Item], need: int) -> None:
    table = Knapsack(items, 12.0, 1.0)
    usd = table.cover(np.array([float(need)]))[0]
    if not math.isfinite(usd):
        return
    at_once = table.many_units(np.arange(13, dtype=np.float64))[need]
    for units in (table.units(float(need)), at_once):
        assert sum(n * item.usd for n, item in zip(units, items, strict=True)) == pytest.approx(usd)
        assert sum(n * item.rate for n, item in zip(units, items, strict=True)) >= need - 1e-9
        assert all(
            n <= item.max_units for n, item in zip(units, items, strict=True) if item.max_units is not None
        )


@given(
    items=st.lists(st.builds(Item, st.floats(1.0, 5.0), USD), min_size=1, max_size=3),
    need=st.integers(0, 900).map(lambda n: n / 100),
)
@QUICK
def test_rounding_brackets_the_exact_cost(items: list[Item], need: float) -> None:
    exact = frontier(items, 9.0).cover(np.array([need]))[0]
    fine = 0.25
    low = Knapsack(items, 10.0, fine, optimistic=True).cover(np.floor(np.array([need]) / fine) * fine)[0]
    high = Knapsack(items, 10.0, fine).cover(np.array([need]))[0]
    assert low <= exact + 1e-9
    assert exact <= high + 1e-9
