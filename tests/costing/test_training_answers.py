"""What `optimiser train` answers: carbon weighed, ways to pay without a plan, deadlines, models of the user's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_questions import BOOK, CONFIG, FEW, asked, small

from optimiser import NoFeasiblePlan, Policy, UsageError
from optimiser.costing.training.answer import train
from optimiser.costing.training.request import train_request
from optimiser.prices.spot_past import NO_PAST
from optimiser.report.train_caveats import caveats, energy_lines
from optimiser.report.train_plan import render_training

# A p5.48xlarge draws (8 × 700 + 192 × 2.12 + 2,048 × 0.421) W × 1.22 = 8.3805 kW, 9.6376 kWh an hour at a PUE of 1.15.
# On demand it is 55.04 USD an hour at 369.47 g/kWh in us-east-1 and 58.8928 at 40.7 in eu-north-1: 3.8528 USD save
# 3.1686 kg, at 1,216 USD a tonne.
TWO_GRIDS = Policy(instance_types=("p5.48xlarge",), tiers=("on_demand",), regions=("us-east-1", "eu-north-1"))


@pytest.mark.parametrize(
    ("usd_per_tonne", "region", "kg_per_hour"),
    [(0, "us-east-1", 3.5608), (1210, "us-east-1", 3.5608), (1222, "eu-north-1", 0.39225)],
)
def test_a_carbon_price_moves_a_job_to_a_cleaner_grid_from_where_it_is_worth_it(
    usd_per_tonne: float, region: str, kg_per_hour: float
) -> None:
    plan = train(asked(small(), TWO_GRIDS.model_copy(update={"carbon_usd_per_tonne": usd_per_tonne})))
    one, usd_per_hour = plan.choice, {"us-east-1": 55.04, "eu-north-1": 58.8928}[region]
    assert one.region == region
    instance_hours = one.gpu_hours / 8
    assert float(one.machines_usd) == pytest.approx(usd_per_hour * instance_hours, abs=0.02)
    assert plan.energy.tonnes_co2e == pytest.approx(kg_per_hour * instance_hours / 1000, rel=1e-4)
    # To the cent.
    assert float(one.carbon_usd) == pytest.approx(
        usd_per_tonne * kg_per_hour * instance_hours / 1000, abs=0.0051
    )
    assert one.total_usd == one.machines_usd + one.overheads_usd + one.storage_usd
    said = " ".join(energy_lines(plan))
    assert ("and not billed" in said) == (usd_per_tonne > 0)


def test_a_place_without_a_figure_is_out_under_a_carbon_price() -> None:
    # Local zones have no figure of their own; us-east-1-atl-1 asks what us-east-1 does.
    local = {
        "instance_types": ("p5.48xlarge",),
        "tiers": ("on_demand",),
        "region_kinds": ("region", "local_zone"),
    }
    regions = ("us-east-1-atl-1", "eu-north-1")
    free = Policy.model_validate({**local, "regions": regions})
    priced = free.model_copy(update={"carbon_usd_per_tonne": 1})
    unpriced, plan = train(asked(small(), free)), train(asked(small(), priced))
    assert (unpriced.choice.region, unpriced.energy.tonnes_co2e) == ("us-east-1-atl-1", None)
    assert plan.choice.region == "eu-north-1"
    assert any("left out for want of a figure" in line and "us-east-1-atl-1" in line for line in plan.notes)
    alone = priced.model_copy(update={"regions": ("us-east-1-atl-1",)})
    with pytest.raises(
        NoFeasiblePlan, match=r"aws us-east-1-atl-1.*carbon_usd_per_tonne: 0 would allow a plan"
    ):
        train(asked(small(), alone))


def test_a_monthly_cap_of_serving_is_said_not_to_hold_a_job() -> None:
    capped = TWO_GRIDS.model_copy(update={"max_monthly_kg_co2e": 1.0})
    (note,) = train(asked(small(), capped)).notes[:1]
    assert "max_monthly_kg_co2e" in note


def why_not(policy: Policy, how: str, **job_fields: Any) -> str:
    plan = train(asked(small(**job_fields), policy))
    return next(tier.why_not for tier in plan.tiers if tier.how == how)


def test_a_way_to_pay_that_has_no_plan_says_what_keeps_it_from_one() -> None:
    spot = FEW.model_copy(update={"tiers": ("spot",)})
    every = ("on demand", "reserved", "capacity block")
    assert {why_not(spot, how) for how in every} == {"no price that the policy allows"}
    years = FEW.model_copy(update={"max_commitment_months": 0})
    assert "of at most 0 months" in why_not(years, "reserved")
    alone = Policy(instance_types=("p5.48xlarge",), max_gpus=8)
    assert why_not(alone, "spot, then on demand", tokens=1e7) == "not needed: spot alone ends in time"


def test_the_plan_costs_no_less_than_at_its_estimate_to_the_cent() -> None:
    for tokens in (16.0, 1e5, 3e6):
        plan = train(asked(small(tokens=tokens, sequence_tokens=16, batch_tokens=16.0)))
        assert plan.estimate_usd <= plan.choice.total_usd


def test_a_deadline_that_a_tenth_of_runs_would_miss_is_named() -> None:
    policy = Policy(instance_types=("p5.48xlarge",), tiers=("on_demand",), max_gpus=8)
    wanted = small(tokens=1e11)
    plan = train(asked(wanted, policy))
    # The estimate is off by 15 % at the median: a tenth of runs take over 1.15^log2(5) = 1.38 times as long.
    for hours, late in ((plan.estimate_hours * 1.36, True), (plan.estimate_hours * 1.40, False)):
        said = " ".join(caveats(train(asked(replace(wanted, deadline_hours=hours), policy))))
        assert ("past the deadline: --confidence 0.9" in said) == late


def test_a_models_config_is_looked_for_beside_the_jobs_file(tmp_path: Path) -> None:
    small_llama = {
        "model_type": "llama", "num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16,
        "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000, "max_position_embeddings": 8192,
        "hidden_act": "silu",
    }  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(small_llama), encoding="utf-8")
    path = tmp_path / "job.yaml"
    path.write_text(
        "{name: j, model: mine/config.json, method: full, tokens: 1.0e+6, sequence_tokens: 512}",
        encoding="utf-8",
    )
    request = train_request(path, CONFIG, BOOK, (), lambda _: NO_PAST)
    assert request.config.find_model(request.job.model).layers == 24
    path.write_text(path.read_text().replace("mine/", "none/"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"none/config\.json"):
        train_request(path, CONFIG, BOOK, (), lambda _: NO_PAST)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_commitment_that_the_run_outlasts_is_paid_again_and_said_so(*, ahead: bool) -> None:
    policy = Policy(instance_types=("g6e.12xlarge",), tiers=("reserved",), max_gpus=4, allow_upfront=ahead)
    plan = train(asked(small(tokens=3e11, deadline_hours=1095 * 24), policy))
    (leg,) = plan.choice.legs
    assert 8760 < plan.choice.hours < 2 * 8760
    assert (leg.term_months, leg.billed_hours_per_instance) == (12, 2 * 8760)
    page = " ".join(render_training("table", plan).split())
    assert "2 whole terms of 12 months are paid one after another" in page
    assert (BOOK.offer(leg.offer_id).upfront_usd > 0) == ahead
    assert leg.upfront_usd == 2 * BOOK.offer(leg.offer_id).upfront_usd
    assert ("of it is cash up front, at the start of each term." in page) == ahead
