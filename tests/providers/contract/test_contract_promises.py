"""The promises can be broken: each of them refuses a result that does."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import promises
import pytest
from harness import NOW, SECRETS, SHAPES
from no_network import only_this_machine

from optimiser.errors import UsageError
from providers.errors import Unavailable
from providers.fetch import Failure, FetchResult, Scope
from providers.offer import Missing, Offer, Tier

OFFER = Offer(
    provider="aws",
    region="us-east-1",
    region_kind="region",
    zone="",
    instance_type="p5.48xlarge",
    tier=Tier.ON_DEMAND,
    usd_per_hour=Decimal("55.04"),
    observed_on=NOW.date(),
    source="AWS Price List 20260910195514 sku 7XYZ",
)
SCOPE = Scope("aws", "us-east-1", Tier.ON_DEMAND)
GONE = Missing(
    provider="aws",
    region="us-east-1",
    region_kind="region",
    zone="",
    instance_type="p5e.48xlarge",
    tier=Tier.ON_DEMAND,
    reason="sold as Capacity Blocks only",
    observed_on=NOW.date(),
    source="AWS Price List 20260910195514",
)
GOOD = FetchResult(
    offers=(OFFER,), missing=(GONE,), covered=frozenset({SCOPE}), failures=(), counts={"requests": 1}
)


def with_offer(**changes: Any) -> FetchResult:
    return replace(GOOD, offers=(replace(OFFER, **changes),))


def failing(message: str, region: str = "eu-west-1") -> FetchResult:
    failure = Failure(scope=Scope("aws", region, Tier.SPOT), error=Unavailable(message))
    return replace(GOOD, failures=(failure,))


def check(result: FetchResult) -> None:
    promises.assert_well_formed(result, "aws")
    promises.assert_prices_hold(result, SHAPES, NOW)
    promises.assert_one_price_per_key(result)
    promises.assert_only_asked(result, "aws", ["us-east-1"], [Tier.ON_DEMAND])
    promises.assert_no_secret(promises.all_words(result), SECRETS)


def test_a_good_result_passes() -> None:
    check(GOOD)


@pytest.mark.parametrize(
    "broken",
    [
        with_offer(instance_type="p5.48xlarg"),
        with_offer(region_kind="zone"),
        with_offer(zone="use1-az4"),
        with_offer(observed_on=NOW.date() - timedelta(days=1)),
        with_offer(source=" "),
        with_offer(source=f"list of {SECRETS[0]}"),
        with_offer(source="two\nlines"),
        with_offer(usd_per_hour=55.04),
        with_offer(usd_per_hour=Decimal("100001")),
        with_offer(usd_per_hour=Decimal("0.1") ** 19),
        with_offer(term_months=12),
        with_offer(instance_type="p5e.48xlarge"),
        replace(GOOD, offers=(OFFER, OFFER)),
        replace(GOOD, offers=[OFFER]),  # type: ignore[arg-type]
        replace(GOOD, missing=(GONE, GONE)),
        replace(GOOD, missing=(replace(GONE, reason=" "),)),
        replace(GOOD, counts={"requests": -1}),
        replace(GOOD, counts={}),
        replace(GOOD, covered=GOOD.covered | {Scope("aws", "us-east-1", Tier.SPOT)}),
        replace(GOOD, covered=GOOD.covered | {Scope("gcp", "us-east-1", Tier.ON_DEMAND)}),
        replace(GOOD, unknown_gpu_types=("z9", "a1")),
        failing("down"),
        failing(" "),
        failing("two\nlines"),
        failing(f"{SECRETS[1]} refused"),
    ],
)
def test_a_result_that_breaks_a_promise_is_refused(broken: FetchResult) -> None:
    with pytest.raises((AssertionError, UsageError)):
        check(broken)


@pytest.mark.parametrize("told", [[], [SCOPE, SCOPE], [SCOPE, Scope("aws", "us-east-1", Tier.SPOT)]])
def test_done_told_of_no_scope_twice_or_too_much_is_refused(told: list[Scope]) -> None:
    promises.assert_done_told(GOOD, [SCOPE])
    with pytest.raises(AssertionError):
        promises.assert_done_told(GOOD, told)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: socket.create_connection(("prices.example", 443), timeout=1),
        lambda: socket.socket().connect(("192.0.2.1", 80)),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_guard_tells_of_every_machine_that_is_asked(reach: Callable[[], object]) -> None:
    with only_this_machine() as tried, pytest.raises(OSError, match="a test may not"):
        reach()
    assert len(tried) == 1
