"""The same work bought otherwise: tiers, hours, places and GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from optimiser.config import Config
from optimiser.costing.levers.lever import (
    Apply,
    Asks,
    Changed,
    Given,
    InPlace,
    Lever,
    NotHere,
    Outcome,
    with_policy,
    with_workload,
)
from optimiser.recommend import Request
from optimiser.workload import DemandPeriod

_SPOT, _RESERVED = "spot", "reserved"
_FIRST_SPOT_SHARE, _MORE_SPOT_SHARE = 0.3, 0.5
_ALREADY_ALL = "already everything that has a price"


def _spot(request: Request, _given: Given) -> Outcome:
    policy = request.policy
    if _SPOT in policy.tiers and policy.max_spot_share > 0:
        return InPlace(
            why=f"already up to {policy.max_spot_share * 100:.0f} % on spot",
            without=with_policy(request, max_spot_share=0.0),
        )
    share = policy.max_spot_share or _FIRST_SPOT_SHARE
    tiers = _with_tier(policy.tiers, _SPOT)
    return Changed(
        request=with_policy(request, tiers=tiers, max_spot_share=share),
        setting=f"--set 'tiers=[{', '.join(tiers)}]' --set max_spot_share={share:g}",
        note="spot is interrupted: its risk is in the price that is planned with",
    )


def _more_spot(request: Request, _given: Given) -> Outcome:
    policy = request.policy
    if _SPOT not in policy.tiers or policy.max_spot_share == 0:
        return NotHere(why="no spot is allowed at all: see spot")
    if policy.max_spot_share >= _MORE_SPOT_SHARE:
        return InPlace(why=f"already up to {policy.max_spot_share * 100:.0f} %")
    return Changed(
        request=with_policy(request, max_spot_share=_MORE_SPOT_SHARE),
        setting=f"--set max_spot_share={_MORE_SPOT_SHARE:g}",
        note="more of the fleet may vanish at once",
    )


def _with_tier(tiers: Sequence[str], tier: str) -> tuple[str, ...]:
    return (*tiers, tier) if tier not in tiers else tuple(tiers)


def _commit(request: Request, _given: Given, *, months: int) -> Outcome:
    policy = request.policy
    longest = policy.max_commitment_months if _RESERVED in policy.tiers else 0
    if longest >= months:
        return InPlace(
            why=f"already up to {longest} months",
            without=with_policy(request, max_commitment_months=min(longest, months - 1)),
        )
    tiers = _with_tier(policy.tiers, _RESERVED)
    allowed = "" if tiers == policy.tiers else f" --set 'tiers=[{', '.join(tiers)}]'"
    return Changed(
        request=with_policy(request, tiers=tiers, max_commitment_months=months),
        setting=f"--set max_commitment_months={months}{allowed}",
        note="what is signed is owed to its end; prices by the hour that fall meanwhile are weighed",
    )


def _upfront(request: Request, _given: Given) -> Outcome:
    if request.policy.allow_upfront:
        return InPlace(why="already allowed", without=with_policy(request, allow_upfront=False))
    return Changed(
        request=with_policy(request, allow_upfront=True),
        setting="--set allow_upfront=true",
        note="cash is paid at once",
    )


def constant(request: Request) -> Request:
    """The question with every hour of a course at its busiest, as a fleet that never scales has to carry it."""

    def flat(periods: tuple[DemandPeriod, ...]) -> tuple[DemandPeriod, ...]:
        mean = max(one.mean_rps for one in periods)
        peaks = [one.peak_10min_rps for one in periods if one.peak_10min_rps is not None]
        peak = max(peaks, default=None)
        return tuple(replace(one, mean_rps=mean, peak_10min_rps=peak) for one in periods)

    workload = request.workload
    courses = tuple(replace(one, periods=flat(one.periods)) for one in workload.scenarios)
    return with_workload(request, periods=flat(workload.periods), scenarios=courses)


def _autoscale(request: Request, _given: Given) -> Outcome:
    flat = constant(request)
    if flat.workload == request.workload:
        return NotHere(why="demand is the same in every hour: there is nothing to scale")
    return InPlace(why="already planned hour by hour", without=flat)


def _by_the_hour(request: Request, _given: Given) -> Outcome:
    if request.policy.assume_obtainable:
        return InPlace(why="already assumed", without=with_policy(request, assume_obtainable=False))
    return Changed(
        request=with_policy(request, assume_obtainable=True),
        setting="--set assume_obtainable=true",
        note="what is given back may not be had again: sure only with capacity reserved, or a contract that says so",
    )


def _regions(request: Request, _given: Given) -> Outcome:
    if request.policy.regions is None:
        return InPlace(why=_ALREADY_ALL)
    return Changed(
        request=with_policy(request, regions=None),
        setting="--set regions=null",
        note="data may have to stay where it is, and round trips grow (round_trip_ms_by_region)",
    )


def _providers(request: Request, _given: Given) -> Outcome:
    if request.policy.providers is None:
        return InPlace(why=_ALREADY_ALL)
    return Changed(request=with_policy(request, providers=None), setting="--set providers=null")


def _sites(request: Request, _given: Given) -> Outcome:
    if request.policy.max_sites is None:
        return InPlace(why="already any number of sites", without=with_policy(request, max_sites=1))
    return Changed(
        request=with_policy(request, max_sites=None),
        setting="--set max_sites=null",
        note="more than one site to run",
    )


def _bought(name: str, title: str, group: str, apply: Apply, *, combine: bool = True) -> Lever:
    return Lever(name=name, title=title, group=group, asks=Asks.NOTHING, apply=apply, combine=combine)


LEVERS = (
    _bought("spot", "spot", "spot", _spot),
    _bought("spot-50", "half of the capacity on spot", "spot", _more_spot),
    _bought("commit-1y", "commitments of a year", "commitment", partial(_commit, months=12)),
    _bought("commit-3y", "commitments of three years", "commitment", partial(_commit, months=36)),
    _bought("upfront", "commitments paid up front", "upfront", _upfront),
    _bought("autoscale", "scaling by the hour", "autoscale", _autoscale, combine=False),
    # What the policy protects a first-time user from enters no combination unasked.
    _bought("release-scarce", "scarce machines by the hour", "scarce", _by_the_hour, combine=False),
    _bought("regions", "every region", "regions", _regions),
    _bought("providers", "every cloud", "providers", _providers),
    _bought("sites", "several sites", "sites", _sites, combine=False),
)


def gpu_levers(config: Config) -> tuple[Lever, ...]:
    """Each GPU that some instance type has, alone."""
    sold = {shape.gpu for shape in config.shapes.values()}
    return tuple(
        _bought(f"gpu-{name}", f"{name} alone", "gpu", partial(_one_gpu, name=name)) for name in sorted(sold)
    )


def _one_gpu(request: Request, _given: Given, *, name: str) -> Outcome:
    policy = request.policy
    if policy.gpus == (name,):
        return InPlace(why=f"already {name} alone")
    vendor = request.config.gpus[name].vendor
    more = "" if vendor in policy.gpu_vendors else f" --set 'gpu_vendors=[{vendor}]'"
    vendors = policy.gpu_vendors if not more else (vendor,)
    return Changed(
        request=with_policy(request, gpus=(name,), gpu_vendors=vendors, instance_types=None),
        setting=f"--gpu {name}{more}",
    )
