"""One row of another shape than AWS documents: the scope it belongs to fails, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cases import EAST, NOW, ON_DEMAND, RESERVED, SHAPES, SPOT, failed, fetch
from aws_catalogue import product, reserved_term, savings_rate, spot_row
from aws_server import SAVINGS_INDEX_PATH, AwsFake

from providers.aws import fetch_spot_signals
from providers.aws.client import AwsClient
from providers.errors import UnexpectedPayload
from providers.fetch import Scope
from providers.offer import Tier

WEST = "us-west-2"
FILE = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20261119004512/us-east-1/index.json"
# Stands in every odd row here; a payload's own text has no place in a message.
PRIVATE = "text of the payload"


@pytest.fixture
def sold(aws: AwsFake) -> AwsFake:
    """g5.xlarge is on sale in two regions, in all tiers."""
    aws.opt_in = dict.fromkeys((EAST, WEST), "opt-in-not-required")
    aws.region_codes = [EAST, WEST]
    term = reserved_term("R1", "1yr", "standard", "No Upfront", "0.6", None)
    aws.products_by_region = lambda region: [product("g5.xlarge", region, reserved={"R1": term})]
    aws.savings_by_region = lambda region: [savings_rate("g5.xlarge", region)]
    aws.spot_by_region = lambda region: [spot_row("g5.xlarge", f"{region}-az1", "0.4", NOW)]
    aws.ignores_filters = True
    return aws


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], list[object]]:
    """us-east-1's one product after a change, and us-west-2's as it was."""

    def products(region: str) -> list[object]:
        row = product("g5.xlarge", region, reserved={})
        if region == EAST:
            change(row)
        return [row]

    return products


def fails_alone(client: AwsClient, scopes: set[Scope], *said: str) -> None:
    """Those scopes fail, saying so and quoting nothing; every other of the two regions is covered."""
    result = fetch(client)
    assert set(failed(result)) == scopes
    assert result.covered | scopes == {Scope("aws", region, tier) for region in (EAST, WEST) for tier in Tier}
    for failure in result.failures:
        assert isinstance(failure.error, UnexpectedPayload)
        for part in (EAST, *said):
            assert part in str(failure.error)
        assert PRIVATE not in str(failure.error)


@pytest.mark.parametrize(
    ("change", "scopes", "said"),
    [
        (lambda row: row["terms"].update(OnDemand=[{PRIVATE: 1}]), {ON_DEMAND}, "g5.xlarge: on_demand terms"),
        (lambda row: row["terms"].update(OnDemand={"a": PRIVATE}), {ON_DEMAND}, "g5.xlarge: on_demand terms"),
        (lambda row: row["terms"].update(Reserved=[PRIVATE]), {RESERVED}, "g5.xlarge: reserved terms"),
        (
            lambda row: row["terms"].update(Reserved={"a": {"termAttributes": [PRIVATE]}}),
            {RESERVED},
            "g5.xlarge: reserved terms",
        ),
        (
            lambda row: row["terms"].update(OnDemand={"a": {"priceDimensions": [PRIVATE]}}),
            {ON_DEMAND},
            "g5.xlarge: on_demand terms",
        ),
        (
            lambda row: row["product"]["attributes"].update(instanceType=[PRIVATE]),
            {ON_DEMAND, RESERVED},
            "price list of us-east-1",
        ),
        (
            lambda row: row["product"]["attributes"].update(locationType=[PRIVATE]),
            {ON_DEMAND, RESERVED},
            "price list of us-east-1",
        ),
    ],
)
def test_an_odd_product_fails_the_tiers_that_need_it(
    sold: AwsFake,
    client: AwsClient,
    change: Callable[[dict[str, Any]], object],
    scopes: set[Scope],
    said: str,
) -> None:
    sold.products_by_region = changed(change)
    fails_alone(client, scopes, said, "not of the shape known")


@pytest.mark.parametrize("rows", [[PRIVATE], [None], [[PRIVATE]]])
def test_an_odd_savings_plan_rate_fails_the_reserved_tier(
    sold: AwsFake, client: AwsClient, rows: list[object]
) -> None:
    sold.savings_by_region = lambda region: rows if region == EAST else []
    fails_alone(client, {RESERVED})


def bulk(**changes: Any) -> dict[str, Any]:
    plan = {
        "sku": "PLAN",
        "productFamily": "ComputeSavingsPlans",
        "attributes": {"purchaseOption": "No Upfront", "purchaseTerm": "1yr"},
    }
    price = {"price": "0.5", "currency": "USD"}
    rate = {"discountedSku": "SOLD", "discountedRate": price, "unit": "Hrs"}
    lease = {"duration": 1, "unit": "year"}
    term = {"sku": "PLAN", "leaseContractLength": lease, "rates": [rate]}
    return {"products": [plan], "terms": {"savingsPlan": [term]}, **changes}


@pytest.mark.parametrize(
    "file",
    [
        bulk(products=[{"attributes": PRIVATE}]),
        bulk(products=[PRIVATE]),
        bulk(products=[{"sku": "PLAN", "productFamily": "ComputeSavingsPlans", "attributes": PRIVATE}]),
        bulk(terms={"savingsPlan": [{"sku": [PRIVATE], "rates": []}]}),
        bulk(terms={"savingsPlan": [{"sku": "PLAN", "rates": [PRIVATE]}]}),
        bulk(terms={"savingsPlan": [{"sku": "PLAN", "rates": [], "leaseContractLength": PRIVATE}]}),
    ],
)
def test_an_odd_row_of_the_public_savings_plan_file_fails_the_reserved_tier(
    sold: AwsFake, client: AwsClient, file: object
) -> None:
    sold.products_by_region = lambda region: [product("g5.xlarge", region, sku="SOLD")]
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    index = {"regions": [{"regionCode": EAST, "versionUrl": FILE}]}
    sold.files[SAVINGS_INDEX_PATH] = json.dumps(index).encode()
    sold.files[FILE] = json.dumps(bulk()).encode()
    assert not fetch(client).failures
    sold.files[FILE] = json.dumps(file).encode()
    fails_alone(client, {RESERVED}, "not of the shape known")


@pytest.mark.parametrize("index", [{"regions": [PRIVATE]}, {"regions": [{"regionCode": EAST}]}])
def test_an_odd_index_of_the_public_files_fails_the_reserved_tier(
    sold: AwsFake, client: AwsClient, index: object
) -> None:
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    sold.files[SAVINGS_INDEX_PATH] = json.dumps(index).encode()
    result = fetch(client, EAST)
    assert set(failed(result)) == {RESERVED}
    assert "Savings Plans in us-east-1" in failed(result)[RESERVED]


SPOT_PAGE = b"<R><requestId>r</requestId><spotPriceHistorySet><item>%s</item></spotPriceHistorySet></R>"
ODD_MOMENT = b"<instanceType>g5.xlarge</instanceType><timestamp>text of the payload</timestamp>"
NO_MOMENT = (
    b"<instanceType>g5.xlarge</instanceType><productDescription>Linux/UNIX</productDescription>"
    b"<spotPrice>0.4</spotPrice><availabilityZone>z</availabilityZone><timestamp/>"
    b"<availabilityZoneId>use1-az1</availabilityZoneId>"
)


@pytest.mark.parametrize("item", [b"", ODD_MOMENT, NO_MOMENT])
def test_an_odd_spot_price_fails_spot_alone(sold: AwsFake, client: AwsClient, item: bytes) -> None:
    sold.fail("DescribeSpotPriceHistory", region=EAST, status=200, body=SPOT_PAGE % item)
    fails_alone(client, {SPOT})


def test_a_zone_without_its_name_fails_spot_alone(sold: AwsFake, client: AwsClient) -> None:
    row = spot_row("g5.xlarge", "use1-az1", "0.4", NOW, AvailabilityZoneId=None)
    sold.spot_by_region = lambda region: [row] if region == EAST else []
    zones = b"<availabilityZoneInfo><item><zoneId>use1-az1</zoneId></item></availabilityZoneInfo>"
    sold.fail("DescribeAvailabilityZones", status=200, body=b"<R><requestId>r</requestId>" + zones + b"</R>")
    fails_alone(client, {SPOT}, "ec2:DescribeAvailabilityZones", "KeyError")


REGION_PAGE = (
    b"<R><requestId>r</requestId><regionInfo><item><optInStatus>on</optInStatus></item></regionInfo></R>"
)


def test_a_list_of_enabled_regions_without_names_fails_spot_alone(sold: AwsFake, client: AwsClient) -> None:
    sold.fail("DescribeRegions", status=200, body=REGION_PAGE)
    result = fetch(client)
    assert set(failed(result)) == {SPOT, Scope("aws", WEST, Tier.SPOT)}
    assert "ec2:DescribeRegions in us-east-1" in failed(result)[SPOT]
    assert len(result.covered) == 4


@pytest.mark.parametrize("values", [["text of the payload"], [["text of the payload"]], {"a": PRIVATE}])
def test_an_odd_list_of_priced_regions_fails_what_it_was_for(
    sold: AwsFake, client: AwsClient, values: object
) -> None:
    sold.fail("GetAttributeValues", status=200, body=json.dumps({"AttributeValues": values}).encode())
    result = fetch(client)
    assert result.covered == {SPOT, Scope("aws", WEST, Tier.SPOT)}
    assert "pricing:GetAttributeValues" in failed(result)[RESERVED]
    assert PRIVATE not in failed(result)[RESERVED]


def test_a_spot_advisor_of_odd_regions_is_unexpected(aws: AwsFake, client: AwsClient) -> None:
    aws.files["/spot-advisor-data.json"] = json.dumps({"spot_advisor": {EAST: [PRIVATE]}}).encode()
    with pytest.raises(UnexpectedPayload, match="spot advisor: not of the shape known"):
        fetch_spot_signals(SHAPES, None, client, now=NOW)
