"""What may run on spot in each slot: no pool holds more than the rules keep spare in the slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from optimiser.planning.capped_tables import Capped
from optimiser.planning.requirements import Levels
from optimiser.planning.tables import Frontier, Indices, Item

Table = TypeVar("Table", Frontier, Capped)


def spot_menus(
    spot: Sequence[Item],
    levels: Levels,
    listed: Callable[[tuple[Item, ...], float], Table],
    listed_below: Callable[[tuple[Item, ...], float], Table],
    combined: Callable[[Table, Table, float], Table],
) -> Iterator[tuple[Indices, Table]]:
    """Spot purchases open to each group of slots, in the tables that the three functions make: up to a limit in
    req/s, below one, and of the sums of two tables up to a limit.
    """
    if not spot:
        yield np.arange(len(levels.total)), listed((), 0.0)
        return
    room = levels.total - levels.firm
    pools = [np.flatnonzero([item.pool == pool for item in spot]) for pool in {item.pool for item in spot}]
    if all(len(inside) == 1 for inside in pools):
        most = np.array([item.most(float(room.max())) for item in spot])
        with np.errstate(invalid="ignore"):
            inside = np.floor(levels.pool[:, None] / np.array([item.rate for item in spot]) + 1e-9)
        allowed = np.minimum(inside, most).astype(np.int64)
        every, of_slot = np.unique(allowed, axis=0, return_inverse=True)
        for number, units in enumerate(every):
            group = np.flatnonzero(of_slot == number)
            yield group, _equal_as_one(spot, units.tolist(), float(room[group].max()), listed)
        return
    order = np.argsort(np.concatenate(pools))
    for limit in np.unique(levels.pool):
        group = np.flatnonzero(levels.pool == limit)
        reach = float(room[group].max())
        menu = listed((), 0.0)
        for shared in pools:
            members = shared.tolist()
            most_rps = min(float(limit), reach + max(spot[i].rate for i in members)) + 2e-9
            menu = combined(menu, listed_below(tuple(spot[i] for i in members), most_rps), reach)
        yield group, replace(menu, units=menu.units[:, order])


def _equal_as_one(
    spot: Sequence[Item],
    most: Sequence[int],
    limit: float,
    listed: Callable[[tuple[Item, ...], float], Table],
) -> Table:
    """The table of at most so many of each item, of pools of their own; pools of equal units at one price are listed as
    one and filled last first: every split of units among them is as good."""
    alike: dict[Item, list[int]] = {}
    for place, (item, count) in enumerate(zip(spot, most, strict=True)):
        alike.setdefault(Item(item.rate, item.usd, count, takes=item.takes), []).append(place)
    menu = listed(
        tuple(
            Item(one.rate, one.usd, (one.max_units or 0) * len(same), takes=one.takes)
            for one, same in alike.items()
        ),
        limit,
    )
    if len(alike) == len(spot):
        return menu
    units = np.zeros((len(menu.units), len(spot)), dtype=np.int64)
    for column, (item, same) in enumerate(alike.items()):
        left = menu.units[:, column]
        for place in reversed(same):
            units[:, place] = np.minimum(left, item.max_units or 0)
            left = left - units[:, place]
    return replace(menu, units=units)
