"""The measurements that estimates are anchored on, with where each is from."""

from __future__ import annotations

from collections.abc import Sequence

from optimiser.measured.basis import first_tokens_left_out
from optimiser.measured.measurement import Measurement
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.wording import counted, layout, number


def in_order(measurements: Sequence[Measurement]) -> list[Measurement]:
    """By model, GPU, sizes and load."""
    return sorted(
        measurements,
        key=lambda one: (one.model, one.gpu, one.gpu_count, one.prompt_tokens, one.requests_per_second),
    )


def measurement_document(measurements: Sequence[Measurement]) -> Document:
    """The measurements as a report of at most a screen's width."""
    columns = (
        Column("id"),
        Column("on"),
        Column("in/out", right=True),
        Column("load", right=True),
        Column("req/s", right=True),
        Column("TTFT", right=True),
        Column("TPOT", right=True),
    )
    headline = f"{counted(len(measurements), 'measurement')} anchor estimates"
    if not measurements:
        headline = "No measurements: bring them by `optimiser measure import FILE`"
    of_model: dict[str, list[Row]] = {}
    for one in measurements:
        of_model.setdefault(one.model, []).append(_row(one))
    sections = [Section(model, (Table(columns, tuple(rows)),)) for model, rows in of_model.items()]
    legend = "Figures are of one replica, TTFT and TPOT means in ms; load: requests in flight, or offered per second."
    return Document(headline, (*sections, Section("Legend", (legend,) if measurements else ())))


def _row(one: Measurement) -> Row:
    split = layout(
        one.tensor_parallel,
        one.pipeline_parallel,
        1,
        attention_data_parallel=one.attention_data_parallel,
    )
    measured = f"measured {one.measured_on}" if one.measured_on else "day of measurement not told"
    engine = f"{one.engine} {one.engine_version or '(version not told)'}"
    spaced = ", evenly spaced (TTFT anchors nothing)" if first_tokens_left_out(one) else ""
    detail = (
        f"{engine}, {one.weight_precision} weights, {one.kv_precision} KV cache; {one.format} {one.file}, {measured}, "
        f"imported {one.imported_on}{spaced}"
    )
    cells = (
        one.measurement_id,
        f"{one.gpu_count}×{one.gpu} {split}",
        f"{number(one.prompt_tokens)}/{number(one.output_tokens)}",
        _load(one),
        number(one.requests_per_second),
        "—" if one.ttft_ms is None else number(one.ttft_ms),
        "—" if one.tpot_ms is None else number(one.tpot_ms),
    )
    return Row(cells, detail)


def _load(one: Measurement) -> str:
    if one.request_rate is not None:
        return f"{number(one.request_rate)}/s"
    return "all at once" if one.concurrency is None else number(one.concurrency)
