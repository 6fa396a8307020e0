"""Estimates joined with prices: what may be bought, how, and at which price."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_cases import estimate, shape
from planning_offers import price_table, reserved_row, spot_row

from optimiser.planning.options import build_options, four_digits_down
from optimiser.planning.problem import How, Option
from optimiser.planning.start_up import StartUpTimes
from optimiser.policy import Overheads, Policy
from providers.shape import Obtainability

ONE = estimate("m", 3.0)
LIST: dict[str, Any] = {}


def options_of(
    *rows: dict[str, Any], obtainability: Obtainability = Obtainability.ELASTIC, **policy: object
) -> list[Option]:
    shapes = {("aws", "m"): shape("m", obtainability=obtainability)}
    terms = Policy(**{"spot_replacement_minutes": 0, **policy})  # type: ignore[arg-type]
    return list(build_options([ONE], shapes, price_table(*rows), terms))


def ways(options: list[Option]) -> dict[tuple[How, str], float]:
    """USD per unit-hour billed, by way of paying and offer."""
    return {(p.how, p.offer_id): p.billed for option in options for p in option.purchases}


def prices(options: list[Option], how: How) -> list[float]:
    return sorted(p.billed for option in options for p in option.purchases if p.how is how)


def prices_weighed(options: list[Option], how: How) -> list[float]:
    return sorted(p.usd_per_unit_hour for option in options for p in option.purchases if p.how is how)


def test_a_low_spot_quote_is_planned_at_35_percent_of_on_demand() -> None:
    found = options_of(LIST, spot_row(2.0, "a"), spot_row(4.2, "b"))
    assert prices(found, How.SPOT) == pytest.approx([3.5, 4.2])
    assert prices(options_of(LIST, spot_row(2.0), spot_price_floor_share=0.0), How.SPOT) == [2.0]


def test_spot_as_dear_as_on_demand_is_gone() -> None:
    rows = (LIST, spot_row(10.0, "a"), spot_row(11.0, "b"), spot_row(9.99, "c"))
    assert prices(options_of(*rows, spot_min_discount=0.0), How.SPOT) == [9.99]


def test_spot_that_is_little_cheaper_is_gone() -> None:
    rows = (LIST, spot_row(9.01, "a"), spot_row(9.0, "b"), spot_row(6.5, "c"))
    assert prices(options_of(*rows), How.SPOT) == [6.5, 9.0]
    assert prices(options_of(*rows, spot_min_discount=0.35), How.SPOT) == [6.5]
    assert prices(options_of(*rows, spot_min_discount=1), How.SPOT) == []


def test_spot_above_its_ceiling_is_gone_with_or_without_a_list_price() -> None:
    rows = (spot_row(4.0, "a"), spot_row(4.01, "b"), spot_row(1.0, "c"))
    assert prices(options_of(*rows, spot_max_usd_per_hour=4.0), How.SPOT) == [1.0, 4.0]
    # The last is expected to cost its floor of 3.5.
    assert prices(options_of(LIST, *rows, spot_max_usd_per_hour=3.9), How.SPOT) == [3.5]


def test_spot_without_an_on_demand_price_keeps_its_quote() -> None:
    assert prices(options_of(spot_row(2.0)), How.SPOT) == [2.0]


def test_the_floor_knows_the_on_demand_price_where_that_tier_may_not_be_bought() -> None:
    found = options_of(LIST, spot_row(2.0), reserved_row(6.0), tiers=("spot", "reserved"))
    assert prices(found, How.SPOT) == [3.5]
    assert prices(found, How.HOURLY) == []


def test_every_zone_is_a_pool_of_its_own() -> None:
    found = options_of(LIST, spot_row(4.0, "a"), spot_row(4.0, "b"))
    pools = {p.pool for p in found[0].purchases if p.how is How.SPOT}
    assert len(pools) == 2
    assert {p.pool for p in found[0].purchases if p.how is not How.SPOT} == {""}


@pytest.mark.parametrize(
    ("obtainability", "expected"),
    [
        (Obtainability.ELASTIC, {How.HOURLY, How.COMMITMENT, How.SPOT}),
        (Obtainability.SCARCE, {How.HELD, How.COMMITMENT, How.SPOT}),
        (Obtainability.RESERVATION_ONLY, {How.SPOT}),
        (Obtainability.SPOT_ONLY, {How.SPOT}),
    ],
)
def test_how_a_machine_can_be_had(obtainability: Obtainability, expected: set[How]) -> None:
    rows = (LIST, spot_row(5.0), reserved_row(6.0))
    found = options_of(*rows, obtainability=obtainability)
    assert {p.how for p in found[0].purchases} == expected
    assumed = options_of(*rows, obtainability=obtainability, assume_obtainable=True)
    assert {p.how for p in assumed[0].purchases} == {How.HOURLY, How.COMMITMENT, How.SPOT}


def test_a_machine_without_a_way_to_pay_is_no_option() -> None:
    assert options_of(LIST, obtainability=Obtainability.RESERVATION_ONLY) == []
    assert options_of(LIST, tiers=("reserved",)) == []
    assert options_of(LIST, providers=("gcp",)) == []
    assert options_of(LIST, instance_types=("other",)) == []


def test_terms_and_upfront_money_need_leave() -> None:
    rows = (
        LIST,
        reserved_row(6.0),
        reserved_row(4.0, 36),
        reserved_row(0.0, 12, 43_800.0),
        reserved_row(0.0, 36, 78_840.0),
    )
    assert prices(options_of(*rows), How.COMMITMENT) == [6.0]
    assert prices(options_of(*rows, max_commitment_months=36), How.COMMITMENT) == [4.0]
    assert prices(options_of(*rows, allow_upfront=True), How.COMMITMENT) == pytest.approx([5.0])
    assert prices(
        options_of(*rows, allow_upfront=True, max_commitment_months=36), How.COMMITMENT
    ) == pytest.approx([3.0])
    assert prices(options_of(*rows, max_commitment_months=0), How.COMMITMENT) == []


def test_money_up_front_is_weighed_with_its_interest() -> None:
    # 8 % a year is 0.6434030 % a month. 5 $/h paid ahead for a year: × 12 × 0.006434030 / (1 − 1 / 1.08) = 5.2115645.
    rows = (LIST, reserved_row(0.0, 12, 43_800.0))
    found = options_of(*rows, allow_upfront=True, price_decline_per_year=0.0)
    assert prices(found, How.COMMITMENT) == pytest.approx([5.0])
    assert prices_weighed(found, How.COMMITMENT) == pytest.approx([5.2115645])
    # Three years of 3 $/h: 3 × 36 × 0.006434030 / (1 − 1 / 1.08³) = 3.3704361, over φ(3) = 0.7289776.
    rows = (LIST, reserved_row(0.0, 36, 78_840.0))
    found = options_of(*rows, allow_upfront=True, max_commitment_months=36)
    assert prices_weighed(found, How.COMMITMENT) == pytest.approx([3.3704361 / 0.7289776])


def test_under_a_budget_the_longer_term_that_signs_less_is_kept_beside_the_other() -> None:
    # 9 over one year is weighed at 9 / φ(1) = 10.04, 8 over three at 8 / φ(3) = 10.97 as below.
    rows = (
        LIST,
        reserved_row(9.0),
        reserved_row(8.0, months=36),
        reserved_row(8.5, months=36, kind="convertible"),
    )
    terms: dict[str, Any] = {"max_commitment_months": 36, "price_decline_per_year": 0.2}
    assert prices(options_of(*rows, **terms), How.COMMITMENT) == [9.0]
    assert prices(options_of(*rows, **terms, max_committed_monthly_usd=1e4), How.COMMITMENT) == [8.0, 9.0]


def test_a_limited_contract_stands_beside_the_list_price() -> None:
    found = options_of(LIST, {"contract": "deal", "usd_per_hour": 7.0, "max_instances": 5.0})
    assert {(p.usd_per_unit_hour, p.max_units) for p in found[0].purchases} == {(10.0, None), (7.0, 5)}


def test_an_unlimited_contract_takes_the_place_of_a_dearer_list_price() -> None:
    found = options_of(LIST, {"contract": "deal", "usd_per_hour": 7.0})
    assert [(p.usd_per_unit_hour, p.max_units) for p in found[0].purchases] == [(7.0, None)]


def group(size: int, rate: float = 2.0) -> Any:
    return estimate("m", rate, instances_per_unit=size)


def test_a_group_is_paid_whole_and_gets_no_spot_without_leave() -> None:
    shapes = {("aws", "m"): shape("m")}
    table = price_table(LIST, spot_row(4.0), {"contract": "deal", "usd_per_hour": 7.0, "max_instances": 5.0})
    (found,) = build_options([group(2)], shapes, table, Policy())
    assert {(p.how, p.usd_per_unit_hour, p.max_units) for p in found.purchases} == {
        (How.HOURLY, 20.0, None),
        (How.HOURLY, 14.0, 2),
    }
    (on_spot,) = build_options(
        [group(2)], shapes, table, Policy(spot_for_groups=True, spot_replacement_minutes=0)
    )
    assert prices([on_spot], How.SPOT) == [8.0]


def test_two_sizes_of_group_are_two_options_and_share_no_limited_offer() -> None:
    shapes = {("aws", "m"): shape("m")}
    table = price_table(LIST, {"contract": "deal", "usd_per_hour": 7.0, "max_instances": 8.0})
    found = build_options([group(2, 2.0), group(4, 5.0)], shapes, table, Policy())
    assert len({option.id for option in found}) == 2
    assert len({p.id for option in found for p in option.purchases}) == 3
    assert sum(1 for option in found for p in option.purchases if p.max_units is not None) == 1


def test_overheads_per_node_are_in_the_price_of_every_node() -> None:
    shapes = {("aws", "m"): shape("m")}
    policy = Policy(overheads=Overheads(usd_per_node_hour=0.5))
    (found,) = build_options([group(2)], shapes, price_table(LIST, reserved_row(6.0)), policy)
    assert {(p.how, p.billed) for p in found.purchases} == {(How.HOURLY, 21.0), (How.COMMITMENT, 13.0)}
    # What a node needs beside its price gets no cheaper: 2 × (6 / 0.8962840 + 0.5), as the mean of a year at − 20 %.
    assert prices_weighed([found], How.COMMITMENT) == pytest.approx([14.388613])


def test_of_two_terms_the_one_that_is_cheaper_against_falling_prices_is_kept() -> None:
    rows = (LIST, reserved_row(6.0), reserved_row(5.0, 36))
    # φ(1) = 0.2 / −ln 0.8 = 0.8962840, φ(3) = 0.488 / −3 ln 0.8 = 0.7289776: 6.694 against 6.859 an hour.
    found = options_of(*rows, max_commitment_months=36)
    assert (prices(found, How.COMMITMENT), prices_weighed(found, How.COMMITMENT)) == (
        [6.0],
        [pytest.approx(6.694307)],
    )
    still = options_of(*rows, max_commitment_months=36, price_decline_per_year=0.0)
    assert prices(still, How.COMMITMENT) == prices_weighed(still, How.COMMITMENT) == [5.0]


@pytest.mark.parametrize(
    ("rate", "margin", "planned"),
    [(12.34567, 0.0, 12.34), (0.0123456, 0.0, 0.01234), (98765.0, 0.0, 98760.0), (10.0, 0.5, 5.0)],
)
def test_the_rate_is_the_estimate_less_the_margin_rounded_down(
    rate: float, margin: float, planned: float
) -> None:
    found = planned_option(rate, error=0.1, performance_margin=margin)
    assert (found.rate_rps, found.margin) == (planned, margin)
    assert found.bucket_rates_rps == (3.0 * (1 - margin),)


@pytest.mark.parametrize(
    ("error", "confidence", "planned", "margin"),
    [
        # 12.34567 / 1.25 = 9.876536: three in four are at least 1 / (1 + m) of their estimate.
        (0.25, 0.75, 9.876, 0.2),
        # log2(1 / (2 × 0.125)) = 2: 12.34567 / 1.25² = 7.9012288.
        (0.25, 0.875, 7.901, 0.36),
        # 2^(−log2 5) = 1 / 5: 12.34567 / 5 = 2.469134.
        (1.0, 0.9, 2.469, 0.8),
        (0.25, 0.5, 12.34, 0.0),
        (0.0, 0.9, 12.34, 0.0),
    ],
)
def test_without_a_margin_the_rate_is_the_estimates_lower_bound_at_the_confidence(
    error: float, confidence: float, planned: float, margin: float
) -> None:
    found = planned_option(12.34567, error, performance_confidence=confidence)
    assert found.rate_rps == planned
    assert found.margin == pytest.approx(margin, abs=1e-12)
    assert found.bucket_rates_rps == pytest.approx((3.0 * (1 - margin),), rel=1e-12)


@settings(max_examples=40)
@given(rate=st.floats(1e-3, 1e5), error=st.floats(0, 0.6), confidence=st.floats(0.5, 0.999))
def test_any_planned_rate_is_its_estimates_share_to_four_digits(
    rate: float, error: float, confidence: float
) -> None:
    found = planned_option(rate, error, performance_confidence=confidence).rate_rps
    share = (2 * (1 - confidence)) ** math.log2(1 + error)
    fourth_digit = 10.0 ** (math.floor(math.log10(found)) - 3)
    assert rate * share - fourth_digit < found * (1 + 1e-9)
    assert found <= rate * share * (1 + 1e-9)


def planned_option(rate: float, error: float, **policy: object) -> Option:
    made = replace(ONE, requests_per_second=rate, relative_error=error)
    terms = Policy(**policy)  # type: ignore[arg-type]
    (found,) = build_options([made], {("aws", "m"): shape("m")}, price_table(LIST), terms)
    return found


@pytest.mark.parametrize("value", [0.1 + 0.2, 1.0, 9.9999, 0.99999, 1e-7, 123.45, 2.7])
def test_rounding_down_never_adds_and_loses_less_than_a_thousandth(value: float) -> None:
    down = four_digits_down(value)
    assert value * (1 - 1.001e-3) <= down <= value * (1 + 1e-9)
    assert four_digits_down(down) == down


GOVERNMENT = {"region": "us-gov-west-1", "region_kind": "government", "usd_per_hour": 1.0}
LOCAL = {"region": "us-west-2-lax-1", "region_kind": "local_zone", "usd_per_hour": 1.0}
LOCAL_WITHIN = {"region": "us-east-1", "region_kind": "local_zone", "usd_per_hour": 1.0, "contract": "local"}


def regions(options: list[Option]) -> set[tuple[str, str]]:
    return {(option.region, option.region_kind) for option in options}


def test_government_and_local_zones_only_where_named() -> None:
    rows = (LIST, GOVERNMENT, LOCAL, LOCAL_WITHIN)
    usual = {("us-east-1", "region")}
    assert regions(options_of(*rows)) == usual
    assert regions(options_of(*rows, regions=("us-east-1",))) == usual
    assert regions(options_of(*rows, regions=("us-gov-west-1",))) == {("us-gov-west-1", "government")}
    assert regions(options_of(*rows, regions=("us-west-2-lax-1",))) == {("us-west-2-lax-1", "local_zone")}
    kinds = ("region", "government")
    assert regions(options_of(*rows, region_kinds=kinds)) == usual | {("us-gov-west-1", "government")}
    within = options_of(*rows, regions=("us-east-1",), region_kinds=("region", "local_zone"))
    assert regions(within) == usual | {("us-east-1", "local_zone")}


def test_only_the_markets_of_the_policy() -> None:
    rows = (LIST, {"market": "capacity_block", "usd_per_hour": 4.0})
    assert prices(options_of(*rows), How.HOURLY) == [10.0]
    assert prices(options_of(*rows, markets=("standard", "capacity_block")), How.HOURLY) == [4.0]


def test_spot_is_not_offered_where_its_share_is_zero() -> None:
    assert prices(options_of(LIST, spot_row(4.0), max_spot_share=0.0), How.SPOT) == []


def test_options_come_in_the_order_of_their_ids_whatever_the_order_of_prices() -> None:
    rows = [LIST, spot_row(4.0, "b"), spot_row(5.0, "a"), reserved_row(6.0), {"region": "eu-west-1"}]
    there, back = options_of(*rows), options_of(*reversed(rows))
    assert there == back
    assert [option.id for option in there] == sorted(option.id for option in there)


def test_what_takes_longer_to_start_than_is_looked_ahead_is_held_and_has_no_spot() -> None:
    slow = StartUpTimes(
        one_gpu_boot_minutes=50,
        several_gpus_boot_minutes=90,
        image_minutes=6,
        engine_minutes=5,
        source="made by hand",
    )
    shapes, table = {("aws", "m"): shape("m")}, price_table(LIST, spot_row(4.0, "a"))

    def hows(**policy: object) -> set[How]:
        (one,) = build_options([ONE], shapes, table, Policy(**policy), start_up=slow)  # type: ignore[arg-type]
        assert one.start_up_minutes == 61.3  # 50 + 6 + 16 GiB at 1 GB/s: 0.29 + 5
        return {purchase.how for purchase in one.purchases}

    assert hows() == {How.HELD}
    assert hows(start_up_hours=2) == {How.HOURLY, How.SPOT}
    assert hows(start_up_hours=0) == {How.HOURLY, How.SPOT}
