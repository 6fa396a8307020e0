"""`recommend --pareto`: a table, records, and what it refuses."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

AS_OF = ("--as-of", "2026-11-21")
SMALL = ("--region", "us-east-2", "--instance-type", "p5.48xlarge", *AS_OF)

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_plans_along_an_axis_in_every_format(run: Run) -> None:
    ran = run("recommend", "chat-llama-70b", "--pareto", "margin", "--format", "json", *SMALL)
    assert (ran.code, ran.err) == (0, "")
    rows = json.loads(ran.out)
    assert [row["value"] for row in rows] == [0.5, 0.6, 0.75, 0.9, 0.95]
    text = run("recommend", "chat-llama-70b", "--pareto", "margin", "--format", "csv", *SMALL).out
    assert [row["monthly_usd"] for row in csv.DictReader(io.StringIO(text))] == [
        row["monthly_usd"] for row in rows
    ]


def test_what_is_no_axis_or_does_not_go_with_one_is_refused(fails: Fails) -> None:
    said = fails(2, "recommend", "chat-llama-70b", "--pareto", "carbn", *SMALL)
    assert "--pareto" in said
    assert "carbon" in said
    two = fails(2, "recommend", "chat-llama-70b", "code-llama-8b", "--pareto", "spot", *SMALL)
    assert "one workload" in two
    said = fails(2, "recommend", "chat-llama-70b", "--pareto", "spot", "--format", "markdown", *SMALL)
    assert "table, json, csv" in said
