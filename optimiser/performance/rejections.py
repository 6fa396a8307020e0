"""Why hardware is out, in plain words with the numbers that decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optimiser.performance.estimate_types import Rejection
from optimiser.performance.memory import GIB, host_ram_needed_gib
from optimiser.performance.operating import (
    BUCKET_TTFT_FACTOR,
    LOWEST_BATCH,
    bucket_first_token_s,
    evaluate,
    first_token_s,
    per_token_s,
)
from optimiser.performance.setups import (
    GROUP_SIZES,
    MIN_GROUP_NETWORK_GBPS,
    Hardware,
    layouts_of,
    single_candidates,
)
from optimiser.performance.timing import Array
from optimiser.performance.trial import Question, Trial, memory_of
from optimiser.workload import Target


def _rejection(hardware: Hardware, code: str, reason: str) -> Rejection:
    return Rejection(provider="", instance_type="", gpu=hardware.gpu.name, code=code, reason=reason)


def does_not_fit(question: Question, hardware: Hardware) -> Rejection:
    """Neither one instance nor a group holds the model and one longest request.

    The numbers are those of the set-up with the most room on one instance. code is "network" where a
    group would hold the weights but the network between instances is too slow, else "memory" or "kv_room".
    """
    candidates = single_candidates(question.model, hardware)
    layouts = layouts_of(candidates)
    need = memory_of(question, candidates, layouts)
    best = int(np.argmax(need.kv_room_bytes))
    gpus = candidates[best].shards * candidates[best].ranks * candidates[best].stages
    weights, room = need.weights_bytes_per_gpu[best] / 1e9, need.kv_room_bytes[best]
    left = (need.budget_bytes_per_gpu[best] - need.reserve_bytes_per_gpu[best]) / 1e9
    name = hardware.gpu.name
    if room > 0:
        longest = float((question.prompts + question.outputs).max())
        reason = (
            f"{gpus} × {name} hold the weights and leave {room / 1e9:.1f} GB for KV cache; one request of "
            f"{longest:,.0f} tokens needs {question.longest_bytes / 1e9:.1f} GB"
        )
        code = "kv_room"
    else:
        total = question.work.resident_bytes / 1e9
        reason = (
            f"weights of {total:,.0f} GB at {question.weight_precision} need {weights:.1f} GB per GPU; "
            f"{gpus} × {name} have {gpus} × {max(left, 0):.1f} GB for weights and KV cache"
        )
        code = "memory"
    network_gbps = hardware.network_gbps
    slow = (network_gbps or 0.0) < MIN_GROUP_NETWORK_GBPS
    if slow and weights * gpus / (hardware.gpu_count * max(GROUP_SIZES)) < left:
        known = "an unknown network" if network_gbps is None else f"{network_gbps:g} Gbit/s"
        reason += f"; a group of instances needs {MIN_GROUP_NETWORK_GBPS:g} Gbit/s, this has {known}"
        code = "network" if code == "memory" else code
    return _rejection(hardware, code, reason)


def misses_targets(
    question: Question, trial: Trial, tried: Mapping[int, Sequence[int]], target: Target
) -> dict[int, Rejection]:
    """Why hardware that holds the model misses the target even where requests do not meet.

    tried names the rows of the trial that were tried on each hardware; all are looked at in one pass.
    """
    if not tried:
        return {}
    rows = np.array([row for some in tried.values() for row in some])
    layouts = trial.layouts.select(rows)
    low = np.full((len(rows), 1), LOWEST_BATCH)
    point = evaluate(question.work, layouts, low, trial.places[rows], question.mix)
    quantile = target.percentile / 100.0
    ttft = first_token_s(point, question.mix, quantile)[:, 0] * 1e3
    worst = bucket_first_token_s(point, quantile)[:, 0, :].max(axis=-1) * 1e3
    tpot = per_token_s(point, question.mix, quantile)[:, 0] * 1e3
    ends = np.cumsum([len(some) for some in tried.values()])
    parts = zip(tried, *(np.split(array, ends[:-1]) for array in (rows, ttft, worst, tpot)), strict=True)
    return {key: _missed(trial, target, *part) for key, *part in parts}


def _missed(trial: Trial, target: Target, rows: Array, ttft: Array, worst: Array, tpot: Array) -> Rejection:
    """The rejection of one hardware by the set-up that came nearest; latencies in ms, shape (set-ups,)."""
    ratios = np.stack(
        [ttft / target.ttft_ms, worst / (BUCKET_TTFT_FACTOR * target.ttft_ms), tpot / target.tpot_ms]
    )
    best = int(ratios.max(axis=0).argmin())
    which = int(ratios[:, best].argmax())
    setup = trial.candidates[int(rows[best])]
    where = f"{setup.shards * setup.ranks * setup.stages} × {setup.hardware.gpu.name} per replica"
    at = f"p{target.percentile:g}"
    reason = (
        f"TTFT {at} is {ttft[best]:,.0f} ms at no load on {where}, target {target.ttft_ms:,.0f} ms",
        f"TTFT {at} of the longest prompts is {worst[best]:,.0f} ms at no load on {where}, over "
        f"{BUCKET_TTFT_FACTOR:g} × the target of {target.ttft_ms:,.0f} ms",
        f"TPOT {at} is {tpot[best]:,.1f} ms at no load on {where}, target {target.tpot_ms:,.1f} ms",
    )[which]
    return Rejection(
        provider="",
        instance_type="",
        gpu=setup.hardware.gpu.name,
        code="tpot" if which == 2 else "ttft",
        reason=reason,
        best_ttft_ms=float(ttft[best]),
        best_tpot_ms=float(tpot[best]),
    )


def host_ram_short(question: Question, gpu: str, memory_gib: float, instances: int) -> Rejection | None:
    """A rejection where an instance's RAM is under 1.2 × its part of the weights, else None."""
    needed = host_ram_needed_gib(question.work, instances)
    if memory_gib >= needed:
        return None
    weights = question.work.resident_bytes / instances / GIB
    reason = (
        f"loading {weights:,.1f} GiB of weights needs {needed:,.1f} GiB of host RAM (1.2 × weights), "
        f"it has {memory_gib:,.0f} GiB"
    )
    return Rejection(provider="", instance_type="", gpu=gpu, code="host_ram", reason=reason)
