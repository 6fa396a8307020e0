"""Adapters that answer what a test tells them to, and the prices they begin with. Inputs, not what is tested."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store import open_store, scopes_in_force
from providers.errors import ProviderError
from providers.fetch import Failure, FetchResult, Quota, Scope, SeenShape, SpotPrice, SpotSignal
from providers.offer import Missing, Offer, Tier
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit

NIGHT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ON_DEMAND, SPOT, RESERVED = Tier.ON_DEMAND, Tier.SPOT, Tier.RESERVED
REGIONS = {"aws": ("us-east-1", "us-west-2"), "gcp": ("us-central1",), "azure": ("eastus", "westeurope")}
EAST, WEST = Scope("aws", "us-east-1", ON_DEMAND), Scope("aws", "us-west-2", ON_DEMAND)
LATER = NIGHT + timedelta(days=1)


def shape(provider: str, name: str, gpu: str, count: int, vcpus: int = 96) -> InstanceShape:
    return InstanceShape(
        provider=provider,
        instance_type=name,
        gpu=gpu,
        gpu_count=count,
        vcpus=vcpus,
        memory_gib=1000.0,
        gpu_link=GpuLink.NVLINK if count > 1 else GpuLink.NONE,
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="all",
        quota_unit=QuotaUnit.GPU,
    )


SHAPES = {
    (one.provider, one.instance_type): one
    for provider in REGIONS
    for one in (
        shape(provider, "p5.48xlarge", "H100", 8),
        shape(provider, "p4d.24xlarge", "A100", 8),
        shape(provider, "g6.xlarge", "L4", 1),
        shape(provider, "g5.xlarge", "A10G", 1),
    )
}
# USD/h on demand: AWS's own in us-east-1 before the cut of June 2025, used for every double alike.
LIST = {"p5.48xlarge": "98.32", "p4d.24xlarge": "32.7726", "g6.xlarge": "0.8048", "g5.xlarge": "1.006"}


def offer(scope: Scope, instance_type: str, usd_per_hour: str, **fields: Any) -> Offer:
    return Offer(
        provider=scope.provider,
        region=scope.region,
        region_kind="region",
        zone=fields.pop("zone", ""),
        instance_type=instance_type,
        tier=scope.tier,
        usd_per_hour=Decimal(usd_per_hour),
        observed_on=fields.pop("observed_on", NIGHT.date()),
        source="price list 7",
        **fields,
    )


def year(scope: Scope, instance_type: str, usd_per_hour: str, months: int = 12, **fields: Any) -> Offer:
    """A commitment without anything up front."""
    terms = {"kind": "reserved_instance", "term_months": months, "payment": "no_upfront", **fields}
    return offer(scope, instance_type, usd_per_hour, **terms)


def missing(scope: Scope, instance_type: str, reason: str = "sold as Capacity Blocks only") -> Missing:
    return Missing(
        provider=scope.provider,
        region=scope.region,
        region_kind="region",
        zone="",
        instance_type=instance_type,
        tier=scope.tier,
        reason=reason,
        observed_on=NIGHT.date(),
        source="price list 7",
    )


def usual(scope: Scope) -> tuple[Offer, ...]:
    """What a scope sells on an ordinary day: spot at 40 % in two zones, a year at 70 % and three at 50 %."""
    found: list[Offer] = []
    for name, usd in LIST.items():
        if scope.tier is ON_DEMAND:
            found.append(offer(scope, name, usd))
        elif scope.tier is SPOT:
            spot = str(Decimal(usd) * Decimal("0.4"))
            found += [offer(scope, name, spot, zone=f"{scope.region}-{zone}") for zone in "ab"]
        else:
            found.append(year(scope, name, str(Decimal(usd) * Decimal("0.7"))))
            found.append(year(scope, name, str(Decimal(usd) * Decimal("0.5")), months=36))
    return tuple(found)


def prices(
    scope: Scope, offers: Iterable[Offer], *, absent: Iterable[Missing] = (), at: datetime = NIGHT
) -> ScopePrices:
    return ScopePrices(scope=scope, observed_at=at, offers=tuple(offers), missing=tuple(absent))


@dataclass
class Cloud:
    """One adapter double, in the place of its module. offers and absent may be changed between refreshes."""

    name: str
    offers: dict[Scope, tuple[Offer, ...]]
    absent: dict[Scope, tuple[Missing, ...]] = field(default_factory=dict)
    failing: dict[Scope, ProviderError] = field(default_factory=dict)
    error: BaseException | None = None
    beside_error: Exception | None = None
    unknown: tuple[str, ...] = ()
    seen: tuple[SeenShape, ...] = ()
    history: tuple[SpotPrice, ...] = ()
    before_answer: Callable[[], None] = lambda: None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    beside_asked: list[tuple[Any, ...]] = field(default_factory=list)

    def open_client(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def fetch_offers(
        self,
        shapes: Sequence[InstanceShape],
        regions: Sequence[str] | None = None,
        client: Any = None,
        *,
        tiers: Collection[Tier] = tuple(Tier),
        now: datetime | None = None,
        done: Callable[[Scope], None] = lambda _: None,
    ) -> FetchResult:
        self.asked.append((tuple(shapes), regions, client, tuple(tiers), now))
        self.before_answer()
        if self.error:
            raise self.error
        wanted = [one for one in self.offers if one.tier in tiers and (not regions or one.region in regions)]
        covered = [scope for scope in wanted if scope not in self.failing]
        for scope in wanted:
            done(scope)
        return FetchResult(
            offers=tuple(one for scope in covered for one in self.offers[scope]),
            missing=tuple(one for scope in covered for one in self.absent.get(scope, ())),
            covered=frozenset(covered),
            failures=tuple(
                Failure(scope=scope, error=self.failing[scope]) for scope in wanted if scope in self.failing
            ),
            counts={"requests": 3},
            unknown_gpu_types=self.unknown,
            source_version="7",
        )

    def fetch_shapes(self, *asked: Any) -> tuple[SeenShape, ...]:
        self.beside_asked.append(asked)
        return self._beside(self.seen)

    def fetch_spot_signals(self, *_: Any) -> tuple[SpotSignal, ...]:
        band = SpotSignal(
            provider=self.name,
            region=REGIONS[self.name][0],
            instance_type="g6.xlarge",
            low_percent=5,
            high_percent=10,
            per="month",
            savings_percent=60,
            observed_at=NIGHT,
            source="spot advisor",
        )
        return self._beside((band,))

    def fetch_quotas(self, *_: Any) -> tuple[Quota, ...]:
        limit = Quota(
            provider=self.name,
            region=REGIONS[self.name][0],
            quota_family="all",
            tier=ON_DEMAND,
            unit=QuotaUnit.GPU,
            limit=16,
            used=4,
            observed_at=NIGHT,
        )
        return self._beside((limit,))

    def fetch_spot_history(self, *asked: Any, days: int) -> tuple[SpotPrice, ...]:
        _, regions, _ = asked
        first = NIGHT - timedelta(days=days)
        return self._beside(
            tuple(one for one in self.history if one.region in regions and one.since >= first)
        )

    def _beside(self, answer: Any) -> Any:
        if self.beside_error:
            raise self.beside_error
        return answer

    def change(self, scope: Scope, instance_type: str, usd_per_hour: str) -> None:
        """Give an instance type another price in a scope, whatever its terms."""
        self.offers[scope] = tuple(
            replaced(one, usd_per_hour=Decimal(usd_per_hour)) if one.instance_type == instance_type else one
            for one in self.offers[scope]
        )

    def drop(self, scope: Scope, *instance_types: str) -> None:
        """Take instance types off sale in a scope."""
        self.offers[scope] = tuple(
            one for one in self.offers[scope] if one.instance_type not in instance_types
        )


def usual_cloud(name: str) -> Cloud:
    scopes = [Scope(name, region, tier) for region in REGIONS[name] for tier in Tier]
    return Cloud(name, {scope: usual(scope) for scope in scopes})


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: datetime = NIGHT

    def __call__(self) -> datetime:
        return self.now

    def pass_hours(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @property
    def today(self) -> date:
        return self.now.date()


def scopes_stored(url: str) -> int:
    with open_store(url) as store:
        return len(scopes_in_force(store))


def usd_of(found: ScopePrices, instance_type: str) -> set[Decimal]:
    return {one.usd_per_hour for one in found.offers if one.instance_type == instance_type}
