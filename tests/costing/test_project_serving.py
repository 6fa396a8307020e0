"""The inference line is what serving plans cost at the project's own volumes, a training job what its plan does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from planned_projects import AS_OF, ROLE, asked, budget_with

from optimiser.config import Config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.costing.project.amounts import Range, in_cents
from optimiser.costing.project.budget import SCHEMA_VERSION, Budget
from optimiser.costing.project.fleet_points import gpus_at_once
from optimiser.costing.project.serving import at_volume
from optimiser.costing.training.answer import train
from optimiser.costing.training.job_file import load_job
from optimiser.costing.training.request import TrainRequest
from optimiser.errors import NoFeasiblePlan, UsageError
from optimiser.planning.plan import SECONDS_PER_MONTH, to_jsonable
from optimiser.planning.plan_parts import PlanCount
from optimiser.planning.plan_schema import schema_of
from optimiser.prices.book import PriceBook
from optimiser.recommend import recommend
from optimiser.report.budget import budget_rows, render_budget
from optimiser.workload import DemandScenario, load_workload
from optimiser.workload.volume import mean_rps, scaled

D = Decimal


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
    assert swing.usd_at_low is not None
    assert swing.usd_at_high is not None
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
    # Three servers of eight carry the 9,307,500 queries of these users, not 11,169,000.
    serving = asked(config, book, max_gpus=24)
    inference = {"workload": "chat-llama-70b", "users": 102000, "queries_per_user_day": 3, "volumes": 4}
    budget = budget_with(tmp_path, serving, ROLE | {"inference": inference})
    alone = replace(serving, workload=at_volume(serving.workload, D(9307500)))
    assert budget.lines[0].monthly[0].expected == recommend(alone).totals.total_monthly_usd
    assert budget.serving is not None
    assert budget.serving.not_moved == ("inference.users", "inference.queries_per_user_day")
    moved = {swing.input for swing in budget.sensitivity}
    assert not moved & set(budget.serving.not_moved)
    assert "engineering[0].people" in moved
    said = "inference.users, inference.queries_per_user_day: left out of what moves the total, no plan at +20 %: "
    (note,) = (note for note in budget.notes if note.startswith(said))
    assert note.removeprefix(said).startswith(
        "at 11,169,000 queries a month: chat-llama-70b: there is no plan"
    )
    # What its author says may happen has to have a plan.
    wide = inference | {"users": {"low": 85000, "expected": 102000, "high": 122400}}
    with pytest.raises(NoFeasiblePlan, match="at 11,169,000 queries a month: "):
        budget_with(tmp_path, serving, {"inference": wide})


def test_a_fleet_at_its_limit_has_a_budget_though_no_input_can_be_moved(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    # The third month asks 75,000 × 1.2² × 3 × 730 / 24 = 9,855,000, about what three servers carry.
    serving = asked(config, book, max_gpus=24)
    inference = {
        "workload": "chat-llama-70b", "users": 75000, "queries_per_user_day": 3, "growth_per_month": 0.2, "volumes": 4
    }  # fmt: skip
    budget = budget_with(tmp_path, serving, ROLE | {"inference": inference})
    assert budget.serving is not None
    assert set(budget.serving.not_moved) == {
        "inference.users",
        "inference.queries_per_user_day",
        "inference.growth_per_month",
    }
    assert not {swing.input for swing in budget.sensitivity} & set(budget.serving.not_moved)


def test_the_most_gpus_at_once_are_of_one_hour_and_not_each_types_own_most(
    config: Config, book: PriceBook
) -> None:
    serving = asked(config, book, instance_types=["p5.48xlarge", "p5en.48xlarge"])
    plan = recommend(replace(serving, workload=at_volume(serving.workload, D(18_000_000)), alone=True))
    one, other = plan.purchases[0], replace(plan.purchases[0], id="other")
    each = [(0, one.id, 3), (0, other.id, 2), (1, one.id, 1), (1, other.id, 5)]
    counts = tuple(PlanCount(scenario=0, period=at, purchase=name, units=units) for at, name, units in each)
    # 8 GPUs each, 5 units in the first hour and 6 in the second, where 3 and 5 are the most of each.
    assert gpus_at_once(replace(plan, purchases=(one, other), counts=counts)) == 48
    assert gpus_at_once(replace(plan, counts=())) == 0
    units = sum(one.max_units for one in plan.purchases)
    assert 0 < gpus_at_once(plan) <= 8 * units


def test_what_serving_signs_is_said_with_what_is_owed_after_the_project(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    serving = asked(config, book)
    inference = {"workload": "chat-llama-70b", "users": 102000, "queries_per_user_day": 3, "volumes": 4}
    budget = budget_with(tmp_path, serving, {"inference": inference})
    plan = recommend(replace(serving, workload=at_volume(serving.workload, D(9307500)), alone=True))
    contracts = [one.commitment.contract_value_usd for one in plan.purchases if one.commitment is not None]
    signed = budget.commitments
    assert signed is not None
    assert (signed.largest_in, signed.contract_value_usd) == ("2026-11", sum(contracts))
    assert signed.contract_value_usd > 0
    # Signed in the first of three months for twelve.
    assert (signed.longest_term_months, signed.months_beyond_end) == (12, 9)
    assert signed.usd_beyond_end == in_cents(sum(contracts) * D(9) / 12)
    said = " ".join(render_budget("table", budget).split())
    assert (
        f"signs ${signed.contract_value_usd:,.0f} in all, $0 of it up front; terms are of up to 12 months"
        in said
    )
    assert f"some run 9 months beyond the last: about ${signed.usd_beyond_end:,.0f} is owed then" in said
    assert "what commitments of serving still owe after the last month" in budget.not_included
    # Low needs fewer machines and high at least as many, each for nine months more.
    owed, whole = budget.owed_after_end, budget.total
    assert 0 < owed.low <= owed.expected == signed.usd_beyond_end <= owed.high
    with_it = budget.total_with_owed
    assert with_it.expected == whole.expected + owed.expected
    assert (with_it.low, with_it.high) == (whole.low + owed.low, whole.high + owed.high)
    beside = f"and ${owed.expected:,.0f} owed after the end if nothing else uses it: ${with_it.expected:,.0f}"
    assert beside in said
    assert f"total with it ${with_it.low:,.0f} ${with_it.expected:,.0f} ${with_it.high:,.0f}" in said
    rows = budget_rows(budget)
    assert [row.owed_after_end_usd for row in rows] == [0, 0, owed.expected]
    assert sum(row.expected_usd for row in rows) == whole.expected
    never = budget_with(tmp_path, asked(config, book, max_commitment_months=0), {"inference": inference})
    assert never.commitments is None
    assert (never.owed_after_end.high, never.total_with_owed) == (0, never.total)
    assert "owed after the end" not in render_budget("table", never)
    assert "signs $" not in render_budget("table", never)


def test_a_limit_that_holds_no_plan_at_the_confidence_of_high_makes_high_a_lower_bound(
    config: Config, book: PriceBook, tmp_path: Path
) -> None:
    # Three servers carry these queries at a confidence of 0.75, and a tenth less at 0.9.
    inference = {"workload": "chat-llama-70b", "users": 102000, "queries_per_user_day": 3, "volumes": 4}
    limited, free = (
        budget_with(tmp_path, asked(config, book, **limit), ROLE | {"inference": inference})
        for limit in ({"max_gpus": 24}, {})
    )
    assert free.serving is not None
    assert limited.serving is not None
    assert free.serving.not_planned == ()
    (high,) = limited.serving.not_planned
    assert (high.case, high.confidence, high.planned_at) == ("high", D("0.9"), D("0.75"))
    assert "there is no plan with at most 24 GPUs at once" in high.why
    assert limited.serving.confidence == Range(low=D("0.5"), expected=D("0.75"), high=D("0.75"))
    assert limited.total.high < free.total.high
    assert max(point.gpus_at_once for point in limited.serving.points) == 24
    (swing,) = (one for one in limited.sensitivity if one.input == "inference.performance_confidence")
    assert (swing.low, swing.high, swing.usd_at_high) == (D("0.5"), D("0.9"), None)
    said = " ".join(render_budget("table", limited).split())
    assert f"to at least ${limited.total.high:,.0f}" in said
    assert (
        "; high: no plan within the policy at a confidence of 0.9; its inference is that of 0.75, so a lower bound"
        in said
    )
    assert "high has no plan at a confidence of 0.9, so that it is no outer end." in said
    assert "High has the plans above, made at 0.75, since there is none at 0.9: " in said
    (bar,) = (line for line in render_budget("table", limited).splitlines() if "performance_conf" in line)
    assert bar.endswith(" no plan")
    for budget, short in ((limited, {"inference"}), (free, set())):
        assert {row.line for row in budget_rows(budget) if row.high_is_lower_bound} == short
        assert ("lower bound" in " ".join(render_budget("table", budget).split())) == bool(short)
    jsonschema.validate(to_jsonable(limited), schema_of(Budget, "Budget", SCHEMA_VERSION))


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
