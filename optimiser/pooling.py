"""The pool effect: bursts of a whole service are spread over its replicas, so each sees less of them.

Of a stream whose gaps vary by a² (squared coefficient of variation) one that gets every n-th request at random sees
1 + (a² − 1) / n (thinning of a renewal stream; Whitt, "Approximating a Point Process by a Renewal Process", 1982). A
replica that carries r of the T req/s that run gets one request in n = T / r, whatever else runs beside it; so the
quietest hour with demand, where T is least, says how many replicas may be counted on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace

from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.lifts import Asked, best_of, per_instance
from optimiser.performance.why import Pool, Why, explain
from optimiser.planning.options import planned_rate_rps
from optimiser.planning.planned_demand import planned_periods
from optimiser.policy import Policy
from optimiser.workload import Target, Workload

POOLS = (*range(1, 8), *range(8, 16, 2), *range(16, 32, 4), *range(32, 65, 8))
# Codes of the rejections for latency. A replica that sees fewer bursts may meet the target; what is rejected for
# anything else stays so at every pool.
_TOO_LATE = ("ttft", "tpot")
Answer = list[Estimate | Rejection]
Key = tuple[str, str]
# A shape, and how many instances of it a unit takes; 0 where it serves nothing.
_Unit = tuple[Key, int]
AnswersOf = Callable[[Target, Collection[Key] | None], Answer]


def target_of_pool(target: Target, replicas: float) -> Target:
    """The target of one replica of so many (inf: it sees none of them): its own part of the service's bursts, where
    those are given."""
    if target.service_arrival_cv == 1:
        return target
    scv = 1.0 + (target.service_arrival_cv**2 - 1.0) / replicas
    shared = replicas if math.isfinite(replicas) else 1.0
    return replace(target, arrival_cv=math.sqrt(scv), service_arrival_cv=1.0, pool=shared)


def least_running_rps(workload: Workload, policy: Policy) -> float:
    """The capacity that runs at least in any hour with demand, req/s: its planned rate over the ceiling."""
    courses = [one.periods for one in workload.scenarios] or [workload.periods]
    rates = [
        one[0].planned_rps
        for period in planned_periods(courses, policy)
        for one in period.demand
        if one[0].planned_rps > 0
    ]
    return min(rates, default=0.0) / policy.utilisation_ceiling


def pooled_answers(answers_of: AnswersOf, target: Target, least_rps: float, policy: Policy) -> Answer:
    """Every shape at the largest of POOLS that its replicas always come to; answers_of asks the named shapes, or all.

    A shape that misses the target at a small pool may meet it at a larger one, where a replica sees less of the bursts.
    One that serves is asked no further from the pool on that its replicas do not come to: more of them each serve more.
    Of a shape by itself and as groups of instances each counts its own replicas; groups that serve do not end the
    asking for the shape by itself.
    """
    chosen = _chosen(answers_of, target, least_rps, policy)
    return [one for _, answer in chosen.values() for one in answer]


def pooled_why(asked: Asked, target: Target, least_rps: float, policy: Policy) -> Why:
    """The explanation of one shape at the pool that pooled_answers has it at, and what one replica alone and one among
    very many would serve. Raises as explain does.
    """

    def answers_of(of: Target, _: Collection[Key] | None = None) -> Answer:
        return replace(asked, target=of).answers()

    def rate_at(replicas: float, instances: int) -> float:
        best = best_of(answers_of(target_of_pool(target, replicas)))
        return per_instance(best) * instances if best else 0.0

    replicas = _pool_of(answers_of, target, least_rps, policy)
    why = explain(replace(asked, target=target_of_pool(target, replicas)))
    if why.rejected and why.rejected not in _TOO_LATE:
        return why
    instances = why.setup.instances_per_unit if why.setup and not why.rejected else 1
    pool = Pool(
        replicas=replicas,
        requests_per_second_alone=rate_at(1, instances),
        requests_per_second_without_bursts=rate_at(math.inf, instances),
    )
    return replace(why, pool=pool)


def _pool_of(answers_of: AnswersOf, target: Target, least_rps: float, policy: Policy) -> int:
    """Which of POOLS pooled_answers has the one shape at that answers_of asks, in the way that serves most per
    instance; 1 where it serves nothing.
    """
    chosen = _chosen(answers_of, target, least_rps, policy)
    serving = [
        (per_instance(one), replicas)
        for replicas, answer in chosen.values()
        for one in answer
        if isinstance(one, Estimate)
    ]
    return max(serving, key=lambda found: found[0], default=(0.0, 1))[1]


def _chosen(
    answers_of: AnswersOf, target: Target, least_rps: float, policy: Policy
) -> dict[_Unit, tuple[int, Answer]]:
    """The pool and the answers of every unit."""
    chosen: dict[_Unit, tuple[int, Answer]] = {}
    among: set[Key] | None = None
    missed: set[Key] = set()
    for replicas in POOLS:
        found = _by_unit(answers_of(target_of_pool(target, replicas), among), replicas)
        most = {unit: _most_rps(answer, policy) for unit, answer in found.items()}
        enough = {unit for unit, rate in most.items() if rate and replicas * rate <= least_rps}
        chosen |= {unit: (replicas, one) for unit, one in found.items() if replicas == 1 or unit in enough}
        alone = {_shape(unit) for unit, rate in most.items() if rate and unit[1] == 1}
        if replicas == 1 and (missed := {_shape(unit) for unit in most} - alone):
            without = answers_of(target_of_pool(target, math.inf), missed)
            missed = {_shape(unit) for unit in _by_unit(without, 1) if unit[1] == 1}
        missed -= alone
        among = {_shape(unit) for unit in enough} | missed
        if not among:
            break
    serving = {_shape(unit) for unit in chosen if unit[1]}
    return {unit: found for unit, found in chosen.items() if unit[1] or _shape(unit) not in serving}


def _shape(unit: _Unit) -> Key:
    return unit[0]


def _by_unit(answers: Answer, replicas: int) -> dict[_Unit, Answer]:
    found: dict[_Unit, Answer] = {}
    for one in answers:
        instances = one.setup.instances_per_unit if isinstance(one, Estimate) else 0
        found.setdefault(((one.provider, one.instance_type), instances), []).append(_noted(one, replicas))
    return found


def _most_rps(found: Answer, policy: Policy) -> float:
    """What one replica of a unit is planned at; 0 where it serves nothing."""
    served = [one for one in found if isinstance(one, Estimate)]
    rates = (planned_rate_rps(one, policy) / one.setup.replicas_per_unit for one in served)
    return max(rates, default=0.0)


def _noted(one: Estimate | Rejection, replicas: int) -> Estimate | Rejection:
    if isinstance(one, Rejection):
        return one
    over = "one replica" if replicas == 1 else f"{replicas} replicas or more"
    return replace(one, notes=(*one.notes, f"bursts of the service are spread over {over}"))
