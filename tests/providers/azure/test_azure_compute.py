"""Sizes, restrictions and quotas of a subscription, through the real management library."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure_cases import NC24, ND96, NOW, SHAPES, T4, TOKEN, StaticCredential, plain_fixture, shape, signed_in
from azure_server import AzureServer, Fault

from providers import azure
from providers.azure import (
    CUSTOM_ROLE,
    PERMISSIONS,
    fetch_quotas,
    fetch_restrictions,
    fetch_shapes,
    fetch_spot_history,
    fetch_spot_signals,
)
from providers.azure.client import AzureClient
from providers.errors import CredentialsError, ProviderError, Unavailable, UnexpectedPayload
from providers.fetch import SeenShape
from providers.offer import Tier
from providers.shape import QuotaUnit

GB200 = "Standard_ND128isr_NDR_GB200_v6"
MI300X = "Standard_ND96is_MI300X_v5"


def seen(instance_type: str, gpus: int | None, vcpus: int | None, memory_gib: float | None) -> SeenShape:
    return SeenShape(
        provider="azure",
        instance_type=instance_type,
        gpu_count=gpus,
        gpu_name="",
        gpu_memory_mib=None,
        vcpus=vcpus,
        memory_gib=memory_gib,
    )


def test_a_size_is_read_from_capabilities_that_are_all_text(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_as_listed")
    assert fetch_shapes(SHAPES, ["eastus"], signed_in()) == (seen(ND96, 8, 96, 1900),)


def test_a_wrong_gpu_count_is_passed_on_as_seen_and_changes_no_shape(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_with_wrong_gpu_count")
    assert fetch_shapes(SHAPES, None, signed_in()) == (seen(ND96, 12, 96, 1900),)
    assert SHAPES[0].gpu_count == 8


def test_absent_gpus_are_unknown_and_not_none_at_all(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_without_gpus")
    found = fetch_shapes([shape(GB200), shape(MI300X)], None, signed_in())
    assert found == (seen(GB200, None, 128, 864), seen(MI300X, None, 96, 1850))


def test_absent_vcpus_are_unknown(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_without_vcpus")
    assert fetch_shapes(SHAPES, None, signed_in()) == (seen(ND96, 8, None, 1900),)


def test_a_size_in_another_case_gets_our_name(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_in_other_case")
    assert fetch_shapes(SHAPES, ["WestUS3"], signed_in()) == (seen(ND96, 8, 96, 1900),)
    assert [request.query["$filter"] for request in server.log] == ["location eq 'westus3'"]


def test_other_resources_than_machines_are_no_sizes(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_of_disks")
    assert fetch_shapes(SHAPES, None, signed_in()) == ()


def test_sizes_on_later_pages_are_read_too(server: AzureServer) -> None:
    server.skus = plain_fixture("skus_restricted")
    found = fetch_shapes(SHAPES, None, signed_in())
    assert [size.instance_type for size in found] == [NC24, T4, ND96]
    assert len(server.log) == 3


def test_restrictions_are_read_where_the_sdk_has_them_since_its_models_are_mappings(
    server: AzureServer,
) -> None:
    server.skus = plain_fixture("skus_restricted")
    counts = {
        "NotAvailableForSubscription (location)": 1,
        "NotAvailableForSubscription (zone)": 1,
        "QuotaId (location)": 1,
    }
    assert fetch_restrictions(SHAPES, None, signed_in()) == counts
    assert fetch_restrictions(SHAPES, ["eastus"], signed_in()) == counts


def test_a_restriction_in_another_region_is_not_one_here(server: AzureServer) -> None:
    (sku, *_) = plain_fixture("skus_restricted")
    server.skus = [{**sku, "locations": ["eastus", "westus"]}]
    assert fetch_restrictions(SHAPES, ["westus"], signed_in()) == {}


def test_quotas_are_vcpus_of_our_families_and_one_for_all_spot(server: AzureServer) -> None:
    server.usages = {"eastus": plain_fixture("usages")}
    found = fetch_quotas(SHAPES, ["EastUS"], signed_in(), now=NOW)
    assert [(q.region, q.quota_family, q.tier, q.limit, q.used) for q in found] == [
        ("eastus", "standardNDSH100v5Family", Tier.ON_DEMAND, 192, 96),
        ("eastus", "lowPriorityCores", Tier.SPOT, 100, 0),
    ]
    assert {(quota.unit, quota.observed_at) for quota in found} == {(QuotaUnit.VCPU, NOW)}


def test_quotas_of_a_region_that_fails_are_not_left_out_in_silence(server: AzureServer) -> None:
    server.usages = {"eastus": plain_fixture("usages")}
    server.fail(Fault(status=503), "westus")
    with pytest.raises(Unavailable, match="azure/westus"):
        fetch_quotas(SHAPES, ["eastus", "westus"], signed_in())


ASKS = pytest.mark.parametrize(
    ("ask", "action"),
    [
        (fetch_shapes, "Microsoft.Compute/skus/read"),
        (fetch_restrictions, "Microsoft.Compute/skus/read"),
        (fetch_quotas, "Microsoft.Compute/locations/usages/read"),
        (fetch_spot_signals, "Microsoft.ResourceGraph/resources/read"),
        (fetch_spot_history, "Microsoft.ResourceGraph/resources/read"),
    ],
)


@ASKS
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_action_and_the_role(
    server: AzureServer, ask: Callable[..., object], action: str, status: int
) -> None:
    server.refuse_token = status
    with pytest.raises(CredentialsError, match=rf"{status}.*{action} \(role Reader\)") as raised:
        ask(SHAPES, ["eastus"], signed_in())
    assert TOKEN not in str(raised.value)
    assert PERMISSIONS[ask.__name__] == action


@ASKS
def test_without_a_subscription_the_variable_is_named(ask: Callable[..., object], action: str) -> None:
    assert action
    with pytest.raises(CredentialsError, match="Set AZURE_SUBSCRIPTION_ID"):
        ask(SHAPES, ["eastus"], signed_in(subscription_id=None))


def test_a_subscription_that_is_not_seen_is_asked_after(server: AzureServer) -> None:
    assert server.url
    with pytest.raises(CredentialsError, match="AZURE_SUBSCRIPTION_ID a subscription"):
        fetch_quotas(SHAPES, ["eastus"], signed_in(subscription_id="00000000-0000-0000-0000-00000000dead"))


class Expired:
    """A credential whose sign-in the SDK refuses, with a text that must not get out."""

    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.exceptions import ClientAuthenticationError

        raise ClientAuthenticationError(f"AADSTS700082: expired {TOKEN}")


@ASKS
def test_a_sign_in_that_fails_is_a_credentials_error_without_its_text(
    server: AzureServer, ask: Callable[..., object], action: str
) -> None:
    with pytest.raises(CredentialsError, match=f"no working sign-in.*{action}") as raised:
        ask(SHAPES, ["eastus"], signed_in(credential=Expired(), management_url=server.url))
    assert TOKEN not in str(raised.value)


@ASKS
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=503), Unavailable),
        (Fault(status=429, headers={"Retry-After": "3600"}), Unavailable),
        (Fault(hang_up=True), Unavailable),
        (Fault(status=418), UnexpectedPayload),
        (Fault(body=b"<html>"), UnexpectedPayload),
        (Fault(body=b"{}"), UnexpectedPayload),
        (Fault(body=b"[1]"), UnexpectedPayload),
        (Fault(body=b'{"value": {}, "data": {}}'), UnexpectedPayload),
    ],
)
def test_every_fault_is_one_of_the_projects_errors_here_too(
    server: AzureServer, ask: Callable[..., object], action: str, fault: Fault, kind: type[ProviderError]
) -> None:
    assert action
    server.fail(Fault(**vars(fault)))
    with pytest.raises(kind):
        ask(SHAPES, ["eastus"], signed_in())


def test_a_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    client = signed_in(management_url="http://management.example.com")
    with pytest.raises(CredentialsError, match=r"is not https: no token is sent to management\.example\.com"):
        fetch_quotas(SHAPES, ["eastus"], client)
    with pytest.raises(CredentialsError, match="is not https"):
        fetch_spot_signals(SHAPES, ["eastus"], client)


def test_a_next_link_to_another_machine_gets_no_token(server: AzureServer) -> None:
    with AzureServer() as other:
        elsewhere = f'{{"value": [], "nextLink": "{other.url}/steal"}}'
        server.fail(Fault(body=elsewhere.encode()))
        for ask in (fetch_shapes, fetch_quotas):
            with pytest.raises(UnexpectedPayload, match="is said to be at 127"):
                ask(SHAPES, ["eastus"], signed_in())
    assert other.log == []


def test_the_token_is_sent_to_the_subscription_and_never_to_the_price_list(server: AzureServer) -> None:
    server.usages = {"eastus": plain_fixture("usages")}
    client = signed_in()
    azure.fetch_offers(SHAPES, ["eastus"], client)
    fetch_quotas(SHAPES, ["eastus"], client)
    prices, usages = server.log
    assert "Authorization" not in prices.headers
    assert usages.headers["Authorization"] == f"Bearer {TOKEN}"


def test_no_token_gets_into_the_log(server: AzureServer, caplog: pytest.LogCaptureFixture) -> None:
    server.usages = {"eastus": plain_fixture("usages")}
    with caplog.at_level(logging.DEBUG):
        fetch_quotas(SHAPES, ["eastus"], signed_in())
        fetch_spot_signals(SHAPES, ["eastus"], signed_in())
    assert caplog.records
    assert TOKEN not in caplog.text


def test_the_subscription_comes_from_the_environment(
    server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "00000000-0000-0000-0000-000000000001")
    server.usages = {"eastus": plain_fixture("usages")}
    client = AzureClient(credential=StaticCredential())
    assert len(fetch_quotas(SHAPES, ["eastus"], client)) == 2


def test_the_custom_role_reads_what_the_functions_need_and_no_more() -> None:
    role = json.loads(json.dumps(CUSTOM_ROLE))
    assert set(role["Actions"]) == set(PERMISSIONS.values())
    assert all(action.endswith("/read") for action in role["Actions"])


def test_every_fixture_is_used() -> None:
    here = Path(__file__).parent
    tests = "".join(path.read_text(encoding="utf-8") for path in here.glob("*.py"))
    assert [path.stem for path in (here / "fixtures").iterdir() if f'"{path.stem}"' not in tests] == []
