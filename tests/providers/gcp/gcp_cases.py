"""Fixtures, shapes and fetches that the tests of the Google Cloud adapter share."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from gcp_access import grpc_catalogue, rest_catalogue
from gcp_server import GcpServer

from providers.fetch import FetchResult
from providers.gcp import fetch_offers
from providers.gcp.client import GcpClient
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
IOWA = "us-central1"

# GPUs, vCPUs and GiB as in Google's machine type tables.
SIZES = {
    "g2-standard-4": ("L4", 1, 4, 16),
    "g2-standard-24": ("L4", 2, 24, 96),
    "g4-standard-48": ("RTX-PRO-6000", 1, 48, 180),
    "a2-highgpu-1g": ("A100-40GB", 1, 12, 85),
    "a2-highgpu-8g": ("A100-40GB", 8, 96, 680),
    "a2-megagpu-16g": ("A100-40GB", 16, 96, 1360),
    "a2-ultragpu-1g": ("A100-80GB", 1, 12, 170),
    "a3-highgpu-1g": ("H100", 1, 26, 234),
    "a3-highgpu-8g": ("H100", 8, 208, 1872),
    "a3-megagpu-8g": ("H100", 8, 208, 1872),
    "a3-ultragpu-8g": ("H200", 8, 224, 2952),
    "a4-highgpu-8g": ("B200", 8, 224, 3968),
}


def shape(instance_type: str, provider: str = "gcp") -> InstanceShape:
    gpu, count, vcpus, memory_gib = SIZES.get(instance_type, ("H100", 8, 1, 1))
    return InstanceShape(
        provider=provider,
        instance_type=instance_type,
        gpu=gpu,
        gpu_count=count,
        vcpus=vcpus,
        memory_gib=memory_gib,
        gpu_link=GpuLink.NONE,
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="",
        quota_unit=QuotaUnit.GPU,
    )


def skus(*names: str) -> list[dict[str, Any]]:
    """The SKUs of these fixtures, one file after the other."""
    read = [
        json.loads(FIXTURES.joinpath(f"{name}.json").read_text(encoding="utf-8"))["skus"] for name in names
    ]
    return copy.deepcopy([sku for file in read for sku in file])


def fetch(
    catalogue: Sequence[dict[str, Any]],
    *instance_types: str,
    regions: Sequence[str] | None = None,
    protocol: str = "rest",
    **more: Any,
) -> FetchResult:
    """What the adapter makes of a catalogue, through a real client and a server of its own."""
    with GcpServer(skus=catalogue) as server:
        made = rest_catalogue(server.rest_url) if protocol == "rest" else grpc_catalogue(server.grpc_target)
        shapes = [shape(name) for name in instance_types or SIZES]
        return fetch_offers(shapes, regions, GcpClient(made), now=more.pop("now", NOW), **more)


def price(result: FetchResult, offer: str) -> Decimal | None:
    """The price of the offer whose id ends so, such as "us-central1/a2-highgpu-1g/spot"; None if there is none."""
    found = [known for known in result.offers if known.offer_id == f"gcp/{offer}"]
    assert len(found) <= 1
    return found[0].usd_per_hour if found else None


def offered(result: FetchResult) -> set[str]:
    return {offer.offer_id.removeprefix("gcp/") for offer in result.offers}


def reasons(result: FetchResult) -> dict[str, str]:
    return {gap.place.removeprefix("gcp/"): gap.reason for gap in result.missing}
