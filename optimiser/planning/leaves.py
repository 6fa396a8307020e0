"""From options to leaves: which purchases may stand together in one plan, and the levels they must reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.bounds import Profiles
from optimiser.planning.caps import Cap
from optimiser.planning.commitment_budget import Budget, Limit, none_better, parted
from optimiser.planning.leaf import Fleet, Leaf
from optimiser.planning.parts import Part
from optimiser.planning.problem import BY_THE_HOUR, CONSTANT, Floats, How, Option, Problem, Purchase
from optimiser.planning.start_up import may_stand_idle
from optimiser.planning.tables import Item

Site = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bought:
    """One purchase of one option, as a column of a solution."""

    option: Option
    purchase: Purchase


@dataclass(frozen=True)
class Solution:
    """units[period, column] of each bought purchase, whole numbers; the periods of every scenario, one after the other.

    sized_for_rps is the unit whose loss the fleet keeps spare: at least the largest that runs. shares are what each
    option (by id) carries of every request size, shape (periods, sizes); None where requests follow capacity. parts are
    the sites that demand is split over, none where it is not.
    """

    columns: tuple[Bought, ...]
    units: np.ndarray
    sized_for_rps: float = 0.0
    shares: Mapping[str, Floats] | None = None
    parts: tuple[Part, ...] = ()

    @property
    def spare_unit_rps(self) -> float:
        """The unit kept spare, req/s."""
        running: list[bool] = np.any(self.units, axis=0).tolist()
        rates = [one.option.rate_rps for one, runs in zip(self.columns, running, strict=True) if runs]
        return max([self.sized_for_rps, *rates])

    def usd(self, hours: Floats) -> float:
        """What the search minimises over the horizon, USD: commitments weighed against falling prices."""
        return self._sum(hours, [column.purchase.usd_per_unit_hour for column in self.columns])

    def billed_usd(self, hours: Floats) -> float:
        """What is billed over the horizon, USD."""
        return self._sum(hours, [column.purchase.billed for column in self.columns])

    def _sum(self, hours: Floats, prices: list[float]) -> float:
        return float(hours @ (self.units @ np.array(prices))) if prices else 0.0


def loads_by_size(problem: Problem, shares: Mapping[str, Floats]) -> dict[str, Floats]:
    """Units of each option (by id) that a req/s of all demand keeps busy, shape (periods, sizes)."""
    found: dict[str, Floats] = {}
    for option in problem.options:
        if option.id in shares:
            rates = np.array(option.bucket_rates_rps)
            each = np.divide(problem.bucket_shares, rates, out=np.zeros_like(rates), where=rates > 0)
            found[option.id] = shares[option.id] * each
    return found


def build_leaf(
    chosen: Sequence[Option], profiles: Profiles, limits: Sequence[Limit] = ()
) -> tuple[Leaf, dict[How, list[Bought]]]:
    """The leaf of a set of options under some of the limits, and what each of its items stands for."""
    policy, (caps, budget) = profiles.problem.policy, parted(limits)
    rates = [option.rate_rps for option in chosen]
    smallest, largest = min(rates), max(rates)
    bought: dict[How, list[Bought]] = {how: [] for how in How}
    for option in chosen:
        for purchase in option.purchases:
            # What is owned runs all along without the limit on commitments, as what is held does.
            how = How.HELD if purchase.how is How.OWNED else purchase.how
            # A set may leave ways to pay out (leaf_sets): an option is the same without them.
            bought[how].append(Bought(profiles.whole[option.id], purchase))
    for how in (How.COMMITMENT, How.HELD, How.HOURLY):
        bought[how] = _cheapest_by_rate(bought[how], caps, budget)
    bought[How.SPOT] = _pools_needed(bought[How.SPOT], profiles, largest, caps)
    pools = {one.purchase.pool: number for number, one in enumerate(bought[How.SPOT])}
    items = {how: tuple(_item(one, pools, caps, budget) for one in cols) for how, cols in bought.items()}
    by_the_hour = [one.option for how in BY_THE_HOUR for one in bought[how]]
    levels = profiles.at(largest)
    leaf = Leaf(
        levels=levels.standing_idle() if may_stand_idle(policy, by_the_hour) else levels,
        commitments=items[How.COMMITMENT],
        held=items[How.HELD],
        hourly=items[How.HOURLY],
        spot=items[How.SPOT] if policy.max_spot_share > 0 else (),
        committed_below=profiles.committed_below(smallest),
        floor=policy.min_firm_instances,
        caps=tuple(cap.amount for cap in caps),
        budget_usd=budget.usd_per_hour if budget else np.inf,
    )
    return leaf, bought


def _item(one: Bought, pools: dict[str, int], caps: Sequence[Cap], budget: Budget | None) -> Item:
    pool = pools[one.purchase.pool] if one.purchase.how is How.SPOT else -1
    signs = budget.signs(one.option, one.purchase) if budget else 0.0
    usd, most = one.purchase.usd_per_unit_hour, one.purchase.max_units
    return Item(one.option.rate_rps, usd, most, pool, _takes(one, caps), signs)


def _takes(one: Bought, caps: Sequence[Cap]) -> tuple[int, ...]:
    """What a unit of a purchase takes of each cap."""
    return tuple(cap.taken_by(one.option, one.purchase.how) for cap in caps)


def _cheapest_by_rate(
    columns: list[Bought], caps: Sequence[Cap], budget: Budget | None = None
) -> list[Bought]:
    """Of unlimited purchases of equal rate, taking the same of the caps, the cheapest alone: any other is replaced
    by it one for one. Under a budget also those that sign less."""
    alike: dict[tuple[float, tuple[int, ...]], list[Bought]] = {}
    limited = [one for one in columns if one.purchase.max_units is not None]
    for one in columns:
        if one.purchase.max_units is None:
            alike.setdefault((one.option.rate_rps, _takes(one, caps)), []).append(one)
    return limited + [one for same in alike.values() for one in none_better(same, by_price, budget)]


def by_price(one: Bought) -> tuple[float, str]:
    return one.purchase.usd_per_unit_hour, one.purchase.id


def _pools_needed(
    columns: list[Bought], profiles: Profiles, largest_rps: float, caps: Sequence[Cap]
) -> list[Bought]:
    """The cheapest spot pools of each rate, taking the same of the caps, that suffice in every slot; dearer ones are
    never needed.

    Pools that several purchases share are all kept.
    """
    if len({one.purchase.pool for one in columns}) < len(columns):
        return columns
    alike: dict[tuple[float, tuple[int, ...]], list[Bought]] = {}
    for one in columns:
        alike.setdefault((one.option.rate_rps, _takes(one, caps)), []).append(one)
    kept: list[Bought] = []
    for (rate, _), pools in alike.items():
        if any(one.purchase.max_units is not None for one in pools):
            kept += pools
        else:
            kept += sorted(pools, key=by_price)[: profiles.pools_at(largest_rps, rate)]
    return kept


def solution_of(leaf: Leaf, bought: Mapping[How, Sequence[Bought]], fleet: Fleet) -> Solution:
    """The fleet as units per period and purchase; purchases that are never used are left out."""
    slots = len(leaf.levels.total)
    parts = {
        "commitments": (How.COMMITMENT, np.tile(fleet.commitments, (slots, 1))),
        "held": (How.HELD, np.tile(fleet.held, (slots, 1))),
        "hourly": (How.HOURLY, fleet.hourly),
        "spot": (How.SPOT, fleet.spot),
    }
    columns = []
    for name, (how, units) in parts.items():
        stands_for = fleet.kept[name] if fleet.kept is not None else range(units.shape[1])
        columns += [(bought[how][item], units[:, column]) for column, item in enumerate(stands_for)]
    used = [(one, units) for one, units in columns if units.any()]
    by_slot = np.column_stack([units for _, units in used]) if used else np.zeros((slots, 0), dtype=np.int64)
    columns_used = tuple(one for one, _ in used)
    by_slot = with_idle_row(by_slot, columns_used)
    return Solution(columns_used, by_slot[leaf.levels.slot_of_period], leaf.levels.largest_rps)


def with_idle_row(by_slot: np.ndarray, columns: Sequence[Bought]) -> np.ndarray:
    """Units by slot, shape (slots, columns), and those of idle periods after them: what runs all along."""
    still = np.array([is_constant(column) for column in columns], dtype=np.int64)
    return np.vstack([by_slot, by_slot[:1] * still])


def is_constant(one: Bought) -> bool:
    """Whether a purchase runs for the whole horizon."""
    return one.purchase.how in CONSTANT
