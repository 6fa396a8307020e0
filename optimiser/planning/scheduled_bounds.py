"""What every plan costs at least that keeps the rules on the schedule: sets of options bounded anew, lowest first.

The capacity bought for the whole horizon leaves each hour at least a cost of its own (`decompose`, `large`), and those
costs a course of hours at least (`courses`). Constant fleets are looked at in groups: the price of the cheapest, the
hours beside the largest, halved where the bound is lowest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np

from optimiser.planning.bounds import Profiles
from optimiser.planning.charges import Charges
from optimiser.planning.commitment_budget import limits_of
from optimiser.planning.constant_scan import constant_bounds
from optimiser.planning.courses import held_between_changes, kept_up
from optimiser.planning.decompose import Listed, listed_constants
from optimiser.planning.grid import Side, nice
from optimiser.planning.large import (
    FINE_CELLS,
    GRID_CELLS,
    by_slot,
    commitments_listed,
    constant_fleets,
    hours_usd,
    pruned,
    relaxed,
)
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import build_leaf
from optimiser.planning.option_sets import leaf_sets, sites
from optimiser.planning.periods import lengths
from optimiser.planning.problem import Floats, Option, Problem
from optimiser.planning.requirements import IDLE
from optimiser.planning.tables import Frontier, Indices

# Sets of options that are bounded anew; the rest keep the bound of their relaxation.
SETS = 24
# Groups of constant fleets to begin with, those split in each round, the parts of each, and the rounds.
GROUPS, SPLIT, PARTS, ROUNDS = 32, 8, 4, 6
# Periods times groups that are looked at at once, and periods up to which a linear programme is solved.
AT_ONCE = 200_000
LINEAR_PERIODS = 1_000
# Days that a bound is begun on, of so many groups at most.
OTHER_DAYS, OTHER_DAYS_GROUPS = 7, 12


@dataclass(frozen=True)
class _Constants:
    """Constant fleets by capacity ascending: USD an hour of each, what any plan with it costs at least without the
    schedule (USD over the horizon), capacity (in steps of rps req/s) and units, and what hours beside such cost.
    """

    usd: Floats
    bound: Floats
    capacity: Floats
    units: Indices
    by_slot: Callable[[Floats, Indices], Floats]
    rps: float = 1.0
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bounded:
    """USD, the rules that a bound leaves out of those not on the schedule, those on it that it holds, and how."""

    usd: float
    dropped: tuple[str, ...] = ()
    holds: frozenset[str] = frozenset()
    method: str = ""


def scheduled_bound(problem: Problem, enough_usd: float) -> Bounded:
    """A bound on every plan of the problem that keeps the schedule; enough_usd where it reaches that."""
    usd, dropped = _least_usd(problem, enough_usd)
    held = {
        "limit_schedule_changes": (
            problem.policy.max_schedule_changes_per_day is not None,
            "the same all along between changes of the schedule",
        ),
        "keep_up": (_linear(problem), "hours priced for the least up-time"),
    }
    limits = (one.rule for one in limits_of(problem))
    return Bounded(
        usd,
        tuple(dict.fromkeys((*dropped, *limits))),
        frozenset(name for name, (holds, _) in held.items() if holds),
        ", ".join(words for holds, words in held.values() if holds),
    )


def _least_usd(problem: Problem, enough_usd: float) -> tuple[float, tuple[str, ...]]:
    """The lowest bound of any set of options, or enough_usd, and the rules that it leaves out."""
    profiles, charges, number = Profiles(problem), Charges(problem), count()
    heap: list[tuple[float, int, str, tuple[tuple[str, str], ...], tuple[Option, ...]]] = []

    def queue(kind: str, site: tuple[tuple[str, str], ...], sets: Sequence[tuple[Option, ...]]) -> None:
        rates = [[option.rate_rps for option in chosen] for chosen in sets]
        low, high = list(map(min, rates)), list(map(max, rates))
        found = profiles.bounds(sets, *((low, high) if kind == "site" else (high, low)))
        for chosen, bound in zip(sets, found.tolist(), strict=True):
            usd = charges.least_usd(site, bound)
            if usd < enough_usd:
                heapq.heappush(heap, (usd, next(number), kind, site, chosen))

    for site, inside in sites(problem):
        queue("site", site, [tuple(inside)])
    known: dict[object, float] = {}
    dropped: dict[str, None] = {}
    while heap:
        usd, _, kind, site, options = heapq.heappop(heap)
        if kind == "site":
            queue("set", site, list(leaf_sets(options, problem)))
            continue
        if kind == "bounded" or len(known) >= SETS:
            return usd, tuple(dropped)
        leaf, _ = build_leaf(options, profiles)
        if leaf.same_as not in known:
            scan = Scan(problem, leaf, enough_usd)
            known[leaf.same_as] = scan.solve().usd
            dropped |= dict.fromkeys(scan.fleets.dropped)
        usd = max(usd, charges.least_usd(site, known[leaf.same_as]))
        if usd < enough_usd:
            heapq.heappush(heap, (usd, next(number), "bounded", site, options))
    return enough_usd, tuple(dropped)


def _linear(problem: Problem) -> bool:
    """Whether minimum up-time binds and is priced."""
    least = problem.policy.min_up_hours
    return bool(least and least > lengths(problem).min() and len(problem.hours) <= LINEAR_PERIODS)


def _listed(leaf: Leaf, table: Frontier) -> _Constants:
    units = table.units.sum(axis=1)

    def beside(capacity: Floats, held: Indices) -> Floats:
        groups = Frontier(capacity, np.zeros(len(capacity)), held[:, None])
        return Listed(leaf, groups).by_slot(np.arange(len(capacity)))

    _, bound = constant_bounds(leaf, table.capacity, table.usd)
    return _Constants(table.usd, bound, table.capacity, units, beside)


def _large(leaf: Leaf) -> _Constants:
    limit = float(leaf.levels.total[-1])
    eased, dropped = relaxed(leaf)
    smaller, _ = pruned(eased)
    side = Side(True, nice(limit / GRID_CELLS), nice(limit / FINE_CELLS), limit)
    fleets = constant_fleets(smaller, side, commitments_listed(leaf))[2]
    order = np.argsort(fleets.cells, kind="stable")
    usd, cells = fleets.usd[order], fleets.cells[order]
    bound = usd * leaf.levels.horizon_hours + hours_usd(smaller, side, cells)
    units = np.zeros(len(cells), dtype=np.int64)

    def beside(capacity: Floats, _: Indices) -> Floats:
        return by_slot(smaller, side, capacity.astype(np.int64))

    return _Constants(usd, bound, cells.astype(np.float64), units, beside, side.grid, dropped)


@dataclass(frozen=True)
class Lowest:
    """The lowest bound of a leaf, USD over the horizon, and what its hours cost at least, USD, shape (periods,)."""

    usd: float
    hours_usd: Floats


class Scan:
    """The constant fleets of a leaf without limits that may cost less than is known, in groups."""

    def __init__(self, problem: Problem, leaf: Leaf, enough_usd: float = np.inf) -> None:
        table = listed_constants(leaf)
        self.fleets = _large(leaf) if table is None else _listed(leaf, table)
        self.problem, self.leaf, self.enough_usd = problem, leaf, enough_usd

    def solve(self) -> Lowest:
        """The lowest bound of any group after the last round."""
        worth = np.flatnonzero(self.fleets.bound < self.enough_usd)
        if not len(worth):
            return Lowest(self.enough_usd, np.zeros(len(self.problem.hours)))
        groups = np.array_split(worth, min(GROUPS, len(worth)))
        bounds = self._bounds(groups)
        for _ in range(ROUNDS):
            order = np.argsort(bounds, kind="stable")[:SPLIT].tolist()
            if len(groups[order[0]]) == 1:
                break
            wide = {i for i in order if len(groups[i]) > 1}
            split = [part for i in sorted(wide) for part in np.array_split(groups[i], PARTS) if len(part)]
            kept = [i for i in range(len(groups)) if i not in wide]
            bounds = np.concatenate([bounds[kept], self._bounds(split)])
            groups = [groups[i] for i in kept] + split
        bounds = self._from_other_days(groups, bounds)
        lowest = groups[int(bounds.argmin())]
        hours = self._by_period(*self._largest([lowest]))[0]
        return Lowest(min(float(bounds.min()), self.enough_usd), hours)

    def beside(self, capacity_rps: float, units: int) -> Floats:
        """What an hour of each period costs at least beside a constant fleet, USD, shape (periods,)."""
        usd: Floats = self._by_period(np.array([capacity_rps / self.fleets.rps]), np.array([units]))[0]
        return usd

    def _from_other_days(self, groups: list[Indices], bounds: Floats) -> Floats:
        """The bounds with the lowest, one after the other, begun on other days too."""
        begun = set[int]()
        while len(begun) < OTHER_DAYS_GROUPS and (lowest := int(bounds.argmin())) not in begun:
            begun.add(lowest)
            bounds[lowest] = self._some([groups[lowest]], OTHER_DAYS)[0]
        return bounds

    def _largest(self, groups: list[Indices]) -> tuple[Floats, Indices]:
        """The most capacity and units of any fleet in each group."""
        most = [(self.fleets.capacity[g].max(), self.fleets.units[g].max()) for g in groups]
        return np.array([one for one, _ in most]), np.array([units for _, units in most])

    def _bounds(self, groups: list[Indices]) -> Floats:
        """What any plan with a constant fleet of each group costs at least, shape (groups,)."""
        at_once = max(AT_ONCE // len(self.problem.hours), 1)
        return np.concatenate(
            [self._some(groups[first : first + at_once]) for first in range(0, len(groups), at_once)]
        )

    def _some(self, groups: list[Indices], begins: int = 1) -> Floats:
        fleets = self.fleets
        constant, least = (np.array([of[g].min() for g in groups]) for of in (fleets.usd, fleets.bound))
        hours = self._by_period(*self._largest(groups))
        course = held_between_changes(self.problem, hours, begins)
        if self.prices is not None:
            course = np.maximum(course, hours @ self.prices)
        horizon = self.leaf.levels.horizon_hours
        lower: Floats = np.maximum(constant * horizon + course, least)
        return lower

    def _by_period(self, capacity: Floats, units: Indices) -> Floats:
        """What hours beside such constant fleets cost, shape (fleets, periods): nothing where all stands idle."""
        slot = self.leaf.levels.slot_of_period
        usd: Floats = np.where(slot == IDLE, 0.0, self.fleets.by_slot(capacity, units)[:, slot])
        return usd

    @cached_property
    def prices(self) -> Floats | None:
        """Prices of the periods under min_up_hours, from the hours beside the constant fleet of the lowest bound."""
        if not _linear(self.problem):
            return None
        best = [int(self.fleets.bound.argmin())]
        hours = self._by_period(self.fleets.capacity[best], self.fleets.units[best])[0]
        return kept_up(self.problem, hours) if np.isfinite(hours).all() else None
