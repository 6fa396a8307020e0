"""Which capacities whole units can add up to, and for how much.

Both tables answer the same two questions: what is the cheapest way to hold at least so many requests per
second (`cover`), and which units is that (`units`). `Frontier` lists every combination worth buying and is
exact; `Knapsack` (knapsack.py) serves fleets too large to list, on a fine unit of capacity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimiser.planning.problem import Floats

Units = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Item:
    """One kind of unit: rate in req/s, USD per unit-hour, and how many there are (None: any number).

    pool numbers the spot pool that the units belong to, -1 outside spot. takes is what a unit takes of each cap,
    signs what it takes of a budget for commitments, USD an hour (0 where there is none).
    """

    rate: float
    usd: float
    max_units: int | None = None
    pool: int = -1
    takes: tuple[int, ...] = ()
    signs: float = 0.0

    def most(self, limit: float) -> int:
        """Units after which more add nothing below `limit` req/s."""
        reach = int(np.ceil(max(limit, 0.0) / self.rate - _TOLERANCE))
        return reach if self.max_units is None else min(reach, self.max_units)


@dataclass(frozen=True)
class Frontier:
    """capacity and usd, shape (points,), capacity ascending; units, shape (points, items).

    For every number of units asked for up to the floor it was built with, the cheapest combination for any
    capacity is among the points. Point 0 buys nothing.
    """

    capacity: Floats
    usd: Floats
    units: Units

    def at_least(self, units: int) -> Frontier:
        """The undominated points with at least so many units."""
        enough = np.flatnonzero(self.units.sum(axis=1) >= units)
        return self.at(enough[worth_keeping(self.capacity[enough], self.usd[enough])])

    def cover(self, need: Floats) -> Floats:
        """Cheapest USD per hour for at least `need` req/s, any shape; inf where the frontier ends below it."""
        return np.append(self.usd, np.inf)[self.index_of_cover(need)]

    def index_of_cover(self, need: Floats) -> Indices:
        """The points `cover` takes; len(capacity) where there is none."""
        return np.searchsorted(self.capacity, need - _TOLERANCE)

    def at(self, points: Indices) -> Frontier:
        """Some of the points."""
        return Frontier(self.capacity[points], self.usd[points], self.units[points])


def frontier(items: Sequence[Item], limit: float, floor: int = 0) -> Frontier:
    """Every combination of units worth buying up to `limit` req/s, the first that reaches it included."""
    if not items:
        return Frontier(np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.int64))
    first, *others = items
    table = _alone(first, limit, floor)
    for item in others:
        table = combined(table, _copies(item, most_units(item, limit, floor)), limit, floor)
    return table


def _alone(item: Item, limit: float, floor: int) -> Frontier:
    """What is worth buying of one item: at a price every number of units, as more of them hold more."""
    copies = _copies(item, most_units(item, limit, floor))
    if item.usd > _TOLERANCE:
        return copies
    return copies.at(worth_keeping(np.minimum(copies.capacity, limit), copies.usd, copies.units[:, 0], floor))


def most_units(item: Item, limit: float, floor: int) -> int:
    """Units after which more neither add below `limit` req/s nor make up a floor."""
    return max(item.most(limit), floor if item.max_units is None else min(floor, item.max_units))


def frontier_below(
    items: Sequence[Item],
    below: float,
    floor: int = 0,
    *,
    budget_usd: float = np.inf,
    limit: float = np.inf,
) -> Frontier:
    """Every combination of units worth buying up to `limit` req/s that together hold less than `below` req/s and sign
    at most budget_usd an hour.

    Nothing is discarded before all items are in: under a limit from above a smaller combination may be the one
    that still takes another unit.
    """
    signs = np.array([item.signs for item in items], dtype=np.float64)
    every = Frontier(np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.int64))
    for item in items:
        copies = _copies(item, most_units(item, min(below, limit), floor))
        capacity = (every.capacity[:, None] + copies.capacity).ravel()
        spent = (
            (every.units @ signs[: every.units.shape[1]])[:, None] + item.signs * copies.units[:, 0]
        ).ravel()
        inside = np.flatnonzero((capacity < below - _TOLERANCE) & (spent <= budget_usd + _TOLERANCE))
        left, right = np.divmod(inside, len(copies.capacity))
        every = Frontier(
            capacity[inside],
            every.usd[left] + copies.usd[right],
            np.column_stack([every.units[left], copies.units[right]]),
        )
    count = every.units.sum(axis=1) if floor else None
    keep = worth_keeping(np.minimum(every.capacity, limit), every.usd, count, floor)
    return every.at(keep)


def _copies(item: Item, most: int) -> Frontier:
    count = np.arange(most + 1)
    return Frontier(count * np.float64(item.rate), count * np.float64(item.usd), count[:, None])


def combined(first: Frontier, second: Frontier, limit: float, floor: int = 0) -> Frontier:
    """All sums of a point of each, reduced to what is worth buying; units side by side."""
    capacity = (first.capacity[:, None] + second.capacity).ravel()
    usd = (first.usd[:, None] + second.usd).ravel()
    count = (first.units.sum(axis=1)[:, None] + second.units.sum(axis=1)).ravel() if floor else None
    keep = worth_keeping(np.minimum(capacity, limit), usd, count, floor)
    left, right = np.divmod(keep, len(second.capacity))
    return Frontier(capacity[keep], usd[keep], np.column_stack([first.units[left], second.units[right]]))


def worth_keeping(capacity: Floats, usd: Floats, count: Units | None = None, floor: int = 0) -> Indices:
    """Indices of undominated points, capacity ascending; of equals the first stays.

    With a floor, a point is dominated only by one that counts at least as many units (up to the floor).
    """
    by_usd = np.argsort(usd, kind="stable")
    if count is None or not floor:
        return _holding_more(by_usd, capacity, usd)
    counts = count[by_usd]
    parts = [_holding_more(by_usd[counts >= units], capacity, usd) for units in range(floor + 1)]
    kept = np.unique(np.concatenate(parts))
    return kept[np.lexsort((usd[kept], -capacity[kept]))][::-1]


def _holding_more(by_usd: Indices, capacity: Floats, usd: Floats) -> Indices:
    """Of points in ascending usd those that hold more than all before them and save something on the next such one.

    One stable sort orders all the sums of two tables; of points that cost and hold the same the first stays.
    """
    holds = capacity[by_usd]
    record = np.ones(len(holds), dtype=np.bool_)
    record[1:] = holds[1:] > np.maximum.accumulate(holds)[:-1]
    more = by_usd[record]
    cost = usd[more]
    saving = cost < np.inf
    saving[:-1] = cost[:-1] < cost[1:] - 1e-12
    return more[saving]


def listed_size(items: Sequence[Item], limit: float) -> float:
    """How many combinations of units a frontier would have to look at, before any is discarded."""
    return math.prod(item.most(limit) + 1.0 for item in items)


def undominated(items: Sequence[Item]) -> list[int]:
    """Indices of items that no whole number of copies of another item replaces at no more cost.

    Copies k = ⌊usd_g / usd_h⌋ of h replace g where k · rate_h ≥ rate_g: exact while h is unlimited, because
    in any plan the copies hold at least the capacity of g and cost no more. Under a budget k is also no more than the
    copies that sign what g does. Of equals the first stays.
    """
    rate = np.array([item.rate for item in items])
    usd = np.array([item.usd for item in items])
    signs = np.array([item.signs for item in items])
    unlimited = np.array([item.max_units is None for item in items], dtype=bool)
    kept: list[int] = []
    for g in np.lexsort((signs, -rate, usd)):
        rivals = [h for h in kept if unlimited[h]]
        copies = np.floor(usd[g] / np.maximum(usd[rivals], 1e-12) + 1e-12)
        if signs.any():
            copies = np.minimum(copies, np.floor(signs[g] / np.maximum(signs[rivals], 1e-12) + 1e-12))
        if not np.any(copies * rate[rivals] >= rate[g] - 1e-12):
            kept.append(int(g))
    return sorted(kept)
