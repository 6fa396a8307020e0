"""The walk through the pages of the Retail Prices API, by the real client against a server that pages."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from azure_cases import ND96, NOW, SHAPES, plain_fixture, shape
from azure_price_rows import full_size_rows, retail_row, thirteen_rows
from azure_server import AzureServer

from providers.azure import fetch_offers
from providers.azure.next_page import API_VERSION, SKU_PART, first_query
from providers.azure.regions import COMMERCIAL_REGIONS
from providers.fetch import Scope
from providers.offer import Tier

INSTANCES = Path(__file__).parents[3] / "config" / "instances" / "azure.yaml"


def in_pages(number: int, region: str = "eastus") -> list[dict[str, Any]]:
    """On-demand rows of so many instance types, ND96isr_H100_v5 the last of them."""
    rows = [retail_row(f"Standard_ND{n}x_H100_v5", 10.0 + n, region) for n in range(number - 1)]
    return [*rows, retail_row(region=region)]


def test_all_tiers_of_a_region_come_from_one_walk(server: AzureServer) -> None:
    server.rows = {"eastus": thirteen_rows(ND96, "eastus", "Virtual Machines NDsr H100 v5 Series", 98.32)}
    finished: list[Scope] = []
    result = fetch_offers(SHAPES, ["eastus"], now=NOW, done=finished.append)
    assert {(offer.tier, offer.kind, offer.term_months) for offer in result.offers} == {
        (Tier.ON_DEMAND, "", 0),
        (Tier.SPOT, "", 0),
        (Tier.RESERVED, "reserved_instance", 12),
        (Tier.RESERVED, "reserved_instance", 36),
        (Tier.RESERVED, "savings_plan", 12),
        (Tier.RESERVED, "savings_plan", 36),
    }
    assert len(server.log) == 1
    assert result.covered == set(finished) == {Scope("azure", "eastus", tier) for tier in Tier}
    assert result.counts == {
        "left out: Cloud Services": 2,
        "left out: Dedicated": 1,
        "left out: DevTest": 1,
        "left out: Low Priority": 2,
        "left out: Windows": 2,
        "left out: superseded or not yet in force": 1,
        "pages": 1,
        "rows": 13,
    }


def test_every_page_is_read_until_none_is_named(server: AzureServer) -> None:
    server.rows = {"eastus": in_pages(23)}
    server.page_size = 10
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert [request.page for request in server.log] == [0, 10, 20]
    assert (result.counts["pages"], result.counts["rows"]) == (3, 23)
    assert [offer.instance_type for offer in result.offers] == [ND96]


def test_the_next_page_is_asked_of_the_base_url_whatever_host_the_link_names(server: AzureServer) -> None:
    server.rows, server.page_size = {"eastus": in_pages(4)}, 2
    links = []
    server.change_link = lambda link: links.append(link) or link  # type: ignore[func-returns-value]
    fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert links[0].startswith("https://prices.azure.com:443/api/retail/prices?")
    assert [request.page for request in server.log] == [0, 2]


def test_savings_plans_survive_a_next_link_that_lost_the_api_version(server: AzureServer) -> None:
    plans = [{"unitPrice": 60.5, "retailPrice": 60.5, "term": "1 Year"}]
    server.rows = {"eastus": [*in_pages(3)[:2], retail_row(savingsPlan=plans)]}
    server.page_size = 2
    server.change_link = lambda link: link.replace(f"api-version={API_VERSION}&", "")
    result = fetch_offers(SHAPES, ["eastus"], tiers=[Tier.RESERVED], now=NOW)
    assert [offer.usd_per_hour for offer in result.offers] == [Decimal("60.5")]
    assert [request.query["api-version"] for request in server.log] == [API_VERSION] * 2


def test_the_fake_hides_savings_plans_from_a_request_without_the_preview_version(server: AzureServer) -> None:
    import urllib.request

    server.rows = {"eastus": [retail_row(savingsPlan=[{"retailPrice": 1.0, "term": "1 Year"}])]}
    query = "$filter=armRegionName%20eq%20'eastus'"
    with urllib.request.urlopen(f"{server.url}/api/retail/prices?{query}") as answer:  # noqa: S310
        (row,) = json.load(answer)["Items"]
    assert "savingsPlan" not in row


def test_a_next_link_that_lost_the_filter_is_noticed_by_rows_of_other_regions(server: AzureServer) -> None:
    server.rows = {"eastus": in_pages(3), "westus": in_pages(3, "westus")}
    server.page_size = 2
    server.change_link = lambda link: (
        link.split("?")[0] + "?$skip=" + dict(parse_qsl(urlsplit(link).query))["$skip"]
    )
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert len(result.failures) == len(Tier)
    assert "the filter was lost" in str(result.failures[0].error)
    assert result.offers == ()


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("https://prices.example.com/api/retail/prices?$skip=2", "said to be at prices.example.com"),
        (
            "https://prices.azure.com.example.com/api/retail/prices?$skip=2",
            "said to be at prices.azure.com.ex",
        ),
        ("https://prices.azure.com:8443/api/retail/prices?$skip=2", "said to be at"),
        ("https://prices.azure.com/other?$skip=2", "said to be at prices.azure.com/other"),
        ("https://[broken/api/retail/prices?$skip=2", "cannot be read"),
        ("https://prices.azure.com/api/retail/prices?$skip=0", "run in a circle"),
        ("https://prices.azure.com/api/retail/prices?$skip=-2", "no whole number"),
    ],
)
def test_a_next_link_to_elsewhere_or_backwards_is_refused(server: AzureServer, link: str, said: str) -> None:
    server.rows, server.page_size = {"eastus": in_pages(4)}, 2
    server.change_link = lambda _: link
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert said in str(result.failures[0].error)
    assert result.covered == frozenset()
    assert len(server.log) == 1


@pytest.mark.parametrize("lasting", ["$skip=2", "cursor=abc"])
def test_pages_that_run_in_a_circle_are_noticed(server: AzureServer, lasting: str) -> None:
    server.rows, server.page_size = {"eastus": in_pages(9)}, 2
    server.change_link = lambda link: link.split("&$skip")[0] + "&" + lasting
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert "run in a circle" in str(result.failures[0].error)
    assert len(server.log) == 2


def test_a_list_without_end_is_refused_and_never_cut(
    server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.azure.next_page.MOST_PAGES", 3)
    server.page_size = 2
    server.rows = {"eastus": in_pages(6)}
    assert fetch_offers(SHAPES, ["eastus"], now=NOW).failures == ()
    server.rows = {"westus": in_pages(7, "westus")}
    result = fetch_offers(SHAPES, ["westus"], now=NOW)
    assert "no end after 3 pages" in str(result.failures[0].error)
    assert (result.offers, result.covered) == ((), frozenset())


def test_rows_repeated_by_drift_between_pages_do_no_harm(server: AzureServer) -> None:
    rows = in_pages(4)
    server.rows, server.page_size = {"eastus": [*rows, rows[-1]]}, 2
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert [offer.usd_per_hour for offer in result.offers] == [Decimal("98.32")]
    assert result.counts["left out: the same row once more"] == 1


def test_a_region_without_rows_is_covered_and_empty(server: AzureServer) -> None:
    server.rows = {"eastus": in_pages(1)}
    result = fetch_offers(SHAPES, ["centraluseuap", "eastus"], now=NOW)
    assert {scope.region for scope in result.covered} == {"centraluseuap", "eastus"}
    assert {offer.region for offer in result.offers} == {"eastus"}


def test_regions_are_asked_in_the_spelling_of_the_price_list(server: AzureServer) -> None:
    server.rows = {"westus3": in_pages(1, "westus3")}
    result = fetch_offers(SHAPES, [" WestUS3 "], now=NOW)
    assert [offer.region for offer in result.offers] == ["westus3"]


def test_all_commercial_regions_are_asked_where_none_is_named(server: AzureServer) -> None:
    result = fetch_offers(SHAPES, tiers=[Tier.SPOT], now=NOW)
    assert sorted(request.region for request in server.log) == list(COMMERCIAL_REGIONS)
    assert {scope.region for scope in result.covered} == set(COMMERCIAL_REGIONS)
    assert not [region for region in COMMERCIAL_REGIONS if region.startswith(("usgov", "usdod", "china"))]


def test_shapes_of_other_providers_have_no_part_in_it(server: AzureServer) -> None:
    server.rows = {"eastus": in_pages(1)}
    assert fetch_offers([shape(ND96, "aws")], ["eastus"], now=NOW).offers == ()


def test_two_prices_for_one_thing_fail_that_tier_of_that_region_alone(server: AzureServer) -> None:
    server.rows = {"eastus": plain_fixture("two_prices_for_one_thing"), "westus": in_pages(1, "westus")}
    result = fetch_offers(SHAPES, ["eastus", "westus"], now=NOW)
    assert [str(failure.scope) for failure in result.failures] == ["azure/eastus/on_demand"]
    assert Scope("azure", "eastus", Tier.SPOT) in result.covered
    assert Scope("azure", "westus", Tier.ON_DEMAND) in result.covered


def test_prices_keep_every_digit_of_the_answer(server: AzureServer) -> None:
    server.rows = {"eastus": [retail_row(price=18.169536, suffix=" Spot")]}
    (offer,) = fetch_offers(SHAPES, ["eastus"], now=NOW).offers
    assert str(offer.usd_per_hour) == "18.169536"


def test_every_instance_type_of_the_config_is_inside_the_narrowing() -> None:
    names = yaml.safe_load(INSTANCES.read_text(encoding="utf-8"))["instances"]
    assert [name for name in names if SKU_PART not in name] == []


def test_the_filter_leaves_all_gpu_rows_of_a_full_region_and_no_other(server: AzureServer) -> None:
    names = tuple(yaml.safe_load(INSTANCES.read_text(encoding="utf-8"))["instances"])
    rows = full_size_rows("eastus", names)
    server.rows, server.page_size = {"eastus": rows}, 100
    result = fetch_offers([shape(name) for name in names], ["eastus"], now=NOW)
    assert len(rows) == 15_483
    assert {offer.instance_type for offer in result.offers} == set(names)
    assert result.counts["rows"] == sum(row["armSkuName"].startswith("Standard_N") for row in rows)
    assert len(result.unknown_gpu_types) == 9


def test_values_of_the_filter_are_compared_case_for_case(server: AzureServer) -> None:
    asked = first_query("eastus")["$filter"]
    assert asked.startswith("serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and ")
    server.rows = {"eastus": [retail_row(serviceName="virtual machines")]}
    assert fetch_offers(SHAPES, ["eastus"], now=NOW).counts["rows"] == 0
