"""Hours × options × tiers under a budget for commitments, and within quotas, at a share of what the free plan takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cases import hours_problem, read

from optimiser.planning.caps import quota_caps
from optimiser.planning.leaves import Solution
from optimiser.planning.problem import GrantedQuota, Option, Problem, QuotaKey
from optimiser.planning.rules.committed_spend import signed_monthly_usd
from optimiser.planning.search import search

BUDGET_SHARE = 0.5
BUDGET_LIMITS = (0.01, 1.0)
QUOTA_SHARE = 0.5
ONE_QUOTA_LIMITS, SEVERAL_LIMITS = (0.01, 5.0), (0.01, 5.0)
# Quotas of the free plan's GPUs: firm purchases, and those on spot.
FIRM, ON_SPOT = ("B200", "H200", "H100", "L40S", "A100-80"), ("B200", "L40S")
VCPUS_PER_GPU = 8


def limited_weeks(folder: Path | None) -> Iterator[tuple[str, str, str, bool | None]]:
    """Case, measured, target and whether it is met, of the largest case of a week in the folder."""
    if folder is None:
        return
    week = read(folder / "time/demand_168.json")
    options = read(folder / "time/options_2000.json")["options"]
    problem = hours_problem(options, week["demand"], week["spot_cap"], week["min_non_spot_replicas"])
    free = search(problem).best
    if free is None:
        raise RuntimeError("the case has no plan")
    most = BUDGET_SHARE * signed_monthly_usd(problem, free.solution)
    budget = replace(
        problem, policy=problem.policy.model_copy(update={"max_committed_monthly_usd": round(most, 2)})
    )
    name = f"time: {len(options):,} × {len(week['demand']):,} h, "
    yield _row(f"{name}commitments ≤ {BUDGET_SHARE:.0%}", budget, BUDGET_LIMITS)
    counted = _by_gpu(problem)
    for count, firm, on_spot, limits in (
        ("a quota", FIRM[:1], (), ONE_QUOTA_LIMITS),
        (f"{len(FIRM)} quotas", FIRM, (), SEVERAL_LIMITS),
        ("quotas of both", FIRM[:3], ON_SPOT, SEVERAL_LIMITS),
    ):
        within = _within_quotas(counted, free.solution, firm, on_spot)
        yield _row(f"{name}{count} ≤ {QUOTA_SHARE:.0%}", within, limits)


def _by_gpu(problem: Problem) -> Problem:
    """The problem with a quota family for each GPU, which the options' names begin with: H100x8_r17."""

    def counted(option: Option) -> Option:
        gpu, _, number = option.id.partition("_")[0].partition("x")
        counts = {"quota_family": gpu, "gpu_count": int(number), "vcpus": VCPUS_PER_GPU * int(number)}
        return replace(option, shape=replace(option.shape, **counts))

    return replace(problem, options=tuple(map(counted, problem.options)))


def _within_quotas(
    problem: Problem, free: Solution, firm: tuple[str, ...], on_spot: tuple[str, ...]
) -> Problem:
    """The problem within quotas of a share of what the free plan takes of each at its peak."""
    site = problem.options[0].site
    keys = [QuotaKey(*site, family, spot) for spot in (False, True) for family in (on_spot if spot else firm)]
    policy = problem.policy.model_copy(update={"within_quotas": True})
    wide = tuple(GrantedQuota(key=key, amount=10**9, source="") for key in keys)
    asked = replace(problem, policy=policy, quotas=wide)
    options = {option.id: option for option in problem.options}
    columns = tuple(replace(one, option=options[one.option.id]) for one in free.columns)
    taken = [float(cap.taken(replace(free, columns=columns)).max()) for cap in quota_caps(asked)]
    granted = (int(QUOTA_SHARE * amount) for amount in taken)
    quotas = tuple(
        GrantedQuota(key=key, amount=amount, source="") for key, amount in zip(keys, granted, strict=True)
    )
    return replace(asked, quotas=quotas)


def _row(name: str, problem: Problem, limits: tuple[float, float]) -> tuple[str, str, str, bool | None]:
    started = time.perf_counter()
    outcome = search(problem)
    seconds = time.perf_counter() - started
    if outcome.best is None:
        raise RuntimeError(f"{name} has no plan")
    gap = outcome.best.usd / outcome.lower_usd - 1
    bracket = f"{outcome.lower_usd:,.1f} … {outcome.best.usd:,.1f}"
    without = f"; bound without {', '.join(outcome.dropped)}" if outcome.dropped else ""
    shown = f"{bracket}, gap {gap:.3%}, {seconds:.2f} s{without}"
    target = f"gap ≤ {limits[0]:.0%}, ≤ {limits[1]:g} s"
    return name, shown, target, gap <= limits[0] and seconds <= limits[1]
