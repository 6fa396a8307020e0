"""Fewer bits: weights and KV cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from optimiser.costing.levers.lever import (
    Asks,
    Changed,
    Given,
    InPlace,
    Lever,
    NotHere,
    Outcome,
    with_workload,
)
from optimiser.performance.parameters import bytes_per_weight, kv_element_bytes
from optimiser.recommend import Request

WEIGHTS = ("fp8", "int8", "int4", "fp4")
KV = ("fp8", "fp4")
_HALF = "bf16"


def _weights(request: Request, _given: Given, *, precision: str) -> Outcome:
    model = request.config.find_model(request.workload.model)
    now = request.workload.weight_precision or model.default_precision
    if now == precision:
        return InPlace(why=f"already {precision}")
    if bytes_per_weight(model, precision) >= bytes_per_weight(model, now):
        return NotHere(why=f"weights are in {now} already, which is no wider")
    where = model.published.get(precision)
    note = f"checkpoint: {where}" if where else "no checkpoint in models.yaml: one has to be made and tested"
    return Changed(
        request=with_workload(request, weight_precision=precision),
        setting=f"--set weight_precision={precision}",
        note=note,
    )


def _kv(request: Request, _given: Given, *, precision: str) -> Outcome:
    now = request.workload.kv_precision or _HALF
    if now == precision:
        return InPlace(why=f"already {precision}")
    if kv_element_bytes(precision) >= kv_element_bytes(now):
        return NotHere(why=f"the KV cache is in {now} already, which is no wider")
    return Changed(
        request=with_workload(request, kv_precision=precision), setting=f"--set kv_precision={precision}"
    )


def _lever(group: str, title: str, apply: Callable[..., Outcome], precision: str) -> Lever:
    name = f"{group}-{precision}"
    return Lever(
        name=name,
        title=f"{title} in {precision}",
        group=group,
        asks=Asks.PRECISION,
        apply=partial(apply, precision=precision),
        technique=name,
    )


LEVERS = (
    *(_lever("weights", "weights", _weights, precision) for precision in WEIGHTS),
    *(_lever("kv", "KV cache", _kv, precision) for precision in KV),
)
