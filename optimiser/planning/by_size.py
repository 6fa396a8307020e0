"""Routing by size: every request size goes, in continuous shares by the hour, to the options that serve it cheapest.

Sets of options (the types a plan may use, in the sites it may use) are taken lowest bound first: a quick bound for all,
the linear relaxation for those that come up, then a plan. What is left unsolved keeps its bound, which is proof.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, count

import numpy as np

from optimiser.errors import bad_value
from optimiser.planning.by_size_bounds import QuickBounds, grouped, relaxed
from optimiser.planning.by_size_hours import SetSolved, solve_set
from optimiser.planning.by_size_pruning import undominated
from optimiser.planning.by_size_sets import Sized, slots_of
from optimiser.planning.charges import Charges
from optimiser.planning.leaves import Site, Solution
from optimiser.planning.option_sets import sites
from optimiser.planning.problem import Floats, Option, Problem
from optimiser.planning.solve import Solved

# How a workload asks for it.
BY_SIZE = "by_size"
# Groups of hours in the relaxation of a set.
GROUPS = 10
# Sets that are relaxed, and sets that a plan is made of; the rest is left to its bound.
MOST_RELAXED = 400
MOST_SOLVED = 8
# Sets that are relaxed for a provider that is still without a plan.
MOST_RELAXED_ELSEWHERE = 40


@dataclass(frozen=True)
class SizedFound:
    """A plan: USD over the horizon as commitments are weighed, and where it is."""

    usd: float
    site: Site
    options: tuple[Option, ...]
    solution: Solution

    @property
    def machines(self) -> frozenset[str]:
        """Ids of the options the plan really uses."""
        return frozenset(column.option.id for column in self.solution.columns)


@dataclass
class SizedOutcome:
    """plans ascend by cost; lower_usd bounds every plan the policy allows. sets were bounded, relaxed_sets by a linear
    programme, solved_sets planned. in_time is False where a time limit stopped a model: another run may differ."""

    plans: list[SizedFound] = field(default_factory=list)
    lower_usd: float = np.inf
    sets: int = 0
    relaxed_sets: int = 0
    solved_sets: int = 0
    solver: str = ""
    in_time: bool = True

    @property
    def settled(self) -> Solved:
        """What the solver says of the best plan."""
        usd = self.plans[0].usd if self.plans else None
        status = "optimal" if self.in_time else "feasible"
        return Solved(status=status, usd=usd, lower_usd=self.lower_usd, solver=self.solver)

    @property
    def method(self) -> str:
        """How the bound came about, in words."""
        return (
            f"{self.sets:,} sets of instance types bounded, {self.relaxed_sets} by a linear programme over hours of "
            f"like demand, {self.solved_sets} planned: commitments whole with hours relaxed, then hour by hour"
        )

    @property
    def best(self) -> SizedFound | None:
        """The cheapest plan found."""
        return self.plans[0] if self.plans else None

    def best_of(self, provider: str) -> SizedFound | None:
        """The cheapest plan within one provider."""
        return next((plan for plan in self.plans if _within(plan.site, provider)), None)


# Fields of the policy whose rules are not planned by size, and where they ask for nothing.
NOT_BY_SIZE = {
    "min_regions": 1,
    "survive_region_loss": False,
    "max_share_per_provider": 1.0,
    "min_spot_pools": 1,
    "survive_spot_region_loss": False,
    "survive_zone_loss_of": None,
    "max_monthly_kg_co2e": None,
    "scale_to_zero_within_s": None,
    "min_up_hours": 0,
    "max_starts_per_hour": None,
    "max_stops_per_hour": None,
    "max_schedule_changes_per_day": None,
}


def with_rates_by_size(problem: Problem) -> Problem:
    """The problem with rates by size that agree with the mix's. Raises UsageError for a rule not planned by size."""
    for name, off in NOT_BY_SIZE.items():
        given = getattr(problem.policy, name)
        if given != off:
            right = f"routing: by_size does not keep that rule: leave it at {json.dumps(off)}, or set routing: uniform"
            raise bad_value(problem.services[0], f"policy.{name}", given, right)
    shares = problem.bucket_shares
    options = (replace(one, bucket_rates_rps=consistent_rates(one, shares)) for one in problem.options)
    return replace(problem, options=tuple(options))


def search_by_size(problem: Problem, gap: float = 1e-3) -> SizedOutcome:
    """Plans with routing by size, and the bound; without plans where nothing allowed carries every size at the peak."""
    run = _Search(problem, gap)
    run.add_sets()
    run.drain()
    return run.outcome


def consistent_rates(option: Option, bucket_shares: tuple[float, ...]) -> tuple[float, ...]:
    """Rates by size that agree with the whole mix: none above the option's rate with that size alone, and the mix
    served at no more than rate_rps.

    rate[b] · min(1, rate_rps · Σ_b share[b] / rate[b]) where every size can be served alone, else rate[b].
    """
    rates, shares = np.array(option.bucket_rates_rps), np.array(bucket_shares)
    active = shares > 0
    if np.any(rates[active] <= 0):
        return option.bucket_rates_rps
    mix = 1.0 / float((shares[active] / rates[active]).sum())
    return tuple((rates * min(1.0, option.rate_rps / mix)).tolist())


def unserved_sizes(problem: Problem) -> list[int]:
    """Sizes that no option serves alone at the target."""
    rates = np.array([option.bucket_rates_rps for option in problem.options])
    return np.flatnonzero((np.array(problem.bucket_shares) > 0) & ~(rates > 0).any(axis=0)).tolist()


def _within(site: Site, provider: str) -> bool:
    return all(part[0] == provider for part in site)


@dataclass(order=True)
class _Set:
    lower_usd: float
    number: int
    site: Site = field(compare=False)
    options: tuple[Option, ...] = field(compare=False)
    is_relaxed: bool = field(compare=False, default=False)


class _Search:
    def __init__(self, problem: Problem, gap: float) -> None:
        self.problem, self.gap = problem, gap
        self.slots, self.slot_of_period = slots_of(problem)
        self.groups = grouped(self.slots, GROUPS)
        self.outcome = SizedOutcome()
        self.heap: list[_Set] = []
        self.charges = Charges(problem)
        self.number = count()
        self.planned: set[frozenset[str]] = set()
        self.elsewhere: Counter[frozenset[str]] = Counter()

    def add_sets(self) -> None:
        """Queue every set under its quick bound."""
        for site, _ in sites(self.problem):
            options = tuple(option for option in self.problem.options if option.site in site)
            sized = Sized.of(self.problem, options)
            if not sized.serves_all:
                continue
            options = undominated(sized)
            quick = QuickBounds(Sized.of(self.problem, options), self.groups)
            for chosen in self._sets(options):
                self.outcome.sets += 1
                self._push(_Set(quick.bound(chosen), next(self.number), site, chosen))

    def _sets(self, options: tuple[Option, ...]) -> Iterator[tuple[Option, ...]]:
        """The options of every choice of as many instance types as the policy allows."""
        types = sorted({option.instance_type for option in options})
        most = self.problem.policy.max_instance_types
        for chosen in combinations(types, len(types) if most is None else min(most, len(types))):
            yield tuple(option for option in options if option.instance_type in chosen)

    def _push(self, one: _Set) -> None:
        if np.isfinite(one.lower_usd):
            heapq.heappush(self.heap, one)

    def drain(self) -> None:
        """Take the lowest bound until none can improve on the best plan, or enough work is done.

        A provider without a plan is still given one.
        """
        while self.heap:
            one = heapq.heappop(self.heap)
            best, providers = self.outcome.best, frozenset(part[0] for part in one.site)
            least = self.charges.least_usd(one.site, one.lower_usd)
            done = best is not None and least >= best.usd * (1 - self.gap)
            wanted = providers not in self.planned
            relaxed_sets = self.outcome.relaxed_sets
            if not one.is_relaxed and not done and relaxed_sets < MOST_RELAXED:
                self._relax(one)
            elif not one.is_relaxed and wanted and self.elsewhere[providers] < MOST_RELAXED_ELSEWHERE:
                self.elsewhere[providers] += 1
                self._relax(one)
            elif one.is_relaxed and (wanted or (not done and self.outcome.solved_sets < MOST_SOLVED)):
                self._solve(one)
                self.planned.add(providers)
            else:
                self._leave(one.site, one.lower_usd)

    def _leave(self, site: Site, lower_usd: float) -> None:
        """lower_usd bounds the units of a set; what is owed beside them comes on top."""
        self.outcome.lower_usd = min(self.outcome.lower_usd, self.charges.least_usd(site, lower_usd))

    def _relax(self, one: _Set) -> None:
        self.outcome.relaxed_sets += 1
        solved = relaxed(Sized.of(self.problem, one.options), self.groups)
        if solved.status == "infeasible":
            return
        lower = max(one.lower_usd, solved.usd or 0.0)
        self._push(_Set(lower, one.number, one.site, one.options, is_relaxed=True))

    def _solve(self, one: _Set) -> None:
        self.outcome.solved_sets += 1
        sized = Sized.of(self.problem, one.options)
        solved = solve_set(sized, self.slots, self.gap, one.lower_usd)
        self.outcome.in_time &= solved.in_time
        self.outcome.solver = solved.solver
        self._leave(one.site, solved.lower_usd)
        if solved.units is not None and solved.share is not None:
            solution = self._solution(sized, solved)
            usd = solved.usd if self.charges.none else self.charges.weighed_usd(solution)
            self.outcome.plans.append(SizedFound(usd, one.site, one.options, solution))
            self.outcome.plans.sort(key=lambda plan: (plan.usd, plan.site))

    def _solution(self, sized: Sized, solved: SetSolved) -> Solution:
        """Units per period and purchase with shares per period, size and option; what is never used is left out."""
        assert solved.units is not None  # noqa: S101 - asked only of plans
        assert solved.share is not None  # noqa: S101 - asked only of plans
        units = solved.units[self.slot_of_period]
        used = np.flatnonzero(units.any(axis=0))
        active = np.flatnonzero(np.array(self.problem.bucket_shares) > 0)
        shares: dict[str, Floats] = {}
        for i, option in enumerate(sized.options):
            share = np.zeros((len(units), len(self.problem.bucket_shares)))
            share[:, active] = solved.share[self.slot_of_period][:, :, i]
            if share.any():
                shares[option.id] = share
        columns = tuple(sized.columns[int(c)] for c in used)
        return Solution(columns, units[:, used], shares=shares)
