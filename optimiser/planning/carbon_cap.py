"""A cap on what a plan emits: one multiplier, with the search as its oracle.

A price λ on a kilogram makes the search trade money for carbon, and bounds what any plan within the cap costs:

    usd ≥ L(λ) = lower_usd(λ) − λ · cap        for every λ ≥ 0

λ goes from the free plan towards the one that emits least: each step is where the lines usd + λ · kg of the two plans
next to the cap meet, as in Kelley's cutting planes for the Lagrangian dual (Fisher, Management Science 27, 1981).
Where that leaves a gap, single choices of sites are searched in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import repeat

import numpy as np

from optimiser.planning.bounds import Profiles
from optimiser.planning.carbon import at_more_a_kg
from optimiser.planning.charges import Charges
from optimiser.planning.leaves import Bought, Site, Solution
from optimiser.planning.option_sets import sites
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import Floats, Option, Problem

MOST_STEPS = 10
# Choices of sites searched by themselves before the rest is left to its bound.
MOST_CHOICES = 6
# A kilogram at this many times what the free plan pays for one weighs more than anything else.
LEAST_CARBON = 1e4


def horizon_kg(problem: Problem, solution: Solution) -> float:
    """What a solution emits over the horizon, kg CO2e."""
    each = [column.option.kg_per_unit_hour for column in solution.columns]
    return float(problem.hours @ (solution.units @ np.array(each))) if each else 0.0


def cap_kg(problem: Problem) -> float:
    """The cap over the horizon, kg CO2e; inf where there is none."""
    monthly = problem.policy.max_monthly_kg_co2e
    return np.inf if monthly is None else monthly * problem.horizon_hours / HOURS_PER_MONTH


def search_within_cap(problem: Problem, solve: Callable[[Problem], Outcome], gap: float) -> Outcome:
    """The cheapest plans found within the cap, and the best of the bounds; without plans where none reaches it.

    Plans ascend by cost at the problem's own prices, those of every multiplier together.
    """
    run = _Run(problem, solve)
    run.close_in(gap, np.inf)
    if len(run.outcomes) > 1 and run.found and not run.closed(gap, np.inf):
        _choice_by_choice(run, gap)
    return run.outcome()


def _choice_by_choice(run: _Run, gap: float) -> None:
    """The same within single choices of sites, for multipliers of their own: one multiplier for all finds no plan of a
    choice that others outdo at that price on both sides of the cap.

        usd ≥ min_s L_s,    L_s = max over λ of lower_usd_s(λ) − λ · cap

    since every plan stays within one choice s. Those of the lowest bounds are searched, and the rest bounded.
    """
    choices = [site for site, _ in sites(run.problem)]
    if len(choices) < 2:
        return
    inside = [tuple(option for option in run.problem.options if option.site in site) for site in choices]
    bounds = np.maximum(_bounds_of(run, choices, inside), run.lower_usd)
    lower_usd = np.inf
    for place, chosen in enumerate(np.argsort(bounds, kind="stable").tolist()):
        bound, best_usd = float(bounds[chosen]), run.best_usd
        if place >= MOST_CHOICES or bound >= best_usd * (1 - gap):
            lower_usd = min(lower_usd, bound)
            break
        alone = _Run(replace(run.problem, options=inside[chosen]), run.solve)
        alone.close_in(gap, best_usd)
        run.outcomes += alone.outcomes
        run.found += alone.found
        lower_usd = min(lower_usd, max(alone.lower_usd, bound))
    run.lower_usd = max(run.lower_usd, lower_usd)


def _bounds_of(run: _Run, choices: Sequence[Site], inside: Sequence[tuple[Option, ...]]) -> Floats:
    """L_s of each choice of sites by the relaxation at the multipliers tried, USD over the horizon."""
    best = np.zeros(len(choices))
    rates = [[option.rate_rps for option in options] for options in inside]
    for usd_per_kg in run.tried:
        priced = at_more_a_kg(run.problem, usd_per_kg)
        options = {option.id: option for option in priced.options}
        sets = [tuple(options[option.id] for option in each) for each in inside]
        units = Profiles(priced).bounds(sets, [min(r) for r in rates], [max(r) for r in rates])
        least = map(Charges(priced).least_usd, choices, units.tolist(), repeat(()))
        best = np.maximum(best, np.array(list(least)) - usd_per_kg * run.cap)
    return best


class _Run:
    def __init__(self, problem: Problem, solve: Callable[[Problem], Outcome]) -> None:
        self.problem, self.solve, self.cap = problem, solve, cap_kg(problem)
        self.charges = Charges(problem)
        self.columns = {(o.id, p.id): Bought(o, p) for o in problem.options for p in o.purchases}
        self.options = {option.id: option for option in problem.options}
        self.found: list[Found] = []
        self.outcomes: list[Outcome] = []
        self.tried: list[float] = []
        self.lower_usd = 0.0

    def close_in(self, gap: float, known_usd: float) -> None:
        """Try multipliers until what is found, or known_usd, is proven to the gap, or nothing else is found."""
        free = self.at(0.0)
        if free is None or self.kg(free) <= self.cap or self.closed(gap, known_usd):
            return
        over, over_usd = self.kg(free), free.usd
        least = self.at(LEAST_CARBON * max(free.usd, 1.0) / over)
        if least is None or self.kg(least) > self.cap:
            return
        under, under_usd = self.kg(least), least.usd
        for _ in range(MOST_STEPS):
            if self.closed(gap, known_usd) or over - under <= 1e-9 * over:
                return
            usd_per_kg = max(under_usd - over_usd, 0.0) / (over - under)
            found = self.at(usd_per_kg)
            if found is None:
                return
            kg, usd = self.kg(found), found.usd
            on_the_line = usd + usd_per_kg * kg >= (under_usd + usd_per_kg * under) * (1 - 1e-9)
            if kg <= self.cap:
                under, under_usd = kg, usd
            else:
                over, over_usd = kg, usd
            if on_the_line:
                return

    def at(self, usd_per_kg: float) -> Found | None:
        """The best plan where a kilogram costs so much more, at the problem's own prices."""
        outcome = self.solve(at_more_a_kg(self.problem, usd_per_kg))
        self.outcomes.append(outcome)
        self.tried.append(usd_per_kg)
        self.lower_usd = max(self.lower_usd, outcome.lower_usd - usd_per_kg * self.cap)
        here = [self._at_own_prices(one, usd_per_kg) for one in outcome.plans]
        self.found += [one for one in here if self.kg(one) <= self.cap * (1 + 1e-9)]
        return here[0] if here else None

    def kg(self, found: Found) -> float:
        return horizon_kg(self.problem, found.solution)

    @property
    def best_usd(self) -> float:
        """The cheapest found; inf where there is none."""
        return min((one.usd for one in self.found), default=np.inf)

    def closed(self, gap: float, known_usd: float) -> bool:
        """Whether nothing is cheaper by more than the gap than what is found, or known."""
        return bool(self.lower_usd >= min(self.best_usd, known_usd) * (1 - gap))

    def _at_own_prices(self, found: Found, usd_per_kg: float) -> Found:
        bought = {
            how: [self.columns[one.option.id, one.purchase.id] for one in columns]
            for how, columns in found.bought.items()
        }
        options = tuple(self.options[option.id] for option in found.options)
        own = replace(found, bought=bought, options=options, usd_per_kg=usd_per_kg)
        if (made := found.instead) is not None:
            columns = tuple(self.columns[one.option.id, one.purchase.id] for one in made.columns)
            own = replace(own, instead=replace(made, columns=columns))
        return replace(own, usd=self.charges.weighed_usd(own.solution))

    def outcome(self) -> Outcome:
        plans = sorted(self.found, key=lambda one: (one.usd, len(one.options), one.site))
        best = plans[0].usd if plans else np.inf
        first = self.outcomes[0]
        if len(self.outcomes) == 1:
            return replace(first, plans=plans)
        dropped = dict.fromkeys(name for one in self.outcomes for name in one.dropped)
        return replace(
            first,
            plans=plans,
            lower_usd=min(self.lower_usd, best) if plans else np.inf,
            leaves=sum(one.leaves for one in self.outcomes),
            leaves_solved=sum(one.leaves_solved for one in self.outcomes),
            exact=all(one.exact for one in self.outcomes),
            caps_priced=any(one.caps_priced for one in self.outcomes),
            unit_rps=max(one.unit_rps for one in self.outcomes),
            dropped=tuple(dropped),
            carbon_steps=len(self.outcomes),
            timed_out=any(one.timed_out for one in self.outcomes),
        )
