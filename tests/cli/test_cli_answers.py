"""What the commands answer on the embedded prices, and where the answer goes."""

import contextlib
import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from optimiser.cli import main
from optimiser.planning.plan_schema import plan_from_json, plan_schema
from optimiser.report import renderer

AS_OF = ("--as-of", "2026-11-21")

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def plan_json() -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["recommend", "chat-llama-70b", "--format", "json", *AS_OF])
    assert (code, err.getvalue()) == (0, "")
    return out.getvalue()


def test_a_recommendation_is_valid_json_and_every_format_follows_from_it(plan_json: str) -> None:
    jsonschema.validate(json.loads(plan_json), plan_schema(), jsonschema.Draft202012Validator)
    made = plan_from_json(plan_json)
    assert renderer("json")(made) == plan_json
    assert max(map(len, renderer("table")(made).splitlines())) <= 100
    total = sum(Decimal(row["usd"]) for row in csv.DictReader(io.StringIO(renderer("csv")(made))))
    assert total == made.totals.horizon_usd


def test_anyone_can_recompute_cost_and_capacity_from_json_alone(plan_json: str) -> None:
    content = json.loads(plan_json)
    options = {one["id"]: one for one in content["options"]}
    offers = {one["id"]: one for one in content["offers"]}
    purchases = {one["id"]: one for one in content["purchases"]}
    usd, capacity = Decimal(0), defaultdict(float)
    for count in content["counts"]:
        bought = purchases[count["purchase"]]
        option = options[bought["option"]]
        hours = Decimal(str(content["periods"][count["period"]]["hours"]))
        price = Decimal(offers[bought["offer"]]["planned_usd_per_hour"])
        usd += count["units"] * option["instances_per_unit"] * price * hours
        capacity[count["period"]] += count["units"] * option["rate_rps"]
    horizon = Decimal(str(content["totals"]["horizon_hours"]))
    assert usd == Decimal(content["totals"]["horizon_usd"])
    assert abs(usd * 730 / horizon - Decimal(content["totals"]["monthly_usd"])) <= Decimal("0.01")
    assert len(content["demand"]) == 168
    for demand in content["demand"]:
        ceiling = content["policy"]["utilisation_ceiling"]
        assert capacity[demand["period"]] >= demand["planned_rps"] / ceiling - 1e-6
    for offer in content["offers"]:
        price = Decimal(offer["usd_per_hour"])
        if offer["term_months"]:
            price += Decimal(offer["upfront_usd"]) * 12 / (offer["term_months"] * 8760)
        assert abs(price - Decimal(offer["amortised_usd_per_hour"])) < Decimal("1e-12")


def test_flags_reach_the_policy_over_the_workloads_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(
        "name: chat\nmodel: llama-3.1-8b\ndemand: {requests_per_second: 2}\n"
        "sizes: {prompt_tokens: 800, output_tokens: 200}\npolicy: {max_spot_share: 0.2, min_firm_instances: 3}\n",
        encoding="utf-8",
    )
    flags = (
        "--set",
        "max_spot_share=0",
        "--provider",
        "gcp",
        "--gpu",
        "L4",
        "--margin",
        "0.5",
        "--set",
        "demand.scale=3",
    )
    ran = run("recommend", str(path), "--format", "json", *AS_OF, *flags)
    assert (ran.code, ran.err) == (0, "")
    content = json.loads(ran.out)
    policy = content["policy"]
    assert (policy["max_spot_share"], policy["min_firm_instances"], policy["performance_margin"]) == (
        0,
        3,
        0.5,
    )
    assert {option["provider"] for option in content["options"]} == {"gcp"}
    assert {option["gpu"] for option in content["options"]} == {"L4"}
    assert {demand["mean_rps"] for demand in content["demand"]} == {6.0}


def test_a_confidence_on_the_command_line_beats_the_margin_of_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(
        "name: chat\nmodel: llama-3.1-8b\ndemand: {requests_per_second: 2}\n"
        "sizes: {prompt_tokens: 800, output_tokens: 200}\npolicy: {performance_margin: 0.01, gpus: [L4]}\n",
        encoding="utf-8",
    )
    content = json.loads(run("recommend", str(path), "--format", "json", "--confidence", "0.875", *AS_OF).out)
    assert (content["policy"]["performance_margin"], content["policy"]["performance_confidence"]) == (
        None,
        0.875,
    )
    # log2(1 / (2 × 0.125)) = 2.
    for option in content["options"]:
        assert option["margin"] == pytest.approx(1 - 1 / (1 + option["estimate_relative_error"]) ** 2)
    rows = json.loads(run("estimate", str(path), "--format", "json", "--confidence", "0.875", *AS_OF).out)
    planned = {row["instance_type"]: row["planned_rps"] for row in rows}
    assert all(planned[option["instance_type"]] == option["rate_rps"] for option in content["options"])


def test_explain_adds_to_the_table(run: Run) -> None:
    ran = run("recommend", "nightly-batch-qwen-32b", "--explain", "--provider", "gcp", *AS_OF)
    assert (ran.code, ran.err) == (0, "")
    assert "\nRejected\n" in ran.out
    assert "\x1b" not in ran.out
    assert ran.out.startswith("nightly-batch-qwen-32b: $")


def test_estimate_has_a_row_for_every_instance_type_considered(run: Run) -> None:
    ran = run("estimate", "chat-llama-70b", "--format", "json", "--provider", "aws", *AS_OF)
    assert (ran.code, ran.err) == (0, "")
    rows = json.loads(ran.out)
    names = {row["instance_type"] for row in rows}
    assert {"p5.48xlarge", "p4d.24xlarge", "g6.xlarge"} <= names
    h100 = next(row for row in rows if row["instance_type"] == "p5.48xlarge")
    assert (h100["usd_per_hour"], h100["rejected"]) == ("55.04", "")
    # 1,000,000 tokens at planned_rps × tokens a request, 3,600 s an hour.
    mix = json.loads(run("recommend", "chat-llama-70b", "--format", "json", "--provider", "aws", *AS_OF).out)
    tokens = sum(
        b["share"] * (b["prompt_tokens"] + b["output_tokens"]) for b in mix["services"][0]["buckets"]
    )
    assert float(h100["usd_per_million_tokens"]) == pytest.approx(
        55.04 / (h100["planned_rps"] * tokens * 3600) * 1e6, abs=1e-4
    )
    estimated = {row["instance_type"]: row["planned_rps"] for row in rows}
    for option in mix["options"]:
        assert option["rate_rps"] == estimated[option["instance_type"]]
    days = sorted({row["price_observed_on"] for row in rows if row["usd_per_hour"]})
    assert f"Prices of {days[0]} to {days[-1]}." in run("estimate", "chat-llama-70b", *AS_OF).out
    # Sold as Capacity Blocks alone: it serves, and a plan has no price on demand for it.
    blocks = next(row for row in rows if row["instance_type"] == "p5e.48xlarge")
    assert (blocks["obtainability"], blocks["usd_per_hour"]) == ("reservation_only", None)
    small = next(row for row in rows if row["instance_type"] == "g6.xlarge")
    assert small["rejected"] == "memory"
    assert "weights of" in small["reason"]
    assert small["requests_per_second"] is None


@pytest.mark.parametrize("workload", ["chat-llama-70b", "reasoning-deepseek-r1"])
def test_the_estimate_table_fits_and_ends_with_what_is_out(run: Run, workload: str) -> None:
    out = run("estimate", workload, *AS_OF).out
    assert max(map(len, out.splitlines())) <= 100
    assert out.index("\nServe it\n") < out.index("\nDo not serve it\n") < out.index("\nMethod\n")


def test_attention_that_is_data_parallel_is_not_called_tensor_parallel(run: Run) -> None:
    out = run("estimate", "reasoning-deepseek-r1", "--instance-type", "p5en.48xlarge", *AS_OF).out
    line = next(line for line in out.splitlines() if line.startswith("p5en.48xlarge"))
    assert line.split()[2] == "DP8+EP"


@pytest.mark.parametrize(("limit", "old"), [("12", False), ("11", True)])
def test_line_1_calls_prices_old_where_one_that_the_plan_uses_is(run: Run, limit: str, old: bool) -> None:
    # p4de.24xlarge on demand in us-east-1 is of 2026-11-09, 12 days before; spot and reserved are far older.
    out = run(
        "recommend", "nightly-batch-qwen-32b", "--region", "us-east-1", "--instance-type", "p4de.24xlarge",
        "--set", "tiers=[on_demand]", "--set", f"price_age_note_days={limit}", *AS_OF,
    ).out  # fmt: skip
    first = " ".join(out.split("\n\n")[0].split())
    assert ("at OLD PRICES" in first) is old
    assert ("prices: on demand of 2026-11-09 (12 days)" in first) is old


def test_prices_later_than_the_day_that_is_planned_on_are_told_of(run: Run) -> None:
    ran = run("recommend", "code-llama-8b", "--instance-type", "p5.48xlarge", "--as-of", "2026-01-01")
    said = "prices in force are later than 2026-01-01 (2026-01-21 to 2026-11-09): none from before is known"
    assert said in ran.err
    assert said in " ".join(ran.out.split())
    assert said in run("prices", "list", "--gpu", "H100", "--as-of", "2026-01-01").err


def test_prices_are_listed_with_age_and_absence_with_its_reason(run: Run) -> None:
    ran = run(
        "prices", "list", "--instance-type", "p5.48xlarge", "--tier", "spot", "--format", "json", *AS_OF
    )
    rows = json.loads(ran.out)
    stockholm = next(row for row in rows if row["region"] == "eu-north-1")
    assert stockholm["usd_per_hour"] == "26.5858"
    assert stockholm["age_days"] == 184  # 2026-05-21 to 2026-11-21
    jakarta = next(row for row in rows if row["region"] == "ap-southeast-3")
    assert (jakarta["usd_per_hour"], jakarta["age_days"]) == (None, 184)
    assert "no discount or no spare capacity" in jakarta["missing_reason"]
    assert {row["gpu"] for row in rows} == {"H100"}


def test_prices_as_table_and_csv(run: Run) -> None:
    table = run("prices", "list", "--gpu", "H100", "--provider", "aws", *AS_OF).out
    assert max(map(len, table.splitlines())) <= 100
    assert "apse3-az1" in table[table.index("\nNo price\n") :]
    rows = list(
        csv.DictReader(io.StringIO(run("prices", "list", "--gpu", "L4", "--format", "csv", *AS_OF).out))
    )
    assert {row["gpu"] for row in rows} == {"L4"}
    assert {row["provider"] for row in rows} == {"aws", "gcp"}


def test_an_import_is_in_force_at_once(run: Run, tmp_path: Path) -> None:
    contract = tmp_path / "contract.csv"
    contract.write_text(
        "provider,region,instance_type,tier,usd_per_hour,observed_on,source,contract,market\n"
        "aws,us-east-1,p5.48xlarge,on_demand,33.25,2026-11-01,our agreement,EDP,\n"
        "aws,us-east-1,p5.48xlarge,on_demand,33.25,2026-11-01,our agreement,EDP,flexstart\n"
        "aws,us-east-1,p9.enormous,on_demand,99,2026-11-01,our agreement,EDP,\n",
        encoding="utf-8",
    )
    own = tmp_path / "own"
    own.mkdir()
    ran = run("prices", "import", str(contract), "--provider", "aws", "--config", str(own))
    assert ran.code == 0
    assert ran.out.startswith(
        f"2 prices and 0 known not to exist for aws are in {own / 'prices' / 'aws.csv'}"
    )
    assert "p9.enormous" in ran.err
    assert "aws.csv line 3: market = 'flexstart': planned only where" in " ".join(ran.err.split())
    assert "did you mean flex_start?" in " ".join(ran.err.split())
    listed = run(
        "prices", "list", "--instance-type", "p5.48xlarge", "--config", str(own), "--format", "json", *AS_OF
    )
    assert [
        row["usd_per_hour"]
        for row in json.loads(listed.out)
        if row["contract"] == "EDP" and row["market"] == "standard"
    ] == ["33.25"]


def test_a_list_price_of_ones_own_is_marked_in_the_plan(run: Run, tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(
        "provider,region,instance_type,tier,usd_per_hour,observed_on,source\n"
        "aws,us-east-2,p5.48xlarge,on_demand,20,2026-11-20,a quote\n",
        encoding="utf-8",
    )
    own = tmp_path / "own"
    own.mkdir()
    assert run("prices", "import", str(prices), "--provider", "aws", "--config", str(own)).code == 0
    ran = run("recommend", "chat-llama-70b", "--config", str(own), "--provider", "aws", *AS_OF)
    assert "p5.48xlarge ! (own price)" in ran.out
    assert "own price of p5.48xlarge" not in ran.out


@pytest.mark.parametrize(
    ("region", "odd"),
    [("us-east-2", "times below the median of its kind"), ("us-east-9", "no list of aws has")],
)
def test_an_odd_own_price_is_told_in_the_plan_too(run: Run, tmp_path: Path, region: str, odd: str) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(
        "provider,region,instance_type,tier,usd_per_hour,observed_on,source\n"
        f"aws,{region},p5.48xlarge,on_demand,5.504,2026-11-20,a quote\n",
        encoding="utf-8",
    )
    own = tmp_path / "own"
    own.mkdir()
    assert run("prices", "import", str(prices), "--provider", "aws", "--config", str(own)).code == 0
    ran = run("recommend", "chat-llama-70b", "--config", str(own), "--provider", "aws", *AS_OF)
    said = " ".join(ran.out.split())
    assert f"own price of p5.48xlarge on demand in aws {region}, 5.504 USD an hour" in said
    assert odd in said


@pytest.mark.parametrize("name", ["plan", "policy", "workload"])
def test_schemas_are_schemas(run: Run, name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(run("schema", name).out))
