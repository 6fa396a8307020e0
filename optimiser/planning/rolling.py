"""Fleets hour after hour in which what starts stays up: a beam search over what runs and what must go on running.

Beside what is bought for the whole horizon a state is what runs by the hour, and what of it must run on. From hour to
hour a state keeps all that runs, or what it must, or either but for one purchase; the cheapest known fleets that close
the gap are added, and units not needed then left out. States are ranked by what they have cost and at least will cost
in the hours for which their units must go on (beam search: Lowerre, The HARPY speech recognition system, 1976).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Solution, is_constant
from optimiser.planning.periods import begun_within, lengths
from optimiser.planning.problem import Floats, How, Problem
from optimiser.planning.requirements import IDLE
from optimiser.planning.tables import Units

# States that are kept, those that are looked ahead of, and ways to close the gap of each way to go on.
BEAM, AHEAD, FILLS = 24, 96, 2
# Units of one purchase alone that may close a gap, beside the fleets of all hours.
ALONE = 3
TOLERANCE_RPS = 1e-6


class Rolling:
    """The purchases by the hour of a plan whose hours stand alone, what is asked of them, and fleets that close gaps.

    asked_firm and asked_total are req/s in each period without what runs all along, floor the units that are not spot.
    """

    def __init__(self, problem: Problem, leaf: Leaf, solution: Solution) -> None:
        still = np.array([is_constant(column) for column in solution.columns], dtype=bool)
        self.moving = np.flatnonzero(~still)
        columns = [solution.columns[c] for c in self.moving.tolist()]
        self.usd = np.array([one.purchase.usd_per_unit_hour for one in columns])
        self.rate = np.array([one.option.rate_rps for one in columns])
        self.is_firm = np.array([one.purchase.how is not How.SPOT for one in columns], dtype=bool)
        limits = [one.purchase.max_units for one in columns]
        self.most = np.array([np.inf if one is None else one for one in limits])
        names = sorted({one.purchase.pool for one in columns} - {""})
        self.pools = np.array([[one.purchase.pool == name for name in names] for one in columns], dtype=float)
        self.pools = self.pools.reshape(len(columns), len(names)) * self.rate[:, None]
        self._ask(leaf, solution, still, problem.policy.min_firm_instances)
        alone = [n * np.eye(len(columns), dtype=np.int64) for n in range(ALONE + 1)]
        fills = np.unique(np.concatenate([solution.units[:, self.moving], *alone]), axis=0)
        self.fills = fills[np.argsort(fills @ self.usd, kind="stable")]
        self.fill_usd, self.fill_total = self.fills @ self.usd, self.fills @ self.rate
        self.fill_firm, self.fill_units = self.fills @ (self.rate * self.is_firm), self.fills @ self.is_firm

    def _ask(self, leaf: Leaf, solution: Solution, still: np.ndarray, floor: int) -> None:
        level, slot = leaf.levels, leaf.levels.slot_of_period
        rates = np.array([column.option.rate_rps for column in solution.columns])
        held = solution.units[0] * still
        self.asked_firm, self.asked_total = (
            np.where(slot == IDLE, 0.0, np.maximum(of[slot] - float(held @ rates), 0.0))
            for of in (level.firm, level.total)
        )
        self.floor = np.where(slot == IDLE, 0, max(floor - int(held.sum()), 0))
        self.pool = np.where(slot == IDLE, 0.0, level.pool[slot])

    def gap(self, period: int, fleets: Units) -> tuple[Floats, Floats, Floats]:
        """What fleets lack of what a period asks: firm capacity and capacity, req/s, and units that are not spot."""
        firm = self.asked_firm[period] - fleets @ (self.rate * self.is_firm)
        return firm, self.asked_total[period] - fleets @ self.rate, self.floor[period] - fleets @ self.is_firm

    def closing(self, period: int, fleets: Units) -> np.ndarray:
        """Which fills close the gap of each fleet, shape (fleets, fills)."""
        firm, total, units = self.gap(period, fleets)
        return np.asarray(
            (self.fill_total >= total[:, None] - TOLERANCE_RPS)
            & (self.fill_firm >= firm[:, None] - TOLERANCE_RPS)
            & (self.fill_units >= units[:, None])
        )

    def trimmed(self, period: int, fleets: Units, must: Units) -> Units:
        """Fleets without units that the period does not need, the dearest first, down to what must run."""
        fleets = fleets.copy()
        for c in np.argsort(-self.usd, kind="stable").tolist():
            firm, total, units = self.gap(period, fleets)
            spare = -total
            if self.is_firm[c]:
                spare = np.minimum(spare, -firm)
            drop = np.floor((spare + TOLERANCE_RPS) / self.rate[c])
            if self.is_firm[c]:
                drop = np.minimum(drop, -units)
            fleets[:, c] -= np.clip(drop, 0, fleets[:, c] - must[:, c]).astype(np.int64)
        return fleets

    def within(self, period: int, fleets: Units) -> np.ndarray:
        """Whether fleets reach what the period asks within the limits of purchases and pools, shape (fleets,)."""
        firm, total, units = self.gap(period, fleets)
        enough = (total <= TOLERANCE_RPS) & (firm <= TOLERANCE_RPS) & (units <= 0)
        inside = (fleets @ self.pools <= self.pool[period] + TOLERANCE_RPS).all(axis=1)
        return np.asarray(enough & inside & (fleets <= self.most).all(axis=1))

    def least_usd(self, period: int, fleets: Units) -> Floats:
        """What an hour costs at least in which these run, the cheapest fill beside them."""
        fits = self.closing(period, fleets)
        first = self.fill_usd[fits.argmax(axis=1)]
        return np.asarray(fleets @ self.usd + np.where(fits.any(axis=1), first, 0.0))


def rolled(problem: Problem, leaf: Leaf, solution: Solution) -> Solution | None:
    """A plan that keeps min_up_hours, beside what a plan whose hours stand alone holds all along; None where none was
    found. leaf is that plan's."""
    roll = Rolling(problem, leaf, solution)
    if not len(roll.moving):
        return solution
    units, periods = solution.units.copy(), len(problem.periods)
    for s in range(len(problem.scenarios)):
        here = range(s * periods, (s + 1) * periods)
        course = _course(problem, roll, here)
        if course is None:
            return None
        units[here.start : here.stop, roll.moving] = course
    return replace(solution, units=units)


def _course(problem: Problem, roll: Rolling, here: range) -> Units | None:
    """What runs by the hour in the periods of one scenario, shape (periods, purchases)."""
    n = len(here)
    lately = begun_within(lengths(problem), problem.policy.min_up_hours)
    begin = int(roll.asked_total[here.start : here.stop].argmin())
    order = [(begin + step) % n for step in range(n)]
    reach = max(map(len, lately))
    columns = len(roll.moving)
    # started[:, i] is what started i + 1 periods ago, in each state.
    runs, started = np.zeros((1, columns), dtype=np.int64), np.zeros((1, reach, columns), dtype=np.int64)
    spent, path = np.zeros(1), []
    for step, p in enumerate(order):
        must = started[:, : len(lately[p]) - 1].sum(axis=1)
        states, fleets = _next(roll, here.start + p, runs, must)
        usd = spent[states] + problem.hours[here.start + p] * (fleets @ roll.usd)
        up = np.maximum(fleets - runs[states], 0) * (step > 0)
        kept = np.argsort(usd, kind="stable")[:AHEAD]
        rank = usd[kept].copy()
        history = np.concatenate([up[kept, None], started[states[kept], :-1]], axis=1)
        for ahead in range(1, reach):
            q = order[(step + ahead) % n]
            on = history[:, : max(len(lately[q]) - ahead, 0)].sum(axis=1)
            rank += problem.hours[here.start + q] * roll.least_usd(here.start + q, on)
        best = np.argsort(rank, kind="stable")
        if not len(best):
            return None
        _, first = np.unique(
            np.column_stack([fleets[kept[best]], history[best].sum(axis=1)]), axis=0, return_index=True
        )
        best = best[np.sort(first)][:BEAM]
        picked = kept[best]
        runs, started, spent = fleets[picked], history[best], usd[picked]
        path.append((states[picked], runs))
    at, found = int(spent.argmin()), np.zeros((n, columns), dtype=np.int64)
    for p, (came, fleets) in zip(reversed(order), reversed(path), strict=True):
        found[p], at = fleets[at], int(came[at])
    return _closed(roll, found, lately, here)


def _next(roll: Rolling, period: int, runs: Units, must: Units) -> tuple[Units, Units]:
    """States, and what may run next after each."""
    columns = runs.shape[1]
    every = np.eye(columns, dtype=bool)
    ways = np.concatenate([np.zeros((1, columns), bool), np.ones((1, columns), bool), every, ~every])
    keep = np.where(ways[None], runs[:, None], np.minimum(must, runs)[:, None]).reshape(-1, columns)
    keep = np.maximum(keep, np.repeat(must, len(ways), axis=0))
    state = np.repeat(np.arange(len(runs)), len(ways))
    fits = roll.closing(period, keep)
    place = np.argsort(~fits, axis=1, kind="stable")[:, :FILLS] if FILLS > 1 else fits.argmax(axis=1)[:, None]
    ok = np.take_along_axis(fits, place, axis=1).ravel()
    fleets = (keep[:, None] + roll.fills[place]).reshape(-1, columns)[ok]
    state = np.repeat(state, FILLS)[ok]
    fleets = roll.trimmed(period, fleets, must[state])
    inside = roll.within(period, fleets)
    both = np.unique(np.column_stack([state, fleets])[inside], axis=0)
    return both[:, 0], both[:, 1:]


def _closed(roll: Rolling, found: Units, lately: list[list[int]], here: range) -> Units | None:
    """The course with what started before the horizon's end running on after it; None where limits do not let it."""
    for _ in range(len(found)):
        before = found.copy()
        for p, recently in enumerate(lately):
            up = np.maximum(found[recently] - found[[q - 1 for q in recently]], 0).sum(axis=0)
            found[p] = np.maximum(found[p], up)
        if np.array_equal(found, before):
            break
    return found if all(roll.within(here.start + p, found[[p]])[0] for p in range(len(found))) else None
