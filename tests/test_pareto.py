"""Plans along an axis of the policy: each is the plan of its own policy, and those that another beats are marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.pareto import AXES, Point, kg_co2e, spot_share, sweep
from optimiser.planning.plan import Plan
from optimiser.recommend import Request, recommend
from optimiser.report.pareto_list import pareto_document, pareto_rows
from optimiser.report.text_layout import text_of

DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def request_of_chat() -> Request:
    config = load_config()
    terms = {"providers": ("aws",), "regions": ("us-east-2",), "instance_types": ("p5.48xlarge",)}
    return Request(
        workload=load_workload(config.find_workload("chat-llama-70b"), {}),
        policy=Policy.model_validate({**terms, "max_spot_share": 0.15}),
        config=config,
        book=load_book(config.price_files, config.shapes, DAY),
        as_of=DAY,
    )


@pytest.fixture(scope="module")
def along_spot(request_of_chat: Request) -> tuple[Point, ...]:
    return sweep(request_of_chat, AXES["spot"])


def plans(points: tuple[Point, ...]) -> list[Plan]:
    return [point.plan for point in points if point.plan is not None]


def test_the_policys_own_value_is_among_them_in_order(along_spot: tuple[Point, ...]) -> None:
    assert [point.value for point in along_spot] == [0.0, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0]


def test_each_point_is_the_plan_of_its_policy(
    request_of_chat: Request, along_spot: tuple[Point, ...]
) -> None:
    own = next(point for point in along_spot if point.value == 0.15)
    assert own.plan is not None
    assert own.plan.totals == recommend(request_of_chat).totals
    assert all(
        plan.policy["max_spot_share"] == p.value
        for plan, p in zip(plans(along_spot), along_spot, strict=True)
    )


def test_a_carbon_price_that_changes_nothing_says_so(along_spot: tuple[Point, ...]) -> None:
    said = "No price of carbon up to $2,000 a tonne changes the plan."
    one, other = along_spot[0], along_spot[-1]
    for points, axis, is_said in (
        ([replace(one, value=0.0), replace(one, value=2000.0)], AXES["carbon"], True),
        ([replace(one, value=0.0), replace(other, value=2000.0)], AXES["carbon"], False),
        ([replace(one, value=0.0), replace(one, value=2000.0)], AXES["spot"], False),
    ):
        text = " ".join(text_of(pareto_document(pareto_rows("chat", axis, points))).split())
        assert (said in text) == is_said


def test_more_spot_is_never_dearer_and_its_share_is_counted_by_hand(along_spot: tuple[Point, ...]) -> None:
    costs = [plan.totals.total_monthly_usd for plan in plans(along_spot)]
    assert costs == sorted(costs, reverse=True)
    assert along_spot[0].measured == 0
    last = plans(along_spot)[-1]
    # One type alone: the share of capacity is that of units.
    hours = {purchase.id: 0.0 for purchase in last.purchases}
    for count in last.counts:
        hours[count.purchase] += count.units * last.periods[count.period].hours
    on_spot = sum(hours[one.id] for one in last.purchases if one.how == "spot")
    assert spot_share(last) == pytest.approx(on_spot / sum(hours.values()))
    assert spot_share(last) > 0.2


def test_a_point_that_another_beats_is_marked(along_spot: tuple[Point, ...]) -> None:
    for point in along_spot:
        better = [
            other
            for other in along_spot
            if other.plan
            and point.plan
            and other.plan.totals.total_monthly_usd <= point.plan.totals.total_monthly_usd
            and other.measured <= point.measured  # type: ignore[operator]
            and (other.plan.totals.total_monthly_usd, other.measured)
            != (point.plan.totals.total_monthly_usd, point.measured)
        ]
        assert point.beaten == bool(better)


def test_a_point_without_a_plan_says_why_and_the_others_stand(request_of_chat: Request) -> None:
    budget = next(p for p in sweep(request_of_chat, AXES["spot"]) if p.value == 0.5)
    assert budget.plan is not None
    most = float(budget.plan.totals.total_monthly_usd) + 1
    poor = request_of_chat.policy.model_copy(update={"max_monthly_usd": most})
    points = sweep(Request(**{**vars(request_of_chat), "policy": poor}), AXES["spot"])
    assert [point.plan is None for point in points] == [p.value < 0.5 for p in points]
    assert all(
        "max_monthly_usd" in point.why_no_plan or "budget" in point.why_no_plan
        for point in points
        if point.plan is None
    )
    text = text_of(pareto_document(pareto_rows("chat", AXES["spot"], points)), colour=False)
    assert text.count("no plan") >= 5


def test_caution_costs_and_a_margin_gives_way_to_it(request_of_chat: Request) -> None:
    margin = request_of_chat.policy.model_copy(update={"performance_margin": 0.4})
    points = sweep(Request(**{**vars(request_of_chat), "policy": margin}), AXES["margin"])
    costs = [plan.totals.total_monthly_usd for plan in plans(points)]
    assert costs == sorted(costs)
    assert [point.measured for point in points] == [0.5, 0.6, 0.75, 0.9, 0.95]
    assert {plan.policy["performance_margin"] for plan in plans(points)} == {None}


def test_carbon_is_what_the_plan_says_it_emits(request_of_chat: Request) -> None:
    plan = recommend(request_of_chat)
    assert kg_co2e(plan) == pytest.approx(sum(row.kg_co2e_monthly for row in plan.carbon))
    assert kg_co2e(Plan(**{**vars(plan), "carbon": ()})) is None


def test_rows_carry_every_point(along_spot: tuple[Point, ...]) -> None:
    rows = pareto_rows("chat", AXES["spot"], along_spot)
    assert [row.value for row in rows] == [point.value for point in along_spot]
    assert [row.monthly_usd for row in rows] == [plan.totals.total_monthly_usd for plan in plans(along_spot)]
    assert all(isinstance(row.monthly_usd, Decimal) and row.where == "AWS us-east-2" for row in rows)
    assert [row.best_choice for row in rows] == [not point.beaten for point in along_spot]
