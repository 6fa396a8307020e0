"""Owned servers against renting as many GPUs at the prices in force."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from planned_projects import ROLE, asked, budget_with
from projects import written

from optimiser.config import Config
from optimiser.costing.project.amounts import in_cents
from optimiser.costing.project.budget import SCHEMA_VERSION, Budget, needs_prices
from optimiser.costing.project.buy_or_rent import BuyOrRent
from optimiser.costing.project.read import load_project
from optimiser.errors import UsageError
from optimiser.planning.offer_money import commitment_of
from optimiser.planning.plan import to_jsonable
from optimiser.planning.plan_schema import schema_of
from optimiser.prices.book import PriceBook
from optimiser.report.budget import budget_document
from optimiser.report.budget_sections import buying
from optimiser.report.text_layout import text_of

D = Decimal


OWNED = {
    "gpu": "H100",
    "servers": 2,
    "usd_per_server": 240000,
    "residual_share": 0.1,
    "depreciation_months": 48,
    "discount_rate_per_year": 0,
    "kw_per_server": 10,
    "idle_power_share": 0.4,
    "pue": 1.5,
    "usd_per_kwh": 0.1,
    "hosting_usd_per_kw_month": 150,
    "staff_usd_per_month": 1000,
    "utilisation": 0.5,
}


def test_owned_servers_stand_against_the_cheapest_price_of_each_tier(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    owned = OWNED | {"provider": "aws", "region": "us-east-1"}
    budget = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned})
    jsonschema.validate(to_jsonable(budget), schema_of(Budget, "Budget", SCHEMA_VERSION))
    both = budget.buy_or_rent
    assert both is not None
    # As worked by hand in test_budget_formulas: 13,876 fixed, 1,314 more at full use; half of 16 × 730 h are used.
    assert both.owned_usd_per_month.expected == 14533
    assert both.owned_usd_per_used_gpu_hour.expected.quantize(D("0.0001")) == D("2.4885")
    tiers = {tier.tier: tier for tier in both.tiers}
    on_demand = tiers["on demand"]
    # p5.48xlarge at $55.04 an hour over its 8 GPUs: 6.88; 16 × 730 × 6.88 = 80,358.4 at full use.
    assert (on_demand.instance_type, on_demand.usd_per_gpu_hour) == ("p5.48xlarge", D("6.88"))
    assert on_demand.rented_usd_per_month == D("40179.20")
    assert on_demand.break_even is not None
    assert on_demand.break_even.expected is not None
    assert on_demand.break_even.expected.quantize(D("0.0001")) == (D(13876) / D("79044.4")).quantize(
        D("0.0001")
    )
    assert on_demand.owning_is_cheaper == "above break_even"
    three_years = tiers["3 years committed"]
    assert three_years.rented_usd_per_month == in_cents(16 * 730 * three_years.usd_per_gpu_hour)
    assert three_years.owning_is_cheaper == "at any use"


def test_owning_costs_least_where_servers_last_longest(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    lasting = {"low": 24, "expected": 48, "high": 60}
    sold = {"low": 0, "expected": 0.1, "high": 0.2}
    owned = OWNED | {"depreciation_months": lasting, "residual_share": sold}
    both = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert both is not None
    # 480,000 × 0.8 / 60 = 6,400, 480,000 × 0.9 / 48 = 9,000 and 480,000 / 24 = 20,000, beside 5,533 of the rest.
    assert (both.owned_usd_per_month.low, both.owned_usd_per_month.expected) == (11933, 14533)
    assert both.owned_usd_per_month.high == 25533


def test_a_dear_server_never_beats_renting(config: Config, book: PriceBook, tmp_path: Path) -> None:
    owned = OWNED | {"usd_per_server": {"low": 5e6, "expected": 6e6, "high": 7e6}}
    both = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert both is not None
    assert {tier.owning_is_cheaper for tier in both.tiers} == {"at no use"}
    on_demand = next(tier for tier in both.tiers if tier.tier == "on demand")
    even = on_demand.break_even
    assert even is not None
    assert even.low is not None
    assert even.expected is not None
    assert even.high is not None
    assert 1 < even.low < even.expected < even.high


def test_the_cost_of_capital_is_the_policys_and_upfront_money_bears_it_too(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    owned = {name: value for name, value in OWNED.items() if name != "discount_rate_per_year"}

    def both(policy_rate: float, **more: float) -> BuyOrRent:
        request = asked(config, book, discount_rate_per_year=policy_rate)
        found = budget_with(tmp_path, request, ROLE | {"buy_or_rent": owned | more}).buy_or_rent
        assert found is not None
        return found

    free, usual, given = both(0), both(0.08), both(0, discount_rate_per_year=0.08)
    assert usual == given
    assert usual.owned_usd_per_month.expected == free.owned_usd_per_month.expected + D("1798.70")
    dear, cheap = (next(t for t in one.tiers if t.tier == "3 years committed") for one in (usual, free))
    assert dear.payment == cheap.payment == "all_upfront"
    # 36 · i / (1 − 1.08^−3) = 36 × 0.00643403 / 0.2061678 = 1.12348 with i as in test_budget_formulas.
    assert float(dear.usd_per_gpu_hour / cheap.usd_per_gpu_hour) == pytest.approx(1.12348, rel=1e-5)
    assert usual.tiers[0].usd_per_gpu_hour == free.tiers[0].usd_per_gpu_hour


@pytest.mark.parametrize(
    ("staff", "verdict", "even", "said"),
    [
        # Three years: 2 × 543,865.99 / 36 = 30,214.78 a month. Owned, of which 13,876 fixed and 1,314 at full use with
        # 1,000 of staff: 14,533 at half use. 17,000 more is 30,876 fixed and 31,533; 16,000 more 29,876 and 30,533, the
        # same as rented at (30,214.78 − 29,876) / 1,314.
        (
            (1000, 1000, 18000),
            "at any use as expected and at low, at no use at high",
            None,
            "at no use at high; at 50 % buying saves $15,682 a month, but costs $1,318 more where owning costs most.",
        ),
        (
            (1000, 1000, 17000),
            "at any use as expected and at low, below break_even at high",
            "0.2578",
            "at work in less than 26 % of the hours at high; at 50 % buying saves $15,682 a month, but costs $318 more",
        ),
        (
            (1000, 18000, 18000),
            "at no use as expected and at high, at any use at low",
            None,
            "renting saves $1,318 a month, but costs $15,682 more where owning costs least.",
        ),
    ],
)
def test_a_commitment_is_judged_at_both_ends_of_what_owning_costs(
    config: Config,
    book: PriceBook,
    tmp_path: Path,
    staff: tuple[float, float, float],
    verdict: str,
    even: str | None,
    said: str,
) -> None:
    ranged = dict(zip(("low", "expected", "high"), staff, strict=True))
    owned = OWNED | {"provider": "aws", "region": "us-east-1", "staff_usd_per_month": ranged}
    budget = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned})
    assert budget.buy_or_rent is not None
    tier = next(one for one in budget.buy_or_rent.tiers if one.tier == "3 years committed")
    assert tier.rented_usd_per_month == D("30214.78")
    assert tier.owning_is_cheaper == verdict
    known = tier.break_even
    assert (known is None) == (even is None)
    if known is not None:
        assert known.expected is None
        assert known.low is not None
        assert known.low == known.high
        assert known.low.quantize(D("0.0001")) == D(even or 0)
    sentence = next(b for b in buying(budget) if isinstance(b, str) and b.startswith("3 years committed:"))
    assert said in sentence


def test_prices_of_renting_are_marked_by_their_age_and_count_in_the_headline(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    for days, is_old in ((1, True), (3000, False)):
        request = asked(config, book, price_age_note_days=days, spot_age_note_days=days)
        budget = budget_with(tmp_path, request, ROLE | {"buy_or_rent": OWNED})
        both = budget.buy_or_rent
        assert both is not None
        for tier in both.tiers:
            assert tier.oldest_price.observed_on == tier.observed_on
            assert tier.oldest_price.age_days == (book.as_of - tier.observed_on).days
        assert {one.tier for one in both.oldest_prices} == {"on_demand", "reserved", "spot"}
        text = " ".join(text_of(budget_document(budget)).split())
        assert ("buy or rent at OLD PRICES" in budget_document(budget).headline) == is_old
        on_demand = both.tiers[0].oldest_price
        assert (f"{on_demand.observed_on} OLD" in text) == is_old
        old = f" ({on_demand.age_days} days: OLD)" if is_old else ""
        assert f"Oldest prices: on demand of {on_demand.observed_on}{old}, reserved of" in text


def test_a_commitment_costs_what_a_plan_bills_for_it_and_its_capital(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    request = asked(config, book)
    owned = {name: value for name, value in OWNED.items() if name != "discount_rate_per_year"}
    found = budget_with(tmp_path, request, ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert found is not None
    tier = next(one for one in found.tiers if one.tier == "3 years committed")
    offer = book.offer(tier.offer_id)
    assert offer.upfront_usd
    signed = commitment_of(offer, 2, None, D(0), 1.0, request.policy.discount_rate_per_year)
    assert signed.capital_monthly_usd is not None
    billed = 2 * 730 * offer.amortised_usd_per_hour
    assert abs(tier.rented_usd_per_month - billed - signed.capital_monthly_usd) <= D("0.01")


def test_where_running_alone_costs_more_than_renting_owning_never_is_cheaper_in_words(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    # Spot or not, 16 GPUs' energy at work: 20 kW × 0.6 × 1.5 × 730 h = 13,140 kWh a month; on demand is 80,358.4 USD.
    for kwh, even, verdict in (
        ({"low": 0.1, "expected": 0.1, "high": 7}, (True, True, False), "above break_even"),
        ({"low": 0.1, "expected": 7, "high": 7}, (True, False, False), "at no use"),
        (7, (False, False, False), "at no use"),
    ):
        owned = OWNED | {"usd_per_kwh": kwh, "provider": "aws", "region": "us-east-1"}
        budget = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned})
        assert budget.buy_or_rent is not None
        tier = budget.buy_or_rent.tiers[0]
        assert tier.break_even is not None
        found = (tier.break_even.low, tier.break_even.expected, tier.break_even.high)
        assert tuple(one is not None for one in found) == even
        assert tier.owning_is_cheaper == verdict
        assert tier.break_even.never.startswith("never: running costs alone exceed rent")
        assert tier.break_even.never in "".join(str(block) for block in buying(budget))
        assert to_jsonable(budget)["buy_or_rent"]["tiers"][0]["break_even"]["never"] == tier.break_even.never


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gpu": "H1000"}, "buy_or_rent.gpu = 'H1000': did you mean H100"),
        ({"region": "us-east-9"}, "buy_or_rent.region = 'us-east-9': did you mean us-east-"),
        ({"provider": "awss"}, "buy_or_rent.provider = 'awss': did you mean aws?"),
    ],
)
def test_what_is_not_known_to_rent_is_named(
    change: dict[str, str], said: str, config: Config, book: PriceBook, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": OWNED | change})


def test_prices_are_read_only_where_something_is_planned_or_rented(tmp_path: Path) -> None:
    head = {"name": "p", "months": 3, "start": "2026-11"}
    assert not needs_prices(load_project(written(tmp_path, head | ROLE)))
    assert needs_prices(load_project(written(tmp_path, head | ROLE | {"buy_or_rent": OWNED})))
