"""`measure import`, `list` and `forget`, and what estimates then say."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).parents[1] / "measured" / "fixtures"
VLLM = FIXTURES / "vllm_0_12_bench_serve.json"
OF_H100 = ("--gpu", "H100", "--gpu-count", "1", "--weight-precision", "bf16", "--engine-version", "0.12.0")
Run = Callable[..., Any]
Fails = Callable[..., str]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A config directory of the user's own."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def offline_workload(directory: Path) -> str:
    path = directory / "batch.yaml"
    path.write_text(
        "name: batch\nmodel: llama-3.1-8b\ndemand: {requests_per_second: 5}\n"
        "sizes: {prompt_tokens: 1024, output_tokens: 512}\n"
        "policy: {providers: [gcp], gpus: [H100]}\n"
    )
    return str(path)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_an_import_shows_what_it_took(run: Run, mine: Path) -> None:
    ran = run("measure", "import", str(VLLM), *OF_H100, "--config", str(mine))
    assert ran.code == 0
    assert ran.out.startswith("1 measurement anchor")
    assert "1×H100 TP1  1,024/512    64    7.5   210  15.5" in ran.out
    assert ran.err == "warning: 10 requests failed: the figures are those of the others\n"


def test_a_version_that_is_not_told_is_missed(run: Run, mine: Path) -> None:
    ran = run("measure", "import", str(VLLM), *OF_H100[:-2], "--config", str(mine))
    assert "the engine's version is not told (--engine-version)" in ran.err


def test_an_import_says_which_first_tokens_anchor_nothing(run: Run, mine: Path) -> None:
    sweep = FIXTURES / "guidellm_0_5.json"
    ran = run("measure", "import", str(sweep), *OF_H100, "--engine", "vllm", "--config", str(mine))
    listed = rows_of(run("measure", "list", "--format", "csv", "--config", str(mine)).out)
    (third,) = [row["measurement_id"] for row in listed if row["evenly_spaced"] == "True"]
    assert third.endswith("-3")
    assert f"requests came at equal intervals ({third}): rate and time per token anchor estimates" in ran.err
    assert ran.out.count("evenly spaced (TTFT anchors nothing)") == 1


def test_an_import_says_what_it_left_out(run: Run, mine: Path) -> None:
    sweep = json.loads((FIXTURES / "guidellm_0_5.json").read_text())
    sweep["benchmarks"][1]["config"]["strategy"] = {"type_": "incremental"}
    path = mine / "sweep.json"
    path.write_text(json.dumps(sweep))
    ran = run("measure", "import", str(path), *OF_H100, "--engine", "vllm", "--config", str(mine))
    assert (ran.code, ran.out.partition("\n")[0]) == (0, "2 measurements anchor estimates")
    assert "warning: left out: benchmark 2: config.strategy = 'incremental': known are synchronous" in ran.err


def test_the_same_file_again_adds_nothing_and_says_so(run: Run, mine: Path) -> None:
    command = ("measure", "import", str(VLLM), *OF_H100, "--config", str(mine))
    run(*command)
    again = run(*command)
    assert again.code == 0
    assert again.out.startswith(f"nothing added: {VLLM} was imported on ")
    assert len(rows_of(run("measure", "list", "--format", "csv", "--config", str(mine)).out)) == 1


def test_a_run_with_drafts_ends_with_2_and_stores_nothing(fails: Fails, run: Run, mine: Path) -> None:
    runs = VLLM.read_text() + json.dumps(
        json.loads(VLLM.read_text()) | {"spec_decode_acceptance_length": 2.74}
    )
    path = mine / "runs.json"
    path.write_text(runs)
    message = fails(2, "measure", "import", str(path), *OF_H100, "--config", str(mine))
    assert message.startswith(f"{path} document 2: spec_decode_acceptance_length = 2.74: must be 1 or absent")
    assert not list(mine.glob("measurements/*"))
    assert run("measure", "list", "--format", "json", "--config", str(mine)).out == "[]\n"


def test_measurements_are_listed_in_every_format_and_forgotten(run: Run, mine: Path) -> None:
    run(
        "measure",
        "import",
        str(FIXTURES / "guidellm_0_5.json"),
        *OF_H100,
        "--engine",
        "vllm",
        "--config",
        str(mine),
    )
    (first, *_) = listed = rows_of(run("measure", "list", "--format", "csv", "--config", str(mine)).out)
    assert [row["requests_per_second"] for row in listed] == ["0.29", "4.95", "11.0"]
    assert (
        json.loads(run("measure", "list", "--format", "json", "--config", str(mine)).out)[0]["tpot_ms"] == 6.6
    )
    table = run("measure", "list", "--config", str(mine)).out
    assert "3 measurements anchor estimates" in table
    assert "1,024/512   512     11  9,000    44" in table
    assert "5/s" in table
    gone = run("measure", "forget", first["measurement_id"], "--config", str(mine))
    assert gone.out == f"forgotten: {first['measurement_id']}\n"
    assert len(rows_of(run("measure", "list", "--format", "csv", "--config", str(mine)).out)) == 2


def test_without_measurements_the_list_says_how_to_bring_them(run: Run) -> None:
    assert "optimiser measure import FILE" in run("measure", "list").out
    assert run("measure", "list", "--format", "json").out == "[]\n"


def test_an_import_needs_no_config_directory_before(run: Run, tmp_path: Path) -> None:
    assert run("measure", "import", str(VLLM), *OF_H100).code == 0
    kept = list(tmp_path.glob("nowhere/**/measurements/llama-3.1-8b.csv"))
    assert len(kept) == 1
    assert "1 measurement anchor" in run("measure", "list").out


def test_estimates_are_anchored_and_say_so(run: Run, mine: Path) -> None:
    workload = offline_workload(mine)
    command = (
        "estimate",
        workload,
        "--embedded",
        "--format",
        "json",
        "--config",
        str(mine),
        "--as-of",
        "2026-11-21",
    )

    def h100() -> dict[str, Any]:
        answered = json.loads(run(*command).out)
        return next(row for row in answered if row["gpu"] == "H100" and row["gpus_per_instance"] == 1)

    before = h100()
    table = mine / "runs.csv"
    table.write_text("prompt_tokens,output_tokens,requests_per_second,requests\n1024,512,9.5,100000\n")
    options = ("--model", "llama-3.1-8b", "--engine", "vllm", "--measured-on", "2026-10-05")
    ran = run("measure", "import", str(table), *OF_H100, *options, "--config", str(mine))
    assert ran.code == 0, ran.err
    after = h100()
    assert "anchored" not in before["method"]
    assert before["requests_per_second"] > 11
    assert after["requests_per_second"] == pytest.approx(9.5, rel=0.02)
    assert after["method"].startswith("anchored on 1 measurement of 2026-10-05 on vllm 0.12.0; ")
    assert (after["engine"], after["relative_error"]) == ("vllm 0.12.0", 0.046)
    (listed,) = rows_of(run("measure", "list", "--format", "csv", "--config", str(mine)).out)
    run("measure", "forget", listed["measurement_id"], "--config", str(mine))
    assert h100() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--gpu is needed, the file does not say"),
        (("--gpu", "H100"), "--gpu-count is needed"),
        ((*OF_H100, "--gpu", "H101"), "--gpu = 'H101': did you mean"),
        ((*OF_H100, "--model", "gpt-5"), "--model 'gpt-5' is not known"),
        ((*OF_H100, "--replicas", "2"), "--replicas = 2: does not divide the 1 GPUs evenly"),
        ((*OF_H100, "--gpu-count", "8", "--tensor-parallel", "4"), "is 2 × the tensor-parallel 4"),
        (
            (*OF_H100, "--model", "llama-3.1-405b"),
            "405b are 811.7 GB then, more than the 85.52 GB of 1 × H100",
        ),
        ((*OF_H100, "--measured-on", "yesterday"), "--measured-on: date = 'yesterday': must be a date"),
    ],
)
def test_what_is_missing_or_wrong_is_said_with_its_option(
    fails: Fails, mine: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in fails(2, "measure", "import", str(VLLM), *options, "--config", str(mine))
    assert not list(mine.glob("measurements/*.csv"))


def test_files_that_cannot_be_read_are_refused(fails: Fails, mine: Path) -> None:
    (mine / "broken.json").write_text('{"request_throughput": ')
    assert "not valid JSON: line 1" in fails(
        2, "measure", "import", str(mine / "broken.json"), "--config", str(mine)
    )
    assert "cannot be read" in fails(2, "measure", "import", str(mine / "none.json"), "--config", str(mine))
    assert "no measurements are kept" in fails(2, "measure", "forget", "abc-1", "--config", str(mine))


def test_a_damaged_store_stops_an_estimate_with_file_and_line(fails: Fails, run: Run, mine: Path) -> None:
    run("measure", "import", str(VLLM), *OF_H100, "--config", str(mine))
    path = mine / "measurements" / "llama-3.1-8b.csv"
    path.write_text(path.read_text().replace(",15.5,", ",nan,"))
    message = fails(2, "estimate", offline_workload(mine), "--embedded", "--config", str(mine))
    assert "llama-3.1-8b.csv line 2: tpot_ms = 'nan': must be a number above 0" in message
