"""Short ways to say what is known, what the price list holds and what was asked."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from providers.aws import fetch_offers
from providers.aws.client import AwsClient
from providers.errors import ProviderError
from providers.fetch import FetchResult, Scope
from providers.offer import Missing, Offer, Tier
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

NOW = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
EAST = "us-east-1"
ON_DEMAND = Scope("aws", EAST, Tier.ON_DEMAND)
RESERVED = Scope("aws", EAST, Tier.RESERVED)
SPOT = Scope("aws", EAST, Tier.SPOT)


def shape(instance_type: str, provider: str = "aws", quota_family: str = "P") -> InstanceShape:
    """A shape of which only the names matter."""
    return InstanceShape(
        provider=provider,
        instance_type=instance_type,
        gpu="H100",
        gpu_count=8,
        vcpus=192,
        memory_gib=2048,
        gpu_link=GpuLink.NVLINK,
        network_gbps=None,
        obtainability=Obtainability.SCARCE,
        quota_family=quota_family,
        quota_unit=QuotaUnit.VCPU,
    )


SHAPES = tuple(
    map(shape, ("p5.48xlarge", "p5e.48xlarge", "p4d.24xlarge", "g5.xlarge", "g4dn.metal", "g6.xlarge"))
)


def fixture(name: str) -> Any:
    """A fixture file's JSON."""
    return json.loads((Path(__file__).parent / "fixtures" / name).read_text(encoding="utf-8"))


def only_in(region: str, rows: Iterable[Any]) -> Callable[[str], Iterable[Any]]:
    """Rows that one region alone has."""
    kept = list(rows)
    return lambda asked: kept if asked == region else []


def fetch(client: AwsClient | None, *regions: str, tiers: Iterable[Tier] = Tier) -> FetchResult:
    """fetch_offers of SHAPES in regions (none named: all)."""
    return fetch_offers(SHAPES, list(regions) or None, client, tiers=tuple(tiers), now=NOW)


def by_id(result: FetchResult) -> dict[str, Offer]:
    """The offers by their key without "aws/"."""
    return {offer.offer_id.removeprefix("aws/"): offer for offer in result.offers}


def reasons(result: FetchResult) -> dict[str, str]:
    """Why what is missing is missing, by place without "aws/"."""
    return {missing.place.removeprefix("aws/"): missing.reason for missing in result.missing}


def failed(result: FetchResult) -> dict[Scope, str]:
    """What each failed scope says."""
    return {failure.scope: str(failure.error) for failure in result.failures}


def amounts(price: Offer | Missing) -> tuple[str, str]:
    """(USD per hour, USD upfront) as text."""
    assert isinstance(price, Offer)
    return f"{price.usd_per_hour.normalize():f}", f"{price.upfront_usd.normalize():f}"


def said_of(fetching: Callable[[], FetchResult]) -> list[str]:
    """Every word of what goes wrong, with all that a traceback would show."""
    try:
        errors: list[BaseException] = [failure.error for failure in fetching().failures]
    except ProviderError as error:
        errors = [error]
    return ["".join(traceback.format_exception(error)) for error in errors]
