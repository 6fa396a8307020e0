"""On demand and reserved of one region: the price list, and Savings Plans beside its Reserved Instances."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import chain
from typing import Any

from providers.aws.client import AwsClient
from providers.aws.faults import PermissionLacking
from providers.aws.parse_products import (
    AXES,
    BARE_METAL,
    GPU_FAMILY,
    Catalogue,
    on_demand_price,
    read_catalogue,
    reserved_prices,
)
from providers.aws.parse_savings import SavingsRate, rates_of_api, rates_of_bulk, savings_offers, version_path
from providers.aws.payload import json_object, parsing
from providers.aws.places import CHINA, is_region
from providers.errors import NoSuchRegion, ProviderError, UnexpectedPayload
from providers.fetch import Failure, FetchResult, Scope
from providers.offer import Missing, Offer, Tier

SAVINGS_INDEX = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json"
LISTED = (Tier.ON_DEMAND, Tier.RESERVED)


class Savings:
    """Savings Plan rates, from the API or, once its permission turns out to be lacking, the public files.

    Shared by all regions of one fetch: the lack is found out once, and the index is read once.
    """

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._lacking: PermissionLacking | None = None
        self._index: Mapping[str, Any] | None = None

    def rates(
        self, catalogue: Catalogue, region: str, types: Mapping[str, object], counts: Counter[str]
    ) -> list[SavingsRate]:
        """The rates of a region; [] for China, for zones, and where no known type is sold.

        Raises what the API raises (expired credentials are renewed, not walked around), and where its
        permission is lacking what the public files raise: without either the tier would be half of one.
        """
        if not catalogue.products or region.startswith(CHINA) or not is_region(region):
            return []
        if self._lacking is None:
            try:
                rows = self._client.savings_rates(region, sorted(types))
                return rates_of_api(rows, region, types, counts)
            except PermissionLacking as error:
                self._lacking = error
        counts["regions with savings plans from the public file"] += 1
        try:
            return self._from_bulk(catalogue, region, counts)
        except ProviderError as error:
            raise type(error)(f"{error}; before that, {self._lacking}") from None

    def _from_bulk(self, catalogue: Catalogue, region: str, counts: Counter[str]) -> list[SavingsRate]:
        with self._lock:
            if self._index is None:
                self._index = self._client.bulk(SAVINGS_INDEX, _read_index)
        path = version_path(self._index, region)
        if path is None:
            counts["regions without savings plans"] += 1
            return []
        type_of_sku = {product.sku: name for name, product in catalogue.products.items()}

        def read(chunks: Iterator[bytes]) -> tuple[list[SavingsRate], Counter[str]]:
            seen: Counter[str] = Counter()
            return rates_of_bulk(chunks, region, type_of_sku, seen), seen

        rates, seen = self._client.bulk(path, read)
        counts.update(seen)
        return rates


def fetch_listed(
    client: AwsClient,
    savings: Savings,
    region: str,
    types: Mapping[str, object],
    tiers: Collection[Tier],
    today: date,
    *,
    named: bool,
) -> FetchResult:
    """The tiers among on demand and reserved of one region, each covered or failed by itself.

    named says that somebody asked for this very region: then one that sells no GPU is taken for a slip.
    """
    asked = [tier for tier in LISTED if tier in tiers]
    try:
        with parsing(f"price list of {region}"):
            catalogue = _catalogue(client, region, types)
        if named and not catalogue.products and not catalogue.unknown_gpu_types:
            raise NoSuchRegion(f"aws: no GPU instance is sold in {region}: is the region's code right?")
    except ProviderError as error:
        failures = tuple(Failure(scope=Scope("aws", region, tier), error=error) for tier in asked)
        return FetchResult(failures=failures)
    prices: list[Offer | Missing] = []
    covered: set[Scope] = set()
    failed: list[Failure] = []
    counts = Counter(catalogue.counts)
    for tier in asked:
        scope = Scope("aws", region, tier)
        try:
            of_tier = _prices(catalogue, savings, region, types, tier, today, counts)
            prices += one_per_key(of_tier, scope)
            covered.add(scope)
        except ProviderError as error:
            failed.append(Failure(scope=scope, error=error))
    return FetchResult(
        offers=tuple(price for price in prices if isinstance(price, Offer)),
        missing=tuple(price for price in prices if isinstance(price, Missing)),
        covered=frozenset(covered),
        failures=tuple(failed),
        counts=counts,
        unknown_gpu_types=tuple(sorted(catalogue.unknown_gpu_types)),
        source_version=catalogue.version,
    )


def one_per_key(prices: list[Offer | Missing], scope: Scope) -> list[Offer | Missing]:
    """The prices, a repeated one once. Raises UnexpectedPayload for two different prices under one key."""
    of_key: dict[str, Offer | Missing] = {}
    for price in prices:
        key = price.offer_id if isinstance(price, Offer) else f"missing {price.place}"
        standing = of_key.setdefault(key, price)
        if isinstance(price, Offer) and isinstance(standing, Offer) and _amounts(price) != _amounts(standing):
            two = f"{standing.source} says {_amounts(standing)}, {price.source} says {_amounts(price)}"
            raise UnexpectedPayload(f"aws: {scope}: two prices for {key}: {two}")
    return list(of_key.values())


def _catalogue(client: AwsClient, region: str, types: Mapping[str, object]) -> Catalogue:
    """GPU instances on shared hosts, and bare metal, which AWS also lists as dedicated."""
    attributes = {**AXES, "instanceFamily": GPU_FAMILY}
    if is_region(region):
        attributes["locationType"] = "AWS Region"
    shared = client.products(region, {**attributes, "tenancy": "Shared"})
    metal = client.products(region, {**attributes, "tenancy": "Dedicated", "productFamily": BARE_METAL})
    return read_catalogue(chain(shared, metal), region, types)


def _prices(
    catalogue: Catalogue,
    savings: Savings,
    region: str,
    types: Mapping[str, object],
    tier: Tier,
    today: date,
    counts: Counter[str],
) -> list[Offer | Missing]:
    prices: list[Offer | Missing] = []
    for name, product in catalogue.products.items():
        with parsing(f"price list of {region}: {name}: {tier.value} terms"):
            if tier == Tier.ON_DEMAND:
                prices.append(on_demand_price(product, today, counts))
            else:
                prices += reserved_prices(product, today, counts)
    if tier == Tier.ON_DEMAND:
        return prices
    with parsing(f"Savings Plans in {region}"):
        rates = savings.rates(catalogue, region, types, counts)
    kind = next((product.region_kind for product in catalogue.products.values()), "")
    return [*prices, *savings_offers(rates, region, kind, today)]


def _amounts(offer: Offer) -> tuple[str, str]:
    return f"{offer.usd_per_hour.normalize():f}", f"{offer.upfront_usd.normalize():f}"


def _read_index(chunks: Iterator[bytes]) -> Mapping[str, Any]:
    return json_object(b"".join(chunks), SAVINGS_INDEX, "public")
