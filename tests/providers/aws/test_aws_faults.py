"""What goes wrong on the wire, through the library's own retries: nothing lost, nothing half, nothing secret."""

from __future__ import annotations

import json

import boto3
import pytest
from aws_cases import EAST, NOW, ON_DEMAND, RESERVED, SHAPES, SPOT, failed, fetch, only_in, said_of
from aws_catalogue import product, spot_row
from aws_server import AwsFake, Call

from providers.aws import fetch_offers
from providers.aws.client import AwsClient
from providers.aws.faults import PermissionLacking
from providers.errors import CredentialsError, ProviderError, Unavailable, UnexpectedPayload
from providers.fetch import Scope
from providers.offer import Tier

WEST = "us-west-2"
LISTED = (Tier.ON_DEMAND,)
ACCOUNT = "123456789012"
SECRET = "arn:aws:iam::123456789012:user/somebody may not, encoded: AQoDYXdzEJr"  # noqa: S105 (made up)


@pytest.fixture
def two_regions(aws: AwsFake) -> AwsFake:
    """us-east-1 and us-west-2 sell 150 types on two pages, one of which is known."""

    def products(region: str) -> list[object]:
        rows: list[object] = [product(f"g9.{size}xlarge", region) for size in range(149)]
        return [*rows, product("g5.xlarge", region, usd="1.006")]

    aws.opt_in = dict.fromkeys((EAST, WEST), "opt-in-not-required")
    aws.region_codes = [EAST, WEST]
    aws.products_by_region = products
    return aws


def error_of(client: AwsClient, tier: Tier = Tier.ON_DEMAND) -> ProviderError:
    (failure,) = fetch(client, EAST, tiers=[tier]).failures
    return failure.error


def test_two_throttled_answers_and_then_a_success_are_a_success(
    two_regions: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    two_regions.fail("GetProducts", region=EAST, page=1, times=2, code="ThrottlingException")
    result = fetch(client, EAST, tiers=LISTED)
    assert (len(result.offers), result.failures) == (1, ())
    assert len(waits) == 2
    assert result.counts["requests"] == len(two_regions.log)


def test_the_wait_that_aws_asks_for_is_kept(
    two_regions: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    two_regions.fail("GetProducts", times=1, status=503, headers={"x-amz-retry-after": "3500"})
    assert not fetch(client, EAST, tiers=LISTED).failures
    assert 3.5 <= max(waits) < 5


def test_throttling_without_end_is_unavailable_after_a_bounded_number_of_tries(
    two_regions: AwsFake, client: AwsClient, waits: list[float]
) -> None:
    two_regions.fail("GetProducts", code="ThrottlingException")
    error = error_of(client)
    assert isinstance(error, Unavailable)
    assert "ThrottlingException" in str(error)
    assert (len(two_regions.calls("GetProducts")), len(waits)) == (5, 4)


@pytest.mark.parametrize("page", [1, 2])
def test_a_page_that_fails_fails_its_region_and_no_other(
    two_regions: AwsFake, client: AwsClient, waits: list[float], page: int
) -> None:
    two_regions.fail("GetProducts", region=EAST, page=page, status=500, code="InternalErrorException")
    done: list[Scope] = []
    result = fetch_offers(SHAPES, None, client, tiers=LISTED, now=NOW, done=done.append)
    west = Scope("aws", WEST, Tier.ON_DEMAND)
    assert (list(failed(result)), result.covered) == ([ON_DEMAND], {west})
    assert [offer.region for offer in result.offers] == [WEST]
    assert sorted(done) == sorted([ON_DEMAND, west])
    assert waits


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 502, "code": "BadGateway", "body": b"<html>"}, Unavailable),
        ({"hang_up": True}, Unavailable),
        ({"cut_short": True}, UnexpectedPayload),
        ({"status": 200, "body": b'{"PriceList": ["{'}, UnexpectedPayload),
        ({"status": 200, "body": b"{}"}, UnexpectedPayload),
        ({"code": "InvalidParameterException"}, UnexpectedPayload),
        ({"code": "AccessDeniedException"}, PermissionLacking),
        ({"code": "ExpiredTokenException"}, CredentialsError),
        ({"code": "UnrecognizedClientException"}, CredentialsError),
    ],
)
def test_every_fault_of_the_price_list_is_the_region_s_own_and_of_its_kind(
    two_regions: AwsFake,
    client: AwsClient,
    waits: list[float],
    fault: dict[str, object],
    kind: type[ProviderError],
) -> None:
    two_regions.fail("GetProducts", region=EAST, message=SECRET, **fault)
    error = error_of(client)
    assert type(error) is kind
    assert "pricing:GetProducts in us-east-1" in str(error)
    assert len(waits) < 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503, "code": "Unavailable"}, Unavailable),
        ({"status": 503, "code": "RequestLimitExceeded"}, Unavailable),
        ({"hang_up": True}, Unavailable),
        ({"status": 200, "body": b"<DescribeSpot"}, UnexpectedPayload),
        ({"status": 200, "body": b"<R><requestId>r</requestId></R>"}, UnexpectedPayload),
        ({"status": 401, "code": "AuthFailure"}, CredentialsError),
        ({"status": 400, "code": "ExpiredToken"}, CredentialsError),
        ({"status": 400, "code": "RequestExpired"}, CredentialsError),
        ({"status": 400, "code": "InvalidClientTokenId"}, CredentialsError),
    ],
)
def test_every_fault_of_a_region_s_ec2_is_spot_s_own_and_of_its_kind(
    two_regions: AwsFake,
    client: AwsClient,
    waits: list[float],
    fault: dict[str, object],
    kind: type[ProviderError],
) -> None:
    two_regions.fail("DescribeSpotPriceHistory", region=EAST, message=SECRET, **fault)
    result = fetch(client)
    assert list(failed(result)) == [SPOT]
    assert type(result.failures[0].error) is kind
    assert len(result.covered) == 5
    assert len(waits) < 5


def test_an_answer_that_does_not_come_is_unavailable(
    two_regions: AwsFake, aws_session: boto3.Session, waits: list[float]
) -> None:
    impatient = AwsClient(aws_session, read_timeout_s=0.1)
    two_regions.fail("GetProducts", status=200, wait_s=0.4)
    error = error_of(impatient)
    assert isinstance(error, Unavailable)
    assert "ReadTimeoutError" in str(error)
    assert waits


def test_an_endpoint_that_nobody_listens_at_is_unavailable(
    two_regions: AwsFake, client: AwsClient, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert two_regions.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    error = error_of(client)
    assert isinstance(error, Unavailable)
    assert "EndpointConnectionError" in str(error)
    assert waits


@pytest.mark.parametrize("text", ['{"product": {"attributes": {', "[]", '"words"', ""])
def test_an_entry_of_the_price_list_that_is_not_whole_json_is_unexpected(
    aws: AwsFake, client: AwsClient, text: str
) -> None:
    aws.products_by_region = only_in(EAST, [product("g5.xlarge"), text])
    result = fetch(client, EAST, tiers=LISTED)
    assert not result.offers
    assert isinstance(result.failures[0].error, UnexpectedPayload)


def test_a_next_token_that_repeats_is_unexpected_and_no_endless_loop(
    two_regions: AwsFake, client: AwsClient
) -> None:
    two_regions.repeats_token = True
    error = error_of(client)
    assert isinstance(error, UnexpectedPayload)
    assert "NextToken came twice" in str(error)


def test_no_credentials_at_all_stop_everything_before_a_request(
    aws: AwsFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError, match="no credentials found"):
        fetch(None, EAST)
    assert not aws.log


def test_a_profile_that_does_not_exist_is_a_credentials_error(
    aws: AwsFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(CredentialsError, match="ProfileNotFound"):
        fetch(None, EAST)
    assert not aws.log


def test_the_standard_chain_is_used_where_no_client_is_given(two_regions: AwsFake) -> None:
    assert two_regions.url
    assert len(fetch(None, EAST, tiers=LISTED).offers) == 1


def test_expired_credentials_stop_a_fetch_of_all_regions(two_regions: AwsFake, client: AwsClient) -> None:
    two_regions.fail("*", code="ExpiredTokenException", message=SECRET)
    with pytest.raises(CredentialsError, match="have expired"):
        fetch(client)


def test_without_the_list_of_priced_regions_spot_goes_on_where_regions_are_enabled(
    two_regions: AwsFake, client: AwsClient
) -> None:
    two_regions.spot_by_region = lambda _: [spot_row("g5.xlarge", "use1-az1", "0.4", NOW)]
    two_regions.fail("GetAttributeValues", code="AccessDeniedException")
    result = fetch(client)
    assert result.covered == {SPOT, Scope("aws", WEST, Tier.SPOT)}
    assert "allow pricing:GetAttributeValues" in failed(result)[RESERVED]
    assert len(result.failures) == 4


@pytest.mark.parametrize("operation", ["GetProducts", "DescribeSpotPriceHistory", "*"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredToken", "ValidationError", "Throttling"])
def test_nothing_secret_stands_in_any_error(
    two_regions: AwsFake,
    client: AwsClient,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
    operation: str,
    code: str,
) -> None:
    two_regions.fail(operation, code=code, message=SECRET)
    texts = said_of(lambda: fetch(client))
    assert texts
    for text in [*texts, caplog.text]:
        for secret in (ACCOUNT, "AQoDYXdzEJr", "Signature", "Credential=", "somebody"):
            assert secret not in text
    assert len(waits) < 100


def test_the_fake_answers_what_it_does_not_know_with_an_error(aws: AwsFake) -> None:
    answer = aws.answer(Call(operation="GetPriceListFileUrl", region=EAST, page=1, body={}))
    assert answer.status == 400
    assert json.loads(answer.body)["__type"] == "UnknownOperationException"
