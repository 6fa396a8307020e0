"""What spot is planned at: a percentile of its past where that is known, else its quote or the floor."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_cases import case, columns_of, estimate, plan_json, shape
from planning_offers import price_table, spot_row, stored_row

from optimiser.planning.leaves import Solution
from optimiser.planning.options import build_options
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.problem import How, Purchase
from optimiser.planning.rules import TERMS, verify_plan
from optimiser.planning.spot_notes import left_out_notes
from optimiser.policy import Policy
from optimiser.prices.spot_past import NO_PAST, PastPrices, SpotPast
from providers.offer import Offer, Tier

LIST: dict[str, Any] = {}


def past_of(*held: tuple[float, float], zone: str = "a") -> SpotPast:
    """Prices and the hours they held, oldest first, in one pool."""
    usd, hours = np.array(held).T
    return SpotPast(prices={("aws", "us-east-1", zone, "m"): PastPrices(usd, hours)})


def spot_of(past: SpotPast, *rows: dict[str, Any], **policy: object) -> list[Purchase]:
    terms = Policy(**{"spot_replacement_minutes": 0, **policy})  # type: ignore[arg-type]
    found = build_options(
        [estimate("m", 3.0)], {("aws", "m"): shape("m")}, price_table(*rows), terms, past=past
    )
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
    listed: dict[str, Any] = {"on_demand_usd_per_hour": Decimal(10)}
    listed |= {"interruptions_per_hour": 0.1, "interruptions_source": "policy"}
    floor = PlanSpot(expected_usd_per_hour=Decimal("3.5"), price_basis="floor", **listed)
    assert only(past_of((2.0, 23.9)), LIST, stored_row(1.0)) == floor
    assert only(past_of((2.0, 24.0), zone="b"), LIST, stored_row(1.0)) == floor
    assert only(SpotPast(), LIST, stored_row(4.0)) == PlanSpot(
        expected_usd_per_hour=Decimal(4), price_basis="quote", **listed
    )
    assert only(SpotPast(), stored_row(4.0)).on_demand_usd_per_hour is None


def test_a_price_of_the_users_own_has_no_past() -> None:
    assert only(HUNDRED, LIST, spot_row(4.1)).price_basis == "quote"
    assert only(HUNDRED, LIST, stored_row(4.1, contract="agreed")).price_basis == "quote"


def test_a_pool_whose_past_was_no_cheaper_than_on_demand_is_not_offered() -> None:
    assert spot_of(past_of((10.0, 30.0), (4.0, 3.0)), LIST, stored_row(4.0)) == []


def test_pools_left_out_are_counted_with_the_reason() -> None:
    rows = (LIST, spot_row(9.5, "a"), spot_row(12.0, "b"), spot_row(8.0, "c"), spot_row(7.0, "d"))
    more = [spot_row(8.5, zone) for zone in "efgh"]
    estimates = [estimate("m", 3.0)]
    policy = Policy(spot_max_usd_per_hour=7.5)
    assert left_out_notes(estimates, price_table(*rows, *more), policy, SpotPast()) == (
        "spot is expected to cost more than 7.5 USD an hour (spot_max_usd_per_hour) and is left out for: "
        "m in aws a, m in aws b, m in aws c and 4 more (7 spot pools)",
    )
    assert left_out_notes(estimates, price_table(*rows), Policy(), SpotPast()) == (
        "spot is not cheaper after its risk for: m in aws b (1 spot pool)",
        "spot with its risk is less than 10 % below on demand (spot_min_discount) and is left out for: "
        "m in aws a (1 spot pool)",
    )


def test_what_no_plan_could_take_is_not_counted() -> None:
    dear = (LIST, spot_row(9.5))
    assert left_out_notes([estimate("n", 3.0)], price_table(*dear), Policy(), SpotPast()) == ()
    elsewhere = Policy(regions=("eu-west-1",))
    assert left_out_notes([estimate("m", 3.0)], price_table(*dear), elsewhere, SpotPast()) == ()
    without = Policy(max_spot_share=0.0)
    assert left_out_notes([estimate("m", 3.0)], price_table(*dear), without, SpotPast()) == ()


def bought(past: SpotPast = NO_PAST) -> dict[str, Any]:
    """The JSON of a plan of one unit on demand and two on spot, at their floor of 3.5 beside 10 on demand."""
    shapes = {("aws", "m"): shape("m")}
    options = build_options(
        [estimate("m", 3.0)], shapes, price_table(LIST, stored_row(3.0)), Policy(), past=past
    )
    flat = case([], [3.0])
    subject = replace(flat, problem=replace(flat.problem, options=options), offers=machine_offers())
    solution = Solution(columns_of(subject.problem), np.array([[1, 2]]))
    return plan_json(subject, solution)


def machine_offers() -> dict[str, Offer]:
    place = {"provider": "aws", "region": "us-east-1", "region_kind": "region", "instance_type": "m"}
    dated = {"observed_on": date(2026, 11, 21), "source": "by hand"}
    made = (
        Offer(**place, **dated, zone="", tier=Tier.ON_DEMAND, usd_per_hour=Decimal(10)),
        Offer(**place, **dated, zone="a", tier=Tier.SPOT, usd_per_hour=Decimal(3)),
    )
    table = price_table(LIST, stored_row(3.0))
    return {str(offer_id): one for offer_id, one in zip(table.index, made, strict=True)}


def broken(plan: dict[str, Any]) -> list[str]:
    return [fault for fault in verify_plan(plan) if fault.startswith("pay_for_spot")]


def test_a_plan_that_buys_spot_as_the_policy_says_stands() -> None:
    assert broken(bought()) == []
    assert broken(bought(past_of((2.0, 48.0)))) == []


@pytest.mark.parametrize(
    ("change", "policy", "said"),
    [
        ({"expected_usd_per_hour": "3.6"}, {}, "its parts make 3.756097"),
        ({"available_share": 0.99}, {}, "does not follow from its interruptions"),
        ({}, {"spot_replacement_minutes": 30}, "does not follow from its interruptions"),
        ({"on_demand_usd_per_hour": None}, {}, "its parts make 3.5875"),
        ({}, {"spot_max_usd_per_hour": 3.4}, "above the ceiling of 3.4"),
        ({}, {"spot_min_discount": 0.7}, "not far enough below"),
        ({"on_demand_usd_per_hour": "3.5"}, {"spot_min_discount": 0.0}, "not far enough below"),
        ({}, {"spot_price_floor_share": 0.4}, "below the floor of 4"),
    ],
)
def test_a_plan_that_pays_otherwise_for_spot_is_rejected(
    change: dict[str, str], policy: dict[str, float], said: str
) -> None:
    plan = bought()
    plan["policy"] |= policy
    for offer in plan["offers"]:
        if offer["spot"]:
            offer["spot"] |= change
    assert any(said in fault for fault in broken(plan))


def test_the_limits_in_words() -> None:
    said = TERMS["pay_for_spot"].limit
    meanwhile = "interrupted spot paid on demand meanwhile"
    assert said(Policy()) == f"spot at least 10 % below on demand, {meanwhile}"
    capped = Policy(spot_min_discount=0, spot_max_usd_per_hour=4.5)
    assert said(capped) == f"spot at most 4.5 USD an hour, {meanwhile}"
    assert said(Policy(spot_min_discount=0, spot_replacement_minutes=0)) == ""


@settings(max_examples=40)
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
    found = only(past, LIST, stored_row(0.5), spot_price_percentile=percentile, spot_min_discount=0)
    assert float(found.expected_usd_per_hour) == by_hand
