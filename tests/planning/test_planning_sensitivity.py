"""A price or an estimate a fifth off, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from planning_cases import Case, case, hourly, machine

from optimiser.planning.comparison import compare, rules_of
from optimiser.planning.plan_parts import PlanSensitivity
from optimiser.planning.search import search
from optimiser.planning.sensitivity import sensitivity_of

# 8 req/s all along: m needs 8 units at $1, n 2 units at $4.60 (4 req/s each), in USD a month of 730 h.
TWO = case([machine("m", 1.0, hourly(1.0)), machine("n", 4.0, hourly(4.6))], [8.0, 8.0]).with_policy(
    max_instance_types=1
)
HOURS = 730


def rows(subject: Case) -> dict[tuple[str, float], PlanSensitivity]:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    found = sensitivity_of(subject.problem, best.solution, 0.0)
    assert len(found) == len({(one.of, one.factor) for one in found})
    return {(one.of, one.factor): one for one in found}


def test_a_dearer_price_is_paid_or_another_machine_taken() -> None:
    dearer = rows(TWO)[("price", 1.2)]
    assert dearer.kept_monthly_usd == Decimal("9.6") * HOURS
    assert dearer.best_monthly_usd == Decimal("9.2") * HOURS
    assert [line.instance_type for line in dearer.best_fleet] == ["n"]
    assert not dearer.same_machines


def test_a_cheaper_price_keeps_the_machines() -> None:
    cheaper = rows(TWO)[("price", 0.8)]
    assert cheaper.kept_monthly_usd == cheaper.best_monthly_usd == Decimal("6.4") * HOURS
    assert cheaper.same_machines
    assert cheaper.kept_short_rps == 0


def test_a_lower_estimate_leaves_the_fleet_short() -> None:
    # Both machines have the same GPU here: 6.4 of 8 req/s are carried; 10 units at $1, or 3 of n at $4.60.
    lower = rows(TWO)[("estimate", 0.8)]
    assert lower.kept_monthly_usd == 8 * HOURS
    assert lower.kept_short_rps == pytest.approx(1.6)
    assert lower.best_monthly_usd == 10 * HOURS


def test_a_higher_estimate_needs_fewer() -> None:
    higher = rows(TWO)[("estimate", 1.2)]
    assert higher.kept_short_rps == 0
    assert higher.best_monthly_usd == 7 * HOURS


def test_what_is_asked_of_no_machine_at_all_has_no_best_plan() -> None:
    # Two units of m are all there are.
    few = case([machine("m", 1.0, hourly(1.0, 2))], [2.0])
    lower = rows(few)[("estimate", 0.8)]
    assert lower.best_monthly_usd is None
    assert lower.best_fleet == ()


def test_overheads_are_in_what_a_shift_costs() -> None:
    policy = TWO.problem.policy.model_copy(
        update={"overheads": TWO.problem.policy.overheads.model_copy(update={"percent": 10.0})}
    )
    dearer = rows(TWO.with_policy(overheads=policy.overheads))[("price", 1.2)]
    assert dearer.kept_monthly_usd == Decimal("9.6") * HOURS * Decimal("1.1")


def test_a_rule_row_names_the_change_and_the_fleet_it_was_priced_by() -> None:
    subject = TWO.with_policy(utilisation_ceiling=0.8)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    compared = compare(subject.problem, outcome, 0.0, explain=True)
    carry = next(one for one in rules_of(compared, outcome.best.solution) if one.name == "carry_demand")
    # 10 units of m, or 3 of n, at 80 %; 8 units at 100 %.
    assert carry.cost_monthly_usd == 2 * HOURS
    assert carry.eased == "utilisation_ceiling: 1"
    assert [(line.instance_type, line.max_units) for line in carry.eased_fleet] == [("m", 8)]


def test_sensitivity_is_asked_for() -> None:
    outcome = search(TWO.problem, gap=0.0)
    assert compare(TWO.problem, outcome, 0.0, explain=False).sensitivity == ()
