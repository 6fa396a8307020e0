"""What becomes of a plan where a price or an estimate it rests on is off: the same fleet, and the best one then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from optimiser.planning.assemble import fleet_lines
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.parts import by_part
from optimiser.planning.plan_parts import PlanSensitivity
from optimiser.planning.problem import How, Option, Problem, Purchase
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd

OFF_BY = (1.2, 0.8)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A price (how it is paid, in the plan's site) or an estimate (of a GPU, everywhere) times factor.

    how is None for an estimate; name is the instance type of a price, the GPU of an estimate.
    """

    provider: str
    region: str
    name: str
    how: How | None
    factor: float


def sensitivity_of(problem: Problem, solution: Solution, gap: float) -> tuple[PlanSensitivity, ...]:
    """Every price the plan pays and every estimate it rests on, a fifth up and a fifth down, one at a time."""
    return tuple(_row(problem, solution, shift, gap) for shift in _shifts(solution))


def _shifts(solution: Solution) -> Iterator[Shift]:
    paid = {
        (one.option.provider, one.option.region, one.option.instance_type, one.purchase.how): None
        for one in solution.columns
        if one.purchase.how is not How.OWNED
    }
    for provider, region, name, how in paid:
        for factor in OFF_BY:
            yield Shift(provider=provider, region=region, name=name, how=how, factor=factor)
    for gpu in dict.fromkeys(one.option.shape.gpu for one in solution.columns):
        for factor in OFF_BY:
            yield Shift(provider="", region="", name=gpu, how=None, factor=factor)


def _row(problem: Problem, solution: Solution, shift: Shift, gap: float) -> PlanSensitivity:
    options = tuple(_option(option, shift) for option in problem.options)
    columns = tuple(_column(one, shift) for one in solution.columns)
    kept = replace(solution, columns=columns)
    best = search(replace(problem, options=options), gap, alternatives=0).best
    fleet = best.solution if best else None
    return PlanSensitivity(
        of="price" if shift.how else "estimate",
        provider=shift.provider,
        region=shift.region,
        name=shift.name,
        how=shift.how.value if shift.how else "",
        factor=shift.factor,
        kept_monthly_usd=all_in_monthly_usd(problem, kept),
        kept_short_rps=max(_short_rps(*part) for part in by_part(problem, kept)),
        best_monthly_usd=all_in_monthly_usd(problem, fleet) if fleet else None,
        best_fleet=fleet_lines(fleet) if fleet else (),
        same_machines=fleet is not None and _machines(fleet) == _machines(solution),
    )


def _short_rps(problem: Problem, solution: Solution) -> float:
    """What a fleet lacks of the planned demand in the worst period, req/s."""
    capacity = solution.units @ np.array([one.option.rate_rps for one in solution.columns])
    return max(float((problem.planned_rps - capacity).max()), 0.0)


def _machines(solution: Solution) -> set[tuple[str, How]]:
    return {(one.option.id, one.purchase.how) for one in solution.columns}


def _column(one: Bought, shift: Shift) -> Bought:
    option = _option(one.option, shift)
    return Bought(option, next(purchase for purchase in option.purchases if purchase.id == one.purchase.id))


def _option(option: Option, shift: Shift) -> Option:
    if shift.how is None:
        if option.shape.gpu != shift.name:
            return option
        rates = tuple(rate * shift.factor for rate in option.bucket_rates_rps)
        return replace(option, rate_rps=option.rate_rps * shift.factor, bucket_rates_rps=rates)
    if (option.provider, option.region, option.instance_type) != (shift.provider, shift.region, shift.name):
        return option
    return replace(option, purchases=tuple(_purchase(one, shift) for one in option.purchases))


def _purchase(purchase: Purchase, shift: Shift) -> Purchase:
    if purchase.how is not shift.how:
        return purchase
    billed = purchase.billed_usd_per_unit_hour
    return replace(
        purchase,
        usd_per_unit_hour=purchase.usd_per_unit_hour * shift.factor,
        billed_usd_per_unit_hour=None if billed is None else billed * shift.factor,
    )
