"""From what was fetched to what is in force: the checks, what they hold, and what is gone from a price list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median

from optimiser.prices.checks import ALL_REGIONS, Evidence, run_checks
from optimiser.prices.checks.amounts import every_scope_answered
from optimiser.prices.checks.evidence import DYNAMIC_MARKETS
from optimiser.prices.checks.steps import stepped
from optimiser.prices.refreshed import Finding, ScopePrices, Snapshot, Status
from optimiser.prices.snapshot import read_offers_csv
from optimiser.refreshing.acknowledge import acknowledged
from optimiser.refreshing.fetched import Fetched
from optimiser.refreshing.outcome import ScopeOutcome, State
from optimiser.refreshing.request import RefreshRequest
from providers.fetch import Scope, scope_of
from providers.offer import STANDARD, Missing, Offer, place_key

SOURCE = "optimiser refresh"
Recent = Callable[[Sequence[Offer]], Mapping[str, Collection[Decimal]]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A snapshot ready to be stored, and what became of each scope."""

    snapshot: Snapshot
    scopes: tuple[ScopeOutcome, ...]


def judge(
    fetched: Fetched, last_good: Mapping[Scope, ScopePrices], recent: Recent, request: RefreshRequest
) -> Judged:
    """Accept every covered scope that no finding holds; last_good is all that is in force of this provider,
    recent brings what some offers cost in the days before.
    """
    expected = _expected(fetched, last_good, request)
    failures = _failures(fetched, expected, request)
    candidate = _candidate(fetched, last_good)
    evidence = replace(
        _evidence(fetched, last_good, request, candidate, failures, expected),
        recent=recent(stepped(candidate, last_good)),
    )
    findings = acknowledged((*run_checks(evidence), *fetched.skipped), request.acknowledge)
    held = {
        scope: _why(scope, findings) for scope in (finding.scope for finding in findings if finding.holds)
    }
    accepted = {
        scope: _with_delisted(prices, last_good.get(scope), evidence)
        for scope, prices in {**candidate, **_closed(findings, fetched)}.items()
        if scope not in held
    }
    snapshot = Snapshot(
        provider=fetched.provider,
        started_at=fetched.at,
        finished_at=max(fetched.at, request.clock()),
        source_version=fetched.result.source_version if fetched.result else "",
        status=_status(accepted, {**held, **failures}),
        counts=fetched.result.counts if fetched.result else {},
        findings=findings,
        failures=tuple(failures.items()),
        accepted=tuple(accepted.values()),
        scopes=len(accepted),
        offers=sum(len(prices.offers) for prices in accepted.values()),
        missing=sum(len(prices.missing) for prices in accepted.values()),
    )
    outcomes = (
        *(_outcome(scope, State.ACCEPTED, "", accepted) for scope in accepted),
        *(_outcome(scope, State.HELD, reason, last_good) for scope, reason in held.items()),
        *(_outcome(scope, State.FAILED, reason, last_good) for scope, reason in failures.items()),
    )
    return Judged(snapshot=snapshot, scopes=tuple(sorted(outcomes, key=lambda outcome: outcome.scope)))


def not_stored(judged: Judged, reason: str, last_good: Mapping[Scope, ScopePrices]) -> Judged:
    """The same where the store took nothing: what was in force still is."""
    snapshot = replace(judged.snapshot, status=Status.FAILED, accepted=(), scopes=0, offers=0, missing=0)
    scopes = tuple(
        _outcome(outcome.scope, State.FAILED, reason, last_good)
        if outcome.state is State.ACCEPTED
        else outcome
        for outcome in judged.scopes
    )
    return Judged(snapshot=snapshot, scopes=scopes)


def expected_scopes(name: str, known: Collection[Scope], request: RefreshRequest) -> frozenset[Scope]:
    """The scopes that a whole answer of a provider covers or fails: those known, and those of always_sold."""
    sold = {Scope(provider, region, tier) for provider, region, _, tier in request.config.always_sold}
    return frozenset(scope for scope in sold | set(known) if scope.provider == name and request.asks(scope))


def _expected(
    fetched: Fetched, known: Mapping[Scope, ScopePrices], request: RefreshRequest
) -> frozenset[Scope]:
    sold = [scope for scope, prices in known.items() if prices.offers]
    every = expected_scopes(fetched.provider, sold, request)
    return frozenset(scope for scope in every if not fetched.regions or scope.region in fetched.regions)


def _closed(findings: Collection[Finding], fetched: Fetched) -> dict[Scope, ScopePrices]:
    """The scopes that a provider no longer lists, as somebody acknowledged: nothing is sold there any more."""
    return {
        one.scope: ScopePrices(scope=one.scope, observed_at=fetched.at, offers=(), missing=())
        for one in findings
        if one.check == every_scope_answered.__name__ and one.acknowledged
    }


def _failures(fetched: Fetched, expected: frozenset[Scope], request: RefreshRequest) -> dict[Scope, str]:
    if fetched.result is not None:
        failed = sorted(fetched.result.failures, key=lambda failure: failure.scope)
        return {failure.scope: str(failure.error) for failure in failed}
    scopes = expected or {
        Scope(fetched.provider, region, tier)
        for region in (fetched.regions or (ALL_REGIONS,))
        for tier in request.tiers
    }
    return {scope: str(fetched.error) for scope in sorted(scopes)}


def _candidate(fetched: Fetched, last_good: Mapping[Scope, ScopePrices]) -> dict[Scope, ScopePrices]:
    """What was fetched, by scope. Never dated before what it replaces: a clock may be a few minutes behind."""
    if fetched.result is None:
        return {}
    offers: dict[Scope, list[Offer]] = defaultdict(list)
    missing: dict[Scope, list[Missing]] = defaultdict(list)
    for offer in fetched.result.offers:
        offers[scope_of(offer)].append(offer)
    for one in fetched.result.missing:
        missing[scope_of(one)].append(one)
    return {
        scope: ScopePrices(
            scope=scope,
            observed_at=max(fetched.at, last_good[scope].observed_at) if scope in last_good else fetched.at,
            offers=tuple(offers[scope]),
            missing=tuple(missing[scope]),
        )
        for scope in sorted(fetched.result.covered)
    }


def _evidence(
    fetched: Fetched,
    last_good: Mapping[Scope, ScopePrices],
    request: RefreshRequest,
    candidate: Mapping[Scope, ScopePrices],
    failures: Collection[Scope],
    expected: Collection[Scope],
) -> Evidence:
    config, name = request.config, fetched.provider
    return Evidence(
        provider=name,
        now=fetched.at,
        tiers=request.tiers,
        candidate=candidate,
        last_good=last_good,
        failed=failures,
        expected=expected,
        shapes=config.shapes,
        gpu_memory_mib={gpu: spec.usable_mib for gpu, spec in config.gpus.items()},
        always_sold=tuple(sold for sold in config.always_sold if sold[0] == name),
        seen_shapes=fetched.seen_shapes,
        reference_usd=_reference(name, request) if _has_first_prices(candidate, last_good) else {},
        unknown_gpu_types=fetched.result.unknown_gpu_types if fetched.result else (),
    )


def _has_first_prices(candidate: Mapping[Scope, ScopePrices], last_good: Mapping[Scope, ScopePrices]) -> bool:
    """Whether any price was fetched that has none in force to be compared with."""
    in_force = {offer.offer_id for prices in last_good.values() for offer in prices.offers}
    return any(offer.offer_id not in in_force for prices in candidate.values() for offer in prices.offers)


def _reference(provider: str, request: RefreshRequest) -> dict[tuple[str, str], Decimal]:
    """Median list price, USD/h all in, by (tier, instance type) in the embedded snapshot; {} without the provider."""
    path = request.config.directories[0] / "prices" / f"{provider}.csv"
    if not path.is_file():
        return {}
    amounts: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for offer in read_offers_csv(path)[0]:
        if offer.market == STANDARD:
            amounts[offer.tier.value, offer.instance_type].append(offer.amortised_usd_per_hour)
    return {key: median(found) for key, found in amounts.items()}


def _why(scope: Scope, findings: Collection[Finding]) -> str:
    """The first finding that holds a scope, and how many more do."""
    holding = [finding for finding in findings if finding.holds and finding.scope == scope]
    subject = f" {holding[0].subject}" if holding[0].subject else ""
    more = f" (and {len(holding) - 1:,} more)" if len(holding) > 1 else ""
    return f"{holding[0].check}{subject}: {holding[0].message}{more}"


def _with_delisted(prices: ScopePrices, before: ScopePrices | None, evidence: Evidence) -> ScopePrices:
    """Accepted prices with a Missing for every list price that was in force and is neither offered nor missing
    now, so that it is known not to exist rather than unknown. What was said so before is said again.
    """
    if before is None:
        return prices
    spoken_for = {offer.place for offer in prices.offers} | {one.place for one in prices.missing}
    gone: dict[str, Missing] = {}
    for missing in _no_longer_listed(before, prices):
        where = (missing.provider, missing.region, missing.region_kind)
        region = place_key(*where, "", missing.instance_type, missing.tier.value)
        known = (missing.provider, missing.instance_type) in evidence.shapes
        if known and missing.place not in spoken_for and region not in spoken_for:
            gone[missing.place] = missing
    return replace(prices, missing=(*prices.missing, *gone.values())) if gone else prices


def _no_longer_listed(before: ScopePrices, now: ScopePrices) -> Iterator[Missing]:
    yield from (missing for missing in before.missing if missing.source == SOURCE)
    for offer in before.offers:
        if not offer.contract and offer.market not in DYNAMIC_MARKETS:
            yield Missing(
                provider=offer.provider,
                region=offer.region,
                region_kind=offer.region_kind,
                zone=offer.zone,
                instance_type=offer.instance_type,
                tier=offer.tier,
                reason=f"listed until {before.observed_at:%Y-%m-%d}, no longer on sale",
                observed_on=now.observed_at.date(),
                source=SOURCE,
            )


def _status(accepted: Collection[Scope], not_accepted: Collection[Scope]) -> Status:
    if not not_accepted:
        return Status.GOOD
    return Status.INCOMPLETE if accepted else Status.FAILED


def _outcome(scope: Scope, state: State, reason: str, in_force: Mapping[Scope, ScopePrices]) -> ScopeOutcome:
    prices = in_force.get(scope)
    return ScopeOutcome(
        scope=scope,
        state=state,
        reason=reason,
        offers=len(prices.offers) if prices else 0,
        missing=len(prices.missing) if prices else 0,
        observed_at=prices.observed_at if prices else None,
    )
