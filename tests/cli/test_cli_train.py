"""`optimiser train`: its formats, its page, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

AS_OF = ("--as-of", "2026-11-21")
JOB = (
    "train",
    "qlora-llama-70b",
    "--instance-type",
    "p5.48xlarge",
    "--instance-type",
    "g6e.12xlarge",
    *AS_OF,
)

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_every_format_says_the_same(run: Run) -> None:
    ran = run(*JOB, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    plan = json.loads(ran.out)
    schema = json.loads(run("schema", "training").out)
    jsonschema.Draft202012Validator(schema).validate(plan)
    assert set(schema["required"]) == set(plan)
    rows = list(csv.DictReader(io.StringIO(run(*JOB, "--format", "csv").out)))
    assert [row["chosen"] for row in rows].count("True") == 1
    assert rows[0]["total_usd"] == plan["choice"]["total_usd"]
    assert {row["how"] for row in rows} == {tier["how"] for tier in plan["tiers"]}
    page = run(*JOB).out
    assert page.startswith("qlora-llama-70b: $")
    for title in (
        "The cluster",
        "How it was got",
        "What each way to pay costs",
        "Next best",
        "Energy and carbon",
    ):
        assert f"\n{title}\n" in page
    assert "A price is not capacity" in page
    oldest = plan["choice"]["oldest_prices"]
    assert [one["observed_on"] for one in oldest] == [
        min(leg["observed_on"] for leg in plan["choice"]["legs"])
    ]
    dated = f"{oldest[0]['tier'].replace('_', ' ')} of {oldest[0]['observed_on']}"
    error = round(plan["choice"]["relative_error"] * 100)
    assert f"Hours ±{error} % (median error). Oldest prices: {dated}" in page
    assert "Not in it: failed experiments" in page


def test_fields_of_job_and_policy_can_be_overridden(run: Run) -> None:
    def asked(*more: str) -> Any:
        return json.loads(run(*JOB, "--format", "json", *more).out)

    usual = asked("--set", "tiers=on_demand")
    assert usual["choice"]["how"] == "on demand"
    twice = asked("--set", "tiers=on_demand", "--set", "tokens=2.0e+8")
    assert twice["work"]["total_flops"] == 2 * usual["work"]["total_flops"]
    sure = asked("--set", "tiers=on_demand", "--confidence", "0.9")
    assert sure["choice"]["hours"] > usual["choice"]["hours"]


def test_a_capacity_block_in_the_price_table_is_planned_in_whole_days(run: Run, tmp_path: Path) -> None:
    prices = tmp_path / "prices"
    prices.mkdir()
    (prices / "aws.csv").write_text(
        "provider,region,instance_type,tier,market,usd_per_hour,observed_on,source\n"
        "aws,us-east-2,p5.48xlarge,on_demand,capacity_block,2.5,2026-11-20,quote\n",
        encoding="utf-8",
    )
    plan = json.loads(run(*JOB, "--format", "json", "--config", str(tmp_path)).out)
    assert plan["choice"]["how"] == "capacity block"
    (leg,) = plan["choice"]["legs"]
    assert float(leg["billed_hours_per_instance"]) % 24 == 0
    assert plan["choice"]["machines_usd"] == f"{2.5 * 24 * plan['choice']['instances']:.2f}"
    assert plan["quotas"] == []
    # A block is paid at once, all of it.
    assert leg["upfront_usd"] == plan["choice"]["upfront_usd"] == plan["choice"]["machines_usd"]
    said = " ".join(run(*JOB, "--config", str(tmp_path)).out.split())
    assert "a Capacity Block of 1 × p5.48xlarge in AWS us-east-2 has to be on offer" in said
    assert "may need a reservation or a block" not in said
    assert "= $60.00. $60.00 of it is cash up front." in said


def test_a_commitment_says_what_is_paid_ahead_of_all_that_it_costs(run: Run, tmp_path: Path) -> None:
    prices = tmp_path / "prices"
    prices.mkdir()
    (prices / "aws.csv").write_text(
        "provider,region,instance_type,tier,kind,term_months,payment,usd_per_hour,upfront_usd,observed_on,source\n"
        "aws,us-east-2,p5.48xlarge,reserved,reserved_instance,12,partial_upfront,1,5000,2026-11-20,quote\n",
        encoding="utf-8",
    )
    paid = ("--config", str(tmp_path), "--set", "tiers=reserved", "--set", "allow_upfront=true")
    plan = json.loads(run(*JOB, *paid, "--format", "json").out)
    # 8,760 hours of 1 USD, and 5,000 ahead.
    assert (plan["choice"]["machines_usd"], plan["choice"]["upfront_usd"]) == ("13760.00", "5000.00")
    page = " ".join(run(*JOB, *paid).out.split())
    assert "= $13,760. $5,000 of it is cash up front." in page
    assert "The whole term of 12 months is paid, used or not. $5,000 of it is cash up front." in page
    rows = csv.DictReader(io.StringIO(run(*JOB, *paid, "--format", "csv").out))
    assert [row["upfront_usd"] for row in rows if row["chosen"] == "True"] == ["5000.00"]


def test_the_answer_goes_to_a_file(run: Run, tmp_path: Path) -> None:
    ran = run(*JOB, "--format", "json", "--output", str(tmp_path / "plan.json"))
    assert (ran.code, ran.out) == (0, "")
    assert json.loads((tmp_path / "plan.json").read_text("utf-8"))["job"] == "qlora-llama-70b"


def test_wrong_use_is_one_message_and_exit_code_2(fails: Fails) -> None:
    assert "did you mean qlora-llama-70b" in fails(2, "train", "qlora-llama-7b", *AS_OF)
    assert "no such field of policy or job; did you mean tokens?" in fails(2, *JOB, "--set", "tokns=3")
    assert "max_sites = 2: means nothing for a training job" in fails(2, *JOB, "--set", "max_sites=2")
    assert "--format" in fails(2, *JOB, "--format", "markdown")
    assert "did you mean llama-3.1-8b" in fails(2, *JOB, "--set", "model=llama-3.1-8")
    assert "--provider" in fails(2, *JOB, "--provider", "awz")


def test_no_plan_is_exit_code_3_and_says_how_far(fails: Fails) -> None:
    said = fails(3, *JOB, "--set", "deadline_days=0.001")
    assert "nothing ends within" in said
    assert "the fastest cluster" in said


def test_times_are_told_in_the_unit_that_says_something(fails: Fails) -> None:
    said = fails(3, *JOB, "--set", "deadline_days=1.0e-9")
    assert "nothing ends within 8.64e-05 s (deadline_days = 1e-09)" in said
    assert re.search(r"takes [0-9.]+ (min|h) as planned", said)
    assert said.endswith("the start alone takes longer than there is")


def test_far_too_much_work_is_answered_with_what_it_would_need(fails: Fails) -> None:
    said = fails(3, *JOB, "--set", "tokens=1.0e+16")
    cluster = re.search(r"allows, (\d+) × (\S+) \(.*\), takes ([0-9,.]+) days", said)
    needs = re.search(
        r"it takes at least ([0-9,.]+) days \(at most 3,650 days can be planned\), or at least ([0-9,]+) such GPUs and "
        r"a batch_tokens to match, or at most ([0-9.e+]+) tokens",
        said,
    )
    assert cluster
    assert needs
    (gpus, kind, taken), (days, needed, tokens) = cluster.groups(), needs.groups()
    assert days == taken
    # In 7 of so many days: so many times the GPUs, or so much less of the tokens, but for failures and the start.
    times = float(days.replace(",", "")) / 7
    each = 8 if kind == "p5.48xlarge" else 4
    assert float(needed.replace(",", "")) == pytest.approx(int(gpus) * each * times, rel=0.05)
    assert float(tokens) == pytest.approx(1e16 / times, rel=0.05)


def test_a_budget_that_lacks_something_is_told_what_would_do(run: Run, fails: Fails) -> None:
    said = fails(3, *JOB, "--set", "max_monthly_usd=3")
    found = re.search(
        r"without max_monthly_usd = 3.0 \(runs in time cost \$([0-9.]+) a month at the least\)", said
    )
    assert found
    enough = json.loads(run(*JOB, "--format", "json", "--set", f"max_monthly_usd={found[1]}").out)
    assert float(enough["choice"]["total_usd"]) == pytest.approx(float(found[1]), abs=0.01)
    less = float(found[1]) - 0.02
    assert f"cost ${found[1]} a month" in fails(3, *JOB, "--set", f"max_monthly_usd={less}")


def test_a_limit_that_leaves_gangs_on_spot_alone_is_named(fails: Fails) -> None:
    asked = ("train", "pretrain-llama-7b", "--instance-type", "p5.48xlarge", *AS_OF)
    said = fails(3, *asked, "--set", "max_monthly_usd=200000")
    assert "set spot_for_groups: true, or leave out max_monthly_usd = 200000.0 (runs in time cost $" in said


def test_prices_too_old_are_exit_code_4(fails: Fails) -> None:
    said = fails(4, *JOB[:-2], "--as-of", "2029-11-21")
    assert "older than 730 days" in said


def test_the_schema_of_a_job_is_printed(run: Run) -> None:
    schema = json.loads(run("schema", "job").out)
    assert {"tokens", "method", "sequence_tokens"} <= set(schema["required"])


def test_a_price_of_a_market_that_nothing_plans_is_noted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own" / "prices").mkdir(parents=True)
    (tmp_path / "own" / "prices" / "x.csv").write_text(
        "provider,region,instance_type,tier,market,usd_per_hour,observed_on,source\n"
        "aws,us-east-1,p5.48xlarge,on_demand,capacity_blok,20,2026-11-11,a quote\n",
        encoding="utf-8",
    )
    ran = run(*JOB, "--config", str(tmp_path / "own"), "--format", "json")
    (said,) = (text for text in json.loads(ran.out)["notes"] if "market" in text)
    assert "x.csv line 2: market = 'capacity_blok'" in said
    assert "did you mean capacity_block?" in said
