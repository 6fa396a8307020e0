"""Services together within caps that the best plan without them breaks: a bound and a plan with caps priced.

Sites are looked into from the least bound up, with caps at prices (`relaxed`); the bound of the others holds without
them. A plan takes its hours from menus at several of those prices, as caps leave room (`whole`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from optimiser.planning.caps import Cap
from optimiser.planning.problem import Floats, Option
from optimiser.planning.together.cap_prices import has_room, levelled, levels_to_fill, levels_to_try
from optimiser.planning.together.looked import Searched
from optimiser.planning.together.master import Divided, divided, fitting, rounded
from optimiser.planning.together.menus import Menu, menu_of, stacked
from optimiser.planning.together.relaxed import even_prices, relaxed_usd
from optimiser.planning.together.services import Place, within
from optimiser.planning.together.ways import Ways, menu_usd, ways_of
from optimiser.planning.together.whole import Rounding, Whole

# Sets that are kept of each service, of those that cost least at each price of caps.
SETS_EACH = 4
# How often ways are added, and what share of the cost they must save to do so again.
BETTER_WAYS, WORTH_MORE_WAYS = 8, 1e-3
# Shares of caps that are left free for the whole numbers to fit in, until they do.
LEFT_FREE = (0.0, 0.02, 0.05, 0.1)

# One set of options for each service.
Sets: TypeAlias = tuple[tuple[Option, ...], ...]


@dataclass(frozen=True)
class Filled:
    """A menu of one set at what its hours really cost, and its best ways."""

    menu: Menu
    ways: Ways


@dataclass(frozen=True)
class Within:
    """A site within caps: its bound, with those priced where they are worth something, and combinations of sets of the
    services that may leave room for all."""

    place: Place
    priced: Searched
    sets: list[Sets]


def looked_within(free: Searched, caps: Sequence[Cap], enough_usd: float) -> Within | None:
    """The site with caps at the prices of sets that leave room, its bound raised as far as they do; None where nothing
    there keeps them."""
    place = within(free.place, caps)
    if not has_room(place):
        return None
    levels = levels_to_try(place)
    filled = _all_filled(place, _cheap_sets(free, place, levels), levels, all_ways=False)
    numbers = fitting(place, [[one.ways for one in some] for some in filled]) if all(filled) else None
    known = [[some[0] for some in filled]] if all(filled) else []
    if numbers is not None:
        known.append([some[n] for some, n in zip(filled, numbers, strict=True)])
    priced = free
    for prices in _prices(place, _cheapest(place, known)):
        if priced is not free and priced.lower_usd > free.lower_usd:
            break
        priced = Searched.of(place.priced(prices), free.share)
        priced.raise_bound(enough_usd, None)
    priced = replace(priced, lower_usd=max(priced.lower_usd, free.lower_usd))
    return Within(place, priced, [tuple(one.menu.options for one in sets) for sets in known])


def _prices(place: Place, found: tuple[Divided, list[Filled]] | None) -> list[Floats]:
    """Prices of caps to bound with, shape (caps, hours): those of the cheapest mix of ways, and the same spread evenly
    over all hours; none where caps do not bind there."""
    if found is None:
        return []
    usd = found[0].use[len(place.machines) :]
    if not usd.any():
        return []
    even = np.tile(usd.sum(axis=1)[:, None] / place.hours.total, len(place.hours.weight))
    return [levelled(place, usd / place.hours.weight), even]


def planned_within(known: Within) -> Whole | None:
    """Whole numbers within the caps of a place: ways, at several prices of caps, of sets that cost least as a mix."""
    place, priced = known.place, known.priced
    levels = levels_to_try(place)
    if priced.place.caps:
        levels = np.hstack([priced.place.cap_usd, levels])
    cheapest = priced.cheapest_sets()
    some = dict.fromkeys([*known.sets, *([] if cheapest is None else [tuple(cheapest)])])
    filled = [_all_filled(place, [[options] for options in sets], levels, all_ways=True) for sets in some]
    found = _cheapest(place, [[one for (one,) in sets] for sets in filled if all(sets)])
    if found is None:
        return None
    sets = _with_better_ways(place, *found)
    menus = tuple(one.menu for one in sets)
    for share in LEFT_FREE:
        caps = tuple(replace(cap, amount=int(cap.amount * (1 - share))) for cap in place.caps)
        start = rounded(replace(place, caps=caps), [[one.ways] for one in sets])
        if start is None:
            return None
        whole = Rounding(place, menus, start, priced.share).search()
        if whole is not None:
            return whole
    return None


def _cheapest(place: Place, known: Sequence[list[Filled]]) -> tuple[Divided, list[Filled]] | None:
    """Of combinations of sets the one that costs least as a mix of ways; None where none has room."""
    found = [
        (start, sets) for sets in known if (start := divided(place, [[one.ways] for one in sets])) is not None
    ]
    usd = [start.usd for start, _ in found]
    return found[int(np.argmin(usd))] if found else None


def _with_better_ways(place: Place, start: Divided, sets: list[Filled]) -> list[Filled]:
    """The same with the ways that the prices of their mix make the best, as long as they save."""
    weight = place.hours.weight
    for _ in range(BETTER_WAYS):
        better = [
            replace(one, ways=one.ways.also(one.menu, menu_usd(one.menu, weight, start.use)[1], weight))
            for one in sets
        ]
        mixed = divided(place, [[one.ways] for one in better])
        if mixed is None or mixed.usd > start.usd * (1 - WORTH_MORE_WAYS):
            break
        start, sets = mixed, better
    return sets


def _cheap_sets(free: Searched, place: Place, levels: Floats) -> list[list[tuple[Option, ...]]]:
    """For each service the sets that cost least without prices of caps and at each of levels, shape (caps, levels), and
    where one is forbidden."""
    at = [_at(place, level) for level in levels_to_fill(levels)]
    found = []
    for service, known in zip(place.services, free.choices, strict=True):
        near = {number: ways.usd(free.prices.use) for number, ways in known.near.items()}
        some = sorted(near, key=near.__getitem__)[:SETS_EACH]
        numbers = dict.fromkeys(some)
        for one in at:
            usd = relaxed_usd(one, service, known.sets, even_prices(one).use)
            numbers |= dict.fromkeys(np.argsort(usd, kind="stable")[:SETS_EACH].tolist())
        found.append([known.sets[number] for number in numbers])
    return found


def _at(place: Place, level: Floats) -> Place:
    """The place with caps at the same prices in all hours."""
    return place.priced(np.tile(level[:, None], len(place.hours.weight)))


def _all_filled(
    place: Place, sets: list[list[tuple[Option, ...]]], levels: Floats, *, all_ways: bool
) -> list[list[Filled]]:
    """The sets of each service that can be listed and serve some hour, filled at levels, shape (caps, levels); with all
    their ways, or those alone that are best at some prices."""
    at = [_at(place, level) for level in levels_to_fill(levels)]
    return [
        [one for options in some if (one := _filled(place, s, options, at, all_ways=all_ways))]
        for s, some in enumerate(sets)
    ]


def _filled(
    place: Place, s: int, options: tuple[Option, ...], levels: Sequence[Place], *, all_ways: bool
) -> Filled | None:
    """The menu of a set filled at each level of prices of caps; None where it cannot be listed or serves no hour."""
    known = []
    for at in levels:
        menu = menu_of(at, place.services[s], options, optimistic=False)
        if menu is None or not len(menu.units):
            continue
        if not all_ways:
            best = np.unique(ways_of(place, menu, alike=True).index)
            menu = replace(
                menu,
                points=menu.points[best],
                filled=menu.filled[best],
                units=menu.units[best],
                taken=menu.taken[best],
                usd=menu.usd[best],
                takes=menu.takes[best],
            )
        known.append((at, menu))
    if not known:
        return None
    menu = stacked(place, [one for _, one in known])
    return Filled(menu, _ways(place, menu, known, alike=not all_ways))


def _ways(place: Place, menu: Menu, levels: Sequence[tuple[Place, Menu]], *, alike: bool) -> Ways:
    """The ways that are best at each level of prices of caps, at several of machines."""
    found, first = [], 0
    for number, (level, one) in enumerate(levels):
        kept = np.flatnonzero(menu.filled == number)
        if not len(kept):
            continue
        takes = menu.takes[kept]
        usd = menu.usd[kept] + takes @ level.cap_usd[:, 0]
        at = replace(one, units=menu.units[kept], taken=menu.taken[kept], usd=usd, takes=takes)
        found.append(ways_of(place, at, alike=alike).index + first)
        first += len(kept)
    return Ways.of(menu, np.column_stack(found), place.hours.weight)
