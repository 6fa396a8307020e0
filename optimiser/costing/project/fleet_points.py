"""A serving plan at a volume as a point of a project's curve, and what lies between two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from optimiser.costing.project.amounts import rounded
from optimiser.costing.project.commitments import Signed, signed_in
from optimiser.planning.plan import Plan

_UNIT = Decimal("0.00000001")


@dataclass(frozen=True, kw_only=True)
class FleetPoint:
    """A serving plan at a volume: USD a month and per query, the most instances of each type that ever run (not all at
    the same time), the most GPUs at once, its sites as provider/region, what it signs, and what it draws and emits at
    the load of its hours (of one that stands here since it carries more for less, at its own, larger load); None where
    that is not known.
    """

    queries_per_month: Decimal
    usd_per_month: Decimal
    usd_per_query: Decimal
    fleet: str
    gpus_at_once: int
    sites: tuple[str, ...]
    commitments: tuple[Signed, ...]
    kwh_per_month: float | None
    kg_co2e_per_month: float | None


def between(points: Sequence[FleetPoint], queries: Decimal, of: Callable[[FleetPoint], Decimal]) -> Decimal:
    """A figure of plans at so many queries a month: on the straight line between the plans beside it; below the least
    that was planned as at the least, above the most in proportion.
    """
    last = points[-1]
    if queries >= last.queries_per_month:
        return of(last) * queries / last.queries_per_month
    for below, above in pairwise(points):
        if below.queries_per_month <= queries <= above.queries_per_month:
            span = above.queries_per_month - below.queries_per_month
            return of(below) + (queries - below.queries_per_month) / span * (of(above) - of(below))
    return of(points[0])


def usd_between(points: Sequence[FleetPoint], queries: Decimal) -> Decimal:
    """USD a month of so many queries a month, as `between` has it."""
    return between(points, queries, lambda point: point.usd_per_month)


def points_of(plans: Mapping[Decimal, Plan]) -> tuple[FleetPoint, ...]:
    """The plans by volume, ascending, none dearer than the next."""
    return none_dearer_than_more([_point(volume, plan) for volume, plan in plans.items()])


def none_dearer_than_more(points: Sequence[FleetPoint]) -> tuple[FleetPoint, ...]:
    """Points of ascending volume, each with the fleet of the next where that one, which carries more, costs less."""
    found: list[FleetPoint] = []
    for point in reversed(points):
        if found and found[0].usd_per_month < point.usd_per_month:
            volume, usd = point.queries_per_month, found[0].usd_per_month
            point = replace(found[0], queries_per_month=volume, usd_per_query=_per_query(usd, volume))
        found.insert(0, point)
    return tuple(found)


def _point(volume: Decimal, plan: Plan) -> FleetPoint:
    options = {option.id: option for option in plan.options}
    most: dict[str, int] = {}
    for bought in plan.purchases:
        option = options[bought.option]
        most.setdefault(option.instance_type, 0)
        most[option.instance_type] += bought.max_units * option.instances_per_unit
    usd, known = plan.totals.total_monthly_usd, plan.footprint
    return FleetPoint(
        queries_per_month=volume,
        usd_per_month=usd,
        usd_per_query=_per_query(usd, volume),
        fleet=", ".join(f"{count:,} × {name}" for name, count in most.items() if count),
        gpus_at_once=gpus_at_once(plan),
        commitments=signed_in(plan),
        sites=tuple(dict.fromkeys(f"{option.provider}/{option.region}" for option in plan.options)),
        kwh_per_month=None if known is None else known.kwh_monthly_at_load,
        kg_co2e_per_month=None if known is None else known.kg_co2e_monthly_at_load,
    )


def gpus_at_once(plan: Plan) -> int:
    """The most GPUs that run in any period of any scenario."""
    options = {option.id: option for option in plan.options}
    bought = {purchase.id: options[purchase.option] for purchase in plan.purchases}
    running = Counter[tuple[int, int]]()
    for count in plan.counts:
        option = bought[count.purchase]
        each = option.gpus_per_instance * option.instances_per_unit
        running[count.scenario, count.period] += each * count.units
    return max(running.values(), default=0)


def _per_query(usd: Decimal, queries: Decimal) -> Decimal:
    return rounded(usd / queries, _UNIT)
