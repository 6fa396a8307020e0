"""Where a spot pool may hold only what the rules keep spare, more spare may cost less, and a note says so."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, hourly, machine, spot
from random_cases import random_case

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.planning.plan import Plan
from optimiser.planning.search import search
from optimiser.planning.spare_for_spot import more_spare_notes
from optimiser.recommend import Request, recommend

DAY = date(2026, 11, 21)

# 20 req/s on units of 10, at least 0.3 of what is required firm. With nothing spare no pool may hold a unit: two on
# demand, 1,460 USD a month. One spare is 30 req/s, 9 of them firm, and a unit in each pool: 1 + 2 · 0.3 = 1.60 USD an
# hour, 1,168 USD a month. Two spare are 40, 12 firm: 2 + 2 · 0.3.
SMALL = case([machine("m", 10.0, hourly(1.0), spot(0.3, "a"), spot(0.3, "b"))], [20.0], [730.0]).with_policy(
    survive_spot_pool_loss=True, max_spot_share=0.7, survive_instance_losses=0
)


def notes(subject: Case) -> tuple[str, ...]:
    return more_spare_notes(subject.problem, search(subject.problem, gap=0.0), 0.0)


def test_one_more_spare_that_costs_less_is_named_with_its_cost() -> None:
    (note,) = notes(SMALL)
    assert note.startswith(
        "spot: with survive_instance_losses: 1 a plan costs 1,168.00 USD a month, 292.00 less:"
    )


@pytest.mark.parametrize(
    "policy",
    [
        {"survive_instance_losses": 1},  # another costs 2.60 USD an hour
        {"survive_instance_losses": 16},  # no more may be asked for
        {"survive_spot_pool_loss": False},  # one on demand, one on spot already
        {"max_spot_share": 0.0},
        {"min_firm_instances": 2},
    ],
)
def test_where_more_spare_costs_no_less_nothing_is_said(policy: dict[str, object]) -> None:
    assert notes(SMALL.with_policy(**policy)) == ()


def test_the_limit_of_several_pools_grows_with_what_is_spare_too() -> None:
    # A pool holds half of what spot may carry: 0.7 · 20 / 2 = 7 req/s, with one spare 0.7 · 30 / 2 = 10.5.
    subject = SMALL.with_policy(survive_spot_pool_loss=False, min_spot_pools=2)
    (note,) = notes(subject)
    assert note.startswith(
        "spot: with survive_instance_losses: 1 a plan costs 1,168.00 USD a month, 292.00 less:"
    )


def test_a_note_stands_wherever_the_optimum_with_one_more_spare_is_cheaper_and_only_there() -> None:
    told = 0
    easy = {
        "survive_instance_losses": 0,
        "utilisation_ceiling": 1.0,
        "max_spot_share": 1.0,
        "min_firm_instances": 0,
    }
    for seed in range(24):
        subject = random_case(seed).with_policy(survive_spot_pool_loss=True, **easy)
        outcome = search(subject.problem, gap=0.0)
        if outcome.best is None:
            continue
        cheaper = optimum_usd(subject.with_policy(survive_instance_losses=1).problem)
        said = more_spare_notes(subject.problem, outcome, 1e-6)
        assert bool(said) == (cheaper < outcome.best.usd * (1 - 1e-6)), seed
        told += bool(said)
    assert told >= 2


# 20 req/s, 28 in their bursts, on H100s of some 17: a quarter of headroom is 7, and leaves no room for one on spot.
STEADY = """\
name: steady
model: llama-3.1-8b
target: {ttft_ms: 1500, tpot_ms: 50, percentile: 95}
demand: {requests_per_second: 20}
sizes: {prompt_tokens: 900, output_tokens: 250}
"""


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    path = tmp_path / "steady.yaml"
    path.write_text(STEADY, encoding="utf-8")
    config = load_config()
    return Request(
        workload=load_workload(path, {}),
        policy=Policy.model_validate({"gpus": ["H100"], "survive_instance_losses": 0}),
        config=config,
        book=load_book(config.price_files, config.shapes, DAY),
        as_of=DAY,
    )


def told(plan: Plan) -> list[str]:
    return [note for note in plan.notes if note.startswith("spot: with survive_instance_losses")]


def test_the_cost_named_is_what_a_plan_under_that_setting_costs(asked: Request) -> None:
    plan = recommend(asked)
    (note,) = told(plan)
    stricter = recommend(
        replace(asked, policy=asked.policy.model_copy(update={"survive_instance_losses": 1}))
    )
    assert stricter.totals.total_monthly_usd < plan.totals.total_monthly_usd
    (usd,) = re.findall(r"costs ([\d,.]+) USD", note)
    assert usd == f"{stricter.totals.total_monthly_usd:,.2f}"
    for short in (replace(asked, alone=True), replace(asked, in_short=True)):
        assert told(recommend(short)) == []
