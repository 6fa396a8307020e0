"""enough_offers, every_scope_answered, one_price_per_key, no_test_double, clock_not_behind: at their thresholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from refresh_doubles import NIGHT, ON_DEMAND, SHAPES, SPOT, missing, offer, prices, shape

from optimiser.prices.checks import CHECKS, Evidence
from optimiser.prices.refreshed import Finding, ScopePrices, Severity
from providers.fetch import Scope

EAST, WEST, SOUTH = (Scope("aws", region, ON_DEMAND) for region in ("us-east-1", "us-west-2", "sa-east-1"))
MANY = {("aws", f"t{number}"): shape("aws", f"t{number}", "L4", 1) for number in range(100)}


def listed(scope: Scope, count: int) -> ScopePrices:
    return prices(scope, [offer(scope, f"t{number}", "1") for number in range(count)])


def found(check: str, now: list[ScopePrices], before: list[ScopePrices], **fields: Any) -> list[Finding]:
    evidence = Evidence(
        provider="aws",
        now=NIGHT,
        tiers=(ON_DEMAND,),
        candidate={one.scope: one for one in now},
        last_good={one.scope: one for one in before},
        **{"shapes": MANY, **fields},
    )
    return list(CHECKS[check](evidence))


def held(findings: list[Finding]) -> list[Scope]:
    return [finding.scope for finding in findings if finding.holds]


def test_ninety_percent_of_the_offers_are_enough_and_one_fewer_is_not() -> None:
    before = [listed(EAST, 60), listed(WEST, 40)]
    assert not found("enough_offers", [listed(EAST, 50), listed(WEST, 40)], before)
    (finding,) = found("enough_offers", [listed(EAST, 49), listed(WEST, 40)], before)
    assert finding.holds
    assert finding.id == "enough_offers:aws/us-east-1/on_demand@49"
    assert finding.message == "49 offers, where 60 are in force; in the whole tier 89 of 100"


def test_only_the_scopes_that_lost_some_are_held() -> None:
    before = [listed(EAST, 30), listed(WEST, 30), listed(SOUTH, 30)]
    now = [listed(EAST, 20), listed(WEST, 30), listed(SOUTH, 29)]
    assert held(found("enough_offers", now, before)) == [EAST, SOUTH]


def test_scopes_not_fetched_now_and_scopes_new_now_do_not_count() -> None:
    before = [listed(EAST, 10), listed(WEST, 90)]
    assert not found("enough_offers", [listed(EAST, 10), listed(SOUTH, 50)], before)


@pytest.mark.parametrize(
    ("before", "now", "is_held"), [(10, 5, False), (10, 4, True), (3, 1, True), (1, 0, False), (2, 0, True)]
)
def test_one_scope_may_lose_half_of_its_offers_and_any_scope_a_single_one(
    before: int, now: int, is_held: bool
) -> None:
    rest = listed(WEST, 100)
    findings = found("enough_offers", [listed(EAST, now), rest], [listed(EAST, before), rest])
    assert held(findings) == ([EAST] if is_held else [])


def test_half_as_many_again_is_usual_and_more_is_a_warning_for_the_tier() -> None:
    before = [listed(EAST, 40)]
    assert not found("enough_offers", [listed(EAST, 60)], before)
    (finding,) = found("enough_offers", [listed(EAST, 61)], before)
    assert (finding.severity, finding.id) == (Severity.WARN, "enough_offers:aws/*/on_demand")


def test_a_type_taken_out_of_the_config_is_no_loss() -> None:
    kept = {key: one for key, one in MANY.items() if key[1] in ("t0", "t1", "t2")}
    assert not found("enough_offers", [listed(EAST, 3)], [listed(EAST, 50)], shapes=kept)


def test_capacity_blocks_come_and_go() -> None:
    blocks = [offer(EAST, f"t{number}", "9", market="capacity_block") for number in range(20)]
    before = prices(EAST, [*listed(EAST, 3).offers, *blocks])
    assert not found("enough_offers", [listed(EAST, 3)], [before])


def test_what_is_always_sold_must_be_there_on_a_first_run_too() -> None:
    sold = {("aws", "us-east-1", "t7", ON_DEMAND), ("aws", "eu-west-1", "t7", ON_DEMAND)}
    assert not found("enough_offers", [listed(EAST, 8)], [], always_sold=sold)
    (finding,) = found("enough_offers", [listed(EAST, 7)], [], always_sold=sold)
    assert finding.holds
    assert finding.id == "enough_offers:aws/us-east-1/on_demand/t7"


def test_a_missing_does_not_stand_for_what_is_always_sold() -> None:
    now = prices(EAST, [offer(EAST, "t1", "1")], absent=[missing(EAST, "t7")])
    sold = [("aws", "us-east-1", "t7", ON_DEMAND)]
    assert held(found("enough_offers", [now], [], always_sold=sold)) == [EAST]


def test_a_region_in_force_that_is_neither_covered_nor_failed_is_held() -> None:
    before = [listed(EAST, 3), listed(WEST, 3), listed(SOUTH, 3)]
    expected = {EAST, WEST, SOUTH}
    findings = found("every_scope_answered", [listed(EAST, 3)], before, expected=expected, failed={WEST})
    assert held(findings) == [SOUTH]
    assert "2026-11-21 02:00 UTC" in findings[0].message
    every = [listed(EAST, 3), listed(WEST, 3), listed(SOUTH, 3)]
    assert not found("every_scope_answered", every, before, expected=expected)


def test_two_prices_under_one_key_hold_the_scope() -> None:
    assert not found("one_price_per_key", [listed(EAST, 5)], [])
    twice = prices(EAST, [offer(EAST, "t1", "1.5"), offer(EAST, "t1", "1.25"), offer(EAST, "t2", "1")])
    (finding,) = found("one_price_per_key", [twice], [])
    assert (finding.holds, finding.subject) == (True, "t1")
    assert finding.message == "has two prices: 1.5 and 1.25 USD/h all in"


def test_the_same_price_twice_is_still_two() -> None:
    same = offer(
        EAST,
        "t1",
        "1",
        kind="reserved_instance",
        term_months=12,
        payment="all_upfront",
        upfront_usd=Decimal(9),
    )
    assert held(found("one_price_per_key", [prices(EAST, [same, replace(same)])], [])) == [EAST]
    assert not found("one_price_per_key", [prices(EAST, [same])], [])


def test_missing_twice_holds_the_scope() -> None:
    absent = [missing(EAST, "t1"), missing(EAST, "t1", "another reason")]
    assert held(found("one_price_per_key", [prices(EAST, [], absent=absent)], [])) == [EAST]
    assert not found("one_price_per_key", [prices(EAST, [], absent=absent[:1])], [])


@pytest.mark.parametrize(
    ("usd", "day", "is_held"),
    [
        ("0.00001", date(2026, 11, 21), True),
        ("0.000010", date(2026, 11, 21), True),
        ("0.00002", date(2026, 11, 21), False),
        ("1", date(2006, 1, 2), True),
        ("1", date(2019, 12, 31), True),
        ("1", date(2020, 1, 1), False),
    ],
)
def test_a_price_of_the_usual_stand_in_for_aws_holds_the_scope(usd: str, day: date, is_held: bool) -> None:
    scope = Scope("aws", "us-east-1", SPOT)
    one = offer(scope, "g6.xlarge", usd, zone="use1-az1", observed_on=day)
    findings = found("no_test_double", [prices(scope, [one])], [], shapes=SHAPES)
    assert held(findings) == ([scope] if is_held else [])


def test_a_whole_answer_of_2006_is_held_though_it_is_empty() -> None:
    old = prices(EAST, [], at=NIGHT.replace(year=2006))
    assert held(found("no_test_double", [old], [])) == [EAST]


def behind(now: datetime, in_force: datetime) -> list[Scope]:
    evidence = Evidence(
        provider="aws",
        now=now,
        tiers=(ON_DEMAND,),
        candidate={scope: prices(scope, [], at=now) for scope in (EAST, WEST)},
        last_good={SOUTH: prices(SOUTH, [], at=in_force)},
    )
    return held(list(CHECKS["clock_not_behind"](evidence)))


def test_a_clock_five_minutes_behind_is_borne_and_further_behind_holds_all() -> None:
    assert behind(NIGHT, NIGHT - timedelta(days=1)) == []
    assert behind(NIGHT, NIGHT + timedelta(minutes=5)) == []
    assert behind(NIGHT, NIGHT + timedelta(minutes=5, seconds=1)) == [EAST, WEST]


def test_a_type_that_loses_its_price_is_named_with_its_regions_and_holds_nothing() -> None:
    before = [listed(EAST, 3), listed(WEST, 3), listed(SOUTH, 2)]
    (finding,) = found("no_type_gone", [listed(EAST, 2), listed(WEST, 2), listed(SOUTH, 2)], before)
    assert (finding.id, finding.holds) == ("no_type_gone:aws/*/on_demand/t2", False)
    assert finding.message == "no price any more in 2 regions that had one: us-east-1, us-west-2"
    kept = {key: one for key, one in MANY.items() if key[1] != "t2"}
    assert not found("no_type_gone", [listed(EAST, 2)], before, shapes=kept)
    risky = Scope("aws", "us-east-1", SPOT)
    assert not found("no_type_gone", [listed(risky, 1)], [listed(risky, 9)])
