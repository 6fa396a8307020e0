"""What a service costs by itself, which planning together is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimiser.planning.assemble import core_of
from optimiser.planning.leaves import Solution
from optimiser.planning.offer_money import cents, exact
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_bought import PlanPurchase
from optimiser.planning.problem import Problem
from optimiser.planning.totals import overheads_monthly_usd
from providers.offer import Offer


@dataclass(frozen=True, kw_only=True)
class ApartCost:
    """USD: a month of 730 h with overheads, cash up front, and what the capital in that costs a month, in no total."""

    monthly_usd: Decimal
    upfront_usd: Decimal
    capital_monthly_usd: Decimal


def apart_cost(problem: Problem, solution: Solution, offers: Mapping[str, Offer]) -> ApartCost:
    """A service that runs so; a month is rounded as in a plan of its own (totals.py), which has the same total."""
    core = core_of(problem, solution, offers, {})
    billed = cents(core.horizon_usd * HOURS_PER_MONTH / exact(problem.horizon_hours))
    upfront, capital = cash_of(core.purchases)
    return ApartCost(
        monthly_usd=billed + cents(overheads_monthly_usd(problem, solution, billed)),
        upfront_usd=upfront,
        capital_monthly_usd=capital,
    )


def cash_of(purchases: Sequence[PlanPurchase]) -> tuple[Decimal, Decimal]:
    """USD up front of what is signed, and what its capital costs a month."""
    signed = [one.commitment for one in purchases if one.commitment]
    return (
        cents(sum((one.upfront_usd for one in signed), Decimal(0))),
        cents(sum((one.capital_monthly_usd or Decimal(0) for one in signed), Decimal(0))),
    )


def sum_of_costs(costs: Sequence[ApartCost | None]) -> ApartCost | None:
    """All of them; None where one has no plan."""
    known = [one for one in costs if one]
    if len(known) < len(costs):
        return None
    return ApartCost(
        monthly_usd=sum((one.monthly_usd for one in known), Decimal(0)),
        upfront_usd=sum((one.upfront_usd for one in known), Decimal(0)),
        capital_monthly_usd=sum((one.capital_monthly_usd for one in known), Decimal(0)),
    )
