"""What serving costs at the volumes of a project: real serving plans at a few of them, and lines between.

A fleet is not linear in what it serves (spare machines, whole instances, other machines at other sizes), and a plan
for each month of each case would take minutes: plans are made at some volumes, most of them among those expected, and
between two the cost is on the straight line. Whole machines make the real cost a staircase around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise

from optimiser.costing.project.amounts import ONE, Range, exactly, rounded
from optimiser.errors import NoFeasiblePlan, UsageError
from optimiser.planning.plan import SECONDS_PER_MONTH, Plan
from optimiser.planning.price_basis import past_their_age
from optimiser.recommend import Request, recommend
from optimiser.workload import Workload
from optimiser.workload.volume import mean_rps, times, tokens_per_request

_UNIT = Decimal("0.00000001")
# Volumes closer than this are planned once: estimates are known far less well.
_ALIKE = Decimal("1.02")
_EXPECTED_WEIGHT = 3
# Confidences of the throughput estimates that the low and the high case are planned at.
LOW_CONFIDENCE, HIGH_CONFIDENCE = 0.5, 0.9


@dataclass(frozen=True, kw_only=True)
class FleetPoint:
    """A serving plan at a volume: USD a month and per query, the most instances of each type at once, and its sites as
    provider/region.
    """

    queries_per_month: Decimal
    usd_per_month: Decimal
    usd_per_query: Decimal
    fleet: str
    sites: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OldestPrice:
    """The oldest price in use of a tier."""

    tier: str
    observed_on: date


@dataclass(frozen=True, kw_only=True)
class FleetCurve:
    """Serving plans by volume, ascending. A plan for more carries less too, so none costs more than the next.

    relative_error is the largest of their throughput estimates; oldest_prices by tier what they use, old_prices those
    past the age that the policy notes. throughput: serving's cost at a lower and a higher confidence, by factor.
    """

    points: tuple[FleetPoint, ...]
    tokens_per_query: Decimal
    throughput: Range
    relative_error: float
    oldest_prices: tuple[OldestPrice, ...]
    old_prices: tuple[str, ...]
    notes: tuple[str, ...]

    def usd_per_month(self, queries: Decimal) -> Decimal:
        """USD a month of serving so many queries: on the straight line between the plans beside it; below the least
        that was planned as at the least, above the most in proportion.
        """
        first, last = self.points[0], self.points[-1]
        if queries >= last.queries_per_month:
            return last.usd_per_month * queries / last.queries_per_month
        for below, above in pairwise(self.points):
            if below.queries_per_month <= queries <= above.queries_per_month:
                span = above.queries_per_month - below.queries_per_month
                share = (queries - below.queries_per_month) / span
                return below.usd_per_month + share * (above.usd_per_month - below.usd_per_month)
        return first.usd_per_month


def planned_fleets(
    request: Request, expected: Sequence[Decimal], all_volumes: Iterable[Decimal], most: int
) -> FleetCurve:
    """Serving plans for what the months ask: expected are the queries of each month as expected, all_volumes those of
    every case, most how many volumes are planned. Raises what `recommend` raises, NoFeasiblePlan with its volume.
    """
    workload = request.workload
    volumes = volumes_to_plan(expected, all_volumes, most)
    plans = [_plan_at(request, volume) for volume in volumes]
    points = none_dearer_than_more(
        [_point(volume, plan) for volume, plan in zip(volumes, plans, strict=True)]
    )
    throughput, notes = _throughput(request, max(expected), points)
    oldest = _oldest(plans)
    return FleetCurve(
        points=points,
        tokens_per_query=Decimal(str(tokens_per_request(workload.buckets))),
        throughput=throughput,
        relative_error=max(plan.estimate_relative_error for plan in plans),
        oldest_prices=tuple(OldestPrice(tier=tier, observed_on=day) for tier, day in oldest.items()),
        old_prices=past_their_age(oldest.items(), request.policy, request.as_of),
        notes=(*notes, *_left_out(plans)),
    )


def none_dearer_than_more(points: Sequence[FleetPoint]) -> tuple[FleetPoint, ...]:
    """Points of ascending volume, each with the fleet of the next where that one, which carries more, costs less."""
    found: list[FleetPoint] = []
    for point in reversed(points):
        if found and found[0].usd_per_month < point.usd_per_month:
            volume, usd = point.queries_per_month, found[0].usd_per_month
            point = replace(found[0], queries_per_month=volume, usd_per_query=_per_query(usd, volume))
        found.insert(0, point)
    return tuple(found)


def volumes_to_plan(expected: Sequence[Decimal], every: Iterable[Decimal], most: int) -> list[Decimal]:
    """At most so many volumes (4 or more), ascending, in whole queries a month: the least and the most of all, the
    least and the most that is expected, and half way (by factor) in the widest gap, again and again. A gap within what
    is expected counts for wider than it is; volumes closer than 2 % are one, the larger.
    """
    asked = [volume for volume in (*expected, *every) if volume]
    running = [volume for volume in expected if volume]
    ends = sorted({min(asked), min(running), max(running), max(asked)})
    volumes = [one for one, after in pairwise(ends) if after > one * _ALIKE] + ends[-1:]

    def width(gap: tuple[Decimal, Decimal]) -> Decimal:
        inside = min(running) < gap[1] and gap[0] < max(running)
        return (gap[1] / gap[0]).ln() * (_EXPECTED_WEIGHT if inside else 1)

    while len(volumes) < most:
        before, after = max(pairwise(volumes), key=width, default=(ONE, ONE))
        if after <= before * _ALIKE**2:
            break
        volumes = sorted([*volumes, (before * after).sqrt()])
    return [Decimal(math.ceil(volume)) for volume in volumes]


def at_volume(workload: Workload, queries_per_month: Decimal) -> Workload:
    """The workload with its demand, in its own shape over the week, brought to so many queries a month of 730 h."""
    return times(workload, float(queries_per_month) / SECONDS_PER_MONTH / mean_rps(workload))


def _plan_at(request: Request, volume: Decimal) -> Plan:
    try:
        return recommend(replace(request, workload=at_volume(request.workload, volume), alone=True))
    except (NoFeasiblePlan, UsageError) as why:
        raise type(why)(f"at {volume:,.0f} queries a month: {why}") from None


def _throughput(
    request: Request, volume: Decimal, points: Sequence[FleetPoint]
) -> tuple[Range, tuple[str, ...]]:
    """By what serving costs less and more where throughput is planned at a lower and a higher confidence."""
    policy = request.policy
    if policy.performance_margin is not None:
        return exactly(ONE), (
            "the policy fixes performance_margin: what estimates may be off by is in no case",
        )
    nearest = min(points, key=lambda point: abs(point.queries_per_month - volume))

    def factor(confidence: float) -> Decimal:
        caution = {"performance_confidence": confidence, "performance_margin": None}
        asked = replace(request, policy=policy.model_copy(update=caution))
        return _plan_at(asked, nearest.queries_per_month).totals.total_monthly_usd / nearest.usd_per_month

    low = min(ONE, factor(LOW_CONFIDENCE))
    try:
        high = max(ONE, factor(HIGH_CONFIDENCE))
    except NoFeasiblePlan:
        note = f"no plan at a confidence of {HIGH_CONFIDENCE:g}: the high case has the expected throughput"
        return Range(low=low, expected=ONE, high=ONE), (note,)
    return Range(low=low, expected=ONE, high=high), ()


def _oldest(plans: Sequence[Plan]) -> dict[str, date]:
    """Per tier the oldest price in use."""
    used: dict[str, date] = {}
    for row in (row for plan in plans for row in plan.price_dates):
        if row.oldest_used is not None:
            used[row.tier] = min(used.get(row.tier, row.oldest_used), row.oldest_used)
    return dict(sorted(used.items()))


def _left_out(plans: Sequence[Plan]) -> tuple[str, ...]:
    every = {f"{one.provider} ({one.reason})" for plan in plans for one in plan.providers_left_out}
    return (f"left out of serving: {', '.join(sorted(every))}",) if every else ()


def _point(volume: Decimal, plan: Plan) -> FleetPoint:
    options = {option.id: option for option in plan.options}
    most: dict[str, int] = {}
    for bought in plan.purchases:
        option = options[bought.option]
        most.setdefault(option.instance_type, 0)
        most[option.instance_type] += bought.max_units * option.instances_per_unit
    usd = plan.totals.total_monthly_usd
    return FleetPoint(
        queries_per_month=volume,
        usd_per_month=usd,
        usd_per_query=_per_query(usd, volume),
        fleet=", ".join(f"{count:,} × {name}" for name, count in most.items() if count),
        sites=tuple(dict.fromkeys(f"{option.provider}/{option.region}" for option in plan.options)),
    )


def _per_query(usd: Decimal, queries: Decimal) -> Decimal:
    return rounded(usd / queries, _UNIT)
