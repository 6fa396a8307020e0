"""The cheapest way to split demand over several sites, and a bound on every split of the family that is looked at.

Splits are few: equal parts over each number of sites allowed; and where a provider's share is limited, the largest
share for all providers but the last, the rest for that, and half-way between that and equal shares, each provider's
share in equal parts over its sites. A part is a problem of one site (parts.py), so that a split's cheapest plan is an
assignment of its parts to sites: of each provider the cheapest sites are found one after the other, each by a search
without those before it, and the cheapest choice among them keeps every provider within its share.

    k-th bound of a provider = max_{j ≤ k} (bound of its j-th search)

is at most its k-th cheapest site's optimum, whichever sites the searches found (a search without k − 1 sites still has
one of the k cheapest). The cheapest choice among those bounds is thus at most any plan of the split.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from optimiser.errors import bad_value
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.parts import Part, least_sites, on_region_loss, part_problem, put_together
from optimiser.planning.problem import Problem
from optimiser.policy import Policy

# Sites over which demand is split where max_sites sets no limit and no rule asks for more.
MOST_SITES = 4
SAME = 1e-9
# What counts over all sites together, and where it asks for nothing.
NOT_OVER_SITES: dict[str, object] = {
    "max_gpus": None,
    "max_committed_monthly_usd": None,
    "max_monthly_kg_co2e": None,
    "minimum_monthly_usd_by_provider": {},
    "max_schedule_changes_per_day": None,
}
Split: TypeAlias = tuple[float, ...]
# A part's share, and how many times that it carries where another region is lost.
Level: TypeAlias = tuple[float, float]


def refuse_beside_split(problem: Problem) -> None:
    """Raise UsageError for a rule that is not kept where demand is split over sites."""
    asked = least_sites(problem.policy)
    for name, off in NOT_OVER_SITES.items() if asked > 1 else ():
        given = getattr(problem.policy, name)
        if given != off:
            right = (
                "min_regions, survive_region_loss and max_share_per_provider plan each site by itself, and that counts "
                f"over all of them: leave it at {json.dumps(off)}, or set those three to 1, false and 1"
            )
            raise bad_value(problem.services[0], f"policy.{name}", given, right)


def splits(policy: Policy, places: int) -> list[Split]:
    """The shares of demand that are tried over at most so many sites, each descending and adding up to 1."""
    least, most = least_sites(policy), policy.max_sites or MOST_SITES
    tried: dict[Split, None] = {}
    for sites in range(least, min(max(least, most), places) + 1):
        tried[(1 / sites,) * sites] = None
        for split in _unequal(policy.max_share_per_provider, sites):
            tried[split] = None
    return list(tried)


def _unequal(most: float, sites: int) -> Iterator[Split]:
    """All providers but the last at one share, the rest at the last, over so many sites in all."""
    providers = math.ceil(1 / most - SAME)
    if providers < 2:
        return
    for share in (most, (most + 1 / providers) / 2):
        shares = [share] * (providers - 1) + [1 - share * (providers - 1)]
        regions = [1] * providers
        for _ in range(sites - providers):
            fullest = max(range(providers), key=lambda i: shares[i] / regions[i])
            regions[fullest] += 1
        parts = [part / count for part, count in zip(shares, regions, strict=True) for _ in range(count)]
        if max(parts) - min(parts) > SAME:
            yield tuple(round(part, 12) for part in sorted(parts, reverse=True))


class Choice(NamedTuple):
    """A site for a part, or a bound on one: USD over the horizon, whose it is, and what no two parts may share."""

    usd: float
    provider: str
    key: object
    found: Found | None = None


@dataclass
class _Sites:
    """The cheapest sites at each level, found one after the other as they are asked for, and the bounds of them.

    Pools are providers; all are one pool where apart is False.
    """

    problem: Problem
    solve: Callable[[Problem], Outcome]
    apart: bool
    outcomes: list[Outcome] = field(default_factory=list)
    _plans: dict[tuple[Level, str], list[Found]] = field(default_factory=dict)
    _bounds: dict[tuple[Level, str], list[float]] = field(default_factory=dict)

    def choices(self, level: Level, count: int) -> tuple[list[Choice], list[Choice]]:
        """So many sites of each pool and as many bounds, both ascending."""
        plans, bounds = [], []
        for pool in sorted({self._pool(option.site) for option in self.problem.options}):
            self._reach(level, pool, count)
            found = self._plans[level, pool][:count]
            plans += [Choice(one.usd, one.site[0][0], one.site, one) for one in found]
            known = enumerate(self._bounds[level, pool][:count])
            bounds += [Choice(usd, pool, (level, pool, k)) for k, usd in known]
        return sorted(plans, key=_order), sorted(bounds, key=_order)

    def _pool(self, site: tuple[str, str]) -> str:
        return site[0] if self.apart else ""

    def _reach(self, level: Level, pool: str, count: int) -> None:
        plans = self._plans.setdefault((level, pool), [])
        bounds = self._bounds.setdefault((level, pool), [])
        while len(plans) < count and len(bounds) == len(plans):
            taken = {found.site[0] for found in plans}
            options = tuple(
                option
                for option in self.problem.options
                if self._pool(option.site) == pool and option.site not in taken
            )
            if not options:
                break
            outcome = self.solve(part_problem(replace(self.problem, options=options), *level))
            self.outcomes.append(outcome)
            bounds.append(max([outcome.lower_usd, *bounds[-1:]]))
            if outcome.best is not None:
                plans.append(outcome.best)
        if len(bounds) > len(plans):
            bounds += bounds[-1:] * (count - len(bounds))


def _order(choice: Choice) -> tuple[float, str]:
    return choice.usd, str(choice.key)


def cheapest(split: Split, offered: Sequence[Sequence[Choice]], most: float) -> list[Choice] | None:
    """The cheapest choice for every share of a split (ascending for each) in which no two share a key and no provider
    has more than `most`; None where there is none."""
    least_after = [
        sum(choices[0].usd if choices else math.inf for choices in offered[i:]) for i in range(len(split) + 1)
    ]
    best: list[Choice] | None = None
    best_usd = math.inf

    def choose(chosen: list[Choice], first: int, usd: float) -> None:
        nonlocal best, best_usd
        i = len(chosen)
        if i == len(split):
            best, best_usd = chosen, usd
            return
        for n, one in enumerate(offered[i][first:], start=first):
            if usd + one.usd + least_after[i + 1] >= best_usd:
                return
            whose = zip(split, chosen, strict=False)
            carried = sum(share for share, other in whose if other.provider == one.provider)
            taken = any(other.key == one.key for other in chosen)
            if taken or carried + split[i] > most + SAME:
                continue
            # Parts of one share are alike: they are chosen in order.
            following = n + 1 if i + 1 < len(split) and offered[i + 1] is offered[i] else 0
            choose([*chosen, one], following, usd + one.usd)

    choose([], 0, 0.0)
    return best


def search_over_sites(
    problem: Problem, solve: Callable[[Problem], Outcome], empty: Outcome, alternatives: int
) -> Outcome:
    """The cheapest plan of every split, of each provider, and next to the best; without plans where no split has one.

    solve plans one site; empty is an outcome to fill.
    """
    policy = problem.policy
    several = alternatives > 1
    sites = _Sites(problem, solve, apart=several or policy.max_share_per_provider < 1)
    tried = splits(policy, len({option.site for option in problem.options}))
    plans: dict[tuple[object, ...], Found] = {}
    lower_usd = math.inf
    for split in tried:
        levels = list(zip(split, on_region_loss(split, policy), strict=True))
        count = _most_parts(split, policy.max_share_per_provider) + several
        known = {level: sites.choices(level, count) for level in dict.fromkeys(levels)}
        offered = [known[level][0] for level in levels]
        bounds = cheapest(split, [known[level][1] for level in levels], policy.max_share_per_provider)
        lower_usd = min(lower_usd, math.inf if bounds is None else sum(one.usd for one in bounds))
        for chosen in _chosen(split, offered, policy.max_share_per_provider, several):
            plans.setdefault((split, *(one.key for one in chosen)), _found(chosen, levels))
    return replace(
        empty,
        plans=sorted(plans.values(), key=lambda found: found.rank()),
        lower_usd=lower_usd,
        leaves=sum(one.leaves for one in sites.outcomes),
        leaves_solved=sum(one.leaves_solved for one in sites.outcomes),
        exact=all(one.exact for one in sites.outcomes),
        unit_rps=max((one.unit_rps for one in sites.outcomes), default=0.0),
        caps_priced=any(one.caps_priced for one in sites.outcomes),
        dropped=tuple(dict.fromkeys(name for one in sites.outcomes for name in one.dropped)),
        timed_out=any(one.timed_out for one in sites.outcomes),
        passed_over=tuple(sorted({name for one in sites.outcomes for name in one.passed_over})),
        splits=splits_in_words(tried),
    )


def _chosen(
    split: Split, offered: Sequence[Sequence[Choice]], most: float, several: bool
) -> Iterator[list[Choice]]:
    """The cheapest choice; with several also that without each of its sites, and that of each provider alone."""
    best = cheapest(split, offered, most)
    if best is None:
        return
    yield best
    if not several:
        return
    every = [one for choices in offered for one in choices]
    without = [{one.key} for one in best]
    providers = sorted({one.provider for one in every})
    without += [{one.key for one in every if one.provider != name} for name in providers]
    for gone in without:
        # Lists of equal parts stay one list: that is how they are known to be alike.
        kept = {id(choices): [one for one in choices if one.key not in gone] for choices in offered}
        other = cheapest(split, [kept[id(choices)] for choices in offered], most)
        if other is not None:
            yield other


def _found(chosen: Sequence[Choice], levels: Sequence[Level]) -> Found:
    """The plan of several sites, by share and place."""
    placed = sorted(
        ((found, level) for one, level in zip(chosen, levels, strict=True) if (found := one.found)),
        key=lambda pair: (-pair[1][0], pair[0].site),
    )
    parts = [
        Part(
            site=found.site[0],
            share=share,
            on_region_loss=times,
            spare_unit_rps=found.solution.spare_unit_rps,
        )
        for found, (share, times) in placed
    ]
    first = placed[0][0]
    return replace(
        first,
        usd=sum(found.usd for found, _ in placed),
        site=tuple(sorted(found.site[0] for found, _ in placed)),
        options=tuple(option for found, _ in placed for option in found.options),
        instead=put_together([found.solution for found, _ in placed], parts),
    )


def _most_parts(split: Split, most: float) -> int:
    """Parts of a split that one provider may have at most: so many of its sites can be of use."""
    carried = accumulate(sorted(split))
    return max(sum(share <= most + SAME for share in carried), 1)


def splits_in_words(tried: Sequence[Split]) -> str:
    """`equal parts over 2 to 3 sites, or shares of 60 % and 40 %`."""
    equal = [len(split) for split in tried if len(set(split)) == 1]
    span = f"{min(equal)} to {max(equal)}" if len(equal) > 1 else f"{max(equal, default=0)}"
    said = [f"equal parts over {span} sites"] if equal else []
    unequal = [
        " and ".join(f"{share * 100:.3g} %" for share in split) for split in tried if len(set(split)) > 1
    ]
    return ", or ".join(said + [f"shares of {', or '.join(unequal)}"] * bool(unequal))
