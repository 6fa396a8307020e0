"""Every combination of units worth buying where they share caps: one is beaten only by one that takes no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.commitment_budget import TOLERANCE_USD
from optimiser.planning.problem import Floats
from optimiser.planning.tables import Frontier, Indices, Item, Units, most_units, worth_keeping

# Combinations looked at for one table, and comparisons made to thin it: a fraction of a second's work each.
COMBINATIONS_LISTED = 1_000_000
COMPARISONS = 10_000_000


class NotListed(Exception):
    """There are too many combinations to list."""


@dataclass(frozen=True)
class Capped:
    """capacity and usd, shape (points,), in no order; units (points, items); taken (points, caps).

    Points that take more than the caps are out. As `Frontier`, the cheapest way to any capacity and any number of
    units up to the floor is among the points, here within any caps up to those given.
    """

    capacity: Floats
    usd: Floats
    units: Units
    taken: Units

    @property
    def count(self) -> Units:
        """Units of each point."""
        return np.asarray(self.units.sum(axis=1), dtype=np.int64)

    def within(self, left: Units, floor: int = 0) -> Frontier:
        """The undominated points that take no more than is left, with at least so many units."""
        inside = np.flatnonzero((self.taken <= left).all(axis=1) & (self.count >= floor))
        keep = inside[worth_keeping(self.capacity[inside], self.usd[inside])]
        return Frontier(self.capacity[keep], self.usd[keep], self.units[keep])

    def take(self, points: Indices) -> Capped:
        """Some of the points."""
        return Capped(self.capacity[points], self.usd[points], self.units[points], self.taken[points])


def nothing(caps: Units) -> Capped:
    """Buying nothing."""
    return Capped(
        np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.int64), np.zeros((1, len(caps)), np.int64)
    )


def capped(
    items: Sequence[Item],
    limit: float,
    caps: Units,
    floor: int = 0,
    below: float = np.inf,
    budget_usd: float = np.inf,
) -> Capped:
    """Every combination worth buying up to `limit` req/s that keeps the caps, holds less than `below` req/s and signs
    at most budget_usd an hour.

    Raises NotListed where there are too many.
    """
    table, limited = nothing(caps), bool(np.isfinite([below, budget_usd]).any())
    signs = np.array([item.signs for item in items], dtype=np.float64)
    for item in items:
        most = most_units(item, min(limit, below), floor)
        each = np.array(item.takes, dtype=np.int64)
        room = caps[each > 0] // each[each > 0]
        count = np.arange(min([most, *room.tolist()]) + 1)
        copies = Capped(count * item.rate, count * item.usd, count[:, None], count[:, None] * each)
        # Under a limit from above a smaller combination may be the one that still takes another unit.
        table = both(table, copies, caps, floor, None if limited else limit, below)
        if np.isfinite(budget_usd):
            spent = table.units @ signs[: table.units.shape[1]]
            table = table.take(np.flatnonzero(spent <= budget_usd + TOLERANCE_USD))
    return thinned(table, floor, np.inf) if limited else table


def both(
    first: Capped, second: Capped, caps: Units, floor: int, limit: float | None, below: float = np.inf
) -> Capped:
    """All sums of a point of each that keep the caps, below `below` req/s; reduced to what is worth buying up to
    `limit` (None: not reduced). Raises NotListed where there are too many.
    """
    if len(first.usd) * len(second.usd) > COMBINATIONS_LISTED:
        raise NotListed
    capacity = (first.capacity[:, None] + second.capacity).ravel()
    taken = (first.taken[:, None, :] + second.taken).reshape(len(capacity), len(caps))
    inside = np.flatnonzero((taken <= caps).all(axis=1) & (capacity < below - 1e-9))
    left, right = np.divmod(inside, len(second.usd))
    table = Capped(
        capacity[inside],
        first.usd[left] + second.usd[right],
        np.column_stack([first.units[left], second.units[right]]),
        taken[inside],
    )
    return table if limit is None else thinned(table, floor, limit)


def thinned(table: Capped, floor: int, limit: float) -> Capped:
    """The points that no other beats: by at least the capacity (up to the limit) and units (up to the floor), at no
    more cost, taking no more of any cap. Of equals the first stays. Raises NotListed.
    """
    if not len(table.usd):
        return table
    short = floor - np.minimum(table.count, floor)
    first, kind = kinds_of(np.column_stack([table.taken, short]))
    if len(first) * len(kind) > COMPARISONS:
        raise NotListed
    order = np.lexsort((table.usd, -np.minimum(table.capacity, limit)))
    usd, asks = table.usd[order], np.column_stack([table.taken, short])[order]
    kind, kept = kind[order], np.zeros(len(order), dtype=bool)
    for number, one in enumerate(first):
        level = np.append(table.taken[one], short[one])
        rivals = np.flatnonzero((asks <= level).all(axis=1))
        cheapest_before = np.minimum.accumulate(np.append(np.inf, usd[rivals][:-1]))
        kept[rivals[(kind[rivals] == number) & (usd[rivals] < cheapest_before - 1e-12)]] = True
    return table.take(order[kept])


def kinds_of(rows: Units) -> tuple[Indices, Indices]:
    """The first of each different row of small whole numbers, and which of them each row is like."""
    number = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        number = np.unique(number * (column.max(initial=0) + 1) + column, return_inverse=True)[1]
    return np.unique(number, return_index=True)[1], number
