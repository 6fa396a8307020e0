"""Services together on many machines: what more of them, or fewer, must not make cheaper."""

from __future__ import annotations

import numpy as np
from planning_cases import PLAIN, case, committed, hourly, machine
from test_planning_together import apart_usd, services

from optimiser.planning.problem import Problem
from optimiser.planning.together.search import search_together

POLICY = PLAIN.model_copy(update={"max_sites": 1, "max_instance_types": 2, "commitment_hours_share": 0.1})


def _near(value: float) -> float:
    return round(float(value), 3)


def two_services(seed: int, *, machines: int = 6, scale: float = 1.0) -> list[Problem]:
    """Two services that ask most at opposite hours, on so many of six machines that each runs at its own rate."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.5, 12, 6)
    hour_usd = rates**0.9 * rng.uniform(0.8, 1.25, 6)
    committed_usd = hour_usd * rng.uniform(0.45, 0.65, 6)
    wave = np.sin(2 * np.pi * np.arange(8) / 8)
    found = []
    for sign in (1, -1):
        demand = scale * rng.uniform(4, 30) * (1 + 0.8 * sign * wave)
        own = rates * rng.uniform(0.6, 1.6, 6)
        some = [
            machine(f"m{n}", _near(own[n]), hourly(_near(hour_usd[n])), committed(_near(committed_usd[n])))
            for n in range(machines)
        ]
        found.append(case(some, [_near(one) for one in demand], policy=POLICY))
    return services(*found)


def usd_of(problems: list[Problem]) -> tuple[float, float]:
    """What the best plan costs, apart or together, and its bound."""
    apart = apart_usd(problems)
    found = search_together(problems, apart)
    return (apart if found.best is None else found.best.usd), min(found.lower_usd, apart)


def test_with_more_demand_or_more_machines_to_choose_from_the_plan_stays_near_its_bound() -> None:
    base, _ = usd_of(two_services(1))
    more, lower = usd_of(two_services(1, scale=1.1))
    fewer, _ = usd_of(two_services(1, machines=5, scale=1.1))
    assert base <= more <= fewer + 1e-6
    assert more <= 1.1 * lower
