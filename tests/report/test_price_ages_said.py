"""Every page of several plans says how old their prices are, and what their throughput may be off by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hand_made_parts import PLANNED_ON, aged
from hand_made_plans import plan

from optimiser.config.levers import LeverFacts
from optimiser.costing.levers.study import Study
from optimiser.pareto import AXES, Point, Trade
from optimiser.planning.plan import Plan
from optimiser.planning.plan_footprint import PlanCarbon
from optimiser.planning.price_ages import OldestPrice, oldest_in_use, oldest_of, past_their_age
from optimiser.report.carbon_list import carbon_document, carbon_rows
from optimiser.report.document import Document
from optimiser.report.headline import headline
from optimiser.report.levers_list import lever_rows
from optimiser.report.levers_page import levers_document
from optimiser.report.pareto_list import pareto_document, pareto_rows
from optimiser.report.text_layout import text_of

GRID = PlanCarbon(
    option="a", kwh_monthly=1.0, kg_co2e_monthly=1.0, kg_co2e_per_unit_hour=1.0, watts_per_unit=1.0, pue=1.1,
    gco2_per_kwh=300.0, method="country average", year=2023, source="made up", gpu_tdp_share=0.5, other_figures=(),
)  # fmt: skip


def pareto(made: Plan) -> tuple[Any, Document]:
    rows = pareto_rows("chat", AXES["margin"], [Point(value=0.5, plan=made, measured=0.5)])
    return rows, pareto_document(rows)


def carbon(made: Plan) -> tuple[Any, Document]:
    known = replace(made, carbon=(GRID,))
    trade = Trade(plan=known, kg_co2e_monthly_at_load=9.0, usd_per_tonne=None, usd_per_further_tonne=None)
    rows = carbon_rows("chat", [trade])
    return rows, carbon_document(rows, ())


def levers(made: Plan) -> tuple[Any, Document]:
    found = Study(baseline=made, pulled=(), combinations=())
    rows = lever_rows("chat", found, LeverFacts())
    return rows, levers_document(rows, found)


@pytest.mark.parametrize("page", [pareto, carbon, levers])
def test_each_page_says_it_in_words_and_in_its_records(page: Callable[[Plan], tuple[Any, Document]]) -> None:
    # Spot is old past 7 days, all else past 90: PLANNED_ON is 2026-06-01.
    rows, document = page(plan(price_dates=aged(on_demand=10, spot=7)))
    text = " ".join(text_of(document).split())
    assert (
        "Throughput ±13 % (median error). Oldest prices: on demand of 2026-05-22, spot of 2026-05-25." in text
    )
    assert "OLD PRICES" not in document.headline
    assert rows[0].estimate_relative_error == 0.13
    assert [(one.tier, one.age_days, one.past_limit) for one in rows[0].oldest_prices] == [
        ("on_demand", 10, False),
        ("spot", 7, False),
    ]
    _, late = page(plan(price_dates=aged(on_demand=10, spot=8)))
    assert "at OLD PRICES" in late.headline
    assert "spot of 2026-05-24 (8 days: OLD)" in " ".join(text_of(late).split())


def test_prices_seen_after_the_day_planned_on_say_so() -> None:
    _, document = pareto(plan(price_dates=aged(on_demand=-1, spot=-30)))
    said = "on demand of 2026-06-02 (1 day after the day planned on), spot of 2026-07-01 (30 days after"
    assert said in " ".join(text_of(document).split())
    assert document.headline.endswith("a month at LATER PRICES")
    both = plan(price_dates=aged(on_demand=-1, spot=8))
    assert "a month on AWS us-east-1 at OLD and LATER PRICES" in headline(both)


def test_of_several_plans_the_oldest_price_of_each_tier_counts() -> None:
    one, other = (
        plan(price_dates=aged(on_demand=10, spot=1)),
        plan(price_dates=aged(on_demand=95, reserved=95)),
    )
    oldest = oldest_in_use([one, other])
    assert [(price.tier, price.observed_on) for price in oldest] == [
        ("on_demand", date(2026, 2, 26)),
        ("reserved", date(2026, 2, 26)),
        ("spot", date(2026, 5, 31)),
    ]
    assert oldest_of((*oldest, *oldest_in_use([one]))) == oldest
    strict = tuple(replace(price, past_limit=True) for price in oldest_in_use([one]))
    assert [price.past_limit for price in oldest_of((*oldest, *strict))] == [True, True, True]
    assert past_their_age(oldest) == ("on demand and reserved of 2026-02-26 (95 days)",)
    spot = OldestPrice(tier="spot", observed_on=PLANNED_ON, age_days=1, past_limit=True)
    assert past_their_age((*oldest, spot))[0] == "spot of 2026-06-01 (1 day)"
