"""What runs of finite length take beside the steady state: the batch fills at their begin and drains at their end.

Arrays are (set-ups, points).
"""

from __future__ import annotations

import numpy as np

from optimiser.performance.at_load import request_rate
from optimiser.performance.batching import CHUNK_TOKENS
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.timing import prompt_step_seconds


def draining_s(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> Array:
    """Seconds by which a run of finite length is longer than its requests over the steady rate, (set-ups, points).

    Its batch drains at the end, one sequence after the other: output steps at the mean of t(b) over b ≤ B
    (Simpson's rule), in which B/2 · output tokens come that the steady state has in output/2 · t(B). (A factor
    1 / (1 + B / 2N) on the rate would have every step as long as a full one: for B near N, 20 % off.)
    """

    def step_s(sequences: Array) -> Array:
        return request_rate(work, at, sequences, mix)[1].decode_step_s

    full = step_s(batch)
    mean = (step_s(np.ones_like(batch)) + 4.0 * step_s(batch / 2) + full) / 6.0
    return np.asarray(mix.traffic.output * (mean - full / 2.0))


def first_wave_s(work: ModelWork, at: Layouts, requests: Array, mix: Mix) -> Array:
    """Mean seconds to the first token inside the engine where so many requests come at once to an idle replica.

    A step takes g prompts, as many as go into CHUNK_TOKENS on each attention rank, so n requests need n/g steps of
    t seconds each; the j-th g of them have their first tokens after j of those: t·(n/g + 1) / 2 on average. Of
    prompts longer than a step (g < 1) the j-th ends after j/g steps: t·(n + 1) / 2g. On average half of the
    requests decode beside them. All are of the mean size; requests is (set-ups, points), the result too.
    """
    at, prompt = at.columns(1), mix.traffic.prompt
    requests = np.maximum(requests, 1.0)
    together = np.minimum(CHUNK_TOKENS * at.ranks / prompt, requests)
    load = Load(
        decode=requests / 2,
        context=prompt,
        prefill=together * prompt,
        prefill_context=mix.traffic.prefill_context,
    )
    steps = (requests + np.maximum(together, 1.0)) / (2.0 * together)
    return np.asarray(prompt_step_seconds(work, at, load) * steps)
