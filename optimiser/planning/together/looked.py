"""A site as far as it was looked into: which sets of options each service may use, and the bound over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.problem import Floats, Option
from optimiser.planning.together.ascent import Climbed, Priced, climb
from optimiser.planning.together.menus import Menu, menu_of, sets_of
from optimiser.planning.together.near import Near
from optimiser.planning.together.relaxed import (
    Prices,
    constants_usd,
    even_prices,
    made_valid,
    relaxed_usd,
    unlimited_usd,
)
from optimiser.planning.together.services import Place
from optimiser.planning.together.ways import Ways, menu_usd, ways_of

# Steps of each climb among the ways and sets near the best, and how far above the bound they aim; after each, all are
# looked at.
STEPS = ((200, 0.02), (200, 0.015), (300, 0.007), (300, 0.004), (300, 0.002))
# The first climb where hours of all services are few: sets that are not looked at yet mislead a longer one.
FIRST_STEPS, FEW_HOURS = (50, 0.02), 1_000
# What the site whose bound is the least is climbed on by.
FURTHER = (300, 0.002)
# How many of the climbs are for prices that begin far from the best.
FAR = 1
# Sets of a service that become near ones at each look, and the multiples of even prices at the first.
SETS_KEPT = 3
FIRST_MULTIPLES = (1.5, 2.5)


@dataclass
class Choices:
    """A service's sets of options, the menus of those that were looked into (None: too large to list), and the best
    ways of those that are near the best set."""

    sets: list[tuple[Option, ...]]
    menus: dict[int, Menu | None] = field(default_factory=dict)
    near: dict[int, Ways] = field(default_factory=dict)


@dataclass
class Searched:
    """lower_usd bounds every plan of all services in the place, as it is at prices."""

    place: Place
    share: float
    choices: list[Choices]
    lower_usd: float
    prices: Prices
    taken: Floats

    @classmethod
    def of(cls, place: Place, share: float) -> Searched:
        """Nothing looked into yet, bounded by every machine at its even price."""
        choices = [Choices(sets_of(service)) for service in place.services]
        prices = even_prices(place)
        lower_usd = constants_usd(place, prices, share) + sum(
            float(relaxed_usd(place, service, known.sets, prices.use).min(initial=np.inf))
            for service, known in zip(place.services, choices, strict=True)
        )
        return cls(place, share, choices, lower_usd, prices, np.zeros_like(prices.use))

    @property
    def few_hours(self) -> bool:
        """Whether all services have few hours to look at."""
        return self.place.hours.weight.size * len(self.choices) <= FEW_HOURS

    @property
    def shape(self) -> Floats:
        """How the prices of all machines, by the most that is taken of them, are spread over the hours; sums to 1."""
        paid = self.taken.max(axis=1) @ np.maximum(self.prices.use, 0.0)
        weight = self.place.hours.weight
        return np.asarray(paid / paid.sum() if paid.any() else weight / weight.sum())

    def raise_bound(self, enough_usd: float, like: Searched | None) -> None:
        """Raise the bound as far as prices do, or to what is enough, from even prices or from those of a like site."""
        start = even_prices(self.place) if like is None else self._prices_like(like)
        best = self.fully(start)
        prices = start
        if best.usd < enough_usd and like is None:
            for multiple in FIRST_MULTIPLES:
                self.fully(Prices(start.use * multiple, start.credit))
        climbs = STEPS[0 if like is None else FAR :]
        climbs = (FIRST_STEPS, *climbs) if self.few_hours and like is None else climbs
        for steps, ahead in climbs if best.usd < enough_usd else ():
            nearly = self.nearly()
            # Where the ways near the best misled the last climb, the best prices are nearer.
            begin = max((_at(nearly, one) for one in (prices, best.prices)), key=_usd)
            reached = climb(self.place, begin, nearly, self.share, steps, ahead)
            full, prices = self.fully(reached.prices), reached.prices
            best = max(best, full, key=_usd)
            if best.usd >= enough_usd:
                break
        self.prices, self.taken = best.prices, best.taken
        self.lower_usd = max(self.lower_usd, best.usd)

    def raised_further(self) -> bool:
        """Whether one more climb from the best prices, after those of raise_bound, raises the bound."""
        if not self.taken.any():
            return False
        nearly = self.nearly()
        begin = _at(nearly, self.prices)
        reached = climb(self.place, begin, nearly, self.share, *FURTHER)
        full = self.fully(reached.prices)
        if full.usd <= self.lower_usd:
            return False
        self.prices, self.taken, self.lower_usd = full.prices, full.taken, full.usd
        return True

    def _prices_like(self, like: Searched) -> Prices:
        """Another site's prices of the same instance types, as much more as these cost more here; of other types even
        prices, spread over the hours as all of the other site's are."""
        there = {machine.instance_type: n for n, machine in enumerate(like.place.machines)}
        even = even_prices(self.place)
        use, credit = even.use.sum(axis=1)[:, None] * like.shape, even.credit.copy()
        for m, machine in enumerate(self.place.machines):
            if (n := there.get(machine.instance_type)) is not None:
                dearer = unlimited_usd(self.place, m) / max(unlimited_usd(like.place, n), 1e-9)
                use[m], credit[m] = like.prices.use[n] * dearer, like.prices.credit[n] * dearer
        return made_valid(self.place, Prices(use, credit), self.share)

    def fully(self, prices: Prices) -> Climbed:
        """The bound at prices over all sets of every service."""
        total = constants_usd(self.place, prices, self.share)
        taken = np.zeros_like(prices.use)
        for s in range(len(self.choices)):
            usd, used = self._service(s, prices.use)
            total += usd
            taken += used
        return Climbed(total, prices, taken)

    def nearly(self) -> Priced:
        """What the bound would be at prices over the ways and sets near the best alone."""
        some = [s for s, known in enumerate(self.choices) if known.near]
        near = Near.of([self.choices[s].near for s in some]) if some else None
        others = [s for s in range(len(self.choices)) if s not in some]

        def priced(prices: Prices) -> tuple[float, Floats]:
            total = constants_usd(self.place, prices, self.share)
            usd, taken = near.least(prices.use) if near else (0.0, np.zeros_like(prices.use))
            for s in others:
                more, used = self._service(s, prices.use)
                usd, taken = usd + more, taken + used
            return total + usd, taken

        return priced

    def _service(self, s: int, use: Floats) -> tuple[float, Floats]:
        """The cheapest set of a service at prices of use, looking only into those that may be it."""
        place, known = self.place, self.choices[s]
        least = relaxed_usd(place, place.services[s], known.sets, use)
        best, unlisted, taken = np.inf, np.inf, np.zeros_like(use)
        found: list[tuple[float, int, Menu]] = []
        for number in np.argsort(least, kind="stable").tolist():
            if least[number] >= best:
                break
            menu = self.menu(s, number)
            if menu is None:
                # All that is known of a set too large to list is its relaxation.
                unlisted = min(unlisted, float(least[number]))
                continue
            usd, ways = menu_usd(menu, place.hours.weight, use)
            if np.isfinite(usd):
                found.append((usd, number, menu))
            if usd < best:
                best, taken = usd, menu.taken[ways].T.astype(np.float64)
        for _, number, menu in sorted(found, key=lambda one: one[:2])[:SETS_KEPT]:
            near = known.near.get(number) or ways_of(place, menu)
            known.near[number] = near.also(
                menu, menu_usd(menu, place.hours.weight, use)[1], place.hours.weight
            )
        return min(best, unlisted), taken

    def menu(self, s: int, number: int) -> Menu | None:
        """The menu of a set of a service, to bound it with."""
        known = self.choices[s]
        if number not in known.menus:
            service = self.place.services[s]
            known.menus[number] = menu_of(self.place, service, known.sets[number], optimistic=True)
        return known.menus[number]

    def cheapest_sets(self) -> list[tuple[Option, ...]] | None:
        """The set that is cheapest for each service at the prices; None where a service has none that is listed."""
        numbers = self._cheapest(1)
        if not all(numbers):
            return None
        return [known.sets[number] for known, [number] in zip(self.choices, numbers, strict=True)]

    def cheapest_menus(self, sets: int) -> list[list[tuple[Menu, Ways]]]:
        """The menus to plan with, and their best ways, of so many of the sets that are cheapest for each service at
        the prices; none of sets that are not listed."""
        return [
            [one for number in some if (one := self._to_plan(s, number))]
            for s, some in enumerate(self._cheapest(sets))
        ]

    def _cheapest(self, sets: int) -> list[list[int]]:
        usd = [
            {number: near.usd(self.prices.use) for number, near in known.near.items()}
            for known in self.choices
        ]
        return [sorted(one, key=one.__getitem__)[:sets] for one in usd]

    def _to_plan(self, s: int, number: int) -> tuple[Menu, Ways] | None:
        menu, known = self.menu(s, number), self.choices[s]
        if menu is not None and menu.whole:
            return menu, known.near[number]
        menu = menu_of(self.place, self.place.services[s], known.sets[number], optimistic=False)
        if menu is None or not len(menu.units):
            return None
        weight = self.place.hours.weight
        return menu, ways_of(self.place, menu).also(menu, menu_usd(menu, weight, self.prices.use)[1], weight)


def _at(priced: Priced, prices: Prices) -> Climbed:
    usd, taken = priced(prices)
    return Climbed(usd, prices, taken)


def _usd(one: Climbed) -> float:
    return one.usd
