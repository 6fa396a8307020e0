"""What more safety or less carbon costs: the same question planned along one axis of the policy, and what a tonne of
carbon avoided costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.errors import NoFeasiblePlan
from optimiser.planning.plan import Plan
from optimiser.recommend import Request, recommend


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A field of the policy and the values it takes, and what of a plan is set against its cost.

    measure is None where the plan does not know it. more says whether more of it is better.
    """

    field: str
    values: tuple[float, ...]
    measured: str
    measure: Callable[[Plan], float | None]
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class Point:
    """The plan under one value of the field; None, and why, where there is none.

    beaten: another point costs no more and measures no worse, and is better in one.
    """

    value: float
    plan: Plan | None
    measured: float | None
    beaten: bool = False
    why_no_plan: str = ""


def spot_share(plan: Plan) -> float:
    """Share of the capacity of the horizon, req/s-hours, that is on spot."""
    rate = {option.id: option.rate_rps for option in plan.options}
    bought = {purchase.id: purchase for purchase in plan.purchases}
    running: dict[bool, float] = defaultdict(float)
    for count in plan.counts:
        one = bought[count.purchase]
        hours = plan.periods[count.period].hours * plan.scenarios[count.scenario].probability
        running[one.how == "spot"] += rate[one.option] * count.units * hours
    return running[True] / (running[True] + running[False])


def kg_co2e(plan: Plan) -> float | None:
    """kg CO2e a month; None where not all of the plan's options have a figure."""
    known = {row.option: row.kg_co2e_monthly for row in plan.carbon}
    return None if {one.option for one in plan.purchases} - set(known) else sum(known.values())


AXES: Mapping[str, Axis] = {
    "spot": Axis(
        field="max_spot_share",
        values=(0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
        measured="share of capacity on spot",
        measure=spot_share,
    ),
    "margin": Axis(
        field="performance_confidence",
        values=(0.5, 0.6, 0.75, 0.9, 0.95),
        measured="share of cases in which the fleet suffices",
        measure=lambda plan: float(plan.policy["performance_confidence"]),
        more=True,
    ),
    "carbon": Axis(
        field="carbon_usd_per_tonne",
        values=(0.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0),
        measured="kg CO2e a month",
        measure=kg_co2e,
    ),
}


# Next to no weight, which leaves out places without a figure (an unknown is neither cheap nor green), and one beside
# which money only breaks ties: the search then looks for the least carbon there is.
CHEAPEST_AT, GREENEST_AT = 0.001, 1e9
# How often the plans next to each other are asked for one between.
BETWEEN = 2


@dataclass(frozen=True, kw_only=True)
class Trade:
    """A plan between the cheapest and the greenest, and what it emits at the load of each hour, kg CO2e a month.

    usd_per_tonne is what a tonne costs that it avoids beyond the cheapest, usd_per_further_tonne beyond the plan before
    it; None for the cheapest. All tonnes are those emitted at load; the search weighs those at planned rates.
    """

    plan: Plan
    kg_co2e_monthly_at_load: float
    usd_per_tonne: float | None
    usd_per_further_tonne: float | None


def carbon_trades(request: Request) -> tuple[Trade, ...]:
    """The cheapest plan first, then ever greener ones, each dearer than the one before; the last is the greenest found.

    All are of the same places on one footing (`optimiser.carbon.grids`). Those between are the best plans where a tonne
    costs what it costs between their neighbours, as in `planning.carbon_cap`. Raises NoFeasiblePlan where there is no
    plan in a place whose grid has a figure, and else what `recommend` does.
    """
    found = [_point(request, AXES["carbon"], price) for price in (CHEAPEST_AT, GREENEST_AT)]
    trades = _traded(found)
    if not trades:
        raise NoFeasiblePlan(found[0].why_no_plan)
    asked: set[float] = set()
    for _ in range(BETWEEN):
        prices = {one.usd_per_further_tonne for one in trades if one.usd_per_further_tonne} - asked
        found += [_point(request, AXES["carbon"], min(price, GREENEST_AT)) for price in sorted(prices)]
        asked |= prices
        trades = _traded(found)
    return trades


def _traded(points: Sequence[Point]) -> tuple[Trade, ...]:
    """The plans that emit less than every cheaper one, by cost."""
    known = [(plan, kg) for point in points if (plan := point.plan) and (kg := _kg_at_load(plan)) is not None]
    trades: list[Trade] = []
    for plan, kg in sorted(known, key=lambda one: (one[0].totals.total_monthly_usd, one[1])):
        if trades and _rounded(kg) >= _rounded(trades[-1].kg_co2e_monthly_at_load):
            continue
        beyond = (
            [_usd_per_tonne(one, plan, kg) for one in (trades[0], trades[-1])] if trades else [None, None]
        )
        trades.append(
            Trade(
                plan=plan,
                kg_co2e_monthly_at_load=kg,
                usd_per_tonne=beyond[0],
                usd_per_further_tonne=beyond[1],
            )
        )
    return tuple(trades)


def _kg_at_load(plan: Plan) -> float | None:
    return plan.footprint.kg_co2e_monthly_at_load if plan.footprint else None


def _usd_per_tonne(beside: Trade, plan: Plan, kg: float) -> float:
    dearer = plan.totals.total_monthly_usd - beside.plan.totals.total_monthly_usd
    return float(dearer) / (beside.kg_co2e_monthly_at_load - kg) * KG_PER_TONNE


def sweep(request: Request, axis: Axis) -> tuple[Point, ...]:
    """The plan under each value of the axis and under the policy's own, values ascending.

    The margin that would stand in the confidence's place is left out. Raises what `recommend` does but for
    NoFeasiblePlan, which is a point without a plan.
    """
    own = getattr(request.policy, axis.field)
    points = [_point(request, axis, value) for value in sorted({*axis.values, own})]
    return tuple(replace(one, beaten=_beaten(one, points, axis)) for one in points)


def _point(request: Request, axis: Axis, value: float) -> Point:
    change: dict[str, float | None] = {axis.field: value}
    if axis.field == "performance_confidence":
        change["performance_margin"] = None
    asked = replace(request, policy=request.policy.model_copy(update=change), explain=False, alone=True)
    try:
        plan = recommend(asked)
    except NoFeasiblePlan as why:
        return Point(value=value, plan=None, measured=None, why_no_plan=str(why))
    return Point(value=value, plan=plan, measured=axis.measure(plan))


def _beaten(point: Point, points: Sequence[Point], axis: Axis) -> bool:
    if point.plan is None or point.measured is None:
        return False
    sign = -1 if axis.more else 1
    cost, measured = point.plan.totals.total_monthly_usd, _rounded(sign * point.measured)
    for other in points:
        if other.plan is None or other.measured is None or other is point:
            continue
        pair = (other.plan.totals.total_monthly_usd, _rounded(sign * other.measured))
        if pair[0] <= cost and pair[1] <= measured and pair != (cost, measured):
            return True
    return False


def _rounded(value: float) -> float:
    """To nine digits: sums of one plan differ in the last ones by the order they were added in."""
    return float(f"{value:.9g}")
