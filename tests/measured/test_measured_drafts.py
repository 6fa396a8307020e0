"""Runs measured with speculative decoding: refused where their file tells, said where it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES, estimate, measurement

from optimiser.errors import UsageError
from optimiser.measured.formats import read_benchmarks
from optimiser.workload import SpeculativeDecoding, Techniques

# As vllm bench serve writes them: 40,000 drafts of 3 tokens, of which 69,600 were accepted.
VLLM = {
    "spec_decode_acceptance_rate": 58.0,
    "spec_decode_acceptance_length": 2.74,
    "spec_decode_num_drafts": 40_000,
    "spec_decode_draft_tokens": 120_000,
    "spec_decode_accepted_tokens": 69_600,
    "spec_decode_per_position_acceptance_rates": [0.78, 0.57, 0.39],
}
# As trtllm-bench --report_json writes them, of 3 drafted tokens a step.
TRTLLM = {
    "mode": "Eagle",
    "num_draft_tokens_percentiles": {"p50": 1080.0, "minimum": 900.0, "maximum": 1400.0, "average": 1071.0},
    "num_accepted_draft_tokens_percentiles": {"p50": 640.0, "average": 643.0},
    "draft_acceptance_rate_percentiles": {"p50": 0.6, "average": 0.6},
    "acceptance_length_percentiles": {"p50": 2.8, "minimum": 2.1, "maximum": 3.6, "average": 2.8},
}
TABLE = """
===========================================================
= DECODING STATISTICS (Eagle)
===========================================================

-- Number of Draft Tokens Details --------------------------------


[DT] MINIMUM: {least}
[DT] MAXIMUM: {drafted}
[DT] AVERAGE: {drafted}
-- Acceptance Length Details --------------------------------

[AL] MINIMUM: 1.00
[AL] AVERAGE: {length}
[AL] P99    : 3.70
"""
# As AIPerf writes them, each metric with its unit.
AIPERF = {
    "spec_decode_acceptance_length": ("ratio", 3.21),
    "spec_decode_token_weighted_acceptance_length": ("ratio", 3.2),
    "spec_decode_draft_tokens": ("tokens", 640.0),
    "spec_decode_accepted_draft_tokens": ("tokens", 281.0),
    "spec_decode_draft_acceptance_rate": ("%", 44.2),
    "spec_decode_overall_draft_acceptance_rate": ("%", 46.8),
    "total_draft_tokens": ("tokens", 640_000.0),
    "total_accepted_draft_tokens": ("tokens", 281_000.0),
    "usage_accepted_prediction_tokens": ("tokens", 12.0),
}
OFF = "the run had speculative decoding on, and with it is none to anchor on: measure without"


def read(tmp_path: Path, content: str | dict[str, Any]) -> int:
    """How many runs are read of a file of that content."""
    path = tmp_path / "run.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return len(read_benchmarks(path, path.read_bytes()))


def refused(tmp_path: Path, content: str | dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "run.json"))
    assert OFF in message
    return message


def whole(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return data


# vLLM and SGLang


def test_a_vllm_run_with_drafts_is_refused_whole(tmp_path: Path) -> None:
    message = refused(tmp_path, whole("vllm_0_12_bench_serve.json") | VLLM)
    assert "run.json: spec_decode_acceptance_length = 2.74: must be 1 or absent" in message


@pytest.mark.parametrize("name", list(VLLM))
def test_each_field_of_vllm_is_enough(tmp_path: Path, name: str) -> None:
    message = refused(tmp_path, whole("vllm_0_12_bench_serve.json") | {name: VLLM[name]})
    assert f"{name} = {VLLM[name]}: must be {1 if name.endswith('length') else 0} or absent" in message


def test_a_vllm_run_that_drafted_nothing_is_read(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(VLLM, 0) | {"spec_decode_acceptance_length": 1.0}
    nothing["spec_decode_per_position_acceptance_rates"] = []
    assert read(tmp_path, whole("vllm_0_12_bench_serve.json") | nothing) == 1
    assert read(tmp_path, whole("vllm_0_12_bench_serve.json") | dict.fromkeys(VLLM)) == 1


def sglang(**changes: Any) -> str:
    lines = (FIXTURES / "sglang_0_5_bench_serving.jsonl").read_text().splitlines()
    last = json.loads(lines[-1]) | changes
    return "\n".join([*lines[:-1], json.dumps(last)])


def test_one_sglang_run_with_drafts_refuses_its_file(tmp_path: Path) -> None:
    assert "run.json document 2: accept_length = 2.5: must be 1" in refused(
        tmp_path, sglang(accept_length=2.5)
    )
    on = sglang(accept_length=None, server_info={"speculative_algorithm": "EAGLE3"})
    assert "server_info.speculative_algorithm = 'EAGLE3': must be null" in refused(tmp_path, on)


@pytest.mark.parametrize("length", [None, 1, 1.0])
def test_sglang_without_drafts_is_read(tmp_path: Path, length: float | None) -> None:
    off = {"speculative_algorithm": None, "internal_states": [{"avg_spec_accept_length": length}]}
    assert read(tmp_path, sglang(accept_length=length, server_info=off)) == 2


@pytest.mark.parametrize("value", ["fast", True, float("nan"), {}])
def test_a_length_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    assert "accept_length = " in refused(tmp_path, sglang(accept_length=value))


# trtllm-bench


def test_a_trtllm_report_with_drafts_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, whole("trtllm_bench_1_1_report.json") | {"decoding_stats": TRTLLM})
    assert "decoding_stats.acceptance_length_percentiles.average = 2.8: must be 1 or absent" in message
    # C++ engines count no drafts, and say the mode alone.
    uncounted = dict.fromkeys(TRTLLM) | {"mode": "Medusa"}
    message = refused(tmp_path, whole("trtllm_bench_1_1_report.json") | {"decoding_stats": uncounted})
    assert "decoding_stats.mode = 'Medusa': must be null or absent" in message


@pytest.mark.parametrize(
    "stats", [None, {}, dict.fromkeys(TRTLLM), {"acceptance_length_percentiles": {"average": 1.0}}]
)
def test_a_trtllm_report_without_drafts_is_read(tmp_path: Path, stats: object) -> None:
    assert read(tmp_path, whole("trtllm_bench_1_1_report.json") | {"decoding_stats": stats}) == 1


def test_a_trtllm_table_with_drafts_is_refused(tmp_path: Path) -> None:
    table = (FIXTURES / "trtllm_bench_1_1_table.txt").read_text()
    assert "percentiles.average = '2.80'" in refused(
        tmp_path, table + TABLE.format(least="900.00", drafted="1071.00", length="2.80")
    )
    assert "num_draft_tokens_percentiles.average = '1071.00'" in refused(
        tmp_path, table + TABLE.format(least="900.00", drafted="1071.00", length="1.00")
    )
    assert read(tmp_path, table + TABLE.format(least="0.00", drafted="0.00", length="1.00")) == 1


# AIPerf and GuideLLM


@pytest.mark.parametrize("name", list(AIPERF))
def test_an_aiperf_run_with_drafts_is_refused(tmp_path: Path, name: str) -> None:
    unit, mean = AIPERF[name]
    told = {name: {"unit": unit, "avg": mean}}
    assert f"{name}.avg = {mean}" in refused(tmp_path, whole("aiperf_0_10.json") | told)
    early = whole("aiperf_0_1_records.json")
    early["records"] |= told
    assert f"{name}.avg = {mean}" in refused(tmp_path, early)


def test_an_aiperf_run_whose_server_drafted_nothing_is_read(tmp_path: Path) -> None:
    nothing = {name: {"unit": unit, "avg": 0.0} for name, (unit, _) in AIPERF.items()}
    assert read(tmp_path, whole("aiperf_0_10.json") | nothing) == 1


def test_guidellm_tells_of_drafts_where_it_started_vllm_itself(tmp_path: Path) -> None:
    data = whole("guidellm_0_8.json")
    backend = data["benchmarks"][0]["config"].setdefault("backend", {})
    backend["vllm_config"] = {"model": "m", "speculative_config": None}
    assert read(tmp_path, data) == 1
    backend["vllm_config"]["speculative_config"] = {"method": "ngram", "num_speculative_tokens": 3}
    message = refused(tmp_path, data)
    assert "benchmark 1: config.backend.vllm_config.speculative_config = {" in message


# What no file tells


def test_an_anchored_estimate_with_drafts_says_how_its_measurements_are_taken() -> None:
    drafts = Techniques(speculative_decoding=SpeculativeDecoding(tokens_per_step=2.0, draft_tokens=3))
    told = "measured steps are taken as those without drafts"
    anchored = estimate([measurement()], techniques=drafts)
    assert anchored.method.startswith("anchored on 1 measurement")
    assert [note for note in anchored.notes if note.startswith(told)]
    for other in (estimate([measurement()]), estimate(techniques=drafts)):
        assert not [note for note in other.notes if note.startswith(told)]
