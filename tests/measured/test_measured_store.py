"""From readings to stored measurements: what is filled in, refused, kept and forgotten."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import benchmarks
import pytest
from benchmarks import FIXTURES, catalogue, measurement

from optimiser.errors import UsageError
from optimiser.measured.measurement import Measurement, Said, as_cells, from_cells
from optimiser.measured.reading import Reading
from optimiser.measured.store import forget_measurements, import_benchmark, stored_measurements

TODAY = date(2026, 11, 22)
READING = Reading(
    format="csv",
    prompt_tokens=1000,
    output_tokens=500,
    requests=1000,
    requests_per_second=10,
    concurrency=100,
    tpot_ms=15,
    model="llama-3.1-8b",
    gpu="H100",
    gpu_count=1,
    weight_precision="bf16",
    engine="vllm",
)
NOTHING = Said()
H100 = Said(gpu="H100", gpu_count=1, weight_precision="bf16", engine="vllm")


def completed(said: Said = NOTHING, **changes: Any) -> Measurement:
    return benchmarks.completed(READING, said, TODAY, **changes)


def bring(name: str, directory: Path, said: Said = H100) -> tuple[Measurement, ...]:
    return import_benchmark(FIXTURES / name, said, catalogue(), directory, TODAY).added


# What a measurement is of


def test_figures_and_loads_are_those_of_one_replica() -> None:
    found = completed(Said(replicas=2, gpu_count=4, tensor_parallel=1))
    assert (found.requests_per_second, found.concurrency, found.requests) == (5, 50, 500)
    assert (found.gpu_count, found.tensor_parallel, found.pipeline_parallel) == (2, 1, 2)
    assert found.tpot_ms == 15


def test_a_layer_is_split_over_all_gpus_of_a_replica_unless_told() -> None:
    assert completed(Said(gpu_count=4)).tensor_parallel == 4


def test_what_is_said_outranks_what_the_file_says() -> None:
    found = completed(Said(gpu="H200", engine="sglang", weight_precision="fp8", model="llama-3-8b"))
    assert (found.gpu, found.engine, found.weight_precision, found.model) == (
        "H200",
        "sglang",
        "fp8",
        "llama-3-8b",
    )


def test_a_checkpoints_name_tells_model_and_precision() -> None:
    llama = catalogue().models["llama-3.1-8b"]
    assert completed(model=llama.hf_id, weight_precision="").weight_precision == llama.default_precision
    assert completed(model=llama.published["fp8"], weight_precision="").weight_precision == "fp8"


def test_a_driver_names_the_gpu() -> None:
    assert completed(gpu="NVIDIA H100 80GB HBM3").gpu == "H100"
    assert completed(gpu="NVIDIA A100-SXM4-80GB").gpu == "A100-80GB"
    assert completed(gpu="NVIDIA L40S", requests_per_second=3.5, tpot_ms=33).gpu == "L40S"


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("--gpu", {"gpu": ""}),
        ("--gpu", {"gpu": "NVIDIA H100 PCIe"}),
        ("--gpu-count", {"gpu_count": None}),
        ("--model", {"model": ""}),
        ("--model", {"model": "/models/ours"}),
        ("--weight-precision", {"weight_precision": ""}),
        ("--engine", {"engine": ""}),
    ],
)
def test_what_the_file_does_not_say_is_asked_for_by_its_option(option: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{option}( is needed|,)"):
        completed(**changes)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Said(gpu="H1000"), "--gpu = 'H1000': did you mean"),
        (Said(model="llama-3.1-8"), "--model 'llama-3.1-8' is not known"),
        (Said(engine="tgi"), "--engine = 'tgi'"),
        (Said(weight_precision="fp7"), "--weight-precision = 'fp7'"),
        (Said(kv_precision="int2"), "--kv-precision = 'int2'"),
        (Said(replicas=3, gpu_count=4), "--replicas = 3: does not divide the 4 GPUs"),
        (Said(tensor_parallel=2), "--tensor-parallel = 2: does not divide the 1 GPUs"),
        (Said(gpu_count=3), "--tensor-parallel = 3: does not divide the heads"),
        (Said(attention_data_parallel=True), "--attention-data-parallel"),
    ],
)
def test_what_cannot_be_is_refused_by_its_option(said: Said, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        completed(said)


def test_a_run_with_many_failed_requests_is_refused() -> None:
    assert completed(failed=50).requests == 1000
    with pytest.raises(UsageError, match="'100 of 1,100': at most 5% may fail"):
        completed(failed=100)


def test_figures_that_contradict_each_other_are_refused() -> None:
    # 10 requests/s × 499 tokens × 30 ms = 149.7 requests that decode at once, where 100 were in flight.
    with pytest.raises(UsageError, match=r"149\.7 requests decode at once"):
        completed(tpot_ms=30)


def test_a_rate_that_was_kept_without_time_per_token_tells_nothing() -> None:
    loop: dict[str, Any] = {"concurrency": None, "tpot_ms": None, "requests_per_second": 9.9}
    with pytest.raises(UsageError, match=r"requests per second = 9\.9: is the one offered"):
        completed(request_rate=10.0, **loop)
    # What fell behind shows the highest rate there is.
    assert completed(request_rate=12.0, **loop).requests_per_second == 9.9


def test_half_a_character_is_kept_as_a_question_mark() -> None:
    assert as_cells(completed(engine_version="0.12\ud800"))["engine_version"] == "0.12?"


def test_answers_of_less_than_a_token_are_refused() -> None:
    with pytest.raises(UsageError, match=r"output tokens = 0\.5"):
        completed(output_tokens=0.5)


# What is kept


def test_a_measurement_is_kept_as_it_was() -> None:
    for one in (
        measurement(),
        measurement(measured_on=None, concurrency=None, requests=None, tpot_ms=0.1 + 0.2),
    ):
        assert from_cells(as_cells(one), "row") == one


def test_an_import_is_kept_with_its_provenance(tmp_path: Path) -> None:
    (added,) = bring("vllm_0_12_bench_serve.json", tmp_path, replace(H100, engine_version="0.12.0"))
    assert stored_measurements([tmp_path]) == (added,)
    assert (tmp_path / "measurements" / "llama-3.1-8b.csv").is_file()
    assert (added.file, added.format, added.imported_on) == (
        "vllm_0_12_bench_serve.json",
        "vllm bench serve",
        TODAY,
    )
    assert (added.measured_on, added.engine_version) == (date(2026, 6, 1), "0.12.0")
    assert len(added.file_sha256) == 64
    assert added.measurement_id == f"{added.file_sha256[:8]}-1"


def test_the_same_file_twice_adds_nothing_whatever_its_name(tmp_path: Path) -> None:
    first = bring("guidellm_0_5.json", tmp_path)
    copy = tmp_path / "copy.json"
    copy.write_bytes((FIXTURES / "guidellm_0_5.json").read_bytes())
    again = import_benchmark(copy, H100, catalogue(), tmp_path, TODAY + timedelta(days=1))
    assert (again.added, again.present) == ((), first)
    assert stored_measurements([tmp_path]) == first


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (replace(H100, gpu="H200"), "gpu = 'H100' where it would now be 'H200'"),
        (replace(H100, weight_precision="fp8"), "weight_precision = 'bf16' where it would now be 'fp8'"),
    ],
)
def test_the_same_file_as_of_something_else_is_refused(tmp_path: Path, said: Said, message: str) -> None:
    first = bring("guidellm_0_5.json", tmp_path)
    with pytest.raises(UsageError, match=message) as caught:
        bring("guidellm_0_5.json", tmp_path, said)
    of_file = first[0].measurement_id.partition("-")[0]
    assert f"`optimiser measure forget {of_file}` first" in str(caught.value)
    assert stored_measurements([tmp_path]) == first
    forget_measurements([of_file], tmp_path)
    assert bring("guidellm_0_5.json", tmp_path, said) == stored_measurements([tmp_path])


def test_a_stored_file_that_is_none_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements" / "mine.csv").write_text("junk")
    with pytest.raises(UsageError, match=r"mine\.csv: column 'measurement_id' is missing"):
        stored_measurements([tmp_path])


def test_files_of_one_model_stand_side_by_side(tmp_path: Path) -> None:
    first = bring("vllm_0_12_bench_serve.json", tmp_path)
    second = bring("guidellm_0_3.json", tmp_path)
    assert stored_measurements([tmp_path]) == first + second


def test_a_bad_run_keeps_the_whole_file_out(tmp_path: Path) -> None:
    rows = "prompt_tokens,output_tokens,requests_per_second,failed,requests\n1000,500,9,0,100\n1000,500,9,90,100\n"
    (tmp_path / "runs.csv").write_text(rows)
    with pytest.raises(UsageError, match="run 2: failed requests"):
        import_benchmark(
            tmp_path / "runs.csv", replace(H100, model="llama-3.1-8b"), catalogue(), tmp_path, TODAY
        )
    assert stored_measurements([tmp_path]) == ()


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json"):
        with pytest.raises(UsageError, match="cannot be read"):
            import_benchmark(path, H100, catalogue(), tmp_path, TODAY)


def test_a_stored_file_that_was_damaged_is_named(tmp_path: Path) -> None:
    bring("vllm_0_12_bench_serve.json", tmp_path)
    path = tmp_path / "measurements" / "llama-3.1-8b.csv"
    good = path.read_text()
    path.write_text(good.replace(",15.5,", ",-15.5,"))
    with pytest.raises(
        UsageError, match=r"llama-3.1-8b.csv line 2: tpot_ms = '-15.5': must be a number above 0"
    ):
        stored_measurements([tmp_path])
    path.write_text(good.replace("tpot_ms", "tpot"))
    with pytest.raises(UsageError, match="column 'tpot_ms' is missing"):
        stored_measurements([tmp_path])


# What is forgotten


def test_one_run_or_all_of_a_file_are_forgotten(tmp_path: Path) -> None:
    first, second, third = bring("guidellm_0_5.json", tmp_path)
    (other,) = bring("vllm_0_12_bench_serve.json", tmp_path)
    assert forget_measurements([second.measurement_id], tmp_path) == (second,)
    assert stored_measurements([tmp_path]) == (first, third, other)
    assert forget_measurements([first.measurement_id.split("-")[0]], tmp_path) == (first, third)
    assert stored_measurements([tmp_path]) == (other,)


def test_an_unknown_id_forgets_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no measurements are kept there"):
        forget_measurements(["12345678-1"], tmp_path)
    (kept,) = bring("vllm_0_12_bench_serve.json", tmp_path)
    with pytest.raises(UsageError, match=f"did you mean {kept.measurement_id}"):
        forget_measurements([kept.measurement_id, kept.measurement_id[:-1] + "9"], tmp_path)
    assert stored_measurements([tmp_path]) == (kept,)
