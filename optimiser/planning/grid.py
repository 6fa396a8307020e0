"""Capacity on a grid, rounded so that a scan over it gives a plan, or a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimiser.planning.commitment_budget import TOLERANCE_USD
from optimiser.planning.knapsack import Knapsack
from optimiser.planning.problem import Floats
from optimiser.planning.tables import Frontier, Indices, Item, Units

# What must stay below a limit stands clear of it by so much.
TOLERANCE_RPS = 1e-9


@dataclass(frozen=True)
class Side:
    """One rounding of the scan: optimistic counts capacity up and needs down, else the reverse."""

    optimistic: bool
    grid: float
    fine: float
    limit: float

    def table(self, items: Sequence[Item], reach: float | None = None) -> Knapsack:
        """The covering table of items on the fine unit, up to `reach` req/s (None: the limit)."""
        limit = self.limit if reach is None else min(reach, self.limit)
        return Knapsack(items, limit + self.grid, self.fine, optimistic=self.optimistic)

    def points(self, table: Knapsack, reach: float, step: int = 1) -> Floats:
        """usd[i] of a purchase that counts as i · step grid cells, up to `reach` req/s; usd[0] = 0."""
        cells = np.arange(int(np.ceil(reach / (self.grid * step))) + 1)
        if self.optimistic:
            least = (cells - 1) * np.float64(self.grid * step) + self.fine
            return table.cover(np.where(cells > 0, least, 0.0))
        return table.cover(cells * np.float64(self.grid * step))

    def needed(self, need: Floats) -> Indices:
        """Needs in whole grid cells."""
        cells = np.floor(need / self.grid + 1e-9) if self.optimistic else np.ceil(need / self.grid - 1e-9)
        return cells.astype(np.int64)

    def held(self, capacity: Floats, step: int) -> Indices:
        """Capacities in grid cells, on every step-th."""
        steps = capacity / (self.grid * step)
        return (np.ceil(steps - 1e-9) if self.optimistic else np.floor(steps + 1e-9)).astype(np.int64) * step


@dataclass(frozen=True)
class Points:
    """Ways to buy constant capacity: grid cells each counts as, USD per hour, and the units behind a point."""

    cells: Indices
    usd: Floats
    units: Callable[[int], Units]


@dataclass(frozen=True)
class Constant:
    """Candidate constant fleets: grid cells, USD per hour, and the point of each kind they are made of."""

    cells: Indices
    usd: Floats
    committed: Indices
    held: Indices


def table_points(items: Sequence[Item], side: Side, step: int) -> Points:
    """The cheapest way to hold each number of grid cells, on every step-th."""
    if not items:
        return Points(np.zeros(1, dtype=np.int64), np.zeros(1), lambda _: np.zeros(0, dtype=np.int64))
    table = side.table(items)
    usd = side.points(table, side.limit, step)
    return Points(np.arange(len(usd)) * step, usd, lambda point: table.units(point * side.grid * step))


def limited_points(items: Sequence[Item], below: float, budget_usd: float, side: Side, step: int) -> Points:
    """The same of what holds less than `below` req/s and signs at most budget_usd an hour (`Item.signs`).

    A bound keeps the cells that some fleet below the limit reaches within the budget, at the price of the cheapest that
    reaches them at all: exact where prices and what they sign are in proportion. A plan takes the cheaper of two fleets
    that keep both, the cheapest in price and the one that signs least.
    """
    if (np.isinf(budget_usd) and np.isinf(below)) or not items:
        return table_points(items, side, step)
    tables = [side.table(items)]
    if np.isfinite(budget_usd):
        tables.append(side.table([replace(item, usd=item.signs) for item in items]))
    least = np.array([side.points(table, side.limit, step) for table in tables])
    of_point = np.arange(least.shape[1]) * step
    open_to = (of_point - step * side.optimistic) * side.grid < below
    if np.isfinite(budget_usd):
        open_to &= least[1] <= budget_usd + TOLERANCE_USD
    left = np.flatnonzero(open_to)
    need = left * side.grid * step
    if side.optimistic:
        return Points(of_point[left], least[0, left], lambda point: tables[0].units(float(need[point])))
    rate, usd, signs = (
        np.array([getattr(item, name) for item in items]) for name in ("rate", "usd", "signs")
    )
    # Cells that no fleet holds have no units behind them, which would keep every limit and cost nothing.
    holds = np.isfinite(least[:, left])
    fleets = np.zeros((*holds.shape, len(items)), dtype=np.int64)
    for held, fleet, table in zip(holds, fleets, tables, strict=True):
        fleet[held] = table.many_units(need[held])
    fits = holds & (fleets @ signs <= budget_usd + TOLERANCE_USD) & (fleets @ rate < below - TOLERANCE_RPS)
    cost = np.where(fits, fleets @ usd, np.inf)
    cells, chosen = np.arange(len(left)), cost.argmin(axis=0)
    return Points(of_point[left], cost[chosen, cells], lambda point: fleets[chosen[point], point])


def listed_points(listed: Frontier, side: Side, step: int) -> Points:
    """The cheapest listed point of each cell."""
    cells = side.held(listed.capacity, step)
    first = np.flatnonzero(np.diff(cells, prepend=-1))
    return Points(cells[first], listed.usd[first], lambda point: listed.units[first[point]])


def nice(value: float) -> float:
    """The next power of ten, or two or five times one, at or above value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9)))
