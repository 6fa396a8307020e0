"""Charges: money that a plan owes beside its units, and what that makes of a bound on the units alone.

A provider p that was promised m[p] USD bills at least that much, used or not:

    cost = Σ_p max(spent[p], m[p])  =  Σ_p spent[p] + Σ_p max(0, m[p] − spent[p])

The search counts what is spent as it is weighed, the plan as it is billed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import Problem

SHORTFALL = "promised and not spent"


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What is owed to whom, USD over the horizon."""

    provider: str
    what: str
    usd: float


def billed_charges(problem: Problem, solution: Solution) -> tuple[Charge, ...]:
    """The charges of a solution as they are billed, by provider."""
    return Charges(problem).of(solution, lambda column: column.purchase.billed)


@dataclass(frozen=True)
class Charges:
    """The charges of a problem's plans. Money is USD over the horizon."""

    problem: Problem

    @cached_property
    def promised(self) -> dict[str, float]:
        """The least that each provider bills."""
        months = float(self.problem.hours.sum()) / HOURS_PER_MONTH
        monthly = self.problem.policy.minimum_monthly_usd_by_provider
        return {provider: usd * months for provider, usd in sorted(monthly.items()) if usd}

    def of(self, solution: Solution, price: Callable[[Bought], float]) -> tuple[Charge, ...]:
        """What a solution owes where its units cost `price` an hour each."""
        spent = dict.fromkeys(self.promised, 0.0)
        for column, hours in zip(solution.columns, self.problem.hours @ solution.units, strict=True):
            if column.option.provider in spent:
                spent[column.option.provider] += price(column) * float(hours)
        return tuple(
            Charge(provider=provider, what=SHORTFALL, usd=least - spent[provider])
            for provider, least in self.promised.items()
            if least > spent[provider]
        )

    def weighed_usd(self, solution: Solution) -> float:
        """All that a solution costs as the search compares it: its units as weighed, and its charges beside them."""
        owed = self.of(solution, lambda column: column.purchase.usd_per_unit_hour)
        return solution.usd(self.problem.hours) + sum(charge.usd for charge in owed)

    def least_usd(self, providers: Collection[str], units_usd: float) -> float:
        """What any plan of some of the providers costs whose units cost at least units_usd, as weighed.

        max(units, Σ m[p] of the providers) + Σ m[p] of all others: exact for one provider.
        """
        if not self.promised:
            return units_usd
        inside = sum(usd for provider, usd in self.promised.items() if provider in providers)
        return max(units_usd, inside) + self._elsewhere(providers)

    def units_below(self, providers: Collection[str], usd: float) -> float:
        """What units of the providers must cost less than for a plan of them to cost less than usd."""
        return usd - self._elsewhere(providers)

    def _elsewhere(self, providers: Collection[str]) -> float:
        return sum(usd for provider, usd in self.promised.items() if provider not in providers)
