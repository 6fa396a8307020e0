"""Whole numbers of shared machines, and who uses them in each hour: the plan.

With the machines fixed no hour touches another's, so each is a small choice of one way per service:

    min Σ_s w · usd[s, way]    Σ_s taken[s, way, m] ≤ K[m]    one way per service

Each hour starts with the ways that `master` takes most of, and changes those of one or two services at once as long as
that makes it fit, or cheaper. The numbers K start from the programme's, rounded up, and fall, or one falls as another
rises, as long as that saves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.master import Divided
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.services import Constant, Place

# Ways of a service that an hour chooses among beside the programme's: the cheapest at multiples of its prices.
WAYS, MULTIPLES = 3, (0.0, 1.0, 2.0)
# How many more of each machine than the programme takes are tried until every hour fits.
MORE = (0, 1, 2, 4, 8, 16)
# Changes of the numbers of machines that are tried.
TRIED = 80
# Of a machine for one of another.
MOST_FOR_ONE = 6
# What using an instance is worth where it makes no difference, USD: commitments must be in use.
FOR_USE = 1e-6
# What a machine too many counts for, in what it costs, while an hour is mended.
BEYOND = 1e3


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
        cost = [menu.usd * weight - FOR_USE * menu.taken.sum(axis=1)[:, None] for menu in menus]
        # The programme's way comes first.
        ways = [_near(*each, start.use) for each in zip(cost, menus, start.ways, strict=True)]
        width = max(each.shape[1] for each in ways)
        self.ways = np.stack([np.pad(each, ((0, 0), (0, width - each.shape[1])), "edge") for each in ways])
        every = np.arange(len(weight))[:, None]
        self.cost = np.stack([one[ways, every] for one, ways in zip(cost, self.ways, strict=True)])
        again = self.ways[:, :, 1:] == self.ways[:, :, :1]
        self.cost[:, :, 1:][again] = np.inf
        self.taken = np.stack([menu.taken[ways] for menu, ways in zip(menus, self.ways, strict=True)])
        self.active = np.flatnonzero(self.taken.max(axis=(0, 1, 2)))
        usd = [min(one.usd for one in place.of_machine(m)) for m in self.active.tolist()]
        self.worth = np.maximum(np.array(usd), 1e-3)

    def search(self) -> Whole | None:
        """The best numbers found; None where none was that carries every hour."""
        most, picked = self._first()
        if picked is None:
            return None
        usd, tried, improved = self._usd(most, picked), 0, True
        while improved and tried < TRIED:
            improved = False
            for change in self._changes():
                other = most + change
                if (other < 0).any() or tried >= TRIED:
                    continue
                tried += 1
                changed = self._hours(picked, other, most)
                cost = np.inf if changed is None else self._usd(other, changed)
                if changed is not None and cost < usd - 1e-6:
                    most, picked, usd, improved = other, changed, cost, True
        bought, _ = self._bought(most, picked)
        rows = np.take_along_axis(self.ways, picked[:, :, None], axis=2)[:, :, 0]
        return Whole(self._billed(bought, rows), bought, rows, self.menus)

    def _first(self) -> tuple[Units, Units | None]:
        """Numbers that carry every hour, not many more than the programme's, and a way of each service and hour."""
        start = np.ceil(self.start.machines - 1e-6).astype(np.int64)
        offers = [self.place.of_machine(m) for m in range(len(start))]
        start = np.maximum(start, [sum(o.most or 0 for o in some if o.how is How.OWNED) for some in offers])
        limits = np.array([sum(one.limited_to for one in some) for some in offers])
        nothing = np.zeros(self.ways.shape[:2], dtype=np.int64)
        for more in MORE:
            most = np.minimum(start + more, limits).astype(np.int64)
            picked = self._hours(nothing, most, None)
            # Numbers of which too few would be in use fall to those that would.
            while picked is not None and (missing := self._bought(most, picked)[1]).any():
                most = most - missing
                picked = self._hours(picked, most, None)
            if picked is not None:
                return most, picked
        return start, None

    def _changes(self) -> Iterator[Units]:
        """One fewer of a machine, the dearest first; then of one for one more of another, and for as much money."""
        one = np.eye(len(self.place.machines), dtype=np.int64)
        order = np.argsort(-self.worth, kind="stable").tolist()
        yield from (-one[self.active[i]] for i in order)
        for i, j in product(order, order):
            if i == j:
                continue
            fewer, more = one[self.active[i]], one[self.active[j]]
            yield more - fewer
            ratio = round(self.worth[i] / self.worth[j]), round(self.worth[j] / self.worth[i])
            if 1 < max(ratio) <= MOST_FOR_ONE:
                yield max(ratio[0], 1) * more - max(ratio[1], 1) * fewer

    def _hours(self, picked: Units, most: Units, before: Units | None) -> Units | None:
        """A way of each service in each hour with so many machines, from ways that go with those before; None where
        they do not suffice, or where it cannot pay to have them."""
        used = _at(self.taken, picked).sum(axis=0)
        touched = (used > most).any(axis=1)
        saved = np.inf
        if before is not None:
            touched |= (used[:, most > before] >= before[most > before]).any(axis=1)
            dearest = [max(one.usd for one in self.place.of_machine(m)) for m in range(len(most))]
            saved = float((before - most) @ np.array(dearest)) * self.place.hours.total
        else:
            touched[:] = True
        changed = picked.copy()
        for hour in np.flatnonzero(touched).tolist():
            cost, taken = self.cost[:, hour], self.taken[:, hour][..., self.active]
            row, left = paired(cost, taken, picked[:, hour], most[self.active], self.worth)
            saved -= float(_at(cost, row).sum() - _at(cost, picked[:, hour]).sum())
            changed[:, hour] = row
            if left > 0:
                return None
        return None if saved <= 0 else changed

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
        return constants * self.place.hours.total + float(_at(self.cost, picked).sum())

    def _bought(self, most: Units, picked: Units) -> tuple[dict[str, int], Units]:
        """The cheapest offers for so many of each machine, and how many in use are not to be had.

        What is owned costs nothing. A commitment's instances are used first, so that those in use in all but the
        share of the hours are as many as are used in so many hours.
        """
        used = _at(self.taken, picked).sum(axis=0).T
        bought, missing = {one.offer_id: 0 for one in self.place.constants}, np.zeros_like(most)
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
            missing[m] = left
        return bought, missing


def paired(cost: Floats, taken: Units, picked: Indices, most: Units, worth: Floats) -> tuple[Indices, float]:
    """One hour with the ways of one or two services changed at once as long as that helps, and what it still takes
    beyond the machines there are. Shapes cost (services, ways), taken (services, ways, machines)."""
    picked, every = picked.copy(), np.arange(len(picked))
    services, ways = np.nonzero(np.isfinite(cost))
    # A change of one service alone stands on the diagonal; its other row and column of the same service are none.
    not_both = np.where(services[:, None] == services, np.inf, 0.0)
    alone = np.arange(len(services))
    while True:
        used = taken[every, picked].sum(axis=0)
        dearer = cost[services, ways] - cost[every, picked][services]
        more = (taken[services, ways] - taken[every, picked][services]).astype(np.float64)
        single = dearer.copy()
        change = not_both + dearer[:, None] + dearer
        for m in np.flatnonzero(used + 2 * more.max(axis=0) > most).tolist():
            beyond = float(used[m] - most[m])
            change += np.maximum(beyond + more[:, m, None] + more[:, m], 0.0) * (worth[m] * BEYOND)
            single += np.maximum(beyond + more[:, m], 0.0) * (worth[m] * BEYOND)
        change[alone, alone] = single
        now = float(np.maximum(used - most, 0.0) @ worth)
        first, second = divmod(int(change.argmin()), len(services))
        if change[first, second] >= now * BEYOND - 1e-7:
            return picked, now
        picked[services[[first, second]]] = ways[[first, second]]


def used_always(used: Units, weight: Floats, share: float) -> int:
    """The most instances that are in use in all but a share of the hours."""
    order = np.argsort(used, kind="stable")
    below = np.cumsum(weight[order]) - weight[order]
    return int(used[order][np.flatnonzero(below <= share * weight.sum() + 1e-9)[-1]])


def _near(cost: Floats, menu: Menu, first: Indices, use: Floats) -> Units:
    """Ways worth a look in each hour, shape (hours, ways): that given, then the cheapest at some prices."""
    chosen = [first[None, :]]
    chosen += [(cost + menu.taken @ (use * by)).argsort(axis=0, kind="stable")[:WAYS] for by in MULTIPLES]
    rows = [list(dict.fromkeys(column)) for column in np.concatenate(chosen).T.tolist()]
    width = max(map(len, rows))
    return np.array([row + row[:1] * (width - len(row)) for row in rows])


def _at(values: np.ndarray, picked: Units) -> np.ndarray:
    """values of the way picked, shape as picked and what each way has."""
    index = picked.reshape(picked.shape + (1,) * (values.ndim - picked.ndim))
    return np.take_along_axis(values, index, axis=picked.ndim).squeeze(axis=picked.ndim)


def offers_by_use(place: Place, machine: int) -> Sequence[Constant]:
    """A machine's offers in the order in which their instances are used: commitments, what is owned, what is held."""
    rank = {How.COMMITMENT: 0, How.OWNED: 1, How.HELD: 2}
    return sorted(place.of_machine(machine), key=lambda one: (rank[one.how], one.usd, one.offer_id))
