"""A fleet for each block of hours such that starts and stops stay within their limits: a dynamic programme over (block,
fleet), the last block before the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from optimiser.planning.caps import caps_of
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Solution
from optimiser.planning.patterns import Reached
from optimiser.planning.periods import begun_within, lengths
from optimiser.planning.problem import Floats, Problem

# Fleets that each hour may choose from.
FLEETS = 48
# Neighbours that a fleet is made ready for, and fleets that the walk through the hours is begun with.
LOOK_AHEAD = 4
BEGINNINGS = 8


def stepped(problem: Problem, leaf: Leaf, solution: Solution, block: np.ndarray) -> Solution | None:
    """The cheapest choice of a fleet per block such that starts and stops stay within their limits."""
    periods, units = len(problem.periods), []
    for begin in range(0, len(block), periods):
        course = _course(problem, leaf, solution, block[begin : begin + periods], begin)
        if course is None:
            return None
        units.append(course)
    return replace(solution, units=np.concatenate(units))


def _course(
    problem: Problem, leaf: Leaf, solution: Solution, block: np.ndarray, begin: int
) -> np.ndarray | None:
    """The same of the scenario whose periods begin there, shape (periods, columns)."""
    policy, here = problem.policy, slice(begin, begin + len(block))
    _, first, own = np.unique(block, return_index=True, return_inverse=True)
    order = np.argsort(first)
    weighed, hours = (
        np.asarray(np.bincount(own, each)[order], dtype=np.float64)
        for each in (problem.hours[here], lengths(problem))
    )
    first = first[order] + begin
    crowd = np.array([len(recent) for recent in begun_within(hours, 1.0)])
    starts, stops = (
        np.full(len(hours), np.inf) if most is None else np.floor(most / crowd)
        for most in (policy.max_starts_per_hour, policy.max_stops_per_hour)
    )
    names = [column.option.id for column in solution.columns]
    alike = np.array([names.count(name) for name in names])
    variants = [
        fleet
        for share in dict.fromkeys((1, int(alike.max())))
        for fleet in _between(solution.units[first], starts, stops, np.minimum(alike, share))
    ]
    fleets, where = np.unique(np.concatenate(variants), axis=0, return_inverse=True)
    price = fleets @ np.array([column.purchase.usd_per_unit_hour for column in solution.columns])
    choices = _choices(
        problem, leaf, solution, fleets, price, where.reshape(len(variants), len(first)), first
    )
    if not all(map(len, choices)):
        return None
    picked = _walk(solution, fleets, price, choices, weighed, (starts, stops))
    if picked is None:
        return None
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first))
    return np.asarray(fleets[picked][place[own]])


def _choices(
    problem: Problem,
    leaf: Leaf,
    solution: Solution,
    fleets: np.ndarray,
    price: Floats,
    own: np.ndarray,
    first: np.ndarray,
) -> list[np.ndarray]:
    """Fleets open to each block: the cheapest that do, and those made for it (own, shape (variants, blocks))."""
    reached = Reached.of(solution, fleets)
    within = np.ones(len(fleets), dtype=bool)
    for cap in caps_of(problem):
        within &= cap.taken(replace(solution, units=fleets)) <= cap.amount
    cheapest = np.argsort(price, kind="stable")
    choices = []
    for slot, near in zip(leaf.levels.slot_of_period[first].tolist(), own.T, strict=True):
        fitting = within & reached.fits(leaf.levels, slot, problem.policy.min_firm_instances)
        choices.append(np.union1d(cheapest[fitting[cheapest]][:FLEETS], near[fitting[near]]))
    return choices


def _between(units: np.ndarray, starts: Floats, stops: Floats, share: np.ndarray) -> list[np.ndarray]:
    """Fleets on the way from each block's to its neighbours', shape of units each: this block's own, with what must
    have started by then for those that follow, and with what may not have stopped yet of those before.
    """
    most_up, most_down = (
        np.maximum(np.where(np.isfinite(most), most, 1e9).astype(np.int64)[:, None] // share, 1)
        for most in (starts, stops)
    )
    ahead = behind = both = units
    found = [units]
    for step in range(len(units)):
        ahead = np.maximum(ahead, np.roll(ahead, -1, axis=0) - most_up)
        behind = np.maximum(behind, np.roll(behind, 1, axis=0) - most_down)
        before = both
        both = np.maximum(
            both, np.maximum(np.roll(both, -1, axis=0) - most_up, np.roll(both, 1, axis=0) - most_down)
        )
        if step < LOOK_AHEAD:
            found += [ahead, behind, both]
        if np.array_equal(both, before):
            break
    after, before = np.roll(units, -1, axis=0), np.roll(units, 1, axis=0)
    peak = np.tile(units.max(axis=0), (len(units), 1))
    return [*found, both, np.maximum(units, after), np.maximum(units, before), peak]


def _walk(
    solution: Solution,
    fleets: np.ndarray,
    price: Floats,
    choices: list[np.ndarray],
    hours: Floats,
    limits: tuple[Floats, Floats],
) -> np.ndarray | None:
    """The cheapest fleet per block of those open to it, moves between neighbours within limits; the last block comes
    before the first. None where there is no way round.
    """
    names = sorted({column.option.id for column in solution.columns})
    member = np.array(
        [[column.option.id == name for name in names] for column in solution.columns], dtype=float
    )
    seam = min(range(len(choices)), key=lambda i: float(price[choices[i]].min()))
    turn = np.roll(np.arange(len(choices)), -seam).tolist()

    def open_between(i: int, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return _open(member, fleets[before], fleets[after], (limits[0][i], limits[1][i]))

    steps = [open_between(i, choices[h], choices[i]) for h, i in pairwise(turn)]
    usd = [hours[i] * price[choices[i]] for i in turn]
    begin, last = usd[0], choices[turn[-1]]
    _, free = _way(begin, steps, usd[1:], np.ones(len(last), dtype=bool))
    best: tuple[float, list[int]] = (np.inf, [])
    for start in dict.fromkeys([free[0], *np.argsort(begin, kind="stable").tolist()[:BEGINNINGS]]):
        only = np.where(np.arange(len(begin)) == start, begin, np.inf)
        found = _way(only, steps, usd[1:], open_between(seam, last, choices[seam][[start]])[:, 0])
        best = min(best, found, key=lambda one: one[0])
        if np.isfinite(best[0]) and start == free[0] and found[1] == free:
            break
    if not np.isfinite(best[0]):
        return None
    picked = np.empty(len(choices), dtype=np.int64)
    picked[turn] = [choices[i][k] for i, k in zip(turn, best[1], strict=True)]
    return picked


def _way(
    start: Floats, steps: Sequence[np.ndarray], usd: Sequence[Floats], closing: np.ndarray
) -> tuple[float, list[int]]:
    """The cheapest way through the blocks, in USD, and its choice in each; infinite where there is none.

    start is what each choice of the first block costs, usd of each later one; steps say which choice of one block may
    follow which of the block before, closing with which of the last the way may end.
    """
    cost, back = start, []
    for allowed, here in zip(steps, usd, strict=True):
        total = np.where(allowed, cost[:, None], np.inf)
        came = total.argmin(axis=0)
        back.append(came)
        cost = total[came, np.arange(len(came))] + here
    cost = np.where(closing, cost, np.inf)
    at = int(cost.argmin())
    path = [at]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return float(cost[at]), path[::-1]


def _open(member: np.ndarray, before: np.ndarray, after: np.ndarray, most: tuple[float, float]) -> np.ndarray:
    """Whether each fleet may follow each within so many starts and stops of an option, shape (before, after)."""
    change = after[None, :] - before[:, None]
    starts, stops = (np.maximum(sign * change, 0) @ member for sign in (1, -1))
    return np.asarray(((starts <= most[0]) & (stops <= most[1])).all(axis=2))
