"""Demand split over sites, from the workload to every format: what is said of the sites is so."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date

import pytest

from optimiser import NoFeasiblePlan, Policy, UsageError, load_book, load_config, load_workload
from optimiser.planning.plan import Plan
from optimiser.planning.plan_schema import plan_from_json
from optimiser.recommend import Request, recommend
from optimiser.report import renderer

DAY = date(2026, 11, 21)
REGIONS = ("us-east-1", "us-east-2", "us-east4")


def plan_of(**policy: object) -> Plan:
    """Chat with a short demand, in three regions of two clouds."""
    config = load_config()
    changes = {"demand": "{hourly_requests_per_second: [20, 30, 45, 30]}"}
    workload = load_workload(config.find_workload("chat-llama-70b"), changes)
    book = load_book(config.price_files, config.shapes, DAY)
    terms = Policy.model_validate({"regions": REGIONS, **policy})
    return recommend(Request(workload=workload, policy=terms, config=config, book=book, as_of=DAY))


@pytest.fixture(scope="module")
def surviving() -> Plan:
    return plan_of(survive_region_loss=True, overheads={"egress_usd_per_gb": 0.09})


def test_either_site_carries_all_without_the_other_and_its_spot(surviving: Plan) -> None:
    assert [(one.traffic_share, one.loss_share) for one in surviving.sites] == [(0.5, 1.0), (0.5, 1.0)]
    assert len({(one.provider, one.region) for one in surviving.sites}) == 2
    option = {one.id: one for one in surviving.options}
    bought = {one.id: one for one in surviving.purchases}
    firm: dict[tuple[int, str, str], float] = defaultdict(float)
    for row in surviving.counts:
        one = bought[row.purchase]
        made = option[one.option]
        if one.how != "spot":
            firm[row.period, made.provider, made.region] += row.units * made.rate_rps
    for demand in surviving.demand:
        for site in surviving.sites:
            assert firm[demand.period, site.provider, site.region] >= demand.planned_rps - 1e-6


def test_what_it_costs_to_outlive_a_region_is_against_the_plan_in_one_site(surviving: Plan) -> None:
    alone = plan_of(overheads={"egress_usd_per_gb": 0.09})
    rule = next(one for one in surviving.rules if one.name == "survive_region_loss")
    assert rule.cost_monthly_usd == surviving.totals.total_monthly_usd - alone.totals.total_monthly_usd
    assert alone.sites == ()
    assert alone.bound.splits == ""


def test_every_format_says_the_sites_and_their_weights(surviving: Plan) -> None:
    assert plan_from_json(renderer("json")(surviving)) == surviving
    text = renderer("table")(surviving)
    assert "Which site serves how much" in text
    assert "No plan that splits demand in equal parts over 2 sites under this policy" in text
    table = json.loads(renderer("gateway")(surviving))
    for site in table["sites"]:
        for period in table["periods"]:
            weights = period["by_prompt"][0]["backends"]
            inside = sum(weight for name, weight in weights.items() if name in site["backends"])
            assert inside == pytest.approx(site["weight"], abs=1e-5)


def test_text_out_is_charged_by_the_weights(surviving: Plan) -> None:
    charged: dict[str, float] = defaultdict(float)
    for row in surviving.charges:
        charged[row.provider] += float(row.monthly_usd)
    for provider, usd in charged.items():
        share = sum(one.traffic_share for one in surviving.sites if one.provider == provider)
        assert usd == pytest.approx(share * sum(charged.values()), abs=0.02)


def test_half_at_each_of_two_providers_and_what_that_costs() -> None:
    found = plan_of(max_share_per_provider=0.5)
    assert [(one.provider, one.traffic_share) for one in found.sites] == [("aws", 0.5), ("gcp", 0.5)]
    assert next(one for one in found.rules if one.name == "limit_provider_share").eased_fleet


def test_a_budget_is_of_the_sum_and_says_which_splits_its_bound_is_of() -> None:
    said = "any plan under this policy that splits demand in equal parts over 2 sites at least "
    with pytest.raises(NoFeasiblePlan, match=said):
        plan_of(min_regions=2, max_monthly_usd=1000.0, price_decline_per_year=0.0)


def test_what_is_not_planned_over_sites_is_refused() -> None:
    with pytest.raises(UsageError, match=r"chat-llama-70b: policy\.max_gpus = 64: min_regions, "):
        plan_of(min_regions=2, max_gpus=64)
