"""The same scan for fleets too large to list: sums rounded down give a plan, rounded up a lower bound.

Tables are exact on a fine unit (about peak / 300,000); only sums are rounded to a grid of about peak / 6,000.
The bound leaves out rules that only restrict (the floor, the pool limit), which keeps it valid; they are
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimiser.planning.decompose import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices, Item, Knapsack, Units, undominated, worth_keeping

GRID_CELLS = 6_000
FINE_CELLS = 400_000
POOL_LEVELS = 8
POOLS_CONSIDERED = 10
BOTH_CONSTANTS_CELLS = 600


@dataclass(frozen=True, slots=True)
class _Side:
    """One rounding of the scan: optimistic counts capacity up and needs down, else the reverse."""

    optimistic: bool
    grid: float
    fine: float
    limit: float

    def table(self, items: Sequence[Item]) -> Knapsack:
        """The covering table of items on the fine unit."""
        return Knapsack(items, self.limit + self.grid, self.fine, optimistic=self.optimistic)

    def points(self, table: Knapsack, reach: float, step: int = 1) -> Floats:
        """usd[i] of a purchase that counts as i · step grid cells, up to `reach` req/s; usd[0] = 0."""
        cells = np.arange(int(np.ceil(reach / (self.grid * step))) + 1)
        if self.optimistic:
            need = np.where(cells > 0, (cells - 1) * self.grid * step + self.fine, 0.0)
        else:
            need = cells * self.grid * step
        return table.cover(need)

    def cells(self, need: Floats) -> Indices:
        """Needs in whole grid cells."""
        cells = np.floor(need / self.grid + 1e-9) if self.optimistic else np.ceil(need / self.grid - 1e-9)
        return cells.astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Constant:
    """Candidate constant fleets: cells of capacity, USD per hour, and the cells bought as commitment and held."""

    cells: Indices
    usd: Floats
    committed: Indices
    held: Indices


def decompose_large(leaf: Leaf) -> Decomposed:
    """A feasible fleet and a lower bound for a leaf of any size."""
    leaf, kept = _pruned(leaf)
    limit = float(leaf.levels.total[-1])
    grid, fine = _nice(limit / GRID_CELLS), _nice(limit / FINE_CELLS)
    lower_side = _Side(True, grid, fine, limit)
    lower = float(_scan(leaf, lower_side, _constants(leaf, lower_side, 0)[0], 0).min())
    upper_side = _Side(False, grid, fine, limit)
    fleet = _best_fleet(leaf, upper_side)
    dropped: tuple[str, ...] = ("keep_firm_floor",) if leaf.floor else ()
    if leaf.spot and np.isfinite(leaf.levels.pool).any():
        dropped += ("survive_spot_pool_loss",)
    usd = np.inf if fleet is None else _fleet_usd(leaf, fleet)
    if fleet is not None:
        fleet = replace(fleet, kept=kept)
    return Decomposed(
        usd=usd, lower_usd=min(lower, usd), fleet=fleet, exact=False, unit_rps=grid, dropped=dropped
    )


def _pruned(leaf: Leaf) -> tuple[Leaf, dict[str, list[int]]]:
    """The leaf without items that copies of another replace, and where the kept ones stood."""
    kept: dict[str, list[int]] = {}
    parts: dict[str, Any] = {}
    pools_matter = np.isfinite(leaf.levels.pool).any()
    for name in ("commitments", "held", "hourly", "spot"):
        items: tuple[Item, ...] = getattr(leaf, name)
        if name == "spot" and pools_matter:
            indices = sorted(
                sorted(range(len(items)), key=lambda i: items[i].usd / items[i].rate)[:POOLS_CONSIDERED]
            )
        elif name == "commitments" and leaf.committed_below < leaf.levels.total[-1]:
            indices = list(range(len(items)))
        else:
            indices = undominated(items) if items else []
        kept[name] = indices
        parts[name] = tuple(items[i] for i in indices)
    return replace(leaf, **parts), kept


def _constants(leaf: Leaf, side: _Side, floor: int) -> tuple[_Constant, Knapsack, Knapsack]:
    """Constant fleets with at least `floor` units, and the tables their units come from."""
    committed, held = side.table(leaf.commitments), side.table(leaf.held)
    step = max(GRID_CELLS // BOTH_CONSTANTS_CELLS, 1) if leaf.commitments and leaf.held else 1
    reach = min(leaf.committed_below, side.limit)
    left = side.points(committed, reach, step) if leaf.commitments else np.zeros(1)
    right = side.points(held, side.limit, step) if leaf.held else np.zeros(1)
    if floor:
        needs = np.arange(max(len(left), len(right)), dtype=np.float64) * (side.grid * step)
        left = committed.cover_with_units(needs[: len(left)], floor)[0] if leaf.commitments else left
        right = (
            held.cover_with_units(needs[: len(right)], floor)[0]
            if leaf.held and not leaf.commitments
            else right
        )
    cells = (np.arange(len(left))[:, None] + np.arange(len(right))).ravel() * step
    usd = (left[:, None] + right).ravel()
    keep = worth_keeping(cells.astype(np.float64), usd)
    keep = keep[np.isfinite(usd[keep])]
    by_commitment, by_held = np.divmod(keep, len(right))
    return _Constant(cells[keep], usd[keep], by_commitment * step, by_held * step), committed, held


def _scan(leaf: Leaf, side: _Side, constant: _Constant, floor: int) -> Floats:
    """USD over the horizon beside every constant fleet, shape (constant fleets,)."""
    levels = leaf.levels
    hourly = side.table(leaf.hourly)
    reach = np.arange(int(np.ceil(side.limit / side.grid)) + 2, dtype=np.float64) * side.grid
    buy = hourly.cover_with_units(reach, floor)[0] if floor else hourly.cover(reach)
    cost = constant.usd * levels.horizon_hours
    for slots, spot in _spot_points(leaf, side):
        best = buy.copy()
        done = 0
        total, first = np.unique(side.cells(levels.total[slots]), return_index=True)
        merged = np.split(levels.hours[slots], first[1:])
        firm_share = levels.firm[slots][first] / np.maximum(levels.total[slots][first], 1e-12)
        firm = side.cells(total * side.grid * firm_share)
        for need, floor_cells, hours in zip(total, firm, merged, strict=True):
            allowed = min(int(need - floor_cells), len(spot) - 1)
            for cells in range(done + 1, allowed + 1):
                np.minimum(best[cells:], spot[cells] + buy[: len(buy) - cells], out=best[cells:])
                np.minimum(best[:cells], spot[cells] + buy[0], out=best[:cells])
            done = max(done, allowed)
            rest = np.maximum(need - constant.cells, 0)
            value = best[rest]
            if allowed + 1 < len(spot):
                value = np.minimum(
                    value, spot[allowed + 1] + buy[np.maximum(floor_cells - constant.cells, 0)]
                )
            cost = cost + hours.sum() * value
    return cost


def _spot_points(leaf: Leaf, side: _Side) -> list[tuple[Indices, Floats]]:
    """Per group of slots (demand ascending): USD of holding so many grid cells of spot."""
    return [(slots, side.points(table, reach)) for slots, table, reach in _spot_tables(leaf, side)]


def _spot_tables(leaf: Leaf, side: _Side) -> list[tuple[Indices, Knapsack, float]]:
    levels = leaf.levels
    slots = np.arange(len(levels.total))
    room = levels.total - levels.firm
    if not leaf.spot or side.optimistic or not np.isfinite(levels.pool).any():
        reach = float(room.max()) + side.grid if leaf.spot else 0.0
        return [(slots, side.table(leaf.spot), reach)]
    groups = []
    for part in np.array_split(slots, min(POOL_LEVELS, len(slots))):
        limit = float(levels.pool[part].min())
        items = [Item(item.rate, item.usd, int(limit / item.rate + 1e-9)) for item in leaf.spot]
        table = side.table([item for item in items if item.max_units] or [])
        groups.append(
            (part, side.table(items) if any(i.max_units for i in items) else table, float(room[part].max()))
        )
    return groups


def _best_fleet(leaf: Leaf, side: _Side) -> Fleet | None:
    """The cheapest fleet found: first as if there were no floor, then with constant or hourly units making it."""
    for floors in ((0, 0), (leaf.floor, 0), (0, leaf.floor)):
        if (floors[0] and not (leaf.commitments or leaf.held)) or (floors[1] and not leaf.hourly):
            continue
        constant, committed, held = _constants(leaf, side, floors[0])
        cost = _scan(leaf, side, constant, floors[1])
        if np.isfinite(cost.min()):
            fleet = _extract(leaf, side, constant, int(cost.argmin()), (committed, held), floors)
            if fleet.commitments.sum() + fleet.held.sum() + fleet.hourly.sum(axis=1).min() >= leaf.floor:
                return fleet
    return None


def _bought(table: Knapsack, need: float, floor: int) -> Units:
    """Units the table buys for a need, at least `floor` of them."""
    if not floor:
        return table.units(need)
    _, chosen = table.cover_with_units(np.array([need]), floor)
    first = table.multisets(floor)[int(chosen[0])]
    rates = [table.items[i].rate for i in first]
    counts = table.units(max(need - sum(rates) + len(first) * table.unit, 0.0))
    return counts + np.bincount(first, minlength=len(table.items))


def _extract(
    leaf: Leaf,
    side: _Side,
    constant: _Constant,
    point: int,
    tables: tuple[Knapsack, Knapsack],
    floors: tuple[int, int],
) -> Fleet:
    """Whole units for one constant fleet: its own, then the best hour per slot beside what it truly holds."""
    committed, held = tables
    committed_floor = floors[0] if leaf.commitments else 0
    units_c = _bought(committed, constant.committed[point] * side.grid, committed_floor)
    units_h = _bought(held, constant.held[point] * side.grid, 0 if leaf.commitments else floors[0])
    capacity = sum(int(n) * i.rate for n, i in zip(units_c, leaf.commitments, strict=True))
    capacity += sum(int(n) * i.rate for n, i in zip(units_h, leaf.held, strict=True))
    levels, table = leaf.levels, side.table(leaf.hourly)
    hourly = np.zeros((len(levels.total), len(leaf.hourly)), dtype=np.int64)
    spot = np.zeros((len(levels.total), len(leaf.spot)), dtype=np.int64)
    known: dict[tuple[int, int], Units] = {}
    for number, (slots, spot_table, reach) in enumerate(_spot_tables(leaf, side)):
        usd = side.points(spot_table, reach)
        have = np.arange(len(usd)) * side.grid
        for slot in slots:
            need = np.maximum(levels.firm[slot] - capacity, levels.total[slot] - capacity - have)
            cost = usd + (table.cover_with_units(need, floors[1])[0] if floors[1] else table.cover(need))
            cells = int(cost.argmin())
            hourly[slot] = _remembered(known, -1, table, float(need[cells]), floors[1])
            if cells:
                spot[slot] = _remembered(known, number, spot_table, cells * side.grid, 0)
    return Fleet(commitments=units_c, held=units_h, hourly=hourly, spot=spot)


def _remembered(
    known: dict[tuple[int, int], Units], number: int, table: Knapsack, need: float, floor: int
) -> Units:
    key = (number, int(np.ceil(max(need, 0.0) / table.unit - 1e-6)))
    if key not in known:
        known[key] = _bought(table, max(need, 0.0), floor)
    return known[key]


def _fleet_usd(leaf: Leaf, fleet: Fleet) -> float:
    levels = leaf.levels
    constant = fleet.commitments @ _usd(leaf.commitments) + fleet.held @ _usd(leaf.held)
    by_slot = fleet.hourly @ _usd(leaf.hourly) + fleet.spot @ _usd(leaf.spot)
    return float(constant * levels.horizon_hours + levels.hours @ by_slot)


def _usd(items: Sequence[Item]) -> Floats:
    return np.array([item.usd for item in items], dtype=np.float64)


def _nice(value: float) -> float:
    """The next power of ten, or two or five times one, at or above value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9)))
