"""Every instance type for one workload: what it carries and at what price, or why it is out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from optimiser.performance.estimate_types import Estimate, LoadPoint, Rejection
from optimiser.planning.token_costs import TokenCost
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.wording import counted, layout, number, provider_name, usd_or_dash
from optimiser.workload import Workload
from providers.shape import InstanceShape, Obtainability

_OF_SETUP = (
    "weight_precision",
    "kv_precision",
    "tensor_parallel",
    "pipeline_parallel",
    "attention_data_parallel",
    "replicas_per_unit",
    "instances_per_unit",
)
_OF_ESTIMATE = (
    "engine",
    "requests_per_second",
    "bucket_requests_per_second",
    "ttft_ms",
    "tpot_ms",
    "bucket_ttft_ms",
    "unloaded_ttft_ms",
    "concurrency_per_replica",
    "kv_room_tokens_per_replica",
    "weights_gib_per_gpu",
    "prefill_time_share",
    "load_points",
    "limited_by",
    "relative_error",
    "low_confidence",
    "method",
    "notes",
)


@dataclass(frozen=True, kw_only=True)
class EstimateRow:
    """One set-up of one instance type; where rejected is not "", everything measured is None and reason says why.

    Measured fields are those of Setup, Estimate and TokenCost; rates are per unit (instances_per_unit
    instances). usd_per_hour is the cheapest price on demand that a plan may use, of one instance in `region`, seen on
    price_observed_on.
    best_ttft_ms and best_tpot_ms are how near a rejected type came to its target, where that is why it is out.
    """

    provider: str
    instance_type: str
    gpu: str
    gpus_per_instance: int
    obtainability: str
    rejected: str = ""
    reason: str = ""
    best_ttft_ms: float | None = None
    best_tpot_ms: float | None = None
    engine: str | None = None
    weight_precision: str | None = None
    kv_precision: str | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    attention_data_parallel: bool | None = None
    replicas_per_unit: int | None = None
    instances_per_unit: int | None = None
    requests_per_second: float | None = None
    bucket_requests_per_second: tuple[float, ...] | None = None
    planned_rps: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    bucket_ttft_ms: tuple[float, ...] | None = None
    unloaded_ttft_ms: float | None = None
    concurrency_per_replica: float | None = None
    kv_room_tokens_per_replica: float | None = None
    weights_gib_per_gpu: float | None = None
    prefill_time_share: float | None = None
    load_points: tuple[LoadPoint, ...] | None = None
    limited_by: str | None = None
    relative_error: float | None = None
    low_confidence: bool | None = None
    method: str | None = None
    region: str | None = None
    usd_per_hour: Decimal | None = None
    price_observed_on: date | None = None
    usd_per_million_tokens: Decimal | None = None
    notes: tuple[str, ...] = ()


def estimate_rows(
    costs: Sequence[TokenCost],
    rejections: Sequence[Rejection],
    shapes: Mapping[tuple[str, str], InstanceShape],
) -> list[EstimateRow]:
    """One row each: cheapest token first, then what has no price on demand, then what is out."""
    rows = [_serving_row(cost, shapes) for cost in costs]
    rows += [
        replace(
            _plain_row(rejection, shapes),
            rejected=rejection.code,
            reason=rejection.reason,
            best_ttft_ms=rejection.best_ttft_ms,
            best_tpot_ms=rejection.best_tpot_ms,
        )
        for rejection in rejections
    ]
    return sorted(
        rows,
        key=lambda row: (
            row.rejected,
            row.usd_per_million_tokens is None,
            row.usd_per_million_tokens or Decimal(0),
            row.provider,
            row.instance_type,
        ),
    )


def estimate_document(workload: Workload, rows: Sequence[EstimateRow]) -> Document:
    """The rows as a report of at most a screen's width."""
    serving = [row for row in rows if not row.rejected]
    out = [row for row in rows if row.rejected]
    types = {(row.provider, row.instance_type) for row in serving}
    others = {(row.provider, row.instance_type) for row in out} - types
    target = "no latency target"
    if workload.target:
        ttft, tpot = number(workload.target.ttft_ms), number(workload.target.tpot_ms)
        target = f"p{workload.target.percentile:g} TTFT {ttft} ms, TPOT {tpot} ms"
    verb = "serves" if len(types) == 1 else "serve"
    answer = f"{workload.name}: {counted(len(types), 'instance type')} {verb} it, {len(others)} do not"
    methods = dict.fromkeys(row.method for row in serving if row.method)
    return Document(
        f"{answer} ({workload.model} on {workload.engine}, {target})",
        (
            Section("Serve it", (_serving(serving), *_legend(serving)) if serving else ()),
            Section("Do not serve it", _rejected(out)),
            Section("Method", tuple(f"{method}." for method in methods)),
        ),
    )


_LEGEND = (
    "req/s, TTFT, TPOT (ms): one unit at the largest load that meets the target. ±%: median error, ? where "
    "confidence is low.",
    "$/1M tokens, input and output together: on demand where that is cheapest of what the policy allows, at what is "
    "planned on of req/s (--confidence), with no hour idle and nothing kept spare.",
)


_NOT_ON_DEMAND = {
    Obtainability.RESERVATION_ONLY.value: "reservation",
    Obtainability.SPOT_ONLY.value: "spot only",
}


def _legend(serving: Sequence[EstimateRow]) -> tuple[str, ...]:
    precisions = dict.fromkeys(
        f"{row.weight_precision} weights, {row.kv_precision} KV cache" for row in serving
    )
    parts = ["TP: tensor-parallel GPUs of a replica"]
    if any((row.pipeline_parallel or 1) > 1 for row in serving):
        parts.append("PP: pipeline stages")
    if any(row.attention_data_parallel for row in serving):
        parts.append("DP+EP: GPUs with data-parallel attention, experts spread over them")
    if any((row.replicas_per_unit or 1) > 1 for row in serving):
        parts.append("×: replicas per instance")
    absent = {_without_price(row) for row in serving if row.region is None}
    ways = [way for way in _NOT_ON_DEMAND.values() if way in absent]
    instead = (f"{' or '.join(ways)}: how it is had, since not on demand.".capitalize(),) if ways else ()
    setup = f"Set-up: {'; '.join(parts)}. {' or '.join(precisions)}."
    return (*_LEGEND, *_seen(serving), *instead, setup, *_doubts(serving))


def _seen(serving: Sequence[EstimateRow]) -> tuple[str, ...]:
    days = sorted({row.price_observed_on for row in serving if row.price_observed_on})
    return (f"Prices of {' to '.join(dict.fromkeys(map(str, (days[0], days[-1]))))}.",) if days else ()


def _doubts(serving: Sequence[EstimateRow]) -> tuple[str, ...]:
    """What stands behind every question mark, by note: the GPUs it is told of."""
    told: dict[str, dict[str, None]] = {}
    for row in serving:
        for note in row.notes if row.low_confidence else ():
            told.setdefault(note, {})[_gpus(row)] = None
    return tuple(f"? {', '.join(gpus)}: {note}." for note, gpus in told.items())


def _gpus(row: EstimateRow) -> str:
    return f"{row.gpus_per_instance}×{row.gpu}"


def _plain_row(result: Estimate | Rejection, shapes: Mapping[tuple[str, str], InstanceShape]) -> EstimateRow:
    shape = shapes[result.provider, result.instance_type]
    return EstimateRow(
        provider=result.provider,
        instance_type=result.instance_type,
        gpu=result.gpu,
        gpus_per_instance=shape.gpu_count,
        obtainability=shape.obtainability.value,
    )


def _serving_row(cost: TokenCost, shapes: Mapping[tuple[str, str], InstanceShape]) -> EstimateRow:
    estimate, offer = cost.estimate, cost.offer
    return replace(
        _plain_row(estimate, shapes),
        **{name: getattr(estimate.setup, name) for name in _OF_SETUP},
        **{name: getattr(estimate, name) for name in _OF_ESTIMATE},
        planned_rps=cost.planned_rps,
        region=offer.region if offer else None,
        usd_per_hour=offer.usd_per_hour if offer else None,
        price_observed_on=offer.observed_on if offer else None,
        usd_per_million_tokens=cost.usd_per_million_tokens,
    )


def _serving(rows: Sequence[EstimateRow]) -> Table:
    columns = (
        Column("instance type"),
        Column("GPUs"),
        Column("set-up"),
        Column("req/s", right=True),
        Column("±%", right=True),
        Column("TTFT", right=True),
        Column("TPOT", right=True),
        Column("$/1M", right=True),
        Column("cheapest in"),
    )
    return Table(columns, tuple(map(_cells, rows)))


def _cells(row: EstimateRow) -> Row:
    group = f"{row.instances_per_unit} × " if (row.instances_per_unit or 1) > 1 else ""
    setup = layout(
        row.tensor_parallel or 1,
        row.pipeline_parallel or 1,
        row.replicas_per_unit or 1,
        attention_data_parallel=bool(row.attention_data_parallel),
    )
    doubt = "?" if row.low_confidence else ""
    cells = (
        f"{group}{row.instance_type}",
        _gpus(row),
        setup,
        number(row.requests_per_second or 0.0),
        f"{(row.relative_error or 0.0) * 100:.0f}{doubt}",
        number(row.ttft_ms or 0.0),
        number(row.tpot_ms) if row.tpot_ms else "—",
        usd_or_dash(row.usd_per_million_tokens),
        row.region or _without_price(row),
    )
    return Row(cells)


def _without_price(row: EstimateRow) -> str:
    """Why a machine that serves has no price on demand that a plan may use."""
    return _NOT_ON_DEMAND.get(row.obtainability, "no price")


def _rejected(rows: Sequence[EstimateRow]) -> tuple[str, ...]:
    """One statement per reason, with the instance types that it holds for."""
    by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_reason[row.reason][provider_name(row.provider)].append(row.instance_type)
    return tuple(
        f"{'; '.join(f'{provider} ' + ', '.join(types) for provider, types in named.items())}: {reason}."
        for reason, named in by_reason.items()
    )
