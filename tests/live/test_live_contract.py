"""The contract of tests/providers/contract against the real clouds. Never by default; with your own accounts:

    make live

It asks for the prices of two regions per cloud, only reads, and costs nothing. What it asks with is each client
library's own sign-in: AWS_PROFILE or the AWS_* variables, `gcloud auth application-default login`; Azure's prices
need none. A cloud without a sign-in is skipped, and the summary says how to sign in. The permissions that AWS
needs are providers.aws.IAM_ACTIONS["fetch_offers"]; Google needs the Cloud Billing API enabled in the project.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import promises
import pytest
from live_clouds import LIVE

from optimiser.config import load_config
from providers import PROVIDERS, load
from providers.errors import ProviderError
from providers.fetch import Failure, FetchResult, Scope
from providers.offer import Tier

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore:Your application has authenticated using end user credentials"),
]
CONFIG = load_config()
SHAPES = tuple(CONFIG.shapes.values())


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one real cloud answered, and which scopes it said were done."""

    name: str
    now: datetime
    result: FetchResult
    done: list[Scope]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions asked for."""
        return LIVE[self.name].regions


@pytest.fixture(scope="module", params=sorted(PROVIDERS))
def answer(request: pytest.FixtureRequest) -> Answer:
    """One fetch per cloud, which all tests look at; what it raises counts as the failure of every scope."""
    name = request.param
    if reason := LIVE[name].not_signed_in():
        pytest.skip(reason)
    now, done = datetime.now(UTC), list[Scope]()
    try:
        result = load(name).fetch_offers(SHAPES, list(LIVE[name].regions), now=now, done=done.append)
    except ProviderError as error:
        scopes = [Scope(name, region, tier) for region in LIVE[name].regions for tier in Tier]
        failures = tuple(Failure(scope=scope, error=error) for scope in scopes)
        result = FetchResult(offers=(), missing=(), covered=frozenset(), failures=failures, counts={})
    return Answer(name=name, now=now, result=result, done=done)


@pytest.fixture
def answered(answer: Answer) -> Answer:
    """The answer of a cloud that gave one."""
    if not answer.result.covered:
        pytest.skip(f"{answer.name}: nothing could be fetched, as test_every_scope_asked_for_is_covered says")
    return answer


def test_every_scope_asked_for_is_covered(answer: Answer) -> None:
    why = Counter(f"{type(failure.error).__name__}: {failure.error}" for failure in answer.result.failures)
    if why:
        told = [f"{count} scopes of {answer.name} failed: {text}" for text, count in why.items()]
        pytest.fail("\n".join(told), pytrace=False)
    promises.assert_only_asked(answer.result, answer.name, answer.regions, tuple(Tier))


def test_the_answer_is_well_formed(answered: Answer) -> None:
    promises.assert_well_formed(answered.result, answered.name)


def test_every_price_is_known_positive_dated_and_a_valid_row(answered: Answer) -> None:
    promises.assert_prices_hold(answered.result, SHAPES, answered.now)
    promises.assert_one_price_per_key(answered.result)


def test_what_is_always_sold_is_there(answered: Answer) -> None:
    asked = {sold for sold in CONFIG.always_sold if sold[0] == answered.name and sold[1] in answered.regions}
    assert asked
    found = {
        (offer.provider, offer.region, offer.instance_type, offer.tier) for offer in answered.result.offers
    }
    assert asked <= found, sorted(asked - found)


def test_one_tier_of_one_region_comes_alone(answered: Answer) -> None:
    region = answered.regions[0]
    result = load(answered.name).fetch_offers(SHAPES, [region], tiers=(Tier.ON_DEMAND,), now=answered.now)
    promises.assert_only_asked(result, answered.name, [region], [Tier.ON_DEMAND])
    listed = [
        offer for offer in answered.result.offers if (offer.region, offer.tier) == (region, Tier.ON_DEMAND)
    ]
    assert sorted(result.offers, key=str) == sorted(listed, key=str), "the list changed between two fetches"


def test_done_is_told_once_of_every_scope_covered(answered: Answer) -> None:
    promises.assert_done_told(answered.result, answered.done)


def test_no_secret_is_in_anything_the_answer_carries(answered: Answer) -> None:
    promises.assert_no_secret(promises.all_words(answered.result), LIVE[answered.name].secrets)
