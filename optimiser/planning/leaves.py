"""From options to leaves: which purchases may stand together in one plan, and the levels they must reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from optimiser.errors import UsageError
from optimiser.planning.bounds import Profiles
from optimiser.planning.caps import Cap, caps_of
from optimiser.planning.leaf import Fleet, Leaf
from optimiser.planning.problem import BY_THE_HOUR, CONSTANT, Floats, How, Option, Problem, Purchase
from optimiser.planning.start_up import may_stand_idle, that_may_idle
from optimiser.planning.tables import Item
from optimiser.policy import Policy

MOST_SITE_CHOICES = 500

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
    option (by id) carries of every request size, shape (periods, sizes); None where requests follow capacity.
    """

    columns: tuple[Bought, ...]
    units: np.ndarray
    sized_for_rps: float = 0.0
    shares: Mapping[str, Floats] | None = None

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


def sites(problem: Problem) -> list[tuple[Site, list[Option]]]:
    """Every choice of sites a plan may use, with the options in it."""
    by_site: dict[tuple[str, str], list[Option]] = {}
    for option in problem.options:
        by_site.setdefault(option.site, []).append(option)
    if not by_site:
        return []
    together = (
        len(by_site) if problem.policy.max_sites is None else min(problem.policy.max_sites, len(by_site))
    )
    if math.comb(len(by_site), together) > MOST_SITE_CHOICES:
        raise UsageError(
            f"policy: max_sites = {together}: {len(by_site)} sites are too many to try in every choice of {together}: "
            "name regions or providers, or set max_sites to 1 or null"
        )
    choices = list(combinations(by_site, together))
    if problem.policy.minimum_monthly_usd_by_provider:
        choices += _of_one_provider(choices)
    chosen = [(site, [o for part in site for o in by_site[part]]) for site in choices]
    if together == 1:
        return chosen
    profiles, caps = Profiles(problem), caps_of(problem)
    return [(site, _of_use_together(options, profiles, caps)) for site, options in chosen]


def _of_one_provider(choices: Sequence[Site]) -> list[Site]:
    """Of choices of sites at several providers each provider's part alone: what is promised to it may be spent there
    even where another is cheaper."""
    parts = {
        tuple(site for site in choice if site[0] == provider): None
        for choice in choices
        for provider in sorted({name for name, _ in choice})
    }
    return [part for part in parts if part not in set(choices)]


def _of_use_together(options: list[Option], profiles: Profiles, caps: Sequence[Cap]) -> list[Option]:
    """Of equal units in several sites those that are cheapest in some way; any other is replaced one for one.

    Units are equal where they take the same of every cap, too: where quotas are known, no two regions' are.
    """
    equal: dict[tuple[str, float, tuple[int, ...]], list[Option]] = {}
    for option in options:
        takes = tuple(cap.taken_by(option, how) for cap in caps for how in How)
        equal.setdefault((option.instance_type, option.rate_rps, takes), []).append(option)
    rates = {option.rate_rps for option in options}
    kept: set[str] = set()
    for (_, rate, _), same in equal.items():
        pools = max(profiles.pools_at(largest, rate) for largest in rates if largest >= rate)
        for how in How:
            columns = [Bought(option, p) for option in same for p in option.purchases if p.how is how]
            limited = [one for one in columns if one.purchase.max_units is not None]
            cheapest = sorted(columns, key=_price)[: pools if how is How.SPOT else 1]
            kept |= {one.option.id for one in (columns if limited else cheapest)}
    return [option for option in options if option.id in kept]


def option_sets(options: Sequence[Option], policy: Policy) -> Iterator[tuple[Option, ...]]:
    """Sets of options whose best plans cover every plan within the type limit.

    With a limit: every choice of at most so many instance types, in each choice of their unit sizes. Without
    one: all options between each possible smallest and largest unit. Sizes matter because the largest unit in
    use sets what must be spare and the smallest what may be committed.
    """
    max_types = policy.max_instance_types
    by_type: dict[str, dict[float, list[Option]]] = {}
    for option in options:
        by_type.setdefault(option.instance_type, {}).setdefault(option.rate_rps, []).append(option)
    if max_types is None or not listed_by_type(options, policy):
        rates = sorted({option.rate_rps for option in options})
        lowest = rates if policy.commitment_hours_share < 1 else rates[:1]
        highest = rates if policy.survive_instance_losses else rates[-1:]
        for low, high in product(lowest, highest):
            if low <= high:
                yield tuple(option for option in options if low <= option.rate_rps <= high)
        return
    for count in range(1, min(max_types, len(by_type)) + 1):
        for types in combinations(by_type, count):
            for sizes in product(*(_choices(by_type[name]) for name in types)):
                yield tuple(option for chosen in sizes for option in chosen)


def listed_by_type(options: Sequence[Option], policy: Policy) -> bool:
    """Whether the sets of option_sets are choices of types, so that each choice without one of a set's types is a set
    too."""
    most, types = policy.max_instance_types, len({option.instance_type for option in options})
    return most is not None and not most >= types > 2


def leaf_sets(options: Sequence[Option], problem: Problem) -> Iterator[tuple[Option, ...]]:
    """Sets of options, and beside each whose machines start too late for hours in which nothing runs, the same with
    those not bought by the hour."""
    idle = problem.policy.scale_to_zero_within_s is not None and bool((problem.planned_rps <= 0).any())
    for chosen in option_sets(options, problem.policy):
        yield chosen
        if idle:
            kept = that_may_idle(chosen, problem.policy)
            if kept and kept != chosen:
                yield kept


def _choices(by_size: dict[float, list[Option]]) -> list[list[Option]]:
    """Every non-empty choice of the unit sizes of one instance type, as the options of those sizes."""
    sizes = list(by_size)
    return [
        [option for size in chosen for option in by_size[size]]
        for count in range(1, len(sizes) + 1)
        for chosen in combinations(sizes, count)
    ]


def build_leaf(
    chosen: Sequence[Option], profiles: Profiles, caps: Sequence[Cap] = ()
) -> tuple[Leaf, dict[How, list[Bought]]]:
    """The leaf of a set of options under some of the caps, and what each of its items stands for."""
    policy = profiles.problem.policy
    rates = [option.rate_rps for option in chosen]
    smallest, largest = min(rates), max(rates)
    bought: dict[How, list[Bought]] = {how: [] for how in How}
    # A set may leave ways to pay out (leaf_sets): an option is the same without them.
    whole = {option.id: option for option in profiles.problem.options}
    for option in chosen:
        for purchase in option.purchases:
            # What is owned runs all along without the limit on commitments, as what is held does.
            how = How.HELD if purchase.how is How.OWNED else purchase.how
            bought[how].append(Bought(whole[option.id], purchase))
    for how in (How.COMMITMENT, How.HELD, How.HOURLY):
        bought[how] = _cheapest_by_rate(bought[how], caps)
    bought[How.SPOT] = _pools_needed(bought[How.SPOT], profiles, largest, caps)
    pools = {one.purchase.pool: number for number, one in enumerate(bought[How.SPOT])}
    items = {how: tuple(_item(one, pools, caps) for one in columns) for how, columns in bought.items()}
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
    )
    return leaf, bought


def _item(one: Bought, pools: dict[str, int], caps: Sequence[Cap]) -> Item:
    """An item; of no more units than each cap would take of them alone."""
    pool = pools[one.purchase.pool] if one.purchase.how is How.SPOT else -1
    takes = _takes(one, caps)
    limits = [cap.amount // each for cap, each in zip(caps, takes, strict=True) if each]
    if one.purchase.max_units is not None:
        limits.append(one.purchase.max_units)
    return Item(one.option.rate_rps, one.purchase.usd_per_unit_hour, min(limits, default=None), pool, takes)


def _takes(one: Bought, caps: Sequence[Cap]) -> tuple[int, ...]:
    """What a unit of a purchase takes of each cap."""
    return tuple(cap.taken_by(one.option, one.purchase.how) for cap in caps)


def _cheapest_by_rate(columns: list[Bought], caps: Sequence[Cap]) -> list[Bought]:
    """Of unlimited purchases of equal rate, taking the same of the caps, the cheapest alone: any other is replaced
    by it one for one."""
    cheapest: dict[tuple[float, tuple[int, ...]], Bought] = {}
    limited = [one for one in columns if one.purchase.max_units is not None]
    for one in columns:
        kind = (one.option.rate_rps, _takes(one, caps))
        known = cheapest.get(kind)
        if one.purchase.max_units is None and (known is None or _price(one) < _price(known)):
            cheapest[kind] = one
    return limited + list(cheapest.values())


def _price(one: Bought) -> tuple[float, str]:
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
            kept += sorted(pools, key=_price)[: profiles.pools_at(largest_rps, rate)]
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
