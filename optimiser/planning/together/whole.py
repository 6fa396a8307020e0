"""Whole numbers of shared machines, and who uses them in each hour: the plan.

With the machines fixed no hour touches another's, so each is a small choice of one way per service:

    min Σ_s w · usd[s, way]    Σ_s taken[s, way, m] ≤ K[m]    one way per service
    Σ_s takes[s, way, k] ≤ granted[k] − Σ_m takes[m, k] · K[m]    of each cap k

Each hour starts with the ways that `master` takes most of, and mends them (`hours`): few hours fit no ways near, and
decide how many machines there must be. The numbers K start from the programme's, rounded up, and fall, or one falls as
another rises, as long as that saves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.bought import bought_for, changes
from optimiser.planning.together.hours import Hour, exactly, near, needed, paired
from optimiser.planning.together.master import Divided
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.services import Place

# How many more of each machine than the programme takes are tried until every hour fits, where one more of some do not.
MORE = (1, 2, 4, 8, 16)
# The same where what is bought leaves too little of a cap.
FEWER = (-1, -2, -4, -8)
# Changes of the numbers of machines that are tried, in all and since the last that saved.
TRIED, TRIED_SINCE = 80, 24
# Hours that do not fit of which each is planned exactly, and hours of the best numbers, those first that stray most.
MISFITS, EXACT_HOURS = 6, 200
# The same of the first numbers, which are near the best, and where caps bind: every hour may be tight.
FIRST_MISFITS, MISFITS_WITHIN = 60, 40
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
    """The search for whole numbers in a place, with one menu for each service, from what a programme takes."""

    def __init__(self, place: Place, menus: tuple[Menu, ...], start: Divided, share: float) -> None:
        self.place, self.menus, self.share = place, menus, share
        weight = place.hours.weight
        self.start = start
        self.cost = [menu.usd * weight - FOR_USE * menu.taken.sum(axis=1)[:, None] for menu in menus]
        self.active = np.flatnonzero(np.max([menu.taken.max(axis=0) for menu in menus], axis=0))
        self.granted = np.array([cap.amount for cap in place.caps], dtype=np.int64)
        self.misfits = FIRST_MISFITS
        self.needed: dict[int, Hour] = {}
        self.listed = [self._listed(hour, near) for hour in range(len(weight))]
        usd = [min(one.usd for one in place.of_machine(m)) for m in self.active.tolist()]
        self.worth = np.maximum(np.array(usd), 1e-3)
        # A cap too full counts as the machines that would make room.
        of_cap = (self.worth[:, None] / np.maximum(place.of_instance[self.active], 1)).max(
            axis=0, initial=1e-3
        )
        self.all_worth = np.append(self.worth, of_cap)

    def search(self) -> Whole | None:
        """The best numbers found; None where none was that carries every hour."""
        found = self._numbers()
        if found is None:
            return None
        usd, most, picked = found
        picked = self._polished(picked, most, usd)
        bought, _ = self._bought(most, picked)
        return Whole(self._billed(bought, picked), bought, picked, self.menus)

    def _numbers(self) -> tuple[float, Units, Units] | None:
        """The best numbers found: what they cost, they, and the ways."""
        most, picked = self._begun()
        self.misfits = MISFITS_WITHIN if len(self.granted) else MISFITS
        if picked is None:
            return None
        usd, tried, last, improved = self._usd(most, picked), 0, TRIED_SINCE, True
        while improved and tried < min(TRIED, last):
            improved = False
            for change in changes(len(most), self.active, self.worth):
                other = most + change
                if (other < 0).any() or tried >= min(TRIED, last):
                    continue
                tried += 1
                changed = self._hours(picked, other, most)
                cost = np.inf if changed is None else self._usd(other, changed)
                if changed is not None and cost < usd - 1e-6:
                    most, picked, usd, improved = other, changed, cost, True
                    last = tried + TRIED_SINCE
        return usd, most, picked

    def _listed(self, hour: int, some: Callable[[Floats, Units, Floats], Indices], *also: Indices) -> Hour:
        """The ways that an hour chooses among: the programme's and some others of each service."""
        rows = []
        first = np.array([[ways[hour] for ways in self.start.ways], *also]).T
        for cost, menu, ways in zip(self.cost, self.menus, first.tolist(), strict=True):
            finite = np.flatnonzero(np.isfinite(cost[:, hour]))
            takes = np.hstack([menu.taken[finite], menu.takes[finite, hour]])
            others = finite[some(cost[finite, hour], takes, self.start.use[:, hour])]
            rows.append(list(dict.fromkeys([*ways, *others.tolist()])))
        width = max(map(len, rows))
        ways = np.array([row + row[:1] * (width - len(row)) for row in rows])
        cost = np.array([of[row, hour] for of, row in zip(self.cost, ways, strict=True)])
        cost[:, 1:][ways[:, 1:] == ways[:, :1]] = np.inf
        taken = np.array(
            [
                np.hstack([menu.taken[row][:, self.active], menu.takes[row, hour]])
                for menu, row in zip(self.menus, ways, strict=True)
            ]
        )
        return Hour(ways, cost, taken)

    def _begun(self) -> tuple[Units, Units | None]:
        """Numbers that carry every hour, not many more than the programme's, and a way of each service and hour."""
        start = np.ceil(self.start.machines - 1e-6).astype(np.int64)
        offers = [self.place.of_machine(m) for m in range(len(start))]
        start = np.maximum(start, [sum(o.most or 0 for o in some if o.how is How.OWNED) for some in offers])
        limits = np.array([sum(one.limited_to for one in some) for some in offers])
        programme = np.array(self.start.ways)
        first = self._carrying(programme, self._fitted(np.minimum(start, limits)), limits)
        others = (*MORE, *(FEWER if len(self.granted) else ()))
        for most in (first, *(self._fitted(np.clip(start + more, 0, limits)) for more in others)):
            picked = self._hours(programme, most, None)
            # Numbers of which too few would be in use fall to those that would.
            while picked is not None and (missing := self._bought(most, picked)[1]).any():
                picked = self._in_use(picked, most, missing)
                if (missing := self._bought(most, picked)[1]).any():
                    most = most - missing
                    picked = self._hours(picked, most, None)
            if picked is not None:
                return most, picked
        return start, None

    def _in_use(self, picked: Units, most: Units, missing: Units) -> Units:
        """With the hours exact that leave machines idle of which too few are in use: ways near the programme's, which
        mixes them, may lack those between."""
        idle = (self._used(picked) < most)[:, missing > 0].any(axis=1)
        changed = picked.copy()
        for hour in np.flatnonzero(idle)[:FIRST_MISFITS].tolist():
            now = self._beside(hour, picked[:, hour])
            exact = self._exactly(hour, picked[:, hour], most, now)
            if exact is not None and self._beside(hour, exact) < now:
                changed[:, hour] = exact
        return changed

    def _fitted(self, most: Floats) -> Units:
        """As many machines as caps have room for, taken off where they are most beyond the programme's."""
        fitted, each = most.astype(np.int64), self.place.of_instance
        while (full := self._room(fitted) < 0).any():
            frees = each[:, full].any(axis=1) & (fitted > 0)
            if not frees.any():
                break
            fitted[np.where(frees, fitted - self.start.machines, -np.inf).argmax()] -= 1
        return fitted

    def _carrying(self, picked: Units, most: Units, limits: Floats) -> Units:
        """Numbers with one more of a machine, the cheapest that helps, for each of the first hours that fit no ways."""
        one = np.eye(len(most), dtype=np.int64)
        order = self.active[np.argsort(self.worth, kind="stable")].tolist()
        misfits = 0
        for hour in range(picked.shape[1]):
            if self._mended(hour, picked[:, hour], most)[1] <= 0:
                continue
            misfits += 1
            if misfits > FIRST_MISFITS:
                break
            for more in (0 * one[0], *(one[m] for m in order if most[m] < limits[m])):
                if self._exactly(hour, picked[:, hour], most + more) is not None:
                    most = most + more
                    break
        return most

    def _hours(self, picked: Units, most: Units, before: Units | None) -> Units | None:
        """A way of each service in each hour with so many machines, from ways that go with those before; None where
        they do not suffice, or where it cannot pay to have them."""
        used, takes, room = self._used(picked), self._takes(picked), self._room(most)
        if (room < 0).any():
            return None
        touched = np.asarray((used > most).any(axis=1) | (takes > room).any(axis=1))
        saved = np.inf
        if before is not None:
            touched |= (used[:, most > before] >= before[most > before]).any(axis=1)
            # Where a cap is worth something, more of it may save.
            binding = self.start.use[len(most) :].T > 0
            touched |= binding[:, room > self._room(before)].any(axis=1)
            dearest = [max(one.usd for one in self.place.of_machine(m)) for m in range(len(most))]
            saved = float((before - most) @ np.array(dearest)) * self.place.hours.total
        else:
            touched[:] = True
        changed, beyond = picked.copy(), []
        for hour in np.flatnonzero(touched).tolist():
            changed[:, hour], left = self._mended(hour, picked[:, hour], most)
            if left > 0:
                beyond.append(hour)
                if len(beyond) > self.misfits:
                    return None
            else:
                saved -= self._beside(hour, changed[:, hour]) - self._beside(hour, picked[:, hour])
        if saved <= 0:
            return None
        for hour in beyond:
            now = self._beside(hour, picked[:, hour])
            exact = self._exactly(hour, picked[:, hour], most, now + saved)
            if exact is None:
                return None
            saved -= self._beside(hour, exact) - now
            changed[:, hour] = exact
        return changed if saved > 0 else None

    def _polished(self, picked: Units, most: Units, usd: float) -> Units:
        """With the hours exact that cost most beyond the least at the programme's prices."""
        polished, strays = picked.copy(), np.zeros(picked.shape[1])
        machines = len(self.place.machines)
        for cost, menu, row in zip(self.cost, self.menus, picked, strict=True):
            priced = cost + menu.taken @ self.start.use[:machines]
            for k, use in enumerate(self.start.use[machines:]):
                priced += menu.takes[:, :, k] * use
            strays += priced[row, np.arange(len(row))] - priced.min(axis=0)
        for hour in np.argsort(-strays, kind="stable")[:EXACT_HOURS].tolist():
            now = self._beside(hour, picked[:, hour])
            exact = self._exactly(hour, picked[:, hour], most, now)
            if exact is not None and self._beside(hour, exact) < now:
                polished[:, hour] = exact
        return polished if self._usd(most, polished) < usd else picked

    def _mended(self, hour: int, picked: Indices, most: Units) -> tuple[Indices, float]:
        """One hour as `paired` does it among its ways, and what is left over."""
        one = self.listed[hour]
        at = (one.ways == picked[:, None]).argmax(axis=1)
        limits = np.append(most[self.active], self._room(most))
        at, left = paired(one.cost, one.taken, at, limits, self.all_worth)
        return one.ways[np.arange(len(at)), at], left

    def _exactly(self, hour: int, picked: Indices, most: Units, below: float = np.inf) -> Indices | None:
        """One hour as `exactly` does it; what it picks, the hour may pick from then on."""
        if hour not in self.needed:
            self.needed[hour] = self._listed(hour, needed, picked)
        room = self._room(most)
        limits, use = np.append(most[self.active], room), self.start.use[:, hour]
        use = np.append(use[self.active], use[len(most) :])
        row = exactly(self.needed[hour], limits, use, below) if (room >= 0).all() else None
        if row is not None:
            self.listed[hour] = self._listed(hour, near, picked, row)
        return row

    def _beside(self, hour: int, picked: Indices) -> float:
        return float(sum(cost[way, hour] for cost, way in zip(self.cost, picked.tolist(), strict=True)))

    def _used(self, picked: Units) -> Units:
        """Instances of each machine in use, shape (hours, machines)."""
        used = np.zeros((picked.shape[1], len(self.place.machines)), dtype=np.int64)
        for menu, row in zip(self.menus, picked, strict=True):
            used += menu.taken[row]
        return used

    def _takes(self, picked: Units) -> Units:
        """What is taken of each cap beside what is bought for all, shape (hours, caps)."""
        every = np.arange(picked.shape[1])
        takes = [menu.takes[row, every] for menu, row in zip(self.menus, picked, strict=True)]
        return np.asarray(np.sum(takes, axis=0))

    def _room(self, most: Units) -> Units:
        """What so many machines leave of each cap."""
        return np.asarray(self.granted - most @ self.place.of_instance)

    def _billed(self, bought: dict[str, int], ways: Units) -> float:
        """What it all costs, USD over the horizon, use worth nothing by itself."""
        constants = sum(one.usd * bought[one.offer_id] for one in self.place.constants)
        hours, every = np.zeros(ways.shape[1]), np.arange(ways.shape[1])
        for menu, row in zip(self.menus, ways, strict=True):
            hours += menu.usd[row, every]
        return constants * self.place.hours.total + float(hours @ self.place.hours.weight)

    def _usd(self, most: Units, picked: Units) -> float:
        """What the numbers and the hours cost, USD over the horizon; inf where the numbers cannot be bought."""
        bought, missing = self._bought(most, picked)
        if missing.any():
            return np.inf
        constants = sum(one.usd * bought[one.offer_id] for one in self.place.constants)
        every = np.arange(picked.shape[1])
        beside = sum(float(cost[row, every].sum()) for cost, row in zip(self.cost, picked, strict=True))
        return constants * self.place.hours.total + beside

    def _bought(self, most: Units, picked: Units) -> tuple[dict[str, int], Units]:
        """The cheapest offers for so many of each machine, and how many in use are not to be had."""
        return bought_for(self.place, most, self._used(picked).T, self.share)
