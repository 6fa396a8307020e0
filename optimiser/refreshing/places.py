"""Whose region is a region that was asked for? What one provider lacks is another's, or a slip of the pen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from optimiser.errors import UsageError, did_you_mean
from optimiser.prices.snapshot import read_table
from optimiser.refreshing.fetched import Fetched
from optimiser.refreshing.request import RefreshRequest
from providers.errors import NoSuchRegion
from providers.fetch import Scope, confined


def with_own_regions(
    answers: Sequence[Fetched], request: RefreshRequest, known: Collection[Scope]
) -> tuple[Fetched, ...]:
    """The answers without other providers' regions; a provider that has none of those asked for is left out.

    A region is a provider's where it is among the known scopes or has an offer; while nobody has it, it may be
    anybody's. Raises UsageError for a region that every provider asked answered for, and none has.
    """
    owners = {
        region: {one.provider for one in answers if _has(one, region, known)} for region in request.regions
    }
    for region, providers in owners.items():
        if not providers and all(_denies(one, region) for one in answers):
            asked = ", ".join(one.provider for one in answers)
            near = did_you_mean(region, _regions(answers, request, known))
            raise UsageError(f"--region {region!r}: no prices there from {asked}; {near}")
    own = {
        one.provider: tuple(
            region for region, providers in owners.items() if not providers or one.provider in providers
        )
        for one in answers
    }
    return tuple(
        replace(one, regions=regions, result=one.result and confined(one.result, regions))
        for one in answers
        if (regions := own[one.provider])
    )


def _has(one: Fetched, region: str, known: Collection[Scope]) -> bool:
    if any((scope.provider, scope.region) == (one.provider, region) for scope in known):
        return True
    return one.result is not None and any(offer.region == region for offer in one.result.offers)


def _regions(answers: Sequence[Fetched], request: RefreshRequest, known: Collection[Scope]) -> set[str]:
    """Every region that can be named: those known, fetched now, and of the price files of these providers."""
    names = {one.provider for one in answers}
    offers = (offer for one in answers if one.result for offer in one.result.offers)
    rows = (row for path in request.config.price_files for _, row in read_table(path))
    return (
        {scope.region for scope in known}
        | {offer.region for offer in offers}
        | {row["region"] for row in rows if row["provider"] in names}
    )


def _denies(one: Fetched, region: str) -> bool:
    """Whether a provider answered and knows nothing of a region, rather than could not be asked about it."""
    if one.result is None:
        return False
    errors = [failure.error for failure in one.result.failures if failure.scope.region == region]
    covered = any(scope.region == region for scope in one.result.covered)
    return covered or not errors or any(isinstance(error, NoSuchRegion) for error in errors)
