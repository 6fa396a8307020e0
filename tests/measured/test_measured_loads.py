"""Under which load AIPerf and GenAI-Perf measured: read from wherever it stands, refused where it is not told."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks
from optimiser.measured.reading import Reading

AT_A_RATE: dict[str, Any] = json.loads((FIXTURES / "vllm_0_8_benchmark_serving.json").read_text())
NEW: dict[str, Any] = json.loads((FIXTURES / "aiperf_0_10.json").read_text())


def read(tmp_path: Path, data: object) -> Reading:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    (found,) = read_benchmarks(path, path.read_bytes())
    return found


def refused(tmp_path: Path, data: object) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, data)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "run.json"))
    assert "\n" not in message
    return message


def with_phases(*phases: object) -> dict[str, Any]:
    data = copy.deepcopy(NEW)
    data["input_config"]["phases"] = list(phases)
    return data


def phase(kind: str, **load: float) -> dict[str, Any]:
    return {"name": "profiling", "type": kind, "requests": 480, **load}


def test_aiperf_0_10_says_load_and_model_elsewhere(tmp_path: Path) -> None:
    found = read(tmp_path, NEW)
    # The rate is that of the phase measured, not what warmed the engine up.
    assert (found.concurrency, found.request_rate) == (None, 4.0)
    assert (found.model, found.format) == ("meta-llama/Llama-3.1-8B-Instruct", "aiperf")
    assert (found.requests, found.requests_per_second, found.tpot_ms) == (480, 3.95, 7.9)


@pytest.mark.parametrize("kind", ["poisson", "gamma", "constant"])
def test_phases_with_a_rate_are_open_loops(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, with_phases(phase(kind, rate=4.5)))
    assert (found.concurrency, found.request_rate) == (None, 4.5)
    # As in older files, a number in flight beside a rate is the most that may be.
    found = read(tmp_path, with_phases(phase(kind, rate=4.5, concurrency=32)))
    assert (found.concurrency, found.request_rate) == (32, 4.5)


def test_a_phase_of_a_concurrency_is_a_closed_loop(tmp_path: Path) -> None:
    found = read(tmp_path, with_phases(phase("concurrency", concurrency=16)))
    assert (found.concurrency, found.request_rate) == (16, None)


def test_phases_that_tell_no_load_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, with_phases(phase("user_centric", rate=4.0, users=8)))
    assert "phases 'profiling': type = 'user_centric': no load to anchor on: known are concurrency" in message
    assert "rate = null: is missing" in refused(tmp_path, with_phases(phase("poisson")))
    assert "concurrency = null: is missing" in refused(tmp_path, with_phases(phase("concurrency")))


@pytest.mark.parametrize(
    ("phases", "how_many"),
    [
        ([], 0),
        (["profiling"], 0),
        ([{"name": "warmup", "type": "poisson", "rate": 1.0}], 0),
        ([phase("poisson", rate=1.0), phase("poisson", rate=2.0)], 2),
    ],
)
def test_one_phase_must_have_been_measured(tmp_path: Path, phases: list[object], how_many: int) -> None:
    message = refused(tmp_path, with_phases(*phases))
    assert f"input_config.phases has {how_many} phases that were measured" in message
    assert "under which load it was measured is not told" in message


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("aiperf_0_6.json", {"loadgen": {}}),
        ("aiperf_0_1_records.json", {"loadgen": {"request_rate_mode": "poisson"}}),
        ("genai_perf_0_0_12.json", {"perf_analyzer": {}}),
        ("genai_perf_0_0_4.json", {"concurrency": None, "request_rate": None}),
        ("aiperf_0_10.json", {"phases": None}),
    ],
)
def test_a_file_that_names_no_load_is_not_one_with_all_requests_at_once(
    tmp_path: Path, name: str, load: dict[str, Any]
) -> None:
    data = json.loads((FIXTURES / name).read_text())
    data["input_config"] |= load
    message = refused(tmp_path, data)
    assert "loadgen.concurrency and loadgen.request_rate are missing" in message
    assert "under which load it was measured is not told" in message


# Arrivals that are not Poisson's


@pytest.mark.parametrize(("burstiness", "varied"), [(0.1, "3.16"), ("0.25", "2"), (4, "0.5")])
def test_vllm_rates_in_bursts_or_even_gaps_are_refused(
    tmp_path: Path, burstiness: object, varied: str
) -> None:
    message = refused(tmp_path, AT_A_RATE | {"burstiness": burstiness})
    assert f"burstiness = {float(str(burstiness)):g}" in message
    assert f"must be 1 (Poisson): gaps between requests varied {varied} × as much" in message


@pytest.mark.parametrize("burstiness", [1, 1.0, "1.0", None])
def test_vllm_rates_of_poisson_arrivals_are_read(tmp_path: Path, burstiness: object) -> None:
    found = read(tmp_path, AT_A_RATE | {"burstiness": burstiness})
    assert (found.request_rate, found.ttft_ms) == (4.0, 48.0)


def test_burstiness_says_nothing_of_requests_that_are_all_there(tmp_path: Path) -> None:
    closed: dict[str, Any] = json.loads((FIXTURES / "vllm_0_12_bench_serve.json").read_text())
    assert read(tmp_path, closed | {"burstiness": 0.1}).concurrency == 64


def test_a_rate_that_rises_is_no_load(tmp_path: Path) -> None:
    ramp = {"request_rate": "inf", "ramp_up_strategy": "linear", "ramp_up_start_rps": 1, "ramp_up_end_rps": 9}
    message = refused(tmp_path, AT_A_RATE | ramp)
    assert "ramp_up_strategy = 'linear': the rate rose in the run" in message
    assert read(tmp_path, AT_A_RATE | {"ramp_up_strategy": None}).request_rate == 4.0


def test_gamma_phases_of_aiperf_are_those_of_a_poisson_process_or_refused(tmp_path: Path) -> None:
    assert read(tmp_path, with_phases(phase("gamma", rate=4.5, smoothness=1.0))).request_rate == 4.5
    message = refused(tmp_path, with_phases(phase("gamma", rate=4.5, smoothness=0.25)))
    assert (
        "phases 'profiling': smoothness = 0.25: must be 1 (Poisson): gaps between requests varied 2 ×"
        in message
    )
    older = json.loads((FIXTURES / "aiperf_0_6.json").read_text())
    older["input_config"]["loadgen"] |= {"request_rate": 8.0, "arrival_smoothness": 0.25}
    assert "loadgen.arrival_smoothness = 0.25: must be 1" in refused(tmp_path, older)


@pytest.mark.parametrize("rate", ["inf", "Infinity", "infinity", float("inf")])
def test_a_rate_without_end_is_all_at_once_however_it_is_written(tmp_path: Path, rate: object) -> None:
    assert read(tmp_path, AT_A_RATE | {"request_rate": rate}).request_rate is None


@pytest.mark.parametrize("rate", ["-inf", "infinite", float("-inf")])
def test_what_only_looks_like_a_rate_without_end_is_refused(tmp_path: Path, rate: object) -> None:
    assert "request_rate" in refused(tmp_path, AT_A_RATE | {"request_rate": rate})


# GuideLLM's throughput


@pytest.mark.parametrize(
    ("most", "in_flight"), [(512, 512.0), (899, 899.0), (900, None), (2000, None), (None, None)]
)
def test_a_throughput_run_has_as_many_in_flight_as_its_client_lets(
    tmp_path: Path, most: int | None, in_flight: float | None
) -> None:
    # 600 requests were completed and 300 under way when the time was up.
    data = json.loads((FIXTURES / "guidellm_0_5.json").read_text())
    data["benchmarks"] = data["benchmarks"][1:2]
    data["benchmarks"][0]["config"]["strategy"]["max_concurrency"] = most
    found = read(tmp_path, data)
    assert (found.concurrency, found.request_rate) == (in_flight, None)
