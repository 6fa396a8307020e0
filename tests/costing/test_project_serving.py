"""The inference line is what serving plans cost at the project's own volumes; renting is at the prices in force."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from projects import written

from optimiser.config import Config, load_config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.costing.project.amounts import in_cents
from optimiser.costing.project.budget import SCHEMA_VERSION, Budget, budget_of, needs_prices
from optimiser.costing.project.buy_or_rent import BuyOrRent
from optimiser.costing.project.prices import Prices
from optimiser.costing.project.read import load_project
from optimiser.costing.project.serving import at_volume
from optimiser.costing.training.answer import train
from optimiser.costing.training.job_file import load_job
from optimiser.costing.training.request import TrainRequest
from optimiser.errors import NoFeasiblePlan, UsageError
from optimiser.planning.offer_money import commitment_of
from optimiser.planning.plan import SECONDS_PER_MONTH, to_jsonable
from optimiser.planning.plan_schema import schema_of
from optimiser.prices.book import PriceBook, load_book
from optimiser.prices.spot_past import NO_PAST
from optimiser.recommend import Request, recommend
from optimiser.report.budget_sections import buying
from optimiser.workload import DemandScenario, load_workload
from optimiser.workload.volume import mean_rps, scaled

AS_OF = date(2026, 11, 21)
D = Decimal
ROLE = {"engineering": [{"role": "r", "people": 1, "salary_usd_per_year": 12}]}


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="module")
def book(config: Config) -> PriceBook:
    return load_book(config.price_files, config.shapes, AS_OF)


def asked(config: Config, book: PriceBook, **policy: Any) -> Request:
    """Chat on p5.48xlarge in us-east-2, which is planned in no time."""
    only = {"regions": ["us-east-2"], "instance_types": ["p5.48xlarge"]} | policy
    return Request(
        workload=load_workload(config.find_workload("chat-llama-70b")),
        policy=resolve_policy(config, (PolicyLayer("test", only),), book),
        config=config,
        book=book,
        as_of=AS_OF,
    )


def budget_with(directory: Path, serving: Request, lines: dict[str, Any]) -> Budget:
    head = {"name": "p", "months": 3, "start": "2026-11"}
    prices = Prices(
        config=serving.config, book=serving.book, serving=serving, spot_past=lambda _policy: NO_PAST
    )
    return budget_of(load_project(written(directory, head | lines)), prices)


def test_a_service_that_does_not_grow_costs_what_its_plan_costs_each_month(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    serving = asked(config, book, performance_margin=0.2)
    inference = {"workload": "chat-llama-70b", "users": 100000, "queries_per_user_day": 3}
    budget = budget_with(tmp_path, serving, {"inference": inference})
    # 100,000 × 3 × 730 / 24 queries a month.
    workload = at_volume(serving.workload, D(9125000))
    assert mean_rps(workload) * SECONDS_PER_MONTH == pytest.approx(9125000)
    plan = recommend(replace(serving, workload=workload))
    monthly = [month.expected for month in budget.lines[0].monthly]
    assert monthly == [plan.totals.total_monthly_usd] * 3
    assert plan.footprint is not None
    assert budget.energy is not None
    assert budget.energy.inference_kwh == (pytest.approx(plan.footprint.kwh_monthly_at_load),) * 3
    assert budget.energy.inference_kg_co2e == (pytest.approx(plan.footprint.kg_co2e_monthly_at_load),) * 3
    assert budget.unit_costs is not None
    assert float(budget.unit_costs.serving_usd_per_million_tokens or 0) == pytest.approx(
        float(plan.totals.usd_per_million_tokens), rel=1e-3
    )
    assert any("performance_margin" in note for note in budget.notes)


def test_a_growing_service_is_planned_at_its_first_and_last_month_and_low_to_high_in_order(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    users = {"low": 100000, "expected": 200000, "high": 400000}
    inference = {
        "workload": "chat-llama-70b", "users": users, "queries_per_user_day": 3, "growth_per_month": 0.2, "volumes": 5
    }  # fmt: skip
    serving = asked(config, book)
    budget = budget_with(tmp_path, serving, {"inference": inference})
    assert budget.serving is not None
    points = budget.serving.points
    planned: Sequence[Decimal] = [point.queries_per_month for point in points]
    assert planned[0] == 9125000
    assert 18250000 in planned
    assert [point.usd_per_month for point in points] == sorted(point.usd_per_month for point in points)
    first = next(point for point in points if point.queries_per_month == 18250000)
    assert budget.lines[0].monthly[0].expected == in_cents(first.usd_per_month)
    for month in budget.lines[0].monthly:
        assert month.low <= month.expected <= month.high
    # Low and high are plans of their own at their own queries: of 100,000 users as it begins, and 400,000 × 1.2² at
    # the end.
    for confidence, queries, said in (
        (0.5, 9125000, budget.lines[0].monthly[0].low),
        (0.9, 52560000, budget.lines[0].monthly[2].high),
    ):
        policy = serving.policy.model_copy(update={"performance_confidence": confidence})
        at_end = replace(serving, workload=at_volume(serving.workload, D(queries)), policy=policy, alone=True)
        assert said == recommend(at_end).totals.total_monthly_usd
    (swing,) = (one for one in budget.sensitivity if one.input == "inference.performance_confidence")
    assert (swing.low, swing.high) == (D("0.5"), D("0.9"))
    assert swing.usd_at_low < budget.total.expected < swing.usd_at_high
    jsonschema.validate(to_jsonable(budget), schema_of(Budget, "Budget", SCHEMA_VERSION))


def test_scenarios_are_brought_to_the_volume_too(config: Config) -> None:
    workload = load_workload(config.find_workload("chat-llama-70b"))
    courses = tuple(
        DemandScenario(name=name, probability=probability, periods=scaled(workload.periods, factor))
        for name, probability, factor in (("as it is", 0.75, 1.0), ("twice", 0.25, 2.0))
    )
    at = at_volume(replace(workload, scenarios=courses), D(1_000_000))
    assert mean_rps(at) * SECONDS_PER_MONTH == pytest.approx(1_000_000)
    usual, twice = (sum(period.mean_rps for period in one.periods) for one in at.scenarios)
    assert twice == pytest.approx(2 * usual)


def test_a_volume_without_a_plan_is_named(config: Config, book: PriceBook, tmp_path: Path) -> None:
    inference = {"workload": "chat-llama-70b", "users": 100000, "queries_per_user_day": 3}
    with pytest.raises(NoFeasiblePlan, match="at 9,125,000 queries a month: "):
        budget_with(tmp_path, asked(config, book, max_monthly_usd=100), {"inference": inference})


def test_an_input_that_cannot_be_planned_20_percent_up_is_left_out_of_what_moves_the_total_and_named(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    # Three servers of eight carry the 10,950,000 queries of these users, not 13,140,000.
    serving = asked(config, book, max_gpus=24)
    inference = {"workload": "chat-llama-70b", "users": 120000, "queries_per_user_day": 3, "volumes": 4}
    budget = budget_with(tmp_path, serving, ROLE | {"inference": inference})
    alone = replace(serving, workload=at_volume(serving.workload, D(10950000)))
    assert budget.lines[0].monthly[0].expected == recommend(alone).totals.total_monthly_usd
    assert budget.serving is not None
    assert budget.serving.not_moved == ("inference.users", "inference.queries_per_user_day")
    moved = {swing.input for swing in budget.sensitivity}
    assert not moved & set(budget.serving.not_moved)
    assert "engineering[0].people" in moved
    said = "inference.users, inference.queries_per_user_day: left out of what moves the total, no plan at +20 %: "
    (note,) = (note for note in budget.notes if note.startswith(said))
    assert note.removeprefix(said).startswith(
        "at 13,140,000 queries a month: chat-llama-70b: there is no plan"
    )
    # What its author says may happen has to have a plan.
    wide = inference | {"users": {"low": 100000, "expected": 120000, "high": 144000}}
    with pytest.raises(NoFeasiblePlan, match="at 13,140,000 queries a month: "):
        budget_with(tmp_path, serving, {"inference": wide})


OWNED = {
    "gpu": "H100",
    "servers": 2,
    "usd_per_server": 240000,
    "residual_share": 0.1,
    "depreciation_months": 48,
    "discount_rate_per_year": 0,
    "kw_per_server": 10,
    "idle_power_share": 0.4,
    "pue": 1.5,
    "usd_per_kwh": 0.1,
    "hosting_usd_per_kw_month": 150,
    "staff_usd_per_month": 1000,
    "utilisation": 0.5,
}


def test_owned_servers_stand_against_the_cheapest_price_of_each_tier(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    owned = OWNED | {"provider": "aws", "region": "us-east-1"}
    budget = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned})
    jsonschema.validate(to_jsonable(budget), schema_of(Budget, "Budget", SCHEMA_VERSION))
    both = budget.buy_or_rent
    assert both is not None
    # As worked by hand in test_budget_formulas: 13,876 fixed, 1,314 more at full use; half of 16 × 730 h are used.
    assert both.owned_usd_per_month.expected == 14533
    assert both.owned_usd_per_used_gpu_hour.expected.quantize(D("0.0001")) == D("2.4885")
    tiers = {tier.tier: tier for tier in both.tiers}
    on_demand = tiers["on demand"]
    # p5.48xlarge at $55.04 an hour over its 8 GPUs: 6.88; 16 × 730 × 6.88 = 80,358.4 at full use.
    assert (on_demand.instance_type, on_demand.usd_per_gpu_hour) == ("p5.48xlarge", D("6.88"))
    assert on_demand.rented_usd_per_month == D("40179.20")
    assert on_demand.break_even is not None
    assert on_demand.break_even.expected is not None
    assert on_demand.break_even.expected.quantize(D("0.0001")) == (D(13876) / D("79044.4")).quantize(
        D("0.0001")
    )
    assert on_demand.owning_is_cheaper == "above break_even"
    three_years = tiers["3 years committed"]
    assert three_years.rented_usd_per_month == in_cents(16 * 730 * three_years.usd_per_gpu_hour)
    assert three_years.owning_is_cheaper == "at any use"


def test_owning_costs_least_where_servers_last_longest(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    lasting = {"low": 24, "expected": 48, "high": 60}
    sold = {"low": 0, "expected": 0.1, "high": 0.2}
    owned = OWNED | {"depreciation_months": lasting, "residual_share": sold}
    both = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert both is not None
    # 480,000 × 0.8 / 60 = 6,400, 480,000 × 0.9 / 48 = 9,000 and 480,000 / 24 = 20,000, beside 5,533 of the rest.
    assert (both.owned_usd_per_month.low, both.owned_usd_per_month.expected) == (11933, 14533)
    assert both.owned_usd_per_month.high == 25533


def test_a_dear_server_never_beats_renting(config: Config, book: PriceBook, tmp_path: Path) -> None:
    owned = OWNED | {"usd_per_server": {"low": 5e6, "expected": 6e6, "high": 7e6}}
    both = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert both is not None
    assert {tier.owning_is_cheaper for tier in both.tiers} == {"at no use"}
    on_demand = next(tier for tier in both.tiers if tier.tier == "on demand")
    even = on_demand.break_even
    assert even is not None
    assert even.low is not None
    assert even.expected is not None
    assert even.high is not None
    assert 1 < even.low < even.expected < even.high


def test_the_cost_of_capital_is_the_policys_and_upfront_money_bears_it_too(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    owned = {name: value for name, value in OWNED.items() if name != "discount_rate_per_year"}

    def both(policy_rate: float, **more: float) -> BuyOrRent:
        request = asked(config, book, discount_rate_per_year=policy_rate)
        found = budget_with(tmp_path, request, ROLE | {"buy_or_rent": owned | more}).buy_or_rent
        assert found is not None
        return found

    free, usual, given = both(0), both(0.08), both(0, discount_rate_per_year=0.08)
    assert usual == given
    assert usual.owned_usd_per_month.expected == free.owned_usd_per_month.expected + D("1798.70")
    dear, cheap = (next(t for t in one.tiers if t.tier == "3 years committed") for one in (usual, free))
    assert dear.payment == cheap.payment == "all_upfront"
    # 36 · i / (1 − 1.08^−3) = 36 × 0.00643403 / 0.2061678 = 1.12348 with i as in test_budget_formulas.
    assert float(dear.usd_per_gpu_hour / cheap.usd_per_gpu_hour) == pytest.approx(1.12348, rel=1e-5)
    assert usual.tiers[0].usd_per_gpu_hour == free.tiers[0].usd_per_gpu_hour


def test_a_commitment_costs_what_a_plan_bills_for_it_and_its_capital(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    request = asked(config, book)
    owned = {name: value for name, value in OWNED.items() if name != "discount_rate_per_year"}
    found = budget_with(tmp_path, request, ROLE | {"buy_or_rent": owned}).buy_or_rent
    assert found is not None
    tier = next(one for one in found.tiers if one.tier == "3 years committed")
    offer = book.offer(tier.offer_id)
    assert offer.upfront_usd
    signed = commitment_of(offer, 2, None, D(0), 1.0, request.policy.discount_rate_per_year)
    assert signed.capital_monthly_usd is not None
    billed = 2 * 730 * offer.amortised_usd_per_hour
    assert abs(tier.rented_usd_per_month - billed - signed.capital_monthly_usd) <= D("0.01")


def test_where_running_alone_costs_more_than_renting_owning_never_is_cheaper_in_words(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    # Spot or not, 16 GPUs' energy at work: 20 kW × 0.6 × 1.5 × 730 h = 13,140 kWh a month; on demand is 80,358.4 USD.
    for kwh, even, verdict in (
        ({"low": 0.1, "expected": 0.1, "high": 7}, (True, True, False), "above break_even"),
        ({"low": 0.1, "expected": 7, "high": 7}, (True, False, False), "at no use"),
        (7, (False, False, False), "at no use"),
    ):
        owned = OWNED | {"usd_per_kwh": kwh, "provider": "aws", "region": "us-east-1"}
        budget = budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": owned})
        assert budget.buy_or_rent is not None
        tier = budget.buy_or_rent.tiers[0]
        assert tier.break_even is not None
        found = (tier.break_even.low, tier.break_even.expected, tier.break_even.high)
        assert tuple(one is not None for one in found) == even
        assert tier.owning_is_cheaper == verdict
        assert tier.break_even.never.startswith("never: running costs alone exceed rent")
        assert tier.break_even.never in "".join(str(block) for block in buying(budget))
        assert to_jsonable(budget)["buy_or_rent"]["tiers"][0]["break_even"]["never"] == tier.break_even.never


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gpu": "H1000"}, "buy_or_rent.gpu = 'H1000': did you mean H100"),
        ({"region": "us-east-9"}, "buy_or_rent.region = 'us-east-9': did you mean us-east-"),
        ({"provider": "awss"}, "buy_or_rent.provider = 'awss': did you mean aws?"),
    ],
)
def test_what_is_not_known_to_rent_is_named(
    change: dict[str, str], said: str, config: Config, book: PriceBook, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        budget_with(tmp_path, asked(config, book), ROLE | {"buy_or_rent": OWNED | change})


def test_prices_are_read_only_where_something_is_planned_or_rented(tmp_path: Path) -> None:
    head = {"name": "p", "months": 3, "start": "2026-11"}
    assert not needs_prices(load_project(written(tmp_path, head | ROLE)))
    assert needs_prices(load_project(written(tmp_path, head | ROLE | {"buy_or_rent": OWNED})))


JOB = """
name: adapters
model: llama-3.1-8b
method: lora
tokens: 1.0e+8
sequence_tokens: 2048
deadline_days: 7
policy: {regions: [us-east-2], instance_types: [p5.48xlarge], max_spot_share: 0}
"""


def test_a_training_job_costs_what_its_own_plan_costs(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
    owned = {"kw_per_gpu": 1.5, "usd_per_kwh": 0.1, "pue": 1.2}
    budget = budget_with(
        tmp_path,
        asked(config, book),
        {
            "training": {"job": "job.yaml", "runs": 3},
            "maintenance": {"cycles_per_year": 12, "retraining": {"job": "job.yaml", "owned": owned}},
        },
    )
    job = load_job(tmp_path / "job.yaml", AS_OF)
    policy = resolve_policy(config, (PolicyLayer("test", job.policy),), book)
    plan = train(TrainRequest(job=job, policy=policy, config=config, book=book, as_of=AS_OF))
    rented, energy = budget.items
    assert rented.total.expected == 3 * plan.choice.total_usd
    assert rented.total.low == 3 * plan.estimate_usd
    assert rented.total.high >= rented.total.expected
    # 1.5 kW × GPU-hours × 1.2 × 0.1 in each of three months.
    assert float(energy.monthly[0].expected) == pytest.approx(0.18 * plan.choice.gpu_hours, abs=0.005)
    assert budget.energy is not None
    rent, own = budget.energy.runs
    assert rent.kwh == pytest.approx(plan.energy.kwh)
    assert rent.kg_co2e == pytest.approx((plan.energy.tonnes_co2e or 0) * 1000)
    assert (own.kwh, own.kg_co2e) == (pytest.approx(1.8 * plan.choice.gpu_hours), None)
    assert budget.energy.inference_kwh == ()


def test_a_job_of_an_unknown_model_is_named(config: Config, book: PriceBook, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(JOB.replace("llama-3.1-8b", "lama-3.1-8b"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"job\.yaml: model 'lama-3\.1-8b': .* did you mean llama-3\.1-8b"):
        budget_with(tmp_path, asked(config, book), {"training": {"job": "job.yaml"}})
