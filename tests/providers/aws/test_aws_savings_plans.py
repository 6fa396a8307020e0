"""Savings Plans: the API, the public files where its permission is lacking, and never half a reserved tier."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from aws_cases import EAST, ON_DEMAND, RESERVED, amounts, by_id, failed, fetch, fixture, only_in
from aws_catalogue import product, savings_rate
from aws_server import SAVINGS_INDEX_PATH, AwsFake
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.aws.client import AwsClient
from providers.aws.json_stream import JsonStream
from providers.errors import UnexpectedPayload
from providers.offer import Tier

BOTH = (Tier.ON_DEMAND, Tier.RESERVED)
YEAR_S, THREE_YEARS_S = 31_536_000, 94_608_000
COMPUTE = "us-east-1/g5.xlarge/reserved/compute_savings_plan"
EC2 = "us-east-1/g5.xlarge/reserved/ec2_instance_savings_plan"
VERSION_PATH = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20261119004512/us-east-1/index.json"


@pytest.fixture
def sold(aws: AwsFake) -> AwsFake:
    """g5.xlarge is on sale in us-east-1 under the sku that the public file knows."""
    aws.products_by_region = only_in(EAST, [product("g5.xlarge", usd="0.17", sku="RESERVED00000001")])
    return aws


def public_files(aws: AwsFake) -> None:
    index = {"regions": [{"regionCode": EAST, "versionUrl": VERSION_PATH}]}
    aws.files[SAVINGS_INDEX_PATH] = json.dumps(index).encode()
    aws.files[VERSION_PATH] = json.dumps(fixture("savings_bulk_us_east_1.json")).encode()


def test_one_rate_is_paid_hourly_half_upfront_or_all_upfront(sold: AwsFake, client: AwsClient) -> None:
    sold.savings_by_region = only_in(
        EAST,
        [
            savings_rate("g5.xlarge", rate="0.124", paymentOption="No Upfront"),
            savings_rate("g5.xlarge", rate="0.12", paymentOption="Partial Upfront"),
            savings_rate("g5.xlarge", rate="0.08", paymentOption="AllUpfront", durationSeconds=THREE_YEARS_S),
            savings_rate("g5.xlarge", rate="0.11", planType="EC2Instance", paymentOption="All Upfront"),
        ],
    )
    result = fetch(client, EAST, tiers=[Tier.RESERVED])
    # 0.12 x 8760 / 2 = 525.6; 0.08 x 26280 = 2102.4; 0.11 x 8760 = 963.6
    assert {key: amounts(offer) for key, offer in by_id(result).items()} == {
        f"{COMPUTE}/12m/no_upfront": ("0.124", "0"),
        f"{COMPUTE}/12m/partial_upfront": ("0.06", "525.6"),
        f"{COMPUTE}/36m/all_upfront": ("0", "2102.4"),
        f"{EC2}/12m/all_upfront": ("0", "963.6"),
    }
    assert result.covered == {RESERVED}


@given(
    rate=st.decimals(min_value="0.00001", max_value=500, places=5),
    months=st.sampled_from([12, 36]),
    payment=st.sampled_from(["no_upfront", "partial_upfront", "all_upfront"]),
)
def test_however_it_is_paid_the_amortised_price_is_the_published_rate(rate, months, payment) -> None:  # type: ignore[no-untyped-def]
    from aws_cases import NOW

    from providers.aws.parse_savings import SavingsRate, savings_offers

    one = SavingsRate(
        instance_type="g5.xlarge",
        kind="compute_savings_plan",
        term_months=months,
        payment=payment,
        usd_per_hour=rate,
        source="test",
    )
    (offer,) = savings_offers([one], EAST, "region", NOW.date())
    assert offer.amortised_usd_per_hour == rate
    assert (offer.usd_per_hour == 0) == (payment == "all_upfront")
    assert (offer.upfront_usd == 0) == (payment == "no_upfront")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"usageType": "UnusedBox:g5.xlarge"}, "usage type UnusedBox"),
        ({"usageType": "USW2-DedicatedUsage:g5.xlarge"}, "usage type USW2-DedicatedUsage"),
        ({"operation": "RunInstances:0010"}, "usage type BoxUsage"),
        ({"productDescription": "Windows"}, "productDescription Windows"),
        ({"tenancy": "dedicated"}, "tenancy dedicated"),
        ({"region": "us-west-2"}, "region us-west-2"),
        ({"currency": "CNY"}, "priced in CNY"),
        ({"durationSeconds": 5 * YEAR_S}, "savings plan of another length"),
        ({"planType": "SageMaker"}, "savings plan of another kind"),
        ({"instanceType": "m5.large"}, "instance type not listed"),
        ({"unit": "Quantity"}, "unit Quantity"),
        ({"rate": "0.0"}, "zero price"),
    ],
)
def test_a_rate_of_something_else_is_left_out_and_counted(
    sold: AwsFake, client: AwsClient, changes: dict[str, object], reason: str
) -> None:
    sold.savings_by_region = only_in(EAST, [savings_rate("g5.xlarge", **changes), savings_rate("g5.xlarge")])
    result = fetch(client, EAST, tiers=[Tier.RESERVED])
    assert {key: amounts(offer) for key, offer in by_id(result).items()} == {
        f"{COMPUTE}/12m/no_upfront": ("0.5", "0")
    }
    assert result.counts[f"left out: {reason}"] == 1


@pytest.mark.parametrize("prefix", ["", "EU-", "USW2-", "APN1-"])
def test_a_usage_type_may_have_any_region_s_prefix(sold: AwsFake, client: AwsClient, prefix: str) -> None:
    row = savings_rate("g5.xlarge", usageType=f"{prefix}BoxUsage:g5.xlarge")
    sold.savings_by_region = only_in(EAST, [row])
    assert len(fetch(client, EAST, tiers=[Tier.RESERVED]).offers) == 1


def test_two_rates_for_one_plan_fail_the_reserved_tier_alone(sold: AwsFake, client: AwsClient) -> None:
    rows = [savings_rate("g5.xlarge", rate=rate) for rate in ("0.5", "0.6")]
    sold.savings_by_region = only_in(EAST, rows)
    result = fetch(client, EAST, tiers=BOTH)
    assert "two rates, 0.5 and 0.6" in failed(result)[RESERVED]
    assert result.covered == {ON_DEMAND}


@pytest.mark.parametrize("field", ["rate", "unit", "usageType", "properties", "savingsPlanOffering"])
def test_a_rate_without_a_field_fails_the_reserved_tier(sold: AwsFake, client: AwsClient, field: str) -> None:
    row = savings_rate("g5.xlarge")
    del row[field]
    sold.savings_by_region = only_in(EAST, [row])
    assert f"a rate without '{field}'" in failed(fetch(client, EAST, tiers=[Tier.RESERVED]))[RESERVED]


@pytest.mark.parametrize("empty_token", [True, False])
def test_the_pages_end_at_a_token_that_is_empty_or_absent(
    sold: AwsFake, client: AwsClient, empty_token: bool
) -> None:
    sold.empty_token_at_end, sold.page_size = empty_token, 2
    options = ("No Upfront", "Partial Upfront", "All Upfront")
    sold.savings_by_region = only_in(
        EAST, [savings_rate("g5.xlarge", paymentOption=name) for name in options]
    )
    assert len(fetch(client, EAST, tiers=[Tier.RESERVED]).offers) == 3
    assert [call.page for call in sold.calls("DescribeSavingsPlansOfferingRates")] == [1, 2]


def test_a_token_that_comes_twice_is_a_failure_and_no_endless_loop(sold: AwsFake, client: AwsClient) -> None:
    sold.repeats_token, sold.page_size = True, 1
    sold.savings_by_region = only_in(EAST, [savings_rate("g5.xlarge")] * 3)
    assert "nextToken came twice" in failed(fetch(client, EAST, tiers=[Tier.RESERVED]))[RESERVED]


def test_without_the_permission_the_public_file_is_read_and_the_counts_say_so(
    sold: AwsFake, client: AwsClient
) -> None:
    public_files(sold)
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    result = fetch(client, EAST, tiers=BOTH)
    # 0.08 x 26280 = 2102.4; half of 0.11 x 8760 = 481.8
    offers = by_id(result)
    assert {key: amounts(offers[key]) for key in offers if "savings" in key} == {
        f"{COMPUTE}/12m/no_upfront": ("0.124", "0"),
        f"{COMPUTE}/36m/all_upfront": ("0", "2102.4"),
        f"{EC2}/12m/partial_upfront": ("0.055", "481.8"),
    }
    assert offers[f"{COMPUTE}/12m/no_upfront"].source == (
        "AWS Savings Plans price list 20261119004512 sku RESERVED00000001"
    )
    assert result.counts["regions with savings plans from the public file"] == 1
    assert result.covered == {ON_DEMAND, RESERVED}


def test_the_public_files_are_asked_again_after_a_404(
    sold: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    public_files(sold)
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    sold.fail(VERSION_PATH, status=404, times=2, body=b"")
    assert fetch(client, EAST, tiers=[Tier.RESERVED]).covered == {RESERVED}
    assert len(sold.calls(VERSION_PATH)) == 3
    assert len(waits) == 2


def test_without_either_source_the_reserved_tier_fails_and_names_the_permission(
    sold: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    result = fetch(client, EAST, tiers=BOTH)
    assert result.covered == {ON_DEMAND}
    assert "allow savingsplans:DescribeSavingsPlansOfferingRates" in failed(result)[RESERVED]
    assert "HTTP 404" in failed(result)[RESERVED]
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("code", "said"),
    [("ExpiredTokenException", "have expired"), ("UnrecognizedClientException", "are refused")],
)
def test_credentials_that_are_no_longer_good_are_not_walked_around_by_the_public_files(
    sold: AwsFake, client: AwsClient, code: str, said: str
) -> None:
    public_files(sold)
    sold.fail("DescribeSavingsPlansOfferingRates", code=code, status=403)
    result = fetch(client, EAST, tiers=BOTH)
    assert result.covered == {ON_DEMAND}
    assert said in failed(result)[RESERVED]
    assert not sold.calls(SAVINGS_INDEX_PATH)


def test_a_failing_api_is_not_papered_over_with_the_public_file(
    sold: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    public_files(sold)
    sold.fail("DescribeSavingsPlansOfferingRates", code="InternalServerException", status=500)
    result = fetch(client, EAST, tiers=BOTH)
    assert list(failed(result)) == [RESERVED]
    assert not sold.calls(SAVINGS_INDEX_PATH)
    assert waits


def test_a_public_file_cut_short_fails_the_reserved_tier(sold: AwsFake, client: AwsClient) -> None:
    public_files(sold)
    sold.files[VERSION_PATH] = sold.files[VERSION_PATH][:-40]
    sold.fail("DescribeSavingsPlansOfferingRates", code="AccessDeniedException", status=403)
    assert "cut short" in failed(fetch(client, EAST, tiers=[Tier.RESERVED]))[RESERVED]


def in_chunks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=5,
)


@settings(max_examples=60)
@given(
    value=st.dictionaries(st.text(max_size=5), st.lists(json_values, max_size=3), max_size=3),
    size=st.integers(1, 40),
)
def test_a_stream_reads_what_json_reads_however_it_is_cut_into_chunks(
    value: dict[str, list[object]], size: int
) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        return
    stream = JsonStream(in_chunks(text, size), "test")
    assert {key: [stream.value() for _ in stream.items()] for key in stream.keys()} == value  # noqa: SIM118


@given(cut=st.integers(0, 59), size=st.integers(1, 40))
def test_a_stream_that_ends_early_is_refused_wherever_it_ends(cut: int, size: int) -> None:
    text = json.dumps({"rates": [{"price": "1"}, {"price": "2"}, {"price": "33"}]}).encode()
    assert cut < len(text)
    stream = JsonStream(in_chunks(text[:cut], size), "test")
    with pytest.raises(UnexpectedPayload, match="cut short"):
        [stream.value() for _ in stream.keys() for _ in stream.items()]  # noqa: SIM118
