"""Demand that may take several courses: what runs all along suits them all, what follows the hour each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import (
    Case,
    case,
    committed,
    faults,
    granted,
    held,
    hourly,
    machine,
    plan_json,
    spot,
)
from random_cases import random_case

from optimiser.planning.assemble import core_of
from optimiser.planning.leaves import Solution
from optimiser.planning.model import solve_compact
from optimiser.planning.outcome import Found
from optimiser.planning.patterns import settle
from optimiser.planning.plan import to_jsonable
from optimiser.planning.problem import How
from optimiser.planning.rules import RULES, verify_plan
from optimiser.planning.search import search
from optimiser.planning.totals import scenarios_of, totals_of
from optimiser.policy import Overheads
from optimiser.workload import SizeBucket, Workload

CHAT = Workload(
    name="chat",
    model="m",
    target=None,
    buckets=(SizeBucket(prompt_tokens=1000, output_tokens=100, share=1.0),),
    periods=(),
)
SHARES = ([0.5, 0.5], [0.9, 0.1], [0.25, 0.25, 0.5], [0.05, 0.15, 0.8])


def uncertain_case(seed: int) -> Case:
    """A random case whose first few periods may take two or three courses."""
    subject, rng = random_case(seed), np.random.default_rng(seed)
    problem = replace(subject.problem, periods=subject.problem.periods[:4])
    shares = SHARES[seed % len(SHARES)]
    courses = []
    for share in shares:
        rates = [float(x) for x in rng.choice([0, 0.5, 1, 3, 5.5, 8.25, 11], len(problem.periods))]
        rates[int(rng.integers(len(rates)))] = round(float(rng.uniform(1, 12)), 2)
        courses.append((share, rates))
    return replace(subject, problem=problem).with_scenarios(*courses)


def best(subject: Case) -> Found:
    found = search(subject.problem, gap=0.0).best
    assert found is not None
    return found


def units_of(subject: Case, how: How) -> list[int]:
    """Units paid in one way in the best plan, by period, scenario after scenario."""
    solution = best(subject).solution
    chosen = [c for c, column in enumerate(solution.columns) if column.purchase.how is how]
    found: list[int] = solution.units[:, chosen].sum(axis=1).tolist()
    return found


def finished(subject: Case, solution: Solution) -> dict[str, Any]:
    """The JSON of a plan with its money."""
    core = core_of(subject.problem, solution, subject.offers, {})
    totals = totals_of(subject.problem, CHAT, solution, core)
    scenarios = scenarios_of(subject.problem, solution, core)
    policy = subject.problem.policy.model_dump(mode="json")
    return {
        **to_jsonable(replace(core, scenarios=scenarios)),
        "totals": to_jsonable(totals),
        "policy": policy,
    }


@pytest.mark.parametrize("seed", range(24))
def test_the_search_finds_the_proven_optimum_over_scenarios(seed: int) -> None:
    subject = uncertain_case(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or outcome.lower_usd == proven
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []
        settled, _ = settle(subject.problem, outcome.best.solution)
        assert settled.usd(subject.problem.hours) == pytest.approx(proven, rel=1e-6)


@pytest.mark.parametrize("seed", range(1, 60, 8))
def test_the_compact_model_finds_it_too(seed: int) -> None:
    subject = uncertain_case(seed)
    solution, solved = solve_compact(subject.problem, [rule.rows for rule in RULES.values()])
    proven = optimum_usd(subject.problem)
    assert (math.inf if solved.usd is None else solved.usd) == pytest.approx(proven, rel=1e-5)
    assert solution is None or faults(subject, solution) == []


def test_no_plan_of_all_is_cheaper_over_scenarios() -> None:
    subject = case([machine("m", 1.7, hourly(1.0), committed(0.55))], [0.0, 0.0], [1.0, 2.5])
    subject = subject.with_scenarios((0.3, [3.3, 1.0]), (0.7, [0.0, 5.0]))
    needed, hours = [2, 1, 0, 3], [0.3, 0.75, 0.7, 1.75]
    cheapest = min(
        sum(h * (0.55 * signed + more) for h, more in zip(hours, by_hour, strict=True))
        for signed in range(4)
        for by_hour in product(range(4), repeat=4)
        if all(signed + more >= need for more, need in zip(by_hour, needed, strict=True))
    )
    assert best(subject).usd == pytest.approx(cheapest)


def test_by_hand_a_unit_is_committed_where_it_is_needed_often_enough() -> None:
    # One type of 1 req/s, 1 USD by the hour, 0.60 reserved; quiet takes 2 units, busy 6. Units 1 and 2 run in both:
    # 0.60 beats 1. Units 3 to 6 run with the probability of busy: 0.60 against 0.50 at a half, 0.70 at seven tenths.
    one = case([machine("m", 1.0, hourly(1.0), committed(0.6))], [0.0])
    halves = one.with_scenarios((0.5, [2.0]), (0.5, [6.0]))
    assert units_of(halves, How.COMMITMENT) == [2, 2]
    assert units_of(halves, How.HOURLY) == [0, 4]
    assert best(halves).usd == pytest.approx(2 * 0.6 + 0.5 * 4 * 1.0)
    plan = finished(halves, best(halves).solution)
    # 730 h a month: 2 × 0.60 in quiet, and 4 × 1 more in busy.
    assert [one["monthly_usd"] for one in plan["scenarios"]] == ["876.00", "3796.00"]
    assert plan["totals"]["total_monthly_usd"] == "2336.00"
    assert verify_plan(plan) == []
    often = one.with_scenarios((0.3, [2.0]), (0.7, [6.0]))
    assert units_of(often, How.COMMITMENT) == [6, 6]
    assert best(often).usd == pytest.approx(6 * 0.6)


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_a_scenario_split_in_two_alike_gives_the_same_fleet(seed: int) -> None:
    subject = random_case(seed)
    rates = subject.problem.planned_rps.tolist()
    split = subject.with_scenarios((0.5, rates), (0.5, rates))
    one, two = (search(either.problem, gap=0.0).best for either in (subject, split))
    assert (one is None) == (two is None)
    if one and two:
        assert two.usd == pytest.approx(one.usd, rel=1e-9)
        assert two.solution.columns == one.solution.columns
        assert two.solution.units.tolist() == one.solution.units.tolist() * 2


def test_the_limit_on_commitments_counts_hours_by_probability() -> None:
    # Committed: what the lowest tenth of hours asks for, to a unit. A quiet course of 30 % is that tenth; one of 5 % is
    # not, and the busy one's 6 count; in between, the quiet hours of both.
    one = case([machine("m", 1.0, hourly(1.0), committed(0.01))], [0.0]).with_policy(
        commitment_hours_share=0.1
    )
    assert units_of(one.with_scenarios((0.3, [2.0]), (0.7, [6.0])), How.COMMITMENT) == [2, 2]
    assert units_of(one.with_scenarios((0.05, [2.0]), (0.95, [6.0])), How.COMMITMENT) == [6, 6]
    assert units_of(one.with_scenarios((0.05, [2.0]), (0.05, [3.0]), (0.9, [6.0])), How.COMMITMENT) == [3] * 3


def test_what_is_held_is_held_for_the_worst_course() -> None:
    scarce = case([machine("m", 1.0, held(1.0))], [0.0, 0.0]).with_scenarios(
        (0.99, [1.0, 2.0]), (0.01, [1.0, 5.0])
    )
    assert units_of(scarce, How.HELD) == [5, 5, 5, 5]
    assert best(scarce).usd == pytest.approx(10.0)


@pytest.mark.parametrize(
    "limit",
    [
        lambda one: one.with_quotas(granted(5 * 8)),
        lambda one: one.with_policy(max_gpus=5),
    ],
)
def test_a_limit_holds_in_a_course_however_improbable(limit: Callable[[Case], Case]) -> None:
    one = case([machine("m", 1.0, hourly(1.0))], [0.0])
    assert search(limit(one.with_scenarios((0.999, [2.0]), (0.001, [5.0]))).problem).best is not None
    assert search(limit(one.with_scenarios((0.999, [2.0]), (0.001, [6.0]))).problem).best is None


def test_the_loss_of_a_pool_is_survived_in_every_course() -> None:
    one = case([machine("m", 1.0, hourly(1.0), spot(0.4, "a"))], [0.0])
    one = one.with_policy(survive_spot_pool_loss=True, survive_instance_losses=2)
    subject = one.with_scenarios((0.9, [4.0]), (0.1, [9.0]))
    assert units_of(subject, How.SPOT) == [2, 2]
    assert units_of(subject, How.HOURLY) == [4, 9]


ONE = case([machine("m", 1.0, hourly(1.0), committed(0.6))], [0.0, 0.0]).with_scenarios(
    (0.75, [2.0, 3.0]), (0.25, [2.0, 6.0])
)


def changed(plan: dict[str, Any], how: str, scenario: int, period: int, more: int) -> dict[str, Any]:
    """The plan with other units of one purchase in one period of one scenario."""
    named = {one["id"]: one["how"] for one in plan["purchases"]}
    for row in plan["counts"]:
        if (named[row["purchase"]], row["scenario"], row["period"]) == (how, scenario, period):
            row["units"] += more
            return plan
    raise AssertionError("no such row")


def test_too_little_in_one_course_alone_is_rejected_and_named() -> None:
    plan = plan_json(ONE, best(ONE).solution)
    assert verify_plan(plan) == []
    # That the purchase's own figures are not those of its counts any more is said beside it.
    said = verify_plan(changed(plan, "on_demand", 1, 1, -1))
    (fault,) = (one for one in said if not one.startswith("purchases: "))
    assert fault == "carry_demand: period 1 of 's1': 1 req/s of 6 above the ceiling"


def test_a_commitment_that_waits_for_the_course_is_rejected() -> None:
    plan = plan_json(ONE, best(ONE).solution)
    assert any(
        fault.startswith("limit_commitments") and "runs 2 to 3 units" in fault
        for fault in verify_plan(changed(plan, "commitment", 1, 1, 1))
    )


@pytest.mark.parametrize(
    ("mutate", "said"),
    [
        (lambda plan: plan["scenarios"][1].update(monthly_usd="1.00"), "scenarios: s1: 1.00 USD a month"),
        (
            lambda plan: plan["scenarios"][1].update(probability=0.5),
            "scenarios: their probabilities add up to 1.25",
        ),
        (lambda plan: plan["totals"].update(horizon_usd="9.99"), "money: horizon_usd is 9.99"),
    ],
)
def test_money_that_does_not_agree_is_rejected(mutate: Callable[[dict[str, Any]], None], said: str) -> None:
    plan = finished(ONE, best(ONE).solution)
    assert verify_plan(plan) == []
    mutate(plan)
    assert any(said in fault for fault in verify_plan(plan))


@pytest.mark.parametrize("seed", range(0, 60, 5))
def test_the_total_is_the_scenarios_by_probability(seed: int) -> None:
    subject = uncertain_case(seed)
    subject = subject.with_policy(overheads=Overheads(usd_per_node_hour=0.07, usd_per_month=5.0, percent=3.0))
    found = search(subject.problem, gap=0.0).best
    if found is None or not found.solution.columns:
        return
    plan = finished(subject, found.solution)
    assert verify_plan(plan) == []
    months = [Decimal(one["monthly_usd"]) for one in plan["scenarios"]]
    shares = [Decimal(repr(one["probability"])) for one in plan["scenarios"]]
    total = Decimal(plan["totals"]["total_monthly_usd"])
    assert abs(sum(map(Decimal.__mul__, months, shares), Decimal(0)) - total) <= Decimal("0.02")
    assert max(months) >= total - Decimal("0.02")
    assert plan["totals"]["horizon_hours"] == sum(period.hours for period in subject.problem.periods)


def test_by_hand_what_was_promised_is_owed_in_the_course_that_does_not_spend_it() -> None:
    # 730 h of 1 unit or 4 at 1 USD: 730 and 2,920, of 2,000 promised. 1,270 are owed in the one, nothing in the other.
    one = case([machine("m", 1.0, hourly(1.0))], [0.0], [730.0])
    subject = one.with_policy(minimum_monthly_usd_by_provider={"aws": 2000.0})
    subject = subject.with_scenarios((0.5, [1.0]), (0.5, [4.0]))
    assert best(subject).usd == pytest.approx((2000 + 2920) / 2)
    plan = finished(subject, best(subject).solution)
    assert [row["monthly_usd"] for row in plan["charges"]] == ["635.00"]
    assert [one["monthly_usd"] for one in plan["scenarios"]] == ["2000.00", "2920.00"]
    assert plan["totals"]["total_monthly_usd"] == "2460.00"
    assert verify_plan(plan) == []
    plan["charges"][0]["monthly_usd"] = "175.00"  # of the expected spending: 2,000 − 1,825
    assert any(fault.startswith("pay_minimum_spend: aws: ") for fault in verify_plan(plan))


@pytest.mark.parametrize("seed", range(0, 50, 5))
def test_with_promises_the_bound_and_the_plan_hold_the_optimum_between_them(seed: int) -> None:
    subject = uncertain_case(seed)
    problem = subject.problem
    usual = float(problem.planned_rps @ problem.hours) / problem.horizon_hours * 730
    subject = subject.with_policy(minimum_monthly_usd_by_provider={"aws": round(usual * 0.8, 2)})
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    if outcome.best is None:
        assert math.isinf(proven)
        return
    assert outcome.lower_usd <= proven * (1 + 1e-6)
    assert proven <= outcome.best.usd * (1 + 1e-6)
    if outcome.best.solution.columns:
        assert verify_plan(finished(subject, outcome.best.solution)) == []


def test_a_hundred_courses_are_bracketed_closely() -> None:
    # Too large to list: fleets of hundreds of units of twelve kinds.
    rng = np.random.default_rng(5)
    kinds = []
    for n in range(12):
        rate, usd = round(float(rng.uniform(0.5, 9)), 2), float(rng.uniform(0.9, 1.2))
        prices = [round(rate * usd * share, 3) for share in (1, 0.6, 0.4)]
        kinds.append(machine(f"m{n}", rate, hourly(prices[0]), committed(prices[1]), spot(prices[2])))
    subject = case(kinds, [0.0] * 24).with_policy(
        utilisation_ceiling=0.8, max_spot_share=0.3, min_firm_instances=2
    )
    day = 200 + 120 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    factors = np.exp(rng.normal(0, 0.3, 100))
    subject = subject.with_scenarios(*((0.01, (day * factor).tolist()) for factor in factors))
    outcome = search(subject.problem)
    assert outcome.unit_rps
    assert outcome.best is not None
    assert outcome.best.usd <= outcome.lower_usd * 1.005
    assert faults(subject, outcome.best.solution) == []


def test_problems_whose_scenarios_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"add up to 0\.9, not 1"):
        ONE.with_scenarios((0.5, [1.0, 1.0]), (0.4, [1.0, 1.0]))
    with pytest.raises(ValueError, match="no demand of some of the 2 scenarios"):
        replace(ONE.problem, periods=case([], [1.0]).problem.periods)
