"""What a service may take of the shared machines in an hour, and what the hour costs it beside them."""

from __future__ import annotations

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

# Ways to take shared machines × distinct hours that are looked at one by one; where there would be more, a bound
# counts units in bundles and a plan leaves ways out.
MENU_CELLS = 3_000_000


@dataclass(frozen=True)
class Menu:
    """A set of options of a service, and every way that it may take shared machines in an hour.

    units, shape (ways, options), counts units of each option; taken, shape (ways, machines), instances of each
    machine; usd, shape (ways, hours), what the best hour costs beside them, USD an hour: inf where it cannot be, or
    where a unit would stand by unneeded (`useful`). points are the ways among those of `listed`; whole says that units
    are counted one by one, which a plan needs.
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


def menu_of(place: Place, service: Service, options: tuple[Option, ...], *, optimistic: bool) -> Menu | None:
    """The menu of a set of options; None where its hours are too many to be listed.

    Where its ways are too many, optimistic counts units in bundles, a bundle for what its first unit costs: no plan
    is dearer than such ways, so they bound it. Else some of its ways are left out.
    """
    without = [replace(o, purchases=tuple(p for p in o.purchases if p.how not in CONSTANT)) for o in options]
    # A limited quantity by the hour is each service's own here: a plan that takes more of it in all is refused later.
    leaf, bought = build_leaf(without, service.profiles)
    if not can_be_listed(leaf):
        return None
    listed = Listed(leaf, Frontier(np.zeros(1), np.zeros(1), np.zeros((1, 0), dtype=np.int64)))
    menu = sum(len(table.capacity) for _, table in listed.menus) if leaf.hourly else 1
    most = max(MENU_CELLS // (len(leaf.levels.total) * menu), 1)
    counted, units, exact = _ways(options, leaf, most if optimistic else MENU_CELLS)
    units = units if optimistic else counted
    rates = np.array([option.rate_rps for option in options])
    if not optimistic and len(units) > most:
        some = _fewer(units, options, most)
        counted, units = counted[some], units[some]
    listed = Listed(leaf, Frontier(counted @ rates, np.zeros(len(units)), counted))
    usd = np.where(useful(units, units @ rates, leaf, options), listed.by_slot(np.arange(len(units))), np.inf)
    points = np.flatnonzero(np.isfinite(usd).any(axis=1))
    taken = _taken(place.machines, options, units[points])
    usd = usd[points][:, service.slot]
    return Menu(service, options, listed, bought, points, units[points], taken, usd, exact)


def useful(units: Units, capacity: Floats, leaf: Leaf, options: tuple[Option, ...]) -> np.ndarray:
    """Whether every shared unit is needed, shape (ways, slots): with the smallest of the way's own fewer the hour would
    lack capacity, or the shared units make no more than the floor."""
    needed = capacity[:, None] < leaf.levels.total + _smallest(units, options)[:, None] - 1e-9
    fills_floor = units.sum(axis=1) <= leaf.floor
    return np.asarray(needed | fills_floor[:, None])


def _smallest(units: Units, options: tuple[Option, ...]) -> Floats:
    """The rate of the smallest unit of each way, req/s, inf where it takes none."""
    rates = np.array([option.rate_rps for option in options])
    return np.asarray(np.where(units > 0, rates, np.inf).min(axis=1))


def _ways(options: tuple[Option, ...], leaf: Leaf, most: int) -> tuple[Units, Units, bool]:
    """Every number of units of each option that some hour may need, shape (ways, options); where they are more than
    most, in bundles: units as they count, units as they cost (a bundle is at least its first), and whether all are
    exact."""
    rates = np.array([option.rate_rps for option in options])
    beyond = max(float(leaf.levels.total[-1]), leaf.floor * rates.max()) + rates.max()
    known = np.array([any(p.how in CONSTANT for p in option.purchases) for option in options])
    reach = np.where(known, np.ceil(beyond / rates), 0).astype(np.int64)
    bundle = np.ones_like(reach)
    while np.prod(reach // bundle + 1.0) > most * max(int(known.sum()), 1):
        bundle[np.argmax(reach // bundle)] *= 2
    axes = [np.arange(0, n + k, k) for n, k in zip(reach, bundle, strict=True)]
    counted = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(options))
    units = np.where(counted > 0, counted - bundle + 1, 0)
    needed = units @ rates < float(leaf.levels.total[-1]) + _smallest(units, options)
    inside = needed | (units.sum(axis=1) <= leaf.floor)
    return counted[inside], units[inside], bool((bundle == 1).all())


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
