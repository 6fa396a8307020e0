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
