"""Prices of Azure, and what a subscription may buy and loses of it.

Prices come from the Retail Prices API, which needs no account. Sizes, quotas, evictions and spot history are a
subscription's: AZURE_SUBSCRIPTION_ID names it, and the SDK's standard chain signs in. Regions are lower-case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from providers.azure import compute
from providers.azure.client import AzureClient
from providers.azure.parse import PROVIDER, RegionPrices, parse_region
from providers.azure.refusals import GRAPH_READ, SKUS_READ, USAGES_READ
from providers.azure.regions import COMMERCIAL_REGIONS, spelled
from providers.errors import ProviderError
from providers.fetch import Failure, FetchResult, Quota, Scope, SeenShape, SpotPrice, SpotSignal
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

    def of_region(region: str) -> RegionPrices:
        try:
            pages = 0
            rows = []
            for page in opened.price_pages(region):
                pages += 1
                rows += page
            prices = parse_region(rows, region, asked, tiers, moment)
            prices.counts["pages"] += pages
            return prices
        finally:
            for tier in tiers:
                done(Scope(PROVIDER, region, tier))

    with _opened(client) as opened:
        answers, failures = each_region(_spelled(regions), of_region)
    return _result(answers, failures, tiers)


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


@contextmanager
def _opened(client: AzureClient | None) -> Iterator[AzureClient]:
    """The client given, else one of our own for as long as it is needed."""
    opened = client or AzureClient()
    try:
        yield opened
    finally:
        if client is None:
            opened.close()


def _some(regions: Sequence[str] | None) -> list[str]:
    """The regions named, in Azure's spelling; none named: empty."""
    return [spelled(region) for region in regions or ()]


def _spelled(regions: Sequence[str] | None) -> list[str]:
    return list(COMMERCIAL_REGIONS) if regions is None else _some(regions)


def _places(regions: Sequence[str] | None) -> list[str]:
    """What to ask a list for that can also be had whole (""), in one go."""
    return [""] if regions is None else _some(regions)


def _result(
    answers: Mapping[str, RegionPrices], failures: Mapping[str, ProviderError], tiers: Iterable[Tier]
) -> FetchResult:
    """All regions together; what failed is named by scope, with its reason."""
    counts: Counter[str] = Counter()
    failed = [
        Failure(scope=Scope(PROVIDER, region, tier), error=error)
        for region, error in failures.items()
        for tier in tiers
    ]
    covered = set()
    for region, prices in answers.items():
        counts.update(prices.counts)
        for tier in tiers:
            scope = Scope(PROVIDER, region, tier)
            if tier in prices.refused:
                failed.append(Failure(scope=scope, error=prices.refused[tier]))
            else:
                covered.add(scope)
    unknown = {name for prices in answers.values() for name in prices.unknown_gpu_types}
    offers = [offer for prices in answers.values() for offer in prices.offers]
    return FetchResult(
        offers=tuple(sorted(offers, key=lambda offer: offer.offer_id)),
        missing=tuple(missing for prices in answers.values() for missing in prices.missing),
        covered=frozenset(covered),
        failures=tuple(failed),
        counts=dict(sorted(counts.items())),
        unknown_gpu_types=tuple(sorted(unknown)),
    )
