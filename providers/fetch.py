"""What an adapter hands over: prices by scope, what failed, and the signals beside prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from providers.errors import ProviderError
from providers.offer import Missing, Offer, Tier
from providers.shape import QuotaUnit


class Scope(NamedTuple):
    """The smallest part of a refresh that succeeds or fails by itself, and has a date of its own."""

    provider: str
    region: str
    tier: Tier

    def __str__(self) -> str:
        return f"{self.provider}/{self.region}/{self.tier.value}"


def scope_of(price: Offer | Missing) -> Scope:
    """The scope a price belongs to."""
    return Scope(price.provider, price.region, price.tier)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A scope that could not be fetched whole, and why. What stood there before stays in force."""

    scope: Scope
    error: ProviderError


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """Everything one call of an adapter brought.

    covered are the scopes asked and answered to the last page: what is not among offers there is not on sale
    there (missing says why where the reason is known). A scope is covered or in failures, never both, and a
    scope in neither was not asked. counts is for people: requests, pages and rows by what became of them.
    unknown_gpu_types are GPU instance types on sale that no shape knows. source_version names the price list
    where the cloud versions it ("" otherwise). Raises ValueError where these do not fit together.
    """

    offers: tuple[Offer, ...] = ()
    missing: tuple[Missing, ...] = ()
    covered: frozenset[Scope] = frozenset()
    failures: tuple[Failure, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    unknown_gpu_types: tuple[str, ...] = ()
    source_version: str = ""

    def __post_init__(self) -> None:
        failed = {failure.scope for failure in self.failures}
        if both := self.covered & failed:
            raise ValueError(f"covered and failed: {sorted(map(str, both))}")
        priced = set(map(scope_of, self.offers)) | set(map(scope_of, self.missing))
        outside = priced - self.covered
        if outside:
            raise ValueError(f"prices outside what was covered: {sorted(map(str, outside))}")
        for offer in self.offers:
            if offer.amortised_usd_per_hour <= 0:
                raise ValueError(f"{offer.offer_id}: a price is never 0 or below")


def merged(parts: Collection[FetchResult]) -> FetchResult:
    """The parts of one answer as one: counts are summed, and the newest price list of all names the whole.

    Raises ValueError where one part covers what failed in another.
    """
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    return FetchResult(
        offers=tuple(offer for part in parts for offer in part.offers),
        missing=tuple(missing for part in parts for missing in part.missing),
        covered=frozenset(scope for part in parts for scope in part.covered),
        failures=tuple(failure for part in parts for failure in part.failures),
        counts=dict(sorted(counts.items())),
        unknown_gpu_types=tuple(sorted({name for part in parts for name in part.unknown_gpu_types})),
        source_version=max((part.source_version for part in parts), default=""),
    )


def confined(result: FetchResult, regions: Collection[str]) -> FetchResult:
    """What an answer says of these regions alone; what it says of no region in particular stays."""
    return replace(
        result,
        offers=tuple(offer for offer in result.offers if offer.region in regions),
        missing=tuple(missing for missing in result.missing if missing.region in regions),
        covered=frozenset(scope for scope in result.covered if scope.region in regions),
        failures=tuple(failure for failure in result.failures if failure.scope.region in regions),
    )


@dataclass(frozen=True, kw_only=True)
class SeenShape:
    """What a cloud's own API says of an instance type. None is unknown; APIs misreport GPUs, so this is only
    ever compared with config/instances. gpu_memory_mib is of one GPU, memory_gib of the host.
    """

    provider: str
    instance_type: str
    gpu_count: int | None
    gpu_name: str
    gpu_memory_mib: int | None
    vcpus: int | None
    memory_gib: float | None


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much of a quota family may run in a region at once. limit and used count unit; used None: unknown."""

    provider: str
    region: str
    quota_family: str
    tier: Tier
    unit: QuotaUnit
    limit: float
    used: float | None
    observed_at: datetime


@dataclass(frozen=True, kw_only=True)
class SpotSignal:
    """How often spot is interrupted, as the cloud publishes it: a band in percent of instances per `per`.

    AWS counts a month, Azure an hour. high_percent None: the band is open. savings_percent is off on demand.
    """

    provider: str
    region: str
    instance_type: str
    low_percent: float
    high_percent: float | None
    per: str
    savings_percent: float | None
    observed_at: datetime
    source: str


@dataclass(frozen=True, kw_only=True)
class SpotPrice:
    """One step of a spot price: usd_per_hour has held since `since` (UTC) until the next step of its pool."""

    provider: str
    region: str
    zone: str
    instance_type: str
    usd_per_hour: Decimal
    since: datetime
