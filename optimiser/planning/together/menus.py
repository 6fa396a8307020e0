"""What a service may take of the shared machines in an hour, and what the hour costs it beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
class Beside:
    """How hours are filled beside shared units at prices of caps: the tables, and what their items stand for."""

    listed: Listed
    bought: dict[How, list[Bought]]


@dataclass(frozen=True)
class Menu:
    """A set of options of a service, and every way that it may take shared machines in an hour.

    units, shape (ways, options), counts units of each option; taken, shape (ways, machines), instances of each
    machine; usd, shape (ways, hours), what the best hour costs beside them, USD an hour, with what carbon weighs more
    in them than in idle ones: inf where it cannot be, or where a unit would stand by unneeded (`useful`). A way's hours
    are filled as besides[filled[way]] does, of whose fleets it is points[way]; takes, shape (ways, hours, caps), is
    what they take of each cap beside them. whole says
    that units are counted one by one, which a plan needs.
    """

    service: Service
    options: tuple[Option, ...]
    besides: tuple[Beside, ...]
    filled: Indices
    points: Indices
    units: Units
    taken: Units
    usd: Floats
    takes: Units
    whole: bool

    def beside(self, way: int, slot: int) -> list[tuple[Bought, int]]:
        """What runs by the hour and on spot in a slot beside one way."""
        hourly, spot = self._beside(way)
        bought = self.besides[int(self.filled[way])].bought
        spot_items = bought[How.SPOT] if len(spot[slot]) else []
        counts = [*hourly[slot].tolist(), *spot[slot].tolist()]
        return [
            (one, count) for one, count in zip(bought[How.HOURLY] + spot_items, counts, strict=True) if count
        ]

    def _beside(self, way: int) -> tuple[Units, Units]:
        if way not in self._known:
            listed = self.besides[int(self.filled[way])].listed
            self._known[way] = listed.beside(int(self.points[way]))
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
    # A limited quantity by the hour is each service's own here: a plan that takes more of it in all is
    # mended or refused later (limited.py).
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
    constant = Frontier(counted @ rates, np.zeros(len(units)), counted)
    besides = [
        Beside(Listed(one, constant), of) for one, of in _at_prices(place, service, without, leaf, bought)
    ]
    needed = useful(units, units @ rates, leaf, options)
    usd, level = np.full((len(units), len(service.slot)), np.inf), price_levels(place)[1]
    for number, beside in enumerate(besides):
        if not can_be_listed(beside.listed.leaf):
            return None
        by_slot = np.where(needed, beside.listed.by_slot(np.arange(len(units))), np.inf)
        usd[:, level == number] = by_slot[:, service.slot[level == number]]
    points = np.flatnonzero(np.isfinite(usd).any(axis=1))
    taken = _taken(place.machines, options, units[points])
    usd = usd[points]
    usd += _in_use_usd(service, options, units[points])
    takes = np.zeros((*usd.shape, 0), dtype=np.int64)
    filled = np.zeros_like(points)
    return Menu(service, options, tuple(besides), filled, points, units[points], taken, usd, takes, exact)


def price_levels(place: Place) -> tuple[Floats, Indices]:
    """The distinct prices of caps, shape (levels, caps), and which of them each hour has."""
    if not place.caps:
        return np.zeros((1, 0)), np.zeros(len(place.hours.weight), dtype=np.int64)
    levels, which = np.unique(place.cap_usd.T, axis=0, return_inverse=True)
    return levels, which.reshape(-1)


def _at_prices(
    place: Place,
    service: Service,
    options: Sequence[Option],
    leaf: Leaf,
    bought: dict[How, list[Bought]],
) -> Iterator[tuple[Leaf, dict[How, list[Bought]]]]:
    """The leaf of options at each level of prices of caps, and what its items stand for at their own price."""
    real = {(o.id, one.id): one for o in options for one in o.purchases}
    for level in price_levels(place)[0]:
        if not level.any():
            yield leaf, bought
            continue
        dearer = [
            replace(
                o,
                purchases=tuple(
                    replace(
                        one,
                        usd_per_unit_hour=one.usd_per_unit_hour + float(level @ _takes(place, o, one.how)),
                    )
                    for one in o.purchases
                ),
            )
            for o in options
        ]
        priced, of = build_leaf(dearer, service.profiles)
        yield (
            priced,
            {
                how: [replace(one, purchase=real[one.option.id, one.purchase.id]) for one in some]
                for how, some in of.items()
            },
        )


def _takes(place: Place, option: Option, how: How) -> Floats:
    return np.array([cap.taken_by(option, how) for cap in place.caps], dtype=np.float64)


def stacked(place: Place, menus: Sequence[Menu]) -> Menu:
    """Menus of one set, each at one level of prices of caps, as one at what the hours really cost, with what they take
    of the caps; ways that are the same at several levels stand once."""
    first, hours = menus[0], first_hours(menus[0])
    kept: list[tuple[int, Indices, Floats, Units]] = []
    known: dict[bytes, None] = {}
    for number, menu in enumerate(menus):
        (beside,) = menu.besides
        each = [
            np.array(
                [
                    [one.purchase.usd_per_unit_hour, *_takes(place, one.option, how)]
                    for one in beside.bought[how]
                ]
            )
            for how in (How.HOURLY, How.SPOT)
        ]
        each = [one.reshape(-1, 1 + len(place.caps)) for one in each]
        if not beside.listed.leaf.spot:
            each[1] = each[1][:0]
        amounts = beside.listed.amounts(menu.points, *each)[:, menu.service.slot]
        in_use = _in_use_usd(menu.service, menu.options, menu.units)
        usd = np.where(np.isfinite(menu.usd), amounts[:, :, 0] + in_use, np.inf)
        takes = amounts[:, :, 1:].round().astype(np.int64)
        ways = []
        for way in range(len(usd)):
            key = menu.units[way].tobytes() + usd[way, hours].tobytes() + takes[way, hours].tobytes()
            if key not in known:
                known[key] = None
                ways.append(way)
        kept.append((number, np.array(ways, dtype=np.int64), usd, takes))
    return replace(
        first,
        besides=tuple(beside for menu in menus for beside in menu.besides),
        filled=np.concatenate([np.full(len(ways), number) for number, ways, _, _ in kept]),
        points=np.concatenate([menus[n].points[ways] for n, ways, _, _ in kept]),
        units=np.concatenate([menus[n].units[ways] for n, ways, _, _ in kept]),
        taken=np.concatenate([menus[n].taken[ways] for n, ways, _, _ in kept]),
        usd=np.concatenate([usd[ways] for _, ways, usd, _ in kept]),
        takes=np.concatenate([takes[ways] for _, ways, _, takes in kept]),
        whole=all(menu.whole for menu in menus),
    )


def _in_use_usd(service: Service, options: Sequence[Option], units: Units) -> Floats:
    """What carbon weighs more in shared units than if they stood idle, USD an hour, shape (ways, 1)."""
    more: Floats = units @ np.array([service.in_use_usd[option.id] for option in options])
    return more[:, None]


def first_hours(menu: Menu) -> Indices:
    """An hour of each of the service's own distinct demands."""
    return np.unique(menu.service.slot, return_index=True)[1]


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
