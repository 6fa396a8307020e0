"""The real client library against the fake: pages, retries, credentials and every way to fail."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gcp_access import environment, grpc_catalogue, rest_catalogue
from gcp_cases import IOWA, NOW, price, shape, skus
from gcp_server import TOKEN, GcpServer, service_account_key

from providers.errors import CredentialsError, ProviderError, SdkNotInstalled, Unavailable, UnexpectedPayload
from providers.gcp import fetch_offers
from providers.gcp.client import ENDPOINT, GcpClient

PAGES = 5
both = pytest.mark.parametrize("protocol", ["rest", "grpc"])


@pytest.fixture
def server() -> Iterator[GcpServer]:
    """13 SKUs in 5 pages: A2 on all terms, and L4."""
    with GcpServer(
        skus=skus("a2_on_demand", "a2_spot", "a2_commitments", "g2_l4")[:13], largest_page=3
    ) as served:
        yield served


def client(server: GcpServer, protocol: str, **limits: float) -> GcpClient:
    made = rest_catalogue(server.rest_url) if protocol == "rest" else grpc_catalogue(server.grpc_target)
    return GcpClient(made, **{"backoff_seconds": 0.02, **limits})


def prices(made: GcpClient | None) -> Any:
    return fetch_offers([shape("a2-highgpu-1g")], [IOWA], made, now=NOW)


@both
def test_every_page_is_read_in_usd_with_the_largest_page_asked_for(server: GcpServer, protocol: str) -> None:
    made = client(server, protocol)
    assert len(list(made.skus())) == 13
    assert [request.page for request in server.log] == [1, 2, 3, 4, 5]
    assert {(request.page_size, request.currency) for request in server.log} == {(5000, "USD")}
    assert (made.pages, made.requests) == (PAGES, PAGES)


@both
@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_a_503_on_any_page_is_retried_and_the_result_is_whole(
    server: GcpServer, protocol: str, page: int
) -> None:
    server.fail(page, 503, times=1)
    made = client(server, protocol)
    result = prices(made)
    assert len(result.offers) == 4
    assert made.requests == len(server.log) == PAGES + 1


@both
@pytest.mark.parametrize("page", range(1, PAGES + 1))
def test_a_page_that_stays_away_leaves_nothing_of_the_others(
    server: GcpServer, protocol: str, page: int
) -> None:
    server.fail(page, 503)
    with pytest.raises(Unavailable, match="503"):
        prices(client(server, protocol, retry_seconds=0.05))
    assert max(request.page for request in server.log) == page


@both
@pytest.mark.parametrize("status", [429, 500, 504])
def test_throttling_and_server_faults_are_retried(server: GcpServer, protocol: str, status: int) -> None:
    server.fail(3, status, times=1)
    assert len(prices(client(server, protocol)).offers) == 4


@both
def test_the_wait_a_server_asks_for_is_kept(server: GcpServer, protocol: str) -> None:
    server.fail(1, 429, times=1, retry_after_seconds=0.3)
    begun = time.monotonic()
    prices(client(server, protocol))
    assert time.monotonic() - begun >= 0.3


def test_a_page_that_never_comes_is_given_up(server: GcpServer) -> None:
    server.fail(2, 200, hold_seconds=0.6)
    with pytest.raises(Unavailable, match="Timeout"):
        prices(client(server, "rest", page_seconds=0.1, retry_seconds=0.05))


def test_a_page_cut_short_is_refused(server: GcpServer) -> None:
    server.fail(4, 200, cut=300)
    with pytest.raises(UnexpectedPayload, match="cut short"):
        prices(client(server, "rest"))


@both
def test_pages_that_go_in_circles_are_refused(server: GcpServer, protocol: str) -> None:
    server.circular = True
    with pytest.raises(UnexpectedPayload, match="circles"):
        prices(client(server, protocol))


def test_nobody_listening_is_unavailable() -> None:
    with GcpServer(skus=[]) as gone:
        made = client(gone, "rest", retry_seconds=0.05)
    with pytest.raises(Unavailable, match="could not be reached"):
        prices(made)


@both
@pytest.mark.parametrize(
    ("status", "reason", "error", "words"),
    [
        (403, "SERVICE_DISABLED", CredentialsError, "gcloud services enable cloudbilling.googleapis.com"),
        (403, "", CredentialsError, "roles/serviceusage.serviceUsageConsumer"),
        (401, "", CredentialsError, "gcloud auth application-default login"),
        (400, "API_KEY_INVALID", CredentialsError, "API_KEY_INVALID"),
        (404, "", UnexpectedPayload, "404"),
        (400, "BAD_REQUEST", UnexpectedPayload, "400"),
    ],
)
def test_a_refusal_says_what_is_lacking_and_repeats_nothing_of_the_answer(
    server: GcpServer, protocol: str, status: int, reason: str, error: type[ProviderError], words: str
) -> None:
    server.fail(2, status, reason=reason, message="project 123456789 of somebody@example.com")
    with pytest.raises(error) as caught:
        prices(client(server, protocol))
    assert words in str(caught.value)
    assert "123456789" not in str(caught.value)
    assert "somebody" not in str(caught.value)
    assert len(server.log) == 2, "what will not pass is not tried again"


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nobody has logged in."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # The library asks the internet in the background where a service account may be used; not from a test.
    from google.auth.credentials import CredentialsWithRegionalAccessBoundary

    lookup = "_is_regional_access_boundary_lookup_required"
    monkeypatch.setattr(CredentialsWithRegionalAccessBoundary, lookup, lambda _: False)
    return tmp_path


@pytest.fixture
def logged_in(no_credentials: Path, server: GcpServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service account's key made now, whose tokens come from the fake, and the endpoint set to the fake."""
    key = service_account_key(no_credentials / "key.json", f"{server.rest_url}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv(ENDPOINT, server.rest_url)
    return key


@pytest.mark.usefixtures("logged_in")
def test_the_standard_chain_signs_in_and_its_token_goes_with_every_page(server: GcpServer) -> None:
    result = prices(None)
    assert str(price(result, f"{IOWA}/a2-highgpu-1g/on_demand")) == "3.673385000"
    assert server.tokens_asked == 1
    assert {request.authorization for request in server.log} == {f"Bearer {TOKEN}"}


@pytest.mark.usefixtures("no_credentials")
def test_the_login_of_a_person_without_a_quota_project_serves_and_warns_nobody(
    server: GcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.auth._cloud_sdk import CLOUD_SDK_CLIENT_ID

    login = {"type": "authorized_user", "client_id": CLOUD_SDK_CLIENT_ID, "client_secret": "-"}
    path = tmp_path / "login.json"
    path.write_text(json.dumps({**login, "refresh_token": "-"}), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv(ENDPOINT, server.rest_url)
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.rest_url}/token")
    assert len(prices(None).offers) == 4
    assert server.tokens_asked == 1


def test_a_closed_client_has_no_connection(server: GcpServer) -> None:
    made = client(server, "grpc")
    assert len(list(made.skus())) == 13
    made.close()
    with pytest.raises(ValueError, match="closed channel"):
        next(made.skus())


def test_the_environment_of_the_fake_needs_no_internet_and_no_patch(
    server: GcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert len(prices(None).offers) == 4
    assert server.tokens_asked == 0
    assert not caplog.records


def test_refused_credentials_are_named_without_giving_them_away(
    server: GcpServer, logged_in: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.token_status = 400
    with pytest.raises(CredentialsError, match="expired or refused") as caught:
        prices(None)
    for secret in ("BEGIN", "testing@testing", "invalid_grant", str(logged_in)):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not server.log
    assert not caplog.records


def test_credentials_that_fail_inside_grpc_are_no_outage(server: GcpServer, logged_in: Path) -> None:
    from google.auth.transport.grpc import AuthMetadataPlugin
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    server.token_status = 400
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = Credentials.from_service_account_file(str(logged_in), scopes=scopes)  # type: ignore[no-untyped-call]
    plugin = AuthMetadataPlugin(credentials, Request())  # type: ignore[no-untyped-call]
    made = grpc_catalogue(server.grpc_local_target, plugin)
    with pytest.raises(CredentialsError, match="expired or refused"):
        prices(GcpClient(made, retry_seconds=2.0, backoff_seconds=0.02))
    assert server.tokens_asked == 1, "what will not pass is not tried again"


@pytest.mark.usefixtures("no_credentials")
def test_no_credentials_say_how_to_log_in(server: GcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, server.rest_url)
    with pytest.raises(CredentialsError, match="gcloud auth application-default login"):
        prices(None)


def test_a_token_server_out_of_reach_is_unavailable(
    server: GcpServer, no_credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GcpServer(skus=[]) as gone:
        key = service_account_key(no_credentials / "key.json", f"{gone.rest_url}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv(ENDPOINT, server.rest_url)
    with pytest.raises(Unavailable, match="token server"):
        prices(GcpClient(retry_seconds=0.05))


@pytest.mark.usefixtures("logged_in")
def test_an_endpoint_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "ftp://somewhere")
    with pytest.raises(ProviderError, match=ENDPOINT):
        prices(None)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.cloud.billing_v1", None)
    with pytest.raises(SdkNotInstalled, match=r"cloud-pricing-optimiser\[gcp\]"):
        prices(None)
