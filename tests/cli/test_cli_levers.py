"""`optimiser levers`: a table, records, and what it refuses."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimiser.config import load_config
from optimiser.config.levers import load_lever_facts
from optimiser.errors import UsageError

ONE_TYPE = ("--region", "us-east-2", "--instance-type", "p5.48xlarge", "--as-of", "2026-11-21", "--jobs", "1")
FLAT = ("--set", "demand={hourly_requests_per_second: [40, 40]}")

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_levers_in_every_format(run: Run, tmp_path: Path) -> None:
    asked = (
        "levers",
        "chat-llama-70b",
        "--only",
        "weights-fp8, kv-fp8,response-cache",
        "--response-hit",
        "0.25",
    )
    ran = run(*asked, "--format", "json", *ONE_TYPE, *FLAT)
    assert (ran.code, ran.err) == (0, "")
    rows = json.loads(ran.out)
    kinds = [row["kind"] for row in rows]
    assert kinds[:4] == ["baseline", "lever", "lever", "lever"]
    assert set(kinds[4:]) == {"combination"}
    assert rows[3]["setting"] == "a cache of answers before the service (demand × 0.75)"
    file = tmp_path / "levers.csv"
    fewer = ("levers", "chat-llama-70b", "--only", "kv-fp8", "--format", "csv", "--output", str(file))
    assert run(*fewer, *ONE_TYPE, *FLAT).code == 0
    again = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [row["monthly_usd"] for row in again] == [rows[0]["monthly_usd"], rows[2]["monthly_usd"]]


def test_two_models_beside_each_other(run: Run) -> None:
    ran = run(
        "levers", "chat-llama-70b", "--compare-model", "deepseek-v2", "--gpu", "H200", "--as-of", "2026-11-21"
    )
    assert ran.code == 0
    assert "deepseek-v2 in the place of llama-3.1-70b" in ran.out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--only", "wights"), "--only: lever = 'wights': did you mean weights"),
        (("--distil", "lama-3.1-8b"), "--distil: model 'lama-3.1-8b': no such model"),
        (("--architecture", "nothing"), "--architecture: model 'nothing'"),
        (("--prefix-hit", "1.2"), "--prefix-hit: share = 1.2: above 0 and below 1"),
        (("--response-hit", "0"), "--response-hit: share = 0.0"),
        (("--prune-share", "nan"), "--prune-share: share = nan"),
        (("--accepted-tokens", "2.4"), "--accepted-tokens and --draft-tokens go together"),
        (("--accepted-tokens", "5", "--draft-tokens", "3"), "from 1 to draft tokens + 1 = 4"),
        (("--accepted-tokens", "2", "--draft-tokens", "30"), "--draft-tokens: tokens = 30: from 1 to 16"),
        (("--draft-parameters", "-1"), "--draft-parameters: weights = -1.0"),
        (("--kv-bits", "0"), "--kv-bits: bits = 0.0: from 1 to 16"),
        (("--format", "markdown"), "--format: format = 'markdown': known: csv, json, table"),
        (("--compare-model", "deepseek-v2", "--only", "kv"), "leave out --only"),
    ],
)
def test_what_is_wrong_is_said(fails: Fails, typed: tuple[str, ...], said: str) -> None:
    assert said in fails(2, "levers", "chat-llama-70b", *typed, *ONE_TYPE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("qualty: {}", "unknown field 'qualty': did you mean quality"),
        (
            "quality: {x: {technique: kv-fp8}}",
            "quality: x: missing fields figure, benchmark, source, checked",
        ),
        (
            "drafts: {phi-4: {tokens_per_step: 4, draft_tokens: 2, benchmark: b, source: s, checked: '2026-11-22'}}",
            "tokens_per_step = 4.0: from 1 to draft_tokens + 1 = 3",
        ),
        (
            "instead: {phi-4: {model: ph-5, figure: f, benchmark: b, source: s, checked: '2026-11-22'}}",
            "no such model in models.yaml: 'ph-5'",
        ),
    ],
)
def test_figures_of_ones_own_are_checked(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "levers.yaml").write_text(text, encoding="utf-8")
    config = load_config()
    with pytest.raises(UsageError, match=r"levers\.yaml") as raised:
        load_lever_facts((*config.directories, tmp_path), config.models)
    assert said in str(raised.value)


def test_every_published_figure_belongs_to_a_lever() -> None:
    from optimiser.costing.levers import levers_for

    config = load_config()
    facts = load_lever_facts(config.directories, config.models)
    techniques = {lever.technique for lever in levers_for(config).values()}
    assert {row.technique for row in facts.quality.values()} <= techniques
    assert set(facts.drafts) <= set(config.models)
