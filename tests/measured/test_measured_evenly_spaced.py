"""Requests at equal intervals hardly queue: their rate and time per token anchor estimates, their TTFT does not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES, as_predicted, catalogue, estimate

from optimiser.errors import UsageError
from optimiser.measured.basis import EVENLY_SPACED
from optimiser.measured.formats import read_benchmarks
from optimiser.measured.measurement import COLUMNS, Said
from optimiser.measured.reading import Reading
from optimiser.measured.store import import_benchmark, stored_measurements
from optimiser.performance.anchor import MEASURED_ERROR
from optimiser.performance.doubts import SERVER_ERROR
from optimiser.workload import Target

CHAT = Target(ttft_ms=1500, tpot_ms=30, percentile=95)


def whole(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return data


def read(tmp_path: Path, data: object) -> list[Reading]:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    return read_benchmarks(path, path.read_bytes())


# What files say


def test_guidellms_constant_strategy_is_evenly_spaced(tmp_path: Path) -> None:
    data = whole("guidellm_0_5.json")
    found = read(tmp_path, data)
    assert [one.evenly_spaced for one in found] == [False, False, True]
    assert found[2].request_rate
    data["benchmarks"][2]["config"]["strategy"]["type_"] = "poisson"
    assert read(tmp_path, data)[2] == replace(found[2], evenly_spaced=False)


@pytest.mark.parametrize(
    ("load", "evenly"),
    [
        ({"request_rate": 8.0}, False),
        ({"request_rate": 8.0, "arrival_pattern": "poisson"}, False),
        ({"request_rate": 8.0, "arrival_pattern": "gamma", "arrival_smoothness": 1.0}, False),
        ({"request_rate": 8.0, "arrival_pattern": "constant"}, True),
        ({"request_rate": 8.0, "request_rate_mode": "constant"}, True),
        ({"concurrency": 64, "arrival_pattern": "constant"}, False),
        ({"concurrency": 64, "arrival_pattern": "concurrency_burst"}, False),
    ],
)
def test_aiperf_says_how_requests_at_a_rate_came(
    tmp_path: Path, load: dict[str, object], evenly: bool
) -> None:
    data = whole("aiperf_0_6.json")
    data["input_config"]["loadgen"] = load
    (found,) = read(tmp_path, data)
    assert found.evenly_spaced is evenly


def test_a_pattern_of_arrivals_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    data = whole("aiperf_0_6.json")
    data["input_config"]["loadgen"] = {"request_rate": 8.0, "arrival_pattern": "tidal"}
    with pytest.raises(
        UsageError, match="arrival_pattern = 'tidal': must be one of poisson, gamma, constant"
    ):
        read(tmp_path, data)


@pytest.mark.parametrize(("kind", "evenly"), [("poisson", False), ("gamma", False), ("constant", True)])
def test_a_phase_of_aiperf_says_how_requests_came(tmp_path: Path, kind: str, evenly: bool) -> None:
    data = whole("aiperf_0_10.json")
    data["input_config"]["phases"] = [{"name": "profiling", "type": kind, "rate": 4.0}]
    (found,) = read(tmp_path, data)
    assert found.evenly_spaced is evenly


def test_genai_perf_spaces_requests_evenly_and_does_not_say(tmp_path: Path) -> None:
    data = whole("genai_perf_0_0_12.json")
    (closed,) = read(tmp_path, data)
    assert (closed.concurrency, closed.evenly_spaced) == (16, False)
    data["input_config"]["perf_analyzer"] = {"stimulus": {"request_rate": 3.0}}
    (found,) = read(tmp_path, data)
    assert (found.request_rate, found.evenly_spaced) == (3.0, True)


def test_a_csv_says_it_in_a_column(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "prompt_tokens,output_tokens,requests_per_second,request_rate,evenly_spaced\n"
        "1000,500,2,2,true\n1000,500,2,2,\n"
    )
    assert [one.evenly_spaced for one in read_benchmarks(path, path.read_bytes())] == [True, False]


# What estimates make of it


def test_evenly_spaced_first_tokens_anchor_nothing_and_steps_do() -> None:
    right = as_predicted(80.0)
    quick = replace(right, ttft_ms=(right.ttft_ms or 0) / 2)
    evenly = replace(quick, evenly_spaced=True)
    without = replace(evenly, ttft_ms=None)
    found, same = estimate([evenly], target=CHAT), estimate([without], target=CHAT)
    assert EVENLY_SPACED in found.notes
    assert EVENLY_SPACED not in same.notes
    assert replace(found, notes=same.notes) == same
    assert found.relative_error == SERVER_ERROR
    # Of Poisson's arrivals it would anchor first tokens, and be nearly as sure as measurements are.
    poisson = estimate([quick], target=CHAT)
    assert MEASURED_ERROR <= poisson.relative_error < SERVER_ERROR / 2
    assert poisson.ttft_ms / poisson.requests_per_second < 0.9 * found.ttft_ms / found.requests_per_second


def test_without_a_target_there_is_nothing_to_say_of_first_tokens() -> None:
    evenly = as_predicted(30.0, evenly_spaced=True)
    assert EVENLY_SPACED not in estimate([evenly]).notes


def test_requests_kept_in_flight_are_not_spaced_at_all() -> None:
    alone = as_predicted(1.0, concurrency=1.0, request_rate=None, ttft_ms=900.0)
    assert estimate([alone]) == estimate([replace(alone, evenly_spaced=True)])


# What is stored


def bring(name: str, directory: Path) -> Path:
    """The file of measurements that an import writes."""
    said = Said(
        gpu="H100",
        gpu_count=1,
        model="llama-3.1-8b",
        weight_precision="bf16",
        engine="vllm",
        engine_version="0.12.0",
    )
    found = import_benchmark(FIXTURES / name, said, catalogue(), directory, as_predicted(1.0).imported_on)
    assert found.added == stored_measurements([directory])
    (path,) = (directory / "measurements").glob("*.csv")
    return path


def drop_column(path: Path, name: str) -> None:
    """The file as it was written before the column came; it is the last one."""
    assert COLUMNS[-1] == name
    lines = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "evenly"),
    [
        # Sweeps of GuideLLM are evenly spaced unless asked for otherwise; the file of that time does not say.
        ("guidellm_0_5.json", [False, False, True]),
        ("vllm_0_8_benchmark_serving.json", [False]),
        ("vllm_0_12_bench_serve.json", [False]),
    ],
)
def test_measurements_stored_before_it_was_told_are_read(
    tmp_path: Path, name: str, evenly: list[bool]
) -> None:
    path = bring(name, tmp_path)
    drop_column(path, "evenly_spaced")
    assert [one.evenly_spaced for one in stored_measurements([tmp_path])] == evenly
