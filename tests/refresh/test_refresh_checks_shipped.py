"""The shipped price snapshot, as real a price list as there is here, passes every check: whole and by region."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from optimiser.config import Config, load_config
from optimiser.prices.checks import CHECKS, Evidence, run_checks
from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.snapshot import read_offers_csv
from providers import PROVIDERS
from providers.fetch import Scope, scope_of
from providers.offer import Missing, Offer, Tier

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def shipped() -> Config:
    return load_config()


def scopes(config: Config, provider: str) -> dict[Scope, ScopePrices]:
    offers, missing = read_offers_csv(config.directories[0] / "prices" / f"{provider}.csv")
    found: dict[Scope, tuple[list[Offer], list[Missing]]] = defaultdict(lambda: ([], []))
    for offer in offers:
        found[scope_of(offer)][0].append(offer)
    for one in missing:
        found[scope_of(one)][1].append(one)
    return {
        scope: ScopePrices(scope=scope, observed_at=NOW, offers=tuple(priced), missing=tuple(absent))
        for scope, (priced, absent) in found.items()
    }


def holding(
    config: Config, provider: str, now: dict[Scope, ScopePrices], before: dict[Scope, ScopePrices]
) -> list[str]:
    evidence = Evidence(
        provider=provider,
        now=NOW,
        tiers=tuple(Tier),
        candidate=now,
        last_good=before,
        shapes=config.shapes,
        always_sold=[sold for sold in config.always_sold if sold[0] == provider],
    )
    return [finding.id for finding in run_checks(evidence) if finding.holds]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_shipped_prices_are_held_by_no_check(shipped: Config, provider: str) -> None:
    every = scopes(shipped, provider)
    assert every
    assert holding(shipped, provider, every, {}) == []
    assert holding(shipped, provider, every, every) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_region_of_the_shipped_prices_is_not_held_when_it_is_refreshed_alone(
    shipped: Config, provider: str
) -> None:
    every = scopes(shipped, provider)
    for region in sorted({scope.region for scope in every})[
        ::4
    ]:  # a quarter of them: the whole takes seconds
        alone = {scope: found for scope, found in every.items() if scope.region == region}
        assert holding(shipped, provider, alone, every) == []


def test_every_check_says_its_rule_and_why() -> None:
    for name, check in CHECKS.items():
        assert check.__doc__, name
        assert check.__name__ == name
