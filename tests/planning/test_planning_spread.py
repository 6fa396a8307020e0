"""Spot spread over pools, all spot lost at once and the loss of a zone, against an independent model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent_optimum import optimum_usd
from planning_cases import Case, case, faults, hourly, machine, spot
from random_cases import random_case

from optimiser.planning.bounds import Profiles
from optimiser.planning.large import decompose_large
from optimiser.planning.leaves import build_leaf, solution_of
from optimiser.planning.model import solve_compact
from optimiser.planning.rules import RULES
from optimiser.planning.search import search


def spread_case(seed: int) -> Case:
    """A random case with much spot and every way to spread it."""
    rng = np.random.default_rng(10_000 + seed)
    return random_case(seed).with_policy(
        max_spot_share=float(rng.choice([0.3, 0.6, 1.0])),
        min_spot_pools=int(rng.choice([1, 2, 3])),
        survive_spot_region_loss=bool(rng.random() < 0.5),
        survive_spot_pool_loss=bool(rng.random() < 0.3),
        survive_zone_loss_of=[None, 2, 3][int(rng.integers(3))],
        utilisation_ceiling=float(rng.choice([0.8, 0.5])),
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_search_finds_the_proven_optimum_of_what_is_spread(seed: int) -> None:
    subject = spread_case(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6)
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("seed", [3, 14])
def test_the_compact_model_agrees_on_what_is_spread(seed: int) -> None:
    subject = spread_case(seed)
    solution, solved = solve_compact(subject.problem, [rule.rows for rule in RULES.values()])
    found = math.inf if solution is None else solved.usd
    assert found == pytest.approx(optimum_usd(subject.problem), rel=1e-6)


def test_a_zone_takes_its_part_of_the_firm_units_and_all_spot_with_it_by_hand() -> None:
    # 8 req/s without a zone of three and without spot: 13 firm units; 13 + 13 × 0.25 on spot would be for nothing.
    ways = (hourly(1.0), spot(0.2, "a"), spot(0.2, "b"))
    subject = case([machine("m", 1.0, *ways)], [8.0]).with_policy(survive_zone_loss_of=3, max_spot_share=1.0)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(13)


def test_two_pools_of_half_the_share_each_by_hand() -> None:
    # 10 req/s, 40 % spot, two pools: 2 units in each at most, the cheaper first; one pool alone: 2.
    ways = (hourly(1.0), spot(0.4, "a"), spot(0.5, "b"), spot(0.6, "c"))
    policy = {"max_spot_share": 0.4, "min_spot_pools": 2}
    best = search(case([machine("m", 1.0, *ways)], [10.0]).with_policy(**policy).problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(6 + 2 * 0.4 + 2 * 0.5)
    alone = search(case([machine("m", 1.0, *ways[:2])], [10.0]).with_policy(**policy).problem, gap=0.0).best
    assert alone is not None
    assert alone.usd == pytest.approx(8 + 2 * 0.4)


def test_all_spot_within_what_is_spare_by_hand() -> None:
    # 8 of 10 req/s are asked, so spot may hold 2 in all, at the cheapest zone.
    ways = (hourly(1.0), spot(0.4, "a"), spot(0.45, "b"))
    subject = case([machine("m", 1.0, *ways)], [8.0]).with_policy(
        utilisation_ceiling=0.8, survive_spot_region_loss=True
    )
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(8 + 2 * 0.4)


def test_a_zone_of_three_by_hand() -> None:
    # 8 req/s outlive one zone of three with 8 × 3/2 + 1 = 13 units: zones of 5, 4, 4 leave 8 or 9.
    subject = case([machine("m", 1.0, hourly(1.0))], [8.0]).with_policy(survive_zone_loss_of=3)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(13)


@given(
    demand=st.floats(0.5, 40),
    zones=st.integers(2, 5),
    rates=st.lists(st.floats(0.3, 5), min_size=1, max_size=3),
    seed=st.integers(0, 10**6),
)
def test_units_dealt_out_evenly_outlive_any_zone(
    demand: float, zones: int, rates: list[float], seed: int
) -> None:
    """The formula of the level, by dealing out random fleets that just reach it."""
    rng, units = np.random.default_rng(seed), []
    needed = demand * zones / (zones - 1) + max(rates)
    while sum(units) < needed:
        units.append(float(rng.choice(rates)))
    loads = [0.0] * zones
    for rate in units:
        loads[loads.index(min(loads))] += rate
    assert sum(loads) - max(loads) >= demand - 1e-9


def test_a_large_fleet_names_what_its_bound_leaves_out_of_what_is_spread() -> None:
    ways = [hourly(1.0), *(spot(0.4 + 0.01 * number, zone) for number, zone in enumerate("abc"))]
    subject = case([machine("m", 1.0, *ways)], [2000.0, 3000.0]).with_policy(
        utilisation_ceiling=0.8, min_spot_pools=2, survive_spot_pool_loss=True, survive_zone_loss_of=3
    )
    leaf, bought = build_leaf(subject.problem.options, Profiles(subject.problem))
    found = decompose_large(leaf)
    assert set(found.dropped) == {"survive_spot_pool_loss", "spread_spot"}
    assert found.fleet is not None
    assert faults(subject, solution_of(leaf, bought, found.fleet)) == []
