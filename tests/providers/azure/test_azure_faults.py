"""What goes wrong on the way: each page, each region, each kind of fault; never a silent part of an answer."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest
from azure_cases import ND96, NOW, SHAPES, plain_fixture
from azure_price_rows import retail_row
from azure_server import AzureServer, Fault

from providers.azure import fetch_offers
from providers.errors import (
    CredentialsError,
    ProviderError,
    SdkNotInstalled,
    Unavailable,
    UnexpectedPayload,
)
from providers.fetch import FetchResult, Scope
from providers.offer import Tier

REGIONS = ("eastus", "northeurope", "westus3")


@pytest.fixture
def three_regions(server: AzureServer) -> AzureServer:
    """Three pages in each of three regions, the price on the last."""
    server.page_size = 2
    server.rows = {
        region: [
            *(retail_row(f"Standard_ND{n}x_v5", 1.0 + n, region) for n in range(5)),
            retail_row(region=region),
        ]
        for region in REGIONS
    }
    return server


def assert_lost(result: FetchResult, regions: Sequence[str], kind: type[ProviderError]) -> None:
    """Those regions failed in all tiers, with that error; the others came whole."""
    whole = set(REGIONS) - set(regions)
    assert {failure.scope for failure in result.failures} == {
        Scope("azure", region, tier) for region in regions for tier in Tier
    }
    assert {type(failure.error) for failure in result.failures} == {kind}
    assert {(offer.region, offer.instance_type) for offer in result.offers} == {(r, ND96) for r in whole}
    assert {scope.region for scope in result.covered} == whole


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("skipped", [0, 2, 4])
def test_any_page_of_any_region_that_stays_away_fails_that_region_alone(
    three_regions: AzureServer, region: str, skipped: int
) -> None:
    three_regions.fail(Fault(status=503), region, skipped)
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert_lost(result, [region], Unavailable)
    assert "503" in str(result.failures[0].error)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=429), Unavailable),
        (Fault(status=500), Unavailable),
        (Fault(hang_up=True), Unavailable),
        (Fault(status=400), UnexpectedPayload),
        (Fault(status=404), UnexpectedPayload),
        (Fault(status=301, headers={"Location": "http://127.0.0.1:9/"}), UnexpectedPayload),
        (Fault(status=401), CredentialsError),
        (Fault(status=403), CredentialsError),
        (Fault(body=b"<html>maintenance</html>"), UnexpectedPayload),
        (Fault(body=b""), UnexpectedPayload),
        (Fault(body=b'{"BillingCurrency": "USD", "Count": 0}'), UnexpectedPayload),
        (Fault(body=b'{"Items": {}, "BillingCurrency": "USD", "Count": 0}'), UnexpectedPayload),
        (Fault(body=b'{"Items": [7], "BillingCurrency": "USD", "Count": 1}'), UnexpectedPayload),
        (Fault(body=b'{"Items": [], "BillingCurrency": "EUR", "Count": 0}'), UnexpectedPayload),
        (Fault(body=b'{"Items": [], "BillingCurrency": "USD", "Count": NaN}'), UnexpectedPayload),
        (
            Fault(body=b'{"Items": [], "BillingCurrency": "USD", "Count": 0, "NextPageLink": 5}'),
            UnexpectedPayload,
        ),
        (Fault(body=b"[]"), UnexpectedPayload),
        (Fault(body=b"[" * 100_000), UnexpectedPayload),
        (Fault(keep_bytes=300), UnexpectedPayload),
        (Fault(body=b"\xff\xfe\x00"), UnexpectedPayload),
        (Fault(headers={"Content-Encoding": "gzip"}, body=b"no gzip"), Unavailable),
    ],
)
def test_every_fault_is_one_of_the_projects_errors(
    three_regions: AzureServer, fault: Fault, kind: type[ProviderError]
) -> None:
    three_regions.fail(fault, "northeurope", 2)
    assert_lost(fetch_offers(SHAPES, REGIONS, now=NOW), ["northeurope"], kind)


def test_a_body_that_breaks_off_is_asked_again(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(keep_bytes=300, honest_length=False, times=1), "eastus", 2)
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert result.failures == ()
    assert len(result.offers) == 3


def test_a_body_that_always_breaks_off_fails_the_region(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(keep_bytes=300, honest_length=False), "eastus", 2)
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert {failure.scope.region for failure in result.failures} == {"eastus"}
    assert len(result.offers) == 2


def test_a_count_that_differs_from_the_rows_is_a_page_cut_short(three_regions: AzureServer) -> None:
    def drop_a_row(page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "Items": page["Items"][1:]}

    three_regions.change_page = drop_a_row
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert {type(failure.error) for failure in result.failures} == {UnexpectedPayload}
    assert "1 rows came, Count says 2" in str(result.failures[0].error)


def test_a_price_that_is_not_a_number_is_no_json(three_regions: AzureServer) -> None:
    three_regions.change_page = lambda page: {
        **page,
        "Items": [{**page["Items"][0], "unitPrice": float("nan")}],
    }
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert "the answer is not JSON" in str(result.failures[0].error)


def test_passing_faults_are_sat_out(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(status=503, times=2), "eastus", 0)
    three_regions.fail(Fault(status=500, times=1), "northeurope", 2)
    three_regions.fail(Fault(hang_up=True, times=1), "westus3", 4)
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert result.failures == ()
    assert len(result.offers) == 3
    assert len(three_regions.log) == 9 + 4


def test_a_retry_after_is_honoured(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(status=429, headers={"Retry-After": "1"}, times=1), "eastus", 2)
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    refused, again = (request for request in three_regions.log if request.page == 2)
    assert again.at - refused.at >= 1
    assert len(result.offers) == 1


@pytest.mark.parametrize("wait", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_of_hours_is_not_sat_out(three_regions: AzureServer, wait: str) -> None:
    three_regions.fail(Fault(status=429, headers={"Retry-After": wait}), "eastus", 0)
    begin = time.monotonic()
    result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert time.monotonic() - begin < 5
    assert_lost(result, ["eastus"], Unavailable)
    assert "asks to wait" in str(result.failures[0].error)


def test_the_tries_are_bounded(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(status=503), "eastus")
    fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert len(three_regions.log) == 5


def test_an_answer_that_takes_too_long_is_unavailable(
    three_regions: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.azure.client.READ_TIMEOUT_S", 0.1)
    monkeypatch.setattr("providers.azure.client.RETRIES", 1)
    three_regions.fail(Fault(delay_s=0.4), "eastus", 0)
    assert_lost(fetch_offers(SHAPES, REGIONS, now=NOW), ["eastus"], Unavailable)


def test_no_server_at_all_is_unavailable_in_every_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPTIMISER_ENDPOINT_AZURE_RETAIL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        result = fetch_offers(SHAPES, REGIONS, now=NOW)
    assert_lost(result, REGIONS, Unavailable)


def test_a_region_of_another_shape_leaves_the_others_alone(three_regions: AzureServer) -> None:
    assert isinstance(three_regions.rows, dict)
    three_regions.rows["eastus"] = plain_fixture("field_gone")
    assert_lost(fetch_offers(SHAPES, REGIONS, now=NOW), ["eastus"], UnexpectedPayload)


def test_a_refused_price_list_is_said_to_need_no_sign_in(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(status=403))
    result = fetch_offers(SHAPES, ["eastus"], now=NOW)
    assert "needs no sign-in: a proxy or firewall" in str(result.failures[0].error)


def test_done_is_told_of_failed_scopes_too(three_regions: AzureServer) -> None:
    three_regions.fail(Fault(status=400), "eastus")
    finished: list[Scope] = []
    fetch_offers(SHAPES, REGIONS, tiers=[Tier.SPOT], now=NOW, done=finished.append)
    assert sorted(finished) == [Scope("azure", region, Tier.SPOT) for region in REGIONS]


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.core", None)
    with pytest.raises(SdkNotInstalled, match=r"pip install 'cloud-pricing-optimiser\[azure\]'"):
        fetch_offers(SHAPES, ["eastus"], now=NOW)
