"""One sign-in and a few connections for all that a client is asked; a sign-in that fails or hangs costs no more."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure_cases import NOW, SHAPES, StaticCredential, plain_fixture, signed_in
from azure_server import SUBSCRIPTION_ID, AzureServer, Fault

from providers.azure import (
    PERMISSIONS,
    fetch_offers,
    fetch_quotas,
    fetch_restrictions,
    fetch_shapes,
    fetch_spot_history,
    fetch_spot_signals,
    open_client,
)
from providers.errors import CredentialsError

EIGHT = [f"region{number}" for number in range(8)]
IMDS = "/metadata/identity/oauth2/token"


class Counting(StaticCredential):
    """Counts how often it is asked, and refuses where it is told to, after a while."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked = 0
        self._refuses = refuses

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += 1
        if self._refuses:
            time.sleep(0.05)
            raise ClientAuthenticationError("no way to sign in works")
        return super().get_token(*scopes, **options)


def test_a_sign_in_that_failed_is_remembered_and_each_question_names_its_own_permission(
    server: AzureServer,
) -> None:
    credential = Counting(refuses=True)
    client = signed_in(credential=credential)
    for ask in (fetch_shapes, fetch_restrictions, fetch_quotas, fetch_spot_signals, fetch_spot_history):
        with pytest.raises(CredentialsError, match=f"no working sign-in.*{PERMISSIONS[ask.__name__]}"):
            ask(SHAPES, ["eastus"], client)
    assert (credential.asked, server.log) == (1, [])


def test_regions_asked_at_once_wait_for_one_sign_in_that_fails(server: AzureServer) -> None:
    credential = Counting(refuses=True)
    with pytest.raises(CredentialsError):
        fetch_quotas(SHAPES, EIGHT, signed_in(credential=credential))
    assert (credential.asked, server.log) == (1, [])


def test_one_token_serves_every_region_of_an_interface(server: AzureServer) -> None:
    server.spot_resources = plain_fixture("spot_prices")
    credential = Counting()
    client = signed_in(credential=credential)
    for region in EIGHT:
        fetch_shapes(SHAPES, [region], client)
        fetch_spot_history(SHAPES, [region], client, now=NOW)
    assert len(server.log) == 2 * len(EIGHT)
    assert credential.asked == len({"list of SKUs", "Resource Graph"})


def test_a_way_to_sign_in_that_never_answers_is_given_up(
    server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION_ID)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setattr("providers.azure.client.SIGN_IN_TIMEOUT_S", 0.05)
    server.fail(Fault(hang_up=True, delay_s=5))
    begun = time.monotonic()
    with open_client() as client, pytest.raises(CredentialsError, match="no working sign-in"):
        fetch_spot_signals(SHAPES, None, client)
    assert time.monotonic() - begun < 5
    assert [request.path for request in server.log] == [IMDS, IMDS]


def test_a_closed_client_leaves_no_connection(server: AzureServer) -> None:
    """Of which each has a thread of the fake's for as long as it is open."""
    before = set(threading.enumerate())
    client = signed_in()
    fetch_offers(SHAPES, ["eastus"], client)
    for ask in (fetch_shapes, fetch_spot_signals):
        ask(SHAPES, ["eastus"], client)
    assert len(server.log) == len(set(threading.enumerate()) - before) == 3
    client.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before:
        assert time.monotonic() < deadline
        time.sleep(0.002)
