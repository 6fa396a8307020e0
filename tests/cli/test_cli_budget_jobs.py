"""`optimiser budget` of projects whose jobs sign commitments: whole terms, cash up front, months that are past."""

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

JOB = """
name: base
model: llama-2-7b
method: pretraining
tokens: 2.0e+12
sequence_tokens: 4096
deadline_days: 60
policy: {tiers: [reserved], allow_upfront: true, regions: [us-east-1], instance_types: [p4d.24xlarge]}
"""


def test_runs_that_one_term_covers_pay_for_it_once_and_its_cash_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(JOB, encoding="utf-8")
    path = tmp_path / "p.yaml"
    training = "training: {job: base.yaml, runs: %s, from_month: 2, months: 4}"
    path.write_text("name: p\nmonths: 6\nstart: 2027-01\n" + training % 2, encoding="utf-8")
    asked = ("budget", str(path), "--as-of", "2026-11-21")
    told = json.loads(run(*asked, "--format", "json").out)
    (job,) = told["training_jobs"]
    # A year of a p4d.24xlarge in us-east-1, all upfront, is $113,819 (AWS), and 24 take a run 59 days.
    term = 24 * 113_819
    assert (job["instances"], job["term_months"], job["terms"], job["months_beyond_end"]) == (24, 12, 1, 7)
    assert float(job["term_usd"]) == float(job["upfront_usd"]) == pytest.approx(term, abs=0.01)
    assert [(one["month"], one["usd"]) for one in job["upfront"]] == [("2027-02", job["upfront_usd"])]
    beside = Decimal(job["usd"]["expected"]) - Decimal(job["term_usd"])
    # Each of the four months is in whole cents.
    both = float(Decimal(job["term_usd"]) + 2 * beside)
    assert float(told["total"]["expected"]) == pytest.approx(both, abs=0.03)
    rows = list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv").out)))
    assert [row["month"] for row in rows if float(row["upfront_usd"])] == ["2027-02"]
    text = " ".join(run(*asked).out.split())
    assert (
        "2 runs one after another pay for 1 whole term of 12 months at $2,731,656 each, used or not" in text
    )
    assert "the last ends 7 months after the horizon, paid in full here." in text
    assert "Of all runs $2,731,656 is cash up front ($2,731,656 in 2027-02)" in text
    # Eight cycles, three months apart, from month 7 to 28 of 30: two terms, the second from month 19.
    again = "maintenance: {cycles_per_year: 4, from_month: 7, retraining: {job: base.yaml}}"
    (tmp_path / "again.yaml").write_text("name: p\nmonths: 30\nstart: 2027-01\n" + again, encoding="utf-8")
    cycled = json.loads(run("budget", str(tmp_path / "again.yaml"), *asked[2:], "--format", "json").out)
    (job,) = cycled["training_jobs"]
    assert (float(job["runs"]), job["terms"], [one["month"] for one in job["upfront"]]) == (
        8,
        2,
        ["2027-07", "2028-07"],
    )
    assert float(cycled["total"]["expected"]) == pytest.approx(2 * term + 8 * float(beside), abs=0.2)
    # Seven runs of 1,421 h outlast a year, one and a half do not; high takes a term of 48 machines.
    at_high = float(told["training_jobs"][0]["usd"]["high"])
    for runs, usd in (
        ("7", (term, 2 * term, at_high)),
        ("{low: 1, expected: 1.5, high: 2}", (term, term, at_high)),
    ):
        found = json.loads(run(*asked, "--format", "json", "--set", f"training.runs={runs}").out)["total"]
        assert [float(found[case]) for case in ("low", "expected", "high")] == pytest.approx(usd, abs=200)


def test_all_runs_are_paid_the_way_that_costs_least_together(run: Run, tmp_path: Path) -> None:
    """One short run is cheapest on demand; six that follow one another fit in one commitment of a year."""
    job = JOB.replace("2.0e+12", "0.3e+12").replace("[reserved]", "[on_demand, reserved]")
    (tmp_path / "base.yaml").write_text(job.replace("p4d.24xlarge", "p5.48xlarge"), encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\nmonths: 12\nstart: 2026-12\ntraining: {job: base.yaml, months: 12}\n", encoding="utf-8"
    )
    asked = ("budget", str(path), "--as-of", "2026-11-21", "--format", "json")
    told = {runs: json.loads(run(*asked, "--set", f"training.runs={runs}").out) for runs in (1, 6, 7)}
    assert {runs: one["training_jobs"][0]["how"] for runs, one in told.items()} == {
        1: "on demand",
        6: "reserved",
        7: "on demand",
    }
    one, six, seven = (float(found["total"]["expected"]) for found in told.values())
    assert six < 6 * one
    # A seventh would take a second year.
    assert seven == pytest.approx(7 * one, abs=0.5)
    assert told[6]["notes"] == [
        "training: paid reserved, since all its runs together cost least so; one alone would be paid on demand"
    ]


def test_months_before_the_day_planned_on_are_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\nmonths: 3\nstart: 2026-12\ntraining: {job: qlora-llama-70b}\n", encoding="utf-8"
    )
    said = "start: {} of 3 months lie before 2026-11-21, the day planned on: its prices are used for them too"
    for start, past in (("2020-01", 3), ("2026-10", 1), ("2026-11", 0)):
        asked = ("budget", str(path), "--as-of", "2026-11-21", "--set", f"start={start}", "--format", "json")
        asked += ("--set", "tiers=[on_demand]", "--set", "instance_types=[g7e.2xlarge]")
        assert json.loads(run(*asked).out)["notes"] == [said.format(past)] * (past > 0)
