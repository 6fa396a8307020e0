"""What spot is planned at: a percentile of its past where that is known, else its quote or the floor."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import estimate, shape
from planning_offers import price_table, spot_row, stored_row

from optimiser.planning.options import build_options
from optimiser.planning.plan_parts import PlanSpot
from optimiser.planning.problem import How, Purchase
from optimiser.policy import Policy
from optimiser.prices.spot_past import PastPrices, SpotPast

LIST: dict[str, Any] = {}


def past_of(*held: tuple[float, float], zone: str = "a") -> SpotPast:
    """Prices and the hours they held, oldest first, in one pool."""
    usd, hours = np.array(held).T
    return SpotPast(prices={("aws", "us-east-1", zone, "m"): PastPrices(usd, hours)})


def spot_of(past: SpotPast, *rows: dict[str, Any], **policy: object) -> list[Purchase]:
    terms = Policy(**policy)  # type: ignore[arg-type]
    found = build_options([estimate("m", 3.0)], {("aws", "m"): shape("m")}, price_table(*rows), terms, past)
    return [purchase for option in found for purchase in option.purchases if purchase.how is How.SPOT]


def only(past: SpotPast, *rows: dict[str, Any], **policy: object) -> PlanSpot:
    (purchase,) = spot_of(past, *rows, **policy)
    assert purchase.spot is not None
    assert purchase.usd_per_unit_hour == float(purchase.spot.expected_usd_per_hour)
    return purchase.spot


# 100 hours: 50 at 4, 30 at 5, 15 at 6, 5 at 7. 80 % of the time it cost 5 or less, 81 % 6 or less.
HUNDRED = past_of((5.0, 30.0), (7.0, 5.0), (6.0, 15.0), (4.0, 50.0))


@pytest.mark.parametrize(
    ("percentile", "usd"), [(80, 5.0), (50, 4.0), (81, 6.0), (95, 6.0), (95.1, 7.0), (100, 7.0)]
)
def test_a_percentile_counts_hours_not_steps(percentile: float, usd: float) -> None:
    found = only(HUNDRED, LIST, stored_row(3.0), spot_price_percentile=percentile)
    assert float(found.expected_usd_per_hour) == usd
    assert (found.price_basis, found.history_days) == ("percentile", 4.2)


def test_the_hours_since_the_newest_step_count_at_the_quote_where_it_is_higher() -> None:
    # Half of the time since then: a quote of 8 is the 80th percentile, and one of 3 leaves the step's 4.
    assert only(HUNDRED, LIST, stored_row(8.0)).expected_usd_per_hour == 8
    assert only(HUNDRED, LIST, stored_row(4.5)).expected_usd_per_hour == 5
    assert only(HUNDRED, LIST, stored_row(4.5), spot_price_percentile=50).expected_usd_per_hour == Decimal(
        "4.5"
    )


def test_a_known_past_needs_no_floor_and_an_unknown_one_has_it() -> None:
    cheap = past_of((2.0, 24.0))
    assert only(cheap, LIST, stored_row(1.0)).expected_usd_per_hour == 2
    floor = PlanSpot(expected_usd_per_hour=Decimal("3.5"), price_basis="floor")
    assert only(past_of((2.0, 23.9)), LIST, stored_row(1.0)) == floor
    assert only(past_of((2.0, 24.0), zone="b"), LIST, stored_row(1.0)) == floor
    assert only(SpotPast(), LIST, stored_row(4.0)) == PlanSpot(
        expected_usd_per_hour=Decimal(4), price_basis="quote"
    )


def test_a_price_of_the_users_own_has_no_past() -> None:
    assert only(HUNDRED, LIST, spot_row(4.1)).price_basis == "quote"
    assert only(HUNDRED, LIST, stored_row(4.1, contract="agreed")).price_basis == "quote"


def test_a_pool_whose_past_was_no_cheaper_than_on_demand_is_not_offered() -> None:
    assert spot_of(past_of((10.0, 30.0), (4.0, 3.0)), LIST, stored_row(4.0)) == []


@given(
    held=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=1, max_size=12),
    percentile=st.integers(1, 100),
)
def test_the_percentile_is_that_of_every_hour_written_out(
    held: list[tuple[int, int]], percentile: int
) -> None:
    hours = sorted(usd for usd, length in held for _ in range(length))
    if len(hours) < 24:
        held = [(usd, length * 24) for usd, length in held]
        hours = sorted(usd for usd, length in held for _ in range(length))
    by_hand = hours[-(-percentile * len(hours) // 100) - 1]
    past = past_of(*((float(usd), float(length)) for usd, length in held))
    found = only(past, LIST, stored_row(0.5), spot_price_percentile=percentile)
    assert float(found.expected_usd_per_hour) == by_hand
