"""A workload and what can be bought for it, as the problem that planning solves."""

from __future__ import annotations

from optimiser.errors import bad_value
from optimiser.planning.by_size import BY_SIZE, with_rates_by_size
from optimiser.planning.infeasible import beyond_reason
from optimiser.planning.over_sites import refuse_beside_split
from optimiser.planning.planned_demand import planned_periods
from optimiser.planning.problem import AS_MEASURED, GrantedQuota, Option, Problem, Scenario
from optimiser.policy import Policy
from optimiser.workload import Workload

SECONDS_PER_HOUR = 3600
FEWEST_REQUESTS = 1.0


def problem_of(
    workload: Workload, options: tuple[Option, ...], policy: Policy, quotas: tuple[GrantedQuota, ...]
) -> Problem:
    """What is to be planned. Raises UsageError for next to no demand, NoFeasiblePlan for more than can be bought."""
    courses = workload.scenarios
    blended = Problem(
        services=(workload.name,),
        options=options,
        periods=planned_periods([one.periods for one in courses] or [workload.periods], policy),
        policy=policy,
        scenarios=tuple(Scenario(name=one.name, probability=one.probability) for one in courses)
        or (AS_MEASURED,),
        bucket_shares=tuple(bucket.share for bucket in workload.buckets),
        routing=workload.routing,
        quotas=quotas,
        output_tokens_per_request=sum(bucket.share * bucket.output_tokens for bucket in workload.buckets),
    )
    problem = with_rates_by_size(blended) if workload.routing == BY_SIZE else blended
    refuse_beside_split(problem)
    if float(problem.hours @ problem.mean_rps) * SECONDS_PER_HOUR < FEWEST_REQUESTS:
        right = f"next to nothing: fewer than {FEWEST_REQUESTS:g} requests in all the hours planned"
        raise bad_value(workload.name, "demand", float(problem.mean_rps.max()), right)
    if refusal := beyond_reason(problem):
        raise refusal
    return problem
