"""A site's plan in whole numbers: sets of options that go together are chosen, then machines and hours are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimiser.planning.together.looked import Searched
from optimiser.planning.together.master import Divided, dived, divided
from optimiser.planning.together.menus import Menu
from optimiser.planning.together.ways import Ways
from optimiser.planning.together.whole import Rounding, Whole

# Of so many of the cheapest sets of each service one is chosen, up to so many hours of all services: beyond, the
# cheapest. Up to fewer hours the choice is the best of more and all, and each site that may be cheaper is planned in.
SETS_MIXED, MIXED_HOURS = 6, 10_000
# Sets are chosen by every so many of the hours.
CHOSEN_BY_EVERY = 3
SETS_CHOSEN = 8


def planned(searched: Searched) -> Whole | None:
    """Whole numbers, with the best sets of options or the cheapest of each service alone where hours are few, else
    those chosen one after the other; None where a service has no set that is listed, or nothing carries all."""
    place, few = searched.place, searched.few_hours
    several = place.hours.weight.size * len(searched.choices) <= MIXED_HOURS
    sets = searched.cheapest_menus((SETS_CHOSEN if few else SETS_MIXED) if several else 1)
    if not all(sets):
        return None
    share = searched.share if few else 1.0
    chosen = divided(place, _ways(sets), whole=True, share=share) if few else None
    if chosen is not None:
        numbers = [int(one.argmax()) for one in chosen.shares]
        known = [_planned_with(searched, sets, numbers, several=True, chosen=chosen)]
        known.append(_planned_with(searched, sets, [0] * len(sets), several=True))
        return min((one for one in known if one is not None), key=lambda one: one.usd, default=None)
    if not several:
        return _planned_with(searched, sets, [0] * len(sets), several=False)
    # What some of the hours choose may not fit another.
    for first in (CHOSEN_BY_EVERY, 1):
        dive = dived(place, _ways(sets), share, first)
        whole = None if dive is None else _planned_with(searched, sets, dive, several=True)
        if whole is not None:
            return whole
    return None


def _planned_with(
    searched: Searched,
    sets: Sequence[Sequence[tuple[Menu, Ways]]],
    numbers: Sequence[int],
    *,
    several: bool,
    chosen: Divided | None = None,
) -> Whole | None:
    """Whole numbers with one set of each service, whole machines at once where hours are not too many."""
    place, share = searched.place, searched.share if searched.few_hours else 1.0
    some = [[of[number]] for of, number in zip(sets, numbers, strict=True)]
    start = divided(place, _ways(some), share=share)
    if start is None:
        return None
    whole = chosen or (divided(place, _ways(some), whole=True, share=share) if several else None) or start
    menus = tuple(menu for [(menu, _)] in some)
    return Rounding(place, menus, replace(whole, use=start.use), searched.share).search()


def _ways(sets: Sequence[Sequence[tuple[Menu, Ways]]]) -> list[list[Ways]]:
    return [[ways for _, ways in some] for some in sets]
