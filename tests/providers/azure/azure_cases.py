"""Shapes, fixtures and short ways to ask for the tests of Azure's adapter."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure_server import SUBSCRIPTION_ID

from providers.azure.client import AzureClient
from providers.azure.next_page import read_json
from providers.azure.parse import parse_region
from providers.fetch import FetchResult
from providers.offer import Tier
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOKEN = "not-a-real-token-of-anybody"  # noqa: S105
ND96 = "Standard_ND96isr_H100_v5"
ND96_A100 = "Standard_ND96amsr_A100_v4"
NC24 = "Standard_NC24ads_A100_v4"
NC40 = "Standard_NC40ads_H100_v5"
NC48 = "Standard_NC48ads_A100_v4"
T4 = "Standard_NC4as_T4_v3"
NAMES = (ND96, ND96_A100, NC24, NC40, NC48, T4)


class StaticCredential:
    """Signs in without asking anybody."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(TOKEN, int(time.time()) + 3600)


def shape(
    instance_type: str, provider: str = "azure", family: str = "standardNDSH100v5Family"
) -> InstanceShape:
    """A shape of which only the name and the quota family matter here."""
    return InstanceShape(
        provider=provider,
        instance_type=instance_type,
        gpu="H100",
        gpu_count=8,
        vcpus=96,
        memory_gib=1900,
        gpu_link=GpuLink.NVLINK,
        network_gbps=None,
        obtainability=Obtainability.SCARCE,
        quota_family=family,
        quota_unit=QuotaUnit.VCPU,
    )


SHAPES = [shape(name) for name in NAMES]


def fixture(name: str) -> list[dict[str, Any]]:
    """The rows of a fixture, with numbers as the adapter reads them."""
    path = Path(__file__).parent / "fixtures" / f"{name}.json"
    rows: list[dict[str, Any]] = read_json(path.read_bytes(), name)
    return rows


def plain_fixture(name: str) -> list[dict[str, Any]]:
    """The rows of a fixture for a fake to serve."""
    import json

    rows: list[dict[str, Any]] = json.loads(
        (Path(__file__).parent / "fixtures" / f"{name}.json").read_text(encoding="utf-8")
    )
    return rows


def parsed(
    name: str, region: str = "eastus", shapes: Iterable[InstanceShape] = SHAPES, tiers: Iterable[Tier] = Tier
) -> FetchResult:
    """What a fixture's rows mean in a region."""
    return parse_region(fixture(name), region, shapes, tuple(tiers), NOW)


def prices(found: FetchResult) -> dict[str, Decimal]:
    """USD an hour, upfront payments spread, by instance type and tier with its terms."""
    return {
        "/".join(offer.offer_id.split("/")[2:]): offer.amortised_usd_per_hour.normalize()
        for offer in found.offers
    }


def signed_in(**changes: Any) -> AzureClient:
    """A client with a credential and a subscription."""
    return AzureClient(**{"credential": StaticCredential(), "subscription_id": SUBSCRIPTION_ID, **changes})
