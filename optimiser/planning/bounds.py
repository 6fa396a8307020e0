"""What a set of options costs at least: units divisible, spot pools unlimited, no floor. Many sets at once.

Given the constant capacity S, the best hour fills firm capacity at the cheapest rate on demand and the rest at
the cheapest of on demand and spot, so

    cost(S) = hours · constant(S) + hourly · Σ hours · (F − S)⁺ + min(hourly, spot) · Σ hours · ((T − S)⁺ − (F − S)⁺)

is convex and piecewise linear with corners at the levels T and F, where what is owned already ends (it costs nothing
up to there) and where commitments end: the least of its corners is the optimum of the linear relaxation, a lower
bound on every fleet of the set. Offers that are limited in number are priced as in `limited_bounds`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from optimiser.planning.commitment_budget import Budget, budget_of
from optimiser.planning.limited_bounds import Ways, prices_to_try
from optimiser.planning.problem import Floats, How, Option, Problem
from optimiser.planning.requirements import Levels, committed_below, levels

# Corners of sets looked at together: all at once would fill the memory where there are a hundred scenarios.
CORNERS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class _Area:
    """Levels, ascending with demand, and the hours and the req/s-hours of each slot and all above it."""

    values: Floats
    hours_above: Floats
    area_above: Floats

    @classmethod
    def under(cls, values: Floats, level: Levels) -> _Area:
        hours_above, area_above = np.zeros((2, len(values) + 1))
        hours_above[:-1] = np.cumsum(level.hours[::-1])[::-1]
        area_above[:-1] = np.cumsum((values * level.hours)[::-1])[::-1]
        return cls(values, hours_above, area_above)

    def above(self, corner: Floats) -> Floats:
        """Σ hours · max(0, values − corner) per corner."""
        first = np.searchsorted(self.values, corner)
        area: Floats = self.area_above[first] - self.hours_above[first] * corner
        return area


@dataclass(frozen=True)
class _Profile:
    """Levels for one unit to spare, corners of the relaxation, and the req/s-hours of T and F above each corner."""

    level: Levels
    total: _Area
    firm: _Area
    corner: Floats
    above_total: Floats
    above_firm: Floats

    @classmethod
    def of(cls, level: Levels) -> _Profile:
        corner = np.concatenate([[0.0], level.total, level.firm])
        total, firm = (_Area.under(values, level) for values in (level.total, level.firm))
        return cls(level, total, firm, corner, total.above(corner), firm.above(corner))


@dataclass
class Profiles:
    """Capacity levels by largest unit, with what the relaxation needs of them; computed once per rate."""

    problem: Problem
    _known: dict[float, _Profile] = field(default_factory=dict)
    _ends: dict[tuple[float, float, float, float], tuple[Floats, float]] = field(default_factory=dict)
    _pools: dict[tuple[float, float], int] = field(default_factory=dict)
    _ways: dict[str, Ways] = field(default_factory=dict)
    _signed: dict[str, float] = field(default_factory=dict)
    _below: dict[float, float] = field(default_factory=dict)

    @cached_property
    def whole(self) -> dict[str, Option]:
        """The problem's options by id."""
        return {option.id: option for option in self.problem.options}

    @cached_property
    def budget(self) -> Budget | None:
        """The policy's budget for commitments."""
        return budget_of(self.problem.policy)

    def at(self, largest_rps: float) -> Levels:
        """Capacity levels of a fleet whose largest unit is largest_rps."""
        return self._profile(largest_rps).level

    def committed_below(self, rate: float) -> float:
        """What commitments must stay below where the smallest unit in use is `rate`, req/s; inf without limit."""
        if rate not in self._below:
            self._below[rate] = committed_below(self.problem, rate)
        return self._below[rate]

    def committed_within_budget(self, options: Sequence[Option]) -> float:
        """What commitments of a set hold at most within the policy's budget for them, req/s; inf without one."""
        if self.budget is None:
            return math.inf
        least = min((self._least_signed(option) for option in options), default=math.inf)
        return self.budget.usd_per_hour / least if least > 0 else math.inf

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

    def bounds(
        self, sets: Sequence[Sequence[Option]], level_rps: Sequence[float], committing_rps: Sequence[float]
    ) -> Floats:
        """Lower bound of each set of options in USD over the horizon, shape (sets,).

        level_rps is the unit each set keeps spare, committing_rps the one its commitments are limited by.
        """
        if not sets:
            return np.zeros(0)
        at_once = max(CORNERS_AT_ONCE // len(self._profile(level_rps[0]).corner), 1)
        parts = [slice(first, first + at_once) for first in range(0, len(sets), at_once)]
        return np.concatenate(
            [self._bounds(sets[part], level_rps[part], committing_rps[part]) for part in parts]
        )

    def _bounds(
        self, sets: Sequence[Sequence[Option]], level_rps: Sequence[float], committing_rps: Sequence[float]
    ) -> Floats:
        owned = [sum(map(_owned_rps, options)) for options in sets]
        within = map(self.committed_within_budget, sets)
        found = map(self._end, level_rps, committing_rps, owned, within)
        ends, below = map(np.array, zip(*found, strict=True))
        profiles = [self._profile(rps) for rps in level_rps]
        corner, above_total, above_firm = (
            np.concatenate([[getattr(one, name) for one in profiles], ends[:, row]], axis=1)
            for row, name in enumerate(("corner", "above_total", "above_firm"))
        )
        hours = self.at(level_rps[0]).horizon_hours
        paid = np.maximum(corner - np.array(owned)[:, None], 0.0)
        tried = [prices_to_try([self._ways_of(option) for option in options]) for options in sets]
        least = np.zeros(len(sets))
        for number in range(max(map(len, tried))):
            rows = np.array([row for row, prices in enumerate(tried) if len(prices) > number])
            prices = np.array([tried[row][number][0] for row in rows.tolist()])
            beyond = np.array([tried[row][number][1] for row in rows.tolist()])
            usd = _relaxed(hours, prices, below[rows], paid[rows], above_total[rows], above_firm[rows])
            least[rows] = np.maximum(least[rows], usd.min(axis=1) - hours * beyond)
        return least

    def _profile(self, largest_rps: float) -> _Profile:
        if largest_rps not in self._known:
            self._known[largest_rps] = _Profile.of(levels(self.problem, largest_rps))
        return self._known[largest_rps]

    def _end(
        self, level_rps: float, committing_rps: float, owned_rps: float, most_rps: float
    ) -> tuple[Floats, float]:
        """The corners where what is owned and commitments beside it end, what of T and of F lies above each, and how
        much may be committed, at most most_rps."""
        key = (level_rps, committing_rps, owned_rps, most_rps)
        if key not in self._ends:
            profile, below = self._profile(level_rps), min(self.committed_below(committing_rps), most_rps)
            end = np.minimum(np.array([owned_rps, owned_rps + below]), profile.level.total[-1])
            self._ends[key] = (np.array([end, profile.total.above(end), profile.firm.above(end)]), below)
        return self._ends[key]

    def _least_signed(self, option: Option) -> float:
        """The least that commitments of an option sign per req/s, USD an hour; inf where it has none."""
        if self.budget is None:
            return math.inf
        if option.id not in self._signed:
            commitments = (one for one in option.purchases if one.how is How.COMMITMENT)
            signed = (self.budget.signs(option, one) / option.rate_rps for one in commitments)
            self._signed[option.id] = min(signed, default=math.inf)
        return self._signed[option.id]

    def _ways_of(self, option: Option) -> Ways:
        if option.id not in self._ways:
            self._ways[option.id] = Ways.of(option)
        return self._ways[option.id]


def _owned_rps(option: Option) -> float:
    """What the option's owned units carry, req/s."""
    return option.rate_rps * sum(one.max_units or 0 for one in option.purchases if one.how is How.OWNED)


def priced(usd: Floats | float, quantity: Floats) -> Floats:
    """usd · quantity, inf where something is needed of what cannot be bought; shapes broadcast."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(usd) | (quantity > 1e-9), usd * quantity, 0.0)


def _relaxed(
    horizon_hours: float,
    cheapest: Floats,
    committed_below: Floats,
    paid: Floats,
    above_total: Floats,
    above_firm: Floats,
) -> Floats:
    """cost(S) of every set at its corners, `paid` being what of S is not owned already; shapes (sets, corners),
    cheapest (sets, 4), committed_below (sets,)."""
    committed, held, hourly, spot = cheapest.T[:, :, None]
    inside = np.where(committed < held, np.minimum(paid, committed_below[:, None]), 0.0)
    constant = priced(committed, inside) + priced(held, paid - inside)
    by_hour = priced(hourly, above_firm) + priced(np.minimum(hourly, spot), above_total - above_firm)
    costs: Floats = constant * horizon_hours + by_hour
    return costs
