"""The catalogue's oddities, one fixture each: what would be a wrong price if it were read carelessly."""

from decimal import Decimal

import pytest
from gcp_cases import IOWA, NOW, fetch, offered, price, reasons, skus

from providers.errors import UnexpectedPayload
from providers.offer import Tier

WARSAW = "europe-central2"


def test_spot_is_told_by_the_description_where_the_usage_type_says_on_demand() -> None:
    result = fetch(skus("b200_slice_whose_spot_says_on_demand"), "a4-highgpu-8g", regions=[IOWA])
    assert offered(result) == {f"{IOWA}/a4-highgpu-8g/spot"}
    assert price(result, f"{IOWA}/a4-highgpu-8g/spot") == Decimal("39.6336")


def test_spot_local_ssd_is_told_by_the_description_too() -> None:
    result = fetch(
        skus("a100_80gb_beside_a100", "local_ssd_spot_says_on_demand"), "a2-ultragpu-1g", regions=[IOWA]
    )
    # 12 x 0.01659 + 170 x 0.00222 + 1.571232 + 375 x 0.032 / 730, not x 0.08
    assert price(result, f"{IOWA}/a2-ultragpu-1g/spot") == Decimal("2.164150356")


def test_spot_without_a_spot_price_for_its_local_ssd_does_not_take_the_on_demand_one() -> None:
    catalogue = skus("a100_80gb_beside_a100", "local_ssd_spot_says_on_demand")
    left = [sku for sku in catalogue if "Local Storage attached" not in sku["description"]]
    result = fetch(left, "a2-ultragpu-1g", regions=[IOWA], tiers=[Tier.SPOT])
    assert not result.offers
    lacking = "no price for local SSD (spot) in the catalogue"
    assert reasons(result) == {f"{IOWA}/a2-ultragpu-1g/spot": lacking}


def test_a100_and_a100_80gb_are_two_products_on_demand_and_committed() -> None:
    catalogue = skus("a2_on_demand", "a2_commitments", "a100_80gb_beside_a100")
    result = fetch(catalogue, "a2-highgpu-1g", "a2-ultragpu-1g", regions=[IOWA])
    assert price(result, f"{IOWA}/a2-highgpu-1g/on_demand") == Decimal("3.673385")
    assert price(result, f"{IOWA}/a2-ultragpu-1g/on_demand") == Decimal("5.068797890")
    year = "reserved/committed_use/12m/no_upfront"
    assert price(result, f"{IOWA}/a2-highgpu-1g/{year}") == Decimal("2.31420704")
    # 12 x 0.019915 + 170 x 0.002669 + 2.4746904 + 375 x 0.08 / 730
    assert price(result, f"{IOWA}/a2-ultragpu-1g/{year}") == Decimal("3.208496290")


def test_committed_local_ssd_has_a_sku_of_its_own_and_costs_the_on_demand_rate_without_one() -> None:
    catalogue = skus("a2_commitments", "a100_80gb_beside_a100", "local_ssd_committed")
    result = fetch(catalogue, "a2-ultragpu-1g", regions=[IOWA])
    # 12 x 0.019915 + 170 x 0.002669 + 2.4746904 + 375 x 0.0504 / 730
    year = f"{IOWA}/a2-ultragpu-1g/reserved/committed_use/12m/no_upfront"
    assert price(result, year) == Decimal("3.193290811")


def test_commitments_are_read_with_3_year_and_3_years_cpu_and_ram_in_any_mixture() -> None:
    result = fetch(skus("a2_commitments"), "a2-highgpu-1g", regions=[IOWA])
    assert price(result, f"{IOWA}/a2-highgpu-1g/reserved/committed_use/36m/no_upfront") == Decimal(
        "1.2856908"
    )


def test_a3_mega_is_found_under_its_three_names_beside_a3plus_hosts() -> None:
    result = fetch(skus("h100_mega_under_three_names"), "a3-megagpu-8g", "a3-highgpu-8g")
    # 208 x 0.026924 + 1872 x 0.002344 + 8 x 10.344275712 + 6000 x 0.08 / 730
    for region in ("asia-northeast1", "europe-west4", "us-east5"):
        assert price(result, f"{region}/a3-megagpu-8g/on_demand") == Decimal("93.399899943")
    assert {offer.instance_type for offer in result.offers} == {"a3-megagpu-8g"}


def test_h200_is_found_without_nvidia_in_its_name_and_has_no_on_demand_consumption() -> None:
    result = fetch(skus("h200_without_nvidia_spot"), "a3-ultragpu-8g")
    # 224 x 0.01 + 2952 x 0.001 + 8 x 3.5 + 12000 x 0.0365 / 730
    assert price(result, "europe-west4/a3-ultragpu-8g/spot") == Decimal("33.792")
    assert set(offered(result)) == {"europe-west4/a3-ultragpu-8g/spot"}
    why = "a3-ultragpu has no on-demand or committed consumption (reservation, flex-start or spot)"
    assert reasons(result) == {
        "europe-west4/a3-ultragpu-8g/on_demand": why,
        "europe-west4/a3-ultragpu-8g/reserved": why,
    }


def test_rtx_6000_is_found_without_gpu_in_its_name_and_its_ram_is_per_decimal_gb() -> None:
    result = fetch(skus("g4_rtx_without_gpu_and_ram_in_decimal_gb"), "g4-standard-48")
    # 48 x 0.02 + 180 GiB x 1.073741824 GB/GiB x 0.003 + 2.5
    assert price(result, "europe-west1/g4-standard-48/on_demand") == Decimal("4.039820585")


def test_reserved_placeholders_at_zero_in_milan_are_no_prices() -> None:
    result = fetch(skus("g2_l4", "reserved_placeholders_at_zero_in_milan"), regions=["europe-west8"])
    assert not result.offers
    assert result.counts["left out: reserved"] == 3
    assert result.counts["left out: zero price"] == 1


def test_flex_start_is_a_market_of_its_own_beside_on_demand() -> None:
    catalogue = skus("flex_start_a3", "h100_calendar_mode_beside_on_demand")
    result = fetch(catalogue, "a3-highgpu-1g", "a3-highgpu-8g", regions=[IOWA])
    # 26 x 0.010934 + 234 x 0.000952 + 4.200761 + 750 x 0.08 / 730; 8 times as much for 8
    flex = "on_demand/market=flex_start"
    assert price(result, f"{IOWA}/a3-highgpu-1g/{flex}") == Decimal("4.790004781")
    assert price(result, f"{IOWA}/a3-highgpu-8g/{flex}") == Decimal("38.320038247")
    assert price(result, f"{IOWA}/a3-highgpu-8g/on_demand") == Decimal("89.909025199")
    small = "a3-highgpu below 8 GPUs has no on-demand or committed consumption (spot and flex-start only)"
    assert reasons(result)[f"{IOWA}/a3-highgpu-1g/on_demand"] == small
    assert price(result, f"{IOWA}/a3-highgpu-1g/on_demand") is None


def test_flex_start_with_a_part_missing_is_counted_and_not_offered() -> None:
    catalogue = [sku for sku in skus("flex_start_a3") if "Local Storage" not in sku["description"]]
    result = fetch(catalogue, "a3-highgpu-8g", regions=[IOWA])
    assert not result.offers
    assert result.counts["left out: machine with parts missing, flex-start"] == 1


def test_calendar_mode_reservations_are_no_on_demand_price() -> None:
    result = fetch(skus("h100_calendar_mode_beside_on_demand"), "a3-highgpu-8g", regions=[IOWA])
    # 208 x 0.0293227 + 1872 x 0.0025534 + 8 x 9.796550569 + 6000 x 0.08 / 730
    assert price(result, f"{IOWA}/a3-highgpu-8g/on_demand") == Decimal("89.909025199")


def test_other_products_of_known_gpus_are_left_out_and_counted_by_what_they_are() -> None:
    result = fetch(skus("g2_l4", "other_products_of_known_gpus"), "g2-standard-4", regions=[IOWA])
    assert price(result, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")
    for product in ("virtual workstation", "sole tenancy", "confidential", "reserved", "vgpu", "vm state"):
        assert result.counts[f"left out: {product}"] == 1
    assert result.counts["left out: custom"] == 2
    assert not result.unknown_gpu_types


def test_gpus_attached_to_n1_and_n1_commitments_never_become_a_machine() -> None:
    result = fetch(skus("g2_l4", "n1_and_its_gpus"))
    assert not [offer for offer in result.offers if "n1" in offer.offer_id or "+" in offer.offer_id]
    assert {offer.instance_type for offer in result.offers} == {"g2-standard-4", "g2-standard-24"}
    assert result.counts["left out: GPU attached to N1"] == 3
    assert "northamerica-northeast1" not in {scope.region for scope in result.covered}


def test_a_part_that_a_region_lacks_makes_the_machine_missing_by_name() -> None:
    result = fetch(skus("g2_l4", "g2_without_ram_in_warsaw"), "g2-standard-4")
    assert reasons(result) == {
        f"{WARSAW}/g2-standard-4/on_demand": "no price for G2 RAM (on demand) in the catalogue"
    }
    assert not [offer for offer in result.offers if offer.region == WARSAW]
    assert price(result, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")


@pytest.mark.parametrize("lost", ["Core", "Ram", "Local Storage"])
def test_every_part_in_turn_makes_the_machine_missing(lost: str) -> None:
    catalogue = skus("a2_on_demand", "a100_80gb_beside_a100")
    left = [sku for sku in catalogue if lost not in sku["description"]]
    result = fetch(left, "a2-ultragpu-1g", regions=[IOWA], tiers=[Tier.ON_DEMAND])
    assert not result.offers
    name = {"Core": "A2 core", "Ram": "A2 RAM", "Local Storage": "local SSD"}[lost]
    assert (
        reasons(result)[f"{IOWA}/a2-ultragpu-1g/on_demand"]
        == f"no price for {name} (on demand) in the catalogue"
    )


def test_a_machine_whose_gpu_is_not_sold_there_is_neither_offered_nor_missing() -> None:
    catalogue = [sku for sku in skus("a2_on_demand", "g2_l4") if "A100" not in sku["description"]]
    result = fetch(catalogue, "a2-highgpu-1g", "g2-standard-4", regions=[IOWA], tiers=[Tier.ON_DEMAND])
    assert offered(result) == {f"{IOWA}/g2-standard-4/on_demand"}
    assert not result.missing


def test_a_term_without_all_parts_is_counted_where_the_other_term_is_priced() -> None:
    catalogue = [sku for sku in skus("a2_commitments") if "Ram in Americas for 3" not in sku["description"]]
    result = fetch(catalogue, "a2-highgpu-1g", regions=[IOWA], tiers=[Tier.RESERVED])
    assert offered(result) == {f"{IOWA}/a2-highgpu-1g/reserved/committed_use/12m/no_upfront"}
    assert not result.missing
    assert result.counts["left out: machine with parts missing, 3-year commitment"] == 1


def test_two_prices_for_one_part_fail_that_scope_alone_and_name_both_skus() -> None:
    result = fetch(skus("l4_at_two_prices_in_iowa"), "g2-standard-4", tiers=[Tier.ON_DEMAND])
    [failure] = result.failures
    assert str(failure.scope) == f"gcp/{IOWA}/on_demand"
    assert isinstance(failure.error, UnexpectedPayload)
    assert "AAAA-0001" in str(failure.error)
    assert "AAAA-0002" in str(failure.error)
    assert offered(result) == {"us-east1/g2-standard-4/on_demand", "us-west1/g2-standard-4/on_demand"}


def test_a_free_first_tier_is_not_the_price() -> None:
    result = fetch(skus("l4_with_a_free_first_tier"), "g2-standard-4", regions=[IOWA])
    assert price(result, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")


def test_a_price_by_volume_is_doubtful_and_fails_the_scope() -> None:
    catalogue = skus("l4_by_volume", "a2_on_demand")
    result = fetch(catalogue, "g2-standard-4", regions=[IOWA], tiers=[Tier.ON_DEMAND, Tier.SPOT])
    assert [str(failure.scope) for failure in result.failures] == [f"gcp/{IOWA}/on_demand"]
    assert "depends on the volume" in str(result.failures[0].error)


def test_of_several_prices_the_latest_that_has_begun_holds() -> None:
    catalogue = skus("l4_with_past_and_coming_prices")
    today = fetch(catalogue, "g2-standard-4", regions=[IOWA])
    assert price(today, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")
    next_year = fetch(catalogue, "g2-standard-4", regions=[IOWA], now=NOW.replace(year=2027))
    assert price(next_year, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.646792")


def test_an_only_price_holds_though_the_clock_here_runs_behind_its_date() -> None:
    early = fetch(skus("g2_l4"), "g2-standard-4", regions=[IOWA], now=NOW.replace(year=2025))
    assert price(early, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")


def test_another_currency_than_usd_is_refused_whole() -> None:
    with pytest.raises(UnexpectedPayload, match="'IDR' where USD was asked for"):
        fetch(skus("a2_on_demand", "l4_in_rupiah"))


def test_an_unknown_unit_fails_the_scopes_that_need_the_part() -> None:
    result = fetch(skus("g2_ram_in_an_unknown_unit"), "g2-standard-4", regions=[IOWA])
    failed = {str(failure.scope): str(failure.error) for failure in result.failures}
    assert set(failed) == {f"gcp/{IOWA}/on_demand"}
    assert "'MiBy.h'" in failed[f"gcp/{IOWA}/on_demand"]


def test_a_sku_without_a_price_counts_as_absent() -> None:
    result = fetch(skus("g2_ram_without_a_price"), "g2-standard-4", regions=[IOWA])
    assert reasons(result) == {
        f"{IOWA}/g2-standard-4/on_demand": "no price for G2 RAM (on demand) in the catalogue"
    }
    assert result.counts["left out: without a price"] == 1


def test_words_nobody_knows_are_refused_counted_and_shown() -> None:
    result = fetch(skus("g2_l4", "wordings_nobody_knows"), "g2-standard-4", regions=[IOWA])
    assert result.unknown_gpu_types == (
        "Nvidia L4 GPU running in Americas on Tuesdays",
        "Nvidia R300 Ultra GPU",
    )
    assert result.counts["refused: description unknown"] == 3
    assert result.counts["refused: A3 High Instance Core"] == 1
    assert price(result, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")


def test_a_gpu_on_sale_that_no_shape_has_is_reported() -> None:
    result = fetch(skus("g2_l4", "b200_slice_whose_spot_says_on_demand"), "g2-standard-4")
    assert result.unknown_gpu_types == ("B200 slice GPU",)


def test_global_is_not_a_region() -> None:
    result = fetch(skus("g2_l4", "g2_served_from_global"), "g2-standard-4")
    assert {scope.region for scope in result.covered} == {IOWA, "us-east1", "us-west1"}


def test_a_region_no_sku_knows_fails_instead_of_looking_sold_out() -> None:
    result = fetch(skus("g2_l4"), "g2-standard-4", regions=[IOWA, "us-centrall"], tiers=[Tier.SPOT])
    assert [str(failure.scope) for failure in result.failures] == ["gcp/us-centrall/spot"]
    assert "'us-centrall'" in str(result.failures[0].error)


def test_a_machine_type_whose_skus_are_not_known_is_missing_with_that_reason() -> None:
    result = fetch(skus("g2_l4"), "a9-highgpu-8g", "g2-standard-4", regions=[IOWA])
    assert "machines.py" in reasons(result)[f"{IOWA}/a9-highgpu-8g/spot"]


@pytest.mark.parametrize("gone", ["description", "category", "serviceRegions", "pricingInfo"])
def test_a_field_that_disappears_from_every_sku_is_no_empty_catalogue(gone: str) -> None:
    catalogue = [{name: value for name, value in sku.items() if name != gone} for sku in skus("g2_l4")]
    with pytest.raises(UnexpectedPayload, match="none of its 3 SKUs prices a GPU"):
        fetch(catalogue, "g2-standard-4")


def test_a_currency_that_disappears_is_refused() -> None:
    catalogue = skus("g2_l4")
    for sku in catalogue:
        del sku["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"]["currencyCode"]
    with pytest.raises(UnexpectedPayload, match="where USD was asked for"):
        fetch(catalogue, "g2-standard-4")


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(UnexpectedPayload, match="none of its 0 SKUs"):
        fetch([], "g2-standard-4")
