"""Files whose figures contradict each other are refused, and 0 for what was not measured is none of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks
from optimiser.measured.plausible import check_figures
from optimiser.measured.reading import Reading

VLLM = "vllm_0_12_bench_serve.json"
# 2,000 requests of 1,000 + 500 tokens in 200 s.
ROUND: dict[str, Any] = {
    "duration": 200.0,
    "completed": 2000,
    "failed": 0,
    "total_input_tokens": 2_000_000,
    "total_output_tokens": 1_000_000,
    "request_throughput": 10.0,
    "output_throughput": 5000.0,
    "max_concurrency": 80,
}
AT_ONCE = Reading(
    format="csv",
    prompt_tokens=1000,
    output_tokens=101,
    requests_per_second=10,
    requests=1000,
    ttft_ms=40_000,
    tpot_ms=40,
)


def read(tmp_path: Path, content: str) -> list[Reading]:
    path = tmp_path / "run.json"
    path.write_text(content)
    found = read_benchmarks(path, path.read_bytes())
    for one in found:
        check_figures(one, str(path))
    return found


def refused(tmp_path: Path, content: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "run.json"))
    assert "\n" not in message
    return message


def changed(name: str, **changes: Any) -> str:
    return json.dumps(json.loads((FIXTURES / name).read_text()) | changes)


def impossible(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        check_figures(replace(AT_ONCE, **changes), "run.csv")
    return str(caught.value)


def test_every_real_shape_agrees_with_itself() -> None:
    for path in sorted(FIXTURES.iterdir()):
        for one in read_benchmarks(path, path.read_bytes()):
            check_figures(one, path.name)


# Totals and rates


@pytest.mark.parametrize("rate", [9.51, 10.49])
def test_rates_may_be_rounded(tmp_path: Path, rate: float) -> None:
    content = changed(VLLM, **ROUND | {"request_throughput": rate, "output_throughput": 500 * rate})
    assert read(tmp_path, content)[0].requests_per_second == rate


@pytest.mark.parametrize("rate", [0.2, 9.4, 10.6, 600.0])
def test_a_rate_other_than_completed_over_duration_is_refused(tmp_path: Path, rate: float) -> None:
    message = refused(tmp_path, changed(VLLM, **ROUND | {"request_throughput": rate}))
    right = "contradicts completed ÷ duration = 2,000 ÷ 200 s = 10: it must be within 5%"
    assert f"request_throughput = {rate}: {right}" in message


@pytest.mark.parametrize("rate", [4700.0, 5300.0, 99_999.0])
def test_output_tokens_a_second_are_their_total_over_duration(tmp_path: Path, rate: float) -> None:
    message = refused(tmp_path, changed(VLLM, **ROUND | {"output_throughput": rate}))
    assert (
        f"output_throughput = {rate}: contradicts total_output_tokens ÷ duration = 1e+06 ÷ 200 s" in message
    )


def test_a_file_without_a_duration_is_read_as_before(tmp_path: Path) -> None:
    content = changed(VLLM, **ROUND | {"duration": None, "output_throughput": 1.0})
    assert read(tmp_path, content)[0].requests == 2000


def test_half_a_request_cannot_complete(tmp_path: Path) -> None:
    message = refused(tmp_path, changed(VLLM, completed=1990.5))
    assert "completed = 1990.5: must be a whole number" in message


def test_aiperf_rates_have_one_unit(tmp_path: Path) -> None:
    minutes = {"unit": "requests/min", "avg": 7.4}
    message = refused(tmp_path, changed("aiperf_0_6.json", request_throughput=minutes))
    assert "request_throughput.unit = 'requests/min': must be requests/sec" in message


def test_a_cancelled_aiperf_run_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, changed("aiperf_0_6.json", was_cancelled=True))
    assert "was_cancelled = true: must be false" in message


# Latencies


def test_a_99th_percentile_may_lie_below_the_mean_but_not_below_half() -> None:
    # 995 of 1,000 at 20 ms and five at 4 s have a mean of 39.9 ms and a p99 of 20 ms.
    check_figures(replace(AT_ONCE, tpot_ms=39.9, tpot_p99_ms=20), "run.csv")
    message = impossible(tpot_p99_ms=19)
    assert "time per token at the 99th percentile (ms) = 19: under 0.5 × its mean of 40 ms" in message
    assert "TTFT at the 99th percentile (ms) = 19000" in impossible(ttft_p99_ms=19_000)


def test_a_mean_first_token_lies_within_the_run() -> None:
    # 1,000 at 10 a second are 100 s.
    check_figures(replace(AT_ONCE, ttft_ms=99_000), "run.csv")
    message = impossible(ttft_ms=126_000)
    assert "TTFT (ms) = 126000: longer than the run: 1,000 requests at their rate are 100 s" in message
    assert "longer than the run" in impossible(ttft_ms=250_000, request_rate=10.1)
    # How long a run of a number not told was is not known.
    check_figures(replace(AT_ONCE, ttft_ms=126_000, requests=None), "run.csv")


def test_requests_that_are_there_at_once_are_in_flight() -> None:
    # Little: 1/s × (5 + 100 × 0.04 s) = 9 of 1,000 (of which a client may hold all but 512 back: 2 % are 10.24).
    message = impossible(requests_per_second=1, ttft_ms=5_000)
    assert "requests per second = 1: contradicts the latencies" in message
    assert "it is 9 requests in flight, where 1,000 that are there at once are 10.24 at least" in message
    # Of 400 they are 8.
    check_figures(replace(AT_ONCE, requests_per_second=1, ttft_ms=5_000, requests=400), "run.csv")


def test_a_long_drain_is_no_contradiction() -> None:
    # 200 decode at once at 20 ms a token: 199 answers of 100 tokens, one of 3,000, which ends alone after 60 s.
    tokens = (199 * 100 + 3000) / 200
    drained = replace(AT_ONCE, requests=200, requests_per_second=200 / 60, output_tokens=tokens)
    check_figures(replace(drained, ttft_ms=300, tpot_ms=20), "run.csv")


# What was not measured


@pytest.mark.parametrize("nought", [0, 0.0])
def test_vllm_writes_0_for_what_was_not_measured(tmp_path: Path, nought: float) -> None:
    one_token = {"total_output_tokens": 2000, "output_throughput": 10.0, "max_concurrency": None}
    silent = {"mean_tpot_ms": nought, "p99_tpot_ms": nought}
    (found,) = read(tmp_path, changed(VLLM, **ROUND | one_token | silent))
    assert (found.output_tokens, found.tpot_ms, found.tpot_p99_ms, found.ttft_ms) == (1, None, None, 210.5)
    (found,) = read(tmp_path, changed(VLLM, mean_ttft_ms=nought, p99_ttft_ms=nought))
    assert (found.ttft_ms, found.ttft_p99_ms, found.tpot_ms) == (None, None, 15.5)


def test_guidellm_writes_0_for_what_was_not_measured(tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "guidellm_0_3.json").read_text())
    between = data["benchmarks"][0]["metrics"]["inter_token_latency_ms"]["successful"]
    between["mean"] = between["percentiles"]["p99"] = 0
    (found,) = read(tmp_path, json.dumps(data))
    assert (found.tpot_ms, found.tpot_p99_ms, found.concurrency) == (None, None, 32)


# Files of several runs


def test_a_guidellm_benchmark_without_metrics_is_not_passed_over(tmp_path: Path) -> None:
    for place in (1, 2):
        data = json.loads((FIXTURES / "guidellm_0_5.json").read_text())
        del data["benchmarks"][place - 1]["metrics"]
        message = refused(tmp_path, json.dumps(data))
        assert f"benchmark {place}: metrics = null: is missing" in message


def test_a_list_holds_a_run_for_each_result(tmp_path: Path) -> None:
    run = json.loads(changed(VLLM, **ROUND))
    found = read(tmp_path, json.dumps([run, run | {"max_concurrency": 96}]))
    assert [one.concurrency for one in found] == [80, 96]
    message = refused(tmp_path, json.dumps([run, run | {"completed": 0}]))
    assert "document 2: completed" in message


def test_a_log_with_two_tables_is_refused(tmp_path: Path) -> None:
    table = (FIXTURES / "trtllm_bench_1_1_table.txt").read_text()
    assert "holds 2 tables of trtllm-bench: give each a file of its own" in refused(tmp_path, table + table)
