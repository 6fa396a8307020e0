"""Purchases that are not worth a look: units that serve next to nothing, at many times the cost of others beside them.

A machine that meets the target only while it is all but idle serves a fraction of a request per second. Exact sums of
such units are many, and tell next to nothing: where even the quietest hour takes a hundred of them, all they can do is
fill a gap of under a hundredth of what an hour takes, with a unit that costs less than one of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimiser.planning.problem import How, Option, Problem, Purchase

# Of the quietest hour, what a unit serves at most, and how many times the cost per request of another in its site.
NEXT_TO_NOTHING, TIMES_THE_COST = 0.01, 10.0
_NAMED = 3


def worthwhile(problem: Problem) -> tuple[Problem, tuple[str, ...]]:
    """The problem without such purchases, and the instance types that they are of.

    A purchase is left out where its unit serves under NEXT_TO_NOTHING of what is planned in any hour of any scenario,
    and another in its site that is paid the same way and not limited costs a TIMES_THE_COST-th per request or less;
    every hour must take more of those than min_firm_instances, for which the cheapest machine counts as much as any.
    What is owned stays, and all does under quotas, limits on GPUs, carbon and money, where it may be what is left.
    """
    policy = problem.policy
    if policy.within_quotas or any(
        limit is not None for limit in (policy.max_gpus, policy.max_monthly_kg_co2e, policy.max_monthly_usd)
    ):
        return problem, ()
    quietest_rps = float(problem.planned_rps.min())
    least: dict[tuple[object, How], float] = {}
    for option in problem.options:
        enough = option.rate_rps * (policy.min_firm_instances + 1) <= quietest_rps
        for purchase in option.purchases if enough else ():
            if purchase.max_units is None:
                key = option.site, purchase.how
                least[key] = min(least.get(key, float("inf")), _usd_per_request(option, purchase))

    def kept(option: Option, purchase: Purchase) -> bool:
        usual = least.get((option.site, purchase.how), float("inf"))
        of_use = option.rate_rps >= NEXT_TO_NOTHING * quietest_rps
        return of_use or _usd_per_request(option, purchase) < TIMES_THE_COST * usual

    without: set[str] = set()
    left: list[Option] = []
    for option in problem.options:
        purchases = tuple(one for one in option.purchases if kept(option, one))
        if len(purchases) < len(option.purchases):
            without.add(option.instance_type)
        if purchases:
            left.append(replace(option, purchases=purchases))
    return replace(problem, options=tuple(left)), tuple(sorted(without))


def passed_over_told(instance_types: Sequence[str]) -> str:
    """What is left out of a search, in words."""
    others = len(instance_types) - _NAMED
    named = ", ".join(instance_types[:_NAMED]) + (f" and {others} more" if others > 0 else "")
    where = (
        f"a unit serves under {NEXT_TO_NOTHING:.0%} of any hour, at {TIMES_THE_COST:g} × the cost of others"
    )
    return f"{named} where {where}"


def _usd_per_request(option: Option, purchase: Purchase) -> float:
    """What a unit costs an hour over the requests/s that it serves."""
    return purchase.usd_per_unit_hour / max(option.rate_rps, 1e-12)
