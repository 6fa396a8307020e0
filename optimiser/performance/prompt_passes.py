"""How long a replica under a load takes for a prompt by itself, from its first step to its first token.

Arrays are (set-ups, points, prompts), with loads before them where there are several.
"""

from __future__ import annotations

import numpy as np

from optimiser.performance.anchor import corrected_first_tokens
from optimiser.performance.batching import CHUNK_TOKENS
from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork
from optimiser.performance.timing import launched_seconds, step_seconds


def own_prefill(work: ModelWork, at: Layouts, batch: Array, mix: Mix) -> tuple[Array, Array]:
    """Seconds that a pass with a prompt on every attention rank takes the GPUs, and until the first token of a prompt
    that waits for nothing.

    A prompt's own prefill takes ceil(prompt / chunk) steps beside the decoding sequences.
    """
    at, chunks = at.columns(2), np.ceil(mix.prompts / CHUNK_TOKENS)
    busy_s, whole_s = pass_seconds(work, at, batch, mix.prompts / chunks * at.ranks, mix)
    return busy_s, whole_s * (1.0 + (chunks - 1.0) / at.stages) + at.physics.first_token_overhead_ms * 1e-3


def pass_seconds(work: ModelWork, at: Layouts, batch: Array, tokens: Array, mix: Mix) -> tuple[Array, Array]:
    """Seconds of a step with so many prompt tokens of each of the mix's prompts beside the batch: what it takes the
    GPUs, and what first tokens wait for.

    Launches that a lone prompt waits for hardly show beside a batch: counted in the steps of those that decode, 142
    measured times per token of DeepSeek models would be 18 % off at the median, not 12, one in ten 77 %, not 53.
    """
    load = Load(
        decode=np.maximum(batch[..., None] / at.stages, 1.0),
        context=mix.traffic.context[..., None],
        prefill=tokens,
        prefill_context=mix.cached + mix.prompts / 2,
    )
    busy_s = step_seconds(work, at, load)
    return busy_s, launched_seconds(work, at, load, busy_s)


def measured_first_tokens(here: Layouts, batch: Array, mix: Mix) -> Array:
    """What measurements make of the model's first tokens, (set-ups, points)."""
    return corrected_first_tokens(here.anchors, mix.traffic.context, np.maximum(batch / here.stages, 1.0))
