"""Whole numbers of shared machines, and who uses them in each hour: the plan.

With the machines fixed no hour touches another's, so each is a small choice of one way per service:

    min Σ_s w · usd[s, way]    Σ_s taken[s, way, m] ≤ K[m]    one way per service

Each hour starts with what every service would take alone, changes the way that costs least for what it gives back
until the machines suffice (Toyoda, Management Science 21, 1975), and then takes what is left to improve. The numbers K
fall from those of planning apart, one machine at a time, as long as that saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.services import Constant, Place

# Ways of a service that an hour chooses among: the cheapest at some prices each, and those that take least.
WAYS, FRUGAL_WAYS = 6, 3
MULTIPLES = (0.0, 0.5, 1.0, 2.0, 4.0)
# By how much the number of a machine is changed, first to last.
CHANGES = (-8, -4, -2, -1, 1)
# Numbers of machines that are tried.
TRIED = 300
# What using an instance is worth where it makes no difference, USD: commitments must be in use.
FOR_USE = 1e-6


@dataclass(frozen=True)
class Whole:
    """usd over the horizon as weighed; bought, instances of each constant offer; ways[service, hour] of its menu."""

    usd: float
    bought: dict[str, int]
    ways: Units
    menus: tuple[Menu, ...]


class Rounding:
    """The search for whole numbers in a place, with one menu for each service, at prices of use to choose ways by."""

    def __init__(self, place: Place, menus: tuple[Menu, ...], use: Floats, share: float) -> None:
        self.place, self.menus, self.share = place, menus, share
        weight = place.hours.weight
        cost = [menu.usd * weight - FOR_USE * menu.taken.sum(axis=1)[:, None] for menu in menus]
        near = [_near(one, menu, use) for one, menu in zip(cost, menus, strict=True)]
        width = max(ways.shape[1] for ways in near)
        self.ways = np.stack([_widened(ways, width) for ways in near])
        every = np.arange(len(weight))[:, None]
        self.cost = np.stack([one[ways, every] for one, ways in zip(cost, self.ways, strict=True)])
        self.taken = np.stack([menu.taken[ways] for menu, ways in zip(menus, self.ways, strict=True)])

    @cached_property
    def active(self) -> Indices:
        """Machines that any of the ways takes."""
        return np.flatnonzero(self.taken.max(axis=(0, 1, 2)))

    def search(self, start: Units) -> Whole | None:
        """The best numbers found from start; None where start does not carry every hour."""
        hours = np.arange(len(self.place.hours.weight))
        picked, can_be = self._hours(hours, start)
        if not can_be:
            return None
        most, usd, tried = start.copy(), self._usd(start, picked), 0
        improved = True
        while improved and tried < TRIED:
            improved = False
            for m in self.active.tolist():
                for change in CHANGES:
                    other = most.copy()
                    other[m] += change
                    tried += 1
                    changed = self._changed(picked, most, other, m) if other[m] >= 0 else None
                    if changed is None:
                        continue
                    cost = self._usd(other, changed)
                    if cost < usd - 1e-6 or (not np.isfinite(usd) and change < 0):
                        most, picked, usd, improved = other, changed, cost, True
                        break
        bought = self._bought(most, picked)
        if bought is None or not np.isfinite(usd):
            return None
        rows = np.take_along_axis(self.ways, picked[:, :, None], axis=2)[:, :, 0]
        return Whole(self._billed(bought, rows), bought, rows, self.menus)

    def _changed(self, picked: Units, most: Units, other: Units, m: int) -> Units | None:
        """The hours with other numbers, of which machine m is another: those it touches chosen anew."""
        used = self._used(picked)[m]
        touched = np.flatnonzero(used >= most[m] if other[m] > most[m] else used > other[m])
        if not len(touched):
            return picked
        anew, can_be = self._hours(touched, other)
        if not can_be:
            return None
        changed = picked.copy()
        changed[:, touched] = anew
        return changed

    def _hours(self, hours: Indices, most: Units) -> tuple[Units, bool]:
        """One way per service in each of the hours, shape (services, hours), and whether all can be."""
        cost, taken, most = self.cost[:, hours], self.taken[:, hours][..., self.active], most[self.active]
        picked = cost.argmin(axis=2)
        every = np.arange(len(hours))
        while True:
            now_usd, now = _at(cost, picked), _at(taken, picked)
            used = now.sum(axis=0)
            beyond = np.maximum(used - most, 0).sum(axis=1)
            if not beyond.any():
                break
            with np.errstate(invalid="ignore"):
                dearer = cost - now_usd[:, :, None]
            others = used[None, :, None, :] - now[:, :, None, :] + taken
            gained = beyond[None, :, None] - np.maximum(others - most, 0).sum(axis=3)
            ratio = np.where((gained > 0) & np.isfinite(cost), dearer / np.maximum(gained, 1), np.inf)
            flat = ratio.transpose(1, 0, 2).reshape(len(hours), -1)
            best = flat.argmin(axis=1)
            late = beyond > 0
            if not np.isfinite(flat[every, best][late]).all():
                return picked, False
            service, way = np.divmod(best, cost.shape[2])
            picked[service[late], every[late]] = way[late]
        return self._improved(cost, taken, picked, most), True

    @staticmethod
    def _improved(cost: Floats, taken: Units, picked: Units, most: Units) -> Units:
        """Ways that save most put in the place of others while the machines suffice."""
        every = np.arange(cost.shape[1])
        while True:
            now_usd, now = _at(cost, picked), _at(taken, picked)
            left = most - now.sum(axis=0)
            fits = (taken - now[:, :, None, :] <= left[None, :, None, :]).all(axis=3)
            saved = np.where(fits & np.isfinite(cost), now_usd[:, :, None] - cost, 0.0)
            flat = saved.transpose(1, 0, 2).reshape(cost.shape[1], -1)
            best = flat.argmax(axis=1)
            better = flat[every, best] > 1e-7
            if not better.any():
                return picked
            service, way = np.divmod(best, cost.shape[2])
            picked[service[better], every[better]] = way[better]

    def _used(self, picked: Units) -> Units:
        """Instances of each machine in use in each hour, shape (machines, hours)."""
        used: Units = _at(self.taken, picked).sum(axis=0).T
        return used

    def _billed(self, bought: dict[str, int], ways: Units) -> float:
        """What it all costs, USD over the horizon, use worth nothing by itself."""
        constants = sum(one.usd * bought[one.offer_id] for one in self.place.constants)
        hours, every = np.zeros(ways.shape[1]), np.arange(ways.shape[1])
        for menu, row in zip(self.menus, ways, strict=True):
            hours += menu.usd[row, every]
        return constants * self.place.hours.total + float(hours @ self.place.hours.weight)

    def _usd(self, most: Units, picked: Units) -> float:
        """What the numbers and the hours cost, USD over the horizon; inf where the numbers cannot be bought."""
        bought = self._bought(most, picked)
        if bought is None:
            return np.inf
        constants = sum(one.usd * bought[one.offer_id] for one in self.place.constants)
        return constants * self.place.hours.total + float(_at(self.cost, picked).sum())

    def _bought(self, most: Units, picked: Units) -> dict[str, int] | None:
        """The cheapest offers for so many of each machine; None where they are not to be had.

        What is owned costs nothing. A commitment's instances are used first, so that those in use in all but the
        share of the hours are as many as are used in so many hours.
        """
        used = self._used(picked)
        bought = {one.offer_id: 0 for one in self.place.constants}
        for m in range(len(most)):
            left = min(int(most[m]), int(used[m].max()))
            in_use = left if self.share >= 1 else used_always(used[m], self.place.hours.weight, self.share)
            for one in self.place.of_machine(m):
                count = left if one.most is None else min(left, one.most)
                if one.how is How.COMMITMENT:
                    count = min(count, in_use)
                    in_use -= count
                bought[one.offer_id] = count
                left -= count
            if left:
                return None
        return bought


def used_always(used: Units, weight: Floats, share: float) -> int:
    """The most instances that are in use in all but a share of the hours."""
    order = np.argsort(used, kind="stable")
    below = np.cumsum(weight[order]) - weight[order]
    return int(used[order][np.flatnonzero(below <= share * weight.sum() + 1e-9)[-1]])


def _near(cost: Floats, menu: Menu, use: Floats) -> Units:
    """Ways worth a look in each hour, shape (hours, ways)."""
    chosen = [cost.argsort(axis=0, kind="stable")[:WAYS]]
    chosen += [(cost + menu.taken @ (use * by)).argsort(axis=0, kind="stable")[:WAYS] for by in MULTIPLES]
    frugal = np.where(np.isfinite(cost), menu.taken.sum(axis=1)[:, None] + 1e-9 * cost, np.inf)
    chosen.append(frugal.argsort(axis=0, kind="stable")[:FRUGAL_WAYS])
    rows = [np.unique(column) for column in np.concatenate(chosen).T]
    width = max(map(len, rows))
    return np.stack([np.append(row, np.full(width - len(row), row[0])) for row in rows])


def _widened(ways: Units, width: int) -> Units:
    return np.concatenate([ways, np.repeat(ways[:, :1], width - ways.shape[1], axis=1)], axis=1)


def _at(values: np.ndarray, picked: Units) -> np.ndarray:
    """values of the way picked, shape (services, hours, …)."""
    index = picked[:, :, None] if values.ndim == 3 else picked[:, :, None, None]
    return np.take_along_axis(values, index, axis=2)[:, :, 0]


def offers_by_use(place: Place, machine: int) -> Sequence[Constant]:
    """A machine's offers in the order in which their instances are used: commitments, what is owned, what is held."""
    rank = {How.COMMITMENT: 0, How.OWNED: 1, How.HELD: 2}
    return sorted(place.of_machine(machine), key=lambda one: (rank[one.how], one.usd, one.offer_id))
