"""What a report of trtllm-bench says of its weights, of how many requests it ran at once and of how many there were."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES, catalogue

from optimiser.errors import UsageError
from optimiser.measured.measurement import Measurement, Said
from optimiser.measured.plain_csv import COLUMNS
from optimiser.measured.store import import_benchmark

H100 = Said(gpu="H100", model="llama-3.1-8b")
REPORT = FIXTURES / "trtllm_bench_1_1_report.json"


def imported(directory: Path, said: Said = H100, **sections: dict[str, Any] | None) -> Measurement:
    """What is stored of a report with those fields changed."""
    data = json.loads(REPORT.read_text())
    for name, changes in sections.items():
        data[name] = None if changes is None else data[name] | changes
    path = directory / "report.json"
    path.write_text(json.dumps(data))
    (one,) = import_benchmark(path, said, catalogue(), directory / "config", date(2026, 6, 2)).added
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
