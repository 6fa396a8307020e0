"""A site as far as it was looked into: which sets of options each service may use, and the bound over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.problem import Floats, Option
from optimiser.planning.tables import Units
from optimiser.planning.together.ascent import Climbed, climb
from optimiser.planning.together.compact import compact
from optimiser.planning.together.menus import Menu, menu_of, sets_of
from optimiser.planning.together.relaxed import Prices, constants_usd, even_prices, relaxed_usd
from optimiser.planning.together.services import Place

ROUNDS = 6
STEPS = 40
# How far above the bound each climb aims: a step towards what prices cannot reach leads away from them.
TARGETS = (1.05, 1.02)
FIRST_MULTIPLES = (1.0, 1.4, 2.0, 3.0, 5.0)
# Sets of a service that prices are set among, beside those of the last such round.
NEAR = 10


@dataclass
class Choices:
    """A service's sets of options, and the menus of those that were looked into (None: too large to list)."""

    sets: list[tuple[Option, ...]]
    menus: dict[int, Menu | None] = field(default_factory=dict)
    near: list[int] = field(default_factory=list)


@dataclass
class Searched:
    """lower_usd bounds every plan of all services in the place, as it is at prices."""

    place: Place
    share: float
    choices: list[Choices]
    lower_usd: float
    prices: Prices

    @classmethod
    def of(cls, place: Place, share: float) -> Searched:
        """Nothing looked into yet, bounded by every machine at its even price."""
        choices = [Choices(sets_of(service)) for service in place.services]
        prices = even_prices(place)
        lower_usd = constants_usd(place, prices, share) + sum(
            float(relaxed_usd(place, service, known.sets, prices.use).min(initial=np.inf))
            for service, known in zip(place.services, choices, strict=True)
        )
        return cls(place, share, choices, lower_usd, prices)

    def raise_bound(self, target_usd: float) -> None:
        """Raise the bound as far as prices do; target_usd is what a plan of these services is known to cost."""
        best = self.fully(even_prices(self.place))
        options = [self._first_options(s) for s in range(len(self.choices))]
        for _ in range(ROUNDS):
            divided = compact(self.place, options, self.share)
            if divided is None:
                break
            best = max(best, self.fully(divided.prices), key=lambda one: one.usd)
            more = [self._with_the_best(s, known) for s, known in enumerate(options)]
            if [len(one) for one in more] == [len(one) for one in options]:
                break
            options = more
        for nearer in TARGETS:
            if best.usd >= target_usd:
                break
            goal = min(best.usd * nearer, target_usd)
            near = climb(self.place, best, self.nearly, goal, self.share, STEPS)
            best = max(best, self.fully(near.prices), key=lambda one: one.usd)
        self.prices = best.prices
        self.lower_usd = max(self.lower_usd, best.usd)

    def _first_options(self, s: int) -> list[Option]:
        """The options of the sets that are cheapest where machines are shared without a gap, and with wide ones."""
        known, even = self.choices[s], even_prices(self.place).use
        found: dict[str, Option] = {}
        for multiple in FIRST_MULTIPLES:
            usd = relaxed_usd(self.place, self.place.services[s], known.sets, even * multiple)
            for number in np.argsort(usd, kind="stable")[:NEAR].tolist():
                found |= {option.id: option for option in known.sets[number]}
        return list(found.values())

    def _with_the_best(self, s: int, options: list[Option]) -> list[Option]:
        """The options, and those of the sets that were cheapest at the last prices."""
        known = self.choices[s]
        best = [option for number in known.near[:NEAR] for option in known.sets[number]]
        return list({option.id: option for option in [*options, *best]}.values())

    def fully(self, prices: Prices) -> Climbed:
        """The bound at prices over all sets of every service."""
        total = constants_usd(self.place, prices, self.share)
        taken = np.zeros_like(prices.use)
        for s in range(len(self.choices)):
            usd, used = self._service(s, prices.use)
            total += usd
            taken += used
        return Climbed(total, prices, taken)

    def nearly(self, prices: Prices) -> tuple[float, Floats]:
        """What the bound would be over the sets looked into alone."""
        total = constants_usd(self.place, prices, self.share)
        taken = np.zeros_like(prices.use)
        for s, known in enumerate(self.choices):
            near = [menu for number in known.near if (menu := known.menus[number]) is not None]
            if not near:
                usd, used = self._service(s, prices.use)
            else:
                usd, used = min((self._menu_usd(menu, prices.use) for menu in near), key=lambda one: one[0])
            total += usd
            taken += used
        return total, taken

    def _service(self, s: int, use: Floats) -> tuple[float, Floats]:
        """The cheapest set of a service at prices of use, looking only into those that may be it."""
        place, known = self.place, self.choices[s]
        least = relaxed_usd(place, place.services[s], known.sets, use)
        best, unlisted, taken = np.inf, np.inf, np.zeros_like(use)
        found: list[tuple[float, int]] = []
        for number in np.argsort(least, kind="stable").tolist():
            if least[number] >= best:
                break
            menu = self.menu(s, number)
            if menu is None or not menu.whole:
                # All that is known of a set too large to list is its relaxation.
                unlisted = min(unlisted, float(least[number]))
                continue
            usd, used = self._menu_usd(menu, use)
            found.append((usd, number))
            if usd < best:
                best, taken = usd, used
        kept = dict.fromkeys([number for _, number in sorted(found)][:NEAR] + known.near)
        known.near = list(kept)[: 2 * NEAR]
        return min(best, unlisted), taken

    def _menu_usd(self, menu: Menu, use: Floats) -> tuple[float, Floats]:
        cost = cost_of(menu, self.place.hours.weight, use)
        ways = cost.argmin(axis=0)
        return float(cost[ways, np.arange(cost.shape[1])].sum()), menu.taken[ways].T.astype(np.float64)

    def cheapest_menus(self) -> tuple[tuple[Menu, ...], Units] | None:
        """The menu that is cheapest for each service at the prices, and the most that all take there of each machine
        in any hour; None where a service has none that is listed."""
        use = self.prices.use
        menus, taken = [], np.zeros_like(use)
        for s, known in enumerate(self.choices):
            near = [menu for number in known.near if (menu := self.menu(s, number)) is not None]
            if not near:
                return None
            usd, used, menu = min(
                ((*self._menu_usd(one, use), one) for one in near), key=lambda found: found[0]
            )
            if not np.isfinite(usd):
                return None
            menus.append(menu)
            taken += used
        return tuple(menus), taken.max(axis=1).astype(np.int64)

    def menu(self, s: int, number: int) -> Menu | None:
        """The menu of a set of a service."""
        known = self.choices[s]
        if number not in known.menus:
            known.menus[number] = menu_of(self.place, self.place.services[s], known.sets[number])
        return known.menus[number]


def cost_of(menu: Menu, weight: Floats, use: Floats) -> Floats:
    """What each way costs in each hour at prices of use, USD over the horizon, shape (ways, hours)."""
    cost: Floats = menu.usd * weight + menu.taken @ use
    return cost
