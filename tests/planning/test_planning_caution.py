"""What planning on the lower bound of estimates does to a plan, and what it costs."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from planning_cases import Case, case, faults, hourly, machine, plan_json
from random_cases import random_case

from optimiser.planning.comparison import compare, rules_of
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.options import margin_of, planned_rate_rps
from optimiser.planning.plan_parts import PlanRule
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search

NAME = "plan_on_lower_bound"


def believed(subject: Case, errors: dict[str, float], **policy: object) -> Case:
    """The case with errors of its estimates by instance type, planned on under a policy."""
    changed = subject.with_policy(**policy)
    terms = changed.problem.policy
    options = []
    for option in changed.problem.options:
        made = replace(option.estimate, relative_error=errors[option.instance_type])
        rate, margin = planned_rate_rps(made, terms), margin_of(made.relative_error, terms)
        options.append(replace(option, estimate=made, rate_rps=rate, margin=margin))
    return replace(changed, problem=replace(changed.problem, options=tuple(options)))


def caution(subject: Case, *, explain: bool = False) -> PlanRule:
    """The line of the report on planning on the lower bound."""
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    compared = compare(subject.problem, outcome, 0.0, explain=explain)
    return next(row for row in rules_of(compared, outcome.best.solution) if row.name == NAME)


# 10 req/s ± 25 % are planned at 8: 40 req/s take 5 units, which at the estimates would be 4.
FIVE = case([machine("m", 10.0, hourly(1.0))], [40.0])
# Sure of its 10 req/s at 1.10 $/h, where m has 8 for 1 $/h: 4 of n are planned, and of m where it is believed.
SURER = case([machine("m", 10.0, hourly(1.0)), machine("n", 10.0, hourly(1.1))], [40.0])


def test_the_cost_of_caution_by_hand() -> None:
    row = caution(believed(FIVE, {"m": 0.25}))
    assert (row.cost_monthly_usd, row.binding) == (Decimal("730.00"), True)
    assert row.limit == "what is served in 75 % of such cases"
    margin = caution(believed(FIVE, {"m": 0.25}, performance_margin=0.5))
    assert (margin.cost_monthly_usd, margin.limit) == (Decimal("2920.00"), "50 % off every estimated rate")


def test_without_caution_another_machine_may_be_the_cheapest() -> None:
    subject = believed(SURER, {"m": 0.25, "n": 0.0})
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert {column.option.instance_type for column in best.solution.columns} == {"n"}
    assert caution(subject).cost_monthly_usd == Decimal("292.00")  # (4 × 1.10 − 4 × 1) × 730


@pytest.mark.parametrize(
    "policy", [{"performance_confidence": 0.5}, {"performance_margin": 0.0, "performance_confidence": 0.9}]
)
@pytest.mark.parametrize("explain", [False, True])
def test_planning_on_the_estimates_themselves_costs_nothing(policy: dict[str, float], explain: bool) -> None:
    row = caution(believed(FIVE, {"m": 0.25}, **policy), explain=explain)
    assert (row.cost_monthly_usd, row.limit, row.binding) == (Decimal(0), "", False)


@pytest.mark.parametrize("seed", range(20))
def test_more_confidence_never_costs_less_than_the_bound_of_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = {f"m{kind}": float(rng.choice([0.046, 0.1, 0.15, 0.25, 0.6])) for kind in range(3)}
    # A larger unit is more to lose at once, and less finely committed to, so the rules on units are held out.
    subject = random_case(seed).with_policy(
        commitment_hours_share=1.0, survive_instance_losses=0, survive_spot_pool_loss=False
    )
    bound = 0.0
    for confidence in (0.5, 0.6, 0.75, 0.9, 0.99):
        outcome = search(believed(subject, errors, performance_confidence=confidence).problem, gap=1e-3)
        usd = outcome.best.usd if outcome.best else math.inf
        assert bound <= usd * (1 + 1e-9) + 1e-9
        bound = outcome.lower_usd


@pytest.mark.parametrize("policy", [{}, {"performance_confidence": 0.9}, {"performance_margin": 0.125}])
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("margin", 0.3, "the margin is 0.3"), ("rate_rps", 9.0, "planned at 9 req/s")],
)
def test_a_plan_on_another_share_of_its_estimates_is_refused(
    policy: dict[str, float], field: str, value: float, said: str
) -> None:
    subject = believed(FIVE, {"m": 0.25}, **policy)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert faults(subject, best.solution) == []
    plan = plan_json(subject, best.solution)
    plan["options"][0][field] = value
    assert any(fault.startswith(f"{NAME}: aws/r1/m×1: {said}") for fault in verify_plan(plan))


def test_where_too_few_machines_are_sold_the_margin_is_named_among_what_would_help() -> None:
    four = believed(case([machine("m", 10.0, hourly(1.0, 4))], [40.0]), {"m": 0.25})
    assert search(four.problem, gap=0.0).best is None
    said = str(nothing_allowed(four.problem, 0.0))
    assert "performance_margin: 0 would allow a plan at 2,920 USD a month" in said
