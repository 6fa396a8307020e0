"""A cap on what a plan emits: one multiplier, with the search as its oracle.

A price λ on a kilogram makes the search trade money for carbon, and bounds what any plan within the cap costs:

    usd ≥ L(λ) = lower_usd(λ) − λ · cap        for every λ ≥ 0

λ goes from the free plan towards the one that emits least: each step is where the lines usd + λ · kg of the two plans
next to the cap meet, as in Kelley's cutting planes for the Lagrangian dual (Fisher, Management Science 27, 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optimiser.planning.carbon import at_more_a_kg
from optimiser.planning.charges import Charges
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import Problem

if TYPE_CHECKING:
    from optimiser.planning.search import Found, Outcome

MOST_STEPS = 10
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
    free = run.at(0.0)
    if free is None or run.kg(free) <= run.cap:
        return run.outcome()
    over, over_usd = run.kg(free), free.usd
    least = run.at(LEAST_CARBON * max(free.usd, 1.0) / over)
    if least is None or run.kg(least) > run.cap:
        return run.outcome()
    under, under_usd = run.kg(least), least.usd
    for _ in range(MOST_STEPS):
        if run.closed(gap) or over - under <= 1e-9 * over:
            break
        usd_per_kg = max(under_usd - over_usd, 0.0) / (over - under)
        found = run.at(usd_per_kg)
        if found is None:
            break
        kg, usd = run.kg(found), found.usd
        on_the_line = usd + usd_per_kg * kg >= (under_usd + usd_per_kg * under) * (1 - 1e-9)
        if kg <= run.cap:
            under, under_usd = kg, usd
        else:
            over, over_usd = kg, usd
        if on_the_line:
            break
    return run.outcome()


class _Run:
    def __init__(self, problem: Problem, solve: Callable[[Problem], Outcome]) -> None:
        self.problem, self.solve, self.cap = problem, solve, cap_kg(problem)
        self.charges = Charges(problem)
        self.columns = {(o.id, p.id): Bought(o, p) for o in problem.options for p in o.purchases}
        self.options = {option.id: option for option in problem.options}
        self.found: list[Found] = []
        self.outcomes: list[Outcome] = []
        self.lower_usd = 0.0

    def at(self, usd_per_kg: float) -> Found | None:
        """The best plan where a kilogram costs so much more, at the problem's own prices."""
        outcome = self.solve(at_more_a_kg(self.problem, usd_per_kg))
        self.outcomes.append(outcome)
        self.lower_usd = max(self.lower_usd, outcome.lower_usd - usd_per_kg * self.cap)
        here = [self._at_own_prices(one, usd_per_kg) for one in outcome.plans]
        self.found += [one for one in here if self.kg(one) <= self.cap * (1 + 1e-9)]
        return here[0] if here else None

    def kg(self, found: Found) -> float:
        return horizon_kg(self.problem, found.solution)

    def closed(self, gap: float) -> bool:
        best = min((one.usd for one in self.found), default=np.inf)
        return bool(self.lower_usd >= best * (1 - gap))

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
        )
