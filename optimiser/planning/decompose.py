"""The week (or year) as independent hours: exact for listed fleets, bracketed from both sides for large ones.

Once the capacity bought for the whole horizon is fixed at S, nothing couples one hour to the next, so the
best plan for each hour is a look-up:

    cost(S) = hours · constant(S) + Σ_slot hours[slot] · min_s ( spot(s) + hourly(max(F − S, T − S − s)) )

with T total and F firm capacity of the slot, s the spot capacity. Scanning S gives the optimum. Where the
fleet is too large to list, the same scan runs on a grid: sums of units rounded down give a plan, rounded up
they give a lower bound.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from optimiser.planning.capped import CappedLeaf
from optimiser.planning.capped_large import decompose_large_capped
from optimiser.planning.capped_tables import NotListed
from optimiser.planning.constant_scan import constant_bounds, scan, still_needed
from optimiser.planning.large import decompose_large
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.spot_menus import spot_menus
from optimiser.planning.tables import (
    Frontier,
    Indices,
    Units,
    combined,
    frontier,
    frontier_below,
    listed_size,
)

LISTED_LIMIT = 120_000
SPOT_UNITS_LISTED = 1_000
# Combinations within caps past which thinning them on the way cannot make a list of them.
COMBINATIONS_THINNED = 1e15
# Sums of a fleet of commitments and one of held units that are looked at: what adds up two lists of 2,000 points.
CONSTANTS_LISTED = 4_000_000
# Other sets of options, and the same ones under other rules, ask for the same tables again.
TABLES_KEPT = 512

_frontier = lru_cache(maxsize=TABLES_KEPT)(frontier)
_frontier_below = lru_cache(maxsize=TABLES_KEPT)(frontier_below)


def decompose(leaf: Leaf, cutoff_usd: float = np.inf) -> Decomposed:
    """The best fleet of a leaf and its bound; fleet is None where no fleet costs less than cutoff_usd."""
    if leaf.caps:
        if _combinations(leaf) > COMBINATIONS_THINNED:
            return decompose_large_capped(leaf)
        try:
            return CappedLeaf(leaf).solve(cutoff_usd)
        except NotListed:
            return decompose_large_capped(leaf)
    constant = listed_constants(leaf)
    return decompose_large(leaf) if constant is None else Listed(leaf, constant).solve(cutoff_usd)


def listed_constants(leaf: Leaf) -> Frontier | None:
    """The constant fleets worth a look; None where those, or what runs beside them, are too many to list."""
    if not can_be_listed(leaf):
        return None
    committed, held = _constants(leaf)
    if not (leaf.commitments and leaf.held):
        return committed if leaf.commitments else held
    if len(committed.usd) * len(held.usd) > CONSTANTS_LISTED:
        return None
    return combined(committed, held, float(leaf.levels.total[-1]), leaf.floor)


def _combinations(leaf: Leaf) -> float:
    limit = float(leaf.levels.total[-1])
    return max(listed_size(items, limit) for items in (leaf.commitments, leaf.held, leaf.hourly))


def can_be_listed(leaf: Leaf) -> bool:
    room = float((leaf.levels.total - leaf.levels.firm).max())
    return _combinations(leaf) <= LISTED_LIMIT and all(
        item.most(room) <= SPOT_UNITS_LISTED for item in leaf.spot
    )


def _constants(leaf: Leaf) -> tuple[Frontier, Frontier]:
    """What may be committed, and what may be held."""
    limit = float(leaf.levels.total[-1])
    if np.isinf(leaf.committed_below) and np.isinf(leaf.budget_usd):
        committed = _frontier(leaf.commitments, limit, leaf.floor)
    else:
        committed = _frontier_below(
            leaf.commitments, leaf.committed_below, leaf.floor, budget_usd=leaf.budget_usd, limit=limit
        )
    return committed, _frontier(leaf.held, limit, leaf.floor)


class Listed:
    """A leaf whose fleets can be listed, beside the constant fleets to choose from: every table and lookup exact."""

    def __init__(self, leaf: Leaf, constant: Frontier) -> None:
        self.leaf = leaf
        self.constant = constant

    @cached_property
    def hourly(self) -> list[Frontier]:
        """What can run by the hour, with at least 0, 1, … floor units."""
        leaf = self.leaf
        table = _frontier(leaf.hourly, float(leaf.levels.total[-1]), leaf.floor)
        return [table.at_least(units) for units in range(leaf.floor + 1)]

    @cached_property
    def menus(self) -> list[tuple[Indices, Frontier]]:
        """Spot purchases open to each group of slots."""
        return list(spot_menus(self.leaf.spot, self.leaf.levels, _frontier, _frontier_below, combined))

    def solve(self, cutoff_usd: float) -> Decomposed:
        """Scan the constant fleets."""
        usd, bound = constant_bounds(self.leaf, self.constant.capacity, self.constant.usd)
        return scan(usd, bound, self._hours_usd, self._fleet, cutoff_usd)

    def by_slot(self, points: Indices) -> Floats:
        """The best hour of each slot beside each constant fleet, USD per hour, shape (points, slots)."""
        capacity = self.constant.capacity[points]
        shortage = np.maximum(self.leaf.floor - self.constant.units[points].sum(axis=1), 0)
        usd = np.zeros((len(points), len(self.leaf.levels.total)))
        for slots, menu in self.menus:
            for units in np.unique(shortage):
                rows = np.flatnonzero(shortage == units)
                if not self.leaf.hourly:
                    usd[np.ix_(rows, slots)] = (
                        self._on_spot(slots, menu, capacity[rows]) if not units else np.inf
                    )
                    continue
                need = still_needed(self.leaf, slots, capacity[rows][:, None, None], menu.capacity)
                usd[np.ix_(rows, slots)] = (menu.usd + self.hourly[units].cover(need)).min(axis=2)
        return usd

    def _on_spot(self, slots: Indices, menu: Frontier, capacity: Floats) -> Floats:
        """The best hours where nothing is bought by the hour: constant units are firm enough, spot makes the rest."""
        total, firm = (
            level[slots] - capacity[:, None] for level in (self.leaf.levels.total, self.leaf.levels.firm)
        )
        return np.where(firm <= 1e-9, menu.cover(np.maximum(total, 0.0)), np.inf)

    def beside(self, point: int) -> tuple[Units, Units]:
        """Units by the hour and on spot that those hours beside one constant fleet take, shapes (slots, items)."""
        leaf, slots_total = self.leaf, len(self.leaf.levels.total)
        table = self.hourly[max(leaf.floor - int(self.constant.units[point].sum()), 0)]
        hourly = np.zeros((slots_total, len(leaf.hourly)), dtype=np.int64)
        spot = np.zeros((slots_total, len(leaf.spot)), dtype=np.int64)
        for slots, menu in self.menus:
            need = still_needed(leaf, slots, self.constant.capacity[point], menu.capacity)
            choice = (menu.usd + table.cover(need)).argmin(axis=1)
            spot[slots] = menu.units[choice]
            bought = table.index_of_cover(need[np.arange(len(slots)), choice])
            # Where no purchase covers a slot, its cost is infinite and nobody asks for its units.
            hourly[slots] = table.units[np.minimum(bought, len(table.units) - 1)]
        return hourly, spot

    def amounts(self, points: Indices, hourly: Floats, spot: Floats) -> Floats:
        """What those hours come to beside each constant fleet in amounts of which units by the hour and on spot have so
        much each, shapes (items, amounts); shape (points, slots, amounts)."""
        capacity = self.constant.capacity[points]
        shortage = np.maximum(self.leaf.floor - self.constant.units[points].sum(axis=1), 0)
        found = np.zeros((len(points), len(self.leaf.levels.total), hourly.shape[1]))
        for slots, menu in self.menus:
            for units in np.unique(shortage):
                rows, table = np.flatnonzero(shortage == units), self.hourly[units]
                need = still_needed(self.leaf, slots, capacity[rows][:, None, None], menu.capacity)
                choice = (menu.usd + table.cover(need)).argmin(axis=2)
                bought = table.index_of_cover(np.take_along_axis(need, choice[:, :, None], axis=2)[:, :, 0])
                by_hour = (table.units @ hourly)[np.minimum(bought, len(table.units) - 1)]
                found[np.ix_(rows, slots)] = (menu.units @ spot)[choice] + by_hour
        return found

    def _hours_usd(self, points: Indices) -> Floats:
        """Σ over slots of the best hour beside each constant fleet, USD over the horizon, shape (points,)."""
        total: Floats = self.by_slot(points) @ self.leaf.levels.hours
        return total

    def _fleet(self, point: int) -> Fleet:
        units, (hourly, spot) = self.constant.units[point], self.beside(point)
        split = len(self.leaf.commitments)
        return Fleet(commitments=units[:split], held=units[split:], hourly=hourly, spot=spot)
