"""Each service's best answer to what the others take of the shared machines: a search over all of its sets.

With the others' hours as they are, a set of options that takes of the machines M costs, with so many K of each,

    Σ_{m ∈ M} price_m(K) + Σ_h w[h] · min {usd[way, h] : others[h, m] + taken[way, m] ≤ K[m] for every m ∈ M}

which is exact, and found for every K of one machine at once: the numbers are chosen one machine after the other, until
none changes (block coordinate descent: Tseng, J. Optim. Theory Appl. 109, 2001, 475-494). Services answer in turn as
long as one saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.bought import bought_for
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.services import Place

# How often the numbers of all of a set's machines are chosen one after the other, and services answer in turn.
TURNS, ROUNDS = 4, 12
# What using an instance is worth where it makes no difference, USD: commitments must be in use.
FOR_USE = 1e-6
# What a change must save, USD.
SAVES = 1e-6


@dataclass(frozen=True)
class Sets:
    """The sets of a service that are looked at, by what they cost at prices of machines, cheapest first: their menus,
    and how much dearer each is than the cheapest, USD: no plan with it costs less than the bound and that."""

    menus: tuple[Menu, ...]
    dearer: Floats


@dataclass(frozen=True)
class Answers:
    """What each service runs: usd over the horizon, the menu of each (its number among its sets), and the way of each
    hour, shape (services, hours)."""

    usd: float
    menus: tuple[int, ...]
    ways: Units


class Responses:
    """The services of a place with the sets that they choose among, and a bound on all plans of all."""

    def __init__(self, place: Place, sets: Sequence[Sets], share: float, lower_usd: float) -> None:
        self.place, self.sets, self.share, self.lower_usd = place, sets, share, lower_usd

    def in_order(self, order: Sequence[int], first: int | None = None) -> Answers | None:
        """Services answer one after the other, at first to none, the first of them with one of its sets where that is
        given, and then in turn; None where one has no answer."""
        services, hours = len(self.sets), len(self.place.hours.weight)
        menus, ways = [0] * services, np.zeros((services, hours), dtype=np.int64)
        used = np.zeros((hours, len(self.place.machines)), dtype=np.int64)
        for s in order:
            only = range(len(self.sets[s].menus)) if first is None or s != order[0] else [first]
            found = self._answer(s, used, np.zeros(used.shape[1], dtype=np.int64), only, np.inf)
            if found is None:
                return None
            menus[s], ways[s] = found[1:]
            used += self.sets[s].menus[menus[s]].taken[ways[s]]
        return self.in_turn(Answers(self.usd(menus, ways), tuple(menus), ways))

    def in_turn(self, start: Answers) -> Answers:
        """Services answer the others in turn until none saves."""
        best, quiet, s = start, 0, 0
        for _ in range(ROUNDS * len(self.sets)):
            better = self._better(best, s)
            best, quiet = (best, quiet + 1) if better is None else (better, 0)
            if quiet >= len(self.sets):
                break
            s = (s + 1) % len(self.sets)
        return best

    def usd(self, menus: Sequence[int], ways: Units) -> float:
        """What it all costs, USD over the horizon; inf where the machines cannot be bought."""
        hours, every = 0.0, np.arange(ways.shape[1])
        used = np.zeros((ways.shape[1], len(self.place.machines)), dtype=np.int64)
        for some, number, row in zip(self.sets, menus, ways, strict=True):
            hours += float(some.menus[number].usd[row, every] @ self.place.hours.weight)
            used += some.menus[number].taken[row]
        return float(self._machines_usd(used).sum()) + hours

    def _better(self, best: Answers, s: int) -> Answers | None:
        """The others as they are, and the best answer of one service; None where it does not save."""
        every = np.arange(best.ways.shape[1])
        used = np.zeros((best.ways.shape[1], len(self.place.machines)), dtype=np.int64)
        others_usd = 0.0
        for n, (some, number, row) in enumerate(zip(self.sets, best.menus, best.ways, strict=True)):
            if n != s:
                menu = some.menus[number]
                used += menu.taken[row]
                others_usd += float(menu.usd[row, every] @ self.place.hours.weight)
        most = used + self.sets[s].menus[best.menus[s]].taken[best.ways[s]]
        worth = np.flatnonzero(self.sets[s].dearer + self.lower_usd < best.usd).tolist()
        found = self._answer(s, used, most.max(axis=0), worth, best.usd - others_usd - SAVES)
        if found is None:
            return None
        menus, ways = list(best.menus), best.ways.copy()
        menus[s], ways[s] = found[1:]
        usd = self.usd(menus, ways)
        return Answers(usd, tuple(menus), ways) if usd < best.usd - SAVES / 2 else None

    def _machines_usd(self, used: Units) -> Floats:
        """What the machines cost that are used so, each, USD over the horizon."""
        bought, missing = bought_for(self.place, used.max(axis=0), used.T, self.share)
        usd = np.where(missing > 0, np.inf, 0.0)
        for m in np.flatnonzero(used.any(axis=0)).tolist():
            usd[m] += sum(one.usd * bought[one.offer_id] for one in self.place.of_machine(m))
        return np.asarray(usd * self.place.hours.total)

    def _answer(
        self, s: int, others: Units, most: Units, numbers: Sequence[int], below: float
    ) -> tuple[float, int, Indices] | None:
        """The cheapest set of some of a service's and its ways, beside what others take, shape (hours, machines), and
        what they and all machines cost, beginning with so many of those; None where none costs less than below."""
        weight, every = self.place.hours.weight, np.arange(len(others))
        alone = self._machines_usd(others)
        best = None
        for number in numbers:
            menu = self.sets[s].menus[number]
            machines = np.flatnonzero(menu.taken.any(axis=0))
            beside = float(np.delete(alone, machines).sum())
            cost = menu.usd * weight - FOR_USE * menu.taken.sum(axis=1)[:, None]
            if float(cost.min(axis=0).sum()) + beside >= below:
                continue
            need = others[None, :, machines] + menu.taken[:, None, machines]
            count = np.maximum(most, others.max(axis=0))[machines]
            for _ in range(TURNS):
                before = count.copy()
                for k in range(len(machines)):
                    count[k] = self._numbers_usd(int(machines[k]), k, cost, need, count, others).argmin()
                if (count == before).all():
                    break
            fits = np.where((need <= count).all(axis=2), cost, np.inf)
            ways = fits.argmin(axis=0)
            usd = float(fits[ways, every].sum())
            if not usd + beside < below:
                continue
            usd += float(self._machines_usd(others + menu.taken[ways]).sum())
            if usd < below:
                best, below = (usd, number, ways), usd
        return best

    def _numbers_usd(
        self, machine: int, k: int, cost: Floats, need: Units, count: Units, others: Units
    ) -> Floats:
        """What each number of one machine costs with the hours, the numbers of a set's other machines as they are."""
        rest = np.delete(np.arange(need.shape[2]), k)
        fits = np.where((need[:, :, rest] <= count[rest]).all(axis=2), cost, np.inf)
        taken = need[:, 0, k] - others[0, machine]
        order = np.argsort(taken, kind="stable")
        kinds, first = np.unique(taken[order], return_index=True)
        least = np.full((int(taken.max()) + 1, cost.shape[1]), np.inf)
        least[kinds] = np.minimum.reduceat(fits[order], first, axis=0)
        upto = np.minimum.accumulate(least, axis=0)
        own = np.where(least <= upto, np.arange(len(least))[:, None], 0)
        own = np.maximum.accumulate(own, axis=0)
        # Of each number in all, each hour leaves what the others do not take.
        free = np.arange(int(others[:, machine].max()) + len(least))[:, None] - others[:, machine]
        inside, every = np.clip(free, 0, len(least) - 1), np.arange(cost.shape[1])
        hours = np.where(free >= 0, upto[inside, every], np.inf).sum(axis=1)
        return np.asarray(hours + self._numbers_machine_usd(machine, others[:, machine] + own[inside, every]))

    def _numbers_machine_usd(self, machine: int, used: Units) -> Floats:
        """What so many of a machine cost, used so: shape (numbers, hours)."""
        weight = self.place.hours.weight
        left = used.max(axis=1)
        in_use = left.copy()
        if self.share < 1:
            order = np.argsort(used, axis=1, kind="stable")
            below = np.cumsum(weight[order], axis=1) - weight[order]
            at = (below <= self.share * weight.sum() + 1e-9).sum(axis=1) - 1
            every = np.arange(len(used))
            in_use = used[every, order[every, at]]
        usd = np.zeros(len(used))
        for one in self.place.of_machine(machine):
            count = np.minimum(left, one.limited_to)
            if one.how is How.COMMITMENT:
                count = np.minimum(count, in_use)
                in_use = in_use - count
            usd += one.usd * count
            left = left - count
        return np.where(left > 0, np.inf, usd * self.place.hours.total)
