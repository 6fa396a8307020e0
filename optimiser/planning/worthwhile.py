"""Purchases that are not worth a look: units that serve next to nothing, at many times the cost of others beside them.

A machine that meets the target only while it is all but idle serves a fraction of a request per second. Exact sums of
such units are many, and tell next to nothing: what a plan with them could save is filling a gap of under a hundredth of
the peak with a unit that costs less than one of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimiser.planning.problem import How, Option, Problem, Purchase

# Of the peak, what a unit serves at most, and how many times the cost per request of another in its site.
NEXT_TO_NOTHING, TIMES_THE_COST = 0.01, 10.0
_NAMED = 3


def worthwhile(problem: Problem) -> tuple[Problem, tuple[str, ...]]:
    """The problem without such purchases, and the instance types that they are of.

    A purchase is left out where its unit serves under NEXT_TO_NOTHING of the planned peak, and another in its site that
    is paid the same way and not limited costs a TIMES_THE_COST-th per request or less. What is owned stays, and all
    does under quotas, limits on GPUs and carbon, where it may be what is left to buy.
    """
    policy = problem.policy
    if policy.within_quotas or policy.max_gpus is not None or policy.max_monthly_kg_co2e is not None:
        return problem, ()
    least_rps = NEXT_TO_NOTHING * float(problem.planned_rps.max())
    least: dict[tuple[object, How], float] = {}
    for option in problem.options:
        for purchase in option.purchases:
            if purchase.max_units is None:
                key = option.site, purchase.how
                least[key] = min(least.get(key, float("inf")), _usd_per_request(option, purchase))

    def kept(option: Option, purchase: Purchase) -> bool:
        usual = least.get((option.site, purchase.how), float("inf"))
        return option.rate_rps >= least_rps or _usd_per_request(option, purchase) < TIMES_THE_COST * usual

    without: set[str] = set()
    options = []
    for option in problem.options:
        purchases = tuple(one for one in option.purchases if kept(option, one))
        if len(purchases) < len(option.purchases):
            without.add(option.instance_type)
            option = replace(option, purchases=purchases)
        if purchases:
            options.append(option)
    return replace(problem, options=tuple(options)), tuple(sorted(without))


def passed_over_told(instance_types: Sequence[str]) -> str:
    """What is left out of a search, in words."""
    others = len(instance_types) - _NAMED
    named = ", ".join(instance_types[:_NAMED]) + (f" and {others} more" if others > 0 else "")
    return f"{named} (a unit serves under {NEXT_TO_NOTHING:.0%} of the peak, at {TIMES_THE_COST:g} × the cost and more)"


def _usd_per_request(option: Option, purchase: Purchase) -> float:
    """What a unit costs an hour over the requests/s that it serves."""
    return purchase.usd_per_unit_hour / max(option.rate_rps, 1e-12)
