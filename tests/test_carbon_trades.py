"""From the cheapest plan to the greenest: each greener and dearer, at what a tonne costs."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.errors import NoFeasiblePlan
from optimiser.pareto import Trade, carbon_trades, kg_co2e
from optimiser.recommend import Request, recommend
from optimiser.report.carbon_list import carbon_document, carbon_rows
from optimiser.report.records import render_records
from optimiser.report.text_layout import text_of

DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def asked() -> Request:
    config = load_config()
    return Request(
        workload=load_workload(config.find_workload("code-llama-8b"), {}),
        policy=Policy.model_validate(
            {"regions": ("us-east-2", "eu-north-1", "eu-west-3"), "tiers": ("on_demand",)}
        ),
        config=config,
        book=load_book(config.price_files, config.shapes, DAY),
        as_of=DAY,
    )


@pytest.fixture(scope="module")
def trades(asked: Request) -> tuple[Trade, ...]:
    return carbon_trades(asked)


def test_the_first_is_the_cheapest_and_each_further_one_is_greener_and_dearer(
    asked: Request, trades: tuple[Trade, ...]
) -> None:
    assert trades[0].plan.totals == recommend(asked).totals
    usd = [one.plan.totals.total_monthly_usd for one in trades]
    kg = [one.kg_co2e_monthly_at_load for one in trades]
    assert len(trades) >= 2
    assert usd == sorted(usd)
    assert kg == sorted(kg, reverse=True)
    assert kg[-1] < kg[0] / 2


def test_what_a_tonne_costs_is_counted_by_hand(trades: tuple[Trade, ...]) -> None:
    first, last = trades[0], trades[-1]
    dearer = float(last.plan.totals.total_monthly_usd - first.plan.totals.total_monthly_usd)
    assert last.usd_per_tonne == pytest.approx(
        dearer / (first.kg_co2e_monthly_at_load - last.kg_co2e_monthly_at_load) * 1000
    )
    assert (first.usd_per_tonne, first.usd_per_further_tonne) == (None, None)
    # The further steps add up to the whole.
    parts = [
        one.usd_per_further_tonne * (before.kg_co2e_monthly_at_load - one.kg_co2e_monthly_at_load)
        for before, one in itertools.pairwise(trades)
        if one.usd_per_further_tonne is not None
    ]
    assert sum(parts) == pytest.approx(dearer * 1000)


def test_no_cap_allows_a_greener_plan_than_the_greenest(asked: Request, trades: tuple[Trade, ...]) -> None:
    least = kg_co2e(trades[-1].plan)
    assert least is not None
    capped = asked.policy.model_copy(update={"max_monthly_kg_co2e": least * 0.999})
    with pytest.raises(NoFeasiblePlan):
        recommend(replace(asked, policy=capped))


def test_machines_that_take_more_to_make_are_named(trades: tuple[Trade, ...]) -> None:
    first, *_, last = carbon_rows("code", trades)
    first = replace(first, embodied_kg_co2e_monthly_low=10.0, embodied_kg_co2e_monthly_high=100.0)
    last = replace(last, embodied_kg_co2e_monthly_low=30.0, embodied_kg_co2e_monthly_high=400.0)
    for row, named in ((last, True), (replace(first, usd_per_tonne=last.usd_per_tonne), False)):
        said = " ".join(text_of(carbon_document([first, row], ()), colour=False).split())
        assert ("30–400 kg a month against 10–100, 20–300 kg of the" in said) == named


def test_all_places_are_told_by_one_method(trades: tuple[Trade, ...]) -> None:
    rows = carbon_rows("code", trades)
    assert {row.method for one in trades for row in one.plan.carbon} == {"country average, lifecycle"}
    assert rows[0].gco2_per_kwh != rows[-1].gco2_per_kwh
    listed = render_records("csv", rows, lambda: carbon_document(rows, ())).splitlines()
    assert len(listed) == 1 + len(trades)
    text = text_of(carbon_document(rows, ()), colour=False)
    assert "cheapest" in text
    assert "greenest" in text
    assert "a tonne avoided" in text.split("\n\n")[0].replace("\n", " ")


def test_one_place_alone_is_the_cheapest_and_the_greenest(asked: Request) -> None:
    only = asked.policy.model_copy(update={"regions": ("eu-north-1",), "instance_types": ("p5.48xlarge",)})
    (one,) = carbon_trades(replace(asked, policy=only))
    said = text_of(carbon_document(carbon_rows("code", [one]), ()), colour=False)
    assert "is the greenest found" in said.replace("\n", " ")


def test_a_place_without_a_figure_is_neither_cheap_nor_green(asked: Request) -> None:
    # Local zones have no figure of their own.
    only = asked.policy.model_copy(update={"regions": ("us-east-1-atl-1",)})
    with pytest.raises(NoFeasiblePlan, match="left out for want of a figure: aws us-east-1-atl-1"):
        carbon_trades(replace(asked, policy=only))
    unknown = recommend(replace(asked, policy=only)).footprint
    assert unknown is not None
    assert unknown.kg_co2e_monthly is None
    assert (unknown.kwh_monthly or 0) > 0
