"""Which services may be planned together, and which of them are served by the same replicas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from optimiser.errors import UsageError, bad_value
from optimiser.policy import Policy
from optimiser.recommend import Request
from optimiser.workload import DemandPeriod, SizeBucket

# What is bought, granted or to be spent for all follows one policy; everything else may be each service's own.
OF_ALL = (
    "tiers",
    "max_commitment_months",
    "allow_upfront",
    "commitment_hours_share",
    "price_decline_per_year",
    "discount_rate_per_year",
    "assume_obtainable",
    "markets",
    "overheads",
    "within_quotas",
    "max_gpus",
    "max_monthly_usd",
    "carbon_usd_per_tonne",
)
# Rules over all that runs, which planning together does not know yet; and the only value it knows.
NOT_YET = (
    "max_sites",
    "min_regions",
    "survive_region_loss",
    "max_share_per_provider",
    "commitment_headroom",
    "commitment_spare",
    "max_committed_monthly_usd",
    "minimum_monthly_usd_by_provider",
    "max_monthly_kg_co2e",
    "deployment",
    "min_up_hours",
    "max_starts_per_hour",
    "max_stops_per_hour",
    "max_schedule_changes_per_day",
    "scale_to_zero_within_s",
)


def refuse_what_differs(requests: Sequence[Request]) -> None:
    """Raise UsageError where services cannot be planned together."""
    first = requests[0]
    names = [request.workload.name for request in requests]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{twice}: two workloads have this name: give each its own to plan them together")
    for request in requests:
        both = f"{first.workload.name} and {request.workload.name}"
        horizon, other = ([(p.start, p.hours) for p in one.workload.periods] for one in (first, request))
        if horizon != other:
            said = _hours_that_differ(first.workload.periods, request.workload.periods)
            raise UsageError(f"{both}: planned together they need the same hours, {said}")
        _refuse_what_is_not_known(request)
        for field in OF_ALL:
            mine, theirs = getattr(request.policy, field), getattr(first.policy, field)
            if mine != theirs:
                right = "what is for all follows one rule"
                raise UsageError(f"{both}: policy.{field} = {theirs!r} and {mine!r}: {right}")


def _refuse_what_is_not_known(request: Request) -> None:
    name, policy, default = request.workload.name, request.policy, Policy()
    unknown = {f"policy.{field}": (getattr(policy, field), getattr(default, field)) for field in NOT_YET}
    unknown["policy.overheads.egress_usd_per_gb"] = (policy.overheads.egress_usd_per_gb, 0)
    unknown["demand.scenarios"] = (len(request.workload.scenarios), 0)
    unknown["routing"] = (request.workload.routing, "uniform")
    for field, (given, known) in unknown.items():
        if given != known:
            raise bad_value(
                name, field, given, f"planned together it can only be {json.dumps(known)} yet; plan it apart"
            )
    if policy.max_instance_types is None:
        raise bad_value(name, "policy.max_instance_types", None, "planned together it needs a number")


def _hours_that_differ(one: Sequence[DemandPeriod], other: Sequence[DemandPeriod]) -> str:
    """What of two demands is not alike, and what would make it so."""
    theirs, right = f"theirs are {_span(one)} and {_span(other)}", []
    if one[0].start != other[0].start:
        right.append("set demand.start alike")
    if len(one) != len(other):
        right.append(f"give both demands the same number of periods, {len(one)} or {len(other)}")
    if right:
        return f"{theirs}: {' and '.join(right)}"
    at = next(n for n in range(len(one)) if (one[n].start, one[n].hours) != (other[n].start, other[n].hours))
    return f"{theirs}, of which period {at} is {_hours(one[at])} and {_hours(other[at])}: give both demands the same"


def _hours(period: DemandPeriod) -> str:
    return f"{period.hours:.6g} h from {period.start:%Y-%m-%d %H:%M}"


def _span(periods: Sequence[DemandPeriod]) -> str:
    return f"{len(periods)} periods from {periods[0].start:%Y-%m-%d %H:%M}"


def of_one_kind(requests: Sequence[Request]) -> list[list[Request]]:
    """Requests by what replicas of the same kind may serve."""
    kinds: list[list[Request]] = []
    for request in requests:
        same = next((kind for kind in kinds if _alike(kind[0], request)), None)
        if same is None:
            kinds.append([request])
        else:
            same.append(request)
    return kinds


def _alike(one: Request, other: Request) -> bool:
    """Whether two services are served by the same replicas under the same rules."""
    fields = (
        "model",
        "target",
        "weight_precision",
        "kv_precision",
        "engine",
        "techniques",
        "performance",
        "routing",
    )
    same = all(getattr(one.workload, field) == getattr(other.workload, field) for field in fields)
    return same and one.policy == other.policy


def merged(kind: Sequence[Request]) -> Request:
    """Services of one kind as one: demands added hour by hour, sizes blended by their share of all requests.

    Ten-minute peaks add up as if they fell together; an hour is scheduled only where it is so for each.
    """
    loads = [one.workload for one in kind]
    requests = [sum(p.mean_rps * p.hours for p in one.periods) for one in loads]
    blended: dict[SizeBucket, float] = {}
    for load, count in zip(loads, requests, strict=True):
        for bucket in load.buckets:
            size = replace(bucket, share=0.0)
            blended[size] = blended.get(size, 0.0) + bucket.share * count / sum(requests)
    workload = replace(
        loads[0],
        name="+".join(one.name for one in loads),
        buckets=tuple(replace(size, share=share) for size, share in blended.items()),
        periods=tuple(_added(periods) for periods in zip(*(one.periods for one in loads), strict=True)),
        notes=tuple(dict.fromkeys(note for one in loads for note in one.notes)),
    )
    return replace(kind[0], workload=workload)


def _added(periods: Sequence[DemandPeriod]) -> DemandPeriod:
    peaks = [one.mean_rps if one.exact else one.peak_10min_rps for one in periods]
    known = [peak for peak in peaks if peak is not None]
    return replace(
        periods[0],
        mean_rps=sum(one.mean_rps for one in periods),
        peak_10min_rps=sum(known) if len(known) == len(peaks) else None,
        exact=all(one.exact for one in periods),
    )
