"""Menus of spot against listing every pool apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimiser.planning.requirements import Levels
from optimiser.planning.spot_menus import spot_menus
from optimiser.planning.tables import Item, combined, frontier, frontier_below

KINDS = st.tuples(st.sampled_from([0.7, 1.1, 2.0]), st.sampled_from([1.0, 2.5]))


@given(kinds=st.lists(KINDS, min_size=1, max_size=4), spare=st.sampled_from([1.0, 2.3, 4.4]))
@settings(max_examples=40, deadline=None)
def test_pools_of_equal_units_cost_what_they_cost_listed_apart_and_none_is_overfilled(
    kinds: list[tuple[float, float]], spare: float
) -> None:
    pools = [Item(rate, usd, pool=number) for number, (rate, usd) in enumerate(kinds)]
    total = np.array([6.0])
    levels = Levels(
        largest_rps=spare,
        demand=total - spare,
        hours=np.array([1.0]),
        total=total,
        firm=np.array([1.0]),
        pool=np.array([spare]),
        slot_of_period=np.zeros(1, dtype=int),
    )
    ((_, menu),) = spot_menus(pools, levels, frontier, frontier_below, combined)
    most = np.array([int(spare / item.rate + 1e-9) for item in pools])
    apart = frontier(
        [Item(item.rate, item.usd, int(n)) for item, n in zip(pools, most, strict=True)],
        float(total[0] - 1.0),
    )
    needs = np.linspace(0.0, 5.0, 21)
    assert menu.cover(needs) == pytest.approx(apart.cover(needs))
    assert (menu.units <= most).all()
    assert menu.units @ [item.rate for item in pools] == pytest.approx(menu.capacity)
    assert menu.units @ [item.usd for item in pools] == pytest.approx(menu.usd)
