"""From measurements to cases: what is judged of each row, in which set; else why it is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial

from optimiser.accuracy import sets
from optimiser.accuracy.names import gpus_by_name, look_up, models_by_name
from optimiser.accuracy.sets import INSTANCE_GPUS, Case, Goal, How, LeftOut, Split
from optimiser.accuracy.sources import (
    MLPERF,
    TENSORRT_DOCS,
    cached_tokens,
    run_length,
    runs_a_plan,
    served_as,
    tokens_of,
)
from optimiser.accuracy.table import Measurement
from optimiser.accuracy.traps import first_token_trap_of, trap_of
from optimiser.performance.setups import splits_heads
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.workload import Target

# Nothing is in a request's way where no other is served; so few in flight hardly wait for each other's prompts.
UNLOADED_REQUESTS, FEW_REQUESTS = 1.0, 4.0
UNLOADED_PROMPTS = (128.0, 2048.0)
# A limit on TPOT that asks for 20 tokens/s and user or more.
INTERACTIVE_TPOT_MS = 50.0
UNTOLD = "how the model lies on the GPUs cannot be told"

_LIMITS = re.compile(r"TTFT p(?P<at>[\d.]+) ?<= ?(?P<ttft>[\d.]+) ms, TPOT p(?P=at) ?<= ?(?P<tpot>[\d.]+) ms")
# What the same measurement does not share with itself where a table holds it twice.
_ITS_OWN = ("line", "source_version")
_MEAN = (None, "mean", "mean?")
_MIDDLE = (*_MEAN, "median", "p50")


def cases_of(
    rows: Sequence[Measurement], models: Mapping[str, ModelSpec], gpus: Mapping[str, GpuSpec]
) -> tuple[tuple[Case, ...], tuple[LeftOut, ...]]:
    """Every figure that can be judged, and every row (or figure) that cannot, in the order of the rows."""
    known_models, known_gpus = models_by_name(models), gpus_by_name(gpus)
    found: list[Case | LeftOut] = []
    before: set[tuple[object, ...]] = set()
    for row in rows:
        same = tuple(getattr(row, field.name) for field in fields(row) if field.name not in _ITS_OWN)
        reason = trap_of(row) or ("the same measurement is listed before" if same in before else None)
        before.add(same)
        if reason:
            found.append(LeftOut(row=row, reason=reason))
        else:
            found += _judged(row, look_up(known_models, row.model), look_up(known_gpus, row.gpu))
    judged = tuple(item for item in found if isinstance(item, Case))
    return judged, tuple(item for item in found if isinstance(item, LeftOut))


def _judged(row: Measurement, model: ModelSpec | None, gpu: GpuSpec | None) -> Sequence[Case | LeftOut]:
    left_out = partial(LeftOut, row=row)
    if model is None:
        return [left_out(reason="the model's sizes are not known", detail=row.model)]
    if gpu is None:
        return [left_out(reason="the GPU is not in config/gpus.yaml", detail=row.gpu)]
    served = served_as(row, model, gpu)
    if isinstance(served, str):
        return [left_out(reason=served, detail=row.precision_weights or "")]
    split = _split(row, model)
    if isinstance(split, str):
        return [left_out(reason=split, detail=f"{row.gpu_count} × {row.gpu}")]
    tokens = tokens_of(row, model)
    if tokens is None:
        return [left_out(reason="prompt or output length is not in the row", detail=row.source)]
    run_requests, run_s = run_length(row)
    case = partial(
        Case,
        row=row,
        model=model,
        gpu=gpu,
        served=served,
        split=split,
        prompt=tokens[0],
        output=tokens[1],
        run_requests=run_requests,
        run_s=run_s,
        cached=min(cached_tokens(row), tokens[0] - 1.0),
        from_plan=runs_a_plan(row),
    )
    figures = [*_throughput(row, case, model, tokens[1]), *_latencies(row, case, model)]
    return figures or [left_out(reason="holds no figure that is predicted", detail=row.source)]


def _split(row: Measurement, model: ModelSpec) -> Split | str | None:
    """How a replica lies on its GPUs, None where the row leaves it open, or why that cannot be told."""
    stages = row.pp or 1
    if (row.attn or "tp") != "tp":
        ranks = row.gpu_count // stages
        if row.tp not in (None, 1, ranks) or row.attn not in ("dep", f"dep{ranks}") or model.moe is None:
            return UNTOLD
        split = Split(shards=1, ranks=ranks, stages=stages, replicas=1)
    elif row.tp is None:
        whole = row.gpu_count <= INSTANCE_GPUS or row.gpu_count % INSTANCE_GPUS == 0
        return None if whole else UNTOLD
    else:
        replicas = row.gpu_count // (row.tp * stages)
        split = Split(shards=row.tp, ranks=1, stages=stages, replicas=replicas)
        if row.gpu_count != replicas * row.tp * stages or not splits_heads(model, row.tp):
            return UNTOLD
    if split.shards * split.ranks * split.stages > INSTANCE_GPUS:
        return f"one replica over more than {INSTANCE_GPUS} GPUs: how they are joined is not in the row"
    return split


def _throughput(row: Measurement, case: partial[Case], model: ModelSpec, output: float) -> Iterator[Case]:
    measured = row.throughput_tok_s_total_output or (row.samples_s or 0.0) * output
    limits = _LIMITS.search(row.constraint or "")
    if measured and row.scenario == "offline":
        how = How.OFFLINE if row.concurrency is None else How.BATCH
        goal = sets.OFFLINE_MOE if model.moe else sets.OFFLINE_DENSE
        yield case(judged_in=goal, how=how, measured=measured, load=row.concurrency)
    elif measured and row.scenario == "server" and limits:
        ttft_ms, tpot_ms, percentile = (float(limits[name]) for name in ("ttft", "tpot", "at"))
        target = Target(ttft_ms=ttft_ms, tpot_ms=tpot_ms, percentile=percentile)
        tight = tpot_ms <= INTERACTIVE_TPOT_MS or "interactive" in (row.notes or "").lower()
        goal = sets.INTERACTIVE if tight else sets.SERVER
        yield case(judged_in=goal, how=How.SERVER, measured=measured, target=target)


def _latencies(row: Measurement, case: partial[Case], model: ModelSpec) -> Iterator[Case | LeftOut]:
    """Latencies at the row's own load; where there are limits, they follow from those and are not judged."""
    load = row.request_rate or row.concurrency
    if load is None or row.constraint or row.scenario == "offline":
        return
    if row.tpot_ms is not None and row.latency_stat in _MIDDLE:
        if row.request_rate:
            goal, how = sets.OPEN_TPOT, How.OPEN_TPOT
        else:
            goal, how = (sets.TPOT_MOE if model.moe else sets.TPOT_DENSE), How.CLOSED_TPOT
        yield case(judged_in=goal, how=how, measured=row.tpot_ms, load=load)
    if row.ttft_ms is not None and row.latency_stat in _MEAN:
        trap = first_token_trap_of(row)
        if trap:
            yield LeftOut(row=row, reason=trap)
        else:
            goal, how = _first_token(row, load)
            yield case(judged_in=goal, how=how, measured=row.ttft_ms, load=load)


def _first_token(row: Measurement, load: float) -> tuple[Goal, How]:
    if row.request_rate:
        # MLPerf's load generator runs in the engine's process and hands over tokens.
        inside = row.source.startswith(MLPERF)
        return sets.OPEN_TTFT, How.OPEN_ENGINE_TTFT if inside else How.OPEN_TTFT
    how = How.ENGINE_TTFT if TENSORRT_DOCS in row.source else How.CLOSED_TTFT
    shortest, longest = UNLOADED_PROMPTS
    if load > FEW_REQUESTS or not shortest <= (row.isl or 0.0) <= longest:
        return sets.OTHER_TTFT, how
    return (sets.UNLOADED_TTFT if load <= UNLOADED_REQUESTS else sets.FEW_TTFT), how
