"""What every provider's adapter makes of a cloud that fails: never a silent part, never a secret."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

import promises
import pytest
from harness import Running
from harnesses import HARNESSES, secrets_of

from providers import PROVIDERS
from providers.errors import CredentialsError, ProviderError, Unavailable, UnexpectedPayload
from providers.fetch import FetchResult, Scope
from providers.offer import Tier

every_fake = pytest.mark.parametrize("name", sorted(set(PROVIDERS) & set(HARNESSES)))
WAYS = {"outage": Unavailable, "refused": CredentialsError, "garbage": UnexpectedPayload}


def outcome(fetching: Callable[[], FetchResult]) -> tuple[FetchResult | None, list[ProviderError]]:
    """The result, None where it raised, and every error; anything but a ProviderError is a defect."""
    try:
        result = fetching()
    except ProviderError as error:
        return None, [error]
    return result, [failure.error for failure in result.failures]


@every_fake
@pytest.mark.parametrize("tier", Tier)
def test_a_tier_that_fails_in_a_region_is_not_covered_and_costs_no_other_region(
    breakable: Running, tier: Tier
) -> None:
    whole, broken = breakable.harness.regions
    breakable.harness.breaks.scopes[tier](breakable.fake, broken)
    result = breakable.fetch(whole, broken)
    promises.assert_well_formed(result, breakable.name)
    promises.assert_only_asked(result, breakable.name, [whole, broken], tuple(Tier))
    assert Scope(breakable.name, broken, tier) in {failure.scope for failure in result.failures}
    assert {failure.scope.region for failure in result.failures} == {broken}
    promises.assert_no_secret(promises.all_words(result), secrets_of(breakable.harness))
    assert {scope.tier for scope in result.covered if scope.region == whole} == set(Tier)


def broken_by(cloud: Running, way: str) -> tuple[FetchResult | None, list[ProviderError]]:
    getattr(cloud.harness.breaks, way)(cloud.fake)
    return outcome(lambda: cloud.fetch(*cloud.harness.regions))


@every_fake
@pytest.mark.parametrize("way", WAYS)
def test_a_cloud_that_fails_whole_is_never_an_empty_success(breakable: Running, way: str) -> None:
    result, errors = broken_by(breakable, way)
    assert errors
    assert all(isinstance(error, WAYS[way]) for error in errors)
    if result is not None:
        promises.assert_well_formed(result, breakable.name)
        assert (result.offers, result.missing, result.covered) == ((), (), frozenset())
        promises.assert_only_asked(result, breakable.name, breakable.harness.regions, tuple(Tier))


@every_fake
@pytest.mark.parametrize("way", WAYS)
def test_nothing_secret_is_in_any_error(breakable: Running, way: str) -> None:
    _, errors = broken_by(breakable, way)
    texts = [text for error in errors for text in (repr(error), *traceback.format_exception(error))]
    assert texts
    promises.assert_no_secret(texts, secrets_of(breakable.harness))


@every_fake
def test_missing_credentials_are_a_credentials_error(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    if cloud.harness.no_credentials is None:
        for variable in [one for one in os.environ if one.startswith(("AZURE_", "MSI_", "IDENTITY_"))]:
            monkeypatch.delenv(variable)
        assert cloud.fetch(cloud.harness.regions[0]).offers, "says that prices need no credentials"
        return
    for variable, value in cloud.harness.no_credentials.items():
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    result, errors = outcome(lambda: cloud.fetch(cloud.harness.regions[0], client=None))
    assert (result.offers if result else ()) == ()
    assert {type(error) for error in errors} == {CredentialsError}
