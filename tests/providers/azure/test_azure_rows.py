"""Every known trap of the Retail Prices rows: what is a price of ours, and what only looks like one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from azure_cases import NC40, ND96, ND96_A100, NOW, SHAPES, T4, fixture, parsed, prices, shape

from providers.azure.parse import parse_region
from providers.errors import UnexpectedPayload
from providers.fetch import Scope
from providers.offer import Tier


@pytest.mark.parametrize(
    ("case", "left_out"),
    [
        ("windows_shares_sku_and_meter", "Windows"),
        ("cloud_services", "Cloud Services"),
        ("dedicated", "Dedicated"),
        ("superseded", "superseded or not yet in force"),
        ("window_ends_before_it_begins", "superseded or not yet in force"),
        ("not_yet_in_force", "superseded or not yet in force"),
        ("type_of_row_not_known", "unknown type of row"),
        ("reservation_of_an_unknown_term", "unknown term"),
        ("empty_arm_sku_name", "no armSkuName"),
        ("not_the_primary_meter", "a meter that is not the primary one"),
        ("same_row_twice", "the same row once more"),
    ],
)
def test_rows_beside_the_linux_price_are_left_out_and_counted(case: str, left_out: str) -> None:
    rows = fixture(case)
    found = parsed(case)
    assert prices(found) == {f"{ND96}/on_demand": Decimal("98.32")}
    assert found.counts["rows"] == len(rows)
    assert found.counts[f"left out: {left_out}"] == len(rows) - 1


def test_a_product_that_ends_in_win_is_windows() -> None:
    found = parsed("product_ends_in_win", "uksouth")
    assert prices(found) == {f"{T4}/on_demand": Decimal("0.615")}
    assert found.counts["left out: Windows"] == 1


def test_a_dev_test_row_is_no_price_of_ours() -> None:
    found = parsed("dev_test", "uksouth")
    assert prices(found) == {f"{T4}/on_demand": Decimal("0.615")}
    assert found.counts["left out: DevTest"] == 1


def test_low_priority_is_not_spot() -> None:
    found = parsed("low_priority_is_not_spot", "eastus2")
    assert prices(found) == {
        f"{ND96_A100}/spot": Decimal("14.4188"),
        f"{ND96_A100}/on_demand": Decimal("32.77"),
    }


@pytest.mark.parametrize("case", ["spot_in_meter_name_alone", "spot_in_sku_name_alone"])
def test_spot_is_told_by_either_name(case: str) -> None:
    found = parsed(case)
    assert prices(found) == {f"{ND96}/spot": Decimal("18.169536"), f"{ND96}/on_demand": Decimal("98.32")}


def test_six_rows_of_one_type_are_three_prices() -> None:
    found = parsed("six_rows_of_one_type", "uksouth")
    # 3434 USD for a year of 8760 hours: 0.39200913242…
    assert prices(found) == {
        f"{T4}/on_demand": Decimal("0.615"),
        f"{T4}/spot": Decimal("0.18"),
        f"{T4}/reserved/reserved_instance/12m/no_upfront": Decimal("0.392009132"),
        f"{T4}/reserved/reserved_instance/12m/all_upfront": Decimal(3434) / 8760,
    }


def test_a_reservation_is_divided_by_its_term_whatever_its_unit_says() -> None:
    found = parsed("reservation_is_the_whole_term")
    by_id = {"/".join(offer.offer_id.split("/")[2:]): offer for offer in found.offers}
    at_once = by_id[f"{ND96}/reserved/reserved_instance/12m/all_upfront"]
    monthly = by_id[f"{ND96}/reserved/reserved_instance/12m/no_upfront"]
    assert (at_once.usd_per_hour, at_once.upfront_usd) == (Decimal(0), Decimal(551221))
    # 551221 / 8760 = 62.924771689497…; 42066 / 8760 = 4.80205479452…
    assert (monthly.usd_per_hour, monthly.upfront_usd) == (Decimal("62.924771689"), Decimal(0))
    assert by_id[
        "Standard_NC48ads_A100_v4/reserved/reserved_instance/12m/no_upfront"
    ].usd_per_hour == Decimal("4.802054795")
    assert by_id[f"{ND96}/on_demand"].usd_per_hour == Decimal("98.32")


def test_three_and_five_years_have_their_own_hours() -> None:
    # 1,051,200 / 26,280 = 40 and 1,314,000 / 43,800 = 30
    monthly = {
        offer.term_months: offer.usd_per_hour
        for offer in parsed("reservation_of_three_and_five_years").offers
        if offer.payment == "no_upfront"
    }
    assert monthly == {36: Decimal(40), 60: Decimal(30)}


def test_a_reservation_that_shares_its_meter_does_not_replace_on_demand() -> None:
    found = parsed("reservation_shares_the_meter")
    assert {offer.tier for offer in found.offers} == {Tier.ON_DEMAND, Tier.RESERVED}
    assert prices(found)[f"{ND96}/on_demand"] == Decimal("98.32")


def test_savings_plan_rates_are_hourly_in_the_answer_that_has_the_reservation_total() -> None:
    found = parsed("savings_plan_is_hourly", "australiacentral", [shape("Standard_B16als_v2")])
    name = "Standard_B16als_v2"
    assert prices(found) == {
        f"{name}/on_demand": Decimal("0.673"),
        f"{name}/reserved/savings_plan/12m/no_upfront": Decimal("0.49129"),
        f"{name}/reserved/savings_plan/36m/no_upfront": Decimal("0.34323"),
        f"{name}/reserved/reserved_instance/12m/all_upfront": Decimal(3478) / 8760,
        f"{name}/reserved/reserved_instance/12m/no_upfront": Decimal("0.397031963"),
    }


def test_a_savings_plan_of_an_unknown_term_is_counted_and_the_others_kept() -> None:
    found = parsed("savings_plan_of_an_unknown_term")
    assert prices(found)[f"{ND96}/reserved/savings_plan/12m/no_upfront"] == Decimal("60.5")
    assert len(found.offers) == 2
    assert found.counts["left out: unknown term"] == 1


@pytest.mark.parametrize("case", ["zero_price", "null_price", "absent_price", "negative_price"])
def test_no_price_is_missing_and_never_free(case: str) -> None:
    found = parsed(case)
    assert prices(found) == {f"{NC40}/spot": Decimal("2.19")}
    (missing,) = found.missing
    assert (missing.instance_type, missing.tier) == (NC40, Tier.ON_DEMAND)
    assert missing.reason == "listed at 0 USD or without a price"
    assert found.counts["left out: zero or no price"] == 1


def test_only_windows_rows_is_said_to_be_missing() -> None:
    found = parsed("only_windows_rows")
    assert found.offers == ()
    assert {(missing.tier, missing.reason) for missing in found.missing} == {
        (Tier.ON_DEMAND, "only Windows rows are listed"),
        (Tier.SPOT, "only Windows rows are listed"),
    }


def test_only_a_price_of_the_past_is_said_to_be_missing() -> None:
    (missing,) = parsed("only_a_price_of_the_past").missing
    assert missing.reason == "only prices of the past or the future are listed"


def test_a_region_in_capitals_is_the_same_region() -> None:
    (offer,) = parsed("region_in_capitals", "westus3").offers
    assert offer.region == "westus3"


def test_an_instance_type_in_another_case_gets_our_name() -> None:
    (offer,) = parsed("sku_in_other_case").offers
    assert offer.instance_type == ND96


def test_whitespace_around_texts_does_not_matter() -> None:
    found = parsed("whitespace")
    assert prices(found) == {f"{ND96}/on_demand": Decimal("98.32"), f"{ND96}/spot": Decimal("18.169536")}


def test_a_meter_that_is_not_primary_serves_where_there_is_no_other() -> None:
    assert prices(parsed("only_a_meter_not_primary")) == {f"{ND96}/on_demand": Decimal("98.32")}


def test_gpu_types_that_no_shape_knows_are_named() -> None:
    found = parsed("gpu_types_not_in_config")
    # NP has FPGAs, and the retired type is not on sale.
    assert found.unknown_gpu_types == (
        "Standard_NC6_Promo",
        "Standard_ND999isr_X_v9",
        "Standard_NV6ads_A10_v5",
    )
    assert found.counts["left out: instance type not in config"] == 4
    assert len(found.offers) == 1


def test_two_prices_for_one_thing_refuse_that_tier_and_say_what_differs() -> None:
    found = parsed("two_prices_for_one_thing")
    (refused,) = found.failures
    assert refused.scope == Scope("azure", "eastus", Tier.ON_DEMAND)
    assert found.covered == {Scope("azure", "eastus", tier) for tier in (Tier.SPOT, Tier.RESERVED)}
    said = f"azure/eastus/{ND96}/on_demand: 98.32 and 55.04 USD an hour: the rows differ in location"
    assert said in str(refused.error)
    assert {offer.tier for offer in found.offers} == {Tier.SPOT, Tier.RESERVED}


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("not_in_usd", "currencyCode is EUR, not USD"),
        ("per_month", "unitOfMeasure is 1/Month, not 1 Hour"),
        ("tiered_price", "from 100.0 units on only"),
        ("price_as_text", "retailPrice is '6.98', a number is expected"),
        ("field_gone", "productName is None, text is expected"),
        ("other_region", "is of westus: the filter was lost"),
        ("savings_plan_not_a_list", "savingsPlan is not a list"),
    ],
)
def test_a_row_of_another_shape_refuses_the_region(case: str, said: str) -> None:
    with pytest.raises(UnexpectedPayload, match=said):
        parsed(case)


def test_a_price_field_that_is_gone_from_all_rows_is_drift_and_not_a_sale_that_ended() -> None:
    rows = [{k: v for k, v in row.items() if k != "retailPrice"} for row in fixture("six_rows_of_one_type")]
    with pytest.raises(UnexpectedPayload, match="no row has a retailPrice"):
        parse_region(rows, "uksouth", SHAPES, tuple(Tier), NOW)


def test_only_the_tiers_asked_are_answered() -> None:
    found = parsed("six_rows_of_one_type", "uksouth", tiers=[Tier.SPOT])
    assert prices(found) == {f"{T4}/spot": Decimal("0.18")}
    found = parsed("only_windows_rows", tiers=[Tier.SPOT])
    assert [missing.tier for missing in found.missing] == [Tier.SPOT]


def test_an_offer_says_where_it_is_from_and_when_it_was_seen() -> None:
    (offer,) = parsed("not_the_primary_meter").offers
    assert offer.source.startswith("Azure Retail Prices 2023-01-01-preview sku DZH318Z0TEST/")
    assert offer.observed_on == NOW.date()
    assert (offer.region_kind, offer.zone) == ("region", "")
