"""`recommend --carbon`: its records, and what it does not go with."""

import json
from collections.abc import Callable
from typing import Any

import pytest

SMALL = ("--region", "us-east-2", "--region", "eu-north-1", "--gpu", "H100", "--as-of", "2026-11-21")

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_records_from_the_cheapest_to_the_greenest(run: Run) -> None:
    ran = run("recommend", "code-llama-8b", "--carbon", "--format", "json", *SMALL)
    assert (ran.code, ran.err) == (0, "")
    rows = json.loads(ran.out)
    assert rows[0]["usd_per_tonne"] is None
    assert rows[-1]["kg_co2e_monthly"] < rows[0]["kg_co2e_monthly"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("chat-llama-70b",), "it goes with one workload"),
        (("--pareto", "carbon"), "--pareto carbon is a line for each price"),
        (("--format", "markdown"), "with --carbon one of table, json, csv"),
    ],
)
def test_what_does_not_go_with_it_is_refused(fails: Fails, more: tuple[str, ...], said: str) -> None:
    assert said in fails(2, "recommend", "code-llama-8b", *more, "--carbon", *SMALL)
