"""Purchases by the hour that keep caps beside a given constant fleet, out of what tables at several prices buy.

A slot takes one purchase out of those tables, for what it takes of the caps, and for the rest the one that takes least
of them. Spot is taken from one table whole where both might hold too much of one pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from optimiser.planning.grid import Side
from optimiser.planning.knapsack import Knapsack
from optimiser.planning.large import pruned, spot_tables
from optimiser.planning.leaf import Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices, Item, Units

Entries = TypeVar("Entries", Floats, Indices)

# What a unit of a cap costs where nothing of it is to be bought, in USD an hour.
FORBIDDEN_USD = 1e6
SLOTS_AT_ONCE = 128
# Purchases that stand for all that take something of a cap.
PURCHASES = 300
# Prices of the caps that tables are built at, and caps up to which each is also forbidden alone.
PRICES, CAPS_ALONE = 4, 6


def at_price(items: Sequence[Item], usd: Floats) -> tuple[Item, ...]:
    """The items where a unit of each cap costs so much more an hour."""
    if not usd.any():
        return tuple(items)
    return tuple(replace(item, usd=item.usd + float(usd @ np.array(item.takes))) for item in items)


def taken_by(items: Sequence[Item], caps: int) -> Units:
    """What a unit of each item takes of so many caps, shape (items, caps)."""
    return np.array([item.takes for item in items], dtype=np.int64).reshape(-1, caps)


def _some(rows: Entries, most: int) -> Entries:
    """At most so many of the rows, evenly picked, the first and the last among them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64))]


@dataclass(frozen=True)
class _Menu:
    """Purchases: the grid cells that each reaches, its USD an hour, what it takes of each cap, units of all items."""

    cells: Indices
    usd: Floats
    taken: Units
    units: Units

    @classmethod
    def of(cls, cells: Indices, units: Units, items: Sequence[Item], caps: int) -> _Menu:
        """The menu of units of items."""
        return cls(
            cells, units @ np.array([item.usd for item in items]), units @ taken_by(items, caps), units
        )

    def different(self) -> _Menu:
        """Of purchases that are the same the one that reaches most."""
        last = np.append((np.diff(self.units, axis=0) != 0).any(axis=1), True)
        last[0] = True
        return self.take(np.flatnonzero(last & np.isfinite(self.usd)))

    def take(self, points: Indices) -> _Menu:
        """Some of the purchases."""
        return _Menu(self.cells[points], self.usd[points], self.taken[points], self.units[points])


class _Mix:
    """What one purchase that takes of the caps and one that takes least of them come to together."""

    def __init__(
        self, menus: Sequence[_Menu], rest: _Menu, items: Sequence[Item], caps: Units, grid: float
    ) -> None:
        """menus at several prices of the caps, and the one in which nothing of them is to be bought."""
        self.rest, self.items, self.caps = rest, items, caps
        taking = taken_by(items, len(caps)).any(axis=1)
        some = [menu.units[np.isfinite(menu.usd)] * taking for menu in menus] if taking.any() else []
        alone = taken_by(items, len(caps)).T if len(caps) <= CAPS_ALONE else ()
        some += [units * (takes > 0) for units in list(some) for takes in alone]
        units = np.unique(np.vstack([np.zeros((1, len(items)), dtype=np.int64), *some]), axis=0)
        capacity = units @ np.array([item.rate for item in items])
        every = _Menu.of(np.floor(capacity / grid + 1e-9).astype(np.int64), units, items, len(caps))
        inside = np.flatnonzero((every.taken <= caps).all(axis=1))
        self.purchases = every.take(
            _some(inside[np.lexsort((every.usd[inside], every.cells[inside]))], PURCHASES)
        )

    @property
    def keeps_pools(self) -> bool:
        """Whether no pool is in both."""
        one, other = (
            {self.items[i].pool for i in np.flatnonzero(menu.units.any(axis=0)).tolist()}
            for menu in (self.purchases, self.rest)
        )
        return one.isdisjoint(other)

    def within(self, left: Units, weight: Floats) -> _Menu:
        """The least USD an hour for each cell, what is taken weighed; inf where nothing fits what is left."""
        rest, size = self.rest, len(self.rest.cells)
        weighed = rest.usd + rest.taken @ weight
        limited = [i for i, item in enumerate(self.items) if item.max_units is not None]
        most = np.array([self.items[i].max_units for i in limited], dtype=np.int64)
        best, first, second = np.full((3, size), np.inf)
        for number in np.flatnonzero((self.purchases.taken <= left).all(axis=1)).tolist():
            cells, taken = int(self.purchases.cells[number]), self.purchases.taken[number]
            index = np.maximum(np.arange(size) - cells, 0)
            usd = weighed[index] + float(self.purchases.usd[number] + taken @ weight)
            usd[(rest.taken[index] > left - taken).any(axis=1)] = np.inf
            if limited:
                room = most - self.purchases.units[number, limited]
                usd[(rest.units[:, limited][index] > room).any(axis=1)] = np.inf
            better = usd < best
            best[better], first[better], second[better] = usd[better], number, index[better]
        fits = np.isfinite(best)
        one, other = (np.where(fits, chosen, 0).astype(np.int64) for chosen in (first, second))
        units = self.purchases.units[one] + rest.units[other]
        mixed = _Menu.of(rest.cells, units, self.items, len(self.caps))
        return replace(mixed, usd=np.where(fits, mixed.usd, np.inf))


@dataclass(frozen=True)
class _Spot:
    """Spot of a group of slots: mixed, and where that may hold too much of a pool the menus at each price."""

    slots: Indices
    mix: _Mix
    menus: Sequence[_Menu]

    def within(self, left: Units, weight: Floats) -> list[_Menu]:
        """The menus to choose from."""
        if self.menus:
            return [menu.different() for menu in self.menus]
        return [self.mix.within(left, weight).different()]


@dataclass(frozen=True)
class _Beside:
    """The best of every slot: USD an hour, and units of the hours' items on demand and on spot."""

    usd: Floats
    hourly: Units
    spot: Units


class Hours:
    """The hours of a leaf with caps; prices are those to build tables at, USD an hour of a unit of each cap."""

    def __init__(self, leaf: Leaf, side: Side, prices: Floats) -> None:
        self.leaf, self.side, self.caps = leaf, side, np.array(leaf.caps)
        count = len(leaf.caps)
        forbidden = FORBIDDEN_USD * np.vstack(
            [np.ones(count), *(np.eye(count) if 1 < count <= CAPS_ALONE else [])]
        )
        tried = np.unique(
            np.vstack([np.zeros((1, count)), *(_some(prices, PRICES) * f for f in (1.0, 1.5))]), axis=0
        )
        at = [pruned(self._at(price)) for price in (*tried, *(prices.max(axis=0) + forbidden))]
        self.kept = {
            name: sorted({index for _, kept in at for index in kept[name]}) for name in ("hourly", "spot")
        }
        self.hourly_items, self.spot_items = (
            [getattr(leaf, name)[index] for index in self.kept[name]] for name in ("hourly", "spot")
        )
        menus, none = [self._hourly(*one) for one in at], len(tried)
        self.hourly = _Mix(menus, menus[none], self.hourly_items, self.caps, side.grid)
        self.spot = self._spot_of(at, none)
        shared = taken_by(self.spot_items, count).any(axis=0) & taken_by(self.hourly_items, count).any(axis=0)
        self.weights = tried if shared.any() else tried[:1]
        self._known: dict[tuple[int, ...], list[tuple[Indices, _Menu, _Menu]]] = {}

    def usd_beside(self, constant: Units) -> float:
        """What the best hours found beside constant units cost over the horizon, USD; inf where a slot has none."""
        return float(self._best(constant).usd @ self.leaf.levels.hours)

    def fleet_beside(self, constant: Units) -> Fleet:
        """That fleet."""
        best, split = self._best(constant), len(self.leaf.commitments)
        found = {"commitments": constant[None, :split], "held": constant[None, split:]}
        found |= {"hourly": best.hourly, "spot": best.spot}
        used = {name: np.flatnonzero(units.any(axis=0)) for name, units in found.items()}
        some = {name: units[:, used[name]] for name, units in found.items()}
        kept = {name: used[name].tolist() for name in ("commitments", "held")}
        kept |= {name: [self.kept[name][column] for column in used[name]] for name in ("hourly", "spot")}
        return Fleet(
            commitments=some["commitments"][0],
            held=some["held"][0],
            hourly=some["hourly"],
            spot=some["spot"],
            kept=kept,
        )

    def _at(self, price: Floats) -> Leaf:
        hourly, spot = at_price(self.leaf.hourly, price), at_price(self.leaf.spot, price)
        return replace(self.leaf, commitments=(), held=(), hourly=hourly, spot=spot)

    def _hourly(self, priced: Leaf, kept: dict[str, list[int]]) -> _Menu:
        reach = self.side.limit + self.side.grid
        bought = self._bought(self.side.table(priced.hourly), kept, "hourly", reach)
        return replace(bought, usd=np.where(bought.cells * self.side.grid > reach, np.inf, bought.usd))

    def _spot_of(self, at: Sequence[tuple[Leaf, dict[str, list[int]]]], none: int) -> list[_Spot]:
        """Spot by group of slots."""
        if not any(any(item.takes) for item in self.spot_items):
            at, none = at[none : none + 1], 0
        limited = bool(np.isfinite(self.leaf.levels.pool).any())
        by_price = [
            [
                (slots, self._bought(table, kept, "spot", reach))
                for slots, table, reach in spot_tables(leaf, self.side)
            ]
            for leaf, kept in at
        ]
        found = []
        for groups in zip(*by_price, strict=True):
            menus = [menu for _, menu in groups]
            mix = _Mix(menus, menus[none], self.spot_items, self.caps, self.side.grid)
            found.append(_Spot(groups[0][0], mix, menus if limited and not mix.keeps_pools else ()))
        return found

    def _bought(self, table: Knapsack, kept: dict[str, list[int]], name: str, reach: float) -> _Menu:
        """What a table buys for each cell up to `reach` req/s."""
        cells = np.arange(int(np.ceil(reach / self.side.grid)) + 1)
        items = {"hourly": self.hourly_items, "spot": self.spot_items}[name]
        need = np.asarray(cells * self.side.grid, dtype=np.float64)
        units = np.zeros((len(cells), len(items)), dtype=np.int64)
        units[:, [self.kept[name].index(index) for index in kept[name]]] = table.many_units(need)
        menu = _Menu.of(cells, units, items, len(self.caps))
        return replace(menu, usd=np.where(np.isfinite(table.cover(need)), menu.usd, np.inf))

    def _within(self, left: Units) -> list[tuple[Indices, _Menu, _Menu]]:
        """What can run within what is left of the caps, on demand and on spot by group of slots; where both count in
        one cap, once for each price at which what is taken is weighed."""
        key = tuple(left.tolist())
        if key not in self._known:
            self._known[key] = [
                (one.slots, hourly, spot)
                for weight in self.weights
                for hourly in [self.hourly.within(left, weight)]
                for one in self.spot
                for spot in one.within(left, weight)
            ]
        return self._known[key]

    def _best(self, constant: Units) -> _Beside:
        """The cheapest purchases of each slot beside constant units."""
        items, levels = (*self.leaf.commitments, *self.leaf.held), self.leaf.levels
        left = self.caps - constant @ taken_by(items, len(self.caps))
        held = float(constant @ np.array([item.rate for item in items]))
        slots = len(levels.total)
        best = _Beside(
            np.full(slots, np.inf),
            np.zeros((slots, len(self.hourly_items)), dtype=np.int64),
            np.zeros((slots, len(self.spot_items)), dtype=np.int64),
        )
        for part, buy, spot in self._within(left):
            for some in np.array_split(part, -(-len(part) // SLOTS_AT_ONCE)):
                self._fill(best, some, held, left, buy, spot)
        return best

    def _fill(
        self, best: _Beside, slots: Indices, held_rps: float, left: Units, buy: _Menu, spot: _Menu
    ) -> None:
        """Write into `best` what is cheaper in some slots: a purchase of the spot menu, and on demand the rest."""
        levels, grid = self.leaf.levels, self.side.grid
        firm = levels.firm[slots][:, None] - held_rps
        rest = levels.total[slots][:, None] - held_rps - spot.cells * grid
        cells = np.ceil(np.maximum(np.maximum(firm, rest), 0.0) / grid - 1e-9).astype(np.int64)
        usd = spot.usd + buy.usd[cells]
        for k, cap in enumerate(left.tolist()):
            if spot.taken[:, k].any():
                usd[spot.taken[:, k] + buy.taken[cells, k] > cap] = np.inf
        choice, rows = usd.argmin(axis=1), np.arange(len(slots))
        better = np.flatnonzero(usd[rows, choice] < best.usd[slots])
        chosen, at = choice[better], slots[better]
        best.usd[at] = usd[better, chosen]
        best.hourly[at], best.spot[at] = buy.units[cells[better, chosen]], spot.units[chosen]
