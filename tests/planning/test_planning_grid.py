"""Points of constant capacity under a limit from above, and units that are small beside a cell."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_cases import case, committed, faults, hourly, machine

from optimiser.planning.bounds import Profiles
from optimiser.planning.grid import Side, limited_points
from optimiser.planning.knapsack import Knapsack
from optimiser.planning.large import decompose_large
from optimiser.planning.leaves import build_leaf, solution_of
from optimiser.planning.tables import Item

SIDE = Side(optimistic=False, grid=1.0, fine=1.0, limit=6.0)
RATES = st.sampled_from([0.2, 0.25, 0.4, 0.5, 0.7, 1.0, 2.0])
USD = st.integers(1, 60).map(lambda cents: cents / 10)
SMALL = st.lists(st.builds(Item, RATES, USD, st.one_of(st.none(), st.integers(1, 9))), min_size=1, max_size=3)


def test_cells_that_limited_units_do_not_reach_are_not_free() -> None:
    points = limited_points([Item(1.0, 3.0, 2)], 5.0, math.inf, SIDE, 1)
    found = dict(zip(points.cells.tolist(), points.usd.tolist(), strict=True))
    assert found == {0: 0.0, 1: 3.0, 2: 6.0, 3: math.inf, 4: math.inf}


def test_a_unit_below_a_cell_is_bought_as_many_at_once_as_fill_it() -> None:
    # Three of 0.4 req/s hold 1.2: a cell of 1 req/s for $3; four cells are twelve, 4.8 req/s, still below 5.
    points = limited_points([Item(0.4, 1.0)], 5.0, math.inf, SIDE, 1)
    assert points.usd.tolist() == [0.0, 3.0, 6.0, 9.0, 12.0]
    assert [points.units(point).tolist() for point in range(5)] == [[0], [3], [6], [9], [12]]


@given(items=SMALL)
@settings(max_examples=60)
def test_small_units_are_never_cheaper_than_they_are_and_hold_what_is_asked(items: list[Item]) -> None:
    table = Knapsack(items, 3.0, 1.0)
    at_once = table.many_units(np.arange(4, dtype=np.float64))
    for need in range(4):
        usd = float(table.cover(np.array([float(need)]))[0])
        assert usd >= cheapest(items, need) - 1e-9
        for units in (table.units(float(need)), at_once[need]) if math.isfinite(usd) else ():
            assert units @ [item.usd for item in items] == pytest.approx(usd)
            assert units @ [item.rate for item in items] >= need - 1e-9
            assert all(n <= (item.max_units or n) for n, item in zip(units.tolist(), items, strict=True))


def cheapest(items: list[Item], need: float) -> float:
    """The cheapest of every fleet that holds `need` req/s, USD an hour."""
    rate, usd = np.array([item.rate for item in items]), np.array([item.usd for item in items])
    fleets = np.array(list(product(*(range(item.most(need) + 1) for item in items))))
    return min(usd @ fleets[fleets @ rate >= need - 1e-9].T, default=math.inf)


def test_a_fleet_of_a_million_small_units_is_still_a_plan() -> None:
    subject = case([machine("small", 0.3, hourly(1.0), committed(0.5))], [3e5, 3e5])
    subject = subject.with_policy(commitment_hours_share=0.5)
    leaf, bought = build_leaf(subject.problem.options, Profiles(subject.problem))
    found = decompose_large(leaf)
    assert found.fleet is not None
    assert found.lower_usd <= 2 * 1e6 * 0.5 <= found.usd <= 2 * 1e6 * 1.0
    assert faults(subject, solution_of(leaf, bought, found.fleet)) == []
