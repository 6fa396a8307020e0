"""A measurement that estimates can be anchored on: a benchmark run of one replica, and what it ran on."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.measured.cells import cell_of, cell_value, kinds_of
from optimiser.measured.names import checkpoint_named, gpu_named, precision_in_name
from optimiser.measured.plausible import Run, check_figures, check_possible
from optimiser.measured.reading import Reading
from optimiser.performance.parameters import KV_PRECISIONS, WEIGHT_PRECISIONS
from optimiser.performance.precision import HALF_PRECISIONS
from optimiser.performance.setups import splits_heads, spreads_experts
from optimiser.performance.specs import GpuSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One benchmark run. Figures, loads and GPUs are those of one replica; fields as in Reading and Setup.

    measurement_id is made of the file's SHA-256 and the run's place in it. gpu, model and engine are catalogue names;
    engine_version is "" where it was not told, measured_on None.
    """

    measurement_id: str
    file: str
    file_sha256: str
    format: str
    measured_on: date | None
    imported_on: date
    gpu: str
    gpu_count: int
    model: str
    weight_precision: str
    kv_precision: str
    tensor_parallel: int
    pipeline_parallel: int
    attention_data_parallel: bool
    engine: str
    engine_version: str
    prompt_tokens: float
    output_tokens: float
    concurrency: float | None
    request_rate: float | None
    requests: int | None
    requests_per_second: float
    ttft_ms: float | None
    ttft_p99_ms: float | None
    tpot_ms: float | None
    tpot_p99_ms: float | None
    first_token_at_client: bool
    evenly_spaced: bool


COLUMNS = tuple(field.name for field in fields(Measurement))
# Columns that measurements stored before they came lack.
LATER_COLUMNS = ("evenly_spaced",)
# Tools whose requests at a rate come at equal intervals unless told otherwise.
EVENLY_BY_DEFAULT = ("guidellm", "genai-perf")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was said beside a file, by option; None is what was not. It outranks what the file says."""

    gpu: str | None = None
    gpu_count: int | None = None
    replicas: int | None = None
    model: str | None = None
    weight_precision: str | None = None
    kv_precision: str | None = None
    tensor_parallel: int | None = None
    attention_data_parallel: bool | None = None
    engine: str | None = None
    engine_version: str | None = None
    measured_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The names that a measurement may use; engines and routing_spread as in config/performance.yaml."""

    gpus: Mapping[str, GpuSpec]
    models: Mapping[str, ModelSpec]
    engines: tuple[str, ...]
    routing_spread: float


def measurement_of(
    reading: Reading,
    said: Said,
    known: Catalogue,
    where: str,
    *,
    measurement_id: str,
    file: str,
    file_sha256: str,
    imported_on: date,
) -> Measurement:
    """The reading with what the file does not tell. Raises UsageError, naming the option, for what is needed and in
    neither, for a name that is not known, for figures that contradict each other and for what cannot be.
    """
    check_figures(reading, where)
    model, precision = _model(reading, said, known, where)
    gpu = _one_of("--gpu", said.gpu or gpu_named(reading.gpu, known.gpus), known.gpus, where, reading.gpu)
    engine = _one_of("--engine", said.engine or reading.engine, known.engines, where)
    of_name = precision or precision_in_name(reading.model)
    weights = _precision(
        "weight precision", said.weight_precision, reading.weight_precision, WEIGHT_PRECISIONS, where
    )
    # Of 16 bit a name says what was published, the dtype what was served.
    weights = weights or (reading.dtype if of_name in HALF_PRECISIONS else "") or of_name or reading.dtype
    _one_of("--weight-precision", weights, WEIGHT_PRECISIONS, where)
    kv_cache = _precision("KV precision", said.kv_precision, reading.kv_precision, KV_PRECISIONS, where)
    kv_cache = kv_cache or "bf16"
    replicas = said.replicas or reading.replicas or 1
    gpu_count, tensor, stages, data_parallel = _layout(reading, said, model, replicas, where)
    figures = _of_one_replica(reading, replicas)
    figures["concurrency"] = _running(reading, figures, (tensor if data_parallel else 1) * stages)
    measured_on = said.measured_on or reading.measured_on
    run = Run(
        reading=replace(reading, **figures),
        gpu=known.gpus[gpu],
        gpu_count=gpu_count,
        split=tensor,
        model=model,
        weight_precision=weights,
        kv_precision=kv_cache,
        measured_on=measured_on,
        imported_on=imported_on,
        routing_spread=known.routing_spread,
    )
    check_possible(run, where)
    return Measurement(
        measurement_id=measurement_id,
        file=file,
        file_sha256=file_sha256,
        format=reading.format,
        measured_on=measured_on,
        imported_on=imported_on,
        gpu=gpu,
        gpu_count=gpu_count,
        model=model.name,
        weight_precision=weights,
        kv_precision=kv_cache,
        tensor_parallel=tensor,
        pipeline_parallel=stages,
        attention_data_parallel=data_parallel,
        engine=engine,
        engine_version=said.engine_version or reading.engine_version,
        **figures,
    )


def _of_one_replica(reading: Reading, replicas: int) -> dict[str, typing.Any]:
    """The figures of a reading, rates and loads those of one of its replicas."""
    same = ("prompt_tokens", "output_tokens", "ttft_ms", "ttft_p99_ms", "tpot_ms", "tpot_p99_ms")
    shared = ("concurrency", "request_rate", "requests_per_second")
    totals = {name: getattr(reading, name) for name in shared}
    return {
        **{name: getattr(reading, name) for name in (*same, "first_token_at_client", "evenly_spaced")},
        **{name: None if total is None else total / replicas for name, total in totals.items()},
        "requests": None if reading.requests is None else max(reading.requests // replicas, 1),
    }


def _running(reading: Reading, figures: Mapping[str, typing.Any], groups: int) -> float | None:
    """Requests of one replica that its engine has in work; groups are its data-parallel ranks times its stages.

    Beyond batch_limit in each of them requests wait in line, however many are in flight. TensorRT-LLM has slots for
    max_batch_size × stages (max_num_sequences in _torch/pyexecutor/_util.py), on each rank of data-parallel attention.
    """
    in_flight: float | None = figures["concurrency"]
    if reading.batch_limit is None or figures["request_rate"] is not None:
        return in_flight
    room = reading.batch_limit * groups
    there = in_flight or figures["requests"]
    return room if there and there > room else in_flight


def _model(reading: Reading, said: Said, known: Catalogue, where: str) -> tuple[ModelSpec, str]:
    """The model, and the precision that its checkpoint's name tells."""
    name = said.model or reading.model
    found = checkpoint_named(name, known.models) if name else None
    if found is None:
        named = f"the file names {reading.model!r}, which is none in models.yaml; " if reading.model else ""
        wrong = f"--model {said.model!r} is not known; " if said.model else named
        raise UsageError(f"{where}: {wrong}give --model, {did_you_mean(name, known.models)}")
    of_file = checkpoint_named(reading.model, known.models) if reading.model else None
    return found[0], found[1] or (of_file[1] if of_file and of_file[0] is found[0] else "")


def _precision(name: str, said: str | None, told: str, known: tuple[str, ...], where: str) -> str:
    """What was said, else what the file tells, "" where neither does. Raises UsageError for a word of the file that
    stands for none of those known, which the option then settles.
    """
    option = "--" + name.lower().replace(" ", "-")
    if said:
        return _one_of(option, said, known, where)
    if not told or told in known:
        return told
    right = f"is no one precision known here: give {option}, one of {', '.join(known)}"
    raise bad_value(where, name, told, right)


def _one_of(option: str, value: str, known: typing.Iterable[str], where: str, told: str = "") -> str:
    names = tuple(known)
    if value in names:
        return value
    if value:
        raise bad_value(where, option, value, did_you_mean(value, names))
    named = f"the file says {told!r} alone" if told else "the file does not say"
    raise UsageError(f"{where}: {option} is needed, {named}: {did_you_mean('', names)}")


def _layout(
    reading: Reading, said: Said, model: ModelSpec, replicas: int, where: str
) -> tuple[int, int, int, bool]:
    """(GPUs, tensor-parallel GPUs, pipeline stages, data-parallel attention) of one replica."""
    total = said.gpu_count or reading.gpu_count
    if total is None:
        raise UsageError(f"{where}: --gpu-count is needed, the file does not say: the GPUs of all replicas")
    if total % replicas:
        raise bad_value(where, "--replicas", replicas, f"does not divide the {total} GPUs evenly")
    each = total // replicas
    split = max(each // (reading.pipeline_parallel or 1), 1)
    tensor = said.tensor_parallel or reading.tensor_parallel or split
    if tensor > each or each % tensor:
        right = f"does not divide the {each} GPUs of a replica evenly"
        raise bad_value(where, "--tensor-parallel", tensor, right)
    data_parallel = said.attention_data_parallel
    if data_parallel is None:
        data_parallel = reading.attention_data_parallel or False
    stages = _stages(reading, said, tensor, total, each, where)
    if data_parallel and not spreads_experts(model, tensor):
        right = f"{model.name} is not laid out so on {tensor} GPUs: it is for experts with latent attention"
        raise bad_value(where, "--attention-data-parallel", data_parallel, right)
    if not data_parallel and not splits_heads(model, tensor):
        raise bad_value(
            where, "--tensor-parallel", tensor, f"does not divide the heads of {model.name} evenly"
        )
    return each, tensor, stages, data_parallel


def _stages(reading: Reading, said: Said, tensor: int, total: int, each: int, where: str) -> int:
    """Pipeline stages of a replica of so many GPUs. Raises UsageError where the file has another number of them, and
    where GPUs are left over of which nothing says whether they are stages or replicas.
    """
    left, told = each // tensor, reading.pipeline_parallel
    if left == (told or left) and (left == 1 or told or said.replicas or reading.replicas):
        return left
    one = tensor * (told or 1)
    several = f"--replicas {total // one} where the figures are those of {total // one} replicas together"
    if told is None:
        right = (
            f"is {left} × the tensor-parallel {tensor}, and nothing says what for: give {several}, "
            f"--replicas {total // each} where each is a pipeline of {left} stages"
        )
    else:
        right = (
            f"contradicts the file, whose tensor_parallel × pipeline_parallel of a replica are {tensor} × {told} "
            f"= {one} GPUs: give --gpu-count {one}{f', or {several}' if total % one == 0 else ''}"
        )
    raise bad_value(where, "--gpu-count" if said.gpu_count else "gpu_count", total, right)


def as_cells(measurement: Measurement) -> dict[str, str]:
    """The measurement as cells of a CSV row, numbers as exactly as they are."""
    return {name: cell_of(getattr(measurement, name)) for name in COLUMNS}


def from_cells(cells: Mapping[str, str], where: str) -> Measurement:
    """The measurement of a row that as_cells wrote, now or before columns came. Raises UsageError for a cell that is
    not as it should be.
    """
    told = _of_before(cells) | dict(cells)
    return Measurement(**{name: cell_value(told[name], *_KINDS[name], where, name) for name in COLUMNS})


def _of_before(cells: Mapping[str, str]) -> dict[str, str]:
    """Columns that rows written before they came lack: where a tool's arrivals are evenly spaced by default, they
    count as that.
    """
    evenly = cells["format"] in EVENLY_BY_DEFAULT and bool(cells["request_rate"])
    return {"evenly_spaced": cell_of(evenly)}


_KINDS = kinds_of(Measurement)
