"""The nightly job: per provider fetch → check against the last good → store what is accepted, nothing overwritten.

What fails or is held keeps its last good prices with their own date. Nothing here prints: what happens is told
through RefreshRequest.tell, what came of it is the RefreshReport.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from decimal import Decimal

from optimiser.prices.refreshed import Finding, ScopePrices, Snapshot, Status
from optimiser.prices.store import (
    Store,
    StoreAbsent,
    StoreBusy,
    StoreError,
    exclusive,
    in_force,
    open_store,
    save,
    save_quotas,
    save_signals,
    save_spot_history,
    scopes_in_force,
)
from optimiser.refreshing.acknowledge import without_match
from optimiser.refreshing.fetched import Fetched, fetch, one_client_each, spot_history, with_beside
from optimiser.refreshing.judged import Judged, expected_scopes, judge, not_stored
from optimiser.refreshing.outcome import ProviderOutcome, RefreshReport, ScopeOutcome, State
from optimiser.refreshing.places import with_own_regions
from optimiser.refreshing.recent import recent_amounts
from optimiser.refreshing.request import WAIT_SECONDS, Event, Level, RefreshRequest
from providers.fetch import Scope
from providers.offer import Offer, Tier

__all__ = [
    "WAIT_SECONDS",
    "Event",
    "Level",
    "ProviderOutcome",
    "RefreshReport",
    "RefreshRequest",
    "ScopeOutcome",
    "State",
    "refresh",
]


def refresh(request: RefreshRequest) -> RefreshReport:
    """Fetch, check and store what is asked for, one provider after the other to hold one price list at a time.

    Raises UsageError for what is asked wrongly, before anything is stored; StoreBusy where another refresh goes
    on for longer than wait_seconds; StoreError where the store cannot be opened. Faults of providers, findings,
    and a store that refuses a snapshot are in the report.
    """
    request.check()
    started_at = request.clock()
    with _held_store(request) as store, one_client_each(request) as request:
        known = frozenset(scopes_in_force(store)) if store else frozenset()
        counts = {name: len(expected_scopes(name, known, request)) for name in request.names}
        if request.regions:
            answers = [fetch(name, request, counts[name]) for name in request.names]
            sold = {Scope(provider, region, tier) for provider, region, _, tier in request.config.always_sold}
            own = with_own_regions(answers, request, known | sold)
            outcomes = [_settle(one, store, request) for one in own]
        else:
            outcomes = [_settle(fetch(name, request, counts[name]), store, request) for name in request.names]
        if request.spot_history_days and Tier.SPOT in request.tiers and store and not request.dry_run:
            outcomes = [_with_history(outcome, store, request) for outcome in outcomes]
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    return RefreshReport(
        started_at=started_at,
        finished_at=max(started_at, request.clock()),
        dry_run=request.dry_run,
        tiers=request.tiers,
        regions=request.regions,
        providers=tuple(outcomes),
        warnings=tuple(without_match(request.acknowledge, findings)),
    )


@contextmanager
def _held_store(request: RefreshRequest) -> Iterator[Store | None]:
    """The store, held against other refreshes; for a dry run as it is, None where there is none yet."""
    if request.dry_run:
        with ExitStack() as opened:
            store = None
            with suppress(StoreAbsent):
                store = opened.enter_context(open_store(request.store_url))
            yield store
        return
    with open_store(request.store_url, create=True) as store, ExitStack() as held:
        try:
            held.enter_context(exclusive(store, 0))
        except StoreBusy as busy:
            if not request.wait_seconds:
                raise
            text = f"{busy}; waiting up to {request.wait_seconds:g} s"
            request.tell(Event(level=Level.WARNING, event="waiting", message=text))
            held.enter_context(exclusive(store, request.wait_seconds))
        yield store


def _settle(fetched: Fetched, store: Store | None, request: RefreshRequest) -> ProviderOutcome:
    """Judge what was fetched and store it, in one transaction."""
    # Spot is compared with on demand as well; the reserved tier, most of a price list, is read when it is asked.
    tiers = {*request.tiers, Tier.ON_DEMAND}

    def recent(stepped: Sequence[Offer]) -> Mapping[str, Collection[Decimal]]:
        return recent_amounts(store, stepped, last_good, fetched.at) if store and stepped else {}

    try:
        last_good = in_force(store, fetched.provider, tiers=tiers) if store else {}
        fetched = with_beside(fetched, request)
        judged = judge(fetched, last_good, recent, request)
    except StoreError as error:
        return _unsettled(fetched, error, request)
    store_error = ""
    if store and not request.dry_run:
        judged, store_error = _stored(judged, fetched, last_good, store)
    outcome = ProviderOutcome(
        snapshot=replace(judged.snapshot, accepted=()),
        scopes=judged.scopes,
        findings=judged.snapshot.findings,
        store_error=store_error,
    )
    _tell_outcome(outcome, request)
    return outcome


def _unsettled(fetched: Fetched, error: StoreError, request: RefreshRequest) -> ProviderOutcome:
    """What there is to say of a provider where the store cannot even be read: other providers go on."""
    snapshot = Snapshot(
        provider=fetched.provider,
        started_at=fetched.at,
        finished_at=max(fetched.at, request.clock()),
        source_version="",
        status=Status.FAILED,
        counts={},
        findings=(),
        failures=(),
    )
    event = Event(level=Level.ERROR, event="not_stored", message=str(error), provider=fetched.provider)
    request.tell(event)
    return ProviderOutcome(snapshot=snapshot, scopes=(), findings=(), store_error=str(error))


def _stored(
    judged: Judged, fetched: Fetched, last_good: Mapping[Scope, ScopePrices], store: Store
) -> tuple[Judged, str]:
    """(what is in force now, why something could not be stored: "" where all was)."""
    try:
        judged = replace(judged, snapshot=save(store, judged.snapshot))
    except StoreError as error:
        return not_stored(judged, f"not stored: {error}", last_good), str(error)
    try:
        save_signals(store, fetched.signals)
        save_quotas(store, fetched.quotas)
    except StoreError as error:
        return judged, str(error)
    return judged, ""


def _with_history(outcome: ProviderOutcome, store: Store, request: RefreshRequest) -> ProviderOutcome:
    """Fetch and store the history of spot prices, a region at a time, for months of it are large."""
    skipped: list[Finding] = []
    error = outcome.store_error
    regions = [scope.scope.region for scope in outcome.scopes if _is_fresh_spot(scope)]
    for region in dict.fromkeys(regions):
        try:
            save_spot_history(store, spot_history(outcome.provider, region, request, skipped))
        except StoreError as refused:
            error = str(refused)
            break
    return replace(outcome, findings=(*outcome.findings, *skipped), store_error=error)


def _is_fresh_spot(outcome: ScopeOutcome) -> bool:
    return outcome.scope.tier is Tier.SPOT and outcome.state is State.ACCEPTED


def _tell_outcome(outcome: ProviderOutcome, request: RefreshRequest) -> None:
    """One event per scope that was not accepted, per check that found something, and for the whole."""
    name, total = outcome.provider, len(outcome.scopes)
    for one in outcome.scopes:
        if one.state is not State.ACCEPTED:
            request.tell(
                Event(
                    level=Level.ERROR,
                    event=f"scope_{one.state}",
                    message=f"{one.state}: {one.reason}",
                    provider=name,
                    region=one.scope.region,
                    tier=one.scope.tier.value,
                )
            )
    for check, count in Counter(found.check for found in outcome.findings if not found.holds).items():
        text = f"{check}: {count:,} findings that hold nothing"
        request.tell(Event(level=Level.WARNING, event="findings", message=text, provider=name))
    accepted = sum(one.state is State.ACCEPTED for one in outcome.scopes)
    level = Level.INFO if accepted == total else Level.ERROR
    text = f"{accepted:,} of {total:,} scopes accepted, with {outcome.snapshot.offers:,} prices"
    request.tell(Event(level=level, event="provider_finished", message=text, provider=name))
