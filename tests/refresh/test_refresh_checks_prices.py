"""no_price_jump, price_in_band, spot_not_above_on_demand, longer_terms_not_dearer, and the two on hardware."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refresh_doubles import NIGHT, ON_DEMAND, RESERVED, SHAPES, SPOT, offer, prices, year

from optimiser.prices.checks import CHECKS, Evidence
from optimiser.prices.refreshed import Finding, ScopePrices, Severity
from providers.fetch import Scope, SeenShape
from providers.offer import Offer

LISTED, RISKY, COMMITTED = (Scope("aws", "us-east-1", tier) for tier in (ON_DEMAND, SPOT, RESERVED))
POOL = {"zone": "use1-az1"}


def found(
    check: str, now: list[ScopePrices], before: list[ScopePrices] | None = None, **fields: Any
) -> list[Finding]:
    evidence = Evidence(
        provider="aws",
        now=NIGHT,
        tiers=(ON_DEMAND,),
        candidate={one.scope: one for one in now},
        last_good={one.scope: one for one in before or []},
        **{"shapes": SHAPES, **fields},
    )
    return list(CHECKS[check](evidence))


def step(scope: Scope, old: str, new: str, **fields: Any) -> list[Finding]:
    before, now = (prices(scope, [offer(scope, "p5.48xlarge", usd, **fields)]) for usd in (old, new))
    return found("no_price_jump", [now], [before])


def test_the_cut_of_june_2025_is_held_with_old_new_and_percent() -> None:
    (finding,) = step(LISTED, "98.32", "55.04")
    assert finding.holds
    assert finding.id == "no_price_jump:aws/us-east-1/on_demand/p5.48xlarge@55.04"
    assert finding.message == "98.32 → 55.04 USD/h all in (-44.0 %)"


@pytest.mark.parametrize(
    ("new", "is_held"), [("130", False), ("130.01", True), ("70", False), ("69.99", True)]
)
def test_a_list_price_may_move_by_thirty_percent_either_way(new: str, is_held: bool) -> None:
    assert bool(step(LISTED, "100", new)) is is_held


@pytest.mark.parametrize(("new", "is_held"), [("40", False), ("40.01", True), ("2.5", False), ("2.49", True)])
def test_spot_may_move_fourfold_either_way(new: str, is_held: bool) -> None:
    findings = step(RISKY, "10", new, **POOL)
    assert [finding.subject for finding in findings] == (["use1-az1/p5.48xlarge"] if is_held else [])


def crept(old: str, new: str, *recent: str, **fields: Any) -> list[Finding]:
    in_force, now = (prices(LISTED, [offer(LISTED, "p5.48xlarge", usd, **fields)]) for usd in (old, new))
    cost = {now.offers[0].offer_id: [Decimal(usd) for usd in recent]}
    return found("no_price_jump", [now], [in_force], recent=cost)


def test_small_steps_of_a_week_add_up() -> None:
    (finding,) = crept("60", "50", "98.32", "75")
    assert (finding.holds, finding.message) == (True, "98.32 → 50 USD/h all in (-49.1 % in a week)")
    assert not crept("60", "50", "71", "60")


def test_a_rise_after_a_fall_is_held_against_the_lowest_of_the_week() -> None:
    (finding,) = crept("60", "70", "75", "50")
    assert finding.message == "50 → 70 USD/h all in (+40.0 % in a week)"


def test_a_price_that_stands_is_not_held_for_what_it_was() -> None:
    assert not crept("55.04", "55.04", "98.32")


def test_what_comes_back_is_compared_with_what_it_was() -> None:
    empty = prices(LISTED, [])
    back = prices(LISTED, [offer(LISTED, "p5.48xlarge", "983.2")])
    known = {back.offers[0].offer_id: [Decimal("98.32")]}
    (finding,) = found("no_price_jump", [back], [empty], recent=known)
    assert finding.holds
    assert finding.message == "98.32 → 983.2 USD/h all in (+900.0 % since it was last on sale)"


def test_a_price_that_moves_by_itself_is_acknowledged_whatever_it_is_tomorrow() -> None:
    (finding,) = step(RISKY, "10", "41", **POOL)
    assert finding.id == "no_price_jump:aws/us-east-1/spot/use1-az1/p5.48xlarge"


def test_a_capacity_block_moves_as_spot_does() -> None:
    assert not step(LISTED, "10", "40", market="capacity_block")
    assert step(LISTED, "10", "41", market="capacity_block")


def test_a_commitment_is_compared_all_in() -> None:
    """447 USD up front and 0.051 an hour for a year are 0.10203 an hour; 0.10203 an hour alone is no step."""
    terms = {"kind": "reserved_instance", "term_months": 12, "payment": "partial_upfront"}
    paid = offer(COMMITTED, "g6.xlarge", "0.051", upfront_usd=Decimal(447), **terms)
    same = offer(COMMITTED, "g6.xlarge", "0.0765137", upfront_usd=Decimal("223.5"), **terms)
    assert not found("no_price_jump", [prices(COMMITTED, [same])], [prices(COMMITTED, [paid])])
    dearer = offer(COMMITTED, "g6.xlarge", "0.082", upfront_usd=Decimal(447), **terms)  # + 30.4 %
    (finding,) = found("no_price_jump", [prices(COMMITTED, [dearer])], [prices(COMMITTED, [paid])])
    assert finding.subject == "g6.xlarge/reserved_instance/12m/partial_upfront"


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_step_is_held_both_ways_or_not_at_all_for_spot(one: int, other: int) -> None:
    there = step(RISKY, str(Decimal(one) / 1000), str(Decimal(other) / 1000), **POOL)
    back = step(RISKY, str(Decimal(other) / 1000), str(Decimal(one) / 1000), **POOL)
    assert bool(there) == bool(back) == (max(one, other) > 4 * min(one, other))


def test_a_new_offer_and_another_zone_are_no_step() -> None:
    before = prices(RISKY, [offer(RISKY, "p5.48xlarge", "10", zone="use1-az1")])
    now = prices(
        RISKY, [offer(RISKY, "p5.48xlarge", "90", zone="use1-az2"), offer(RISKY, "g6.xlarge", "1", **POOL)]
    )
    assert not found("no_price_jump", [now], [before])


@pytest.mark.parametrize(
    ("usd", "is_held"), [("0.05", False), ("0.0499", True), ("60", False), ("60.01", True)]
)
def test_a_gpu_hour_costs_from_five_cents_to_sixty_dollars(usd: str, is_held: bool) -> None:
    findings = found("price_in_band", [prices(LISTED, [offer(LISTED, "g6.xlarge", usd)])])
    assert [finding.scope for finding in findings] == ([LISTED] if is_held else [])


@pytest.mark.parametrize(("regions", "held"), [(2, 2), (3, 0)])
def test_three_prices_of_a_type_tell_what_is_usual_for_it_and_two_do_not(regions: int, held: int) -> None:
    """At 6 USD per L4 and hour, where seven others cost 0.80: a dear type of its own, or wrong rows?"""
    dear = replace(SHAPES["aws", "g6.xlarge"], instance_type="g6.dear")
    places = [Scope("aws", f"region-{number}", ON_DEMAND) for number in range(7)]
    now = [
        prices(
            place,
            [offer(place, "g6.xlarge", "0.80"), *([offer(place, "g6.dear", "6")] if at < regions else [])],
        )
        for at, place in enumerate(places)
    ]
    findings = found("price_in_band", now, shapes={**SHAPES, ("aws", "g6.dear"): dear})
    assert [finding.subject for finding in findings] == ["g6.dear"] * held


def test_the_band_is_per_gpu() -> None:
    assert not found("price_in_band", [prices(LISTED, [offer(LISTED, "p5.48xlarge", "480")])])
    assert found("price_in_band", [prices(LISTED, [offer(LISTED, "p5.48xlarge", "480.08")])])


def test_a_reservation_not_divided_by_its_term_is_held() -> None:
    """Azure gives the price of the whole year, 551,221 USD, beside a unit that says one hour."""
    undivided = year(COMMITTED, "p5.48xlarge", "551221.0")
    assert found("price_in_band", [prices(COMMITTED, [undivided])])
    divided = offer(
        COMMITTED,
        "p5.48xlarge",
        "0",
        upfront_usd=Decimal(551221),
        kind="reserved_instance",
        term_months=12,
        payment="all_upfront",
    )
    assert not found("price_in_band", [prices(COMMITTED, [divided])])


def in_regions(instance_type: str, *usd: str) -> list[ScopePrices]:
    scopes = [Scope("aws", f"region-{number}", ON_DEMAND) for number in range(len(usd))]
    return [prices(scope, [offer(scope, instance_type, one)]) for scope, one in zip(scopes, usd, strict=True)]


def test_sixfold_off_the_median_of_its_type_is_borne_and_more_holds_that_region() -> None:
    assert not found("price_in_band", in_regions("g6.xlarge", "1", "1", "1", "6", "0.1667"))
    findings = found("price_in_band", in_regions("g6.xlarge", "1", "1", "1", "6.01", "0.1666"))
    assert [finding.scope.region for finding in findings] == ["region-3", "region-4"]
    assert findings[0].message == "6.01 USD per GPU-hour, where 1 is usual"


def test_the_spread_of_azures_regions_is_within_the_band() -> None:
    assert not found("price_in_band", in_regions("p5.48xlarge", "98.32", "98.32", "110", "186.61"))


def test_a_type_with_few_prices_is_measured_by_its_gpu() -> None:
    both = {**SHAPES, ("aws", "g6.big"): SHAPES["aws", "g6.xlarge"]}
    rare = prices(LISTED, [offer(LISTED, "g6.big", "7")])
    others = in_regions("g6.xlarge", "1", "1", "1", "1")
    assert [one.subject for one in found("price_in_band", [rare, *others], shapes=both)] == ["g6.big"]


def test_a_first_price_is_compared_with_the_embedded_snapshot() -> None:
    usual = {("on_demand", "p5.48xlarge"): Decimal("66"), ("spot", "p5.48xlarge"): Decimal("20")}

    def held(scope: Scope, usd: str, last_good: list[ScopePrices] | None = None) -> bool:
        offers = [prices(scope, [offer(scope, "p5.48xlarge", usd, zone="a" if scope.tier is SPOT else "")])]
        return bool(found("price_in_band", offers, last_good, reference_usd=usual))

    assert [held(LISTED, usd) for usd in ("1.32", "21.9", "22", "198", "198.1")] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert [held(RISKY, usd) for usd in ("3.3", "3.4", "120", "121")] == [True, False, False, True]
    before = prices(LISTED, [offer(LISTED, "p5.48xlarge", "21.9")])
    assert not held(LISTED, "21.9", [before])


def test_one_region_alone_is_measured_by_the_prices_in_force_elsewhere() -> None:
    dear = prices(LISTED, [offer(LISTED, "g6.xlarge", "7")])
    assert not found("price_in_band", [dear])
    assert found("price_in_band", [dear], in_regions("g6.xlarge", "1", "1", "1"))


def spot_of(*usd: str) -> ScopePrices:
    return prices(
        RISKY,
        [offer(RISKY, "p5.48xlarge", one, zone=f"use1-az{number}") for number, one in enumerate(usd)],
    )


def test_spot_may_cost_five_percent_more_than_on_demand_and_no_more() -> None:
    listed = prices(LISTED, [offer(LISTED, "p5.48xlarge", "100")])
    assert not found("spot_not_above_on_demand", [spot_of("105"), listed])
    findings = found("spot_not_above_on_demand", [spot_of("105.01", "1", "1", "1"), listed])
    assert [(one.severity, one.subject) for one in findings] == [(Severity.WARN, "use1-az0/p5.48xlarge")]


def test_a_quarter_of_a_scopes_spot_above_on_demand_is_borne_and_more_holds_it() -> None:
    listed = prices(LISTED, [offer(LISTED, "p5.48xlarge", "100")])
    quarter = spot_of("106", "1", "1", "1", "106", "1", "1", "1")
    assert not any(one.holds for one in found("spot_not_above_on_demand", [quarter, listed]))
    findings = found("spot_not_above_on_demand", [spot_of("106", "1", "1"), listed])
    assert [one.id for one in findings if one.holds] == ["spot_not_above_on_demand:aws/us-east-1/spot"]


def test_an_hourly_spot_refresh_is_compared_with_the_list_price_in_force() -> None:
    listed = prices(LISTED, [offer(LISTED, "p5.48xlarge", "100")])
    assert any(one.holds for one in found("spot_not_above_on_demand", [spot_of("200")], [listed]))
    assert not found("spot_not_above_on_demand", [spot_of("200")])
    contract = prices(LISTED, [offer(LISTED, "p5.48xlarge", "100", contract="edp")])
    assert not found("spot_not_above_on_demand", [spot_of("200")], [contract])


def terms(*offers: Offer) -> list[str]:
    listed = prices(LISTED, [offer(LISTED, "p5.48xlarge", "100")])
    findings = found("longer_terms_not_dearer", [prices(COMMITTED, offers), listed])
    assert all(finding.severity is Severity.WARN for finding in findings)
    return [finding.subject for finding in findings]


def test_three_years_dearer_than_one_are_a_warning() -> None:
    one = year(COMMITTED, "p5.48xlarge", "60")
    assert terms(one, year(COMMITTED, "p5.48xlarge", "60", months=36)) == []
    dearer = year(COMMITTED, "p5.48xlarge", "60.01", months=36)
    assert terms(dearer, one) == ["p5.48xlarge/reserved_instance/36m/no_upfront"]


def test_another_class_or_payment_is_not_compared() -> None:
    convertible = year(COMMITTED, "p5.48xlarge", "70", months=36, kind="reserved_instance_convertible")
    assert terms(year(COMMITTED, "p5.48xlarge", "60"), convertible) == []


def test_a_commitment_no_cheaper_than_on_demand_is_a_warning() -> None:
    assert terms(year(COMMITTED, "p5.48xlarge", "99.99")) == []
    assert terms(year(COMMITTED, "p5.48xlarge", "100")) == ["p5.48xlarge/reserved_instance/12m/no_upfront"]


def seen(**fields: Any) -> SeenShape:
    known = {"gpu_count": 8, "gpu_name": "H100", "gpu_memory_mib": 80000, "vcpus": 96, "memory_gib": 1000.0}
    return SeenShape(provider="aws", instance_type="p5.48xlarge", **{**known, **fields})


def machine(**fields: Any) -> list[str]:
    findings = found(
        "hardware_matches_config", [], seen_shapes=[seen(**fields)], gpu_memory_mib={"H100": 80000}
    )
    assert all(finding.severity is Severity.WARN for finding in findings)
    return [finding.message for finding in findings]


@pytest.mark.parametrize("name", ["gpu_count", "gpu_memory_mib", "vcpus", "memory_gib"])
def test_what_the_api_does_not_say_is_no_finding(name: str) -> None:
    assert machine(**{name: None}) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, None),
        ({"memory_gib": 1100.0}, None),
        ({"memory_gib": 1101.0}, "1,101 GiB of memory by the API, 1,000 in config"),
        ({"vcpus": 86}, "86 vCPUs by the API, 96 in config"),
        ({"gpu_count": 12}, "12 GPUs by the API, 8 in config"),
        ({"gpu_memory_mib": 640000}, "640,000 MiB on each GPU by the API, 80,000 in config"),
        ({"gpu_count": 0}, "0 GPUs by the API, 8 in config"),
    ],
)
def test_hardware_off_by_more_than_a_tenth_is_named(fields: dict[str, Any], message: str | None) -> None:
    assert machine(**fields) == ([] if message is None else [message])


def test_an_instance_type_without_a_shape_is_not_compared() -> None:
    other = SeenShape(
        provider="aws",
        instance_type="g6f.large",
        gpu_count=0,
        gpu_name="L4",
        gpu_memory_mib=None,
        vcpus=2,
        memory_gib=8,
    )
    assert not found("hardware_matches_config", [], seen_shapes=[other])


def test_unknown_gpu_instances_are_one_warning_that_names_them_all() -> None:
    assert not found("unknown_gpu_instances", [])
    (finding,) = found("unknown_gpu_instances", [], unknown_gpu_types=["z9.large", "g8.xlarge", "g8.xlarge"])
    assert finding.severity is Severity.WARN
    assert finding.message.endswith("config/instances: g8.xlarge, z9.large")
    assert finding.message.startswith("2 GPU instance types")
