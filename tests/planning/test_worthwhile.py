"""Units that serve next to nothing at many times the cost are not considered; what that may cost is bounded."""

from __future__ import annotations

import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, hourly, machine, owned, spot

from optimiser.planning.search import search
from optimiser.planning.worthwhile import passed_over_told, worthwhile

BIG = machine("big", 6.0, hourly(2.0), committed(1.2), spot(0.7))
TINY = machine("tiny", 0.01, hourly(1.2), committed(0.8), spot(0.5))


def left(subject: Case) -> set[tuple[str, str]]:
    """Instance types and ways of paying that are considered."""
    problem, _ = worthwhile(subject.problem)
    return {(option.instance_type, one.how.value) for option in problem.options for one in option.purchases}


def test_units_of_under_a_hundredth_of_any_hour_at_ten_times_the_cost_are_left_out() -> None:
    problem, without = worthwhile(case([BIG, TINY], [30.0, 60.0]).problem)
    assert [option.instance_type for option in problem.options] == ["big"]
    assert without == ("tiny",)
    # 1.2 / 0.01 is 360 × 2 / 6. One purchase of those at under ten times keeps the machine, for that purchase alone.
    cheap = machine("tiny", 0.01, hourly(0.033), spot(0.5))
    assert left(case([BIG, cheap], [30.0])) - left(case([BIG], [30.0])) == {("tiny", "on_demand")}


def test_they_stay_where_they_may_be_of_use() -> None:
    # One of them carries the quiet hours, or the usual course of demand.
    assert ("tiny", "on_demand") in left(case([BIG, TINY], [0.9, 60.0]))
    assert ("tiny", "on_demand") in left(
        case([BIG, TINY], [60.0]).with_scenarios((0.9, [0.01]), (0.1, [60.0]))
    )
    # One of them is an instance beside another where two must run.
    two_run = case([BIG, TINY], [17.9]).with_policy(min_firm_instances=2)
    assert ("tiny", "on_demand") in left(two_run)
    assert ("tiny", "on_demand") not in left(two_run.with_demand(18.1 / 17.9))
    ours = machine("tiny", 0.01, owned(3))
    assert ("tiny", "owned") in left(case([BIG, ours], [30.0]))
    limited = machine("big", 6.0, hourly(2.0, limit=1))
    assert ("tiny", "on_demand") in left(case([limited, TINY], [30.0]))
    on_spot = machine("big", 6.0, spot(0.7))
    assert left(case([on_spot, TINY], [30.0])) == {
        ("big", "spot"),
        ("tiny", "on_demand"),
        ("tiny", "commitment"),
    }
    elsewhere = machine("big", 6.0, hourly(2.0), region="r2")
    assert ("tiny", "on_demand") in left(case([elsewhere, TINY], [30.0]))


@pytest.mark.parametrize(
    "rule", [{"max_gpus": 9}, {"within_quotas": True}, {"max_monthly_kg_co2e": 1e6}, {"max_monthly_usd": 1e6}]
)
def test_they_stay_under_limits_that_may_leave_nothing_else(rule: dict[str, object]) -> None:
    subject = case([BIG, TINY], [30.0]).with_policy(**rule)
    assert worthwhile(subject.problem) == (subject.problem, ())


@pytest.mark.parametrize("peak", [29.9, 30.0, 30.04, 33.0, 41.7])
@pytest.mark.parametrize("tiny", [0.05, 0.2])
def test_a_plan_is_at_most_one_unit_dearer_than_with_them(peak: float, tiny: float) -> None:
    subject = case([BIG, machine("tiny", tiny, hourly(1.2))], [peak, 24.0])
    without = case([BIG], [peak, 24.0])
    found = search(subject.problem, gap=0.0)
    assert found.best is not None
    assert found.passed_over == ("tiny",)
    assert found.best.usd == pytest.approx(optimum_usd(without.problem))
    assert found.best.usd <= optimum_usd(subject.problem) + 2 * 2.0
    assert (
        "; without tiny where a unit serves under 1% of any hour, at 10 × the cost of others" in found.method
    )


def test_the_proof_of_a_plan_over_several_sites_names_them_too() -> None:
    elsewhere = [
        machine("big", 6.0, hourly(2.1), region="r2"),
        machine("mini", 0.01, hourly(1.2), region="r2"),
    ]
    subject = case([BIG, TINY, *elsewhere], [30.0]).with_policy(min_regions=2)
    found = search(subject.problem, gap=0.0)
    assert found.splits
    assert found.passed_over == ("mini", "tiny")
    assert "; without mini, tiny where a unit serves under 1% of any hour" in found.method


def test_many_are_named_in_part() -> None:
    assert passed_over_told(list("abcde")).startswith("a, b, c and 2 more where")
