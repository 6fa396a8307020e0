"""What latency costs: the target a few steps looser and tighter, and left out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from optimiser.costing.levers.lever import (
    Asks,
    Changed,
    Given,
    Lever,
    NotHere,
    Outcome,
    with_workload,
)
from optimiser.recommend import Request

TPOT_STEPS_MS = (-10, 10, 20, 30, 50)
TTFT_STEPS_MS = (-100, 100, 200, 500, 1000)
_NO_TARGET = "there is no latency target"


def _moved(request: Request, _given: Given, *, field: str, step_ms: int) -> Outcome:
    target = request.workload.target
    if target is None:
        return NotHere(why=_NO_TARGET)
    limit = getattr(target, field) + step_ms
    if limit <= 0:
        return NotHere(why=f"{getattr(target, field):g} ms leave no room for {-step_ms} ms less")
    moved = replace(target, **{field: limit})
    return Changed(
        request=with_workload(request, target=moved),
        setting=f"--set target.{field}={limit:g}",
        note="" if step_ms > 0 else "tighter: what faster answers cost",
    )


def _lever(group: str, field: str, step_ms: int, first: int) -> Lever:
    sign = "+" if step_ms > 0 else "−"
    return Lever(
        name=f"{group}{step_ms:+d}",
        title=f"{group.upper()} target {sign} {abs(step_ms):,} ms",
        group=group,
        asks=Asks.ANSWERS,
        apply=partial(_moved, field=field, step_ms=step_ms),
        combine=step_ms == first,
    )


def _no_target(request: Request, _given: Given) -> Outcome:
    if request.workload.target is None:
        return NotHere(why=_NO_TARGET)
    return Changed(
        request=with_workload(request, target=None),
        setting="--set target=null",
        note="the end of the curve: for work that nobody waits for",
    )


LEVERS = (
    *(_lever("tpot", "tpot_ms", step, 10) for step in TPOT_STEPS_MS),
    *(_lever("ttft", "ttft_ms", step, 100) for step in TTFT_STEPS_MS),
    Lever(
        name="no-target",
        title="no latency target",
        group="target",
        asks=Asks.ANSWERS,
        apply=_no_target,
        combine=False,
    ),
)
