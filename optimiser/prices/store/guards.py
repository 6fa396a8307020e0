"""What the store takes: whole scopes of positive prices with a believable date, never a test double's values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from optimiser.prices.refreshed import ScopePrices, Snapshot
from optimiser.prices.store.amounts import to_micros, to_nano
from optimiser.prices.store.errors import StoreError
from providers.fetch import SpotPrice, scope_of
from providers.offer import FIRST_CREDIBLE_YEAR, TEST_DOUBLE_USD_PER_HOUR, Missing, Offer

EARLIEST = datetime(FIRST_CREDIBLE_YEAR, 1, 1, tzinfo=UTC)
_SEPARATORS = re.compile(r"[\x00-\x1f\x7f]")


def check_snapshot(snapshot: Snapshot) -> None:
    """StoreError for values that no cloud gives; ValueError where the snapshot does not fit together."""
    if snapshot.id:
        raise ValueError(f"snapshot {snapshot.id} is stored already")
    to_micros(snapshot.started_at), to_micros(snapshot.finished_at)
    scopes = [prices.scope for prices in snapshot.accepted]
    if len(set(scopes)) < len(scopes):
        raise ValueError("a scope is accepted twice")
    for prices in snapshot.accepted:
        if prices.scope.provider != snapshot.provider:
            raise ValueError(f"{prices.scope} in a snapshot of {snapshot.provider}")
        _check_scope(prices)


def check_spot_price(price: SpotPrice) -> None:
    """StoreError for a step that no cloud gives."""
    name = f"{price.provider}/{price.region}/{price.zone}/{price.instance_type}/spot"
    _check_moment(name, price.since)
    _check_amounts(name, price.usd_per_hour, Decimal(0))
    _check_texts(name, (price.provider, price.region, price.zone, price.instance_type))


def _check_scope(prices: ScopePrices) -> None:
    _check_moment(str(prices.scope), prices.observed_at)
    everything: tuple[Offer | Missing, ...] = (*prices.offers, *prices.missing)
    for price in everything:
        if scope_of(price) != prices.scope:
            raise ValueError(f"{price.place} among the prices of {prices.scope}")
        _check_texts(price.place, (*prices.scope, price.region_kind, price.zone, price.instance_type))
    for offer in prices.offers:
        _check_offer(offer)
    for missing in prices.missing:
        if not missing.reason:
            raise ValueError(f"{missing.place}: no reason")


def _check_offer(offer: Offer) -> None:
    if not offer.market:
        raise ValueError(f"{offer.offer_id}: no market")
    _check_texts(offer.offer_id, (offer.market, offer.kind, offer.payment, offer.contract))
    _check_amounts(offer.offer_id, offer.usd_per_hour, offer.upfront_usd)


def _check_moment(name: str, moment: datetime) -> None:
    to_micros(moment)
    if moment < EARLIEST:
        raise StoreError(f"{name}: is dated {moment:%Y-%m-%d}, before {EARLIEST:%Y}: not a cloud's answer")


def _check_amounts(name: str, usd_per_hour: Decimal, upfront_usd: Decimal) -> None:
    try:
        nano_usd = to_nano(usd_per_hour) + to_nano(upfront_usd)
    except ValueError as error:
        raise StoreError(f"{name}: {error}") from None
    if not nano_usd:
        raise StoreError(f"{name}: a price is never 0")
    if usd_per_hour == TEST_DOUBLE_USD_PER_HOUR:
        raise StoreError(f"{name}: {usd_per_hour:f} USD is what a test double answers, not a cloud's price")


def _check_texts(name: str, texts: Iterable[str]) -> None:
    for text in texts:
        if _SEPARATORS.search(text):
            raise StoreError(f"{name!r}: {text!r} holds a control character")
