"""A plan over several sites: every site carries a fixed share of the demand, and is planned as if it were alone.

A load balancer with fixed weights sends w[i] of the requests to site i in every hour. Where region j is lost, it deals
out what went there in proportion to the weights of the others, so that site i then carries w[i] / (1 − w[j]); of its
own planned demand that is at most

    f[i] = 1 / (1 − max_{j ≠ i} w[j])

times as much. With survive_region_loss what is not spot reaches that at its whole planned rate (nothing spare, and all
spot lost with the region, as with a zone's loss: a region's traffic that turns up elsewhere is what spot is taken back
for); without, f is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from optimiser.planning.problem import Demand, Problem

if TYPE_CHECKING:
    from optimiser.planning.leaves import Solution
    from optimiser.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Part:
    """A site's share of the demand, how many times that it carries where another region is lost, and the unit whose
    loss it keeps spare, req/s."""

    site: tuple[str, str]
    share: float
    on_region_loss: float
    spare_unit_rps: float


def least_sites(policy: Policy) -> int:
    """Sites that a plan is spread over at least, 1 where no rule asks for more; the providers that
    max_share_per_provider takes are as many sites."""
    providers = math.ceil(1 / policy.max_share_per_provider - 1e-9)
    return max(policy.min_regions, 2 if policy.survive_region_loss else 1, providers)


def on_region_loss(shares: Sequence[float], policy: Policy) -> list[float]:
    """f of the module's formula for each share."""
    if not policy.survive_region_loss:
        return [1.0] * len(shares)
    others = [[*shares[:i], *shares[i + 1 :]] for i in range(len(shares))]
    return [1.0 / (1.0 - max(rest)) for rest in others]


# A part is planned without the rules that it is there for.
_ALONE = {"max_sites": 1, "min_regions": 1, "survive_region_loss": False, "max_share_per_provider": 1.0}


def part_problem(problem: Problem, share: float, times: float) -> Problem:
    """A share of the demand, to be carried in one site that reaches so many times that."""
    periods = tuple(
        replace(period, demand=tuple((_scaled(one, share),) for (one,) in period.demand))
        for period in problem.periods
    )
    policy = problem.policy.model_copy(update=_ALONE)
    return replace(problem, periods=periods, policy=policy, on_region_loss=times)


def _scaled(demand: Demand, share: float) -> Demand:
    committable = demand.committable_rps
    return Demand(
        mean_rps=demand.mean_rps * share,
        planned_rps=demand.planned_rps * share,
        committable_rps=None if committable is None else committable * share,
    )


def by_part(problem: Problem, solution: Solution) -> list[tuple[Problem, Solution]]:
    """What every site is asked and what runs there, in the order of the solution's parts; all where it has none."""
    if not solution.parts:
        return [(problem, solution)]
    found = []
    for part in solution.parts:
        inside = [c for c, one in enumerate(solution.columns) if one.option.site == part.site]
        asked = part_problem(problem, part.share, part.on_region_loss)
        options = tuple(option for option in problem.options if option.site == part.site)
        found.append(
            (
                replace(asked, options=options),
                replace(
                    solution,
                    columns=tuple(solution.columns[c] for c in inside),
                    units=solution.units[:, inside],
                    sized_for_rps=part.spare_unit_rps,
                    parts=(),
                ),
            )
        )
    return found


def put_together(solutions: Sequence[Solution], parts: Sequence[Part]) -> Solution:
    """The solutions of several sites as one."""
    return replace(
        solutions[0],
        columns=tuple(column for one in solutions for column in one.columns),
        units=np.hstack([one.units for one in solutions]),
        sized_for_rps=max(one.spare_unit_rps for one in solutions),
        parts=tuple(parts),
    )
