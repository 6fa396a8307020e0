"""The search against an independent model of the same rules, and against plain enumeration."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, columns_of, committed, faults, held, hourly, machine, plan_json, spot
from random_cases import random_case

from optimiser.planning.leaves import Solution
from optimiser.planning.model import solve_compact
from optimiser.planning.outcome import Outcome
from optimiser.planning.patterns import settle
from optimiser.planning.rules import RULES
from optimiser.planning.search import search

EVERY_ROW = [rule.rows for rule in RULES.values()]
SEEDS = range(80)


def best_usd(outcome: Outcome) -> float:
    return outcome.best.usd if outcome.best else math.inf


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_the_proven_optimum(seed: int) -> None:
    subject = random_case(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert best_usd(outcome) == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or outcome.lower_usd == proven
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []
        assert outcome.best.solution.usd(subject.problem.hours) == pytest.approx(outcome.best.usd)


@pytest.mark.parametrize("seed", range(0, 120, 5))
def test_a_search_with_a_gap_still_brackets_the_optimum(seed: int) -> None:
    subject = random_case(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.05)
    if math.isinf(proven):
        assert outcome.best is None
        return
    assert outcome.lower_usd <= proven * (1 + 1e-9)
    assert proven * (1 - 1e-9) <= best_usd(outcome) <= proven * 1.06


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_the_best_plan_alone_is_as_cheap_and_takes_no_more_work(seed: int) -> None:
    problem = random_case(seed).problem
    every, alone = search(problem, gap=0.0), search(problem, gap=0.0, alternatives=0)
    assert best_usd(alone) == pytest.approx(best_usd(every))
    assert alone.lower_usd <= best_usd(alone)
    assert alone.leaves_solved <= every.leaves_solved


@pytest.mark.parametrize("seed", range(28))
def test_the_compact_model_has_the_same_optimum(seed: int) -> None:
    subject = random_case(seed)
    proven = optimum_usd(subject.problem)
    solution, solved = solve_compact(subject.problem, EVERY_ROW)
    if math.isinf(proven):
        assert solution is None
        assert solved.status == "infeasible"
        return
    assert solved.usd == pytest.approx(proven, rel=1e-6)
    assert solution is not None
    assert faults(subject, solution) == []


@pytest.mark.parametrize("seed", range(0, 120, 5))
def test_the_master_settles_on_the_cost_of_the_search(seed: int) -> None:
    subject = random_case(seed)
    best = search(subject.problem, gap=0.0).best
    if best is None or not best.solution.columns:
        return
    solution, solved = settle(subject.problem, best.solution)
    assert solved.status == "optimal"
    assert solution.usd(subject.problem.hours) == pytest.approx(best.usd)
    assert faults(subject, solution) == []


def enumerated_usd(subject: Case, most: int) -> float:
    """Every plan of up to `most` units of each purchase, kept where no rule objects."""
    columns, periods = columns_of(subject.problem), len(subject.problem.periods)
    constant = [column.purchase.how.value in ("commitment", "held_on_demand") for column in columns]
    choices = [
        [(n,) * periods for n in range(most + 1)] if still else list(product(range(most + 1), repeat=periods))
        for still in constant
    ]
    best = math.inf
    for units in product(*choices):
        solution = Solution(columns, np.array(units).T)
        usd = solution.usd(subject.problem.hours)
        if usd < best - 1e-9:
            with np.errstate(invalid="ignore"):
                best = best if faults(subject, solution) else usd
    return best


@pytest.mark.parametrize(
    ("ways", "policy"),
    [
        ([hourly(1.0), committed(0.6)], {"commitment_hours_share": 0.5}),
        ([hourly(1.0), spot(0.4)], {"max_spot_share": 0.5, "utilisation_ceiling": 0.7}),
        ([held(1.0), committed(0.6, 1)], {"survive_instance_losses": 1}),
        ([hourly(1.0), hourly(0.5, 1)], {"min_firm_instances": 2}),
    ],
)
def test_no_plan_of_all_is_cheaper(ways: list, policy: dict[str, object]) -> None:
    subject = case([machine("m", 1.7, *ways)], [1.0, 3.3], [1.0, 2.5]).with_policy(**policy)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(enumerated_usd(subject, 3))


def test_idle_hours_cost_nothing_but_what_must_stay() -> None:
    busy = case([machine("m", 2.0, hourly(3.0))], [0.0, 4.0], [5.0, 1.0])
    assert best_usd(search(busy.problem)) == pytest.approx(2 * 3.0 * 1.0)
    kept = busy.with_policy(min_firm_instances=2)
    assert best_usd(search(kept.problem)) == pytest.approx(2 * 3.0 * 6.0)
    scarce = case([machine("m", 2.0, held(3.0))], [0.0, 4.0], [5.0, 1.0])
    assert best_usd(search(scarce.problem)) == pytest.approx(2 * 3.0 * 6.0)


def test_an_answer_that_does_not_exist_has_no_plan_and_an_infinite_bound() -> None:
    outcome = search(case([machine("m", 1.0, hourly(1.0, 2))], [3.0]).problem)
    assert outcome.best is None
    assert outcome.lower_usd == math.inf


def test_the_best_of_each_provider_is_its_own_optimum() -> None:
    both = case(
        [machine("m", 1.0, hourly(1.0)), machine("n", 1.0, hourly(1.3), provider="gcp", region="west")], [3.0]
    ).with_policy(max_sites=1)
    outcome = search(both.problem, gap=1e-3)
    assert outcome.best is not None
    assert outcome.best.usd == pytest.approx(3.0)
    other = outcome.best_of("gcp")
    assert other is not None
    assert other.usd == pytest.approx(3.9)
    assert outcome.best_of("azure") is None


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_the_same_question_has_the_same_answer_to_the_byte(seed: int) -> None:
    answers = []
    for _ in range(2):
        subject = random_case(seed)
        best = search(subject.problem, gap=1e-4).best
        answers.append(repr(plan_json(subject, best.solution)) if best and best.solution.columns else "")
    assert answers[0] == answers[1]
