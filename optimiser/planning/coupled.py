"""Plans under the rules that couple hours: minimum up-time, starts and stops within an hour, changes a day.

Without them hours stand alone (`decompose`), which bounds every plan under them; what up-time and changes a day cost at
least is bounded anew (`scheduled_bounds`). Where the plan found breaks one,

1. hours are merged into blocks that keep minimum up-time and changes a day whatever runs in them (`blocks`), and the
   set of options is solved anew on the blocks;
2. where only up-time is limited, units also start and stop one by one, hour after hour (`rolling`);
3. of the fleets so found, those of hours with more demand and those between neighbours among them, each hour takes one
   such that starts and stops stay within their limits: a dynamic programme over (hour, fleet);
4. a problem of few hours and purchases is also solved whole, as one compact model, which bounds it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.blocks import any_blocks, blocks_of
from optimiser.planning.bounds import Profiles
from optimiser.planning.charges import Charges
from optimiser.planning.commitment_budget import limits_of
from optimiser.planning.decompose import decompose
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Bought, Solution, build_leaf, is_constant, solution_of
from optimiser.planning.model import solve_compact
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.problem import How, Option, Problem
from optimiser.planning.requirements import Levels
from optimiser.planning.rolling import rolled
from optimiser.planning.rules import RULES
from optimiser.planning.rules.schedule import keeps_schedule, schedule_rules
from optimiser.planning.scheduled_bounds import Bounded, Scan, scheduled_bound
from optimiser.planning.solve import Solved
from optimiser.planning.stepped import stepped

# Plans that are looked at, cheapest first, beside the best of each provider.
PLANS = 3
# Counts of a problem that is solved whole, and nodes of its tree that are looked at.
WHOLE_COUNTS = 160
WHOLE_NODES = 4_000
# Periods up to which units are started one by one, and every choice of ways to pay is tried; past it the first that
# does is taken.
ALL_WAYS_PERIODS = 1_000
# Times that hours are cut into blocks for a set of options.
CUTS = 3


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
        plans.append(replace(changed[0], usd=usd, site=site, options=options, instead=whole))
    plans.sort(key=lambda plan: plan.rank())
    least = plans[0].usd if plans else np.inf
    bounded = scheduled_bound(problem, least) if any_blocks(problem) else Bounded(0.0)
    holds = bounded.holds if bounded.usd > outcome.lower_usd else frozenset()
    if holds:
        outcome = replace(
            outcome,
            lower_usd=bounded.usd,
            dropped=bounded.dropped,
            schedule=bounded.method,
            caps_priced=False,
        )
    lower = outcome.lower_usd
    if solved and solved.lower_usd is not None:
        lower = min(max(lower, solved.lower_usd), least)
    proven = lower >= least * (1 - 1e-9)
    rules = () if proven else tuple(rule.name for rule in schedule_rules(problem.policy))
    left_out = tuple(name for name in rules if name not in holds)
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
        solutions = (repaired(problem, found.options), _rolled(problem, found))
        solution = min(
            (one for one in solutions if one is not None),
            key=lambda one: one.usd(problem.hours),
            default=None,
        )
        if solution is not None:
            plans.append(replace(found, usd=charges.weighed_usd(solution), instead=solution))
    return plans, changed


def _rolled(problem: Problem, found: Found) -> Solution | None:
    """A plan in which units start and stop one by one, where minimum up-time asks for it; None where none was found."""
    policy = problem.policy
    if policy.max_schedule_changes_per_day is not None or not any_blocks(problem):
        return None
    if len(problem.hours) > ALL_WAYS_PERIODS:
        return None
    solution = rolled(problem, found.leaf, found.solution)
    if solution is None or not keeps_schedule(problem, solution):
        return None
    return None if any(limit.broken_by(solution) for limit in limits_of(problem)) else solution


def repaired(problem: Problem, options: Sequence[Option]) -> Solution | None:
    """A plan of a set of options that keeps the schedule, and the limits on them; None where none was found.

    What is bought for the whole horizon says what hours ask beside it, so that blocks are cut anew beside that of the
    plan just found.
    """
    profiles = Profiles(problem)
    leaf, bought = build_leaf(options, profiles, limits_of(problem))
    if not any_blocks(problem):
        return _on_blocks(problem, profiles, leaf, bought, np.arange(len(problem.hours)))
    scan = Scan(problem, build_leaf(options, profiles)[0])
    weight = scan.solve().hours_usd
    found: list[Solution] = []
    tried: set[bytes] = set()
    while len(tried) < CUTS:
        block = blocks_of(problem, weight)
        plan = None if block.tobytes() in tried else _on_blocks(problem, profiles, leaf, bought, block)
        if plan is None:
            break
        tried.add(block.tobytes())
        found.append(plan)
        still = np.array([is_constant(column) for column in plan.columns]) * plan.units[0]
        rates = np.array([column.option.rate_rps for column in plan.columns])
        weight = scan.beside(float(still @ rates), int(still.sum()))
    return min(found, key=lambda one: one.usd(problem.hours), default=None)


def _on_blocks(
    problem: Problem,
    profiles: Profiles,
    leaf: Leaf,
    bought: Mapping[How, Sequence[Bought]],
    block: np.ndarray,
) -> Solution | None:
    """The plan of a set of options in blocks of hours in which the same runs; None where none was found."""
    merged = _levels_of_blocks(problem, profiles.at(leaf.levels.largest_rps), block)
    leaf = replace(leaf, levels=merged.standing_idle() if leaf.levels.idle_hours else merged)
    ramps = problem.policy.max_starts_per_hour is not None or problem.policy.max_stops_per_hour is not None
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
        if not found or (ramps and len(problem.hours) <= ALL_WAYS_PERIODS):
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
    moved = stepped(problem, leaf, solution, block)
    return moved if moved and keeps_schedule(problem, moved) else None


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
