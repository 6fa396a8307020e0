"""The pipeline on the embedded snapshot: what it refuses, what it leaves out, and that its money has one basis."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from optimiser import NoFeasiblePlan, Policy, UsageError, load_book, load_config, load_workload
from optimiser.config import Config
from optimiser.planning.owned import PLANNED_DAYS
from optimiser.planning.plan import Plan
from optimiser.planning.plan_schema import plan_from_json
from optimiser.planning.price_basis import lasting_a_month
from optimiser.prices.discounts import Discount
from optimiser.recommend import Request, recommend
from optimiser.report import renderer
from providers.offer import Tier

DAY = date(2026, 11, 21)
HEADER = "region,instance_type,tier,zone,usd_per_hour,contract,max_instances,valid_until,observed_on,source,provider\n"


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


def plan_of(config: Config, overrides: dict[str, str], more: tuple[Path, ...] = (), **policy: object) -> Plan:
    """Chat with some fields replaced, on the snapshot and further price files."""
    workload = load_workload(config.find_workload("chat-llama-70b"), overrides)
    book = load_book([*config.price_files, *more], config.shapes, DAY)
    terms = Policy.model_validate({"providers": ("aws",), "regions": ("us-east-1",), **policy})
    return recommend(Request(workload=workload, policy=terms, config=config, book=book, as_of=DAY))


def test_requests_longer_than_the_models_context_are_refused(config: Config) -> None:
    sizes = "{prompt_tokens: 16000, output_tokens: 385}"
    with pytest.raises(UsageError, match=r"longest request = 16385: phi-4 supports 16,384 tokens"):
        plan_of(config, {"model": "phi-4", "sizes": sizes})
    fits = plan_of(config, {"model": "phi-4", "sizes": sizes.replace("385", "384"), "target": "null"})
    assert fits.services[0].model == "phi-4"


def test_a_rate_of_next_to_nothing_is_refused(config: Config) -> None:
    with pytest.raises(UsageError, match="next to nothing"):
        plan_of(config, {"demand": "{requests_per_second: 1.0e-300}"})


def test_overheads_enter_the_plan_and_everything_it_is_compared_with(config: Config) -> None:
    given = {"usd_per_node_hour": 2.0, "usd_per_month": 50_000.0, "percent": 10.0}
    plan = plan_of(config, {}, overheads=given)
    total = plan.totals.total_monthly_usd
    for other in (*plan.baselines, *plan.by_provider, *plan.alternatives):
        if other.monthly_usd is not None and other.extra_monthly_usd is not None:
            assert abs(other.monthly_usd - other.extra_monthly_usd - total) <= Decimal("0.02"), other.name
    # A fleet held all week, worked by hand: units × (price + 10 % + 2 USD) × 730 h + 50,000.
    (line,) = next(one for one in plan.baselines if one.name == "single_type_static_peak").fleet
    book = load_book(config.price_files, config.shapes, DAY)
    price = book.offer(f"aws/us-east-1/{line.instance_type}/on_demand").usd_per_hour
    by_hand = line.max_units * (price * Decimal("1.1") + 2) * 730 + 50_000
    stated = next(one for one in plan.baselines if one.name == "single_type_static_peak").monthly_usd
    assert stated == pytest.approx(by_hand, abs=Decimal("0.02"))


def contracts(folder: Path, *rows: str) -> Path:
    path = folder / "contracts.csv"
    path.write_text(HEADER + "".join(f"{row},paper,aws\n" for row in rows), encoding="utf-8")
    return path


def test_a_contract_is_shown_with_its_limit_and_end_and_one_that_ends_too_soon_is_left_out(
    config: Config, tmp_path: Path
) -> None:
    p5 = "us-east-1,p5.48xlarge,on_demand,"
    soon = DAY + timedelta(days=PLANNED_DAYS - 1)
    path = contracts(tmp_path, f"{p5},30,edp,3,2027-06-30,2026-11-01", f"{p5},3,gone,3,{soon},2026-11-01")
    plan = plan_of(config, {}, (path,))
    assert {offer.contract for offer in plan.offers} - {""} == {"edp"}
    assert any(note.endswith("left out: 1 price(s)") for note in plan.notes)
    text = " ".join(renderer("table")(plan).split())
    assert "Contract edp, at most 3 instances, until 2027-06-30." in text


def test_a_price_must_hold_for_the_month_unless_it_is_signed_once() -> None:
    offers = pd.DataFrame(
        {
            "tier": ["on_demand", "on_demand", "reserved", "spot"],
            "valid_until": pd.to_datetime(["2026-12-20", "2026-12-21", "2026-11-30", None]),
        },
        index=["ends", "lasts", "signed", "open"],
    )
    kept, notes = lasting_a_month(offers, DAY)
    assert list(kept.index) == ["lasts", "signed", "open"]
    assert len(notes) == 1
    assert lasting_a_month(kept, DAY)[1] == ()


def test_a_regional_spot_price_is_no_second_pool_beside_its_zones(config: Config, tmp_path: Path) -> None:
    path = contracts(tmp_path, "us-east-1,p5.48xlarge,spot,,15,,,,2026-11-20")
    plan = plan_of(config, {}, (path,), instance_types=("p5.48xlarge",))
    pools = {one.pool for one in plan.purchases if one.how == "spot"}
    assert pools
    assert not any("any zone" in pool for pool in pools)


def test_without_zone_prices_the_regional_one_is_the_pool(config: Config) -> None:
    workload = load_workload(config.find_workload("chat-llama-70b"))
    book = load_book(config.price_files, config.shapes, DAY)
    zoneless = replace(
        book, offers=book.offers[(book.offers["zone"] == "") | (book.offers["tier"] != "spot")]
    )
    row = book.offers[(book.offers["zone"] == "") & (book.offers["tier"] == "spot")]
    place = row[row["instance_type"] == "p4d.24xlarge"].iloc[0]
    terms = Policy(regions=(place["region"],), instance_types=("p4d.24xlarge",))
    plan = recommend(Request(workload=workload, policy=terms, config=config, book=zoneless, as_of=DAY))
    assert any("any zone" in one.pool for one in plan.purchases if one.how == "spot")


def test_a_commitment_breaks_even_against_what_on_demand_really_costs_the_user(config: Config) -> None:
    halved = Discount(name="edp", provider="aws", percent=Decimal(50), tiers=(Tier.ON_DEMAND, Tier.RESERVED))
    workload = load_workload(config.find_workload("chat-llama-70b"))
    terms = Policy.model_validate(
        {"providers": ("aws",), "regions": ("us-east-2",), "instance_types": ("p5.48xlarge",)}
    )
    shares = []
    for discounts in ((), (halved,)):
        book = load_book(config.price_files, config.shapes, DAY, discounts=discounts)
        plan = recommend(Request(workload=workload, policy=terms, config=config, book=book, as_of=DAY))
        shares += [one.commitment.break_even_utilisation for one in plan.purchases if one.commitment]
    # 43.344 / 55.04 with list prices; halving both leaves the share as it is.
    assert shares == [pytest.approx(43.344 / 55.04)] * 2


def test_a_commitment_is_weighed_against_falling_prices_and_billed_at_its_own(config: Config) -> None:
    commitments_only = {"regions": ("us-east-2",), "instance_types": ("p5.48xlarge",), "max_spot_share": 0.0}
    plan = plan_of(config, {}, **commitments_only)
    (signed,) = [one for one in plan.purchases if one.how == "commitment"]
    held = sum(one.monthly_usd for one in plan.purchases if one.how != "commitment")
    # 43.344 $/h for a year, over the mean of a price that falls by a fifth: 0.2 / −ln 0.8 = 0.8962840.
    assert signed.monthly_usd == Decimal("43.344") * 730 * signed.max_units
    assert plan.totals.monthly_usd == pytest.approx(signed.monthly_usd + held, abs=Decimal("0.02"))
    assert plan.bound.plan_usd is not None
    assert float(plan.bound.plan_usd) == pytest.approx(float(signed.monthly_usd) / 0.8962840 + float(held))
    assert plan.bound.gap == pytest.approx(float(plan.bound.plan_usd / plan.bound.value_usd) - 1, abs=1e-6)
    text = " ".join(renderer("table")(plan).split())
    assert "commitments weighed against on-demand prices that fall 20 % a year and not as they are" in text
    still = plan_of(config, {}, price_decline_per_year=0.0, **commitments_only)
    assert still.bound.plan_usd == still.totals.monthly_usd
    assert "weighed" not in renderer("table")(still)


@pytest.mark.parametrize(
    ("decline", "said"),
    [
        (0.2, "price_decline_per_year: 0 and discount_rate_per_year: 0 would show whether there is one"),
        (0.0, "the instances of any plan under this policy"),
    ],
)
def test_a_budget_is_of_what_is_billed(config: Config, decline: float, said: str) -> None:
    only = {"instance_types": ("p5.48xlarge",), "max_monthly_usd": 1000.0}
    with pytest.raises(NoFeasiblePlan, match=said):
        plan_of(config, {}, price_decline_per_year=decline, **only)


def test_no_commitment_brings_what_is_promised_below_a_budget(config: Config) -> None:
    asked = {
        "instance_types": ("p5.48xlarge",),
        "minimum_monthly_usd_by_provider": {"aws": 9000.0, "gcp": 1500.0},
    }
    with pytest.raises(
        NoFeasiblePlan, match=r"too small.* alone comes to 10,500, whatever is bought"
    ) as refused:
        plan_of(config, {}, max_monthly_usd=10_000.0, **asked)
    assert "more commitments" not in str(refused.value)
    with pytest.raises(NoFeasiblePlan, match="one with more commitments may cost less today"):
        plan_of(config, {}, max_monthly_usd=11_000.0, **asked)


def test_what_is_owned_is_used_first_shown_as_owned_and_not_charged(config: Config, tmp_path: Path) -> None:
    place = "{provider: aws, region: us-east-1, instance_type: p5.48xlarge, "
    (tmp_path / "owned.yaml").write_text(
        f"- {place}instances: 8, ends: 2027-06-30, kind: reserved_instance, usd_per_hour: 2}}\n"
        f"- {place}instances: 3, ends: 2026-12-01}}\n",
        encoding="utf-8",
    )
    only = {"instance_types": ("p5.48xlarge",)}
    without, plan = plan_of(config, {}, **only), plan_of(load_config(tmp_path), {}, **only)
    (own,) = [one for one in plan.purchases if one.how == "owned"]
    assert (own.min_units, own.max_units, own.monthly_usd) == (8, 8, 0)
    assert plan.totals.monthly_usd < without.totals.monthly_usd
    assert {offer.id for offer in plan.offers} >= {own.offer}
    text = " ".join(renderer("table")(plan).split())
    assert "Of 8 instances owned until 2027-06-30 (reserved instance): paid already." in text
    assert "11,680.00 USD a month for 8 × p5.48xlarge in us-east-1" in text  # 8 × 2 × 730
    assert "until 2026-12-01 planned with 3 × p5.48xlarge in us-east-1 (owned until 2026-12-01)" in text
    (dated,) = [row for row in plan.price_dates if row.tier == "reserved" and row.provider == "aws"]
    assert dated.oldest_used is None or dated.oldest_used < DAY


def test_what_is_owned_alone_may_carry_all(tmp_path: Path) -> None:
    entry = "{provider: aws, region: us-east-1, instance_type: p5.48xlarge, instances: 90, ends: 2027-06-30}"
    (tmp_path / "owned.yaml").write_text(f"- {entry}\n", encoding="utf-8")
    plan = plan_of(load_config(tmp_path), {})
    assert (plan.totals.total_monthly_usd, plan.bound.value_usd, plan.bound.gap) == (0, 0, 0)
    for name in ("table", "markdown", "json", "csv"):
        assert renderer(name)(plan)


def test_routing_by_size_is_planned_end_to_end_and_compared_with_sizes_alike(config: Config) -> None:
    demand = {"demand": "{hourly_requests_per_second: [20, 30, 45, 30]}"}
    found = plan_of(config, {"routing": "by_size", **demand})
    assert found.services[0].routing == "by_size"
    periods = {row.period for row in found.demand if row.planned_rps > 0}
    for p in (min(periods), max(periods)):
        for b in range(len(found.services[0].buckets)):
            shares = [row.share for row in found.routing if (row.period, row.bucket) == (p, b)]
            assert sum(shares) == pytest.approx(1.0, abs=1e-6)
    alike = plan_of(config, demand)
    blended = next(one for one in found.baselines if one.name == "blended_sizes")
    assert blended.monthly_usd == alike.totals.total_monthly_usd
    assert all(one.name != "blended_sizes" for one in alike.baselines)
    assert float(found.bound.value_usd) <= float(found.bound.plan_usd or 0)


def test_routing_by_size_names_sizes_that_no_machine_serves_alone(config: Config) -> None:
    sizes = (
        "{buckets: [{prompt_tokens: 500, output_tokens: 100, share: 0.999}, "
        "{prompt_tokens: 100000, output_tokens: 100, share: 0.001}]}"
    )
    changes = {"routing": "by_size", "sizes": sizes, "target.ttft_ms": "2500"}
    with pytest.raises(
        NoFeasiblePlan, match=r"routing: by_size: 1 of the request sizes \(0\.1% of requests\)"
    ):
        plan_of(config, changes)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"min_spot_pools": 2}, "min_spot_pools = 2"),
        ({"survive_region_loss": True}, "survive_region_loss = true"),
        ({"max_monthly_kg_co2e": 9.0}, "max_monthly_kg_co2e = 9.0"),
        ({"min_up_hours": 2.0}, "min_up_hours = 2.0"),
        ({"max_starts_per_hour": 3}, "max_starts_per_hour = 3"),
        ({"scale_to_zero_within_s": 900.0}, "scale_to_zero_within_s = 900.0"),
    ],
)
def test_rules_that_routing_by_size_does_not_keep_are_refused(
    config: Config, policy: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=rf"{said}: routing: by_size does not keep that rule"):
        plan_of(config, {"routing": "by_size"}, **policy)


COURSES = (
    "[{name: usual, probability: 0.75}, {name: growth, probability: 0.15, grow_per_month: 0.1, months: 3}, "
    "{name: bad day, probability: 0.1, bad_day: {factor: 2}}]"
)
SMALL = {"demand.scale": "0.1", "scenarios": COURSES}


def test_of_several_courses_a_plan_is_expected_and_worst_and_carries_each(config: Config) -> None:
    plan = plan_of(config, SMALL)
    assert [(one.name, one.probability) for one in plan.scenarios] == [
        ("usual", 0.75),
        ("growth", 0.15),
        ("bad day", 0.1),
    ]
    months = {one.name: one.monthly_usd for one in plan.scenarios}
    assert months["usual"] == min(months.values())
    by_probability = sum(Decimal(repr(one.probability)) * (one.monthly_usd or 0) for one in plan.scenarios)
    assert abs(by_probability - plan.totals.total_monthly_usd) <= Decimal("0.02")
    # The busiest day has twice its rates, every other hour those of the usual week.
    planned = {(row.scenario, row.period): row.planned_rps for row in plan.demand}
    ratios = [planned[2, p] / planned[0, p] for p in range(168)]
    assert ratios.count(1.0) == pytest.approx(168 - 24, abs=2)
    assert max(ratios) == pytest.approx(2.0, abs=0.3)
    text = renderer("table")(plan)
    assert text.startswith("chat-llama-70b: expected $")
    assert len(renderer("csv")(plan).splitlines()) == 1 + 3 * 168 * len(plan.purchases)
    assert plan_from_json(renderer("json")(plan)) == plan


def test_one_course_in_two_names_is_the_plan_of_one(config: Config) -> None:
    twice = "[{name: one, probability: 0.5}, {name: two, probability: 0.5}]"
    alone = plan_of(config, {"demand.scale": "0.1"})
    split = plan_of(config, {"demand.scale": "0.1", "scenarios": twice})
    assert split.totals.total_monthly_usd == alone.totals.total_monthly_usd
    assert split.totals.horizon_usd == alone.totals.horizon_usd
    assert [(one.id, one.min_units, one.max_units) for one in split.purchases] == [
        (one.id, one.min_units, one.max_units) for one in alone.purchases
    ]
    assert {one.monthly_usd for one in split.scenarios} == {alone.totals.total_monthly_usd}


def test_a_budget_is_of_what_is_expected(config: Config) -> None:
    only = {"instance_types": ("p5.48xlarge",)}
    found = plan_of(config, SMALL, **only)
    expected, worst = found.totals.total_monthly_usd, max(one.monthly_usd or 0 for one in found.scenarios)
    assert expected < worst
    between = float((expected + worst) / 2)
    assert plan_of(config, SMALL, max_monthly_usd=between, **only).totals == found.totals
    with pytest.raises(NoFeasiblePlan, match="the cheapest plan found is expected to cost"):
        plan_of(config, SMALL, max_monthly_usd=float(expected) - 1, **only)


def test_what_is_owed_beside_the_instances_is_owed_in_each_course(config: Config) -> None:
    policy = {
        "instance_types": ("p5.48xlarge",),
        "overheads": {"usd_per_node_hour": 0.5, "percent": 3, "egress_usd_per_gb": 900.0},
        "deployment": {"surge_instances": 1, "hours_per_week": 5},
    }
    without = plan_of(config, SMALL, **policy)
    # The 3 % are no spending: so much is left unspent in part.
    promised = {"aws": float(without.totals.total_monthly_usd)}
    plan = plan_of(config, SMALL, minimum_monthly_usd_by_provider=promised, **policy)
    assert {charge.kind for charge in plan.charges} == {"deployment_surge", "egress", "minimum_spend"}
    months = [one.monthly_usd or Decimal(0) for one in plan.scenarios]
    shares = [Decimal(repr(one.probability)) for one in plan.scenarios]
    expected = sum(map(Decimal.__mul__, shares, months), Decimal(0))
    assert abs(expected - plan.totals.total_monthly_usd) <= Decimal("0.05")


def test_sizes_are_routed_in_each_course(config: Config) -> None:
    demand = "{hourly_requests_per_second: [20, 45]}"
    courses = "[{name: usual, probability: 0.9}, {name: more, probability: 0.1, scale: 1.4}]"
    found = plan_of(config, {"routing": "by_size", "demand": demand, "scenarios": courses})
    sizes = set(range(len(found.services[0].buckets)))
    for when in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert {row.bucket for row in found.routing if (row.scenario, row.period) == when} == sizes
    usual, more = (one.monthly_usd or 0 for one in found.scenarios)
    assert usual <= found.totals.total_monthly_usd <= more
    assert renderer("table")(found).startswith("chat-llama-70b: expected $")
    assert len(json.loads(renderer("gateway")(found))["periods"]) == 2


def test_a_target_that_the_round_trip_uses_up_is_no_want_of_prices(config: Config) -> None:
    with pytest.raises(NoFeasiblePlan, match="after the round trip to there is taken off its TTFT"):
        plan_of(config, {}, round_trip_ms_by_region={"us-east-1": 1999.0})
