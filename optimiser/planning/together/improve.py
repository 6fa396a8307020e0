"""A plan of few hours made cheaper: services answer each other, and one after the other takes a set near its best.

Each set is first judged by its programme, then rounded as the first plans are; after each that saves services answer
each other again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.together.bought import bought_for
from optimiser.planning.together.looked import Searched
from optimiser.planning.together.master import Divided, divided
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.relaxed import relaxed_usd
from optimiser.planning.together.respond import Answers, Responses, Sets
from optimiser.planning.together.ways import menu_usd, ways_of
from optimiser.planning.together.whole import Rounding, Whole

# Sets of each service that are looked at, of so many ways × hours in all.
SETS, CELLS = 60, 3_000_000
# Changes of one set that are rounded, at most and times hours of all services; programmes that are solved for each.
ROUNDED, ROUNDED_HOURS, PROGRAMMES = 24, 1_000, 3


def improved(searched: Searched, found: Whole | None) -> Whole | None:
    """A plan no dearer than the one found, if any; None where no service answers another either."""
    place = searched.place
    sets = [_sets(searched, s, None if found is None else found.menus[s]) for s in range(len(place.services))]
    if not all(one.menus for one in sets):
        return found
    responses = Responses(place, sets, searched.share, searched.lower_usd)
    order = range(len(sets))
    begun = [one for some in (order, order[::-1]) if (one := responses.in_order(some)) is not None]
    if found is not None:
        begun.append(_answering(responses, found))
    if not begun:
        return found
    best = min(begun, key=lambda one: one.usd)
    rounded = min(ROUNDED, ROUNDED_HOURS // (len(sets) * len(place.hours.weight)))
    programmes, tried = PROGRAMMES * rounded, {best.menus}
    while rounded and programmes:
        menus = next((one for one in _changed(responses, best) if one not in tried), None)
        if menus is None:
            break
        tried.add(menus)
        programmes -= 1
        some = [one.menus[n] for one, n in zip(sets, menus, strict=True)]
        start = _mixed(searched, some, whole=False)
        if start is None or start.usd >= best.usd:
            continue
        rounded -= 1
        first = _mixed(searched, some, whole=True) or start
        whole = Rounding(place, tuple(some), replace(first, use=start.use), searched.share).search()
        if whole is not None:
            best = min(best, _answering(responses, whole), key=lambda one: one.usd)
    return _whole(responses, best)


def _sets(searched: Searched, s: int, planned: Menu | None) -> Sets:
    """The sets of a service that cost least at the prices, and the one that is planned."""
    place, known, use = searched.place, searched.choices[s], searched.prices.use
    least = relaxed_usd(place, place.services[s], known.sets, use)
    found: list[tuple[float, Menu]] = []
    cells = 0
    for number in np.argsort(least, kind="stable").tolist():
        if len(found) >= SETS or cells > CELLS or not np.isfinite(least[number]):
            break
        menu = searched.menu(s, number)
        if menu is not None and menu.whole and len(menu.units):
            cells += menu.usd.size
            usd = menu_usd(menu, place.hours.weight, use)[0]
            if np.isfinite(usd):
                found.append((usd, menu))
    if planned is not None and all(menu is not planned for _, menu in found):
        found.append((menu_usd(planned, place.hours.weight, use)[0], planned))
    found.sort(key=lambda one: one[0])
    each = np.array([usd for usd, _ in found])
    return Sets(tuple(menu for _, menu in found), each - each.min(initial=np.inf))


def _changed(responses: Responses, best: Answers) -> Iterator[tuple[int, ...]]:
    """The best plan's sets with one changed that may save, those first that are least dear at the prices."""
    changes = sorted(
        (float(usd), s, n)
        for s, some in enumerate(responses.sets)
        for n, usd in enumerate(some.dearer)
        if responses.lower_usd + usd < best.usd
    )
    for _, s, n in changes:
        yield (*best.menus[:s], n, *best.menus[s + 1 :])


def _mixed(searched: Searched, menus: Sequence[Menu], *, whole: bool) -> Divided | None:
    place, use = searched.place, searched.prices.use
    weight = place.hours.weight
    ways = [[ways_of(place, menu).also(menu, menu_usd(menu, weight, use)[1], weight)] for menu in menus]
    return divided(place, ways, whole=whole, share=searched.share)


def _answering(responses: Responses, found: Whole) -> Answers:
    """A plan, services having answered each other."""
    numbers = tuple(
        next(n for n, one in enumerate(some.menus) if one is menu)
        for some, menu in zip(responses.sets, found.menus, strict=True)
    )
    return responses.in_turn(Answers(responses.usd(numbers, found.ways), numbers, found.ways))


def _whole(responses: Responses, best: Answers) -> Whole:
    menus = tuple(some.menus[n] for some, n in zip(responses.sets, best.menus, strict=True))
    used = np.sum([menu.taken[row] for menu, row in zip(menus, best.ways, strict=True)], axis=0)
    bought, _ = bought_for(responses.place, used.max(axis=0), used.T, responses.share)
    return Whole(best.usd, bought, best.ways, menus)
