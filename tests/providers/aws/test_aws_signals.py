"""Instance types, quotas, interruption bands and Capacity Blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from aws_cases import EAST, NOW, SHAPES, shape
from aws_catalogue import product, spot_row
from aws_server import SPOT_ADVISOR_PATH, AwsFake
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

import providers.aws
from providers.aws import (
    IAM_ACTIONS,
    fetch_capacity_blocks,
    fetch_quotas,
    fetch_shapes,
    fetch_spot_signals,
)
from providers.aws.client import AwsClient
from providers.aws.parse_signals import QUOTA_CODES, capacity_block_offer, seen_shape
from providers.errors import CredentialsError, UnexpectedPayload
from providers.fetch import SeenShape
from providers.offer import Tier

CONFIG = Path(__file__).resolve().parents[3] / "config" / "instances" / "aws.yaml"


@pytest.fixture
def moto_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClient]:
    """A client of moto, whose instance types are AWS's own answers, bundled."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield AwsClient(boto3.Session(region_name=EAST))


def instance_type(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": 192},
        "MemoryInfo": {"SizeInMiB": 2097152},
        "SupportedUsageClasses": ["capacity-block", "spot"],
        **changes,
    }


def gpus(name: str, count: int, mib: int, total_mib: int, **more: Any) -> dict[str, Any]:
    listed = [
        {"Name": name, "Manufacturer": "NVIDIA", "Count": count, "MemoryInfo": {"SizeInMiB": mib}, **more}
    ]
    return {"Gpus": listed, "TotalGpuMemoryInMiB": total_mib}


def test_aws_s_own_answers_agree_with_config_instances(moto_client: AwsClient) -> None:
    listed = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["instances"]
    seen = fetch_shapes([shape(name) for name in listed], [EAST], moto_client)
    # p3 is not in moto's copy; everything else is.
    assert {name for name in listed if not name.startswith("p3.")} == {
        each.instance_type for each in seen
    } - {each.instance_type for each in seen if each.instance_type.startswith("p3.")}
    for each in seen:
        entry = listed[each.instance_type]
        said = (each.gpu_count, each.vcpus, each.memory_gib)
        assert said == (entry["gpu_count"], entry["vcpus"], entry["memory_gib"]), each.instance_type


@pytest.mark.parametrize(
    ("name", "count", "gpu", "mib"),
    [
        ("p5.48xlarge", 8, "H100", 81920),
        ("g6.12xlarge", 4, "L4", 22888),
        ("g6f.large", 0, "L4", 2861),
        ("trn1.32xlarge", None, "", None),
    ],
)
def test_fractions_count_no_whole_gpu_and_neuron_types_have_no_gpu_info(
    moto_client: AwsClient, name: str, count: int | None, gpu: str, mib: int | None
) -> None:
    (seen,) = fetch_shapes([shape(name)], [EAST], moto_client)
    assert (seen.gpu_count, seen.gpu_name, seen.gpu_memory_mib) == (count, gpu, mib)


def test_memory_given_as_the_sum_over_all_gpus_is_still_that_of_one() -> None:
    row = instance_type("g6.48xlarge", GpuInfo=gpus("L4", 8, 183104, 183104))
    assert seen_shape(row).gpu_memory_mib == 22888


def test_a_type_whose_facts_are_not_filled_in_is_unknown_not_zero() -> None:
    assert seen_shape({"InstanceType": "p6e-gb200.36xlarge"}) == SeenShape(
        provider="aws",
        instance_type="p6e-gb200.36xlarge",
        gpu_count=None,
        gpu_name="",
        gpu_memory_mib=None,
        vcpus=None,
        memory_gib=None,
    )
    with pytest.raises(UnexpectedPayload, match="without InstanceType"):
        seen_shape({})


def test_the_name_is_handed_on_as_the_api_has_it(aws: AwsFake, client: AwsClient) -> None:
    # p5en once was called "NVIDIA": it is compared with the config and never decides.
    aws.instance_types_by_region = lambda _: [
        instance_type("p5e.48xlarge", GpuInfo=gpus("NVIDIA", 8, 1, 1155072))
    ]
    (seen,) = fetch_shapes(SHAPES, [EAST], client)
    assert (seen.gpu_name, seen.gpu_memory_mib, seen.memory_gib) == ("NVIDIA", 144384, 2048)


def test_more_than_100_types_are_asked_in_batches_and_one_unknown_name_refuses_none(
    aws: AwsFake, client: AwsClient
) -> None:
    aws.instance_types_by_region = lambda _: [instance_type(f"g9.{size}xlarge") for size in range(120)]
    names = [f"g9.{size}xlarge" for size in range(121)]
    assert len(fetch_shapes([shape(name) for name in names], [EAST], client)) == 120
    assert len(aws.calls("DescribeInstanceTypes")) == 2


def test_quotas_are_the_account_s_own_and_else_the_default(aws: AwsFake, client: AwsClient) -> None:
    aws.quotas = {(EAST, "L-417A185B"): 192.0, (EAST, "L-DB2E81BA"): 768.0}
    aws.default_quotas = {"L-7212CCBC": 64.0, "L-3819A6DF": 0.0}
    shapes = [shape("p5.48xlarge"), shape("g5.xlarge", quota_family="G and VT")]
    quotas = fetch_quotas(shapes, [EAST], client, now=NOW)
    assert {(quota.quota_family, quota.tier): quota.limit for quota in quotas} == {
        ("P", Tier.ON_DEMAND): 192,
        ("P", Tier.SPOT): 64,
        ("G and VT", Tier.ON_DEMAND): 768,
        ("G and VT", Tier.SPOT): 0,
    }
    assert {(quota.unit.value, quota.used, quota.region) for quota in quotas} == {("vcpu", None, EAST)}


def test_a_lacking_quota_permission_is_named(aws: AwsFake, client: AwsClient) -> None:
    aws.fail("GetServiceQuota", code="AccessDeniedException")
    with pytest.raises(CredentialsError, match="allow servicequotas:GetServiceQuota"):
        fetch_quotas(SHAPES, [EAST], client, now=NOW)


def test_the_quota_codes_are_those_of_the_config() -> None:
    listed = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["quota_codes"]
    assert {
        family: {tier.value: code for tier, code in codes.items()} for family, codes in QUOTA_CODES.items()
    } == listed


def test_interruptions_are_bands_of_percent_a_month(aws: AwsFake, client: AwsClient) -> None:
    linux = {"p5.48xlarge": {"s": 61, "r": 0}, "g5.xlarge": {"s": 54, "r": 4}, "m5.large": {"s": 60, "r": 1}}
    linux |= {
        "g6.xlarge": {"s": 40, "r": 2},
        "p4d.24xlarge": {"s": 40, "r": 3},
        "g4dn.metal": {"s": 1, "r": 1},
    }
    windows = {"p5.48xlarge": {"s": 12, "r": 4}}
    document = {"spot_advisor": {EAST: {"Linux": linux, "Windows": windows}, "us-west-2": {}}}
    aws.files[SPOT_ADVISOR_PATH] = json.dumps(document).encode()
    signals = fetch_spot_signals(SHAPES, None, client, now=NOW)
    bands = {each.instance_type: (each.low_percent, each.high_percent) for each in signals}
    assert bands == {
        "p5.48xlarge": (0, 5),
        "g4dn.metal": (5, 10),
        "g6.xlarge": (10, 15),
        "p4d.24xlarge": (15, 20),
        "g5.xlarge": (20, None),
    }
    assert {each.per for each in signals} == {"month"}
    assert signals[-1].savings_percent == 61


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"spot_advisor": {"us-east-1": {"Lin', b"<html>"])
def test_a_spot_advisor_of_another_shape_is_unexpected(
    aws: AwsFake, client: AwsClient, content: bytes
) -> None:
    aws.files[SPOT_ADVISOR_PATH] = content
    with pytest.raises(UnexpectedPayload):
        fetch_spot_signals(SHAPES, None, client, now=NOW)


def test_a_band_that_is_not_known_is_unexpected(aws: AwsFake, client: AwsClient) -> None:
    document = {"spot_advisor": {EAST: {"Linux": {"g5.xlarge": {"s": 1, "r": 5}}}}}
    aws.files[SPOT_ADVISOR_PATH] = json.dumps(document).encode()
    with pytest.raises(UnexpectedPayload, match="band not known"):
        fetch_spot_signals(SHAPES, None, client, now=NOW)


def block(fee: str, start: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "CapacityBlockOfferingId": "cb-1",
        "InstanceType": "p5.48xlarge",
        "AvailabilityZone": "us-east-1f",
        "InstanceCount": 1,
        "StartDate": start,
        "EndDate": start + timedelta(days=2),
        "CapacityBlockDurationHours": 48,
        "UpfrontFee": fee,
        "CurrencyCode": "USD",
        **changes,
    }


def test_a_capacity_block_costs_its_fee_by_instance_and_hour_in_a_market_of_its_own(
    aws: AwsFake, client: AwsClient
) -> None:
    start = datetime(2026, 12, 1, 11, 30, tzinfo=UTC)
    aws.instance_types_by_region = lambda _: [
        instance_type("p5.48xlarge"),
        instance_type("g5.xlarge", SupportedUsageClasses=["on-demand", "spot"]),
    ]
    later = start + timedelta(days=1)
    aws.blocks_by_region = lambda _: [
        block("2400.00", start),
        block("1993.34", later),
        block("1.00", start, CurrencyCode="CNY"),
    ]
    (offer,) = fetch_capacity_blocks(SHAPES, [EAST], client, now=NOW, hours=48)
    # 1993.34 / 48 = 41.5279166...
    assert offer.usd_per_hour == Decimal("41.527916667")
    assert offer.offer_id == "aws/us-east-1/p5.48xlarge/on_demand/market=capacity_block"
    assert (offer.valid_until, offer.max_instances) == (date(2026, 12, 2), 1)
    asked = aws.calls("DescribeCapacityBlockOfferings")
    assert {call.body["InstanceType"] for call in asked} == {"p5.48xlarge"}


def test_a_capacity_block_of_zero_is_none_and_one_without_a_fee_is_unexpected() -> None:
    start = datetime(2026, 12, 1, tzinfo=UTC)
    assert capacity_block_offer([block("0.00", start)], EAST, NOW.date()) is None
    assert capacity_block_offer([], EAST, NOW.date()) is None
    row = block("1", start)
    del row["UpfrontFee"]
    with pytest.raises(UnexpectedPayload, match="UpfrontFee"):
        capacity_block_offer([row], EAST, NOW.date())


@given(cents=st.integers(1, 10**9), count=st.integers(1, 64), hours=st.integers(1, 4368))
def test_the_hours_of_all_instances_add_up_to_the_fee(cents: int, count: int, hours: int) -> None:
    fee = Decimal(cents) / 100
    start = datetime(2026, 12, 1, tzinfo=UTC)
    row = block(str(fee), start, InstanceCount=count, CapacityBlockDurationHours=hours)
    offer = capacity_block_offer([row], EAST, NOW.date())
    assert offer is not None
    assert abs(offer.usd_per_hour * count * hours - fee) <= Decimal("1e-9") * count * hours


def test_each_function_uses_the_actions_it_names_and_no_other(aws: AwsFake, client: AwsClient) -> None:
    # Rows without zone ids, so that the names have to be looked up.
    spot = spot_row("p5.48xlarge", "use1-az1", "20.1", NOW - timedelta(hours=1), AvailabilityZoneId=None)
    aws.zone_ids = {spot["AvailabilityZone"]: "use1-az1"}
    aws.spot_by_region = lambda _: [spot]
    aws.products_by_region = lambda region: [product("p5.48xlarge", region)]
    aws.instance_types_by_region = lambda _: [instance_type("p5.48xlarge")]
    aws.default_quotas = {"L-417A185B": 1.0, "L-7212CCBC": 1.0}
    aws.files[SPOT_ADVISOR_PATH] = b'{"spot_advisor": {}}'
    shapes = [shape("p5.48xlarge")]
    for name, actions in IAM_ACTIONS.items():
        before = len(aws.log)
        getattr(providers.aws, name)(shapes, None, client, **({} if name == "fetch_shapes" else {"now": NOW}))
        used = {call.operation for call in aws.log[before:] if call.region != "public"}
        assert used == {action.split(":")[1] for action in actions}, name
