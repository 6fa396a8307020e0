"""Owned machines that end within the days planned: a stage until each end, what the days cost, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from staged_plans import P5_USD, after, asked, entry, plan_of, units

from optimiser.errors import NoFeasiblePlan
from optimiser.planning.plan import Plan, to_jsonable
from optimiser.planning.plan_schema import plan_from_json, plan_schema
from optimiser.planning.rules import verify_plan
from optimiser.recommend import recommend
from optimiser.report import renderer
from optimiser.report.plan_list import plan_list_document, row_of
from optimiser.report.text_layout import text_of


@pytest.fixture(scope="module")
def ten_days(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("ten"), entry(after(10), 3))


def test_ten_days_of_three_machines_save_a_third_of_their_month(ten_days: Plan, tmp_path: Path) -> None:
    assert ten_days.while_owned is not None
    (stage,) = ten_days.while_owned.stages
    assert (stage.first_day, stage.until, stage.days) == (after(1), after(10), 10)
    assert ten_days.while_owned.planned_days == 30
    needed = units(ten_days)["held_on_demand"]
    assert units(stage.plan) == {"owned": 3, "held_on_demand": needed - 3}
    # needed × 55.04 × 730 a month after, three fewer before: (10 × before + 20 × after) / 30.
    assert ten_days.totals.total_monthly_usd == needed * P5_USD * 730
    assert stage.plan.totals.total_monthly_usd == (needed - 3) * P5_USD * 730
    # 3 × 55.04 × 730 / 3 = 40,179.20 less than without them.
    assert ten_days.while_owned.monthly_usd == needed * P5_USD * 730 - Decimal("40179.20")
    without = plan_of(tmp_path)
    assert replace(ten_days, while_owned=None, notes=without.notes) == without


def test_its_json_is_valid_read_back_and_the_same_each_time(ten_days: Plan, tmp_path: Path) -> None:
    text = renderer("json")(ten_days)
    jsonschema.Draft202012Validator(plan_schema()).validate(json.loads(text))
    assert plan_from_json(text) == ten_days
    assert renderer("json")(plan_of(tmp_path, entry(after(10), 3))) == text
    assert renderer("csv")(ten_days) == renderer("csv")(replace(ten_days, while_owned=None))


def test_the_report_says_what_runs_until_when_and_what_the_days_cost(ten_days: Plan) -> None:
    assert ten_days.while_owned is not None
    needed = units(ten_days)["held_on_demand"]
    month, over = f"${needed * P5_USD * 730:,.0f}", f"${ten_days.while_owned.monthly_usd:,.0f}"
    text = " ".join(renderer("table")(ten_days).split())
    assert f"chat-llama-70b: {month} a month on AWS us-east-1 from 2026-12-02" in text
    assert f"({over} a month on average over the 30 days planned, with what is owned until then)" in text
    before = f"${(needed - 3) * P5_USD * 730:,.0f}"
    assert f"Until 2026-12-01 (10 days): {before} a month on AWS us-east-1" in text
    average = f"{over} a month on average (10 days at {before}, 20 at {month}): $40,179 a month less"
    in_all = ten_days.while_owned.monthly_usd * 30 * 24 / 730
    assert f"The 30 days planned cost ${in_all:,.0f} in all, {average} than without" in text
    assert "From 2026-12-02 it takes 3 more × p5.48xlarge in us-east-1 beside what is owned: scarce" in text
    assert (
        "until 2026-12-01 planned with 3 × p5.48xlarge in us-east-1 (owned until 2026-12-01): 120,537.60 USD"
        in text
    )  # 3 × 55.04 × 730
    assert "planned without" not in text
    assert "## While owned machines last" in renderer("markdown")(ten_days)
    listed = " ".join(text_of(plan_list_document([row_of("chat", ten_days)]), colour=False).split())
    assert f"over the days planned all plans together cost {over} a month on average" in listed


def test_alone_it_is_planned_without_what_ends_and_says_so(tmp_path: Path) -> None:
    plan = recommend(replace(asked(tmp_path, entry(after(10), 3)), alone=True))
    assert plan.while_owned is None
    assert any(note.startswith("owned until 2026-12-01 and planned without: 3 ×") for note in plan.notes)


@pytest.fixture(scope="module")
def with_commitments(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two ends, one of two entries; one that lasts, one that ended, one that ends today and one of no use."""
    owned = (
        entry(after(12), 1),
        entry(after(5), 2),
        entry(after(12), 1),
        entry(after(29), 1),
        entry(after(30), 1),
        entry(after(0), 5),
        entry(after(20), 5, instance_type="g6.xlarge"),
    )
    folder = tmp_path_factory.mktemp("several")
    demand = "{hourly_requests_per_second: [20, 30, 45, 30]}"
    return plan_of(folder, *owned, demand=demand, tiers=["on_demand", "reserved", "spot"])


def test_each_end_is_a_stage_and_the_borders_are_by_the_day(with_commitments: Plan) -> None:
    whole = with_commitments.while_owned
    assert whole is not None
    assert [(one.first_day, one.until, one.days) for one in whole.stages] == [
        (after(1), after(5), 5),
        (after(6), after(12), 7),
        (after(13), after(29), 17),
    ]
    parts = [*(one.plan for one in whole.stages), with_commitments]
    assert [units(part)["owned"] for part in parts] == [6, 4, 2, 1]
    costs = [part.totals.total_monthly_usd for part in parts]
    assert costs == sorted(costs)
    by_hand = (5 * costs[0] + 7 * costs[1] + 17 * costs[2] + 1 * costs[3]) / 30
    assert abs(whole.monthly_usd - by_hand) <= Decimal("0.005")
    said = [note for note in with_commitments.notes if note.startswith("owned")]
    assert said == [
        "owned and not used: 5 × g6.xlarge in us-east-1 (until 2026-12-11): excluded by instance_types",
        "owned until 2026-11-21 and planned without: 5 × p5.48xlarge in us-east-1 end on 2026-11-21, the plan's own "
        "day, after which the days planned begin",
    ]


def test_no_stage_signs_more_than_those_after_it_and_the_rest_has_its_day(with_commitments: Plan) -> None:
    whole = with_commitments.while_owned
    assert whole is not None
    signed = [
        {one.id: one.max_units for one in part.purchases if one.how == "commitment"}
        for part in (*(one.plan for one in whole.stages), with_commitments)
    ]
    totals = [sum(units.values()) for units in signed]
    assert totals[0] < totals[-1]
    for now, later in pairwise(signed):
        assert all(count <= later[name] for name, count in now.items())
    text = " ".join(renderer("table")(with_commitments).split())
    days = ["Sign now", *(f"Sign on {one.until + timedelta(days=1)}, not before" for one in whole.stages)]
    for day, before, total in zip(days, [0, *totals], totals, strict=False):
        said = (
            f"{day}: {total - before} × p5.48xlarge in us-east-1, reserved instance convertible of 12 months"
        )
        assert (said in text) == (total > before), said


def test_a_years_or_a_long_demand_counts_on_nothing_that_ends_within_it(tmp_path: Path) -> None:
    hours = f"{{hourly_requests_per_second: [{', '.join(['30'] * (40 * 24 - 1))}, 45]}}"
    plan = plan_of(tmp_path, entry(after(35), 2), entry(after(40), 1), demand=hours)
    assert plan.while_owned is not None
    assert plan.while_owned.planned_days == 40
    assert [one.days for one in plan.while_owned.stages] == [35]
    assert units(plan)["owned"] == 1
    stage = plan.while_owned.stages[0].plan
    assert units(stage)["owned"] == 3
    by_hand = (35 * stage.totals.total_monthly_usd + 5 * plan.totals.total_monthly_usd) / 40
    assert abs(plan.while_owned.monthly_usd - by_hand) <= Decimal("0.005")


def test_a_stage_must_save_beside_the_one_after_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, entry(after(20), 90), entry(after(10), 2))
    assert plan.while_owned is not None
    ((first_day, until),) = ((one.first_day, one.until) for one in plan.while_owned.stages)
    assert (first_day, until) == (after(1), after(20))
    assert abs(plan.while_owned.monthly_usd - plan.totals.total_monthly_usd / 3) <= Decimal("0.005")


def test_promised_spend_is_held_against_the_average_of_all_days(tmp_path: Path) -> None:
    machine = P5_USD * 730
    needed = units(plan_of(tmp_path))["held_on_demand"]

    def promising(machines: float) -> Plan:
        usd = {"aws": float(machine) * (needed + machines)}
        return plan_of(tmp_path, entry(after(10), 3), minimum_monthly_usd_by_provider=usd)

    # A third of the days with three machines less are one less on average: half a machine is owed.
    plan = promising(-0.5)
    assert plan.totals.total_monthly_usd == needed * machine
    assert plan.while_owned is not None
    assert [one.plan.totals.total_monthly_usd for one in plan.while_owned.stages] == [(needed - 3) * machine]
    (owed,) = plan.while_owned.charges
    assert (owed.provider, owed.kind, owed.monthly_usd) == ("aws", "minimum_spend", machine / 2)
    assert plan.while_owned.monthly_usd == machine * (needed * 2 - 1) / 2
    text = " ".join(renderer("table")(plan).split())
    assert f"${machine / 2:,.0f} a month promised to AWS and not spent on average)" in text
    content = to_jsonable(plan)
    content["while_owned"]["charges"] = []
    assert any("0.00 USD a month are owed to aws, not 20089.60" in fault for fault in verify_plan(content))
    # Less is promised than is spent; more is promised than the plan after costs, and nothing is left to save.
    less, more = promising(-1.5), promising(0.5)
    assert less.while_owned is not None
    assert less.while_owned.charges == ()
    assert more.while_owned is None
    assert more.notes[-1].endswith("(minimum_monthly_usd_by_provider) no plan found with it costs less")


@pytest.mark.parametrize(
    "changes",
    [{"min_regions": 2, "max_sites": 2, "regions": ["us-east-1", "us-east-2"]}, {"routing": "by_size"}],
)
def test_other_ways_of_planning_have_stages_too(tmp_path: Path, changes: dict[str, object]) -> None:
    plan = plan_of(tmp_path, entry(after(10), 2), **changes)
    assert plan.while_owned is not None
    assert [units(one.plan)["owned"] for one in plan.while_owned.stages] == [2]


def _first(plan: dict[str, Any]) -> dict[str, Any]:
    stage: dict[str, Any] = plan["while_owned"]["stages"][0]
    return stage


def _signs_one_more(plan: dict[str, Any]) -> None:
    """In counts and all that follows from them, so that only the rule of stages can object to it."""
    later = plan["while_owned"]["stages"][1]["plan"]
    name = next(one["id"] for one in later["purchases"] if one["how"] == "commitment")
    for row in plan["counts"]:
        if row["purchase"] == name:
            row["units"] = 0


def _ends_earlier(plan: dict[str, Any]) -> None:
    for offer in _first(plan)["plan"]["offers"]:
        if "/owned/" in offer["id"] and offer["valid_until"] == "2026-11-26":
            offer["valid_until"] = "2026-11-25"


def _other_demand(plan: dict[str, Any]) -> None:
    _first(plan)["plan"]["demand"][0]["mean_rps"] += 1


MUTATIONS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "signs more than later": (_signs_one_more, "of which 0 are in use after it"),
    "uses what has ended": (_ends_earlier, "is used until 2026-11-26, and owned until 2026-11-25"),
    "leaves days out": (lambda plan: _first(plan).update(first_day="2026-11-23"), "begins on 2026-11-23"),
    "miscounts days": (lambda plan: _first(plan).update(days=6), "lasts 6 days, by its dates 5"),
    "costs something else": (
        lambda plan: plan["while_owned"].update(monthly_usd="1.00"),
        "monthly_usd is 1.00",
    ),
    "costs something else in all": (
        lambda plan: plan["while_owned"].update(usd="1.00"),
        "usd is 1.00",
    ),
    "other policy": (
        lambda plan: _first(plan)["plan"]["policy"].update(max_sites=9),
        "policy is not that of the plan",
    ),
    "other demand": (_other_demand, "demand is not that of the plan"),
    "stages in a stage": (
        lambda plan: _first(plan)["plan"].update(while_owned=copy.deepcopy(plan["while_owned"])),
        "has stages of its own",
    ),
    "breaks a rule": (
        lambda plan: _first(plan)["plan"].update(counts=[]),
        "stage until 2026-11-26: carry_demand",
    ),
    "takes all days": (
        lambda plan: plan["while_owned"].update(planned_days=29),
        "nothing is left of 29 days",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_stages_that_cannot_be_followed_are_refused(with_commitments: Plan, name: str) -> None:
    content = to_jsonable(with_commitments)
    assert verify_plan(content) == []
    change, said = MUTATIONS[name]
    change(content)
    assert any(said in fault for fault in verify_plan(content))


def test_a_limit_that_only_the_time_after_breaks_says_so(tmp_path: Path) -> None:
    request = asked(tmp_path, entry(after(10), 90), entry(after(0), 1), max_monthly_usd=1000)
    with pytest.raises(NoFeasiblePlan) as refused:
        recommend(request)
    said = "; limits hold for the plan of the time after what ends within 30 days is over, which is planned without "
    assert str(refused.value).endswith(f"{said}90 × p5.48xlarge in us-east-1 (until 2026-12-01)")
