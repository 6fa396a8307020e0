"""How a replica is laid out on its GPUs: what file and options say of it must agree, and none of it is guessed."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from benchmarks import FIXTURES, catalogue, completed

from optimiser.errors import UsageError
from optimiser.measured.measurement import Measurement, Said
from optimiser.measured.reading import Reading
from optimiser.measured.store import import_benchmark

TODAY = date(2026, 11, 22)
EIGHT = Reading(
    format="csv",
    prompt_tokens=1000,
    output_tokens=200,
    requests_per_second=16,
    model="llama-3.1-8b",
    gpu="H100",
    gpu_count=8,
    weight_precision="bf16",
    engine="vllm",
)
Layout = tuple[int, int, int]


def layout(one: Measurement) -> Layout:
    return one.gpu_count, one.tensor_parallel, one.pipeline_parallel


def laid_out(said: Said | None = None, **changes: Any) -> Layout:
    return layout(completed(EIGHT, said or Said(), TODAY, **changes))


def refused(said: Said | None = None, **changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        laid_out(said, **changes)
    message = str(caught.value)
    assert message.startswith("run.csv: ")
    assert "\n" not in message
    return message


def report(directory: Path, **world: int | None) -> Path:
    """A report of trtllm-bench with that world_info."""
    data = json.loads((FIXTURES / "trtllm_bench_1_1_report.json").read_text())
    data["world_info"] |= world
    path = directory / "report.json"
    path.write_text(json.dumps({**data, "performance": {"request_throughput_req_s": 12.5}}))
    return path


def imported(path: Path, said: Said) -> Layout:
    (one,) = import_benchmark(path, said, catalogue(), path.parent / "config", TODAY).added
    return layout(one)


# GPUs left over: replicas or stages


def test_gpus_left_over_are_neither_replicas_nor_stages_until_it_is_said() -> None:
    message = refused(Said(gpu_count=8, tensor_parallel=4))
    assert message == (
        "run.csv: --gpu-count = 8: is 2 × the tensor-parallel 4, and nothing says what for: give --replicas 2 where "
        "the figures are those of 2 replicas together, --replicas 1 where each is a pipeline of 2 stages"
    )
    assert "gpu_count = 8: is 4 × the tensor-parallel 2" in refused(tensor_parallel=2)


def test_a_number_of_replicas_says_it() -> None:
    assert laid_out(Said(tensor_parallel=4, replicas=2)) == (4, 4, 1)
    assert laid_out(Said(tensor_parallel=4, replicas=1)) == (8, 4, 2)
    assert laid_out(tensor_parallel=2, replicas=2) == (4, 2, 2)


def test_a_number_of_stages_says_it() -> None:
    assert laid_out(tensor_parallel=4, pipeline_parallel=2) == (8, 4, 2)
    # Without tensor-parallel GPUs they are what stages leave.
    assert laid_out(pipeline_parallel=2) == (8, 4, 2)
    assert laid_out(pipeline_parallel=2, replicas=2) == (4, 2, 2)


def test_all_gpus_split_a_layer_where_nothing_is_said() -> None:
    assert laid_out() == (8, 8, 1)


def test_stages_that_the_gpus_do_not_come_to_are_refused() -> None:
    message = refused(tensor_parallel=4, pipeline_parallel=1)
    assert (
        "gpu_count = 8: contradicts the file, whose tensor_parallel × pipeline_parallel of a replica are"
        in message
    )
    assert message.endswith(
        "4 × 1 = 4 GPUs: give --gpu-count 4, or --replicas 2 where the figures are those of 2 replicas together"
    )
    assert refused(tensor_parallel=4, pipeline_parallel=3).endswith("4 × 3 = 12 GPUs: give --gpu-count 12")
    assert "2 × 1 = 2 GPUs" in refused(Said(replicas=2), tensor_parallel=2, pipeline_parallel=1)


# Files of engines


def test_a_report_on_one_gpu_is_not_one_of_eight_stages(tmp_path: Path) -> None:
    path = report(tmp_path, tp_size=1, pp_size=1, world_size=1)
    with pytest.raises(UsageError, match=r"report\.json: --gpu-count = 8: contradicts .* 1 × 1 = 1 GPUs"):
        imported(path, Said(gpu_count=8))
    assert imported(path, Said()) == (1, 1, 1)


def test_a_report_of_two_gpus_is_not_one_of_four(tmp_path: Path) -> None:
    path = report(tmp_path)
    with pytest.raises(
        UsageError, match=r"--gpu-count = 4: contradicts .* 2 × 1 = 2 GPUs: give --gpu-count 2"
    ):
        imported(path, Said(gpu_count=4))
    assert imported(path, Said(gpu_count=4, replicas=2)) == (2, 2, 1)


def test_a_report_in_stages_is_laid_out_as_it_says(tmp_path: Path) -> None:
    assert imported(report(tmp_path, tp_size=1, pp_size=2, world_size=2), Said()) == (2, 1, 2)
    assert imported(report(tmp_path, tp_size=1, pp_size=2, world_size=None), Said()) == (2, 1, 2)
    with pytest.raises(UsageError, match=r"gpu_count = 4: contradicts the file, .* 1 × 2 = 2 GPUs"):
        imported(report(tmp_path, tp_size=1, pp_size=2, world_size=4), Said())


def test_metadata_of_vllm_may_tell_stages(tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "vllm_0_12_bench_serve.json").read_text())
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**data, "tp": "1", "pp": "2"}))
    said = Said(gpu="H100", gpu_count=2, weight_precision="bf16")
    assert imported(path, said) == (2, 1, 2)
    with pytest.raises(UsageError, match=r"--gpu-count = 4: contradicts the file"):
        imported(path, replace(said, gpu_count=4))
