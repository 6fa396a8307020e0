"""Why hardware is out, in plain words with the numbers that decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.at_load import (
    BUCKET_TTFT_FACTOR,
    evaluate,
    first_token_s,
    per_token_s,
    prompt_first_token_s,
)
from optimiser.performance.estimate_types import Rejection
from optimiser.performance.layouts import Array
from optimiser.performance.memory import GIB, MemoryNeed, host_ram_needed_gib
from optimiser.performance.operating import lowest_batch
from optimiser.performance.setups import (
    GROUP_SIZES,
    MIN_GROUP_NETWORK_GBPS,
    Candidate,
    Hardware,
    layouts_of,
    single_candidates,
)
from optimiser.performance.trial import Question, Trial, memory_of
from optimiser.workload import Target

# Finer than any latency is told apart.
MOST_DECIMALS = 6


def _rejection(hardware: Hardware, code: str, reason: str) -> Rejection:
    return Rejection(provider="", instance_type="", gpu=hardware.gpu.name, code=code, reason=reason)


def roomiest(question: Question, hardware: Sequence[Hardware]) -> tuple[list[Candidate], MemoryNeed]:
    """For each hardware the set-up on one instance with the most room for KV cache, which may be negative, and what
    they need.
    """
    tried = [single_candidates(question.model, item) for item in hardware]
    every = [candidate for some in tried for candidate in some]
    need = memory_of(question, every, layouts_of(every))
    ends = np.cumsum([len(some) for some in tried])
    rooms = np.split(need.kv_room_bytes, ends[:-1])
    best = [int(end) - len(room) + int(room.argmax()) for end, room in zip(ends, rooms, strict=True)]
    return [every[row] for row in best], need.select(np.array(best))


def do_not_fit(question: Question, hardware: Sequence[Hardware]) -> list[Rejection]:
    """Neither one instance nor a group of each hardware holds the model and one longest request.

    The numbers are those of the set-up with the most room on one instance. code is "network" where a
    group would hold the weights but the network between instances is too slow, else "memory" or "kv_room".
    """
    if not hardware:
        return []
    alike = {item.instance: item for item in hardware}
    setups, need = roomiest(question, list(alike.values()))
    left = need.budget_bytes_per_gpu - need.reserve_bytes_per_gpu
    figures = (need.weights_bytes_per_gpu, need.kv_room_bytes, left)
    found = dict(zip(alike, zip(setups, *(values.tolist() for values in figures), strict=True), strict=True))
    reasons = []
    for item in hardware:
        setup, *of_one = found[item.instance]
        reasons.append(_does_not_fit(question, replace(setup, hardware=item), *of_one))
    return reasons


def _does_not_fit(
    question: Question, setup: Candidate, weights_bytes: float, room: float, left_bytes: float
) -> Rejection:
    """Of the roomiest set-up: bytes of a GPU for its weights and left for them and KV cache, and its KV room."""
    hardware, gpus = setup.hardware, setup.shards * setup.ranks * setup.stages
    weights, left, name = weights_bytes / 1e9, left_bytes / 1e9, setup.hardware.gpu.name
    if room > 0:
        longest = float((question.prompts + question.outputs).max())
        reason = (
            f"{gpus} × {name} hold the weights and leave {room / 1e9:.1f} GB for KV cache; one request of "
            f"{longest:,.0f} tokens needs {question.longest_bytes[hardware.pair] / 1e9:.1f} GB"
        )
        code = "kv_room"
    else:
        total = question.work.resident_bytes[hardware.pair] / 1e9
        reason = (
            f"weights of {total:,.0f} GB at {question.precisions[hardware.pair][0]} need {weights:.1f} GB per GPU; "
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
    latencies = _unloaded_ms(question, trial, rows, target)
    ends = np.cumsum([len(some) for some in tried.values()])
    parts = zip(tried, *(np.split(array, ends[:-1]) for array in (rows, *latencies)), strict=True)
    return {key: _missed(trial, target, *part) for key, *part in parts}


def nearest_row(question: Question, trial: Trial, target: Target) -> int:
    """The row of the trial that comes nearest to the target where requests do not meet."""
    latencies = _unloaded_ms(question, trial, np.arange(len(trial.candidates)), target)
    return int(_over_target(target, *latencies).max(axis=0).argmin())


def _unloaded_ms(
    question: Question, trial: Trial, rows: NDArray[np.intp], target: Target
) -> tuple[Array, Array, Array]:
    """TTFT, TTFT of the longest prompts and TPOT in ms where requests do not meet, each (rows,)."""
    rows, place = np.unique(trial.alike[rows], return_inverse=True)
    layouts = trial.layouts.select(rows)
    places = trial.places[rows]
    low = lowest_batch(question.work, layouts, places, question.mix)
    point = evaluate(question.work, layouts, low, places, question.mix)
    quantile = target.percentile / 100.0
    ttft = first_token_s(point, question.mix, quantile)[:, 0] * 1e3
    worst = prompt_first_token_s(point, quantile)[:, 0, :].max(axis=-1) * 1e3
    tpot = per_token_s(point, question.mix, quantile)[:, 0] * 1e3
    return ttft[place], worst[place], tpot[place]


def _over_target(target: Target, ttft: Array, worst: Array, tpot: Array) -> Array:
    """Each latency over its limit, (3, set-ups)."""
    return np.stack(
        [ttft / target.ttft_ms, worst / (BUCKET_TTFT_FACTOR * target.ttft_ms), tpot / target.tpot_ms]
    )


def _above(reached: float, target: float, decimals: int) -> str:
    """A latency with so many decimals, or as many more as show that it is above the target."""
    while round(reached, decimals) <= target < reached and decimals < MOST_DECIMALS:
        decimals += 1
    return f"{reached:,.{decimals}f}"


def _missed(trial: Trial, target: Target, rows: Array, ttft: Array, worst: Array, tpot: Array) -> Rejection:
    """The rejection of one hardware by the set-up that came nearest; latencies in ms, shape (set-ups,)."""
    ratios = _over_target(target, ttft, worst, tpot)
    best = int(ratios.max(axis=0).argmin())
    which = int(ratios[:, best].argmax())
    setup = trial.candidates[int(rows[best])]
    where = f"{setup.shards * setup.ranks * setup.stages} × {setup.hardware.gpu.name} per replica"
    at = f"p{target.percentile:g}"
    reason = (
        f"TTFT {at} is {_above(ttft[best], target.ttft_ms, 0)} ms with next to no load on {where}, "
        f"target {target.ttft_ms:,.10g} ms",
        f"TTFT {at} of the longest prompts is {worst[best]:,.0f} ms with next to no load on {where}, over "
        f"{BUCKET_TTFT_FACTOR:g} × the target of {target.ttft_ms:,.10g} ms",
        f"TPOT {at} is {_above(tpot[best], target.tpot_ms, 1)} ms with next to no load on {where}, "
        f"target {target.tpot_ms:,.10g} ms",
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


def host_ram_short(resident_bytes: float, gpu: str, memory_gib: float, instances: int) -> Rejection | None:
    """A rejection where an instance's RAM is under 1.2 × its part of the weights, else None."""
    needed = host_ram_needed_gib(resident_bytes, instances)
    if memory_gib >= needed:
        return None
    weights = resident_bytes / instances / GIB
    reason = (
        f"loading {weights:,.1f} GiB of weights needs {needed:,.1f} GiB of host RAM (1.2 × weights), "
        f"it has {memory_gib:,.0f} GiB"
    )
    return Rejection(provider="", instance_type="", gpu=gpu, code="host_ram", reason=reason)
