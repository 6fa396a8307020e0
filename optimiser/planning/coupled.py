"""Plans under the rules that couple hours: minimum up-time, starts and stops within an hour, changes a day.

Without them hours stand alone (`decompose`), which bounds every plan under them. Where the plan found breaks one,

1. hours are merged into blocks that keep minimum up-time and changes a day whatever runs in them (`blocks`), and the
   set of options is solved anew on the blocks;
2. of the fleets so found, those of hours with more demand and those between neighbours among them, each hour takes one
   such that starts and stops stay within their limits: a dynamic programme over (hour, fleet);
3. a problem of few hours and purchases is also solved whole, as one compact model, which bounds it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from optimiser.planning.blocks import blocks_of
from optimiser.planning.bounds import Profiles
from optimiser.planning.caps import caps_of
from optimiser.planning.charges import Charges
from optimiser.planning.decompose import decompose
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Bought, Solution, build_leaf, solution_of
from optimiser.planning.model import solve_compact
from optimiser.planning.patterns import Reached
from optimiser.planning.periods import begun_within, lengths
from optimiser.planning.problem import Floats, How, Option, Problem
from optimiser.planning.requirements import Levels
from optimiser.planning.rules import RULES
from optimiser.planning.rules.schedule import keeps_schedule, schedule_rules
from optimiser.planning.solve import Solved

if TYPE_CHECKING:
    from optimiser.planning.search import Found, Outcome

# Plans that are looked at, cheapest first, beside the best of each provider.
PLANS = 3
# Fleets that each hour may choose from.
FLEETS = 48
# Counts of a problem that is solved whole, and nodes of its tree that are looked at.
WHOLE_COUNTS = 160
WHOLE_NODES = 4_000
# Periods up to which every choice of ways to pay is tried, past it the first that does is taken.
ALL_WAYS_PERIODS = 1_000
# Neighbours that a fleet is made ready for, and fleets that the walk through the hours is begun with.
LOOK_AHEAD = 4
BEGINNINGS = 8


def on_schedule(problem: Problem, outcome: Outcome) -> Outcome:
    """The outcome with plans that keep the rules on the schedule: the cheapest few, and the best of each provider.

    What bounded plans without them still bounds these; a small problem that is solved whole bounds them better.
    """
    charges = Charges(problem)
    plans, changed = _of_the_best(problem, outcome, charges)
    if not changed:
        return outcome
    whole, solved = solved_whole(problem)
    if whole is not None and whole.columns:
        chosen = {column.option.id: column.option for column in whole.columns}
        site = tuple(sorted({option.site for option in chosen.values()}))
        options, usd = tuple(chosen.values()), charges.weighed_usd(whole)
        plans.append(replace(changed[0], usd=usd, site=site, options=options, on_schedule=whole))
    plans.sort(key=lambda plan: plan.rank())
    lower, least = outcome.lower_usd, plans[0].usd if plans else np.inf
    if solved and solved.lower_usd is not None:
        lower = min(max(lower, solved.lower_usd), least)
    proven = lower >= least * (1 - 1e-9)
    left_out = () if proven else tuple(rule.name for rule in schedule_rules(problem.policy))
    return replace(
        outcome,
        plans=plans,
        lower_usd=lower,
        dropped=tuple(dict.fromkeys((*outcome.dropped, *left_out))),
        timed_out=bool(solved and solved.timed_out),
    )


def _of_the_best(problem: Problem, outcome: Outcome, charges: Charges) -> tuple[list[Found], list[Found]]:
    """The best plans as they keep the schedule, and those of them that did not."""
    plans: list[Found] = []
    changed: list[Found] = []
    known: set[frozenset[str]] = set()
    for number, found in enumerate(outcome.plans):
        providers = frozenset(part[0] for part in found.site)
        if number >= PLANS and providers in known:
            continue
        known.add(providers)
        if keeps_schedule(problem, found.solution):
            plans.append(found)
            continue
        changed.append(found)
        solution = repaired(problem, found.options)
        if solution is not None:
            plans.append(replace(found, usd=charges.weighed_usd(solution), on_schedule=solution))
    return plans, changed


def repaired(problem: Problem, options: Sequence[Option]) -> Solution | None:
    """A plan of a set of options that keeps the schedule, and the caps that are on them; None where none was found."""
    profiles, block = Profiles(problem), blocks_of(problem)
    leaf, bought = build_leaf(options, profiles, caps_of(problem))
    merged = _levels_of_blocks(problem, profiles.at(leaf.levels.largest_rps), block)
    leaf = replace(leaf, levels=merged.standing_idle() if leaf.levels.idle_hours else merged)
    # What moves on spot leaves less room to move on demand: fewer ways to pay may keep the schedule for less.
    twice = {one.option.id for one in bought[How.SPOT]}
    still = [n for n, one in enumerate(bought[How.HOURLY]) if one.option.id not in twice]
    apart = {**bought, How.HOURLY: [bought[How.HOURLY][n] for n in still]}
    parts = (
        (leaf, bought),
        (replace(leaf, spot=()), bought),
        (replace(leaf, hourly=tuple(leaf.hourly[n] for n in still)), apart),
    )
    found: list[Solution] = []
    for part, stands_for in parts:
        if not found or len(problem.hours) <= ALL_WAYS_PERIODS:
            solution = _of_leaf(problem, part, stands_for, block)
            found += [solution] if solution is not None else []
    return min(found, key=lambda one: one.usd(problem.hours), default=None)


def _of_leaf(
    problem: Problem, leaf: Leaf, bought: Mapping[How, Sequence[Bought]], block: np.ndarray
) -> Solution | None:
    """A plan of a leaf of blocks that keeps the schedule; None where none was found."""
    result = decompose(leaf)
    if result.fleet is None:
        return None
    solution = solution_of(leaf, bought, result.fleet)
    if keeps_schedule(problem, solution):
        return solution
    stepped = _stepped(problem, leaf, solution, block)
    return stepped if stepped and keeps_schedule(problem, stepped) else None


def solved_whole(problem: Problem) -> tuple[Solution | None, Solved | None]:
    """The best plan of a small problem, or of no more than a few nodes of its tree, and the solver's report; None where
    the problem is not small, or nothing was found.
    """
    purchases = sum(len(option.purchases) for option in problem.options)
    if purchases * len(problem.hours) > WHOLE_COUNTS:
        return None, None
    return solve_compact(problem, [rule.rows for rule in RULES.values()], nodes=WHOLE_NODES)


def _levels_of_blocks(problem: Problem, levels: Levels, block: np.ndarray) -> Levels:
    """Levels of each block, by total: what its fullest hour asks, and what a pool may hold in its emptiest."""
    count = int(block.max()) + 1
    by_period = {
        name: getattr(levels, name)[levels.slot_of_period] for name in ("demand", "total", "firm", "pool")
    }
    highest = {name: np.full(count, -np.inf) for name in by_period}
    for name in ("demand", "total", "firm"):
        np.maximum.at(highest[name], block, by_period[name])
    pool = np.full(count, np.inf)
    np.minimum.at(pool, block, by_period["pool"])
    order = np.argsort(highest["total"], kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return replace(
        levels,
        demand=highest["demand"][order],
        hours=np.asarray(np.bincount(block, problem.hours)[order], dtype=np.float64),
        total=highest["total"][order],
        firm=highest["firm"][order],
        pool=pool[order],
        slot_of_period=rank[block],
    )


def _stepped(problem: Problem, leaf: Leaf, solution: Solution, block: np.ndarray) -> Solution | None:
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
        change = fleets[after][None, :] - fleets[before][:, None]
        starts, stops = (np.maximum(sign * change, 0) @ member for sign in (1, -1))
        return np.asarray(((starts <= limits[0][i]) & (stops <= limits[1][i])).all(axis=2))

    steps = [open_between(i, choices[h], choices[i]) for h, i in pairwise(turn)]

    def way(start: np.ndarray, closing: np.ndarray) -> tuple[float, list[int]]:
        cost, back = start, []
        for i, allowed in zip(turn[1:], steps, strict=True):
            total = np.where(allowed, cost[:, None], np.inf)
            came = total.argmin(axis=0)
            back.append(came)
            cost = total[came, np.arange(len(came))] + hours[i] * price[choices[i]]
        cost = np.where(closing, cost, np.inf)
        at = int(cost.argmin())
        usd, path = float(cost[at]), [at]
        for came in reversed(back):
            path.append(int(came[path[-1]]))
        return usd, path[::-1]

    begin = hours[seam] * price[choices[seam]]
    last = choices[turn[-1]]
    _, free = way(begin, np.ones(len(last), dtype=bool))
    best: tuple[float, list[int]] = (np.inf, [])
    for start in dict.fromkeys([free[0], *np.argsort(begin, kind="stable").tolist()[:BEGINNINGS]]):
        only = np.where(np.arange(len(begin)) == start, begin, np.inf)
        found = way(only, open_between(seam, last, choices[seam][[start]])[:, 0])
        best = min(best, found, key=lambda one: one[0])
        if np.isfinite(best[0]) and start == free[0] and found[1] == free:
            break
    if not np.isfinite(best[0]):
        return None
    picked = np.empty(len(choices), dtype=np.int64)
    picked[turn] = [choices[i][k] for i, k in zip(turn, best[1], strict=True)]
    return picked
