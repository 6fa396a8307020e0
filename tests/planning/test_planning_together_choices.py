"""Services together on many machines: what more of them, or fewer, must not make cheaper."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import PLAIN, case, committed, hourly, machine
from together_cases import apart_usd, services

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


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize(
    ("first", "second", "committed_usd"),
    [([11, 3, 11], [4, 4, 3], 1.2), ([24, 12, 22], [7, 4, 7], 0.9), ([5, 30, 9], [8, 2, 40], 1.6)],
)
def test_commitments_of_one_machine_are_as_many_as_counting_all_numbers_finds(
    first: list[int], second: list[int], committed_usd: float, share: float
) -> None:
    """K commitments run all along, the rest by the hour; K must be in use in all but a share of the hours."""
    hourly_usd = 1.9
    kinds = [machine("one", 1.0, hourly(hourly_usd), committed(committed_usd))]
    policy = POLICY.model_copy(update={"commitment_hours_share": share})
    both = services(
        *(case(kinds, [float(one) for one in demand], policy=policy) for demand in (first, second))
    )
    needed = [a + b for a, b in zip(first, second, strict=True)]
    best = min(
        sum(committed_usd * count + hourly_usd * max(one - count, 0) for one in needed)
        for count in range(max(needed) + 1)
        if sum(one < count for one in needed) <= share * len(needed)
    )
    assert usd_of(both)[0] == pytest.approx(best)
