"""Spot: the price in force per zone id, its history, and what can only come from a simulator."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import boto3
import pytest
from aws_cases import EAST, NOW, SHAPES, SPOT, by_id, failed, fetch, only_in
from aws_catalogue import product, spot_row
from aws_server import AwsFake
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from providers.aws import fetch_spot_history
from providers.aws.client import AwsClient
from providers.aws.parse_spot import SpotRow, current_offers, read_rows
from providers.errors import CredentialsError, ProviderError, UnexpectedPayload
from providers.fetch import Scope
from providers.offer import Tier

ONLY = [Tier.SPOT]
AZ1, AZ4 = "use1-az1", "use1-az4"
VPC = "Linux/UNIX (Amazon VPC)"


def ago(**how: float) -> datetime:
    return NOW - timedelta(**how)


def test_each_zone_has_the_newest_of_its_prices(aws: AwsFake, client: AwsClient) -> None:
    aws.spot_by_region = only_in(
        EAST,
        [
            spot_row("p4d.24xlarge", AZ1, "10.114500", ago(hours=18)),
            spot_row("p4d.24xlarge", AZ1, "9.871200", ago(hours=6)),
            spot_row("p4d.24xlarge", AZ4, "11.020300", ago(days=3)),
            spot_row("g5.xlarge", AZ4, "0.402", ago(days=1)),
        ],
    )
    result = fetch(client, EAST, tiers=ONLY)
    assert {key: str(offer.usd_per_hour) for key, offer in by_id(result).items()} == {
        "us-east-1/use1-az1/p4d.24xlarge/spot": "9.871200",
        "us-east-1/use1-az4/p4d.24xlarge/spot": "11.020300",
        "us-east-1/use1-az4/g5.xlarge/spot": "0.402",
    }
    assert (result.covered, result.failures) == ({SPOT}, ())


def test_it_is_asked_as_of_now_for_both_kinds_of_linux(aws: AwsFake, client: AwsClient) -> None:
    fetch(client, EAST, tiers=ONLY)
    (call,) = aws.calls("DescribeSpotPriceHistory")
    assert datetime.fromisoformat(call.body["StartTime"]) == NOW
    assert {call.body["ProductDescription.1"], call.body["ProductDescription.2"]} == {"Linux/UNIX", VPC}


def test_the_newer_of_the_two_kinds_of_linux_counts_and_windows_never_does(
    aws: AwsFake, client: AwsClient
) -> None:
    pool = ("p4d.24xlarge", AZ1)
    aws.spot_by_region = only_in(
        EAST,
        [
            spot_row(*pool, "9.8", ago(hours=6)),
            spot_row(*pool, "9.9", ago(hours=2), ProductDescription=VPC),
            spot_row(*pool, "14.2872", ago(hours=1), ProductDescription="Windows"),
        ],
    )
    (offer,) = fetch(client, EAST, tiers=ONLY).offers
    assert offer.usd_per_hour == Decimal("9.9")


def test_zone_names_are_an_account_s_own_so_zone_ids_are_what_is_kept(
    aws: AwsFake, client: AwsClient
) -> None:
    row = spot_row("p4d.24xlarge", AZ1, "9.8", ago(hours=6), AvailabilityZone="us-east-1a")
    del row["AvailabilityZoneId"]
    aws.spot_by_region = only_in(EAST, [row])
    aws.zone_ids = {"us-east-1a": "use1-az6"}
    (offer,) = fetch(client, EAST, tiers=ONLY).offers
    assert offer.zone == "use1-az6"
    aws.zone_ids = {}
    assert "zone us-east-1a has no zone id" in failed(fetch(client, EAST, tiers=ONLY))[SPOT]


def test_spot_in_a_local_zone_stands_under_its_region_as_a_local_zone(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.spot_by_region = only_in(EAST, [spot_row("p5.48xlarge", "use1-atl2-az1", "20.4171", ago(hours=1))])
    (offer,) = fetch(client, EAST, tiers=ONLY).offers
    assert (offer.region, offer.region_kind, offer.zone) == (EAST, "local_zone", "use1-atl2-az1")


def test_regions_the_account_has_not_enabled_are_not_asked_and_counted(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.opt_in = {EAST: "opt-in-not-required", "af-south-1": "opted-in", "ap-east-1": "not-opted-in"}
    result = fetch(client, tiers=ONLY)
    assert result.covered == {SPOT, Scope("aws", "af-south-1", Tier.SPOT)}
    assert {call.region for call in aws.calls("DescribeSpotPriceHistory")} == {EAST, "af-south-1"}
    assert result.counts["regions not enabled, without spot"] == 1
    assert not fetch(client, "ap-east-1", tiers=ONLY).covered


@pytest.mark.parametrize(
    ("usd", "since", "said"),
    [
        ("0.00001", NOW, "is no price of a GPU machine"),
        ("9.8", datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC), "dated 2006-01-02"),
        ("9.8", NOW + timedelta(days=2), "dated 2026-11-23"),
        ("free", NOW, "'free' is no amount of USD"),
    ],
)
def test_a_price_or_date_that_no_market_has_is_refused(usd: str, since: datetime, said: str) -> None:
    row = spot_row("p4d.24xlarge", AZ1, usd, since)
    with pytest.raises(UnexpectedPayload, match=said):
        read_rows([row], EAST, {"p4d.24xlarge": 1}, {}, NOW, Counter())


def test_a_simulator_s_market_never_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # moto answers 0.00001 USD and the year 2006 for every type and zone.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        simulated = AwsClient(boto3.Session(region_name=EAST))
        result = fetch(simulated, EAST, tiers=ONLY)
        assert next(iter(simulated.spot_prices(EAST, ["p4d.24xlarge"], NOW)))["SpotPrice"] == "0.00001"
    assert not result.offers
    assert "is no price of a GPU machine" in failed(result)[SPOT]


def test_a_spot_price_of_zero_is_left_out_and_counted(aws: AwsFake, client: AwsClient) -> None:
    aws.spot_by_region = only_in(EAST, [spot_row("p4d.24xlarge", AZ1, "0.000000", ago(hours=1))])
    result = fetch(client, EAST, tiers=ONLY)
    assert (result.offers, result.counts["left out: zero price"]) == ((), 1)


def test_spot_is_read_to_the_last_page(aws: AwsFake, client: AwsClient) -> None:
    aws.page_size = 2
    zones = [f"use1-az{number}" for number in range(1, 6)]
    aws.spot_by_region = only_in(
        EAST, [spot_row("p4d.24xlarge", zone, "9.8", ago(hours=1)) for zone in zones]
    )
    assert sorted(offer.zone for offer in fetch(client, EAST, tiers=ONLY).offers) == zones


def test_a_lacking_spot_permission_fails_spot_alone(aws: AwsFake, client: AwsClient) -> None:
    aws.products_by_region = only_in(EAST, [product("g5.xlarge")])
    aws.fail("DescribeSpotPriceHistory", code="UnauthorizedOperation", status=403)
    result = fetch(client, EAST)
    assert list(failed(result)) == [SPOT]
    assert "allow ec2:DescribeSpotPriceHistory" in failed(result)[SPOT]
    assert isinstance(result.failures[0].error, CredentialsError)
    assert {scope.tier for scope in result.covered} == {Tier.ON_DEMAND, Tier.RESERVED}


def test_without_the_list_of_enabled_regions_spot_fails_everywhere_and_the_rest_goes_on(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.region_codes = [EAST, "us-west-2", "us-gov-west-1"]
    aws.products_by_region = lambda region: [product("g5.xlarge", region)]
    aws.fail("DescribeRegions", code="UnauthorizedOperation", status=403)
    result = fetch(client)
    assert set(failed(result)) == {SPOT, Scope("aws", "us-west-2", Tier.SPOT)}
    assert "allow ec2:DescribeRegions" in failed(result)[SPOT]
    assert len(result.covered) == 6
    with pytest.raises(CredentialsError, match="ec2:DescribeRegions"):
        fetch(client, tiers=ONLY)


def test_the_history_has_each_step_in_order_of_time(aws: AwsFake, client: AwsClient) -> None:
    steps = [(ago(days=40), "8.1"), (ago(days=9), "9.2"), (ago(hours=5), "9.8")]
    aws.spot_by_region = only_in(
        EAST,
        [spot_row("p4d.24xlarge", AZ1, usd, since) for since, usd in reversed(steps)]
        + [spot_row("p4d.24xlarge", AZ1, "9.3", ago(days=8), ProductDescription=VPC)],
    )
    found = fetch_spot_history(SHAPES, [EAST], client, days=30, now=NOW)
    # The price of 40 days ago was in force 30 days ago, when the asked history begins.
    assert [(step.since, str(step.usd_per_hour)) for step in found] == steps
    assert {(step.zone, step.instance_type) for step in found} == {(AZ1, "p4d.24xlarge")}


def test_a_history_with_a_region_missing_is_no_history(aws: AwsFake, client: AwsClient) -> None:
    aws.opt_in = dict.fromkeys((EAST, "us-west-2"), "opt-in-not-required")
    aws.fail("DescribeSpotPriceHistory", region="us-west-2", code="AuthFailure", status=401)
    with pytest.raises(ProviderError, match="us-west-2"):
        fetch_spot_history(SHAPES, None, client, now=NOW)
    with pytest.raises(ValueError, match="90 days"):
        fetch_spot_history(SHAPES, None, client, days=91, now=NOW)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([AZ1, AZ4]),
            st.integers(0, 50),
            st.decimals(min_value="0.1", max_value="50", places=4),
        ),
        max_size=20,
    )
)
def test_whatever_the_order_of_rows_no_zone_has_two_prices_and_none_is_older_than_another(
    rows: list[tuple[str, int, Decimal]],
) -> None:
    read = [
        SpotRow(
            zone=zone,
            instance_type="p4d.24xlarge",
            description="Linux/UNIX",
            usd_per_hour=usd,
            since=ago(hours=hours),
        )
        for zone, hours, usd in rows
    ]
    offers = {offer.zone: offer.usd_per_hour for offer in current_offers(read, EAST, NOW)}
    assert len(offers) == len(current_offers(read, EAST, NOW))
    for zone, usd in offers.items():
        latest = min(hours for name, hours, _ in rows if name == zone)
        assert usd == max(price for name, hours, price in rows if (name, hours) == (zone, latest))
