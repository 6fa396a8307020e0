"""On demand from AWS's price list, through the real client library, and the traps of that list."""

from __future__ import annotations

import copy
from datetime import date

import pytest
from aws_cases import EAST, NOW, ON_DEMAND, RESERVED, amounts, by_id, failed, fetch, fixture, only_in, reasons
from aws_catalogue import product
from aws_server import AwsFake

from providers.aws.client import AwsClient
from providers.fetch import Scope
from providers.offer import Tier

LISTED = (Tier.ON_DEMAND,)


def test_the_prices_since_june_2025_in_us_east_1(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, fixture("june_2025_cut.json"))
    result = fetch(client, EAST, tiers=LISTED)
    offers = by_id(result)
    assert amounts(offers["us-east-1/p5.48xlarge/on_demand"]) == ("55.04", "0")
    assert amounts(offers["us-east-1/p4d.24xlarge/on_demand"]) == ("21.957642", "0")
    assert len(offers) == 2
    assert (result.covered, result.failures, result.missing) == ({ON_DEMAND}, (), ())
    assert result.source_version == "20260910195514"
    offer = offers["us-east-1/p5.48xlarge/on_demand"]
    assert offer.source == "AWS Price List 20260910195514 sku P5EASTSKU0000001"
    assert (offer.observed_on, offer.region_kind, offer.zone) == (date(2026, 11, 21), "region", "")


def test_regions_that_agree_on_nine_prices_need_not_agree_on_the_tenth(
    aws: AwsFake, client: AwsClient
) -> None:
    east, west = fixture("june_2025_cut.json"), fixture("p4d_us_west_2.json")
    aws.products_by_region = lambda region: {EAST: east, "us-west-2": west}.get(region, [])
    offers = by_id(fetch(client, EAST, "us-west-2", tiers=LISTED))
    assert amounts(offers["us-west-2/p4d.24xlarge/on_demand"]) == ("21.95764", "0")
    assert amounts(offers["us-east-1/p4d.24xlarge/on_demand"]) == ("21.957642", "0")


@pytest.mark.parametrize("ignores_filters", [False, True])
@pytest.mark.parametrize(
    ("name", "usd", "sku"),
    [
        ("capacity_block_zero_twin.json", "21.957642", "REALPRODUCT00001"),
        ("capacity_reservation_siblings.json", "1.006", "USED000000000001"),
        ("windows_and_licence_rows.json", "1.006", "LINUX00000000001"),
        ("free_tier_pseudo_product.json", "1.006", "USEAST1G5XLARGE"),
        ("accelerators_that_are_no_gpus.json", "1.006", "USEAST1G5XLARGE"),
        ("dedicated_virtual_machine.json", "1.006", "USEAST1G5XLARGE"),
        ("bare_metal_dedicated_only.json", "7.824", "METALDEDICATED01"),
        ("bare_metal_both_tenancies.json", "7.824", "METALSHARED00001"),
        ("other_term_code.json", "1.006", "USEAST1G5XLARGE"),
        ("fractional_gpu.json", "1.006", "USEAST1G5XLARGE"),
    ],
)
def test_of_a_type_s_many_rows_the_one_linux_row_is_taken(
    aws: AwsFake, client: AwsClient, name: str, usd: str, sku: str, ignores_filters: bool
) -> None:
    aws.ignores_filters = ignores_filters
    aws.products_by_region = only_in(EAST, fixture(name))
    result = fetch(client, EAST, tiers=LISTED)
    (offer,) = result.offers
    assert amounts(offer) == (usd, "0")
    assert offer.source.endswith(sku)
    assert (result.failures, result.missing) == ((), ())


def test_what_is_left_out_is_counted(aws: AwsFake, client: AwsClient) -> None:
    aws.ignores_filters = True
    rows = fixture("capacity_block_zero_twin.json") + fixture("capacity_reservation_siblings.json")
    aws.products_by_region = only_in(EAST, rows)
    counts = fetch(client, EAST, tiers=LISTED).counts
    # The two queries of a region each bring all five rows here, so everything counts twice.
    assert counts["products"] == 10
    assert counts["left out: marketoption CapacityBlock"] == 2
    assert counts["left out: capacitystatus UnusedCapacityReservation"] == 2
    assert counts["left out: capacitystatus AllocatedCapacityReservation"] == 2


def test_two_products_of_one_type_name_the_axis_that_aws_has_added(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, fixture("new_axis.json"))
    result = fetch(client, EAST, tiers=(Tier.ON_DEMAND, Tier.RESERVED))
    assert not result.offers
    assert set(failed(result)) == {ON_DEMAND, RESERVED}
    assert "operatingPlan (None or Boosted)" in failed(result)[ON_DEMAND]


def test_a_new_axis_of_a_type_that_no_shape_knows_leaves_the_known_types_alone(
    aws: AwsFake, client: AwsClient
) -> None:
    twice = [product("g9.xlarge", sku=sku, operatingPlan=plan) for sku, plan in (("A1", "No"), ("B2", "Yes"))]
    aws.products_by_region = only_in(EAST, [*twice, product("g5.xlarge", usd="1.006")])
    result = fetch(client, EAST, tiers=LISTED)
    assert list(by_id(result)) == ["us-east-1/g5.xlarge/on_demand"]
    assert (result.failures, result.unknown_gpu_types) == ((), ("g9.xlarge",))


def test_a_gpu_type_that_no_shape_knows_is_reported_and_trainium_is_no_gpu(
    aws: AwsFake, client: AwsClient
) -> None:
    rows = fixture("unknown_gpu_type.json") + fixture("accelerators_that_are_no_gpus.json")[:2]
    aws.products_by_region = only_in(EAST, rows)
    aws.ignores_filters = True
    result = fetch(client, EAST, tiers=LISTED)
    assert result.unknown_gpu_types == ("g9.xlarge",)
    assert list(by_id(result)) == ["us-east-1/g5.xlarge/on_demand"]


def test_a_fraction_of_a_gpu_is_reported_as_unknown_and_its_gpu_attribute_is_never_read_as_a_number(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.products_by_region = only_in(EAST, fixture("fractional_gpu.json"))
    assert fetch(client, EAST, tiers=LISTED).unknown_gpu_types == ("g6f.large",)


def test_a_type_listed_without_an_on_demand_term_is_missing(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, fixture("no_on_demand_term.json"))
    result = fetch(client, EAST, tiers=LISTED)
    assert reasons(result) == {"us-east-1/p5e.48xlarge/on_demand": "listed without an on-demand price"}
    assert result.covered == {ON_DEMAND}


def test_a_zero_price_is_missing_and_counted_and_never_an_offer(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, fixture("zero_price.json"))
    result = fetch(client, EAST, tiers=LISTED)
    assert not result.offers
    assert reasons(result) == {"us-east-1/g5.xlarge/on_demand": "the price list says 0, which is no price"}
    assert result.counts["left out: zero price"] == 1


def test_china_s_yuan_are_never_read_as_dollars(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in("cn-north-1", fixture("china_cny.json"))
    result = fetch(client, "cn-north-1")
    assert not result.offers
    assert reasons(result) == {
        "cn-north-1/g5.xlarge/on_demand": "priced in CNY, not in USD",
        "cn-north-1/g5.xlarge/reserved": "priced in CNY, not in USD",
    }
    assert result.covered == {Scope("aws", "cn-north-1", tier) for tier in (Tier.ON_DEMAND, Tier.RESERVED)}
    assert not aws.calls("DescribeSpotPriceHistory")
    assert not aws.calls("DescribeSavingsPlansOfferingRates")


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("cn-north-1", "cn-northwest-1"),
        ("cn-northwest-1", "cn-northwest-1"),
        ("us-gov-west-1", EAST),
        ("eu-west-1", EAST),
    ],
)
def test_china_has_a_price_list_endpoint_of_its_own_and_every_other_region_shares_one(
    aws: AwsFake, client: AwsClient, region: str, endpoint: str
) -> None:
    fetch(client, region, tiers=LISTED)
    assert {call.signed_region for call in aws.calls("GetProducts", region)} == {endpoint}


def test_govcloud_is_priced_through_us_east_1_and_its_spot_is_not_asked(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.products_by_region = only_in("us-gov-west-1", fixture("govcloud.json"))
    result = fetch(client, "us-gov-west-1")
    (offer,) = result.offers
    assert (offer.region, offer.region_kind, amounts(offer)[0]) == ("us-gov-west-1", "government", "28.8")
    assert Scope("aws", "us-gov-west-1", Tier.SPOT) not in result.covered
    assert not result.failures


@pytest.mark.parametrize(
    ("name", "region", "kind"),
    [
        ("local_zone.json", "us-west-2-lax-1", "local_zone"),
        ("wavelength_zone.json", "us-east-1-wl1-atl1", "wavelength"),
    ],
)
def test_a_zone_with_a_price_list_of_its_own_is_left_out_unless_named(
    aws: AwsFake, client: AwsClient, name: str, region: str, kind: str
) -> None:
    aws.region_codes = ["", EAST, region]
    aws.products_by_region = only_in(region, fixture(name))
    assert not fetch(client, tiers=LISTED).offers
    assert {call.region for call in aws.calls("GetProducts")} == {EAST}
    (offer,) = fetch(client, region, tiers=LISTED).offers
    assert (offer.region, offer.region_kind) == (region, kind)


def test_all_regions_are_those_the_price_list_names(aws: AwsFake, client: AwsClient) -> None:
    aws.region_codes = ["", EAST, "us-gov-west-1", "us-west-2-lax-1", "us-east-1-wl1-atl1", "mx-central-1"]
    aws.products_by_region = lambda region: [product("g5.xlarge", region)]
    result = fetch(client, tiers=LISTED)
    assert {scope.region for scope in result.covered} == {EAST, "us-gov-west-1", "mx-central-1"}


def test_a_region_that_sells_no_gpu_is_covered_with_nothing_but_a_slip_in_its_name_is_a_failure(
    client: AwsClient,
) -> None:
    assert fetch(client, tiers=LISTED).covered == {ON_DEMAND}
    slip = fetch(client, "us-esat-1", tiers=LISTED)
    assert not slip.covered
    assert "is the region's code right?" in failed(slip)[Scope("aws", "us-esat-1", Tier.ON_DEMAND)]


def test_regions_are_asked_by_code_since_names_differ_between_the_library_and_the_price_list(
    aws: AwsFake, client: AwsClient
) -> None:
    fetch(client, "eu-west-1", tiers=LISTED)
    for call in aws.calls("GetProducts"):
        asked = {row["Field"]: row["Value"] for row in call.body["Filters"]}
        assert asked["regionCode"] == "eu-west-1"
        assert "location" not in asked


def test_every_page_is_read_100_products_at_a_time(aws: AwsFake, client: AwsClient) -> None:
    rows = [product(f"g9.{size}xlarge") for size in range(249)]
    aws.products_by_region = only_in(EAST, [*rows, product("g5.xlarge", usd="1.006")])
    result = fetch(client, EAST, tiers=LISTED)
    assert (len(result.offers), len(result.unknown_gpu_types)) == (1, 249)
    shared = [call for call in aws.calls("GetProducts") if "productFamily" not in str(call.body)]
    assert [call.page for call in shared] == [1, 2, 3]
    assert {call.body["MaxResults"] for call in shared} == {100}


@pytest.mark.parametrize(
    "field",
    [
        *("regionCode", "tenancy", "operatingSystem", "preInstalledSw", "licenseModel", "capacitystatus"),
        *("marketoption", "instanceFamily", "locationType", "instanceType"),
    ],
)
def test_a_field_that_disappears_fails_the_region_by_name(
    aws: AwsFake, client: AwsClient, field: str
) -> None:
    row = copy.deepcopy(product("g5.xlarge"))
    del row["product"]["attributes"][field]
    aws.ignores_filters = True
    aws.products_by_region = only_in(EAST, [row])
    assert f"a product without {field}" in failed(fetch(client, EAST, tiers=LISTED))[ON_DEMAND]


@pytest.mark.parametrize(
    ("unit", "usd", "said"),
    [
        ("Quantity", "1.0", "an on-demand price per Quantity"),
        ("Hrs", "NaN", "'NaN' is no amount of USD"),
        ("Hrs", "1,006", "'1,006' is no amount of USD"),
        ("Hrs", "-1", "'-1' is no amount of USD"),
    ],
)
def test_an_amount_that_cannot_be_a_price_fails_the_region(
    aws: AwsFake, client: AwsClient, unit: str, usd: str, said: str
) -> None:
    row = product("g5.xlarge", usd=usd)
    (term,) = row["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    dimension["unit"] = unit
    aws.products_by_region = only_in(EAST, [row])
    assert said in failed(fetch(client, EAST, tiers=LISTED))[ON_DEMAND]


def test_a_second_price_in_one_term_is_a_new_axis_and_fails_the_region(
    aws: AwsFake, client: AwsClient
) -> None:
    row = product("g5.xlarge", usd="1.006")
    (term,) = row["terms"]["OnDemand"].values()
    term["priceDimensions"]["tier 2"] = {
        "unit": "Hrs",
        "beginRange": "750",
        "pricePerUnit": {"USD": "0.9"},
    }
    aws.products_by_region = only_in(EAST, [row])
    assert "two prices per Hrs in one term" in failed(fetch(client, EAST, tiers=LISTED))[ON_DEMAND]


def test_the_shapes_of_other_clouds_are_not_looked_for(aws: AwsFake, client: AwsClient) -> None:
    from aws_cases import shape

    from providers.aws import fetch_offers

    aws.products_by_region = only_in(EAST, [product("g5.xlarge"), product("a2-highgpu-1g")])
    shapes = [shape("g5.xlarge"), shape("a2-highgpu-1g", provider="gcp")]
    result = fetch_offers(shapes, [EAST], client, tiers=LISTED, now=NOW)
    assert [offer.instance_type for offer in result.offers] == ["g5.xlarge"]
    assert result.unknown_gpu_types == ("a2-highgpu-1g",)
