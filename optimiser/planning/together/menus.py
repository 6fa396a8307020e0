"""What a service may take of the shared machines in an hour, and what the hour costs it beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimiser.planning.decompose import Listed, can_be_listed
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Bought, build_leaf
from optimiser.planning.option_sets import option_sets
from optimiser.planning.problem import CONSTANT, Floats, How, Option
from optimiser.planning.tables import Frontier, Indices, Units
from optimiser.planning.together.services import Machine, Place, Service, machine_of

# Ways to take shared machines × distinct hours that are looked at one by one; beyond, a set has its relaxation alone.
MENU_CELLS = 6_000_000


@dataclass(frozen=True)
class Menu:
    """A set of options of a service, and every way that it may take shared machines in an hour.

    units, shape (ways, options), counts units of each option; taken, shape (ways, machines), instances of each
    machine; usd, shape (ways, hours), what the best hour costs beside them, USD an hour: inf where it cannot be, or
    where a unit would stand by unneeded (`useful`). points are the ways among those of `listed`; whole says that they
    are all there are.
    """

    service: Service
    options: tuple[Option, ...]
    listed: Listed
    bought: dict[How, list[Bought]]
    points: Indices
    units: Units
    taken: Units
    usd: Floats
    whole: bool

    def beside(self, way: int, slot: int) -> list[tuple[Bought, int]]:
        """What runs by the hour and on spot in a slot beside one way."""
        hourly, spot = self._beside(way)
        spot_items = self.bought[How.SPOT] if len(spot[slot]) else []
        bought = self.bought[How.HOURLY] + spot_items
        counts = [*hourly[slot].tolist(), *spot[slot].tolist()]
        return [(one, count) for one, count in zip(bought, counts, strict=True) if count]

    def _beside(self, way: int) -> tuple[Units, Units]:
        if way not in self._known:
            self._known[way] = self.listed.beside(int(self.points[way]))
        return self._known[way]

    @cached_property
    def _known(self) -> dict[int, tuple[Units, Units]]:
        return {}


def sets_of(service: Service) -> list[tuple[Option, ...]]:
    """The sets of options that a service may use throughout."""
    return list(option_sets(service.problem.options, service.problem.policy))


def menu_of(place: Place, service: Service, options: tuple[Option, ...]) -> Menu | None:
    """The menu of a set of options, not whole where it is long; None where its hours are too many to be listed."""
    without = [replace(o, purchases=tuple(p for p in o.purchases if p.how not in CONSTANT)) for o in options]
    # A limited quantity by the hour is each service's own here: a plan that takes more of it in all is refused later.
    leaf, bought = build_leaf(without, service.profiles)
    if not can_be_listed(leaf):
        return None
    units = _ways(options, leaf)
    capacity = units @ np.array([option.rate_rps for option in options])
    constant = Frontier(capacity, np.zeros(len(units)), units)
    listed = Listed(leaf, constant)
    menu = sum(len(table.capacity) for _, table in listed.menus)
    cells = len(leaf.levels.total) * menu
    whole = len(units) * cells <= MENU_CELLS
    if not whole:
        some = _fewer(units, options, max(MENU_CELLS // cells, 1))
        units, capacity = units[some], capacity[some]
        listed = Listed(leaf, Frontier(capacity, np.zeros(len(units)), units))
    usd = np.where(useful(units, capacity, leaf, options), listed.by_slot(np.arange(len(units))), np.inf)
    points = np.flatnonzero(np.isfinite(usd).any(axis=1))
    taken = _taken(place.machines, options, units[points])
    return Menu(
        service, options, listed, bought, points, units[points], taken, usd[points][:, service.slot], whole
    )


def useful(units: Units, capacity: Floats, leaf: Leaf, options: tuple[Option, ...]) -> np.ndarray:
    """Whether every shared unit is needed, shape (ways, slots): with the smallest fewer the hour would lack capacity,
    or the shared units make no more than the floor."""
    smallest = min(option.rate_rps for option in options)
    needed = capacity[:, None] < leaf.levels.total + smallest - 1e-9
    fills_floor = units.sum(axis=1) <= leaf.floor
    return np.asarray(needed | fills_floor[:, None])


def _ways(options: tuple[Option, ...], leaf: Leaf) -> Units:
    """Every number of units of each option that some hour may need, shape (ways, options)."""
    rates = [option.rate_rps for option in options]
    beyond = max(float(leaf.levels.total[-1]) + min(rates), leaf.floor * max(rates) + min(rates))
    every = np.zeros((1, 0), dtype=np.int64)
    for number, option in enumerate(options):
        known = any(p.how in CONSTANT for p in option.purchases)
        most = math.ceil(beyond / option.rate_rps) if known else 0
        count = np.tile(np.arange(most + 1), len(every))
        every = np.column_stack([np.repeat(every, most + 1, axis=0), count])
        every = every[every @ np.array(rates[: number + 1]) < beyond]
    return every


def _fewer(units: Units, options: tuple[Option, ...], most: int) -> Indices:
    """So many of the ways, those first that leave the smaller options out."""
    order = np.argsort([-option.rate_rps for option in options], kind="stable")
    return np.sort(np.lexsort([units[:, order[0]], *(units[:, column] for column in order[1:])])[:most])


def _taken(machines: tuple[Machine, ...], options: tuple[Option, ...], units: Units) -> Units:
    taken = np.zeros((len(units), len(machines)), dtype=np.int64)
    for number, option in enumerate(options):
        if machine_of(option) in machines:
            column = machines.index(machine_of(option))
            taken[:, column] += units[:, number] * option.estimate.setup.instances_per_unit
    return taken
