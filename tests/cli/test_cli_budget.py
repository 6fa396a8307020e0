"""`optimiser budget`: a table, JSON and CSV that agree, and what it refuses."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from optimiser.config import load_config

Run = Callable[..., Any]
Fails = Callable[..., str]

PROJECT = """
name: pilot
months: 2
start: 2026-12
training: {gpu_hours: {low: 100, expected: 200, high: 300}, usd_per_gpu_hour: 2.5}
inference: {usd_per_query: 0.002, users: 1000, queries_per_user_day: 3, growth_per_month: 0.1}
engineering: [{role: engineer, people: 1, salary_usd_per_year: 90000, overhead: 1.4}]
"""

MAINTAINED = """
maintenance:
  cycles_per_year: 4
  retraining: {gpu_hours: 20000000, owned: {kw_per_gpu: 1, usd_per_kwh: 0.1, pue: 1.25}}
"""


def test_the_three_formats_tell_the_same(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT, encoding="utf-8")
    table = run("budget", str(path))
    assert (table.code, table.err) == (0, "")
    # 500 + 182.5 + 200.75 + 2 × 10,500 = 21,883.25.
    assert table.out.startswith(
        "pilot: $21,883 over 2 months from 2026-12, $21,633 to $22,133; engineering is 96 %"
    )
    told = json.loads(run("budget", str(path), "--format", "json").out)
    assert told["total"] == {"low": "21633.25", "expected": "21883.25", "high": "22133.25"}
    rows = list(csv.DictReader(io.StringIO(run("budget", str(path), "--format", "csv").out)))
    assert [(row["month"], row["line"]) for row in rows][:3] == [
        ("2026-12", "training"),
        ("2026-12", "inference"),
        ("2026-12", "engineering"),
    ]
    # Neither what a query nor what a rented GPU-hour draws is in the file.
    assert told["energy"]["inference_kwh"] == [None, None]
    assert told["energy"]["runs"] == [{"section": "training", "kwh": None, "kg_co2e": None}]
    for case in ("low", "expected", "high"):
        assert sum(Decimal(row[f"{case}_usd"]) for row in rows) == Decimal(told["total"][case])


def test_what_is_wrong_is_one_line_and_exit_code_2(fails: Fails, tmp_path: Path) -> None:
    assert "did you mean support-assistant?" in fails(2, "budget", "suport-assistant")
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT.replace("usd_per_query: 0.002", "workload: chat-lama-70b"), encoding="utf-8")
    said = fails(2, "budget", str(path))
    assert said.startswith(f"{path}: inference.workload: workload 'chat-lama-70b': no such file")
    path.write_text("name: p\nmonths: 2\nstart: 2026-12\ntraining: {job: no.yaml}\n", encoding="utf-8")
    assert fails(2, "budget", str(path)).startswith(f"{path}: training.job: job 'no.yaml': no such file")
    # A job that is none is told before what stands beside it, typed or in the file.
    path.write_text("name: p\nmonths: 2\nstart: 2026-12\ntraining: {gpu_hours: 5}\n", encoding="utf-8")
    said = fails(2, "budget", str(path), "--set", "training.job=qlora-llama-7b")
    assert f"{path}: training.job: job 'qlora-llama-7b': no such file and no such name; did you mean" in said
    both = fails(2, "budget", str(path), "--set", "training.job=qlora-llama-70b")
    assert "training: job and gpu_hours are given: exactly one of" in both
    path.write_text(
        "name: p\nmonths: 2\nstart: 2026-12\nmaintenance: {cycles_per_year: 1, retraining: {gpus: 5, job: nosuch}}\n",
        encoding="utf-8",
    )
    assert "maintenance.retraining.job: job 'nosuch'" in fails(2, "budget", str(path))
    path.write_text(PROJECT, encoding="utf-8")
    assert "--format" in fails(2, "budget", str(path), "--format", "markdown")
    path.write_text(PROJECT.replace("months: 2", "months: 0"), encoding="utf-8")
    assert fails(2, "budget", str(path)).startswith(f"{path}: months = 0: must be at least 1")


def test_next_to_no_queries_are_the_projects_and_nothing_dominates_nothing(
    run: Run, fails: Fails, tmp_path: Path
) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT.replace("usd_per_query: 0.002", "workload: chat-llama-70b"), encoding="utf-8")
    few = ("--set", "inference.users=0.01", "--as-of", "2026-11-21")
    # 0.01 × 3 × 730 / 24; one request in a planned week is 730 / 168.
    assert fails(2, "budget", str(path), *few).startswith(
        f"{path}: inference.users, inference.queries_per_user_day and inference.growth_per_month: 0.912 queries in a "
        "month at the least: a serving plan takes 4.35 or more"
    )
    path.write_text(
        "{name: p, months: 1, start: 2026-12, training: {gpu_hours: 0, usd_per_gpu_hour: 2}}",
        encoding="utf-8",
    )
    assert run("budget", str(path)).out.startswith("p: $0 over 1 month from 2026-12\n")
    assert json.loads(run("budget", str(path), "--format", "json").out)["dominates"] is None


def test_a_field_of_the_project_may_be_typed(run: Run, fails: Fails, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT, encoding="utf-8")
    settings = ("--set", "months=1", "--set", "inference.users=2000", "--set", "training.gpu_hours=40")
    # 40 × $2.5, 2,000 × 3 × 730 / 24 queries at $0.002, and $10,500.
    assert run("budget", str(path), *settings).out.startswith("pilot: $10,965 over 1 month from 2026-12;")
    assert fails(2, "budget", str(path), "--set", "months=0").startswith(
        f"{path}: months = 0: must be at least 1"
    )
    said = fails(2, "budget", str(path), "--set", "inference.users=0")
    assert said.startswith(f"{path}: inference.users = 0: must be a number above 0")
    said = fails(2, "budget", str(path), "--set", "mnths=3")
    assert said.startswith(
        "--set: mnths = '3': no such field of policy or workload or project; did you mean months?"
    )


def test_what_is_typed_is_looked_at_though_nothing_is_planned(fails: Fails, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT, encoding="utf-8")
    assert "--as-of: date = 'soon'" in fails(2, "budget", str(path), "--as-of", "soon")
    assert "max_spot_shar" in fails(2, "budget", str(path), "--set", "max_spot_shar=0")


def test_the_answer_is_as_its_schema_says(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT + MAINTAINED, encoding="utf-8")
    schema = json.loads(run("schema", "budget").out)
    jsonschema.Draft202012Validator(schema).validate(
        json.loads(run("budget", str(path), "--format", "json").out)
    )
    assert {"lines", "items", "sensitivity", "serving", "buy_or_rent"} <= set(schema["properties"])


def test_the_schema_of_a_project_takes_the_shipped_one_and_no_other_field(run: Run) -> None:
    schema = json.loads(run("schema", "project").out)
    shipped = yaml.safe_load(
        (load_config().directories[0] / "projects" / "support-assistant.yaml").read_text("utf-8")
    )
    jsonschema.validate(shipped, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(shipped | {"training": {"gpu_hours": {"low": 1}}}, schema)


def test_the_table_keeps_to_a_hundred_columns(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(PROJECT + MAINTAINED, encoding="utf-8")
    lines = run("budget", str(path)).out.splitlines()
    assert max(map(len, lines)) <= 100
    (bar,) = [line for line in lines if "usd_per_kwh" in line]
    assert "±20 %" in bar
    assert "█│█" in bar
    # 20,000,000 GPU-hours × 1 kW × 1.25 × 0.1 × 4 / 12 over two months: 20 % of $1,666,667.
    assert "−$333k" in bar
    assert "+$333k" in bar


def test_a_project_may_narrow_the_policy_of_its_serving_plans(fails: Fails, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    path.write_text(
        PROJECT.replace("usd_per_query: 0.002", "workload: chat-llama-70b, policy: {max_spot_shar: 0}"),
        encoding="utf-8",
    )
    said = fails(2, "budget", str(path), "--as-of", "2026-11-21")
    assert said.startswith(f"{path}: inference.policy: max_spot_shar = 0")
    assert "did you mean max_spot_share" in said


def test_where_owning_may_never_win_is_said(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pilot.yaml"
    owned = """
buy_or_rent: {gpu: H100, servers: 2, gpus_per_server: 8, kw_per_server: 10, usd_per_kwh: 0, pue: 1, utilisation: 0.5,
  hosting_usd_per_kw_month: 0, depreciation_months: 10, discount_rate_per_year: 0, usd_per_server: %s, provider: aws,
  region: us-east-1}
"""
    # On demand $6.88 × 16 × 730 h = $80,358.4 a month; owned 2 × $300,000 / 10 = $60,000 (75 %), 2 × $500,000 / 10
    # = $100,000 (124 %), and 2 × $200,000 / 10 = $40,000 (50 %).
    for usd, said in (
        (
            "{low: 200000, expected: 300000, high: 500000}",
            "more than 75 % of the hours (50 % where owning costs least; "
            "where it costs most never, since it would take 124 %); at 50 % renting saves $19,821 a month, "
            "but costs $179 more where owning costs least.",
        ),
        (
            "{low: 200000, expected: 300000, high: 300000}",
            "more than 75 % of the hours (50 % to 75 %); at 50 %",
        ),
        (
            "{low: 200000, expected: 500000, high: 500000}",
            "at no use: it would take work in 124 % of the hours (50 % "
            "where owning costs least); renting saves $59,821 a month, but costs $179 more where owning costs least.",
        ),
    ):
        path.write_text(PROJECT + owned % usd, encoding="utf-8")
        assert said in " ".join(run("budget", str(path), "--as-of", "2026-11-21").out.split())


def test_a_run_that_its_own_plan_prices_says_how_old_and_how_sure_that_is(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tuned.yaml"
    path.write_text(
        "name: p\nmonths: 1\nstart: 2026-12\ntraining: {job: qlora-llama-70b}\n", encoding="utf-8"
    )
    asked = ("budget", str(path), "--as-of", "2026-11-21")
    asked += ("--set", "tiers=[on_demand]", "--set", "instance_types=[g7e.2xlarge]")
    (job,) = json.loads(run(*asked, "--format", "json").out)["training_jobs"]
    (price,) = job["oldest_prices"]
    assert (price["tier"], price["past_limit"]) == ("on_demand", price["age_days"] > 90)
    for limit, old in ((price["age_days"], False), (price["age_days"] - 1, True)):
        text = " ".join(run(*asked, "--set", f"price_age_note_days={limit}").out.split())
        dated = f"on demand of {price['observed_on']}" + f" ({price['age_days']} days: OLD)" * old
        assert f"Hours ±25 % (median error). Oldest prices: {dated}." in text
        assert ("training at OLD PRICES" in text.partition(" Lines")[0]) is old
