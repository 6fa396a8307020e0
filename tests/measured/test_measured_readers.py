"""Every format that benchmarks come in: what is read of it, and what is refused."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks
from optimiser.measured.plain_csv import COLUMNS
from optimiser.measured.reading import Reading


def readings(path: Path) -> list[Reading]:
    return read_benchmarks(path, path.read_bytes())


def one(name: str) -> Reading:
    (found,) = readings(FIXTURES / name)
    return found


def load(reading: Reading) -> tuple[float | None, float | None]:
    return reading.concurrency, reading.request_rate


def figures(reading: Reading) -> tuple[float | None, ...]:
    return (
        reading.prompt_tokens,
        reading.output_tokens,
        reading.requests_per_second,
        reading.ttft_ms,
        reading.tpot_ms,
    )


LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


# What is read


def test_vllm_bench_serve_at_a_concurrency() -> None:
    found = one("vllm_0_12_bench_serve.json")
    assert figures(found) == (1024, 512, 7.5, 210.5, 15.5)
    assert (found.ttft_p99_ms, found.tpot_p99_ms) == (900.25, 17.75)
    assert load(found) == (64, None)
    assert (found.requests, found.failed) == (1990, 10)
    assert (found.model, found.engine, found.measured_on) == (LLAMA, "vllm", date(2026, 6, 1))


def test_vllm_benchmark_serving_at_a_rate_names_no_engine() -> None:
    found = one("vllm_0_8_benchmark_serving.json")
    assert figures(found) == (800, 200, 3.97, 48, 9.25)
    assert load(found) == (None, 4)
    assert (found.engine, found.failed, found.measured_on) == ("", 0, date(2025, 4, 2))


def test_requests_that_an_older_vllm_file_lacks_have_failed(tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "vllm_0_8_benchmark_serving.json").read_text())
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data | {"num_prompts": 520}))
    assert readings(path)[0].failed == 20


def test_sglang_appends_a_line_for_each_run() -> None:
    found = readings(FIXTURES / "sglang_0_5_bench_serving.jsonl")
    assert [(one.concurrency, one.tpot_ms, one.engine) for one in found] == [
        (16, 8, "sglang"),
        (64, 15.5, "sglang"),
    ]


def test_guidellm_before_0_4_tells_its_strategy_among_the_arguments() -> None:
    found = one("guidellm_0_3.json")
    assert figures(found) == (1024, 512, 4.6, 140, 11.5)
    assert load(found) == (32, None)
    # 32 were cut off by the end of the run, none failed.
    assert (found.requests, found.failed, found.model) == (560, 0, LLAMA)
    assert found.measured_on == date(2025, 7, 1)


def test_a_guidellm_sweep_is_a_run_for_each_strategy() -> None:
    synchronous, throughput, constant = readings(FIXTURES / "guidellm_0_5.json")
    assert [load(synchronous), load(throughput), load(constant)] == [(1, None), (512, None), (None, 5)]
    assert (throughput.requests_per_second, throughput.tpot_ms) == (11, 44)
    assert (constant.failed, constant.requests, constant.tpot_p99_ms) == (2, 290, 18.75)


def test_guidellm_0_8_names_model_and_strategy_elsewhere() -> None:
    found = one("guidellm_0_8.json")
    assert (found.model, load(found), found.tpot_ms) == (LLAMA, (None, 6), 14)


def test_genai_perf_says_the_load_among_what_it_passed_on() -> None:
    found = one("genai_perf_0_0_12.json")
    assert figures(found) == (1024, 512, 2.6, 95, 11.75)
    assert (load(found), found.format, found.engine, found.requests) == (
        (16, None),
        "genai-perf",
        "vllm",
        320,
    )


def test_an_early_genai_perf_has_other_names() -> None:
    found = one("genai_perf_0_0_4.json")
    assert figures(found) == (550, 256, 4.0, 60, 9.5)
    assert (load(found), found.model, found.engine) == ((None, 4), "llama-3.1-8b", "trtllm")
    assert found.requests is None


def test_aiperf_with_some_failed_requests() -> None:
    found = one("aiperf_0_6.json")
    assert figures(found) == (1024, 512, 7.4, 230, 15.75)
    assert (load(found), found.format, found.failed) == ((64, None), "aiperf", 3)
    assert (found.ttft_p99_ms, found.measured_on) == (1100, date(2026, 3, 4))


def test_the_first_aiperf_kept_its_metrics_one_level_down() -> None:
    found = one("aiperf_0_1_records.json")
    assert figures(found) == (800, 200, 3.1, 80, 8.5)
    assert load(found) == (None, 3.2)


def test_a_trtllm_bench_report_says_what_it_ran_on() -> None:
    found = one("trtllm_bench_1_1_report.json")
    assert figures(found) == (1000, 1000, 12.5, 150, 9.5)
    assert (found.gpu, found.gpu_count, found.tensor_parallel) == ("NVIDIA H100 80GB HBM3", 2, 2)
    assert (found.weight_precision, found.kv_precision) == ("fp8", "fp8")
    assert (found.engine, found.engine_version, load(found)) == ("trtllm", "1.1.0", (120.5, None))
    assert not found.first_token_at_client


def test_the_table_that_trtllm_bench_prints_says_the_same() -> None:
    found = one("trtllm_bench_1_1_table.txt")
    assert figures(found) == (128, 128, 201.25, 55.5, 8.25)
    assert (found.ttft_p99_ms, found.tpot_p99_ms) == (130, 9.75)
    assert (found.model, found.weight_precision, found.engine_version) == (LLAMA, "fp8", "1.1.0")
    assert load(found) == (220.75, None)


def test_the_table_tells_how_many_requests_the_engine_runs_at_once() -> None:
    found = one("trtllm_bench_0_17_table.txt")
    assert (load(found), found.batch_limit) == ((12600.25, None), 2048)
    assert (found.weight_precision, found.dtype) == ("", "bf16")
    assert (found.kv_precision, found.tpot_ms) == ("bf16", None)
    assert found.engine_version == "0.17.0"


def test_a_csv_names_its_columns() -> None:
    first, second = readings(FIXTURES / "plain.csv")
    assert figures(first) == (900, 250, 24, 120, 9.5)
    assert (first.gpu_count, first.replicas, first.failed, second.failed) == (4, 2, 0, 4)
    assert (first.weight_precision, first.measured_on) == ("fp8", date(2026, 5, 30))


def test_the_readme_names_every_column_of_a_csv() -> None:
    readme = (FIXTURES.parents[2] / "config" / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Measurements")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall("`([^`]+)`", cell)} == set(COLUMNS)


def test_a_files_name_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "aiperf.csv"
    path.write_bytes((FIXTURES / "guidellm_0_3.json").read_bytes())
    assert readings(path)[0].format == "guidellm"


# What is refused


def refused(tmp_path: Path, content: str) -> str:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        readings(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def changed(name: str, **changes: Any) -> str:
    return json.dumps(json.loads((FIXTURES / name).read_text()) | changes)


@pytest.mark.parametrize("broken", ["{", '{"a": }', "[1, 2", "{} {", '{"a": 1}\n{"b"', "[" * 100_000])
def test_malformed_json_is_said_in_one_line(tmp_path: Path, broken: str) -> None:
    message = refused(tmp_path, broken)
    assert "JSON" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "content", ["", "\n", "hello\n", "a,b\n1,2\n", "{}", "[]", "[{}]", "null", '{"benchmarks": []}']
)
def test_what_no_format_explains_is_refused_with_those_known(tmp_path: Path, content: str) -> None:
    assert "known are the JSON of vllm bench serve" in refused(tmp_path, content)


@pytest.mark.parametrize("value", [-1, "NaN", float("nan"), True, {}, [1, 2], "fast", 1e300])
def test_an_impossible_time_per_token_is_refused(tmp_path: Path, value: object) -> None:
    message = refused(tmp_path, changed("vllm_0_12_bench_serve.json", mean_tpot_ms=value))
    assert "mean_tpot_ms" in message
    assert "must be a number above 0" in message


def test_a_refused_figure_is_shown_with_what_would_be_right(tmp_path: Path) -> None:
    message = refused(tmp_path, changed("vllm_0_12_bench_serve.json", mean_tpot_ms=[1, 2]))
    assert "mean_tpot_ms = '[1, 2]': must be a number above 0" in message
    message = refused(tmp_path, changed("vllm_0_12_bench_serve.json", request_throughput="1e30"))
    assert "request_throughput = '1e30': must be a number above 0 and below 1e+12" in message


@pytest.mark.parametrize("name", ["completed", "total_input_tokens", "request_throughput"])
def test_a_field_that_a_vllm_file_lacks_is_named(tmp_path: Path, name: str) -> None:
    data = json.loads((FIXTURES / "vllm_0_12_bench_serve.json").read_text())
    del data[name]
    assert f"{name} = null: is missing" in refused(tmp_path, json.dumps(data))


def test_a_run_that_completed_nothing_is_refused(tmp_path: Path) -> None:
    assert "completed" in refused(tmp_path, changed("vllm_0_12_bench_serve.json", completed=0))
    assert "request_throughput" in refused(
        tmp_path, changed("vllm_0_12_bench_serve.json", request_throughput=None)
    )


def test_an_aiperf_run_in_which_all_failed_is_refused(tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "aiperf_0_1_records.json").read_text())
    data["records"] = {"error_request_count": {"unit": "requests", "avg": 5.0}}
    assert "no request was completed, 5 failed" in refused(tmp_path, json.dumps(data))


def test_other_units_are_refused(tmp_path: Path) -> None:
    ttft = {"unit": "s", "avg": 0.2}
    message = refused(tmp_path, changed("aiperf_0_6.json", time_to_first_token=ttft))
    assert "time_to_first_token.unit = 's': must be ms" in message


def test_a_guidellm_strategy_that_is_not_known_is_refused(tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "guidellm_0_8.json").read_text())
    data["benchmarks"][0]["config"]["strategy"]["kind"] = "trace"
    assert "benchmark 1: config.strategy = 'trace'" in refused(tmp_path, json.dumps(data))
    del data["benchmarks"][0]["config"]["strategy"]
    assert "config.strategy is missing" in refused(tmp_path, json.dumps(data))


def test_a_csv_with_an_unknown_column_or_a_bad_cell_is_refused(tmp_path: Path) -> None:
    head = "prompt_tokens,output_tokens,requests_per_second"
    assert "'tokens_in'" in refused(tmp_path, f"{head},tokens_in\n1,2,3,4\n")
    assert "line 2: tpot_ms = '-4'" in refused(tmp_path, f"{head},tpot_ms\n1,2,3,-4\n")
    assert "line 2: output_tokens" in refused(tmp_path, f"{head}\n1,,3\n")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_csv_without_commas_is_told_so(tmp_path: Path, separator: str) -> None:
    rows = [["prompt_tokens", "output_tokens", "requests_per_second"], ["1024", "256", "5,88"]]
    message = refused(tmp_path, "\n".join(separator.join(row) for row in rows))
    assert f" line 1: separator = {separator!r}: columns must be separated by commas" in message
    assert "a decimal point (5.88)" in message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.bin"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UsageError, match="is no text in UTF-8"):
        readings(path)
