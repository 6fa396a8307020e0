"""Two architectures beside each other, as rows and as a table with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimiser.costing.architecture import BITS_PER_BYTE, Compared, Rate, Served
from optimiser.performance.parameters import active_parameter_count, kv_element_bytes, parameter_count
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.records import render_records
from optimiser.report.wording import number, term

_WHY = (
    "If computing alone limited both, the rate would grow by the FLOPs that a token needs less × the peak of the "
    "format it is computed in. What GPUs serve stays below: a smaller KV cache lets more sequences share each reading "
    "of the weights until compute or KV room is used up, products of routed experts are of fewer rows each, and tokens "
    "travel to their experts. Rates are offline, of the workload's sizes, and as uncertain as every estimate here."
)


@dataclass(frozen=True, kw_only=True)
class ArchitectureRow:
    """A model at its formats on one GPU (gpu "" where none serves it).

    kv_saved_share and flops_times_fewer are against the first row's model; output_tokens_per_s and sequences are of one
    GPU, times against the first model on it, compute_times if computing alone limited both.
    """

    workload: str
    step: str
    model: str
    weight_precision: str
    kv_bits: float
    kv_bytes_per_token: float
    kv_saved_share: float
    parameters: float
    active_parameters: float
    flops_per_token: float
    flops_times_fewer: float
    weights_gb: float
    gpu: str = ""
    instance_type: str = ""
    output_tokens_per_s: float | None = None
    sequences: float | None = None
    limited_by: str = ""
    times: float | None = None
    compute_times: float | None = None


def architecture_rows(name: str, found: Sequence[Compared]) -> tuple[ArchitectureRow, ...]:
    """A row for each step and GPU."""
    return tuple(_row(name, one, rate) for one in found for rate in (one.rates or (None,)))


def _row(name: str, one: Compared, rate: Rate | None) -> ArchitectureRow:
    served = one.served
    measured = {} if rate is None else vars(rate)
    return ArchitectureRow(
        workload=name,
        step=served.what,
        model=served.model.name,
        weight_precision=served.weight_precision,
        kv_bits=served.kv_bits,
        kv_bytes_per_token=served.kv_bytes_per_token,
        kv_saved_share=one.kv_saved_share,
        parameters=parameter_count(served.model),
        active_parameters=active_parameter_count(served.model),
        flops_per_token=served.flops_per_token,
        flops_times_fewer=one.flops_times_fewer,
        weights_gb=served.weights_bytes / 1e9,
        **measured,
    )


def render_compared(format_name: str, name: str, found: Sequence[Compared], *, colour: bool) -> str:
    """The comparison in one of the list formats. Raises UsageError for another."""
    rows = architecture_rows(name, found)
    return render_records(format_name, rows, lambda: architecture_document(name, found), colour=colour)


def architecture_document(name: str, found: Sequence[Compared]) -> Document:
    """What follows from the widths, then what GPUs serve."""
    first, last = found[0], found[-1]
    headline = (
        f"{name}: {last.served.model.name} in the place of {first.served.model.name}: KV cache "
        f"{_change(last.kv_saved_share) or 'as large'}, {number(last.flops_times_fewer)} × fewer FLOPs a token"
    )
    if times := [rate.times for rate in last.rates if rate.times is not None]:
        headline += f", {_span(times)} × the output tokens a GPU and second"
    return Document(
        headline,
        (
            Section("From their widths", (_widths(found),)),
            Section("What a GPU serves", (_served(found), *_nearest(last.served), _WHY)),
        ),
    )


def _nearest(served: Served) -> tuple[str, ...]:
    """That no engine has so many bits, where that is so."""
    if kv_element_bytes(served.kv_precision) * BITS_PER_BYTE == served.kv_bits:
        return ()
    said = f"No engine has a KV cache in {served.kv_bits:g} bit: its rate is that in {served.kv_precision}."
    return (said,)


def _span(values: Sequence[float]) -> str:
    least, most = number(min(values)), number(max(values))
    return least if least == most else f"{least} to {most}"


def _widths(found: Sequence[Compared]) -> Table:
    columns = (
        Column("step"),
        Column("model"),
        Column("weights"),
        Column("GB", right=True),
        Column("KV bytes/token", right=True),
        Column("KV", right=True),
        Column("GFLOPs/token", right=True),
        Column("fewer", right=True),
    )
    rows = tuple(
        Row(
            (
                one.served.what,
                one.served.model.name,
                one.served.weight_precision,
                f"{one.served.weights_bytes / 1e9:,.0f}",
                f"{one.served.kv_bytes_per_token:,.0f}",
                _change(one.kv_saved_share),
                number(one.served.flops_per_token / 1e9),
                f"{number(one.flops_times_fewer)} ×",
            )
        )
        for one in found
    )
    return Table(columns, rows)


def _change(saved_share: float) -> str:
    """−93.3 %: to a tenth, as such figures are published."""
    return f"{-saved_share * 100:+.1f} %".replace("-", "−") if saved_share else ""


def _served(found: Sequence[Compared]) -> Table:
    columns = (
        Column("GPU"),
        Column("step"),
        Column("output tokens/s", right=True),
        Column("at once", right=True),
        Column("limited by"),
        Column("rate", right=True),
        Column("if compute alone", right=True),
    )
    gpus = dict.fromkeys(rate.gpu for one in found for rate in one.rates)
    rows = [
        Row(
            (
                gpu,
                one.served.what,
                f"{rate.output_tokens_per_s:,.0f}",
                f"{rate.sequences:,.0f}",
                term(rate.limited_by),
                "—" if rate.times is None else f"{rate.times:.2f} ×",
                "—" if rate.compute_times is None else f"{rate.compute_times:.2f} ×",
            )
        )
        for gpu in sorted(gpus)
        for one in found
        for rate in one.rates
        if rate.gpu == gpu
    ]
    return Table(columns, tuple(rows))
