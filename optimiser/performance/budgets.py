"""What one set-up spends its time and memory on, under one load: the terms of its estimate, one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimiser.performance.at_load import (
    BUCKET_TTFT_FACTOR,
    Point,
    first_token_s,
    per_token_s,
    prompt_first_token_s,
)
from optimiser.performance.batching import step_loads
from optimiser.performance.layouts import Layouts, Load
from optimiser.performance.memory import GIB, MIB, MemoryNeed
from optimiser.performance.queueing import without_place_wait, without_wait
from optimiser.performance.setups import Candidate, layouts_of
from optimiser.performance.timing import PREFILL_ATTENTION_SHARE, Block, step_parts
from optimiser.performance.trial import Question, places_of

# Beyond a percentile on the edge between two prompts.
_HAIR = 1e-6
# What the parts of a step that are not a block wait for.
_BESIDE = {"stage_waits": "stages", "communication": "links", "launches": "host", "host": "host"}


@dataclass(frozen=True, kw_only=True)
class PartTime:
    """One part of a step: its time and its share of the step's.

    limited_by is "compute" or "memory", whichever takes longer by itself, else what it waits for ("links",
    "stages", "host"). of_peak is the share of the data sheet's FLOPS or bandwidth that the part reaches with
    the work it has to do; None where it uses neither, and where steps were measured, whole or by operator.
    """

    name: str
    ms: float
    share: float
    limited_by: str
    of_peak: float | None


@dataclass(frozen=True, kw_only=True)
class StepBudget:
    """One step of a replica (of one pipeline stage's micro-batch, on its way through all stages).

    sequences gain tokens_per_step each, looking back at context_tokens on average; prompt_tokens are processed
    beside them. share_of_steps is how many of all steps are like it.
    """

    sequences: float
    tokens_per_step: float
    context_tokens: float
    prompt_tokens: float
    share_of_steps: float
    ms: float
    parts: tuple[PartTime, ...]


@dataclass(frozen=True, kw_only=True)
class MemoryBudget:
    """One GPU's memory in GiB: engine_gib of gpu_gib is what weights, working memory and KV cache may take.

    kv_room_gib is what is left for KV cache, negative where weights and working memory alone do not fit.
    request_gib is an average place in the batch once its request is fully grown, longest_request_gib the
    longest request, both on each GPU that holds a part of it. requests_that_fit is per replica, at most what
    the engine runs at once (engine_requests).
    """

    gpu_gib: float
    engine_gib: float
    weights_gib: float
    working_gib: float
    kv_room_gib: float
    request_gib: float
    longest_request_gib: float
    requests_that_fit: int
    engine_requests: int


@dataclass(frozen=True, kw_only=True)
class FirstTokenBudget:
    """TTFT at the percentile: what each term adds to it, in ms. target_ms is None without a target.

    longest_prompts_ms is that of the size bucket with the longest prompts, longest_prompts_limit_ms what it
    may be at most.
    """

    request_overhead_ms: float
    own_prompt_ms: float
    step_under_way_ms: float
    prefill_queue_ms: float
    wait_for_place_ms: float
    total_ms: float
    target_ms: float | None
    longest_prompts_ms: float
    longest_prompts_limit_ms: float | None


@dataclass(frozen=True, kw_only=True)
class PerTokenBudget:
    """TPOT at the percentile, in ms: a step without prompt tokens, what prompts add to the mean step, both over the
    tokens that a step brings, and the spread from there to the percentile. target_ms is None without a target.
    """

    decode_step_ms: float
    prompts_ms: float
    spread_ms: float
    total_ms: float
    target_ms: float | None


def step_budgets(
    question: Question, candidate: Candidate, layouts: Layouts, point: Point
) -> tuple[StepBudget, StepBudget]:
    """A step without prompt tokens and one with them; layouts (1,) and point (1, 1) are the candidate's."""
    at, peak = layouts.columns(1), layouts_of([_at_peak(candidate)]).columns(1)
    alone, mixed, _ = step_loads(at, point.batch, question.mix.traffic)
    share = point.steady.mixed_share.item()
    return _step(question, at, peak, alone, 1.0 - share), _step(question, at, peak, mixed, share)


def _step(question: Question, at: Layouts, peak: Layouts, load: Load, share_of_steps: float) -> StepBudget:
    parts, ideal = step_parts(question.work, at, load), step_parts(question.work, peak, load)
    # Steps that were measured, whole or by operator, are divided as the model divides its own: no part is known.
    told = not any(at.anchors)
    total = sum(seconds.item() for seconds in parts.seconds.values())
    return StepBudget(
        sequences=load.decode.item(),
        tokens_per_step=question.mix.tokens_per_step,
        context_tokens=load.context.item(),
        prompt_tokens=load.prefill.item(),
        share_of_steps=share_of_steps,
        ms=total * 1e3,
        parts=tuple(
            _part(
                name, seconds.item(), total, parts.blocks.get(name), ideal.blocks.get(name) if told else None
            )
            for name, seconds in parts.seconds.items()
            if seconds.item() > 0.0
        ),
    )


def _part(name: str, seconds: float, total: float, block: Block | None, ideal: Block | None) -> PartTime:
    limited_by, of_peak = _BESIDE.get(name, ""), None
    compute = block is not None and block.compute_s.item() > block.memory_s.item()
    if block is not None:
        limited_by = "compute" if compute else "memory"
    if ideal is not None:
        at_peak = (ideal.compute_s if compute else ideal.memory_s).item()
        # The softmax between its products is work that the data sheet's FLOPS do not count.
        softmax = PREFILL_ATTENTION_SHARE if name == "prompt_attention" else 1.0
        of_peak = at_peak * softmax / seconds
    return PartTime(
        name=name, ms=seconds * 1e3, share=seconds / total, limited_by=limited_by, of_peak=of_peak
    )


def _at_peak(candidate: Candidate) -> Candidate:
    """The same set-up on GPUs that reach their data sheet, with kernels that waste nothing."""
    hardware = candidate.hardware
    physics = replace(
        hardware.physics,
        saturation_rows=0.0,
        fill_rows=0.0,
        tile_depth=0.0,
        grouped_share=1.0,
        block_scaled_share=1.0,
        unpacked_share=1.0,
    )
    efficiency = replace(hardware.efficiency, compute=1.0, bandwidth=1.0)
    return replace(candidate, hardware=replace(hardware, efficiency=efficiency, physics=physics))


def memory_budget(question: Question, candidate: Candidate, need: MemoryNeed) -> MemoryBudget:
    """Memory of one of the candidate's GPUs; need is the candidate's alone, (1,)."""
    places, most = places_of(question, [candidate], layouts_of([candidate]), need)
    held, longest = (
        sizes[candidate.hardware.pair].item() for sizes in (question.held_bytes, question.longest_bytes)
    )
    on_each = need.kv_copies.item() / (candidate.shards * candidate.stages) / GIB
    return MemoryBudget(
        gpu_gib=candidate.hardware.gpu.usable_mib * MIB / GIB,
        engine_gib=need.budget_bytes_per_gpu.item() / GIB,
        weights_gib=need.weights_bytes_per_gpu.item() / GIB,
        working_gib=need.reserve_bytes_per_gpu.item() / GIB,
        kv_room_gib=need.kv_room_bytes.item() / candidate.ranks * on_each,
        request_gib=held * on_each,
        longest_request_gib=longest * on_each,
        requests_that_fit=max(int(places.item()), 0),
        engine_requests=int(most.item()),
    )


def first_token_budget(
    question: Question, point: Point, overhead_ms: float, quantile: float
) -> FirstTokenBudget:
    """Each term is what it adds to the TTFT at `quantile`, in the order of the fields; the point is (1, 1).

    With the step under way goes what prompts behind one that waits add to its last step.
    """
    target = question.target
    waits = [without_wait(point.wait)]
    waits.append(replace(waits[0], residual_s=point.wait.residual_s))
    waits += [without_place_wait(point.wait), point.wait]
    # Of two prompts that a percentile lies between it is the longer one's as soon as anybody waits.
    beyond = quantile + _HAIR * (1.0 - quantile)
    ends = [
        first_token_s(replace(point, wait=wait), question.mix, at).item() * 1e3
        for wait, at in zip(waits, (beyond, beyond, quantile, quantile), strict=True)
    ]
    own, step, queue, total = np.maximum.accumulate(np.minimum(ends, ends[-1])).tolist()
    overhead_ms = min(overhead_ms, own)
    return FirstTokenBudget(
        request_overhead_ms=overhead_ms,
        own_prompt_ms=own - overhead_ms,
        step_under_way_ms=step - own,
        prefill_queue_ms=queue - step,
        wait_for_place_ms=total - queue,
        total_ms=total,
        target_ms=target.ttft_ms if target else None,
        longest_prompts_ms=prompt_first_token_s(point, quantile).max().item() * 1e3,
        longest_prompts_limit_ms=target.ttft_ms * BUCKET_TTFT_FACTOR if target else None,
    )


def per_token_budget(question: Question, point: Point, quantile: float) -> PerTokenBudget:
    """TPOT at `quantile`, without a target that of a batch that is kept full, of a point that is (1, 1)."""
    per_token = 1e3 / question.mix.tokens_per_step
    decode_ms, step_ms = (
        seconds.item() * per_token for seconds in (point.steady.decode_step_s, point.steady.step_s)
    )
    total = per_token_s(point, question.mix, quantile if question.target else None).item() * 1e3
    return PerTokenBudget(
        decode_step_ms=decode_ms,
        prompts_ms=step_ms - decode_ms,
        spread_ms=total - step_ms,
        total_ms=total,
        target_ms=question.target.tpot_ms if question.target else None,
    )
