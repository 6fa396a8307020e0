"""One night after a good one something breaks: nothing is lost, the last good price serves, the report is right."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from azure_server import Fault
from clouds import SMALL_TYPES, Clouds
from night_after_night import Nights

from optimiser.prices.store import in_force, open_store
from optimiser.refresh import RefreshReport, State
from providers.fetch import Scope
from providers.offer import Tier

ON_DEMAND, SPOT, RESERVED = Tier.ON_DEMAND, Tier.SPOT, Tier.RESERVED


def not_accepted(report: RefreshReport) -> set[Scope]:
    return {one.scope for one in report.scopes(State.HELD, State.FAILED)}


def assert_only_these_stayed(nights: Nights, report: RefreshReport, stayed: set[Scope]) -> None:
    """The scopes named are of the first night, all others that were asked of the second, and exit 4 says so."""
    assert not_accepted(report) == stayed
    assert report.exit_code == (4 if stayed else 0)
    asked = {one.scope for one in report.scopes(*State)}
    ages = nights.nights()
    assert {scope for scope in asked if ages[scope] == 0} == stayed
    assert {ages[scope] for scope in asked - stayed} <= {1.0}


def aws(region: str, *tiers: Tier) -> set[Scope]:
    return {Scope("aws", region, tier) for tier in tiers}


def test_a_second_good_night_renews_everything(nights: Nights) -> None:
    report = nights.refresh()
    assert_only_these_stayed(nights, report, set())
    assert {one.provider for one in report.providers} == {"aws", "gcp", "azure"}


BREAKS: dict[str, Callable[[Clouds], None]] = {
    "aws": lambda clouds: clouds.aws.fail("*", status=500, code="InternalError") and None,
    "gcp": lambda clouds: clouds.gcp.fail(page=1, status=503),
    "azure": lambda clouds: clouds.azure.fail(Fault(status=503)),
}


@pytest.mark.parametrize("provider", BREAKS)
def test_one_cloud_down_leaves_that_cloud_at_its_own_date(
    nights: Nights, clouds: Clouds, provider: str
) -> None:
    BREAKS[provider](clouds)
    report = nights.refresh()
    assert_only_these_stayed(nights, report, {one for one in nights.nights() if one.provider == provider})


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-west-1"])
def test_one_aws_region_without_a_price_list_stays_alone(nights: Nights, clouds: Clouds, region: str) -> None:
    clouds.aws.fail("GetProducts", region=region, status=500, code="InternalError")
    report = nights.refresh(providers=("aws",))
    assert_only_these_stayed(nights, report, aws(region, ON_DEMAND, RESERVED))


def test_a_spot_market_that_is_down_leaves_the_price_list_new(nights: Nights, clouds: Clouds) -> None:
    clouds.aws.fail("DescribeSpotPriceHistory", region="us-west-2", status=503, code="Unavailable")
    report = nights.refresh(providers=("aws",))
    assert_only_these_stayed(nights, report, aws("us-west-2", SPOT))


@pytest.mark.parametrize("page", [1, 2])
def test_each_page_of_aws_matters(nights: Nights, clouds: Clouds, page: int) -> None:
    clouds.aws.page_size = 2
    clouds.aws.fail("GetProducts", region="us-west-2", page=page, status=500, code="InternalError")
    report = nights.refresh(providers=("aws",))
    assert_only_these_stayed(nights, report, aws("us-west-2", ON_DEMAND, RESERVED))


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_each_page_of_gcp_matters(nights: Nights, clouds: Clouds, page: int) -> None:
    clouds.gcp.fail(page=page, status=503)
    report = nights.refresh(providers=("gcp",))
    assert_only_these_stayed(nights, report, {one for one in nights.nights() if one.provider == "gcp"})


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("region", ["eastus", "westeurope"])
def test_each_page_of_each_azure_region_matters(
    nights: Nights, clouds: Clouds, region: str, page: int
) -> None:
    clouds.azure.page_size = 13
    clouds.azure.fail(Fault(status=500), region, skipped=13 * (page - 1))
    report = nights.refresh(providers=("azure",))
    assert_only_these_stayed(nights, report, {Scope("azure", region, tier) for tier in Tier})


def test_expired_credentials_of_one_cloud_are_named_and_cost_no_other(nights: Nights, clouds: Clouds) -> None:
    clouds.aws.fail("*", status=400, code="ExpiredTokenException", message="The security token is expired")
    report = nights.refresh(providers=("aws", "azure"))
    assert {scope.provider for scope in not_accepted(report)} == {"aws"}
    assert all("expired" in one.reason for one in report.scopes(State.FAILED))


def test_a_44_percent_cut_is_held_until_somebody_acknowledges_it(nights: Nights, clouds: Clouds) -> None:
    usd = dict(clouds.aws_list.usd_of)
    clouds.aws_list.usd_of = {**usd, "p5.48xlarge": usd["p5.48xlarge"] * 0.56}
    held = nights.refresh(1, providers=("aws",))
    everywhere = {
        scope for one in ("us-east-1", "us-west-2", "eu-west-1") for scope in aws(one, ON_DEMAND, RESERVED)
    }
    assert_only_these_stayed(nights, held, everywhere)
    assert price(nights, "us-east-1") == Decimal(str(usd["p5.48xlarge"]))
    again = nights.refresh(2, providers=("aws",), acknowledge=("no_price_jump:aws/us-east-1/*",))
    assert not_accepted(again) == everywhere - aws("us-east-1", ON_DEMAND, RESERVED)
    assert price(nights, "us-east-1") == round(Decimal(str(usd["p5.48xlarge"])) * Decimal("0.56"), 9)
    assert price(nights, "us-west-2") == Decimal(str(usd["p5.48xlarge"]))


def price(nights: Nights, region: str, name: str = "p5.48xlarge") -> Decimal:
    with open_store(nights.url) as store:
        offers = in_force(store, "aws")[Scope("aws", region, ON_DEMAND)].offers
    (found,) = [offer.usd_per_hour for offer in offers if offer.instance_type == name]
    return found


def test_half_the_offers_gone_are_held(nights: Nights, clouds: Clouds) -> None:
    clouds.aws_list.types = SMALL_TYPES["aws"][:2]
    report = nights.refresh(providers=("aws",))
    assert {scope for scope in nights.nights() if scope.provider == "aws"} == not_accepted(report)
    assert price(nights, "eu-west-1") > 0


def test_an_axis_nobody_knows_fails_the_regions_that_have_it(nights: Nights, clouds: Clouds) -> None:
    sold = clouds.aws_list.products

    def with_twin(region: str) -> Iterator[dict[str, Any]]:
        for one in sold(region):
            yield one
            if region == "us-west-2" and one["product"]["attributes"]["instanceType"] == "g5.xlarge":
                twin = {**one["product"], "sku": "TWIN"}
                twin["attributes"] = {**twin["attributes"], "coolingOption": "Immersion"}
                yield {**one, "product": twin}

    clouds.aws.products_by_region = with_twin
    report = nights.refresh(providers=("aws",))
    assert_only_these_stayed(nights, report, aws("us-west-2", ON_DEMAND, RESERVED))
    assert all("coolingOption" in one.reason for one in report.scopes(State.FAILED))


def test_a_field_that_disappears_fails_what_needs_it(nights: Nights, clouds: Clouds) -> None:
    def without_currency(page: dict[str, Any]) -> dict[str, Any]:
        for row in page["Items"]:
            if row["armRegionName"] == "eastus":
                row.pop("currencyCode", None)
        return page

    clouds.azure.change_page = lambda page: without_currency(copy.deepcopy(page))
    report = nights.refresh(providers=("azure",))
    assert_only_these_stayed(nights, report, {Scope("azure", "eastus", tier) for tier in Tier})
    assert all("currencyCode" in one.reason for one in report.scopes(State.FAILED))


def test_a_clock_that_went_backwards_changes_nothing(nights: Nights) -> None:
    before = nights.nights()
    report = nights.refresh(day=-1, providers=("gcp",))
    assert report.exit_code == 4
    assert nights.nights() == before


def test_a_delisted_type_is_missing_and_never_returns_at_its_old_price(
    nights: Nights, clouds: Clouds
) -> None:
    clouds.aws_list.types = tuple(name for name in SMALL_TYPES["aws"] if name != "g6.xlarge")
    asked = {"providers": ("aws",), "acknowledge": ("enough_offers:*",)}
    assert nights.refresh(**asked).exit_code == 0
    with open_store(nights.url) as store:
        standing = in_force(store, "aws")[Scope("aws", "us-west-2", ON_DEMAND)]
    assert {offer.instance_type for offer in standing.offers} == {"g5.xlarge", "p4d.24xlarge", "p5.48xlarge"}
    (gone,) = standing.missing
    assert gone.instance_type == "g6.xlarge"
    assert (nights.first + timedelta(0)).date().isoformat() in gone.reason
