"""Eviction rates and spot price steps from the Resource Graph."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from azure_cases import NC24, ND96, NOW, SHAPES, T4, plain_fixture, signed_in
from azure_server import AzureServer

from providers.azure import fetch_spot_history, fetch_spot_signals
from providers.errors import UnexpectedPayload


@pytest.fixture
def evictions(server: AzureServer) -> AzureServer:
    server.spot_resources = plain_fixture("spot_evictions") + plain_fixture("spot_prices")
    return server


def test_eviction_bands_are_percent_an_hour_of_our_types_alone(evictions: AzureServer) -> None:
    found = fetch_spot_signals(SHAPES, None, signed_in(), now=NOW)
    assert {(s.region, s.instance_type, s.low_percent, s.high_percent) for s in found} == {
        ("eastus", NC24, 5, 10),
        ("westus3", ND96, 20, None),
        ("uksouth", T4, 0, 5),
    }
    assert {(s.per, s.savings_percent, s.observed_at) for s in found} == {("hour", None, NOW)}
    assert len(evictions.log) == 1


def test_regions_narrow_the_question(evictions: AzureServer) -> None:
    found = fetch_spot_signals(SHAPES, ["WestUS3"], signed_in(), now=NOW)
    assert [signal.region for signal in found] == ["westus3"]
    assert "location in~ ('westus3')" in evictions.log[0].body["query"]


def test_every_page_of_the_graph_is_read(evictions: AzureServer) -> None:
    evictions.graph_page_size = 1
    assert len(fetch_spot_signals(SHAPES, None, signed_in(), now=NOW)) == 3
    assert [request.body["options"].get("$skipToken") for request in evictions.log] == [None, "1", "2"]


def test_a_cut_answer_of_the_graph_is_refused(
    evictions: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evictions.answer

    def without_token(request: Any) -> tuple[int, Any]:
        status, content = whole(request)
        content.pop("$skipToken", None)
        return status, content

    evictions.graph_page_size = 2
    monkeypatch.setattr(evictions, "answer", without_token)
    with pytest.raises(UnexpectedPayload, match="2 of 3 rows came"):
        fetch_spot_signals(SHAPES, None, signed_in())


def test_a_graph_that_repeats_its_token_is_refused(
    evictions: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evictions.answer
    monkeypatch.setattr(
        evictions, "answer", lambda request: (200, whole(request)[1] | {"$skipToken": "same"})
    )
    monkeypatch.setattr(evictions, "_graph", lambda _: (200, {"data": [], "totalRecords": 0}))
    with pytest.raises(UnexpectedPayload, match="run in a circle"):
        fetch_spot_signals(SHAPES, None, signed_in())


@pytest.mark.parametrize("band", ["", "often", "5-", "-5", 5, "5-10-15"])
def test_a_band_not_known_is_refused(server: AzureServer, band: object) -> None:
    (row, *_) = plain_fixture("spot_evictions")
    server.spot_resources = [{**row, "properties": {"evictionRate": band}}]
    with pytest.raises(UnexpectedPayload, match="a band such as 5-10"):
        fetch_spot_signals(SHAPES, None, signed_in())


def steps(days: float) -> list[tuple[Decimal, datetime]]:
    found = fetch_spot_history(SHAPES, ["eastus"], signed_in(), days=days, now=NOW)
    assert {(step.region, step.zone, step.instance_type) for step in found} <= {("eastus", "", NC24)}
    return [(step.usd_per_hour, step.since) for step in found]


@pytest.mark.usefixtures("evictions")
def test_spot_steps_are_of_linux_oldest_first_and_begin_with_the_one_in_force() -> None:
    october = (Decimal("0.7012"), datetime(2026, 10, 1, tzinfo=UTC))
    november = (Decimal("0.7345"), datetime(2026, 11, 1, tzinfo=UTC))
    march = (Decimal("0.6901"), datetime(2026, 3, 1, tzinfo=UTC))
    # On 24 August, 90 days before, the price of March still held; that of February no longer.
    assert steps(90) == [march, october, november]
    assert steps(30) == [october, november]
    assert steps(3) == [november]


@pytest.mark.parametrize(
    "properties",
    [
        {"osType": "linux"},
        {"osType": "linux", "spotPrices": [{"priceUSD": "0.7", "effectiveDate": "2026-11-01T00:00:00Z"}]},
        {"osType": "linux", "spotPrices": [{"priceUSD": 0.7, "effectiveDate": "lately"}]},
        {"osType": "linux", "spotPrices": [{"priceUSD": 0.7}]},
        {"osType": "linux", "spotPrices": [0.7]},
    ],
)
def test_steps_of_another_shape_are_refused(server: AzureServer, properties: dict[str, Any]) -> None:
    (row, _) = plain_fixture("spot_prices")
    server.spot_resources = [{**row, "properties": properties}]
    with pytest.raises(UnexpectedPayload):
        fetch_spot_history(SHAPES, None, signed_in())


def test_a_step_at_zero_is_no_price(server: AzureServer) -> None:
    (row, _) = plain_fixture("spot_prices")
    free = {"osType": "linux", "spotPrices": [{"priceUSD": 0.0, "effectiveDate": "2026-11-01T00:00:00Z"}]}
    server.spot_resources = [{**row, "properties": free}]
    assert fetch_spot_history(SHAPES, None, signed_in(), now=NOW) == ()
