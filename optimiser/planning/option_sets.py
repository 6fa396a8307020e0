"""Which options may stand together in one plan: choices of sites, and in each of instance types and unit sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from optimiser.errors import UsageError
from optimiser.planning.bounds import Profiles
from optimiser.planning.commitment_budget import Limit, limits_of, none_better, parted
from optimiser.planning.leaves import Bought, Site, by_price
from optimiser.planning.problem import How, Option, Problem
from optimiser.planning.start_up import that_may_idle
from optimiser.policy import Policy

MOST_SITE_CHOICES = 500


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
    profiles, limits = Profiles(problem), limits_of(problem)
    return [(site, _of_use_together(options, profiles, limits)) for site, options in chosen]


def _of_one_provider(choices: Sequence[Site]) -> list[Site]:
    """Of choices of sites at several providers each provider's part alone: what is promised to it may be spent there
    even where another is cheaper."""
    parts = {
        tuple(site for site in choice if site[0] == provider): None
        for choice in choices
        for provider in sorted({name for name, _ in choice})
    }
    return [part for part in parts if part not in set(choices)]


def _of_use_together(options: list[Option], profiles: Profiles, limits: Sequence[Limit]) -> list[Option]:
    """Of equal units in several sites those that are cheapest in some way; any other is replaced one for one.

    Units are equal where they take the same of every cap, too: where quotas are known, no two regions' are.
    """
    caps, budget = parted(limits)
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
            spot = how is How.SPOT
            cheapest = (
                sorted(columns, key=by_price)[:pools] if spot else none_better(columns, by_price, budget)
            )
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
