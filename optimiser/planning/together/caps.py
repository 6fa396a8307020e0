"""Quotas, and GPUs in all, as several services take them at once.

What is bought once for all runs all along: it counts whole in every hour, whoever uses it. Each service by itself may
fill a quota that all of them cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.caps import GPU_RULE, QUOTA_RULE, Cap, caps_of, within_reach
from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Found
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.search import search
from optimiser.planning.together.limited import left_by, limits_of, overdrawn
from optimiser.planning.together.services import PAID_FOR_ALL

# Orders in which services may take their quotas: each after the first has the service in front that found no plan.
ORDERS = 3


def without_caps(problem: Problem) -> Problem:
    """The problem without quotas or a limit on GPUs, but for purchases of which they let not one unit run."""
    caps = caps_of(problem)
    if not caps:
        return problem
    policy = problem.policy.model_copy(update={"within_quotas": False, "max_gpus": None})
    return replace(within_reach(problem, caps), policy=policy)


def caps_of_all(problems: Sequence[Problem]) -> tuple[Cap, ...]:
    """The caps that any of the services counts in."""
    return caps_of(replace(problems[0], options=tuple(o for one in problems for o in one.options)))


def taken_of(cap: Cap, solutions: Sequence[Solution], bought: Mapping[str, int]) -> Floats:
    """What services take of a cap, shape (periods,); bought is how many instances of each offer are bought for all.

    The same offer may be held for all and run by the hour too: machines that are slow to start for one service alone.
    """
    total = np.zeros(len(solutions[0].units))
    per_instance: dict[str, float] = {}
    for solution in solutions:
        for column, units in zip(solution.columns, solution.units.T, strict=True):
            each = cap.taken_by(column.option, column.purchase.how)
            if column.purchase.how in PAID_FOR_ALL and column.purchase.offer_id in bought:
                instances = column.option.estimate.setup.instances_per_unit
                per_instance[column.purchase.offer_id] = each / instances
            else:
                total += each * units
    return total + sum(per_instance.get(name, 0.0) * count for name, count in bought.items())


def broken_by(
    caps: Sequence[Cap], solutions: Sequence[Solution], bought: Mapping[str, int]
) -> tuple[Cap, ...]:
    """The caps of which more is taken than there is."""
    return tuple(cap for cap in caps if taken_of(cap, solutions, bought).max(initial=0.0) > cap.amount + 1e-6)


def excess_in_words(caps: Sequence[Cap], solutions: Sequence[Solution], bought: Mapping[str, int]) -> str:
    """Each of the caps that is broken, with what is taken at the peak and what there is."""
    said = []
    for cap in broken_by(caps, solutions, bought):
        peak = taken_of(cap, solutions, bought).max()
        name = f"{cap.key.provider} {cap.key.region} {cap.key.family}" if cap.key else "GPUs in all"
        paid = f" ({'spot' if cap.key.spot else 'on demand'})" if cap.key else ""
        said.append(
            f"{name}{paid}: {peak:,.0f}, {cap.amount:,} {'granted' if cap.key else 'allowed'}, "
            f"{peak - cap.amount:,.0f} too many"
        )
    return " and ".join(said)


def least_in_words(problems: Sequence[Problem], caps: Sequence[Cap]) -> str:
    """What proves that no plan carries all services, "" where nothing does: that even with the machines that take least
    of a cap for what they carry, an hour asks for more of it than there is."""
    for cap in caps:
        least = np.sum([_least_taken(problem, cap) for problem in problems], axis=0)
        if least.max() > cap.amount + 1e-6:
            when = problems[0].periods[int(least.argmax())].start
            name = f"{cap.key.provider} {cap.key.region} {cap.key.family}" if cap.key else "GPUs"
            return (
                f"at {when:%Y-%m-%d %H:%M} they need at least {math.ceil(least.max() - 1e-6):,} {name}, and "
                f"{cap.amount:,} are {'granted' if cap.key else 'allowed'}"
            )
    return ""


def _least_taken(problem: Problem, cap: Cap) -> Floats:
    """What a service takes of a cap at least in each period to carry its planned demand, shape (periods,)."""
    return problem.planned_rps * min(
        cap.taken_by(option, one.how) / option.rate_rps
        for option in problem.options
        for one in option.purchases
    )


def in_turn(problems: Sequence[Problem], plans: Sequence[Found], gap: float) -> list[Found] | None:
    """Plans of services by themselves that keep the caps, and take no more of limited offers than there is, at once:
    those given where they do, else each in turn within what the largest hours of those before it leave. None where no
    order tried has a plan for all."""
    caps, limits = caps_of_all(problems), limits_of(problems)

    def at_once(solutions: Sequence[Solution]) -> bool:
        return not broken_by(caps, solutions, {}) and not overdrawn(limits, solutions, {})

    if at_once([one.solution for one in plans]):
        return list(plans)
    order = list(range(len(problems)))
    for _ in range(ORDERS):
        found: dict[int, Found] = {}
        for number in order:
            before = [one.solution for one in found.values()]
            plan = plans[number]
            if not at_once([*before, plan.solution]):
                left = left_by(_left(problems[number], caps, before), limits, before)
                other = search(left, gap, alternatives=0).best if before else None
                if other is None:
                    order = [number, *(one for one in order if one != number)]
                    break
                plan = other
            found[number] = plan
        else:
            return [found[number] for number in range(len(problems))]
    return None


def _left(problem: Problem, caps: Sequence[Cap], before: Sequence[Solution]) -> Problem:
    """The problem within what others leave of every cap in their largest hour."""
    left = {
        cap.key: max(cap.amount - (int(taken_of(cap, before, {}).max()) if before else 0), 0) for cap in caps
    }
    quotas = tuple(
        replace(quota, amount=left[quota.key]) if quota.key in left else quota for quota in problem.quotas
    )
    policy = problem.policy
    if None in left:
        policy = policy.model_copy(update={"max_gpus": left[None]})
    return replace(problem, quotas=quotas, policy=policy)


def rules_of(caps: Sequence[Cap]) -> tuple[str, ...]:
    """The rules that caps belong to, in the order of the plan."""
    return tuple(name for name in (QUOTA_RULE, GPU_RULE) if any(cap.rule == name for cap in caps))
