"""The week (or year) as independent hours: exact for listed fleets, bracketed from both sides for large ones.

Once the capacity bought for the whole horizon is fixed at S, nothing couples one hour to the next, so the
best plan for each hour is a look-up:

    cost(S) = hours · constant(S) + Σ_slot hours[slot] · min_s ( spot(s) + hourly(max(F − S, T − S − s)) )

with T total and F firm capacity of the slot, s the spot capacity. Scanning S gives the optimum. Where the
fleet is too large to list, the same scan runs on a grid: sums of units rounded down give a plan, rounded up
they give a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from optimiser.planning.bounds import priced
from optimiser.planning.large import decompose_large
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.requirements import Levels
from optimiser.planning.tables import (
    Frontier,
    Indices,
    Item,
    combined,
    frontier,
    frontier_below,
    listed_size,
)

LISTED_LIMIT = 120_000
SPOT_UNITS_LISTED = 1_000
# Sums of a fleet of commitments and one of held units that are looked at: what adds up two lists of 2,000 points.
CONSTANTS_LISTED = 4_000_000


def decompose(leaf: Leaf, cutoff_usd: float = np.inf) -> Decomposed:
    """The best fleet of a leaf and its bound; fleet is None where no fleet costs less than cutoff_usd."""
    if not _can_be_listed(leaf):
        return decompose_large(leaf)
    committed, held = _constants(leaf)
    if len(committed.usd) * len(held.usd) > CONSTANTS_LISTED:
        return decompose_large(leaf)
    return _Listed(leaf, committed, held).solve(cutoff_usd)


def _can_be_listed(leaf: Leaf) -> bool:
    limit, room = float(leaf.levels.total[-1]), float((leaf.levels.total - leaf.levels.firm).max())
    combinations = max(listed_size(items, limit) for items in (leaf.commitments, leaf.held, leaf.hourly))
    return combinations <= LISTED_LIMIT and all(item.most(room) <= SPOT_UNITS_LISTED for item in leaf.spot)


def _constants(leaf: Leaf) -> tuple[Frontier, Frontier]:
    """What may be committed, and what may be held."""
    limit = float(leaf.levels.total[-1])
    if np.isinf(leaf.committed_below):
        committed = frontier(leaf.commitments, limit, leaf.floor)
    else:
        committed = frontier_below(leaf.commitments, leaf.committed_below, leaf.floor)
    return committed, frontier(leaf.held, limit, leaf.floor)


class _Listed:
    """A leaf whose fleets can be listed: every table exact, every lookup exact."""

    def __init__(self, leaf: Leaf, committed: Frontier, held: Frontier) -> None:
        self.leaf = leaf
        self.constant = combined(committed, held, float(leaf.levels.total[-1]), leaf.floor)

    @cached_property
    def hourly(self) -> list[Frontier]:
        """What can run by the hour, with at least 0, 1, … floor units."""
        leaf = self.leaf
        table = frontier(leaf.hourly, float(leaf.levels.total[-1]), leaf.floor)
        return [table.at_least(units) for units in range(leaf.floor + 1)]

    @cached_property
    def menus(self) -> list[tuple[Indices, Frontier]]:
        """Spot purchases open to each group of slots."""
        return list(_menus(self.leaf.spot, self.leaf.levels))

    def solve(self, cutoff_usd: float) -> Decomposed:
        """Scan the constant fleets worth a look; every other is shown by its relaxation to cost more."""
        usd, bound = self._constant_bounds()
        worth = np.flatnonzero(bound < cutoff_usd)
        if not len(worth):
            return Decomposed(usd=np.inf, lower_usd=float(bound.min()), fleet=None, exact=False)
        skipped = float(np.min(bound[bound >= cutoff_usd], initial=np.inf))
        order = worth[np.argsort(bound[worth], kind="stable")]
        best_usd, best = np.inf, -1
        for start in range(0, len(order), 8):
            chunk = order[start : start + 8]
            if bound[chunk[0]] >= best_usd:
                break
            cost = usd[chunk] + self._hours_usd(chunk)
            lowest = int(np.argmin(cost))
            if cost[lowest] < best_usd - 1e-9:
                best_usd, best = float(cost[lowest]), int(chunk[lowest])
        lower_usd = min(best_usd, skipped)
        fleet = self._fleet(best) if best >= 0 else None
        return Decomposed(usd=best_usd, lower_usd=lower_usd, fleet=fleet, exact=lower_usd >= best_usd)

    def _constant_bounds(self) -> tuple[Floats, Floats]:
        levels, capacity = self.leaf.levels, self.constant.capacity[:, None]
        usd = self.constant.usd * levels.horizon_hours
        above_total = np.maximum(levels.total - capacity, 0.0) @ levels.hours
        above_firm = np.maximum(levels.firm - capacity, 0.0) @ levels.hours
        hourly, spot = (
            min((item.usd / item.rate for item in items), default=np.inf)
            for items in (self.leaf.hourly, self.leaf.spot)
        )
        rest = priced(hourly, above_firm) + priced(min(hourly, spot), above_total - above_firm)
        return usd, usd + rest

    def _hours_usd(self, points: Indices) -> Floats:
        """Σ over slots of the best hour beside each constant fleet, USD over the horizon, shape (points,)."""
        levels = self.leaf.levels
        capacity = self.constant.capacity[points]
        shortage = np.maximum(self.leaf.floor - self.constant.units[points].sum(axis=1), 0)
        total = np.zeros(len(points))
        for slots, menu in self.menus:
            for units in np.unique(shortage):
                rows = np.flatnonzero(shortage == units)
                need = self._need(capacity[rows][:, None, None], slots, menu)
                best = (menu.usd + self.hourly[units].cover(need)).min(axis=2)
                total[rows] += best @ levels.hours[slots]
        return total

    def _need(self, capacity: Floats, slots: Indices, menu: Frontier) -> Floats:
        """Capacity to buy by the hour beside each constant capacity, slot and spot purchase."""
        firm = self.leaf.levels.firm[slots][:, None] - capacity
        rest = self.leaf.levels.total[slots][:, None] - capacity - menu.capacity
        return np.maximum(firm, rest)

    def _fleet(self, point: int) -> Fleet:
        leaf, slots_total = self.leaf, len(self.leaf.levels.total)
        units = self.constant.units[point]
        table = self.hourly[max(leaf.floor - int(units.sum()), 0)]
        hourly = np.zeros((slots_total, len(leaf.hourly)), dtype=np.int64)
        spot = np.zeros((slots_total, len(leaf.spot)), dtype=np.int64)
        for slots, menu in self.menus:
            need = self._need(np.array([[[self.constant.capacity[point]]]]), slots, menu)[0]
            choice = (menu.usd + table.cover(need)).argmin(axis=1)
            spot[slots] = menu.units[choice]
            hourly[slots] = table.units[table.index_of_cover(need[np.arange(len(slots)), choice])]
        split = len(leaf.commitments)
        return Fleet(commitments=units[:split], held=units[split:], hourly=hourly, spot=spot)


def _menus(spot: Sequence[Item], levels: Levels) -> Iterator[tuple[Indices, Frontier]]:
    """Spot purchases open to each group of slots: no pool holds more than its slot's limit."""
    if not spot:
        yield np.arange(len(levels.total)), frontier((), 0.0)
        return
    room = levels.total - levels.firm
    pools = [np.flatnonzero([item.pool == pool for item in spot]) for pool in {item.pool for item in spot}]
    if all(len(inside) == 1 for inside in pools):
        most = np.array([item.most(float(room.max())) for item in spot])
        with np.errstate(invalid="ignore"):
            inside = np.floor(levels.pool[:, None] / np.array([item.rate for item in spot]) + 1e-9)
        allowed = np.minimum(inside, most).astype(np.int64)
        for units in np.unique(allowed, axis=0):
            group = np.flatnonzero((allowed == units).all(axis=1))
            limited = [replace(item, max_units=int(count)) for item, count in zip(spot, units, strict=True)]
            yield group, frontier(limited, float(room[group].max()))
        return
    order = np.argsort(np.concatenate(pools))
    for limit in np.unique(levels.pool):
        group = np.flatnonzero(levels.pool == limit)
        reach = float(room[group].max())
        menu = frontier((), 0.0)
        for shared in pools:
            members = shared.tolist()
            capped = min(float(limit), reach + max(spot[i].rate for i in members)) + 2e-9
            menu = combined(menu, frontier_below([spot[i] for i in members], capped), reach)
        yield group, Frontier(menu.capacity, menu.usd, menu.units[:, order])
