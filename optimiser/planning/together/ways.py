"""The ways of a menu that some prices make the best: few enough to look at over and over."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.relaxed import even_prices
from optimiser.planning.together.services import Place

# Multiples of even prices whose best ways are kept: of two machines, those of all pairs.
MULTIPLES = (0.0, 0.5, 1.0, 2.0, 6.0)


@dataclass(frozen=True)
class Ways:
    """index, shape (hours, ways), is of the menu's, and may name one twice; cost, alike, USD over the horizon beside
    shared machines; taken, instances of each of some machines, shape (machines, hours, ways); takes, of each cap beside
    them, shape (hours, ways, caps)."""

    index: Indices
    cost: Floats
    machines: Indices
    taken: Floats
    takes: Units

    @classmethod
    def of(cls, menu: Menu, ways: Indices, weight: Floats) -> Ways:
        """Some ways of each hour, shape (hours, any number)."""
        some = np.sort(ways, axis=1)
        again = np.zeros(some.shape, dtype=bool)
        again[:, 1:] = some[:, 1:] == some[:, :-1]
        # Each hour's distinct ways from left to right, and its first where it has fewer than another.
        some = np.where(again, some[:, :1], some)
        order = np.argsort(again, axis=1, kind="stable")[:, : int((~again).sum(axis=1).max())]
        index = np.take_along_axis(some, order, axis=1)
        cost = menu.usd[index, np.arange(len(index))[:, None]] * weight[:, None]
        machines = np.flatnonzero(menu.taken.any(axis=0))
        taken = menu.taken[index][:, :, machines].transpose(2, 0, 1).astype(np.float64)
        takes = menu.takes[index, np.arange(len(index))[:, None]]
        # Hours lie side by side: the least of few ways in each is then taken at many times the speed.
        by_way = np.ascontiguousarray(taken.transpose(0, 2, 1)).transpose(0, 2, 1)
        return cls(index, np.asfortranarray(cost), machines, by_way, takes)

    def also(self, menu: Menu, ways: Indices, weight: Floats) -> Ways:
        """With one more way in each hour."""
        if (self.index == ways[:, None]).any(axis=1).all():
            return self
        return Ways.of(menu, np.column_stack([self.index, ways]), weight)

    def at(self, use: Floats) -> Floats:
        """What each way costs at prices of use, shape (hours, ways)."""
        cost = self.cost
        for machine, taken in zip(self.machines.tolist(), self.taken, strict=True):
            cost = cost + taken * use[machine][:, None]
        return cost

    def usd(self, use: Floats) -> float:
        """The least that all hours cost at prices of use."""
        return float(self.at(use).min(axis=1).sum())


def ways_of(place: Place, menu: Menu, *, alike: bool = False) -> Ways:
    """The ways of a menu that are best at multiples of even prices, the same in all hours, and for all machines where
    alike."""
    machines, even = np.flatnonzero(menu.taken.any(axis=0)), even_prices(place).use
    some, best = np.zeros_like(even), []
    every = (
        [(one,) * len(machines) for one in MULTIPLES] if alike else product(MULTIPLES, repeat=len(machines))
    )
    for multiples in every:
        some[machines] = np.array(multiples)[:, None] * even[machines]
        best.append(menu_usd(menu, place.hours.weight, some)[1])
    return Ways.of(menu, np.array(best).T, place.hours.weight)


def menu_usd(menu: Menu, weight: Floats, use: Floats) -> tuple[float, Indices]:
    """The least that a service's hours cost at prices of use, of machines and then of any caps, USD over the horizon
    (inf where no way serves), and the way of each hour."""
    if not len(menu.units):
        return np.inf, np.zeros(menu.usd.shape[1], dtype=np.intp)
    machines = np.flatnonzero(menu.taken.any(axis=0))
    cost = menu.usd * weight + menu.taken[:, machines] @ use[machines]
    for cap, each in enumerate(use[menu.taken.shape[1] :]):
        cost += menu.takes[:, :, cap] * each
    ways = cost.argmin(axis=0)
    return float(cost[ways, np.arange(cost.shape[1])].sum()), ways
