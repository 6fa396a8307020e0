"""Branch and bound over sites and instance types: the cheapest plan, the best per provider, and a proven bound.

A branch is a site (or a few) with all its options; its leaves are the sets of instance types a plan may use.
Every branch and leaf carries the bound of its relaxation, leaves are solved by `decompose` cheapest bound
first, and what is left when no bound is below the best plan is proof, not guesswork.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from functools import partial
from itertools import count
from typing import TypeAlias

import numpy as np

from optimiser.planning.bounds import Profiles
from optimiser.planning.caps import Cap, caps_of, most_capacity_rps, within_reach
from optimiser.planning.carbon_cap import search_within_cap
from optimiser.planning.charges import Charges
from optimiser.planning.commitment_budget import Limit, limits_of
from optimiser.planning.coupled import on_schedule
from optimiser.planning.decompose import decompose
from optimiser.planning.leaf import Decomposed, Leaf
from optimiser.planning.leaves import Site, build_leaf, solution_of
from optimiser.planning.option_sets import leaf_sets, listed_by_type, sites
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.over_sites import search_over_sites
from optimiser.planning.parts import least_sites
from optimiser.planning.problem import Option, Problem
from optimiser.planning.rules.schedule import schedule_rules
from optimiser.planning.worthwhile import worthwhile


def search(problem: Problem, gap: float = 1e-3, alternatives: int = 2) -> Outcome:
    """Solve a problem to a relative gap, keeping the best of every provider and so many alternatives overall.

    With alternatives 0 it looks for the best plan of all alone: the other providers' are work for nothing where only
    its cost is asked for. Returns an Outcome without plans where no allowed set of purchases can carry the demand.
    """
    if least_sites(problem.policy) > 1:
        one_site = partial(search, gap=gap, alternatives=1)
        return search_over_sites(problem, one_site, Outcome(), alternatives)
    if problem.policy.max_monthly_kg_co2e is None:
        return _search(problem, gap, alternatives)
    return search_within_cap(problem, partial(_search, gap=gap, alternatives=max(alternatives, 1)), gap)


def _search(problem: Problem, gap: float, alternatives: int) -> Outcome:
    """The same without the cap on carbon."""
    caps = caps_of(problem)
    considered, without = worthwhile(problem)
    run = _Run(within_reach(considered, caps), gap, alternatives, caps)
    run.outcome.passed_over = without
    run.add_branches(sites(run.problem))
    run.drain()
    if not schedule_rules(problem.policy):
        return run.outcome
    return on_schedule(run.problem, run.outcome)


# Leaves of large fleets that are solved before the rest is left to its bound, at up to half a second each; and the most
# where the bounds of sets that were not solved yet leave more than WIDE_GAP open.
LARGE_LEAVES, MOST_LARGE_LEAVES = 12, 36
WIDE_GAP = 0.03
# A large fleet is bracketed, not listed: there is no telling plans apart that differ by less than this.
LARGE_FLEET_GAP = 2e-3


Types: TypeAlias = frozenset[str]


class _Run:
    def __init__(self, problem: Problem, gap: float, alternatives: int, caps: tuple[Cap, ...]) -> None:
        self.problem, self.gap, self.alternatives, self.caps = problem, gap, max(alternatives, 1), caps
        # What is on a schedule is made of the best of every provider.
        self.by_provider = bool(alternatives or schedule_rules(problem.policy))
        self.limits = limits_of(problem)
        self.profiles = Profiles(problem)
        self.charges = Charges(problem)
        self.outcome = Outcome()
        self.best: dict[frozenset[str], float] = {}
        self.solved: dict[Hashable, Decomposed] = {}
        self.large = 0
        self._counter = count()
        self._heap: list[tuple[float, int, Site, tuple[Option, ...], Types | None]] = []

    def add_branches(self, branches: list[tuple[Site, list[Option]]]) -> None:
        """Queue every choice of sites under a bound that holds for all sets of its options.

        The smallest unit sets the levels (the least that must be spare), the largest what may be committed.
        """
        options = [tuple(inside) for _, inside in branches]
        rates = [[option.rate_rps for option in inside] for inside in options]
        bounds = self.profiles.bounds(options, [min(r) for r in rates], [max(r) for r in rates]).tolist()
        for (site, _), inside, bound in zip(branches, options, bounds, strict=True):
            if self._reaches_the_peak(inside, min(option.rate_rps for option in inside)):
                self._push(bound, site, inside, None)

    def _reaches_the_peak(self, options: tuple[Option, ...], level_rps: float) -> bool:
        """Whether the caps let options hold what the peak asks with a unit of level_rps to spare; if in doubt, yes."""
        if not self.caps:
            return True
        firm, total = most_capacity_rps(options, self.caps)
        level = self.profiles.at(level_rps)
        return bool(firm >= level.firm[-1] - 1e-6 and total >= level.total[-1] - 1e-6)

    def _push(self, bound: float, site: Site, options: tuple[Option, ...], types: Types | None) -> None:
        """Queue options whose units cost at least `bound`: a branch, or with types a leaf in which each of those is in
        use (plans without one of them have a leaf of their own)."""
        if np.isfinite(bound):
            least = self.charges.least_usd(site, bound, types or ())
            heapq.heappush(self._heap, (least, next(self._counter), site, options, types))

    def drain(self) -> None:
        """Take the lowest bound until none can improve on what is known."""
        while self._heap:
            bound, _, site, options, types = heapq.heappop(self._heap)
            if bound >= self._cutoff(site) or self._worked_enough(site, bound):
                self.outcome.lower_usd = min(self.outcome.lower_usd, bound)
            elif types is None:
                self._branch(site, options)
            else:
                self._solve(site, options, bound, types)

    def _branch(self, site: Site, options: tuple[Option, ...]) -> None:
        sets = list(leaf_sets(options, self.problem))
        rates = [[option.rate_rps for option in chosen] for chosen in sets]
        bounds = self.profiles.bounds(sets, [max(r) for r in rates], [min(r) for r in rates]).tolist()
        by_type = listed_by_type(options, self.problem.policy)
        for chosen, bound in zip(sets, bounds, strict=True):
            self.outcome.leaves += 1
            if self._reaches_the_peak(chosen, max(option.rate_rps for option in chosen)):
                types = frozenset(option.instance_type for option in chosen) if by_type else frozenset()
                self._push(bound, site, chosen, types)

    def _worked_enough(self, site: Site, bound: float) -> bool:
        """Whether the work limit is reached, a later one while sets not solved yet alone keep the gap wide; a provider
        without a plan is still given one."""
        if not self.outcome.plans or self._rivals(site) not in self.best:
            return False
        near = self.outcome.plans[0].usd * (1 - WIDE_GAP)
        return self.large >= (MOST_LARGE_LEAVES if bound < near <= self.outcome.lower_usd else LARGE_LEAVES)

    def _cutoff(self, site: Site) -> float:
        """A leaf is worth solving below its provider's best plan, or below the worst alternative kept."""
        rivals = self._rivals(site)
        kept = (
            self.outcome.plans[self.alternatives - 1].usd
            if len(self.outcome.plans) >= self.alternatives
            else np.inf
        )
        gap = self.gap if self.outcome.exact else max(self.gap, LARGE_FLEET_GAP)
        return max(self.best.get(rivals, np.inf), kept) * (1 - gap)

    def _solve(self, site: Site, options: tuple[Option, ...], bound: float, types: Types) -> None:
        """Solve a set of options without the limits, then with those its best fleet breaks, until it breaks none.

        Each round but the last leaves rules out that only restrict, so its bound holds for the set. Of a grid's bound
        and the relaxation's (`bound`) the higher holds: the one is tight for few units, the other for many.
        """
        binding: tuple[Limit, ...] = ()
        lower_usd, cutoff = 0.0, self._cutoff(site)
        least_usd = partial(self.charges.least_usd, site, types=types)
        while True:
            leaf, bought = build_leaf(options, self.profiles, binding)
            result = self._decomposed(leaf, self.charges.units_below(site, cutoff, types))
            lower_usd = max(lower_usd, least_usd(result.lower_usd), min(bound, least_usd(result.usd)))
            if result.fleet is None:
                break
            solution = solution_of(leaf, bought, result.fleet)
            broken = [limit for limit in self.limits if limit.broken_by(solution)]
            if not broken:
                self._note_limits_of(result)
                owed = self.charges.weighed_usd(solution) if not self.charges.none else result.usd
                self._keep(Found(owed, site, options, leaf, bought, result))
                break
            if lower_usd >= cutoff:
                break
            binding = tuple(limit for limit in self.limits if limit in binding or limit in broken)
        self.outcome.lower_usd = min(self.outcome.lower_usd, lower_usd)

    def _decomposed(self, leaf: Leaf, cutoff: float) -> Decomposed:
        """The leaf solved, or what is known of one like it."""
        key = leaf.same_as
        result = self.solved.get(key)
        if result is None or (result.fleet is None and result.lower_usd < cutoff):
            result = decompose(leaf, cutoff)
            self.solved[key] = result
            self.outcome.leaves_solved += not leaf.caps
            self.large += bool(result.unit_rps)
        return result

    def _note_limits_of(self, result: Decomposed) -> None:
        """How exact the answer still is, and what its bound leaves out."""
        self.outcome.exact &= not result.unit_rps
        self.outcome.unit_rps = max(self.outcome.unit_rps, result.unit_rps)
        self.outcome.caps_priced |= result.caps_priced
        self.outcome.dropped = self.outcome.dropped or result.dropped

    def _keep(self, found: Found) -> None:
        rivals = self._rivals(found.site)
        self.best[rivals] = min(self.best.get(rivals, np.inf), found.usd)
        self.outcome.plans.append(found)
        self.outcome.plans.sort(key=Found.rank)

    def _rivals(self, site: Site) -> frozenset[str]:
        """Whose plans one in these sites is held against: its providers', or all."""
        return frozenset(part[0] for part in site) if self.by_provider else frozenset()
