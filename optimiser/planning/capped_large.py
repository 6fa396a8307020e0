"""Fleets under caps that are too large to list: every cap has a price in every slot, which leaves a scan without caps.

With prices λ[slot, k] of a unit of cap k, any fleet within the caps costs at least

    min Σ hours · (usd + λ · taken) − Σ hours · λ · cap                    (Lagrangian relaxation)

where what runs all along pays the mean price, and what follows the hour its own slot's. A plan is put together from
what tables at those prices buy (`capped_hours`): in each slot the cheapest that keeps the caps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optimiser.planning.capped_hours import Hours, at_price, taken_by
from optimiser.planning.grid import Side, nice
from optimiser.planning.large import (
    FINE_CELLS,
    GRID_CELLS,
    commitments_listed,
    constant_fleets,
    fleet_usd,
    hours_usd,
    pruned,
    relaxed,
    with_floor,
)
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.quota_prices import quota_prices
from optimiser.planning.tables import Indices, Units

# Multiples of the caps' prices at which constant fleets are looked for, and the cheapest of each that are looked into.
CONSTANTS_AT = (0.0, 0.5, 1.0, 1.5)
CONSTANTS_OF_EACH = 40
# Constant fleets beside which every slot is filled, and (fleet, slot) pairs at most.
FLEETS, FLEET_SLOTS = 24, 20_000


def decompose_large_capped(leaf: Leaf) -> Decomposed:
    """A fleet that keeps the caps, None where none was found, and a bound that prices them."""
    leaf = replace(leaf, caps=_reachable(leaf))
    priced = _Priced(leaf, quota_prices(leaf))
    limit = float(leaf.levels.total[-1])
    grid, fine = nice(limit / GRID_CELLS), nice(limit / FINE_CELLS)
    eased, dropped = relaxed(leaf)
    lower = _lower_usd(_Priced(eased, priced.usd), Side(True, grid, fine, limit))
    fleet = _fleet(priced, Side(False, grid, fine, limit))
    usd = np.inf if fleet is None else fleet_usd(_of_kept(leaf, fleet), fleet)
    return Decomposed(
        usd=usd,
        lower_usd=min(lower, usd),
        fleet=fleet,
        exact=False,
        unit_rps=grid,
        dropped=dropped,
        caps_priced=True,
    )


def _reachable(leaf: Leaf) -> tuple[int, ...]:
    """The most of each cap that whole units can take: the multiple of their common divisor below it."""
    items = (*leaf.commitments, *leaf.held, *leaf.hourly, *leaf.spot)
    shares = [math.gcd(*(item.takes[k] for item in items)) or 1 for k in range(len(leaf.caps))]
    return tuple(cap // share * share for cap, share in zip(leaf.caps, shares, strict=True))


@dataclass(frozen=True)
class _Priced:
    """A leaf, and what a unit of each cap costs in each slot, USD an hour, shape (slots, caps)."""

    leaf: Leaf
    usd: Floats

    @property
    def mean_usd(self) -> Floats:
        """The mean over the horizon, shape (caps,)."""
        levels = self.leaf.levels
        mean: Floats = levels.hours @ self.usd / levels.horizon_hours
        return mean

    def constant(self, factor: float) -> Leaf:
        """What runs all along at the mean price times a factor."""
        usd = self.mean_usd * factor
        commitments, held = (at_price(items, usd) for items in (self.leaf.commitments, self.leaf.held))
        return replace(self.leaf, commitments=commitments, held=held, hourly=(), spot=(), caps=())

    def by_slot(self) -> Iterator[tuple[Indices, Floats]]:
        """Slots of one price each, and the price."""
        _, first, which = np.unique(self.usd, axis=0, return_index=True, return_inverse=True)
        for number, one in enumerate(first):
            yield np.flatnonzero(which.ravel() == number), self.usd[one]

    def hours(self, side: Side, held_cells: Indices) -> Floats:
        """USD over the horizon of the hours beside constant fleets of so many grid cells, what the caps take off
        already, shape as held_cells."""
        leaf = self.leaf
        cost = np.full(len(held_cells), -float(leaf.levels.hours @ self.usd @ np.array(leaf.caps)))
        for slots, usd in self.by_slot():
            level = leaf.levels
            part = {
                name: getattr(level, name)[slots] for name in ("demand", "hours", "total", "firm", "pool")
            }
            here = replace(
                leaf,
                levels=replace(level, **part),
                commitments=(),
                held=(),
                hourly=at_price(leaf.hourly, usd),
                spot=at_price(leaf.spot, usd),
            )
            cost = cost + hours_usd(pruned(here)[0], side, held_cells)
        return cost


def _lower_usd(priced: _Priced, side: Side) -> float:
    """What any fleet costs at least."""
    leaf = priced.constant(1.0)
    constant = constant_fleets(pruned(leaf)[0], side, commitments_listed(leaf))[2]
    usd = constant.usd * priced.leaf.levels.horizon_hours + priced.hours(side, constant.cells)
    return float(usd.min())


def _fleet(priced: _Priced, side: Side) -> Fleet | None:
    """The cheapest of the most promising constant fleets with the hours beside each; None where none keeps the caps."""
    leaf, best_usd, best = priced.leaf, np.inf, None
    hours = Hours(leaf, side, np.unique(priced.usd, axis=0))
    usd = np.array([item.usd for item in (*leaf.commitments, *leaf.held)])
    fleets = _constant_fleets(priced, side)
    most = max(min(FLEETS, FLEET_SLOTS // len(leaf.levels.total)), 1)
    for units in fleets[:most]:
        cost = float(units @ usd) * leaf.levels.horizon_hours + hours.usd_beside(units)
        if cost < best_usd:
            best_usd, best = cost, units
    if best is None:
        return None
    found = hours.fleet_beside(best)
    fleet = with_floor(_of_kept(leaf, found), found)
    return fleet if fleet is not None and _keeps_caps(leaf, fleet) else None


def _constant_fleets(priced: _Priced, side: Side) -> Units:
    """Units of commitments and held items that keep the caps, cheapest first as priced, shape (fleets, items)."""
    leaf, signed = priced.leaf, len(priced.leaf.commitments)
    items = (*leaf.commitments, *leaf.held)
    beside = priced.hours(side, np.arange(int(np.ceil(side.limit / side.grid)) + 2))
    found = np.zeros((1, len(items)), dtype=np.int64)
    for factor in CONSTANTS_AT if any(any(item.takes) for item in items) else (1.0,):
        smaller, kept = pruned(priced.constant(factor))
        committed, held, constant = constant_fleets(smaller, side, commitments_listed(leaf))
        usd = constant.usd * leaf.levels.horizon_hours + beside[np.minimum(constant.cells, len(beside) - 1)]
        cheapest = np.argsort(usd, kind="stable")[:CONSTANTS_OF_EACH]
        units = np.zeros((len(cheapest), len(items)), dtype=np.int64)
        for row, point in enumerate(cheapest.tolist()):
            units[row, kept["commitments"]] = committed.units(int(constant.committed[point]))
            units[row, [signed + i for i in kept["held"]]] = held.units(int(constant.held[point]))
        found = np.vstack([found, units])
    found = np.unique(_cut_to_caps(found, taken_by(items, len(leaf.caps)), np.array(leaf.caps)), axis=0)
    at_mean = np.array([item.usd for item in at_price(items, priced.mean_usd)])
    capacity = found @ np.array([item.rate for item in items])
    cells = np.minimum(np.floor(capacity / side.grid + 1e-9).astype(np.int64), len(beside) - 1)
    order = np.argsort(found @ at_mean * leaf.levels.horizon_hours + beside[cells], kind="stable")
    return np.asarray(found[order])


def _cut_to_caps(fleets: Units, takes: Units, caps: Units) -> Units:
    """Fleets with units of what counts in a cap taken out until they keep it."""
    cut = fleets.copy()
    for k, cap in enumerate(caps.tolist()):
        for item in np.flatnonzero(takes[:, k] * cut.any(axis=0))[::-1].tolist():
            over = np.maximum(cut @ takes[:, k] - cap, 0)
            cut[:, item] -= np.minimum(cut[:, item], -(-over // takes[item, k]))
    return cut


def _of_kept(leaf: Leaf, fleet: Fleet) -> Leaf:
    """The leaf with the items alone that a fleet's columns stand for."""
    kept = fleet.kept or {}
    return replace(
        leaf,
        commitments=tuple(leaf.commitments[i] for i in kept["commitments"]),
        held=tuple(leaf.held[i] for i in kept["held"]),
        hourly=tuple(leaf.hourly[i] for i in kept["hourly"]),
        spot=tuple(leaf.spot[i] for i in kept["spot"]),
    )


def _keeps_caps(leaf: Leaf, fleet: Fleet) -> bool:
    """Whether a fleet takes no more of any cap than there is, in any slot."""
    own, taken = _of_kept(leaf, fleet), np.zeros(len(leaf.caps))
    for name in ("commitments", "held", "hourly", "spot"):
        taken = taken + getattr(fleet, name) @ taken_by(getattr(own, name), len(leaf.caps))
    return bool((taken <= np.array(leaf.caps)).all())
