"""Asking an adapter: prices, and what lies beside them, each fault kept to its own provider."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optimiser.prices.checks import ALL_REGIONS
from optimiser.prices.refreshed import Finding, Severity
from optimiser.refreshing.request import Event, Level, RefreshRequest
from providers import load
from providers.errors import ProviderError, UnexpectedPayload
from providers.fetch import FetchResult, Quota, Scope, SeenShape, SpotPrice, SpotSignal, scope_of
from providers.offer import Tier


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """All that one provider answered, asked from `at` (UTC) on.

    result None: error says why there are no prices at all. regions are those asked for that are its own, ()
    for all. skipped are warnings about what could not be had beside prices.
    """

    provider: str
    at: datetime
    result: FetchResult | None
    error: ProviderError | None = None
    regions: tuple[str, ...] = ()
    seen_shapes: tuple[SeenShape, ...] = ()
    signals: tuple[SpotSignal, ...] = ()
    quotas: tuple[Quota, ...] = ()
    skipped: tuple[Finding, ...] = ()


class _Clients(dict[str, Any]):
    """Clients by provider: those given, and any other opened when it is first looked up."""

    def __init__(self, given: Mapping[str, Any], opened: ExitStack) -> None:
        super().__init__(given)
        self._opened = opened

    def __missing__(self, name: str) -> Any:
        self[name] = self._opened.enter_context(load(name).open_client())
        return self[name]


@contextmanager
def one_client_each(request: RefreshRequest) -> Iterator[RefreshRequest]:
    """The request as fetch, with_beside and spot_history take it: with one client per provider for all questions.

    A client that cannot be opened is a fault of its provider, told where that is first asked. Clients that the
    request brings are not closed.
    """
    with ExitStack() as opened:
        yield replace(request, clients=_Clients(request.clients, opened))


def fetch(name: str, request: RefreshRequest, expected: int) -> Fetched:
    """The prices asked of one provider. expected is how many scopes are to come, as far as that is known."""
    at = request.clock()
    request.tell(
        Event(
            level=Level.INFO,
            event="provider_started",
            message=f"fetching {name}",
            provider=name,
            expected=expected,
        )
    )
    try:
        return Fetched(provider=name, at=at, result=_prices(name, request, at))
    except ProviderError as error:
        return Fetched(provider=name, at=at, result=None, error=error)
    except Exception as error:
        return Fetched(provider=name, at=at, result=None, error=_defect(name, error))


def with_beside(fetched: Fetched, request: RefreshRequest) -> Fetched:
    """The same with what lies beside its prices: machine descriptions and whether the account may use them,
    interruption rates, quotas, and Capacity Blocks, a market of their own among the on-demand prices.
    """
    if fetched.result is None:
        return fetched
    skipped: list[Finding] = []

    def ask(function: str, wanted: bool) -> tuple[Any, ...]:
        regions = fetched.regions or None
        return tuple(_beside(fetched.provider, function, request, regions, skipped)) if wanted else ()

    seen_shapes = ask("fetch_shapes", Tier.ON_DEMAND in request.tiers)
    blocks = ask("fetch_capacity_blocks", request.capacity_blocks and Tier.ON_DEMAND in request.tiers)
    closed = _closed(fetched, request, skipped) if seen_shapes else ()
    covered = fetched.result.covered
    offers = (*fetched.result.offers, *(offer for offer in blocks if scope_of(offer) in covered))
    return replace(
        fetched,
        result=replace(fetched.result, offers=offers),
        seen_shapes=seen_shapes,
        signals=ask("fetch_spot_signals", Tier.SPOT in request.tiers),
        quotas=ask("fetch_quotas", request.quotas),
        skipped=(*skipped, *closed),
    )


def _closed(fetched: Fetched, request: RefreshRequest, skipped: list[Finding]) -> tuple[Finding, ...]:
    """A warning for each reason why the account may not use some machines, whatever they cost."""
    counts: Any = _beside(fetched.provider, "fetch_restrictions", request, fetched.regions or None, skipped)
    scope = Scope(fetched.provider, ALL_REGIONS, Tier.ON_DEMAND)
    return tuple(
        Finding(
            check="open_to_the_account",
            severity=Severity.WARN,
            scope=scope,
            subject=reason,
            message=f"{count:,} times a known instance type is closed to this account in some place",
        )
        for reason, count in dict(counts).items()
    )


def spot_history(
    name: str, region: str, request: RefreshRequest, skipped: list[Finding]
) -> Sequence[SpotPrice]:
    """The steps of spot prices in one region, () where they cannot be had, which is added to skipped."""
    return _beside(name, "fetch_spot_history", request, (region,), skipped, days=request.spot_history_days)


def _prices(name: str, request: RefreshRequest, at: datetime) -> FetchResult:
    def done(scope: Scope) -> None:
        request.tell(
            Event(
                level=Level.INFO,
                event="scope_fetched",
                message="fetched",
                provider=name,
                region=scope.region,
                tier=scope.tier.value,
            )
        )

    result: FetchResult = load(name).fetch_offers(
        tuple(request.config.shapes.values()),
        request.regions or None,
        request.clients[name],
        tiers=request.tiers,
        now=at,
        done=done,
    )
    return result


# What each interface beside prices is for, and the check (or else the subject) its absence is told under.
BESIDE = {
    "fetch_shapes": ("hardware_matches_config", Tier.ON_DEMAND, "machine descriptions were not compared"),
    "fetch_spot_signals": ("spot_signals", Tier.SPOT, "interruption rates were not fetched"),
    "fetch_restrictions": (
        "open_to_the_account",
        Tier.ON_DEMAND,
        "restrictions of the account were not read",
    ),
    "fetch_quotas": ("quotas", Tier.ON_DEMAND, "quotas were not fetched"),
    "fetch_capacity_blocks": ("capacity_blocks", Tier.ON_DEMAND, "Capacity Blocks were not fetched"),
    "fetch_spot_history": ("spot_history", Tier.SPOT, "the history of spot prices was not fetched"),
}


def _beside(
    name: str,
    function: str,
    request: RefreshRequest,
    regions: Sequence[str] | None,
    skipped: list[Finding],
    **options: Any,
) -> Sequence[Any]:
    """What an interface beside prices answers, () where the adapter has none. A fault never fails a refresh."""
    ask: Callable[..., Sequence[Any]] | None = getattr(load(name), function, None)
    if ask is None:
        return ()
    try:
        return ask(tuple(request.config.shapes.values()), regions, request.clients[name], **options)
    except ProviderError as error:
        fault: ProviderError = error
    except Exception as error:
        fault = _defect(name, error)
    check, tier, what = BESIDE[function]
    region = regions[0] if regions and len(regions) == 1 else ALL_REGIONS
    scope = Scope(name, region, tier)
    skipped.append(
        Finding(check=check, severity=Severity.WARN, scope=scope, subject="", message=f"{what}: {fault}")
    )
    return ()


def _defect(name: str, error: Exception) -> ProviderError:
    """A defect as that provider's own failure. Its text may hold anything, a secret too, and is left out."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(frame.filename).name} line {frame.lineno}"
    return UnexpectedPayload(f"the adapter of {name} has a defect ({where}): please report it")
