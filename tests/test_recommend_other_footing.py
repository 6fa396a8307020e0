"""Under a carbon cap the report names the cheaper plan that another published figure of a grid would leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.planning.plan import Plan
from optimiser.recommend import Request, recommend

DAY = date(2026, 11, 21)
# By country the US is told far above Sweden; by state, from combustion alone, Oregon lies between.
PLACES = ("us-west-2", "eu-north-1", "eu-west-3")


@pytest.fixture(scope="module")
def asked() -> Request:
    config = load_config()
    return Request(
        workload=load_workload(config.find_workload("code-llama-8b"), {}),
        policy=Policy.model_validate({"regions": PLACES, "tiers": ("on_demand",)}),
        config=config,
        book=load_book(config.price_files, config.shapes, DAY),
        as_of=DAY,
    )


def planned(asked: Request, **policy: Any) -> Plan:
    return recommend(replace(asked, policy=asked.policy.model_copy(update=policy)))


def told(plan: Plan) -> list[str]:
    return [note for note in plan.notes if note.startswith("carbon: by another method alone")]


def kg(plan: Plan) -> float:
    assert plan.footprint is not None
    assert plan.footprint.kg_co2e_monthly is not None
    return plan.footprint.kg_co2e_monthly


def test_the_plan_by_another_method_is_the_one_that_its_setting_gives(asked: Request) -> None:
    free = planned(asked)
    assert {one.region for one in free.options if one.id in {p.option for p in free.purchases}} == {
        "us-west-2"
    }
    capped = planned(asked, max_monthly_kg_co2e=kg(free) * 0.7)
    assert capped.totals.total_monthly_usd > free.totals.total_monthly_usd
    (note,) = told(capped)
    assert note.endswith("set providers: [aws] and regions: [us-west-2]")
    alone = planned(asked, max_monthly_kg_co2e=kg(free) * 0.7, regions=("us-west-2",), providers=("aws",))
    assert {row.method for row in alone.carbon} == {"US state total output, direct"}
    assert f"{alone.totals.total_monthly_usd:,.2f} USD a month and emit {kg(alone):,.0f} kg" in note
    assert "Figures of two methods are not to be compared" in note


def test_without_a_cap_that_binds_no_other_method_is_named(asked: Request) -> None:
    free = planned(asked)
    assert told(free) == []
    assert told(planned(asked, max_monthly_kg_co2e=kg(free) * 1.01)) == []


def test_a_method_that_would_break_the_cap_too_is_not_named(asked: Request) -> None:
    free = planned(asked)
    # Two fifths of the country's figure are less than Oregon's own, 165.54 of 369.47 g/kWh.
    assert told(planned(asked, max_monthly_kg_co2e=kg(free) * 0.4)) == []
