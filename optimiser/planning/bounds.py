"""What a set of options costs at least: units divisible, pools unlimited, no floor. Many sets at once.

Given the constant capacity S, the best hour fills firm capacity at the cheapest rate on demand and the rest at
the cheapest of on demand and spot, so

    cost(S) = hours · constant(S) + hourly · Σ hours · (F − S)⁺ + min(hourly, spot) · Σ hours · ((T − S)⁺ − (F − S)⁺)

is convex and piecewise linear with corners at the levels T and F and where commitments end: the least of its
corners is the optimum of the linear relaxation, a lower bound on every fleet of the set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.problem import Floats, How, Option, Problem
from optimiser.planning.requirements import Levels, levels

ORDER = (How.COMMITMENT, How.HELD, How.HOURLY, How.SPOT)


@dataclass
class Profiles:
    """Capacity levels by largest unit, with what the relaxation needs of them; computed once per rate."""

    problem: Problem
    _known: dict[float, tuple[Levels, Floats, Floats, Floats]] = field(default_factory=dict)
    _pools: dict[tuple[float, float], int] = field(default_factory=dict)
    _cheapest: dict[str, Floats] = field(default_factory=dict)

    def at(self, largest_rps: float) -> Levels:
        """Capacity levels of a fleet whose largest unit is largest_rps."""
        return self._profile(largest_rps)[0]

    def committed_below(self, rate: float) -> float:
        """What commitments must stay below where the smallest unit in use is `rate`, req/s; inf without limit."""
        if self.problem.policy.commitment_hours_share >= 1:
            return math.inf
        return self.at(rate).committed + rate

    def pools_at(self, largest_rps: float, rate: float) -> int:
        """How many spot pools of units of one rate can ever be of use.

        A slot uses at most ⌊(T − F) / rate⌋ + 1 such units, and a pool holds ⌊P / rate⌋ of them.
        """
        key = (largest_rps, rate)
        if key not in self._pools:
            level = self.at(largest_rps)
            usable = level.pool >= rate - 1e-9
            held = np.floor(np.minimum(level.pool, 1e15)[usable] / rate + 1e-9)
            wanted = np.floor((level.total - level.firm)[usable] / rate + 1e-9) + 1
            self._pools[key] = int(np.ceil(wanted / held).max()) if usable.any() else 0
        return self._pools[key]

    def cheapest(self, options: Iterable[Option]) -> Floats:
        """Lowest USD per req/s and hour of each way to pay (ORDER) among options; inf where there is none."""
        found: Floats = np.min([self._cheapest_of(option) for option in options], axis=0)
        return found

    def bounds(self, level_rps: float, cheapest: Floats, committed_below: Floats) -> Floats:
        """Lower bound in USD over the horizon of each set; cheapest (sets, 4), committed_below (sets,)."""
        level, corner, above_total, above_firm = self._profile(level_rps)
        costs = _relaxed(level, cheapest, committed_below, corner, above_total, above_firm)
        ends = np.minimum(committed_below, level.total[-1])[:, None]
        at_end = _relaxed(
            level,
            cheapest,
            committed_below,
            ends,
            _above(level.total, ends, level),
            _above(level.firm, ends, level),
        )
        inside = committed_below < level.total[-1]
        least: Floats = np.minimum(costs.min(axis=1), np.where(inside, at_end[:, 0], np.inf))
        return least

    def _profile(self, largest_rps: float) -> tuple[Levels, Floats, Floats, Floats]:
        """Levels, corners, and the req/s-hours of total and firm above each corner."""
        if largest_rps not in self._known:
            level = levels(self.problem, largest_rps)
            corner = np.unique(np.concatenate([[0.0], level.total, level.firm]))
            above = _above(level.total, corner, level), _above(level.firm, corner, level)
            self._known[largest_rps] = (level, corner, *above)
        return self._known[largest_rps]

    def _cheapest_of(self, option: Option) -> Floats:
        if option.id not in self._cheapest:
            found = dict.fromkeys(ORDER, np.inf)
            for purchase in option.purchases:
                found[purchase.how] = min(found[purchase.how], purchase.usd_per_unit_hour / option.rate_rps)
            self._cheapest[option.id] = np.array(list(found.values()))
        return self._cheapest[option.id]


def priced(usd: Floats | float, quantity: Floats) -> Floats:
    """usd · quantity, inf where something is needed of what cannot be bought; shapes broadcast."""
    finite = np.isfinite(usd)
    return np.where(finite, np.where(finite, usd, 0.0) * quantity, np.where(quantity > 1e-9, np.inf, 0.0))


def _relaxed(
    level: Levels,
    cheapest: Floats,
    committed_below: Floats,
    corner: Floats,
    above_total: Floats,
    above_firm: Floats,
) -> Floats:
    """cost(S) of every set at its corners; shape (sets, corners)."""
    committed, held, hourly, spot = cheapest.T[:, :, None]
    reach = np.minimum(corner, committed_below[:, None])
    inside = np.where(committed < held, reach, 0.0)
    constant = priced(committed, inside) + priced(held, corner - inside)
    by_hour = priced(hourly, above_firm) + priced(np.minimum(hourly, spot), above_total - above_firm)
    costs: Floats = constant * level.horizon_hours + by_hour
    return costs


def _above(values: Floats, corner: Floats, level: Levels) -> Floats:
    """Σ hours · max(0, values − corner) per corner; values ascend with demand, so sums from the top suffice."""
    first = np.searchsorted(values, corner)
    hours_above = np.append(np.cumsum(level.hours[::-1])[::-1], 0.0)
    area_above = np.append(np.cumsum((values * level.hours)[::-1])[::-1], 0.0)
    area: Floats = area_above[first] - hours_above[first] * corner
    return area
