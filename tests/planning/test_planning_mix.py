"""The static mix by request size."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import highspy
import numpy as np
import pytest
from planning_cases import case, hourly, machine

from optimiser.planning.mix import solve_mix, undominated_mix
from optimiser.planning.problem import Problem


def mix_problem(usd: list[float], rates: np.ndarray, shares: np.ndarray, demand: float) -> Problem:
    """rates[option, bucket] in req/s, shares[bucket] of the demand in req/s."""
    machines = [machine(f"m{i}", float(rates[i].max()), hourly(price)) for i, price in enumerate(usd)]
    problem = case(machines, [demand]).problem
    options = tuple(
        replace(option, bucket_rates_rps=tuple(float(x) for x in row))
        for option, row in zip(problem.options, rates, strict=True)
    )
    return replace(problem, options=options, bucket_shares=tuple(float(x) for x in shares))


def feasible(units: tuple[int, ...], rates: np.ndarray, demand: np.ndarray) -> bool:
    """Whether so many units serve every size's demand: a linear programme in the load of each pair."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    n, sizes = len(units), len(demand)
    upper = np.where(rates.ravel() > 0, math.inf, 0.0)
    solver.addVars(n * sizes, np.zeros(n * sizes), upper)
    for b in range(sizes):
        index = np.array([i * sizes + b for i in range(n)])
        solver.addRow(float(demand[b]), math.inf, n, index, np.ones(n))
    for i in range(n):
        index = np.array([i * sizes + b for b in range(sizes)])
        load = np.array([1.0 / rates[i, b] if rates[i, b] > 0 else 1.0 for b in range(sizes)])
        solver.addRow(-math.inf, float(units[i]), sizes, index, load)
    solver.run()
    return bool(solver.getModelStatus() == highspy.HighsModelStatus.kOptimal)


def cheapest_by_trial(usd: list[float], rates: np.ndarray, demand: np.ndarray, most: int) -> float:
    trials = sorted(product(range(most + 1), repeat=len(usd)), key=lambda n: float(np.dot(n, usd)))
    return next((float(np.dot(n, usd)) for n in trials if feasible(n, rates, demand)), math.inf)


def test_the_published_example_costs_four_dollars_and_sixty_eight_cents() -> None:
    shares = np.array([[0.2, 0.1], [0.5, 0.2]]).ravel()
    rates = np.array([[[2, 1], [5, 2]], [[20, 20], [40, 20]]], dtype=float).reshape(2, 4)
    problem = mix_problem([1.01, 3.67], rates, shares, 30.0)
    units, share, solved = solve_mix(problem, gap=1e-9)
    assert solved.status == "optimal"
    assert solved.usd == pytest.approx(4.68)
    assert sorted(units.values()) == [1, 1]
    assert share.sum(axis=1) == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("seed", range(12))
def test_generated_mixes_cost_what_trying_every_fleet_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, sizes = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    rates = np.round(rng.uniform(1, 9, (options, sizes)), 1)
    rates[rng.random((options, sizes)) < 0.15] = 0.0
    usd = [round(float(x), 2) for x in rng.uniform(0.5, 4, options)]
    shares = rng.dirichlet(np.ones(sizes)).round(3)
    shares[-1] = round(1 - shares[:-1].sum(), 3)
    problem = mix_problem(usd, rates, shares, 7.0)
    expected = cheapest_by_trial(usd, rates, 7.0 * shares, 8)
    _, share, solved = solve_mix(problem, gap=1e-9)
    if math.isinf(expected):
        assert (solved.usd is None) == (not (rates.max(axis=0)[shares > 0] > 0).all())
        return
    assert solved.usd == pytest.approx(expected)
    assert share[shares > 0].sum(axis=1) == pytest.approx(1.0)
    assert not share[rates.T == 0].any()


def test_the_ceiling_leaves_room() -> None:
    problem = mix_problem([1.0], np.array([[10.0]]), np.array([1.0]), 8.5)
    tight = problem.policy.model_copy(update={"utilisation_ceiling": 0.8})
    assert solve_mix(problem)[2].usd == pytest.approx(1.0)
    assert solve_mix(replace(problem, policy=tight))[2].usd == pytest.approx(2.0)


def test_copies_replace_an_option_only_where_they_reach_every_size() -> None:
    rates = np.array([[4.0, 8.0, 9.0], [4.0, 8.0, 7.0]])
    assert undominated_mix(np.array([1.0, 2.0, 2.0]), rates) == [0, 2]
