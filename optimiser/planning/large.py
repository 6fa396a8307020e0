"""The same scan for fleets too large to list: sums rounded down give a plan, rounded up a lower bound.

Tables are exact on a fine unit (about peak / 400,000); only sums are rounded to a grid of about peak / 6,000.
The bound leaves out rules that only restrict (the floor and the pool limit), which keeps it valid; they are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.grid import Constant, Points, Side, limited_points, listed_points, nice, table_points
from optimiser.planning.knapsack import Knapsack
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.tables import (
    Indices,
    Item,
    Units,
    frontier_below,
    listed_size,
    undominated,
    worth_keeping,
)

GRID_CELLS = 6_000
FINE_CELLS = 400_000
# Points of commitments and of held units where both are in play: their sums are all looked at.
BOTH_CONSTANTS_POINTS = 600
COMMITMENTS_LISTED = 400_000
POOL_LEVELS = 8
POOLS_CONSIDERED = 10


def decompose_large(leaf: Leaf) -> Decomposed:
    """A feasible fleet and a lower bound for a leaf of any size."""
    limit = float(leaf.levels.total[-1])
    grid, fine = nice(limit / GRID_CELLS), nice(limit / FINE_CELLS)
    eased, dropped = relaxed(leaf)
    lower_leaf, _ = pruned(eased)
    lower_side, listed = Side(True, grid, fine, limit), commitments_listed(leaf)
    lower = float(_scan(lower_leaf, lower_side, constant_fleets(lower_leaf, lower_side, listed)[2]).min())
    upper_leaf, kept = pruned(leaf)
    fleet = _fleet(upper_leaf, Side(False, grid, fine, limit), listed)
    usd = np.inf if fleet is None else fleet_usd(upper_leaf, fleet)
    return Decomposed(
        usd=usd,
        lower_usd=min(lower, usd),
        fleet=fleet and replace(fleet, kept=kept),
        exact=False,
        unit_rps=grid,
        dropped=dropped,
    )


def relaxed(leaf: Leaf) -> tuple[Leaf, tuple[str, ...]]:
    """The leaf without the rules that the bound leaves out, and their names."""
    dropped: tuple[str, ...] = ("keep_firm_floor",) if leaf.floor else ()
    pool = leaf.levels.pool
    if leaf.spot and np.isfinite(pool).any():
        dropped += leaf.levels.pool_rules
        pool = np.full_like(pool, np.inf)
    return replace(leaf, levels=replace(leaf.levels, pool=pool), floor=0), dropped


def commitments_listed(leaf: Leaf) -> bool:
    """Whether every fleet of commitments below their limit can be looked at."""
    below = leaf.committed_below
    return bool(np.isfinite(below)) and listed_size(leaf.commitments, below) <= COMMITMENTS_LISTED


def pruned(leaf: Leaf) -> tuple[Leaf, dict[str, list[int]]]:
    """The leaf without items that are never needed, and which items of each kind are kept.

    Copies may stand in for an item where nothing limits them; where spot pools are limited, the cheapest few
    are kept, and commitments all where they can be listed below their limit.
    """
    pools_limited = bool(np.isfinite(leaf.levels.pool).any())
    every = list(range(len(leaf.commitments)))
    kept = {
        "commitments": every if commitments_listed(leaf) else undominated(leaf.commitments),
        "held": undominated(leaf.held),
        "hourly": undominated(leaf.hourly),
        "spot": _by_rate(leaf.spot)[:POOLS_CONSIDERED] if pools_limited else undominated(leaf.spot),
    }
    smaller = replace(
        leaf,
        commitments=tuple(leaf.commitments[i] for i in kept["commitments"]),
        held=tuple(leaf.held[i] for i in kept["held"]),
        hourly=tuple(leaf.hourly[i] for i in kept["hourly"]),
        spot=tuple(leaf.spot[i] for i in kept["spot"]),
    )
    return smaller, kept


def _by_rate(items: Sequence[Item]) -> list[int]:
    """Indices of items, cheapest per req/s first."""
    return sorted(range(len(items)), key=lambda i: items[i].usd / items[i].rate)


def constant_fleets(leaf: Leaf, side: Side, listed: bool) -> tuple[Points, Points, Constant]:
    """Commitments, held units, and the sums of both worth a look; commitments all, or from a table."""
    both = bool(leaf.commitments) and bool(leaf.held)
    step = max(GRID_CELLS // BOTH_CONSTANTS_POINTS, 1) if both else 1
    if listed:
        every = frontier_below(leaf.commitments, leaf.committed_below, budget_usd=leaf.budget_usd)
        committed = listed_points(every, side, step)
    else:
        committed = limited_points(leaf.commitments, leaf.committed_below, leaf.budget_usd, side, step)
    held = table_points(leaf.held, side, step)
    cells = (committed.cells[:, None] + held.cells).ravel()
    usd = (committed.usd[:, None] + held.usd).ravel()
    keep = worth_keeping(cells.astype(np.float64), usd)
    keep = keep[np.isfinite(usd[keep])]
    return committed, held, Constant(cells[keep], usd[keep], *np.divmod(keep, len(held.cells)))


def _scan(leaf: Leaf, side: Side, constant: Constant) -> Floats:
    """USD over the horizon of every constant fleet and the best hours beside it, shape (constant fleets,)."""
    return constant.usd * leaf.levels.horizon_hours + hours_usd(leaf, side, constant.cells)


def hours_usd(leaf: Leaf, side: Side, held_cells: Indices) -> Floats:
    """USD over the leaf's slots beside constant fleets of so many grid cells, shape as held_cells."""
    cost = np.zeros(len(held_cells))
    for slots, value in _alike(leaf, side, held_cells):
        cost = cost + leaf.levels.hours[slots].sum() * value
    return cost


def by_slot(leaf: Leaf, side: Side, held_cells: Indices) -> Floats:
    """USD of an hour of each slot beside them, shape (held_cells, slots)."""
    usd = np.zeros((len(held_cells), len(leaf.levels.total)))
    for slots, value in _alike(leaf, side, held_cells):
        usd[:, slots] = value[:, None]
    return usd


def _alike(leaf: Leaf, side: Side, held_cells: Indices) -> Iterator[tuple[Indices, Floats]]:
    """Slots that need the same in grid cells, and what an hour of them costs beside each constant fleet, USD."""
    levels = leaf.levels
    buy = side.table(leaf.hourly).cover(
        np.arange(int(np.ceil(side.limit / side.grid)) + 2, dtype=np.float64) * side.grid
    )
    for slots, table, reach in spot_tables(leaf, side):
        spot = side.points(table, reach)
        best, done = buy.copy(), 0
        total, first = np.unique(side.needed(levels.total[slots]), return_index=True)
        firm_share = levels.firm[slots][first] / np.maximum(levels.total[slots][first], 1e-12)
        firm = side.needed(total * side.grid * firm_share)
        for need, firm_cells, same in zip(total, firm, np.split(slots, first[1:]), strict=True):
            allowed = min(int(need - firm_cells), len(spot) - 1)
            for cells in range(done + 1, allowed + 1):
                np.minimum(best[cells:], spot[cells] + buy[: len(buy) - cells], out=best[cells:])
                np.minimum(best[:cells], spot[cells] + buy[0], out=best[:cells])
            done = max(done, allowed)
            value = best[np.maximum(need - held_cells, 0)]
            if allowed + 1 < len(spot):
                beyond = spot[allowed + 1] + buy[np.maximum(firm_cells - held_cells, 0)]
                value = np.minimum(value, beyond)
            yield same, value


def spot_tables(leaf: Leaf, side: Side) -> Iterator[tuple[Indices, Knapsack, float]]:
    """Per group of slots (demand ascending) the table of spot purchases, and how much of it is of use.

    One at a time, since tables of limited pools are the largest of all.
    """
    levels, slots = leaf.levels, np.arange(len(leaf.levels.total))
    room = levels.total - levels.firm
    if not leaf.spot or not np.isfinite(levels.pool).any():
        reach = float(room.max()) + side.grid if leaf.spot else 0.0
        yield slots, side.table(leaf.spot, reach), reach
        return
    for part in np.array_split(slots, min(POOL_LEVELS, len(slots))):
        limit = float(levels.pool[part].min())
        reach = float(room[part].max())
        yield part, side.table(_within_pools(leaf.spot, limit), reach), reach


def _within_pools(spot: Sequence[Item], limit: float) -> list[Item]:
    """The items, limited so that no pool holds more than `limit`; of several in one pool the cheapest is used."""
    cheapest = {
        item.pool: index for index, item in sorted(enumerate(spot), key=lambda p: -p[1].usd / p[1].rate)
    }
    return [
        replace(item, max_units=min(int(limit / item.rate + 1e-9), item.max_units or 2**31))
        if cheapest[item.pool] == index and item.max_units != 0
        else replace(item, max_units=0)
        for index, item in enumerate(spot)
    ]


def _fleet(leaf: Leaf, side: Side, listed: bool) -> Fleet | None:
    """Whole units of the cheapest constant fleet and the best hours beside it; None where none reaches the peak."""
    committed, held, constant = constant_fleets(leaf, side, listed)
    cost = _scan(leaf, side, constant)
    point = int(cost.argmin())
    if not np.isfinite(cost[point]):
        return None
    units_c = committed.units(int(constant.committed[point]))
    units_h = held.units(int(constant.held[point]))
    capacity = float(units_c @ _rates(leaf.commitments) + units_h @ _rates(leaf.held))
    levels, table = leaf.levels, side.table(leaf.hourly)
    hourly = np.zeros((len(levels.total), len(leaf.hourly)), dtype=np.int64)
    spot = np.zeros((len(levels.total), len(leaf.spot)), dtype=np.int64)
    known: dict[tuple[int, int], Units] = {}
    for number, (slots, spot_table, reach) in enumerate(spot_tables(leaf, side)):
        usd = side.points(spot_table, reach)
        have = np.arange(len(usd)) * side.grid
        for slot in slots:
            need = np.maximum(levels.firm[slot] - capacity, levels.total[slot] - capacity - have)
            cells = int((usd + table.cover(need)).argmin())
            hourly[slot] = _remembered(known, -1, table, max(float(need[cells]), 0.0))
            spot[slot] = _remembered(known, number, spot_table, cells * side.grid)
    return with_floor(leaf, Fleet(commitments=units_c, held=units_h, hourly=hourly, spot=spot))


def _remembered(known: dict[tuple[int, int], Units], number: int, table: Knapsack, need: float) -> Units:
    key = (number, int(np.ceil(need / table.unit - 1e-6)))
    if key not in known:
        known[key] = table.units(need)
    return known[key]


def with_floor(leaf: Leaf, fleet: Fleet) -> Fleet | None:
    """The fleet with enough units by the hour, or held, to make the floor; None where none can be added."""
    short = leaf.floor - (fleet.commitments.sum() + fleet.held.sum() + fleet.hourly.sum(axis=1))
    if short.max() <= 0:
        return fleet
    free = [i for i, item in enumerate(leaf.hourly) if item.max_units is None]
    if free:
        hourly = fleet.hourly.copy()
        hourly[:, min(free, key=lambda i: leaf.hourly[i].usd)] += np.maximum(short, 0)
        return replace(fleet, hourly=hourly)
    free = [i for i, item in enumerate(leaf.held) if item.max_units is None]
    if not free:
        return None
    held = fleet.held.copy()
    held[min(free, key=lambda i: leaf.held[i].usd)] += short.max()
    return replace(fleet, held=held)


def fleet_usd(leaf: Leaf, fleet: Fleet) -> float:
    levels = leaf.levels
    constant = fleet.commitments @ _usd(leaf.commitments) + fleet.held @ _usd(leaf.held)
    by_slot = fleet.hourly @ _usd(leaf.hourly) + fleet.spot @ _usd(leaf.spot)
    return float(constant * levels.horizon_hours + levels.hours @ by_slot)


def _usd(items: Sequence[Item]) -> Floats:
    return np.array([item.usd for item in items], dtype=np.float64)


def _rates(items: Sequence[Item]) -> Floats:
    return np.array([item.rate for item in items], dtype=np.float64)
