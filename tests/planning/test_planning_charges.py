"""What a plan owes beside its units: it decides on the provider, is bounded, and adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, faults, hourly, machine, owned, plan_json, spot
from random_cases import random_case

from optimiser.planning.charges import Charges
from optimiser.planning.comparison import best_by_provider, compare, rules_of
from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd
from optimiser.policy import Deployment, Overheads

# Four units for a month of 730 h: 2,920 USD at aws, 2,336 at gcp.
TWO_CLOUDS = case(
    [machine("m", 10.0, hourly(1.0)), machine("n", 10.0, hourly(0.8), provider="gcp")], [40.0], [730.0]
).with_policy(max_sites=1)


def promising(subject: Case, **monthly: float) -> Case:
    return subject.with_policy(minimum_monthly_usd_by_provider=monthly)


def best_of(subject: Case, gap: float = 0.0) -> Found:
    best = search(subject.problem, gap).best
    assert best is not None
    return best


def charges_of(subject: Case, found: Found) -> dict[str, str]:
    rows = plan_json(subject, found.solution)["charges"]
    return {row["provider"]: row["monthly_usd"] for row in rows}


@pytest.mark.parametrize(
    ("promised", "provider", "usd", "charges"),
    [
        ({}, "gcp", 2336.0, {}),
        # 2,336 + 500 < 2,920: what was promised is paid for nothing.
        ({"aws": 500.0}, "gcp", 2836.0, {"aws": "500.00"}),
        # 2,336 + 584 = 2,920: from here on it is spent.
        ({"aws": 600.0}, "aws", 2920.0, {}),
        ({"aws": 2000.0}, "aws", 2920.0, {}),
        ({"aws": 4000.0}, "aws", 4000.0, {"aws": "1080.00"}),
        ({"aws": 2000.0, "gcp": 2000.0}, "gcp", 4336.0, {"aws": "2000.00"}),
        # A provider that sells nothing here is owed its whole promise.
        ({"azure": 100.0}, "gcp", 2436.0, {"azure": "100.00"}),
        ({"gcp": 0.0}, "gcp", 2336.0, {}),
    ],
)
def test_what_is_promised_decides_on_the_cloud(
    promised: dict[str, float], provider: str, usd: float, charges: dict[str, str]
) -> None:
    subject = promising(TWO_CLOUDS, **promised)
    outcome = search(subject.problem, 0.0)
    best = outcome.best
    assert best is not None
    assert best.site == ((provider, "r1"),)
    assert best.usd == pytest.approx(usd)
    assert outcome.lower_usd == pytest.approx(usd)
    assert charges_of(subject, best) == charges
    assert all_in_monthly_usd(subject.problem, best.solution) == Decimal(f"{usd:.2f}")
    assert faults(subject, best.solution) == []


def test_a_shortfall_is_of_what_is_billed_and_compared_at_what_is_weighed() -> None:
    # One unit at 0.85 is billed 620.5 and, as weighed by hand at 1.0, compared at 730: of 800 promised 179.50 are owed,
    # and 800 is what it comes to either way.
    subject = case([machine("m", 10.0, committed(0.85))], [10.0], [730.0])
    (option,) = subject.problem.options
    (purchase,) = option.purchases
    object.__setattr__(purchase, "billed_usd_per_unit_hour", 0.85)
    object.__setattr__(purchase, "usd_per_unit_hour", 1.0)
    subject = promising(subject, aws=800.0)
    best = best_of(subject)
    assert best.usd == pytest.approx(800.0)
    assert charges_of(subject, best) == {"aws": "179.50"}
    assert all_in_monthly_usd(subject.problem, best.solution) == Decimal("800.00")


def test_nodes_count_and_a_percentage_is_on_charges_too() -> None:
    given = Overheads(percent=10)
    subject = promising(TWO_CLOUDS, aws=500.0).with_policy(overheads=given)
    assert all_in_monthly_usd(subject.problem, best_of(subject).solution) == Decimal("3119.60")  # 1.1 × 2,836


def alternatives(subject: Case, outcome: Outcome) -> dict[str, Decimal | None]:
    compared = compare(subject.problem, outcome, 0.0, explain=False)
    return {one.name: one.monthly_usd for one in best_by_provider(compared, ["aws", "gcp"])}


def test_other_clouds_are_compared_with_what_they_would_leave_unspent() -> None:
    subject = promising(TWO_CLOUDS, aws=2000.0)
    outcome = search(subject.problem, 0.0)
    assert alternatives(subject, outcome) == {"aws": Decimal("2920.00"), "gcp": Decimal("4336.00")}


def test_what_promises_cost_is_what_the_best_plan_without_them_would_save() -> None:
    subject = promising(TWO_CLOUDS, aws=2000.0)
    outcome = search(subject.problem, 0.0)
    compared = compare(subject.problem, outcome, 0.0, explain=False)
    rows = {row.name: row for row in rules_of(compared, best_of(subject).solution)}
    row = rows["pay_minimum_spend"]
    assert (row.limit, row.cost_monthly_usd, row.binding) == (
        "2,000 USD a month promised to aws",
        Decimal("584.00"),
        True,
    )
    plain = compare(TWO_CLOUDS.problem, search(TWO_CLOUDS.problem, 0.0), 0.0, explain=True)
    off = {row.name: row for row in rules_of(plain, best_of(TWO_CLOUDS).solution)}["pay_minimum_spend"]
    assert (off.limit, off.cost_monthly_usd) == ("", Decimal(0))


@pytest.mark.parametrize("change", ["0.00", "1000.00", None])
def test_a_charge_that_is_not_what_is_owed_is_refused(change: str | None) -> None:
    subject = promising(TWO_CLOUDS, aws=500.0)
    plan = plan_json(subject, best_of(subject).solution)
    plan["charges"] = [{**plan["charges"][0], "monthly_usd": change}] if change else []
    assert any(fault.startswith("pay_minimum_spend: aws: ") for fault in verify_plan(plan))


def with_promises(seed: int) -> Case:
    """A random case in which one or both of its clouds were promised up to about twice what it would spend."""
    rng = np.random.default_rng(10_000 + seed)
    subject = random_case(seed)
    months = float(subject.problem.hours.sum()) / 730
    usual = float(subject.problem.planned_rps @ subject.problem.hours) / months
    names = ("aws", "gcp", "azure")[: int(rng.integers(1, 4))]
    return promising(subject, **{name: round(usual * float(rng.uniform(0, 2)), 2) for name in names})


def deploying(subject: Case, instances: int, hours: float) -> Case:
    return subject.with_policy(deployment=Deployment(surge_instances=instances, hours_per_week=hours))


# 40 req/s for a month: four m are 2,920 USD, two n 2,774. 8.4 h a week are 36.5 h a month: an extra m costs 36.50, an
# extra n 69.35.
TWO_TYPES = case(
    [machine("m", 10.0, hourly(1.0)), machine("n", 20.0, hourly(1.9))], [40.0], [730.0]
).with_policy(max_sites=1, max_instance_types=2)


@pytest.mark.parametrize(
    ("instances", "types", "usd"),
    [
        (0, {"n"}, 2774.0),
        (2, {"n"}, 2912.7),  # 2,774 + 2 × 69.35, against 2,920 + 73
        (6, {"m"}, 3139.0),  # 2,920 + 6 × 36.50, against 2,774 + 416.10
    ],
)
def test_extra_instances_are_of_the_dearest_in_use_and_decide_on_the_type(
    instances: int, types: set[str], usd: float
) -> None:
    subject = deploying(TWO_TYPES, instances, 8.4)
    outcome = search(subject.problem, 0.0)
    best = outcome.best
    assert best is not None
    assert {column.option.instance_type for column in best.solution.columns} == types
    assert best.usd == pytest.approx(usd)
    assert outcome.lower_usd == pytest.approx(usd)
    assert all_in_monthly_usd(subject.problem, best.solution) == Decimal(f"{usd:.2f}")
    assert faults(subject, best.solution) == []


def test_the_row_says_what_runs_beside_the_fleet_and_it_counts_towards_what_is_promised() -> None:
    subject = promising(deploying(TWO_TYPES, 2, 8.4), aws=2950.0)
    rows = plan_json(subject, best_of(subject).solution)["charges"]
    assert [(row["kind"], row["monthly_usd"]) for row in rows] == [
        ("deployment_surge", "138.70"),
        ("minimum_spend", "37.30"),  # 2,950 − 2,774 − 138.70
    ]
    assert rows[0]["what"] == "2 more n while deploying, 8.4 h a week at 1.9000"


def test_extra_instances_of_a_group_are_whole_groups_at_the_list_price() -> None:
    subject = case([machine("g", 10.0, committed(0.5), hourly(1.0), instances_per_unit=2)], [10.0], [730.0])
    subject = deploying(subject, 3, 168)
    best = best_of(subject)
    # A committed pair 2 × 0.50, and two pairs by the hour, 4 × 1.00.
    assert best.usd == pytest.approx(730 * (1.0 + 4.0))
    assert faults(subject, best.solution) == []


def test_where_nothing_is_sold_on_demand_extra_instances_cost_the_list_price_beside_spot_else_the_dearest_way() -> (
    None
):
    option, _ = machine("m", 10.0, committed(0.5), spot(0.4))
    assert option.surge_usd_per_instance_hour == 0.5
    quoted = PlanSpot(
        expected_usd_per_hour=Decimal("0.4"), price_basis="quote", on_demand_usd_per_hour=Decimal("1.1")
    )
    purchases = tuple(replace(one, spot=quoted if one.pool else None) for one in option.purchases)
    assert replace(option, purchases=purchases).surge_usd_per_instance_hour == 1.1


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("charges", "monthly_usd", "100.00"), ("options", "surge_usd_per_instance_hour", "1.0")],
)
def test_a_surge_that_is_not_what_it_costs_is_refused(part: str, field: str, value: str) -> None:
    subject = deploying(TWO_TYPES, 2, 8.4)
    plan = plan_json(subject, best_of(subject).solution)
    plan[part][0][field] = value
    assert any(fault.startswith("pay_for_surge: ") for fault in verify_plan(plan))


# 0.7 × 40 req/s for 730 h are 73,584,000 requests; × 100 tokens × 250 bytes = 1,839.6 GB, at 0.10 USD 183.96.
def sending(subject: Case) -> Case:
    problem = replace(subject.problem, output_tokens_per_request=100.0)
    return replace(subject, problem=problem).with_policy(overheads=Overheads(egress_usd_per_gb=0.1))


def served(subject: Case, found: Found) -> dict[str, Any]:
    bucket = {"prompt_tokens": 1000.0, "output_tokens": 100.0, "share": 1.0}
    return {**plan_json(subject, found.solution), "services": [{"buckets": [bucket], "ttft_ms": None}]}


def test_text_out_is_charged_by_the_gigabyte() -> None:
    subject = sending(TWO_CLOUDS)
    best = best_of(subject)
    assert best.usd == pytest.approx(2336.0 + 183.96)
    plan = served(subject, best)
    assert [(row["provider"], row["kind"], row["what"], row["monthly_usd"]) for row in plan["charges"]] == [
        ("gcp", "egress", "1,840 GB of text out a month at 0.1", "183.96")
    ]
    assert verify_plan(plan) == []
    plan["charges"][0]["monthly_usd"] = "18.40"
    assert verify_plan(plan) == ["egress: gcp: 18.40 USD a month are charged, not 183.96"]


def test_text_out_is_charged_where_it_is_served() -> None:
    machines = [machine("m", 10.0, owned(3)), machine("n", 10.0, hourly(0.8), provider="gcp")]
    subject = sending(case(machines, [40.0], [730.0]))
    best = best_of(subject)
    plan = served(subject, best)
    assert {row["provider"]: row["monthly_usd"] for row in plan["charges"]} == {
        "aws": "137.97",
        "gcp": "45.99",
    }
    assert verify_plan(plan) == []


@pytest.mark.parametrize("seed", range(28))
def test_with_extra_instances_too_the_plan_is_the_proven_optimum(seed: int) -> None:
    rng = np.random.default_rng(20_000 + seed)
    subject = with_promises(seed) if seed % 2 else random_case(seed)
    subject = deploying(subject.with_policy(max_sites=1), int(rng.integers(1, 6)), float(rng.uniform(0, 40)))
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    if math.isinf(proven):
        assert outcome.best is None
        return
    assert outcome.best is not None
    assert outcome.lower_usd <= proven * (1 + 1e-6) + 1e-9
    assert outcome.best.usd >= proven * (1 - 1e-6) - 1e-9
    if subject.problem.policy.max_instance_types is not None:
        # What is extra costs alike within a type here, so the sets of types are the sets of prices.
        assert outcome.best.usd == pytest.approx(proven, rel=1e-6)
    if outcome.best.solution.columns:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("seed", range(36))
def test_in_one_site_the_plan_is_the_proven_optimum(seed: int) -> None:
    subject = with_promises(seed).with_policy(max_sites=1)
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    if math.isinf(proven):
        assert outcome.best is None
        return
    assert outcome.best is not None
    assert outcome.best.usd == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd == pytest.approx(proven, rel=1e-6)
    assert Charges(subject.problem).weighed_usd(outcome.best.solution) == pytest.approx(outcome.best.usd)
    if outcome.best.solution.columns:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("seed", range(80, 104))
def test_over_several_sites_the_bound_and_the_plan_hold_the_optimum_between_them(seed: int) -> None:
    subject = with_promises(seed).with_policy(max_sites=None)
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    if math.isinf(proven):
        assert outcome.best is None
        return
    assert outcome.best is not None
    assert outcome.lower_usd <= proven * (1 + 1e-6) + 1e-9
    assert proven <= outcome.best.usd * (1 + 1e-6)


def test_over_several_sites_each_cloud_alone_is_tried_too() -> None:
    subject = promising(TWO_CLOUDS, aws=4000.0).with_policy(max_sites=None)
    assert best_of(subject).usd == pytest.approx(4000.0)


def test_the_month_must_add_up_from_instances_charges_and_overheads() -> None:
    subject = promising(TWO_CLOUDS, aws=500.0)
    plan = plan_json(subject, best_of(subject).solution)
    parts = {"horizon_usd": "2336", "monthly_usd": "2336.00", "overheads_monthly_usd": "10.00"}
    assert verify_plan({**plan, "totals": {**parts, "total_monthly_usd": "2846.00"}}) == []
    assert verify_plan({**plan, "totals": {**parts, "total_monthly_usd": "2346.00"}}) == [
        "money: total_monthly_usd is 2346.00, its parts are 2846.00"
    ]
