"""A question planned again, and what is read off its plan: money, latency, energy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from optimiser.errors import OptimiserError
from optimiser.performance.specs import ModelSpec
from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanOption
from optimiser.policy import Policy
from optimiser.pool import cores, spread
from optimiser.recommend import Request, recommend
from optimiser.workload import Workload

# A process takes as long to start as about so many plans take to make.
PLANS_WORTH_A_PROCESS = 8


@dataclass(frozen=True, kw_only=True)
class Task:
    """What differs from the baseline's question, small enough to travel; the model may be of a lever's own making."""

    workload: Workload
    policy: Policy
    model: ModelSpec


@dataclass(frozen=True, kw_only=True)
class Replanned:
    """The plan of a question, or why there is none."""

    plan: Plan | None
    why_no_plan: str = ""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What a plan draws and emits while it runs, a month of 730 h."""

    kwh: float
    kg_co2e: float


def task_of(request: Request) -> Task:
    """The question without what all of them share."""
    return Task(
        workload=request.workload,
        policy=request.policy,
        model=request.config.find_model(request.workload.model),
    )


def asked(base: Request, task: Task) -> Request:
    """The whole question again, its plan without what it is compared with."""
    models = {**base.config.models, task.workload.model: task.model}
    return replace(
        base,
        workload=task.workload,
        policy=task.policy,
        config=replace(base.config, models=models),
        alone=True,
        explain=False,
    )


def replan(base: Request, task: Task) -> Replanned:
    """The plan, or why there is none: no feasible one, no price, a request that the model cannot hold."""
    try:
        return Replanned(plan=recommend(asked(base, task)))
    except OptimiserError as why:
        return Replanned(plan=None, why_no_plan=" ".join(str(why).split()))


def replan_all(base: Request, tasks: Sequence[Task], jobs: int | None) -> Iterator[Replanned]:
    """Every task planned, in order, over processes of this machine; the same whatever jobs."""
    return spread(replan, base, tasks, jobs=processes(jobs, len(tasks), len(tasks)))


def processes(jobs: int | None, tasks: int, plans: int) -> int:
    """How many processes to take for so many tasks of so many plans in all, where jobs does not say."""
    return max(min(jobs or min(cores(), plans // PLANS_WORTH_A_PROCESS), tasks), 1)


def energy_of(plan: Plan) -> Energy | None:
    """The plan's own energy and carbon at the load that each hour brings; None where an option in use has no figure."""
    found = plan.footprint
    if found is None or found.kwh_monthly_at_load is None or found.kg_co2e_monthly_at_load is None:
        return None
    return Energy(kwh=found.kwh_monthly_at_load, kg_co2e=found.kg_co2e_monthly_at_load)


def latency_of(plan: Plan) -> tuple[float, float] | None:
    """(TTFT, TPOT) in ms at the target's percentile, at the load that each hour brings: the mean over its requests.

    Of an option that serves r req/s with u units at c req/s estimated, latency is read off its load points at
    r / (u · c), along straight lines; below the lowest point it is that point's. None without a latency target.
    """
    if plan.services[0].ttft_ms is None:
        return None
    options = {one.id: one for one in plan.options}
    capacity = _capacity(plan, options)
    total = ttft = tpot = 0.0
    for key, rate in _served(plan).items():
        if key not in capacity or rate <= 0:
            continue
        points = options[key[2]].load_points
        at = [point.utilisation for point in points]
        load = rate / capacity[key]
        weight = rate * plan.periods[key[1]].hours * plan.scenarios[key[0]].probability
        total += weight
        ttft += weight * float(np.interp(load, at, [point.ttft_ms for point in points]))
        tpot += weight * float(np.interp(load, at, [point.tpot_ms for point in points]))
    return (ttft / total, tpot / total) if total else None


Key = tuple[int, int, str]


def _capacity(plan: Plan, options: dict[str, PlanOption]) -> dict[Key, float]:
    """Estimated req/s of what runs, by scenario, period and option."""
    bought = {one.id: one.option for one in plan.purchases}
    found: dict[Key, float] = defaultdict(float)
    for count in plan.counts:
        option = bought[count.purchase]
        found[count.scenario, count.period, option] += count.units * options[option].estimated_rps
    return found


def _served(plan: Plan) -> dict[Key, float]:
    """Mean req/s that go to each option, by scenario and period."""
    shares = [bucket.share for bucket in plan.services[0].buckets]
    mean = {(row.scenario, row.period): row.mean_rps for row in plan.demand}
    found: dict[Key, float] = defaultdict(float)
    for route in plan.routing:
        part = 1.0 if route.bucket is None else shares[route.bucket]
        found[route.scenario, route.period, route.option] += (
            mean[route.scenario, route.period] * part * route.share
        )
    return found


def all_in_usd(plan: Plan) -> Decimal:
    """All that the plan costs a month."""
    return plan.totals.total_monthly_usd


def proven_within_usd(plan: Plan, relative_gap: float) -> Decimal:
    """USD a month by which a better plan might exist: the gap that was proven, or that the search may stop at."""
    return all_in_usd(plan) * Decimal(str(max(plan.bound.gap, relative_gap)))
