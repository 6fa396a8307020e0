"""Every foreseeable fault: one clear message on stderr, the documented exit code, nothing on stdout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """
name: chat
model: llama-3.1-8b
target: {ttft_ms: 2000, tpot_ms: 50, percentile: 95}
demand: {requests_per_second: 2}
sizes: {prompt_tokens: 800, output_tokens: 200}
"""
AS_OF = ("--as-of", "2026-11-21")

Fails = Callable[..., str]


def workload(directory: Path, text: str = GOOD) -> str:
    path = directory / "chat.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "llama-3.1-8b",
            "llama-3.1-9b",
            "chat.yaml: model 'llama-3.1-9b': no such model, and no config.json at ",
        ),
        ("demand:", "demnd:", "demnd = {requests_per_second: 2}: no such field; did you mean demand?"),
        (
            "requests_per_second: 2",
            f"hourly: [{', '.join(['7'] * 8760)}]",
            f"chat.yaml: demand.hourly = [{'7, ' * 33}…: no such field; known: batch, ",
        ),
        ("second: 2", "second: -2", "demand.requests_per_second = -2:"),
        ("second: 2", "second: 0", "demand.requests_per_second = 0:"),
        ("second: 2", "second: .nan", "demand.requests_per_second = nan:"),
        ("ttft_ms: 2000", "ttft_ms: 0", "target.ttft_ms = 0:"),
        (
            "prompt_tokens: 800, output_tokens: 200",
            "buckets: [{prompt_tokens: 8, output_tokens: 2, share: 0.6}]",
            "sizes.buckets",
        ),
        ("requests_per_second: 2", "trace: empty.csv", "empty.csv"),
        ("requests_per_second: 2", "trace: unsorted.csv", "unsorted.csv"),
        ("requests_per_second: 2", "trace: nowhere.csv", "nowhere.csv"),
        ("name: chat", "name: [chat", "chat.yaml: not valid YAML"),
        ("name: chat", "name: chat\nweight_precision: fp3", "chat.yaml: weight_precision = 'fp3': no such"),
        (
            "name: chat",
            "name: chat\nkv_precision: int4",
            "chat.yaml: kv_precision = 'int4': no such precision",
        ),
    ],
)
def test_a_workload_that_cannot_be_is_refused_with_its_file(
    fails: Fails, tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "empty.csv").write_text("time,prompt_tokens,output_tokens\n", encoding="utf-8")
    rows = "2026-01-05T00:00:09,100,10\n2026-01-05T00:00:01,100,10\n"
    (tmp_path / "unsorted.csv").write_text(f"time,prompt_tokens,output_tokens\n{rows}", encoding="utf-8")
    assert old in GOOD
    said = fails(2, "recommend", workload(tmp_path, GOOD.replace(old, new)), *AS_OF)
    assert said.startswith(str(tmp_path))
    assert message in said


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("{max_spot_shar: 0.5}", "policy: max_spot_shar = 0.5: no such field; did you mean max_spot_share"),
        ("{max_spot_share: 30}", "policy: max_spot_share = 30: must be at most 1"),
        ("{gpus: [H10]}", "policy: gpus = 'H10': did you mean H100"),
        ("{providers: [asw]}", "policy: providers = 'asw': did you mean aws?"),
    ],
)
def test_a_workloads_policy_is_refused_with_its_file(
    fails: Fails, tmp_path: Path, policy: str, message: str
) -> None:
    path = workload(tmp_path, f"{GOOD}policy: {policy}\n")
    assert fails(2, "recommend", path, *AS_OF).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--provider", "asw"), "--provider: providers = 'asw': did you mean aws?"),
        (("--gpu", "H1000"), "--gpu: gpus = 'H1000': did you mean H100"),
        (("--region", "us-east-9"), "--region: regions = 'us-east-9': did you mean us-east-"),
        (
            ("--instance-type", "p5.48xl"),
            "--instance-type: instance_types = 'p5.48xl': did you mean p5.48xlarge",
        ),
        (("--margin", "nan"), "--margin: performance_margin = 'nan': must be a finite number"),
        (
            ("--confidence", "90"),
            "--confidence: performance_confidence = '90': must be below 1 (the share of estimates whose true rate",
        ),
        (("--confidence", "0.4"), "--confidence: performance_confidence = '0.4': must be at least 0.5"),
        (
            ("--confidence", "0.9", "--margin", "0.2"),
            "--confidence: performance_confidence = '0.9': give one of the two: performance_margin = 0.2 (--margin)",
        ),
        (("--set", "max_spot_share"), "--set: override = 'max_spot_share': write it as FIELD=VALUE"),
        (("--set", "spot=1"), "--set: spot = '1': no such field of policy or workload"),
        (("--set", "demand.scale=-1"), "demand.scale = -1"),
        (("--as-of", "today"), "--as-of: date = 'today': must be a date like 2026-11-09"),
        (("--as-of", "20261109"), "--as-of: date = '20261109': must be a date"),
        (("--format", "xml"), "--format: format = 'xml': known: csv, gateway, json, markdown, table"),
        (("--config", "/nowhere"), "--config: directory = '/nowhere': no such directory"),
    ],
)
def test_an_option_that_cannot_be_is_named(
    fails: Fails, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in fails(2, "recommend", workload(tmp_path), *AS_OF, *arguments)


def test_a_workloads_config_json_is_looked_for_beside_its_file_then_where_the_command_runs(
    run: Callable[..., Any], fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {
        "model_type": "llama", "num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16,
        "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000, "max_position_embeddings": 8192,
    }  # fmt: skip
    mine, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    for folder in (mine / "w8a8", elsewhere):
        folder.mkdir(parents=True)
    (mine / "w8a8" / "config.json").write_text(json.dumps(keys), encoding="utf-8")
    path = workload(mine, GOOD.replace("llama-3.1-8b", "w8a8/config.json"))
    monkeypatch.chdir(elsewhere)
    assert run("estimate", path, *AS_OF).code == 0
    said = fails(2, "estimate", path, "--set", "model=w8a8", *AS_OF)
    assert "model 'w8a8': no such model and no config.json there" in said
    monkeypatch.chdir(mine)
    assert run("estimate", path, "--set", "model=w8a8", *AS_OF).code == 0
    assert run("estimate", workload(elsewhere, Path(path).read_text(encoding="utf-8")), *AS_OF).code == 0
    monkeypatch.chdir(elsewhere)
    said = fails(2, "estimate", workload(elsewhere, Path(path).read_text(encoding="utf-8")), *AS_OF)
    assert f"no config.json at {elsewhere / 'w8a8/config.json'} or w8a8/config.json" in said


def test_an_unknown_workload_is_met_with_the_names_there_are(fails: Fails) -> None:
    said = fails(2, "recommend", "chat-lama-70b")
    assert (
        said
        == "workload 'chat-lama-70b': no such file and no such name; did you mean chat-llama-70b or code-llama-8b?"
    )


@pytest.mark.parametrize("command", ["train", "budget", "compare-api"])
def test_a_directory_is_told_from_a_name_that_is_none(fails: Fails, tmp_path: Path, command: str) -> None:
    assert fails(2, command, str(tmp_path)).endswith("is a directory: one file, or a name, is expected")


@pytest.mark.parametrize("command", ["recommend", "train", "budget"])
def test_a_name_that_no_file_can_have_is_wrong_use(fails: Fails, command: str) -> None:
    said = fails(2, command, "a" * 5000)
    assert said.endswith("aaa…: File name too long")
    assert len(said) < 500


@pytest.mark.parametrize("command", ["recommend", "train", "budget"])
def test_the_home_of_an_unknown_user_is_no_such_file(fails: Fails, command: str) -> None:
    assert "'~no-such-user/x': no such file" in fails(2, command, "~no-such-user/x")


def test_a_number_beyond_all_limits_is_met_with_the_fields_own(fails: Fails) -> None:
    said = fails(2, "recommend", "chat-llama-70b", "--set", "max_gpus=1.0e+300")
    assert said.startswith(
        "--set: max_gpus = 1e+300: must be a far smaller whole number (GPUs running at once"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "target.ttft_ms=1"), "TTFT"),
        (("--set", "max_monthly_usd=10", "--gpu", "L4"), "max_monthly_usd = 10 is too small"),
        (
            ("--set", "survive_region_loss=true", "--region", "us-east-1"),
            "demand is to be split over 2 regions, what would serve it is sold in 1 (aws us-east-1)",
        ),
        (("--set", "model=deepseek-r1", "--gpu", "T4"), "deepseek-r1"),
        (("--instance-type", "p5e.48xlarge"), ""),
    ],
)
def test_what_has_no_plan_says_what_stands_in_the_way(
    fails: Fails, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    said = fails(3, "recommend", workload(tmp_path), *AS_OF, *arguments)
    assert said.startswith("chat: ")
    assert message in said


def test_prices_past_their_hard_limit_exit_with_4(fails: Fails, tmp_path: Path) -> None:
    said = fails(4, "recommend", workload(tmp_path), "--as-of", "2040-01-01", "--gpu", "L4")
    assert "max_price_age_days" in said


@pytest.mark.parametrize("arguments", [("recommend",), ("prices", "list", "--cheap"), ("buy",), ("schema",)])
def test_what_the_command_line_does_not_know_exits_with_2(
    run: Callable[..., object], arguments: tuple[str]
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")  # type: ignore[attr-defined]
    assert "Error: " in ran.err  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("option", "value"), [("--gpu", "H10"), ("--provider", "asw"), ("--region", "moon"), ("--tier", "sport")]
)
def test_a_price_list_of_an_unknown_name_is_refused(fails: Fails, option: str, value: str) -> None:
    assert fails(2, "prices", "list", *AS_OF, option, value).startswith(f"{option} '{value}': no such ")


def test_an_unknown_format_of_a_list_and_an_unknown_schema_are_named(fails: Fails) -> None:
    assert "did you mean json" in fails(2, "prices", "list", *AS_OF, "--gpu", "H100", "--format", "jsn")
    assert fails(2, "schema", "plam") == "schema: name = 'plam': did you mean plan?"


def test_a_price_file_that_cannot_be_imported_is_named(fails: Fails, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.csv")
    assert fails(2, "prices", "import", nowhere, "--provider", "aws").startswith(f"{nowhere}: cannot be read")
    prices = tmp_path / "prices.csv"
    prices.write_text("region,instance_type,tier,usd_per_hour,observed_on,source\n", encoding="utf-8")
    assert "no instance types are known for it" in fails(
        2, "prices", "import", str(prices), "--provider", "acme"
    )


@pytest.mark.parametrize("name", ["missing/plan.json", "."])
def test_an_output_that_cannot_be_written_is_named(fails: Fails, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    said = fails(2, "schema", "plan", "--output", path)
    assert said.startswith(f"--output: file = {path!r}: cannot be written: ")
