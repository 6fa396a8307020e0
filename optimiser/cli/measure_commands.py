"""`optimiser measure …`: benchmarks of one's own, which estimates are then anchored on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import Config, ListFormat, Output

if TYPE_CHECKING:
    from optimiser.measured.store import Imported

measure_app = typer.Typer(help="Your own benchmarks, which estimates are anchored on.", rich_markup_mode=None)

_Gpu = Annotated[str | None, typer.Option("--gpu", metavar="NAME", help="The GPU, as in gpus.yaml.")]
_GpuCount = Annotated[
    int | None, typer.Option("--gpu-count", metavar="N", min=1, help="GPUs of all replicas together.")
]
_Replicas = Annotated[
    int | None,
    typer.Option("--replicas", metavar="N", min=1, help="Replicas measured together (default: 1)."),
]
_Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="The model, as in models.yaml, or a config.json."),
]
_Weights = Annotated[
    str | None,
    typer.Option("--weight-precision", metavar="NAME", help="Of the weights as served: bf16, fp8, int4, …"),
]
_Cache = Annotated[
    str | None, typer.Option("--kv-precision", metavar="NAME", help="Of the KV cache (default: bf16).")
]
_Tensor = Annotated[
    int | None,
    typer.Option("--tensor-parallel", metavar="N", min=1, help="GPUs a layer is split over (default: all)."),
]
_DataParallel = Annotated[
    bool | None,
    typer.Option(
        "--attention-data-parallel", help="Attention data-parallel over those GPUs, experts spread over them."
    ),
]
_Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="vllm, sglang or trtllm, where the file is of another."),
]
_Version = Annotated[
    str | None, typer.Option("--engine-version", metavar="VERSION", help="The engine's version.")
]
_Day = Annotated[
    str | None, typer.Option("--measured-on", metavar="DATE", help="The day, where the file does not say.")
]


@measure_app.command("import", short_help="Bring a benchmark's results.")
def import_measurement(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON of vllm bench serve, GuideLLM, GenAI-Perf, AIPerf or trtllm-bench, or CSV."
        ),
    ],
    gpu: _Gpu = None,
    gpu_count: _GpuCount = None,
    replicas: _Replicas = None,
    model: _Model = None,
    weight_precision: _Weights = None,
    kv_precision: _Cache = None,
    tensor_parallel: _Tensor = None,
    attention_data_parallel: _DataParallel = None,
    engine: _Engine = None,
    engine_version: _Version = None,
    measured_on: _Day = None,
    config: Config = None,
) -> None:
    """Read a benchmark's results, with options for what the file does not say; they outrank what it says."""
    from optimiser.config import load_config, user_directory
    from optimiser.files import typed_path
    from optimiser.measured.measurement import Catalogue, Said
    from optimiser.measured.store import import_benchmark

    known = load_config(config)
    models = known.models
    if model and typed_path(model).exists():
        models = models | {model: known.find_model(model)}
    said = Said(
        gpu=gpu,
        gpu_count=gpu_count,
        replicas=replicas,
        model=model,
        weight_precision=weight_precision,
        kv_precision=kv_precision,
        tensor_parallel=tensor_parallel,
        attention_data_parallel=attention_data_parallel,
        engine=engine,
        engine_version=engine_version,
        measured_on=_day(measured_on) if measured_on else None,
    )
    fit = known.fit
    catalogue = Catalogue(
        gpus=known.gpus, models=models, engines=tuple(fit.engines), routing_spread=fit.physics.routing_spread
    )
    today = date.today()  # noqa: DTZ011 (the user's own calendar day)
    done = import_benchmark(file, said, catalogue, user_directory(config), today)
    _tell(done, file)


def _tell(done: Imported, file: Path) -> None:
    from optimiser.cli.output import emit, note
    from optimiser.measured.basis import first_tokens_left_out
    from optimiser.report.measurement_list import measurement_document
    from optimiser.report.text_layout import text_of

    if done.present:
        ids = ", ".join(one.measurement_id for one in done.present)
        emit(
            f"nothing added: {file} was imported on {done.present[0].imported_on} already ({ids}); "
            f"`optimiser measure forget` them to import it otherwise\n"
        )
        return
    if done.failed_requests:
        note(f"warning: {done.failed_requests:,} requests failed: the figures are those of the others")
    for remark in done.remarks:
        note(f"warning: {remark}")
    if any(not one.engine_version for one in done.added):
        note("warning: the engine's version is not told (--engine-version): estimates will say so")
    spaced = [one.measurement_id for one in done.added if first_tokens_left_out(one)]
    if spaced:
        note(
            f"note: requests came at equal intervals ({', '.join(spaced)}): rate and time per token anchor estimates, "
            "TTFT does not, since nobody queues then as at real arrivals (measure at Poisson's)"
        )
    emit(text_of(measurement_document(done.added)))


def _day(typed: str) -> date:
    from optimiser.errors import bad_value
    from optimiser.files import day_from

    try:
        return day_from(typed)
    except ValueError as error:
        raise bad_value("--measured-on", "date", typed, str(error)) from None


@measure_app.command("list", short_help="List what was imported.")
def list_measurements(
    format_name: ListFormat = "table",
    output: Output = None,
    config: Config = None,
) -> None:
    """List the measurements that estimates are anchored on, with where each is from."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.config import config_directories
    from optimiser.measured.store import stored_measurements
    from optimiser.report.measurement_list import in_order, measurement_document
    from optimiser.report.records import render_records

    rows = in_order(stored_measurements(config_directories(config)))
    text = render_records(format_name, rows, lambda: measurement_document(rows), colour=wants_colour(output))
    emit(text, output)


@measure_app.command("forget", short_help="Remove what was imported.")
def forget(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="Of `measure list`, or what all of a file begin with."),
    ],
    config: Config = None,
) -> None:
    """Remove measurements from your config; estimates are then made without them."""
    from optimiser.cli.output import emit
    from optimiser.config import user_directory
    from optimiser.measured.store import forget_measurements

    gone = forget_measurements(ids, user_directory(config))
    emit(f"forgotten: {', '.join(one.measurement_id for one in gone)}\n")
