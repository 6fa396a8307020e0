"""Routing by size: the optimum of small cases, bounds, checks of finished plans and their mutations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from by_size_cases import random_sized_case, sized, sized_optimum_usd, sized_plan
from planning_cases import Case, case, committed, hourly, machine, spot

from optimiser.planning.by_size import consistent_rates, search_by_size
from optimiser.planning.leaves import Solution
from optimiser.planning.problem import Demand, How, Option
from optimiser.planning.rules import verify_plan
from optimiser.planning.rules.committed_spend import signed_monthly_usd


def at_the_optimum(subject: Case) -> Solution | None:
    """What the search finds, which costs what the independent model does and obeys every rule; None where both find
    nothing.
    """
    optimum = sized_optimum_usd(subject.problem)
    outcome = search_by_size(subject.problem, gap=1e-6)
    if math.isinf(optimum):
        assert outcome.best is None
        return None
    assert outcome.best is not None
    assert outcome.best.usd == pytest.approx(optimum, rel=2e-4, abs=1e-6)
    assert outcome.lower_usd <= optimum * (1 + 1e-6) + 1e-6
    assert verify_plan(sized_plan(subject, outcome.best.solution)) == []
    return outcome.best.solution


@pytest.mark.parametrize("seed", range(20))
def test_a_small_case_comes_to_the_optimum_of_an_independent_model_and_obeys_every_rule(seed: int) -> None:
    at_the_optimum(random_sized_case(seed))


@pytest.mark.parametrize("seed", [2, 4, 8, 9, 13, 16])
def test_within_a_budget_for_commitments_it_comes_to_the_optimum_of_the_independent_model_too(
    seed: int,
) -> None:
    free = random_sized_case(seed)
    best = search_by_size(free.problem, gap=1e-6).best
    signed = signed_monthly_usd(free.problem, best.solution) if best else 0.0
    subject = free.with_policy(max_committed_monthly_usd=round(signed * 0.6, 2))
    solution = at_the_optimum(subject)
    if solution is None:
        return
    plan = sized_plan(subject, solution)
    plan["policy"]["max_committed_monthly_usd"] = 0.0
    bought = any(one.purchase.how is How.COMMITMENT for one in solution.columns)
    assert any("limit_committed_spend" in fault for fault in verify_plan(plan)) == bought


@pytest.mark.parametrize("seed", range(12))
def test_over_scenarios_it_comes_to_the_optimum_of_the_independent_model_too(seed: int) -> None:
    subject = random_sized_case(seed)
    rates = subject.problem.planned_rps
    subject = subject.with_scenarios((0.7, rates.tolist()), (0.3, (rates[::-1] * 1.4).tolist()))
    solution = at_the_optimum(subject)
    if solution is None:
        return
    plan = sized_plan(subject, solution)
    last = plan["routing"][-1]
    assert (last["scenario"], last["period"] < len(plan["periods"])) == (1, True)
    last["share"] /= 2
    assert any("of 's1'" in fault for fault in verify_plan(plan))


def _two_machines() -> Case:
    """Small requests are cheap on "small", which cannot serve long ones; "large" serves both."""
    small, large = (
        machine("small", 4.0, hourly(1.0), spot(0.4)),
        machine("large", 8.0, hourly(6.0), committed(3.0)),
    )
    subject = case([small, large], [20.0, 20.0, 6.0])
    rates = {small[0].id: (10.0, 0.0), large[0].id: (12.0, 4.0)}
    return sized(subject, rates, (0.5, 0.5))


def test_sizes_go_where_they_are_cheapest_worked_by_hand() -> None:
    # 10 req/s of each size at 20 req/s: two "small" hold one (1 unit busy), ⌈10 / 4⌉ = 3 "large" the other with 0.5
    # units to spare for 6 req/s of the first, so that ⌈4 / 10⌉ = 1 "small" is enough.
    subject = _two_machines().with_policy(max_spot_share=0.0, max_commitment_months=0)
    problem = replace(subject.problem, options=tuple(_hourly_only(o) for o in subject.problem.options))
    best = search_by_size(problem, gap=1e-6).best
    assert best is not None
    # Two hours of 3 large and 1 small, one hour of 1 large (3 / 4 busy, ¼ · 12 = 3 req/s of the short ones).
    assert best.usd == pytest.approx(2 * (3 * 6 + 1) + 6)


def _hourly_only(option: Option) -> Option:
    return replace(option, purchases=tuple(p for p in option.purchases if p.how is How.HOURLY))


def _more_load(plan: dict[str, Any]) -> None:
    for row in plan["demand"]:
        row["planned_rps"] *= 3


def _lost_share(plan: dict[str, Any]) -> None:
    plan["routing"].pop()


def _wrong_machine(plan: dict[str, Any]) -> None:
    for option in plan["options"]:
        option["bucket_rates_rps"] = [0.0] * len(option["bucket_rates_rps"])


@pytest.mark.parametrize("mutate", [_more_load, _lost_share, _wrong_machine])
def test_a_plan_that_carries_less_than_it_routes_is_rejected(
    mutate: Callable[[dict[str, Any]], None],
) -> None:
    subject = _two_machines()
    best = search_by_size(subject.problem).best
    assert best is not None
    plan = sized_plan(subject, best.solution)
    assert verify_plan(plan) == []
    mutate(plan)
    assert any(fault.startswith("carry_demand") for fault in verify_plan(plan))


@pytest.mark.parametrize(
    ("rule", "off", "on"),
    [
        ("survive_instance_loss", {"survive_instance_losses": 0}, {"survive_instance_losses": 2}),
        ("limit_spot_share", {"max_spot_share": 1.0}, {"max_spot_share": 0.2}),
        ("survive_spot_pool_loss", {"survive_spot_pool_loss": False}, {"survive_spot_pool_loss": True}),
        ("limit_commitments", {"commitment_hours_share": 1.0}, {"commitment_hours_share": 0.0}),
        ("carry_demand", {"utilisation_ceiling": 1.0}, {"utilisation_ceiling": 0.6}),
    ],
)
def test_every_rule_changes_the_optimum_and_rejects_the_plan_made_without_it(
    rule: str, off: dict[str, Any], on: dict[str, Any]
) -> None:
    free, bound = _two_machines().with_policy(**off), _two_machines().with_policy(**on)
    without, within = (search_by_size(one.problem, gap=1e-6).best for one in (free, bound))
    assert without is not None
    assert within is not None
    assert without.usd < within.usd - 1e-6
    assert {fault.split(":")[0] for fault in verify_plan(sized_plan(bound, without.solution))} == {rule}


def test_many_hours_are_bracketed_by_the_bound_and_every_rule_holds() -> None:
    rng = np.random.default_rng(4)
    demand = rng.uniform(5, 60, 40).round(2).tolist()
    subject = _two_machines()
    start = subject.problem.periods
    periods = tuple(
        replace(
            start[0],
            start=start[0].start + timedelta(hours=h),
            demand=((Demand(mean_rps=d, planned_rps=d),),),
        )
        for h, d in enumerate(demand)
    )
    subject = replace(subject, problem=replace(subject.problem, periods=periods)).with_policy(
        survive_instance_losses=1,
        utilisation_ceiling=0.8,
        max_spot_share=0.3,
        survive_spot_pool_loss=True,
        commitment_hours_share=0.1,
        min_firm_instances=2,
    )
    outcome = search_by_size(subject.problem)
    assert outcome.best is not None
    assert verify_plan(sized_plan(subject, outcome.best.solution)) == []
    optimum = sized_optimum_usd(subject.problem)
    assert outcome.lower_usd <= optimum * (1 + 1e-6)
    assert optimum <= outcome.best.usd * (1 + 1e-6)
    assert outcome.best.usd <= optimum * 1.02


def test_the_same_problem_gives_the_same_plan() -> None:
    plans = []
    for _ in range(2):
        subject = _two_machines()
        best = search_by_size(subject.problem).best
        assert best is not None
        plans.append(sized_plan(subject, best.solution))
    assert plans[0] == plans[1]


def test_rates_by_size_serve_the_whole_mix_at_no_more_than_its_own_rate() -> None:
    # Alone 4 and 2 req/s: half of each is served at 1 / (½ / 4 + ½ / 2) = 8 / 3; the mix's own 2 is three quarters.
    option = replace(machine("m", 2.0, hourly(1.0))[0], bucket_rates_rps=(4.0, 2.0))
    assert consistent_rates(option, (0.5, 0.5)) == pytest.approx((3.0, 1.5))
    assert consistent_rates(replace(option, rate_rps=5.0), (0.5, 0.5)) == (4.0, 2.0)
