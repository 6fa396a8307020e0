"""How the price store stands: who was refreshed when, what is too old, held back or could not be fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optimiser.config.settings import LivePriceLimits
from optimiser.prices.refreshed import Snapshot, Status
from providers.fetch import Quota, Scope, SpotSignal
from providers.offer import Tier

CLOCK_HOURS = 0.1
InForce = Mapping[Scope, tuple[datetime, int]]
Counts = Mapping[Scope, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class LastRefresh:
    """The newest snapshot of a provider; warnings are its findings that hold nothing back."""

    snapshot_id: int
    started_at: datetime
    finished_at: datetime
    hours_ago: float
    status: str
    counts: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ScopeAge:
    """When a region's prices of one tier were last fetched."""

    region: str
    observed_at: datetime
    hours: float


@dataclass(frozen=True, kw_only=True)
class TierAges:
    """The regions in force of one provider and tier: how many, the oldest and the newest fetch, and which are
    past the limits (hours; None is no limit), the oldest first. A region past both is in past_refuse alone.
    """

    tier: str
    regions: int
    oldest: ScopeAge
    newest: ScopeAge
    warn_after_hours: float | None
    refuse_after_hours: float | None
    past_warn: tuple[ScopeAge, ...]
    past_refuse: tuple[ScopeAge, ...]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A scope whose newest refresh was not accepted: it could not be fetched, or (held) a check found something.

    since is the end of the first such refresh after the last good one; in_force_of the fetch whose prices stand
    meanwhile (None where nothing ever did). reasons are of the newest refresh; acknowledge is what
    `refresh --acknowledge` takes for each of them where they are findings.
    """

    region: str
    tier: str
    held: bool
    since: datetime
    in_force_of: datetime | None
    reasons: tuple[str, ...]
    acknowledge: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What is kept beside prices: "quotas" or "interruption_bands", how many, and when they were fetched."""

    what: str
    count: int
    newest_at: datetime
    oldest_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProviderStatus:
    """One provider. source_version is of the newest versioned price list that is in force, "" without one."""

    provider: str
    last_refresh: LastRefresh | None
    source_version: str
    offers: int
    missing: int
    tiers: tuple[TierAges, ...]
    troubles: tuple[Trouble, ...]
    beside: tuple[Beside, ...]

    @property
    def is_in_order(self) -> bool:
        """Nothing past a limit, dated in the future or in trouble, and the last refresh good."""
        late = any(
            tier.past_warn or tier.past_refuse or tier.newest.hours < -CLOCK_HOURS for tier in self.tiers
        )
        good = self.last_refresh is not None and self.last_refresh.status == Status.GOOD.value
        return good and not late and not self.troubles


@dataclass(frozen=True, kw_only=True)
class StoreStatus:
    """The store by its label (never a password) at a moment; in_order is what the exit code says."""

    store: str
    at: datetime
    in_order: bool
    providers: tuple[ProviderStatus, ...]


def status_of(
    store: str,
    in_force: InForce,
    snapshots: Sequence[Snapshot],
    counts: Counts,
    limits: LivePriceLimits,
    at: datetime,
    beside: Sequence[Quota | SpotSignal] = (),
) -> StoreStatus:
    """The status from the scopes in force (their fetch, their snapshot), the snapshots (newest first), the
    offers and Missing in force per scope, and what is kept beside them. A scope where nothing is on sale has no
    age: there is nothing to renew. A store without providers is not in order.
    """
    names = sorted({scope.provider for scope in in_force} | {one.provider for one in snapshots})
    providers = tuple(
        _provider(
            name,
            {scope: fetched for scope, fetched in in_force.items() if scope.provider == name},
            [one for one in snapshots if one.provider == name],
            {scope: found for scope, found in counts.items() if scope.provider == name},
            limits,
            at,
            [one for one in beside if one.provider == name],
        )
        for name in names
    )
    in_order = bool(providers) and all(one.is_in_order for one in providers)
    return StoreStatus(store=store, at=at, in_order=in_order, providers=providers)


def _provider(
    name: str,
    in_force: InForce,
    snapshots: Sequence[Snapshot],
    counts: Counts,
    limits: LivePriceLimits,
    at: datetime,
    beside: Sequence[Quota | SpotSignal],
) -> ProviderStatus:
    standing = {snapshot_id for _, snapshot_id in in_force.values()}
    on_sale = {scope: fetched for scope, fetched in in_force.items() if counts[scope][0]}
    versions = (one.source_version for one in snapshots if one.id in standing and one.source_version)
    return ProviderStatus(
        provider=name,
        last_refresh=_last(snapshots[0], at) if snapshots else None,
        source_version=next(versions, ""),
        offers=sum(offers for offers, _ in counts.values()),
        missing=sum(missing for _, missing in counts.values()),
        tiers=tuple(ages for tier in Tier if (ages := _ages(tier, on_sale, limits, at))),
        troubles=_troubles(in_force, snapshots),
        beside=tuple(_beside(beside)),
    )


def _beside(kept: Sequence[Quota | SpotSignal]) -> Iterator[Beside]:
    for what, kind in (("quotas", Quota), ("interruption_bands", SpotSignal)):
        moments = [one.observed_at for one in kept if isinstance(one, kind)]
        if moments:
            yield Beside(what=what, count=len(moments), newest_at=max(moments), oldest_at=min(moments))


def _last(snapshot: Snapshot, at: datetime) -> LastRefresh:
    return LastRefresh(
        snapshot_id=snapshot.id,
        started_at=snapshot.started_at,
        finished_at=snapshot.finished_at,
        hours_ago=_hours(snapshot.finished_at, at),
        status=snapshot.status.value,
        counts=snapshot.counts,
        warnings=tuple(finding.message for finding in snapshot.findings if not finding.holds),
    )


def _ages(tier: Tier, in_force: InForce, limits: LivePriceLimits, at: datetime) -> TierAges | None:
    found = sorted(
        (
            ScopeAge(region=scope.region, observed_at=fetched, hours=_hours(fetched, at))
            for scope, (fetched, _) in in_force.items()
            if scope.tier is tier
        ),
        key=lambda one: (one.observed_at, one.region),
    )
    if not found:
        return None
    warn, refuse = limits.warn_after_hours.get(tier.value), limits.refuse_after_hours
    past_refuse = tuple(one for one in found if refuse is not None and one.hours > refuse)
    past_warn = tuple(
        one for one in found if warn is not None and one.hours > warn and one not in past_refuse
    )
    return TierAges(
        tier=tier.value,
        regions=len(found),
        oldest=found[0],
        newest=found[-1],
        warn_after_hours=warn,
        refuse_after_hours=refuse,
        past_warn=past_warn,
        past_refuse=past_refuse,
    )


def _troubles(in_force: InForce, snapshots: Sequence[Snapshot]) -> tuple[Trouble, ...]:
    """The scopes that were refused since they were last accepted. One that was never accepted counts while its
    tier's newest refresh still asks for it: what is no longer wanted is no trouble.
    """
    refused: dict[Scope, list[Snapshot]] = {}
    for one in snapshots:
        held = {finding.scope for finding in one.findings if finding.holds}
        for scope in held | {failed for failed, _ in one.failures}:
            if scope not in in_force or one.id > in_force[scope][1]:
                refused.setdefault(scope, []).append(one)
    newest: dict[Tier, int] = {}
    asked = [(scope.tier, snapshot_id) for scope, (_, snapshot_id) in in_force.items()]
    for tier, snapshot_id in [*asked, *((scope.tier, found[0].id) for scope, found in refused.items())]:
        newest[tier] = max(newest.get(tier, 0), snapshot_id)
    return tuple(
        _trouble(scope, found, in_force)
        for scope, found in sorted(refused.items())
        if scope in in_force or found[0].id == newest[scope.tier]
    )


def _trouble(scope: Scope, refreshes: Sequence[Snapshot], in_force: InForce) -> Trouble:
    latest = refreshes[0]
    failures = tuple(reason for failed, reason in latest.failures if failed == scope)
    findings = [finding for finding in latest.findings if finding.holds and finding.scope == scope]
    return Trouble(
        region=scope.region,
        tier=scope.tier.value,
        held=not failures,
        since=refreshes[-1].finished_at,
        in_force_of=in_force[scope][0] if scope in in_force else None,
        reasons=failures or tuple(finding.message for finding in findings),
        acknowledge=() if failures else tuple(finding.id for finding in findings),
    )


def _hours(moment: datetime, at: datetime) -> float:
    """From the moment to at, to the hundredth of an hour."""
    return round((at - moment) / timedelta(hours=1), 2)
