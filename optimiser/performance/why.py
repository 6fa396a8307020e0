"""Why an estimate is what it is: the budget behind one shape's answer, and what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimiser.performance.at_load import Point, evaluate
from optimiser.performance.budgets import (
    FirstTokenBudget,
    MemoryBudget,
    PerTokenBudget,
    StepBudget,
    first_token_budget,
    memory_budget,
    per_token_budget,
    step_budgets,
)
from optimiser.performance.crowding import tried_on
from optimiser.performance.estimate import hardware_of
from optimiser.performance.estimate_types import Estimate, Rejection, Setup
from optimiser.performance.lifts import Asked, Lift, best_of, lifts_of
from optimiser.performance.operating import lowest_batch
from optimiser.performance.queueing import without_wait
from optimiser.performance.rejections import nearest_row, roomiest
from optimiser.performance.results import OFFLINE_PERCENTILE
from optimiser.performance.setups import Candidate
from optimiser.performance.trial import Question, Trial


@dataclass(frozen=True, kw_only=True)
class RateBudget:
    """How the rate follows: requests/s of a unit = replicas · concurrency · tokens per step / (output tokens · mean
    step).

    concurrency is the mean number of decoding sequences of a replica. largest_part is the part with the largest
    share of the mean step.
    """

    replicas: int
    concurrency_per_replica: float
    output_tokens: float
    tokens_per_step: float
    mean_step_ms: float
    requests_per_second: float
    largest_part: str
    largest_part_share: float


@dataclass(frozen=True, kw_only=True)
class OtherSetup:
    """Another way to lay the model out on as many instances, and what a unit would serve."""

    setup: Setup
    requests_per_second: float


@dataclass(frozen=True, kw_only=True)
class Pool:
    """How many replicas share the bursts of the service (or more), and what the unit explained would serve, requests/s,
    if one replica saw all of them, and if each saw none as among very many; 0 where it misses the target.
    """

    replicas: int
    requests_per_second_alone: float
    requests_per_second_without_bursts: float


@dataclass(frozen=True, kw_only=True)
class Why:
    """The answer for one shape with what it rests on; budgets are at the load where the target is just met.

    Where rejected is not "" (a Rejection's code), they are those of the set-up that comes nearest: with a rate if
    host RAM alone stands in the way; without where the target is missed, at a load where requests do not meet;
    memory alone where the model does not fit, and nothing where the GPU cannot serve the precision. Of groups of
    different size the one that serves most per instance counts. percentile is that of the latencies, the median
    without a target. pool is None where the service's own bursts were not given.
    """

    provider: str
    instance_type: str
    gpu: str
    gpus_per_instance: int
    model: str
    engine: str
    percentile: float
    method: str = ""
    relative_error: float | None = None
    notes: tuple[str, ...] = ()
    rejected: str = ""
    reason: str = ""
    limited_by: str = ""
    setup: Setup | None = None
    decode_step: StepBudget | None = None
    mixed_step: StepBudget | None = None
    memory: MemoryBudget | None = None
    rate: RateBudget | None = None
    first_token: FirstTokenBudget | None = None
    per_token: PerTokenBudget | None = None
    other_setups: tuple[OtherSetup, ...] = ()
    lifts: tuple[Lift, ...] = ()
    pool: Pool | None = None


def explain(asked: Asked) -> Why:
    """The budget behind the shape's answer. Raises as estimate_shapes does."""
    answers = asked.answers()
    best = best_of(answers)
    answer = best or answers[0]
    question, engine = asked.question(), asked.fit.engines[asked.engine]
    hardware = hardware_of(asked.shape, asked.gpus, asked.fit, engine, question)
    why = Why(
        provider=asked.shape.provider,
        instance_type=asked.shape.instance_type,
        gpu=asked.shape.gpu,
        gpus_per_instance=asked.shape.gpu_count,
        model=asked.model.name,
        engine=engine.label,
        percentile=asked.target.percentile if asked.target else OFFLINE_PERCENTILE,
        lifts=lifts_of(asked, answer),
    )
    if isinstance(answer, Rejection):
        why = replace(why, rejected=answer.code, reason=answer.reason)
    if isinstance(hardware, Rejection):
        return why
    if isinstance(answer, Rejection) and answer.code == "host_ram":
        # What it would do if its RAM could hold the weights.
        best = best_of(replace(asked, shape=replace(asked.shape, memory_gib=math.inf)).answers())
    trial, _ = tried_on(question, [hardware], asked.anchors_of)
    if trial is None:
        (candidate,), need = roomiest(question, [hardware])
        return replace(why, setup=candidate.setup(), memory=memory_budget(question, candidate, need))
    if best is None:
        assert question.target is not None  # noqa: S101 - what fits serves, unless it misses a target
        row = nearest_row(question, trial, question.target)
    else:
        row = [candidate.setup() for candidate in trial.candidates].index(best.setup)
        why = replace(why, limited_by=best.limited_by, other_setups=_other_setups(trial, row), **_basis(best))
    return _with_budgets(why, question, trial, row, serves=best is not None)


def _basis(estimate: Estimate) -> dict[str, Any]:
    """What the estimate rests on, as fields of Why."""
    names = ("engine", "method", "relative_error", "notes")
    return {name: getattr(estimate, name) for name in names}


def _with_budgets(why: Why, question: Question, trial: Trial, row: int, *, serves: bool) -> Why:
    """The budgets of the trial's row: at its fastest batch where it serves, else where requests do not meet."""
    candidate, rows = trial.candidates[row], np.array([row])
    layouts, batch = trial.layouts.select(rows), trial.fastest[rows]
    if not serves:
        batch = lowest_batch(question.work, layouts, trial.places[rows], question.mix)
    point = evaluate(question.work, layouts, batch, trial.places[rows], question.mix)
    if question.target is None:
        point = replace(point, wait=without_wait(point.wait))
    steps = step_budgets(question, candidate, layouts, point)
    quantile, overhead_ms = why.percentile / 100.0, candidate.hardware.physics.first_token_overhead_ms
    return replace(
        why,
        setup=candidate.setup(),
        decode_step=steps[0],
        mixed_step=steps[1],
        memory=memory_budget(question, candidate, trial.need.select(rows)),
        rate=_rate(question, candidate, point, steps) if serves else None,
        first_token=first_token_budget(question, point, overhead_ms, quantile),
        per_token=per_token_budget(question, point, quantile) if (question.outputs > 1.0).any() else None,
    )


def _rate(
    question: Question, candidate: Candidate, point: Point, steps: tuple[StepBudget, StepBudget]
) -> RateBudget:
    decode, mixed = steps
    mean_ms = decode.share_of_steps * decode.ms + mixed.share_of_steps * mixed.ms
    part_ms: dict[str, float] = {}
    for step in steps:
        for part in step.parts:
            part_ms[part.name] = part_ms.get(part.name, 0.0) + step.share_of_steps * part.ms
    largest = max(part_ms, key=lambda name: part_ms[name])
    return RateBudget(
        replicas=candidate.replicas,
        concurrency_per_replica=point.batch.item(),
        output_tokens=question.mix.traffic.output.item() * question.mix.tokens_per_step,
        tokens_per_step=question.mix.tokens_per_step,
        mean_step_ms=point.steady.step_s.item() * 1e3,
        requests_per_second=point.rate.item() * candidate.replicas,
        largest_part=largest,
        largest_part_share=part_ms[largest] / mean_ms,
    )


def _other_setups(trial: Trial, row: int) -> tuple[OtherSetup, ...]:
    """The other set-ups that hold the model on as many instances, best first."""
    instances = trial.candidates[row].instances
    others = [
        OtherSetup(setup=one.setup(), requests_per_second=float(trial.rate[index, 0]) * one.replicas)
        for index, one in enumerate(trial.candidates)
        if index != row and one.instances == instances
    ]
    return tuple(sorted(others, key=lambda other: -other.requests_per_second))
