"""What a report of trtllm-bench says of its weights, of how many requests it ran at once and of how many there were."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES, catalogue, completed, estimate, measurement

from optimiser.errors import UsageError
from optimiser.measured.measurement import Measurement, Said
from optimiser.measured.plain_csv import COLUMNS
from optimiser.measured.reading import Reading
from optimiser.measured.store import import_benchmark

H100 = Said(gpu="H100", model="llama-3.1-8b")
TODAY = date(2026, 6, 2)
REPORT = FIXTURES / "trtllm_bench_1_1_report.json"


def imported(directory: Path, said: Said = H100, **sections: dict[str, Any] | None) -> Measurement:
    """What is stored of a report with those fields changed."""
    data = json.loads(REPORT.read_text())
    for name, changes in sections.items():
        data[name] = None if changes is None else data[name] | changes
    path = directory / "report.json"
    path.write_text(json.dumps(data))
    (one,) = import_benchmark(path, said, catalogue(), directory / "config", TODAY).added
    return one


def refused(directory: Path, said: Said = H100, **sections: dict[str, Any] | None) -> str:
    with pytest.raises(UsageError) as caught:
        imported(directory, said, **sections)
    message = str(caught.value)
    assert message.startswith(str(directory / "report.json"))
    assert "\n" not in message
    return message


# Weights


@pytest.mark.parametrize(
    ("quantisation", "weights"),
    [
        ("FP8", "fp8"),
        ("QuantAlgo.FP8", "fp8"),
        ("FP8_PER_CHANNEL_PER_TOKEN", "fp8"),
        ("FP8_BLOCK_SCALES", "fp8"),
        ("W8A16", "int8"),
        ("W8A16_GPTQ", "int8"),
        ("W8A8_SQ_PER_CHANNEL", "int8"),
        ("W8A8_SQ_PER_TENSOR_PLUGIN", "int8"),
        ("W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN", "int8"),
        ("W4A16_AWQ", "int4"),
        ("W4A8_AWQ", "int4"),
        ("W4A8_QSERVE_PER_GROUP", "int4"),
        (None, "bf16"),
        ("None", "bf16"),
        ("NO_QUANT", "bf16"),
        ("QuantAlgo.NO_QUANT", "bf16"),
    ],
)
def test_weights_are_what_quantisation_keeps_them_in(
    tmp_path: Path, quantisation: str | None, weights: str
) -> None:
    assert imported(tmp_path, engine={"quantization": quantisation}).weight_precision == weights


@pytest.mark.parametrize("quantisation", ["NVFP4", "W4A8_NVFP4_FP8", "W4A8_MXFP4_MXFP8", "W4A16_MXFP4"])
def test_four_bit_floats_are_fp4(tmp_path: Path, quantisation: str) -> None:
    said = Said(gpu="B200", model="llama-3.1-8b")
    assert imported(tmp_path, said, engine={"quantization": quantisation}).weight_precision == "fp4"


@pytest.mark.parametrize("quantisation", ["MIXED_PRECISION", "W3A5_NEW"])
def test_a_quantisation_that_is_not_known_is_asked_for_and_never_16_bit(
    tmp_path: Path, quantisation: str
) -> None:
    message = refused(tmp_path, engine={"quantization": quantisation})
    assert f"weight precision = {quantisation!r}: is no one precision known here" in message
    assert "give --weight-precision, one of bf16" in message
    said = Said(gpu="H100", model="llama-3.1-8b", weight_precision="fp8")
    assert imported(tmp_path, said, engine={"quantization": quantisation}).weight_precision == "fp8"


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8"),
        ("/models/llama-3.1-8b-my-own-fp8/", "fp8"),
        ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", "int4"),
        ("fp8-lab/Llama-3.1-8B-Instruct", "bf16"),
        ("meta-llama/Llama-3.1-8B-Instruct", "bf16"),
    ],
)
def test_a_checkpoints_name_outranks_the_dtype(tmp_path: Path, name: str, weights: str) -> None:
    assert imported(tmp_path, engine={"model": name, "quantization": "None"}).weight_precision == weights


def test_the_dtype_says_which_16_bits_were_served(tmp_path: Path) -> None:
    assert imported(tmp_path, engine={"quantization": None, "dtype": "float16"}).weight_precision == "fp16"


def test_what_the_engine_says_outranks_the_name(tmp_path: Path) -> None:
    engine = {"model": "nvidia/Llama-3.1-8B-Instruct-FP8", "quantization": "W4A16_AWQ"}
    assert imported(tmp_path, engine=engine).weight_precision == "int4"


def test_nothing_told_at_all_is_asked_for(tmp_path: Path) -> None:
    message = refused(tmp_path, engine={"model": "mine", "quantization": "None", "dtype": "float32"})
    assert "--weight-precision is needed" in message


@pytest.mark.parametrize(
    ("cache", "kept"), [("FP8", "fp8"), ("INT8", "int8"), ("None", "bf16"), ("auto", "bf16")]
)
def test_a_cache_that_is_not_quantised_is_in_the_dtype(tmp_path: Path, cache: str, kept: str) -> None:
    said = Said(gpu="H100", model="llama-3.1-8b", weight_precision="bf16")
    assert imported(tmp_path, said, engine={"kv_cache_dtype": cache}).kv_precision == kept


def test_a_cache_in_what_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    message = refused(tmp_path, engine={"kv_cache_dtype": "W5"})
    assert "KV precision = 'W5': is no one precision known here: give --kv-precision, one of" in message


def test_the_dtype_is_no_column_of_a_csv() -> None:
    assert "dtype" not in COLUMNS


# Requests that run at once


@pytest.mark.parametrize(
    ("in_flight", "limit", "kept"),
    [(64.4, 64, 64.0), (63.9, 64, 63.9), (1500.0, 64, 64.0), (1500.0, 2048, 1500.0), (1500.0, None, 1500.0)],
)
def test_an_engine_runs_no_more_than_it_has_slots_for(
    tmp_path: Path, in_flight: float, limit: int | None, kept: float
) -> None:
    found = imported(
        tmp_path,
        world_info={"max_batch_size": limit},
        request_info={"avg_num_concurrent_requests": in_flight},
        performance={"avg_request_latency_ms": None},
        streaming_metrics=None,
    )
    assert found.concurrency == kept


def test_requests_that_were_all_there_run_no_more_than_the_slots() -> None:
    reading = Reading(
        format="trtllm-bench", prompt_tokens=1024, output_tokens=512, requests_per_second=7.6, requests=3000
    )
    said = Said(gpu="H100", gpu_count=1, model="llama-3.1-8b", weight_precision="bf16", engine="trtllm")
    assert completed(reading, said, TODAY).concurrency is None
    assert completed(reading, said, TODAY, batch_limit=64.0).concurrency == 64
    # 60 requests fit at once; what was offered at a rate is not held to slots.
    assert completed(reading, said, TODAY, batch_limit=64.0, requests=60).concurrency is None
    assert completed(reading, said, TODAY, batch_limit=4.0, request_rate=8.0).concurrency is None


@pytest.mark.parametrize(
    ("changes", "data_parallel", "kept"),
    [
        ({"tensor_parallel": 8}, False, 16.0),
        ({"tensor_parallel": 8}, True, 128.0),
        ({"tensor_parallel": 4, "pipeline_parallel": 2}, False, 32.0),
        ({"tensor_parallel": 4, "pipeline_parallel": 2}, True, 128.0),
    ],
    ids=["split", "ranks", "stages", "ranks and stages"],
)
def test_every_rank_and_stage_has_slots_of_its_own(
    changes: dict[str, int], data_parallel: bool, kept: float
) -> None:
    reading = Reading(
        format="trtllm-bench",
        prompt_tokens=1024,
        output_tokens=512,
        requests_per_second=3.0,
        concurrency=500.0,
        batch_limit=16.0,
        requests=3000,
    )
    said = Said(
        gpu="H200",
        gpu_count=8,
        model="deepseek-r1",
        weight_precision="fp8",
        engine="trtllm",
        attention_data_parallel=data_parallel,
    )
    assert completed(reading, said, TODAY, **changes).concurrency == kept


def offline(concurrency: float | None, rate: float) -> Measurement:
    return measurement(
        concurrency=concurrency, requests_per_second=rate, tpot_ms=None, requests=3000, engine="trtllm"
    )


def test_slots_are_the_batch_that_a_rate_was_measured_at() -> None:
    """With 64 slots a rate is that of 64 at once, whether 64.4 or 63.9 were in flight on average."""
    reading = Reading(
        format="trtllm-bench",
        prompt_tokens=1024,
        output_tokens=512,
        requests_per_second=7.6,
        requests=3000,
        batch_limit=64.0,
    )
    said = Said(gpu="H100", gpu_count=1, model="llama-3.1-8b", weight_precision="bf16", engine="trtllm")
    below, above = (
        estimate([completed(reading, said, TODAY, concurrency=some)], engine="trtllm")
        for some in (63.9, 64.4)
    )
    assert above.requests_per_second == pytest.approx(below.requests_per_second, rel=0.005)
    # Full, the machine serves more than at 64; taken as its fullest batch, 7.6/s would be all there is.
    assert above.requests_per_second > 1.3 * 7.6


def test_requests_beyond_every_place_wait_as_if_all_were_there() -> None:
    all_there, in_line = (
        estimate([offline(some, 9.0)], engine="trtllm").requests_per_second for some in (None, 2048.0)
    )
    assert in_line == pytest.approx(all_there, rel=0.002)
    # Both without the time in which the last of 3,000 drain.
    assert all_there > 9.05


@pytest.mark.parametrize("streaming", [True, False], ids=["of first token and steps", "told whole"])
@pytest.mark.parametrize(
    ("in_flight", "possible"), [(1500.0, False), (50.0, False), (200.0, True), (100.0, True)]
)
def test_requests_in_flight_are_rate_times_latency(
    tmp_path: Path, in_flight: float, possible: bool, streaming: bool
) -> None:
    # 12.5 a second, each 150 ms and 999 steps of 9.5 ms in work: 120.5.
    changes: dict[str, dict[str, Any] | None] = {
        "request_info": {"avg_num_concurrent_requests": in_flight},
        "performance": {"avg_request_latency_ms": None if streaming else 9640.0},
    }
    if not streaming:
        changes["streaming_metrics"] = None
    if possible:
        assert imported(tmp_path, **changes).concurrency == in_flight
        return
    message = refused(tmp_path, **changes)
    assert f"request_info.avg_num_concurrent_requests = {in_flight}" in message
    assert "contradicts rate × latency, which are 120.5 requests in flight" in message


def test_what_tells_no_latency_is_not_held_against_it(tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any] | None] = {
        "request_info": {"avg_num_concurrent_requests": 50.0},
        "performance": {"avg_request_latency_ms": None},
        "streaming_metrics": None,
    }
    assert imported(tmp_path, **changes).concurrency == 50.0
