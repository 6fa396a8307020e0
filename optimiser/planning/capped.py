"""A leaf whose units share caps (quotas, GPUs in all), exact where its fleets can be listed.

As in `decompose` nothing couples one hour to the next once the constant fleet is fixed; it leaves so much of each
cap to the hours:

    cost(c) = hours · usd(c) + Σ_slot hours[slot] · min_s ( spot(s) + hourly(max(F − S, T − S − s) within left) )
    left = caps − taken(c) − taken(s)

over constant fleets c and spot purchases s that no other beats in capacity, cost and what they take of each cap.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from optimiser.planning.capped_tables import Capped, both, capped, kinds_of, thinned
from optimiser.planning.constant_scan import constant_bounds, scan, still_needed
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.spot_menus import spot_menus
from optimiser.planning.tables import Frontier, Indices, Item, Units


class CappedLeaf:
    """Tables of a leaf with caps. Raises NotListed where there are too many combinations."""

    def __init__(self, leaf: Leaf) -> None:
        limit, caps = float(leaf.levels.total[-1]), np.array(leaf.caps, dtype=np.int64)
        self.leaf, self.caps = leaf, caps
        committed = capped(leaf.commitments, limit, caps, leaf.floor, leaf.committed_below, leaf.budget_usd)
        held = capped(leaf.held, limit, caps, leaf.floor)
        self.hourly = capped(leaf.hourly, limit, caps, leaf.floor)
        constant = both(committed, held, caps, leaf.floor, limit)
        self.constant = _forgotten(constant, (*leaf.hourly, *leaf.spot), leaf.floor, limit)
        self._most_hourly = self.hourly.taken.max(axis=0, initial=0)
        self._hourly_left: dict[tuple[int, ...], Frontier] = {}

    @cached_property
    def menus(self) -> list[tuple[Indices, list[tuple[Units, Capped]]]]:
        """Spot purchases open to each group of slots, apart by what they take of the caps that others count in."""
        leaf, limit, caps = self.leaf, float(self.leaf.levels.total[-1]), self.caps
        menus = spot_menus(
            leaf.spot,
            leaf.levels,
            lambda items, reach: capped(items, reach, caps),
            lambda items, below: capped(items, below, caps, below=below),
            lambda first, second, reach: both(first, second, caps, 0, reach),
        )
        firm = (*leaf.commitments, *leaf.held, *leaf.hourly)
        return [(slots, _apart(_forgotten(menu, firm, 0, limit))) for slots, menu in menus]

    def solve(self, cutoff_usd: float) -> Decomposed:
        """The best fleet within the caps and its bound; fleet is None where none costs less than cutoff_usd."""
        if not len(self.constant.usd):
            return Decomposed(usd=np.inf, lower_usd=np.inf, fleet=None, exact=True)
        usd, bound = constant_bounds(self.leaf, self.constant.capacity, self.constant.usd)
        bound = np.where(self._enough_left(), bound, np.inf)
        return scan(usd, bound, self._hours_usd, self._fleet, cutoff_usd)

    def _enough_left(self) -> np.ndarray:
        """Whether what each constant fleet leaves of the caps suffices for the firm capacity of the peak."""
        need = float(self.leaf.levels.firm[-1]) - self.constant.capacity
        first, kind = kinds_of(self.constant.taken)
        most = [self._beside(self.caps - taken, 0).capacity[-1] for taken in self.constant.taken[first]]
        return np.asarray(np.array(most)[kind] >= need - 1e-9)

    def _hours_usd(self, points: Indices) -> Floats:
        return np.array([self._best_hours(point)[0] for point in points.tolist()])

    def _best_hours(self, point: int, fleet: Fleet | None = None) -> tuple[float, Fleet | None]:
        """The best hours beside a constant fleet, USD over the horizon; written into `fleet` where one is given."""
        left = self.caps - self.constant.taken[point]
        short = max(self.leaf.floor - int(self.constant.units[point].sum()), 0)
        total = 0.0
        for slots, menu in self.menus:
            best = np.full(len(slots), np.inf)
            for taken, part in menu:
                if (taken > left).any():
                    continue
                table = self._beside(left - taken, short)
                need = still_needed(self.leaf, slots, self.constant.capacity[point], part.capacity)
                usd = part.usd + table.cover(need)
                choice = usd.argmin(axis=1)
                lowest = usd[np.arange(len(slots)), choice]
                better = np.flatnonzero(lowest < best)
                best[better] = lowest[better]
                if fleet is not None and len(better):
                    bought = table.index_of_cover(need[better, choice[better]])
                    fleet.spot[slots[better]] = part.units[choice[better]]
                    fleet.hourly[slots[better]] = table.units[bought]
            total += float(best @ self.leaf.levels.hours[slots])
        return total, fleet

    def _beside(self, left: Units, floor: int) -> Frontier:
        """What can run by the hour within what is left of the caps, with at least `floor` units."""
        key = (*np.minimum(left, self._most_hourly).tolist(), floor)
        if key not in self._hourly_left:
            self._hourly_left[key] = self.hourly.within(left, floor)
        return self._hourly_left[key]

    def _fleet(self, point: int) -> Fleet:
        leaf, slots = self.leaf, len(self.leaf.levels.total)
        units, split = self.constant.units[point], len(self.leaf.commitments)
        fleet = Fleet(
            commitments=units[:split],
            held=units[split:],
            hourly=np.zeros((slots, len(leaf.hourly)), dtype=np.int64),
            spot=np.zeros((slots, len(leaf.spot)), dtype=np.int64),
        )
        self._best_hours(point, fleet)
        return fleet


def _apart(menu: Capped) -> list[tuple[Units, Capped]]:
    """The points of a menu by what they take."""
    first, kind = kinds_of(menu.taken)
    return [(menu.taken[one], menu.take(np.flatnonzero(kind == number))) for number, one in enumerate(first)]


def _forgotten(table: Capped, others: tuple[Item, ...], floor: int, limit: float) -> Capped:
    """The table without what it takes of caps that none of the other items count in: those it keeps by itself, and no
    later choice needs to know.
    """
    shared = np.array([any(item.takes[cap] for item in others) for cap in range(table.taken.shape[1])], bool)
    return thinned(Capped(table.capacity, table.usd, table.units, table.taken * shared), floor, limit)
