"""Prices of Azure, and what a subscription may buy and loses of it.

Prices come from the Retail Prices API, which needs no account. Sizes, quotas, evictions and spot history are a
subscription's: AZURE_SUBSCRIPTION_ID names it, and the SDK's standard chain signs in. Regions are lower-case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

from providers.azure import compute
from providers.azure.client import AzureClient
from providers.azure.parse import PROVIDER, parse_region
from providers.azure.refusals import GRAPH_READ, SKUS_READ, USAGES_READ
from providers.azure.regions import COMMERCIAL_REGIONS, spelled
from providers.errors import ProviderError
from providers.fetch import Failure, FetchResult, Quota, Scope, SeenShape, SpotPrice, SpotSignal, merged
from providers.offer import Tier
from providers.regions import each_region
from providers.shape import InstanceShape

# What each function may read, and nothing else; the built-in role Reader has it all. Prices need no permission.
PERMISSIONS = {
    "fetch_shapes": SKUS_READ,
    "fetch_restrictions": SKUS_READ,
    "fetch_quotas": USAGES_READ,
    "fetch_spot_signals": GRAPH_READ,
    "fetch_spot_history": GRAPH_READ,
}
# For `az role definition create --role-definition @FILE`, where Reader is too much.
CUSTOM_ROLE: Mapping[str, object] = {
    "Name": "Cloud pricing optimiser",
    "IsCustom": True,
    "Description": "Reads instance sizes, quotas and spot statistics; changes nothing.",
    "Actions": sorted(set(PERMISSIONS.values())),
    "NotActions": [],
    "AssignableScopes": ["/subscriptions/SUBSCRIPTION_ID"],
}


def open_client() -> closing[AzureClient]:
    """A client for several questions, until the context ends; it signs in at need, and once. Raises SdkNotInstalled."""
    return closing(AzureClient())


def fetch_offers(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AzureClient | None = None,
    *,
    tiers: Collection[Tier] = tuple(Tier),
    now: datetime | None = None,
    done: Callable[[Scope], None] = lambda _: None,
) -> FetchResult:
    """Prices of Azure's shapes in regions (None: COMMERCIAL_REGIONS), each region from one walk of its pages.

    A region that cannot be read whole fails in all tiers asked; two different prices for one thing fail the
    tier. A region that lists nothing is covered, and empty. Raises SdkNotInstalled.
    """
    asked = [shape for shape in shapes if shape.provider == PROVIDER]
    moment = now or datetime.now(UTC)

    def of_region(region: str) -> FetchResult:
        scopes = [Scope(PROVIDER, region, tier) for tier in tiers]
        try:
            pages = list(opened.price_pages(region))
            prices = parse_region(chain.from_iterable(pages), region, asked, tiers, moment)
        except ProviderError as error:
            return FetchResult(failures=tuple(Failure(scope=scope, error=error) for scope in scopes))
        finally:
            for scope in scopes:
                done(scope)
        return replace(prices, counts={**prices.counts, "pages": len(pages)})

    with _opened(client) as opened:
        answers, _ = each_region(_spelled(regions), of_region)
    return merged(answers.values())


def fetch_shapes(
    shapes: Sequence[InstanceShape], regions: Sequence[str] | None = None, client: AzureClient | None = None
) -> tuple[SeenShape, ...]:
    """What the subscription's list of SKUs says of shapes (regions None: wherever it lists them).

    A count may be absent or wrong there: this is for comparison with config/instances alone.
    Raises ProviderError.
    """
    names = compute.known_names(shapes)
    with _opened(client) as opened:
        skus = (sku for region in _places(regions) for sku in opened.skus(names, region))
        return compute.seen_shapes(skus, names)


def fetch_restrictions(
    shapes: Sequence[InstanceShape], regions: Sequence[str] | None = None, client: AzureClient | None = None
) -> Mapping[str, int]:
    """How often the subscription may not use shapes, by reason; their prices stand all the same.

    Raises ProviderError.
    """
    names = compute.known_names(shapes)
    with _opened(client) as opened:
        skus = (sku for region in _places(regions) for sku in opened.skus(names, region))
        return compute.restriction_counts(skus, names, _some(regions))


def fetch_quotas(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AzureClient | None = None,
    *,
    now: datetime | None = None,
) -> tuple[Quota, ...]:
    """vCPU quotas of the families of shapes per region, and "lowPriorityCores", which all spot shares.

    Raises the ProviderError of the first region that fails: part of the quotas would mislead.
    """
    moment = now or datetime.now(UTC)
    families = {shape.quota_family for shape in shapes if shape.provider == PROVIDER}
    with _opened(client) as opened:
        answers, failures = each_region(
            _spelled(regions),
            lambda region: tuple(compute.quotas(opened.usages(region), families, region, moment)),
        )
    for error in failures.values():
        raise error
    return tuple(quota for found in answers.values() for quota in found)


def fetch_spot_signals(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AzureClient | None = None,
    *,
    now: datetime | None = None,
) -> tuple[SpotSignal, ...]:
    """Eviction rates of spot shapes as bands in percent an hour (regions None: all). Raises ProviderError."""
    names = compute.known_names(shapes)
    query = compute.eviction_query(sorted(names), _some(regions))
    with _opened(client) as opened:
        return tuple(compute.spot_signals(opened.graph_rows(query), names, now or datetime.now(UTC)))


def fetch_spot_history(
    shapes: Sequence[InstanceShape],
    regions: Sequence[str] | None = None,
    client: AzureClient | None = None,
    *,
    days: float = 90,
    now: datetime | None = None,
) -> tuple[SpotPrice, ...]:
    """Steps of Linux spot prices in the last `days`, per region: Azure has no zones here (regions None: all).

    Raises ProviderError.
    """
    names = compute.known_names(shapes)
    query = compute.history_query(sorted(names), _some(regions))
    with _opened(client) as opened:
        rows = opened.graph_rows(query)
        return tuple(compute.spot_history(rows, names, now or datetime.now(UTC), days))


def _opened(client: AzureClient | None) -> AbstractContextManager[AzureClient]:
    """The client given, else one of our own for as long as it is needed."""
    return nullcontext(client) if client else open_client()


def _some(regions: Sequence[str] | None) -> list[str]:
    """The regions named, in Azure's spelling; none named: empty."""
    return [spelled(region) for region in regions or ()]


def _spelled(regions: Sequence[str] | None) -> list[str]:
    return list(COMMERCIAL_REGIONS) if regions is None else _some(regions)


def _places(regions: Sequence[str] | None) -> list[str]:
    """What to ask a list for that can also be had whole (""), in one go."""
    return [""] if regions is None else _some(regions)
