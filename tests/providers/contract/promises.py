"""What every FetchResult promises, whichever cloud it comes from: used on the fakes and on the real clouds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from optimiser.prices.rows import REGION_KINDS, format_row, parse_row
from providers.errors import ProviderError
from providers.fetch import FetchResult, Scope, scope_of
from providers.offer import STANDARD, Missing, Offer, Tier
from providers.shape import InstanceShape


def assert_well_formed(result: FetchResult, provider: str) -> None:
    """The type, and what lies beside the prices."""
    assert isinstance(result, FetchResult)
    assert isinstance(result.offers, tuple)
    assert isinstance(result.missing, tuple)
    assert isinstance(result.covered, frozenset)
    assert {type(offer) for offer in result.offers} <= {Offer}
    assert {type(missing) for missing in result.missing} <= {Missing}
    for scope in [*result.covered, *(failure.scope for failure in result.failures)]:
        assert isinstance(scope, Scope)
        assert (scope.provider, type(scope.tier)) == (provider, Tier)
        assert scope.region
    failed = [failure.scope for failure in result.failures]
    assert len(failed) == len(set(failed)), "a scope failed twice"
    assert not result.covered & set(failed)
    for failure in result.failures:
        assert isinstance(failure.error, ProviderError)
        assert str(failure.error).strip(), f"{failure.scope} failed without a word"
        assert len(str(failure.error).splitlines()) == 1, str(failure.error)
    assert all(type(count) is int and count >= 0 for count in result.counts.values()), dict(result.counts)
    assert any(result.counts.values()) or not result.covered, "an answer without a count of anything"
    assert list(result.unknown_gpu_types) == sorted(set(result.unknown_gpu_types))


def assert_prices_hold(result: FetchResult, shapes: Iterable[InstanceShape], now: datetime) -> None:
    """Each price by itself: known, positive, dated, sourced, and a valid row of a price file."""
    known = {(shape.provider, shape.instance_type) for shape in shapes}
    prices: tuple[Offer | Missing, ...] = (*result.offers, *result.missing)
    for price in prices:
        where = price.place
        assert (price.provider, price.instance_type) in known, f"{where}: no such shape"
        assert price.region_kind in REGION_KINDS, where
        assert type(price.tier) is Tier, where
        assert price.zone == "" or price.tier is Tier.SPOT, f"{where}: only spot has zones"
        assert price.observed_on == now.date(), where
        assert price.source.strip(), f"{where}: no source"
        assert parse_row(format_row(price), where, now.date()) == price
    for offer in result.offers:
        for amount in (offer.usd_per_hour, offer.upfront_usd):
            assert type(amount) is Decimal, offer.offer_id
            assert amount.is_finite(), offer.offer_id
            assert amount >= 0, offer.offer_id
        assert offer.amortised_usd_per_hour > 0, offer.offer_id
    for missing in result.missing:
        assert missing.reason.strip(), f"{missing.place}: no reason"


def assert_one_price_per_key(result: FetchResult) -> None:
    """No key twice, and nothing both missing and offered in the standard market (another may have it)."""
    ids = [offer.offer_id for offer in result.offers]
    assert len(ids) == len(set(ids)), sorted({one for one in ids if ids.count(one) > 1})
    gone = [missing.place for missing in result.missing]
    assert len(gone) == len(set(gone))
    listed = {offer.place for offer in result.offers if offer.market == STANDARD and not offer.kind}
    assert not listed & set(gone), sorted(listed & set(gone))


def assert_only_asked(
    result: FetchResult, provider: str, regions: Sequence[str], tiers: Sequence[Tier]
) -> None:
    """Every scope asked for is covered or failed, and no other; prices lie in covered ones."""
    asked = {Scope(provider, region, tier) for region in regions for tier in tiers}
    assert result.covered | {failure.scope for failure in result.failures} == asked
    priced = {*map(scope_of, result.offers), *map(scope_of, result.missing)}
    assert priced <= result.covered


def assert_done_told(result: FetchResult, told: Sequence[Scope]) -> None:
    """done() once for each covered scope, and for none that was not asked."""
    assert len(told) == len(set(told)), "done() was told of a scope twice"
    assert result.covered <= set(told)
    assert set(told) <= result.covered | {failure.scope for failure in result.failures}


def assert_no_secret(texts: Iterable[str], secrets: Collection[str]) -> None:
    """None of the words in any of the texts."""
    for text in texts:
        found = [secret for secret in secrets if secret in text]
        assert not found, f"{len(found)} secrets in a text of {len(text)} characters"


def all_words(result: FetchResult) -> list[str]:
    """Every text that a result carries to the store, the log or the report."""
    return [
        *(offer.source for offer in result.offers),
        *(f"{missing.reason} {missing.source}" for missing in result.missing),
        *(str(failure.error) for failure in result.failures),
        *result.counts,
        result.source_version,
    ]
