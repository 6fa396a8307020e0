"""Answers put together from parts, and narrowed to regions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from providers.errors import Unavailable
from providers.fetch import Failure, FetchResult, Scope, confined, merged
from providers.offer import Missing, Offer, Tier

DAY = date(2026, 11, 22)


def scope(region: str, tier: Tier = Tier.ON_DEMAND) -> Scope:
    return Scope("aws", region, tier)


def answer(region: str) -> FetchResult:
    """One region, where on demand has a price and something missing, and spot failed."""
    place: dict[str, Any] = {
        "provider": "aws",
        "region": region,
        "region_kind": "region",
        "zone": "",
        "tier": Tier.ON_DEMAND,
    }
    seen: dict[str, Any] = {"observed_on": DAY, "source": "price list 7"}
    return FetchResult(
        offers=(Offer(**place, **seen, instance_type="g6.xlarge", usd_per_hour=Decimal("0.8048")),),
        missing=(Missing(**place, **seen, instance_type="p5.48xlarge", reason="not on sale"),),
        covered=frozenset({scope(region)}),
        failures=(Failure(scope=scope(region, Tier.SPOT), error=Unavailable("down")),),
        counts={"rows": 3},
        unknown_gpu_types=("z9", region),
        source_version="20261120",
    )


EAST, WEST = answer("us-east-1"), answer("us-west-2")


def test_parts_are_one_answer_with_counts_summed_and_the_newest_list_named() -> None:
    newer = replace(WEST, source_version="20261121", counts={"rows": 4, "left out": 0})
    whole = merged([EAST, newer, FetchResult(counts={"requests": 9})])
    assert whole == FetchResult(
        offers=(*EAST.offers, *WEST.offers),
        missing=(*EAST.missing, *WEST.missing),
        covered=frozenset({scope("us-east-1"), scope("us-west-2")}),
        failures=(*EAST.failures, *WEST.failures),
        counts={"rows": 7, "left out": 0, "requests": 9},
        unknown_gpu_types=("us-east-1", "us-west-2", "z9"),
        source_version="20261121",
    )


def test_nothing_asked_is_an_answer_without_anything() -> None:
    assert merged([]) == FetchResult() == merged([FetchResult()])


def test_a_scope_that_one_part_covers_and_another_lost_is_refused() -> None:
    lost = FetchResult(failures=(Failure(scope=scope("us-east-1"), error=Unavailable("down")),))
    with pytest.raises(ValueError, match="covered and failed"):
        merged([EAST, lost])


def test_an_answer_confined_to_a_region_has_nothing_of_another() -> None:
    whole = merged([EAST, WEST])
    alone = confined(whole, ("us-west-2", "eu-west-1"))
    beside: dict[str, Any] = {"counts": whole.counts, "unknown_gpu_types": whole.unknown_gpu_types}
    assert alone == replace(WEST, **beside)
    assert confined(whole, ("us-east-1", "us-west-2")) == whole
