"""Services together under a carbon price: by hand, and random ones beside their optimum."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from carbon_cases import KNOWN
from planning_cases import case, held, hourly, machine
from test_together_within_quotas import random_within, together
from together_cases import TOGETHER, apart_usd, random_services, services
from together_optimum import together_usd

from optimiser.carbon.grids import Carbon
from optimiser.config import load_config
from optimiser.planning.carbon import with_footprints
from optimiser.planning.problem import Problem
from optimiser.planning.together.search import search_together

GPUS = load_config().gpus
(FIGURE,) = KNOWN.grids["aws", "r1"].values()
# A region of half the intensity beside the other.
BOTH = replace(
    KNOWN, grids={**KNOWN.grids, ("aws", "r2"): {"one": replace(FIGURE, region="r2", gco2_per_kwh=100.0)}}
)
USD_A_TONNE = 20_000.0


def priced(problem: Problem, usd_per_tonne: float, carbon: Carbon = BOTH) -> Problem:
    """The problem with carbon weighed so."""
    policy = problem.policy.model_copy(update={"carbon_usd_per_tonne": usd_per_tonne})
    return replace(problem, options=with_footprints(problem.options, carbon, GPUS, policy)[0], policy=policy)


def test_a_shared_machine_is_weighed_by_who_uses_it_and_as_idle_where_nobody_does() -> None:
    paid = machine("m", 10.0, held(2.0))
    demands = ([20.0, 10.0], [10.0, 10.0])
    problems = [
        priced(one, USD_A_TONNE) for one in services(*(case([paid], d, policy=TOGETHER) for d in demands))
    ]
    found = search_together(problems, math.inf)
    assert found.best is not None
    assert list(found.best.bought.values()) == [3]
    # Five unit-hours in use at their planned rate, one of three idle in the second hour: kg at 200 g and a PUE of 1.5.
    (option,) = problems[0].options
    assert option.energy is not None
    in_use, idle = (option.energy.draw.watts(load) / 1000 * 1.5 * 0.2 for load in (1.0, 0.0))
    assert idle == pytest.approx((72 * 0.25 + 24) / 1000 * 1.5 * 0.2)
    assert found.best.usd == pytest.approx(3 * 2 * 2.0 + USD_A_TONNE / 1000 * (5 * in_use + idle))
    assert found.lower_usd == pytest.approx(found.best.usd)


def test_at_a_price_high_enough_services_share_where_the_grid_is_cleaner() -> None:
    there = [machine("m", 10.0, held(usd), region=region) for usd, region in ((2.0, "r1"), (2.1, "r2"))]
    sites = {}
    for price in (0.0, USD_A_TONNE):
        problems = [
            priced(one, price)
            for one in services(*(case(there, d, policy=TOGETHER) for d in ([20.0, 10.0], [10.0, 30.0])))
        ]
        best = search_together(problems, math.inf).best
        assert best is not None
        sites[price] = best.place.site
    assert sites == {0.0: ("aws", "r1"), USD_A_TONNE: ("aws", "r2")}


def test_a_machine_that_would_stand_idle_half_the_time_is_not_held_where_that_weighs() -> None:
    # Held throughout a third unit is 2.00 for two hours, by the hour 2.05 for the one that needs it; a kg weighs 100
    # USD, and an idle unit emits 0.0126 kg an hour.
    ways = [machine("m", 10.0, held(1.0)), machine("n", 10.0, hourly(2.05))]
    demands = ([20.0, 0.0], [10.0, 20.0])
    bought = {}
    for usd_per_tonne in (0.0, 100_000.0):
        problems = [
            priced(one, usd_per_tonne) for one in services(*(case(ways, d, policy=TOGETHER) for d in demands))
        ]
        best = search_together(problems, math.inf).best
        assert best is not None
        bought[usd_per_tonne] = sum(best.bought.values())
    assert bought == {0.0: 3, 100_000.0: 2}


@pytest.mark.parametrize("seed", [0, 1, 3, 7002, 8178])
def test_the_bound_the_optimum_and_the_plan_stand_in_this_order(seed: int) -> None:
    problems = [priced(one, USD_A_TONNE) for one in random_services(seed)]
    optimum, apart = together_usd(problems), apart_usd(problems)
    found = search_together(problems, apart + 1e-6 if math.isfinite(apart) else math.inf)
    assert found.lower_usd <= optimum * (1 + 1e-7) + 1e-6
    if found.best is not None:
        assert optimum - 1e-6 <= found.best.usd <= apart + 1e-6


# Where quotas bind, ways are filled at several prices of them, and weigh at their own again.
def test_within_quotas_the_order_is_the_same() -> None:
    problems = [priced(one, USD_A_TONNE) for one in random_within(0)]
    found, optimum = together(problems), together_usd(problems)
    assert found.beyond is not None
    assert found.lower_usd <= optimum * (1 + 1e-7) + 1e-6
    assert found.best is not None
    assert optimum - 1e-6 <= found.best.usd <= 1.1 * optimum
