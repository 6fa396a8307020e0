"""The formulas of a project's budget, worked by hand in their own units."""

from decimal import Decimal

import pytest

from optimiser.costing.project.amounts import ONE, Range, exactly, in_cents, range_of
from optimiser.costing.project.commitments import Signed, commitments_over
from optimiser.costing.project.fleet_points import FleetPoint, none_dearer_than_more
from optimiser.costing.project.formulas import (
    energy_kwh,
    queries,
    salaries_usd,
    share_of_month,
    storage_usd,
)
from optimiser.costing.project.owned import break_even_by_hour, owned_cost
from optimiser.costing.project.sensitivity import ends_of
from optimiser.costing.project.serving import FleetCurve, volumes_to_plan

D = Decimal


def test_storage_grows_by_the_month() -> None:
    # 2 TB are 2,000 GB at $0.02: $40, and 10 % more in each of two months.
    assert storage_usd(D(2), D("0.02"), D("0.1"), 0) == D("40")
    assert storage_usd(D(2), D("0.02"), D("0.1"), 2) == D("48.4")


def test_energy_of_llama_2_70b_as_its_paper_has_it() -> None:
    # Touvron et al., Llama 2 (arXiv 2307.09288), table 2: 1,720,320 GPU-hours at 400 W; 688 MWh, without PUE.
    assert energy_kwh(D("0.4"), D(1720320), ONE) == D("688128")
    assert energy_kwh(D("0.4"), D(1720320), D("1.1")) == D("756940.8")


def test_queries_of_a_month_of_730_hours() -> None:
    # 1,000 users, 10 % more after a month, 3 queries on each of 730 / 24 days.
    assert queries(D(1000), D("0.1"), 0, D(3)) == D(91250)
    assert queries(D(1000), D("0.1"), 1, D(3)) == D(100375)


def test_salaries_are_paid_by_the_month_with_their_overhead() -> None:
    assert salaries_usd(D(3), D(120000), D("1.4")) == D(42000)


@pytest.mark.parametrize(("month", "share"), [(0, "0"), (1, "1"), (2, "0.5"), (3, "0")])
def test_a_span_of_a_month_and_a_half_covers_its_months(month: int, share: str) -> None:
    assert share_of_month(month, 1, D("1.5")) == D(share)


AMOUNTS = {
    "usd_per_server": D(240000),
    "residual_share": D("0.1"),
    "depreciation_months": D(48),
    "discount_rate_per_year": D(0),
    "kw_per_server": D(10),
    "idle_power_share": D("0.4"),
    "pue": D("1.5"),
    "usd_per_kwh": D("0.1"),
    "hosting_usd_per_kw_month": D(150),
    "staff_usd_per_month": D(1000),
}


def test_what_owned_servers_cost_a_month() -> None:
    owned = owned_cost(AMOUNTS.__getitem__, 2)
    # 2 × 240,000 × 0.9 / 48; 20 kW × 150; 20 kW × 1.5 × 0.1 × 730 h = 2,190, of which 40 % also when idle.
    assert (owned.capital, owned.hosting, owned.staff) == (D(9000), D(3000), D(1000))
    assert (owned.idle_energy, owned.variable) == (D(876), D(1314))
    assert owned.fixed == D(13876)
    assert owned.usd_per_month(D("0.5")) == D(14533)


def test_money_in_owned_servers_costs_what_an_annuity_at_the_cost_of_capital_does() -> None:
    owned = owned_cost((AMOUNTS | {"discount_rate_per_year": D("0.08")}).__getitem__, 2)
    # i = 1.08^(1/12) − 1 = 0.00643403; i / (1 − 1.08^−4) = 0.0242821 of 432,000 = 10,489.86, and i of the 48,000 that
    # they are sold for = 308.83: 10,798.70 a month in all, of which 432,000 / 48 = 9,000 are depreciation.
    assert owned.capital == D(9000)
    assert in_cents(owned.interest) == D("1798.70")
    assert owned.fixed - owned.interest == owned_cost(AMOUNTS.__getitem__, 2).fixed
    # Its present value is what was paid: 48 payments, and the sale at the end.
    monthly, i = float(owned.capital + owned.interest), 1.08 ** (1 / 12) - 1
    paid = sum(monthly / (1 + i) ** month for month in range(1, 49)) + 48000 / 1.08**4
    assert paid == pytest.approx(480000)


def test_the_use_at_which_owning_costs_what_renting_by_the_hour_does() -> None:
    owned = owned_cost(AMOUNTS.__getitem__, 2)
    # 16 GPUs × 730 h × $3 = 35,040 at full use; 13,876 / (35,040 − 1,314).
    even = break_even_by_hour(owned, 16, D(3))
    assert even is not None
    assert even.quantize(D("0.0001")) == D("0.4114")
    assert in_cents(owned.usd_per_month(even)) == in_cents(even * 35040)
    assert break_even_by_hour(owned, 16, D("0.1")) is None  # $1,168 at full use is less than the energy alone


def _points(*costs: tuple[int, int]) -> tuple[FleetPoint, ...]:
    return tuple(
        FleetPoint(
            queries_per_month=D(volume),
            usd_per_month=D(usd),
            usd_per_query=D(usd) / volume,
            fleet=f"{usd}",
            gpus_at_once=8,
            sites=(),
            commitments=(),
            kwh_per_month=usd / 10,
            kg_co2e_per_month=None,
        )
        for volume, usd in costs
    )


def _curve() -> FleetCurve:
    return FleetCurve(
        points=_points((100, 1000), (200, 1200), (400, 2000)),
        low_points=_points((100, 1000), (200, 1240), (400, 1640)),
        high_points=_points((100, 1200), (200, 1400), (400, 1800)),
        confidence=Range(low=D("0.5"), expected=D("0.75"), high=D("0.9")),
        not_planned=(),
        tokens_per_query=D(1000),
        relative_error=0.2,
        oldest_prices=(),
        old_prices=(),
        not_moved=(),
        notes=(),
    )


def test_a_fleet_that_carries_more_for_less_carries_less_too() -> None:
    found = none_dearer_than_more(_points((100, 1000), (200, 1500), (250, 1400), (400, 2000)))
    assert [(point.queries_per_month, point.usd_per_month, point.fleet) for point in found] == [
        (100, 1000, "1000"),
        (200, 1400, "1400"),
        (250, 1400, "1400"),
        (400, 2000, "2000"),
    ]
    assert found[1].usd_per_query == 7


@pytest.mark.parametrize(
    ("asked", "usd"),
    [(50, 1000), (100, 1000), (150, 1100), (200, 1200), (300, 1600), (400, 2000), (500, 2500)],
)
def test_between_two_plans_the_cost_is_on_the_straight_line(asked: int, usd: int) -> None:
    assert _curve().usd_per_month(D(asked)) == usd


def test_each_confidence_has_its_own_line_and_what_carries_at_a_higher_one_carries_at_a_lower() -> None:
    curve = _curve()
    asked = {
        volume: [curve.usd_per_month(D(volume), D(at)) for at in ("0.5", "0.75", "0.9")]
        for volume in (150, 300)
    }
    # At 150 the plans at 0.5 would cost 1,120, above the 1,100 at 0.75; at 300 those at 0.9 no more than those at 0.75.
    assert asked == {150: [1100, 1100, 1300], 300: [1440, 1600, 1600]}


def _signed(*monthly: int, term_months: int = 12) -> list[tuple[Signed, ...]]:
    """Plans of months that pay so much a month of commitments of a term, a tenth of it up front."""
    return [
        (Signed(term_months=term_months, contract_value_usd=value, upfront_usd=value / 10),) if usd else ()
        for usd in monthly
        for value in [D(usd * term_months)]
    ]


@pytest.mark.parametrize(
    ("monthly", "months_beyond", "usd_beyond"),
    [
        ((100, 100, 100), 9, 900),  # signed once, for 12 months
        ((0, 100, 150), 11, 10 * 100 + 11 * 50),  # 50 more in the third month
        ((100,) * 14, 10, 1000),  # again in the thirteenth
        ((150, *(100,) * 12, 100), 10, 1000),  # what is too much is not signed again
        ((100,) * 24, 0, 0),
    ],
)
def test_commitments_are_owed_after_the_last_month_where_their_terms_run_on(
    monthly: tuple[int, ...], months_beyond: int, usd_beyond: int
) -> None:
    months = [f"m{at}" for at in range(len(monthly))]
    found = commitments_over(_signed(*monthly), [D(usd) for usd in monthly], months)
    assert found is not None
    most = max(monthly)
    assert (found.largest_in, found.longest_term_months) == (months[monthly.index(most)], 12)
    assert (found.contract_value_usd, found.upfront_usd) == (12 * most, D(12 * most) / 10)
    assert (found.months_beyond_end, found.usd_beyond_end) == (months_beyond, usd_beyond)


def test_terms_are_owed_each_by_itself_and_nothing_where_nothing_is_signed() -> None:
    both = [short + long for short, long in zip(_signed(10, 10, term_months=3), _signed(5, 5), strict=True)]
    found = commitments_over(both, [D(1), D(2)], ["m0", "m1"])
    assert found is not None
    assert (found.contract_value_usd, found.longest_term_months) == (3 * 10 + 12 * 5, 12)
    assert (found.months_beyond_end, found.usd_beyond_end) == (10, 1 * 10 + 10 * 5)
    # The month that asks most may sign nothing, and the one before run on, a third month at 10.
    found = commitments_over([*_signed(10, term_months=3), ()], [D(1), D(2)], ["m0", "m1"])
    assert found is not None
    assert (found.largest_in, found.contract_value_usd) == ("m1", 0)
    assert (found.longest_term_months, found.months_beyond_end, found.usd_beyond_end) == (3, 1, 10)
    assert commitments_over([(), ()], [D(1), D(2)], ["m0", "m1"]) is None


def test_volumes_are_planned_at_the_ends_and_half_way_where_the_gap_is_widest() -> None:
    months = [D(0), D(100), D(250), D(400)]
    assert volumes_to_plan(months, [D(50), D(900)], 5) == [D(50), D(100), D(200), D(400), D(900)]
    assert volumes_to_plan(months, [D(50), D(900)], 4) == [D(50), D(100), D(400), D(900)]
    # √(400 × 90,000) = 6,000: a factor of 225 is wider than 4, thrice over, which then comes next.
    assert volumes_to_plan(months, [D(90000)], 4) == [D(100), D(400), D(6000), D(90000)]
    assert volumes_to_plan([D(100), D(100)], [D(100), D(101)], 7) == [D(101)]


def test_an_input_without_a_range_is_moved_by_a_fifth_but_not_below_what_can_be() -> None:
    own = Range(low=D(1), expected=D(2), high=D(5))
    assert ends_of("data.tb", own) == own
    assert ends_of("data.tb", exactly(D(10))) == Range(low=D(8), expected=D(10), high=D(12))
    pue = ends_of("training.owned.pue", exactly(D("1.1")))
    assert (pue.low, pue.high) == (D(1), D("1.32"))
    shrinking = ends_of("inference.growth_per_month", exactly(D("-0.1")))
    assert (shrinking.low, shrinking.high) == (D("-0.12"), D("-0.08"))


def test_a_plain_number_is_all_three() -> None:
    assert range_of(2.5, D(0)) == Range(low=D("2.5"), expected=D("2.5"), high=D("2.5"))
    assert range_of({"low": 1, "expected": 2, "high": 2}, D(0)) == Range(low=D(1), expected=D(2), high=D(2))
