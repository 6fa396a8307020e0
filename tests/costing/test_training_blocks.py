"""Capacity Blocks of the embedded prices: shown with their age, chosen at recent ones alone, in no plan that serves."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from training_questions import BOOK, CONFIG, TODAY, asked, small

from optimiser import NoFeasiblePlan, Policy, StalePrices, load_workload
from optimiser.costing.training.answer import train
from optimiser.costing.training.plan import TrainChoice, TrainPlan
from optimiser.planning.plan import Plan
from optimiser.prices.book import PriceBook
from optimiser.recommend import Request, recommend
from optimiser.report.train_plan import render_training, training_rows

BLOCKS = BOOK.offers["market"] == "capacity_block"
ON_DEMAND = Policy(instance_types=("p5.48xlarge",), tiers=("on_demand",), regions=("us-east-1",))
LONG = small(tokens=1e11)


def seen(days_ago: int) -> PriceBook:
    """The shipped prices with blocks as old as that."""
    day = pd.Timestamp(TODAY - timedelta(days=days_ago))
    dates = BOOK.offers["observed_on"].where(~BLOCKS, day)
    return replace(BOOK, offers=BOOK.offers.assign(observed_on=dates))


def block_of(plan: TrainPlan) -> tuple[TrainChoice | None, str]:
    return next((tier.choice, tier.why_not) for tier in plan.tiers if tier.how == "capacity block")


def cost_by_hand(one: TrainChoice, usd_per_hour: str) -> Decimal:
    days = math.ceil(one.hours / 24)
    assert days <= 14
    assert one.instances in (1, 2, 4, 8, 16, 32, 64)
    return Decimal(usd_per_hour) * 24 * days * one.instances


def test_an_old_block_is_shown_with_its_cost_and_date_and_not_chosen_though_cheaper() -> None:
    plan = train(asked(LONG, ON_DEMAND))
    one, why_not = block_of(plan)
    assert one is not None
    assert one.machines_usd == cost_by_hand(one, "39.33")
    assert one.total_usd < plan.choice.total_usd
    assert plan.choice.how == "on demand"
    assert all(other.how != "capacity block" for other in plan.alternatives)
    # 31 days of December 2024, 365 of 2025 and 324 of 2026 until 21 November.
    said = "at the list of 2024-12-01, 720 days old: ask `optimiser refresh --capacity-blocks`"
    assert why_not == said
    page = " ".join(render_training("table", plan).split())
    assert f"Not chosen: {said}." in page
    assert "capacity block of 2024-12-01 (720 days: OLD)" in page
    (row,) = [row for row in training_rows(plan) if row.how == "capacity block"]
    assert (row.chosen, row.total_usd, row.why_not) == (False, one.total_usd, said)


@pytest.mark.parametrize(("days_ago", "chosen"), [(14, True), (15, False), (0, True), (-1, False)])
def test_a_block_at_a_price_of_the_last_two_weeks_is_chosen_where_it_is_the_cheapest(
    days_ago: int, chosen: bool
) -> None:
    plan = train(asked(LONG, ON_DEMAND, book=seen(days_ago)))
    assert (plan.choice.how == "capacity block") == chosen
    one, why_not = block_of(plan)
    assert one is not None
    assert (why_not == "") == chosen
    assert one.machines_usd == cost_by_hand(one, "39.33")


def test_the_age_at_which_a_report_notes_prices_lets_no_old_block_be_chosen() -> None:
    usual = train(asked(LONG, ON_DEMAND))
    lax = train(asked(LONG, ON_DEMAND.model_copy(update={"price_age_note_days": 1000})))
    assert (lax.choice.how, lax.choice.total_usd) == ("on demand", usual.choice.total_usd)
    one, why_not = block_of(lax)
    assert one is not None
    assert [(price.tier, price.past_limit) for price in one.oldest_prices] == [("capacity_block", True)]
    assert "720 days old" in why_not
    wider = train(asked(LONG, ON_DEMAND.model_copy(update={"capacity_block_age_days": 720})))
    assert wider.choice.how == "capacity block"
    assert wider.old_prices == ()
    _, why_not = block_of(train(asked(LONG, ON_DEMAND, book=seen(-1))))
    assert why_not.startswith("at the list of 2026-11-22, later than 2026-11-21, the day planned on: ask")


def test_where_old_blocks_alone_are_left_prices_are_too_old() -> None:
    only = ON_DEMAND.model_copy(update={"instance_types": ("p5e.48xlarge",), "regions": None})
    with pytest.raises(StalePrices, match=r"Capacity Blocks at the list of 2024-12-01, 720 days old"):
        train(asked(LONG, only))
    plan = train(asked(LONG, only, book=seen(1)))
    assert plan.choice.machines_usd == cost_by_hand(plan.choice, "43.26")
    # A limit that only an old block would overcome helps nobody.
    with pytest.raises(NoFeasiblePlan, match="fastest cluster"):
        train(asked(replace(LONG, deadline_hours=1.0), ON_DEMAND))


def test_the_table_of_blocks_is_of_its_types_and_regions() -> None:
    plan = train(asked(small(), Policy(instance_types=("p4d.24xlarge",), tiers=("on_demand",))))
    one, _ = block_of(plan)
    assert one is not None
    assert (one.region, one.machines_usd) == ("us-east-2", cost_by_hand(one, "14.75"))


@pytest.mark.parametrize("as_of", [TODAY, date(2026, 12, 15)])
def test_blocks_are_in_no_plan_that_serves_and_change_nothing_in_it(as_of: date) -> None:
    """On 2026-12-15 they are past the 730 days at which prices in files are left out, with a note."""
    policy = Policy(instance_types=("p5.48xlarge", "p4d.24xlarge"), regions=("us-east-1", "us-east-2"))

    def planned(offers: pd.DataFrame) -> Plan:
        request = Request(
            workload=load_workload(CONFIG.find_workload("code-llama-8b"), {}),
            policy=policy,
            config=CONFIG,
            book=replace(BOOK, offers=offers, as_of=as_of),
            as_of=as_of,
        )
        return recommend(request)

    assert BLOCKS.sum() == 5
    assert planned(BOOK.offers) == planned(BOOK.offers[~BLOCKS])
