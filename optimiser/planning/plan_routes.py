"""Where requests go, as rows of a plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.parts import by_part
from optimiser.planning.plan_parts import PlanRoute
from optimiser.planning.problem import Floats, Problem


def routing_of(problem: Problem, solution: Solution) -> tuple[PlanRoute, ...]:
    """Requests follow capacity: every option in use is loaded alike; or each size goes where the solution says. Split
    over sites, so in each."""
    if solution.shares is not None:
        return _routing_by_size(problem, solution.shares)
    sites = (
        [
            _routing_alike(*one, part.share)
            for one, part in zip(by_part(problem, solution), solution.parts, strict=True)
        ]
        if solution.parts
        else [_routing_alike(problem, solution, 1.0)]
    )
    return tuple(row for rows in sites for row in rows)


def _routing_alike(problem: Problem, solution: Solution, of_all: float) -> list[PlanRoute]:
    """So much of all requests, by capacity."""
    rows: list[PlanRoute] = []
    names = list(dict.fromkeys(column.option.id for column in solution.columns))
    member = np.array(
        [[column.option.id == name for name in names] for column in solution.columns], dtype=np.float64
    )
    rate = np.array([column.option.rate_rps for column in solution.columns])
    capacity = (solution.units * rate) @ member if names else np.zeros((len(problem.hours), 0))
    for p, planned in enumerate(problem.planned_rps):
        if planned > 0:
            share = of_all * capacity[p] / capacity[p].sum()
            scenario, period = divmod(p, len(problem.periods))
            rows += [
                PlanRoute(
                    scenario=scenario,
                    period=period,
                    service=0,
                    bucket=None,
                    option=name,
                    share=round(float(part), 6),
                )
                for name, part in zip(names, share, strict=True)
                if part > 0
            ]
    return rows


def _routing_by_size(problem: Problem, shares: Mapping[str, Floats]) -> tuple[PlanRoute, ...]:
    """What each option carries of each size, in every period with demand."""
    names = list(shares)
    parts = np.stack([shares[name] for name in names], axis=-1)
    parts[problem.planned_rps <= 0] = 0.0
    return tuple(
        PlanRoute(
            scenario=p // len(problem.periods),
            period=p % len(problem.periods),
            service=0,
            bucket=b,
            option=names[i],
            share=round(float(parts[p, b, i]), 9),
        )
        for p, b, i in np.argwhere(parts > 0).tolist()
    )
