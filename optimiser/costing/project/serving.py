"""What serving costs at the volumes of a project: real serving plans at a few of them, and lines between.

A fleet is not linear in what it serves (spare machines, whole instances, other machines at other sizes), and a plan
for each month of each case would take minutes: plans are made at some volumes, most of them among those expected, and
between two the cost is on the straight line. Whole machines make the real cost a staircase around it. What throughput
estimates may be off by is planned at volumes of its own, since on a staircase no factor holds at more than one volume.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from optimiser.costing.project.amounts import ONE, Range
from optimiser.costing.project.commitments import Commitments, Signed, commitments_over, usd_beyond_end
from optimiser.costing.project.fleet_points import FleetPoint, points_of, usd_between
from optimiser.errors import NoFeasiblePlan, UsageError
from optimiser.planning.plan import SECONDS_PER_MONTH, Plan
from optimiser.planning.price_ages import OldestPrice, oldest_in_use, past_their_age
from optimiser.policy import Policy
from optimiser.recommend import Prepared, Request, at_demand, prepared, recommend
from optimiser.workload import Workload
from optimiser.workload.volume import mean_rps, times, tokens_per_request

# Volumes closer than this are planned once: estimates are known far less well.
_ALIKE = Decimal("1.02")
_EXPECTED_WEIGHT = 3
LEAST_VOLUMES = 4
# Confidences of the throughput estimates that the low and the high case are planned at.
LOW_CONFIDENCE, HIGH_CONFIDENCE = 0.5, 0.9


@dataclass(frozen=True, kw_only=True)
class End:
    """An input moved to one of its ends, said in words, and the queries of each month that it then asks."""

    input: str
    said: str
    queries: tuple[Decimal, ...]


@dataclass(frozen=True, kw_only=True)
class NotPlanned:
    """A case, low or high, that has no plan at the confidence that it asks for, and why: it has those planned_at the
    policy's own, so that what serving costs in it is a bound, from above for low and from below for high.
    """

    case: str
    confidence: Decimal
    planned_at: Decimal
    why: str


@dataclass(frozen=True, kw_only=True)
class FleetCurve:
    """Serving plans by volume, ascending: points at the policy's confidence in throughput, low_points and high_points
    at the ends of `confidence`, the confidences that were planned at (None, and the same points, where the policy fixes
    a margin; the policy's own, and the same points, in a case of not_planned). A plan for more carries less too, so
    none costs more than the next.

    relative_error is the largest of their throughput estimates; oldest_prices by tier what they use, old_prices those
    past the age that the policy notes. not_moved are inputs that have no plan at an end to which they would be moved.
    """

    points: tuple[FleetPoint, ...]
    low_points: tuple[FleetPoint, ...]
    high_points: tuple[FleetPoint, ...]
    confidence: Range | None
    not_planned: tuple[NotPlanned, ...]
    tokens_per_query: Decimal
    relative_error: float
    oldest_prices: tuple[OldestPrice, ...]
    old_prices: tuple[str, ...]
    not_moved: tuple[str, ...]
    notes: tuple[str, ...]

    def commitments(self, queries: Sequence[Decimal], months: Sequence[str]) -> Commitments | None:
        """What the plans that carry the months' queries, as expected, sign."""
        return commitments_over(_signed_by(self.points, queries), queries, months)

    def owed_after_end(self, queries: Mapping[str, Sequence[Decimal]]) -> Range:
        """USD owed after the last month for what the plans of each case sign that carry its months' queries."""
        fleets = {"low": self.low_points, "expected": self.points, "high": self.high_points}
        owed = {case: usd_beyond_end(_signed_by(fleets[case], queries[case])) for case in fleets}
        usual = owed["expected"]
        return Range(low=min(owed["low"], usual), expected=usual, high=max(owed["high"], usual))

    @property
    def confidence_asked(self) -> Range | None:
        """The confidences that low, expected and high ask for."""
        asked = {one.case: one.confidence for one in self.not_planned}
        return None if self.confidence is None else replace(self.confidence, **asked)

    def usd_per_month(self, queries: Decimal, confidence: Decimal | None = None) -> Decimal:
        """USD a month of serving so many queries, at the policy's confidence or at an end of `confidence`.

        A plan at a higher confidence carries at a lower one too: below the policy's own nothing costs more, and above
        it nothing less, than at its own.
        """
        usual = usd_between(self.points, queries)
        if self.confidence is None or confidence is None or confidence == self.confidence.expected:
            return usual
        if confidence < self.confidence.expected:
            return min(usual, usd_between(self.low_points, queries))
        return max(usual, usd_between(self.high_points, queries))


def _signed_by(points: Sequence[FleetPoint], queries: Sequence[Decimal]) -> list[tuple[Signed, ...]]:
    """What each month's plan signs: the smallest that carries its queries."""
    return [
        next(point for point in points if point.queries_per_month >= asked).commitments if asked else ()
        for asked in queries
    ]


def planned_fleets(
    request: Request, months: Mapping[str, Sequence[Decimal]], ends: Sequence[End], most: int
) -> FleetCurve:
    """Serving plans for what the months ask: months are the queries of each month by case, ends what else is asked at
    the policy's own confidence where that can be planned, most how many volumes are planned at it, and about half as
    many at each other one. Raises what `recommend` raises, NoFeasiblePlan with its volume.
    """
    low, expected, high = (months[case] for case in ("low", "expected", "high"))
    plan_at = _Volumes(request)
    kept, without = _within_reach(plan_at, [*low, *expected, *high], ends)
    asked = [*low, *high, *(volume for end in kept for volume in end.queries)]
    plans = {volume: plan_at(volume) for volume in volumes_to_plan(expected, asked, most)}
    points, every = points_of(plans), [*plans.values()]
    cautions, notes = _cautions(request.policy)
    found, not_planned = {"low": points, "high": points}, list[NotPlanned]()
    usual = Decimal(str(request.policy.performance_confidence))
    for case, own in (("low", low), ("high", high)) if cautions is not None else ():
        confidence = getattr(cautions, case)
        caution = {"performance_confidence": float(confidence), "performance_margin": None}
        cautiously = _Volumes(replace(request, policy=request.policy.model_copy(update=caution)))
        volumes = volumes_to_plan(own, expected, max(LEAST_VOLUMES, most // 2 + 1))
        try:
            at_end = {volume: cautiously(volume) for volume in volumes}
        except NoFeasiblePlan as why:
            not_planned.append(NotPlanned(case=case, confidence=confidence, planned_at=usual, why=str(why)))
            continue
        found[case] = points_of(at_end)
        every += at_end.values()
    if cautions is not None:
        cautions = replace(cautions, **dict.fromkeys((one.case for one in not_planned), usual))
    oldest = oldest_in_use(every)
    return FleetCurve(
        points=points,
        low_points=found["low"],
        high_points=found["high"],
        confidence=cautions,
        not_planned=tuple(not_planned),
        tokens_per_query=Decimal(str(tokens_per_request(request.workload.buckets))),
        relative_error=max(plan.estimate_relative_error for plan in every),
        oldest_prices=oldest,
        old_prices=past_their_age(oldest),
        not_moved=tuple(without),
        notes=(*notes, *dict.fromkeys(without.values()), *_left_out(every)),
    )


def _within_reach(
    plan_at: _Volumes, cases: Sequence[Decimal], ends: Sequence[End]
) -> tuple[list[End], dict[str, str]]:
    """The ends of inputs that can be planned at both, and the other inputs, each with why. The most and the least that
    is asked beyond the cases is tried, since what lies between is within reach of a fleet if they are.
    """
    kept, without = list(ends), dict[str, str]()
    for furthest in (max, min):
        reach = furthest(volume for volume in cases if volume)
        while True:
            volumes = [volume for end in kept for volume in end.queries if volume]
            far = furthest([reach, *volumes])
            if far == reach:
                break
            try:
                plan_at(Decimal(math.ceil(far)))
                break
            except (NoFeasiblePlan, UsageError) as why:
                beyond = [end for end in kept if far in end.queries]
                names = list(dict.fromkeys(end.input for end in beyond))
                said = f"{', '.join(names)}: left out of what moves the total, no plan at {beyond[0].said}: {why}"
                without |= dict.fromkeys(names, said)
                kept = [end for end in kept if end.input not in names]
    return kept, without


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


class _Volumes:
    """The request's plan at a volume; each is made once, and what does not go by the volume is found once for all."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.known: Prepared | None = None
        self.plans: dict[Decimal, Plan] = {}

    def __call__(self, volume: Decimal) -> Plan:
        if volume not in self.plans:
            asked = replace(self.request, workload=at_volume(self.request.workload, volume), alone=True)
            try:
                self.known = at_demand(self.known, asked) if self.known else prepared(asked)
                self.plans[volume] = recommend(asked, self.known)
            except (NoFeasiblePlan, UsageError) as why:
                raise type(why)(f"at {volume:,.0f} queries a month: {why}") from None
        return self.plans[volume]


def _cautions(policy: Policy) -> tuple[Range | None, tuple[str, ...]]:
    """The confidences in throughput of the three cases; None, and why, where the policy fixes a margin."""
    if policy.performance_margin is not None:
        return None, ("the policy fixes performance_margin: what estimates may be off by is in no case",)
    own = policy.performance_confidence
    cases = {"low": min(LOW_CONFIDENCE, own), "expected": own, "high": max(HIGH_CONFIDENCE, own)}
    return Range(**{case: Decimal(str(confidence)) for case, confidence in cases.items()}), ()


def _left_out(plans: Sequence[Plan]) -> tuple[str, ...]:
    every = {f"{one.provider} ({one.reason})" for plan in plans for one in plan.providers_left_out}
    return (f"left out of serving: {', '.join(sorted(every))}",) if every else ()
