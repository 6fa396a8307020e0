"""Every instance type for one workload: what it carries and at what price, or why it is out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.wording import number, provider_name, usd_or_dash
from optimiser.workload import Workload
from providers.offer import Offer
from providers.shape import InstanceShape

_MILLION = Decimal(1_000_000)
_CENT_OF_A_CENT = Decimal("0.0001")
SECONDS_PER_HOUR = 3600
_OF_SETUP = (
    "weight_precision",
    "kv_precision",
    "tensor_parallel",
    "pipeline_parallel",
    "replicas_per_unit",
    "instances_per_unit",
)
_OF_ESTIMATE = (
    "requests_per_second",
    "ttft_ms",
    "tpot_ms",
    "limited_by",
    "relative_error",
    "low_confidence",
    "method",
    "notes",
)


@dataclass(frozen=True, kw_only=True)
class EstimateRow:
    """One set-up of one instance type; where rejected is not "", everything measured is None and reason says why.

    Rates are per unit (instances_per_unit instances). planned_rps is after the margin. usd_per_hour is the
    cheapest on-demand price of one instance under the policy, in `region`; usd_per_million_tokens is that
    of the whole unit over the prompt and output tokens it carries at planned_rps, with no hour idle.
    """

    provider: str
    instance_type: str
    gpu: str
    gpus_per_instance: int
    rejected: str = ""
    reason: str = ""
    weight_precision: str | None = None
    kv_precision: str | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    replicas_per_unit: int | None = None
    instances_per_unit: int | None = None
    requests_per_second: float | None = None
    planned_rps: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    limited_by: str | None = None
    relative_error: float | None = None
    low_confidence: bool | None = None
    method: str | None = None
    region: str | None = None
    usd_per_hour: Decimal | None = None
    usd_per_million_tokens: Decimal | None = None
    notes: tuple[str, ...] = ()


def estimate_rows(
    workload: Workload,
    results: Sequence[Estimate | Rejection],
    shapes: Mapping[tuple[str, str], InstanceShape],
    book: PriceBook,
    policy: Policy,
) -> list[EstimateRow]:
    """One row per result: cheapest token first, then what has no on-demand price, then what is out."""
    cheapest = _cheapest_on_demand(book, policy)
    tokens = sum(bucket.share * (bucket.prompt_tokens + bucket.output_tokens) for bucket in workload.buckets)
    rows = [
        _row(result, shapes[result.provider, result.instance_type], cheapest, tokens, policy)
        for result in results
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
    target = "no latency target"
    if workload.target:
        at = f"p{workload.target.percentile:g}"
        target = (
            f"TTFT {number(workload.target.ttft_ms)} ms, TPOT {number(workload.target.tpot_ms)} ms at {at}"
        )
    headline = f"{workload.name} ({workload.model}, {target}): {len(serving)} set-ups serve it, {len(out)} types do not"
    methods = dict.fromkeys(row.method for row in serving if row.method)
    precisions = dict.fromkeys(
        f"{row.weight_precision} weights, {row.kv_precision} KV cache" for row in serving
    )
    legend = f"{_LEGEND} {' or '.join(precisions)}."
    return Document(
        headline,
        (
            Section("Serve it", (_serving(serving), legend) if serving else ()),
            Section("Do not", _rejected(out)),
            Section("Method", tuple(f"{method}." for method in methods)),
        ),
    )


_LEGEND = (
    "req/s, TTFT and TPOT (ms): one unit at the largest load that meets the target; ±%: median error (? where "
    "confidence is low). $/1M tokens, input and output: on demand in the cheapest region the policy allows, at "
    "req/s less the margin, with no hour idle. Set-up: GPUs per replica × replicas,"
)


def _cheapest_on_demand(book: PriceBook, policy: Policy) -> dict[tuple[str, str], Offer]:
    """The cheapest on-demand offer that the policy allows, by (provider, instance type)."""
    offers = book.offers
    keep = (offers["tier"] == "on_demand") & offers["market"].isin(policy.markets)
    if policy.regions is not None:
        keep &= offers["region"].isin(policy.regions)
    else:
        keep &= offers["region_kind"].isin(policy.region_kinds)
    ordered = offers[keep].sort_values("usd_per_hour", kind="stable")
    first = ordered[~ordered.duplicated(["provider", "instance_type"])]
    keys = zip(first["provider"], first["instance_type"], strict=True)
    return {key: book.offer(str(offer_id)) for key, offer_id in zip(keys, first.index, strict=True)}


def _row(
    result: Estimate | Rejection,
    shape: InstanceShape,
    cheapest: Mapping[tuple[str, str], Offer],
    tokens_per_request: float,
    policy: Policy,
) -> EstimateRow:
    offer = cheapest.get((result.provider, result.instance_type))
    row = EstimateRow(
        provider=result.provider,
        instance_type=result.instance_type,
        gpu=result.gpu,
        gpus_per_instance=shape.gpu_count,
    )
    if isinstance(result, Rejection):
        return replace(row, rejected=result.code, reason=result.reason)
    margin = result.relative_error if policy.performance_margin is None else policy.performance_margin
    planned = result.requests_per_second * (1 - margin)
    measured = replace(
        row,
        **{name: getattr(result.setup, name) for name in _OF_SETUP},
        **{name: getattr(result, name) for name in _OF_ESTIMATE},
        planned_rps=planned,
    )
    if offer is None:
        return measured
    tokens_per_hour = Decimal(repr(planned * SECONDS_PER_HOUR * tokens_per_request))
    cost = offer.usd_per_hour * result.setup.instances_per_unit * _MILLION / tokens_per_hour
    return replace(
        measured,
        region=offer.region,
        usd_per_hour=offer.usd_per_hour,
        usd_per_million_tokens=cost.quantize(_CENT_OF_A_CENT),
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
    return Table(columns, tuple(map(_serving_row, rows)))


def _serving_row(row: EstimateRow) -> Row:
    group = f"{row.instances_per_unit} × " if row.instances_per_unit and row.instances_per_unit > 1 else ""
    stages = f" PP{row.pipeline_parallel}" if row.pipeline_parallel and row.pipeline_parallel > 1 else ""
    copies = f" × {row.replicas_per_unit}" if row.replicas_per_unit and row.replicas_per_unit > 1 else ""
    doubt = "?" if row.low_confidence else ""
    cells = (
        f"{group}{row.instance_type}",
        f"{row.gpus_per_instance} × {row.gpu}",
        f"TP{row.tensor_parallel}{stages}{copies}",
        number(row.requests_per_second or 0.0),
        f"{(row.relative_error or 0.0) * 100:.0f}{doubt}",
        number(row.ttft_ms or 0.0),
        number(row.tpot_ms or 0.0),
        usd_or_dash(row.usd_per_million_tokens),
        row.region or "no price",
    )
    return Row(cells)


def _rejected(rows: Sequence[EstimateRow]) -> tuple[str, ...]:
    """One statement per reason, with the instance types that it holds for."""
    by_reason: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_reason[row.reason][provider_name(row.provider)].append(row.instance_type)
    return tuple(
        f"{'; '.join(f'{provider} ' + ', '.join(types) for provider, types in named.items())}: {reason}."
        for reason, named in by_reason.items()
    )
