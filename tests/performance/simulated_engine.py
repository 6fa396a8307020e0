"""An engine with continuous batching, step by step: what the estimates' closed forms stand for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from optimiser.performance.batching import CHUNK_TOKENS, mean_traffic
from optimiser.performance.model_work import ModelWork
from optimiser.performance.timing import Array, Layouts, Load, step_seconds
from optimiser.workload import SizeBucket

_BATCHES = np.arange(0, 513, dtype=np.float64)
_PROMPTS = np.linspace(0, CHUNK_TOKENS, 65)


def _step_table(work: ModelWork, at: Layouts, buckets: Sequence[SizeBucket]) -> Array:
    """Seconds of a step by (sequences, prompt tokens)."""
    sizes = np.array([(b.prompt_tokens, b.output_tokens, b.share) for b in buckets]).T
    traffic = mean_traffic(*sizes)
    load = Load(
        decode=_BATCHES[:, None],
        context=traffic.context,
        prefill=_PROMPTS[None, :],
        prefill_context=traffic.prefill_context,
    )
    return step_seconds(work, at, load)


def simulate(
    work: ModelWork, at: Layouts, buckets: Sequence[SizeBucket], rate: float, places: int, requests: int
) -> tuple[Array, Array]:
    """TTFT and mean time per output token of each request, in seconds, for Poisson arrivals at `rate`/s.

    First come, first served; up to CHUNK_TOKENS prompt tokens per step; a request takes a place from the
    first step of its prompt to its last token.
    """
    draw = np.random.default_rng(11)
    table = _step_table(work, at, buckets)
    kind = draw.choice(len(buckets), requests, p=[b.share for b in buckets])
    arrival = np.cumsum(draw.exponential(1 / rate, requests))
    prompt = np.array([b.prompt_tokens for b in buckets])[kind]
    output = np.array([b.output_tokens for b in buckets])[kind]
    first, last = np.zeros(requests), np.zeros(requests)
    waiting: deque[int] = deque()
    left = prompt.copy()
    ends: dict[int, list[int]] = {}
    now, step, active, upcoming, done = 0.0, 0, 0, 0, 0
    while done < requests:
        if not waiting and not active:
            now = max(now, arrival[upcoming])
        while upcoming < requests and arrival[upcoming] <= now:
            waiting.append(upcoming)
            upcoming += 1
        budget, started = CHUNK_TOKENS, []
        while waiting and budget > 0 and active + len(started) < places:
            taken = min(left[waiting[0]], budget)
            left[waiting[0]] -= taken
            budget -= taken
            if left[waiting[0]] > 0:
                break
            started.append(waiting.popleft())
        column = (CHUNK_TOKENS - budget) / CHUNK_TOKENS * (len(_PROMPTS) - 1)
        low = int(column)
        high = min(low + 1, len(_PROMPTS) - 1)
        now += table[active, low] + (column - low) * (table[active, high] - table[active, low])
        step += 1
        for request in started:
            first[request] = now
            ends.setdefault(step + int(output[request]) - 1, []).append(request)
        active += len(started)
        for request in ends.pop(step, ()):
            last[request] = now
            active -= 1
            done += 1
    settled = slice(requests // 10, None)
    return (first - arrival)[settled], ((last - first) / np.maximum(output - 1, 1))[settled]
