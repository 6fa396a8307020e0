"""The steady state of continuous batching: what a step holds when a replica keeps `batch` sequences going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.layouts import Array, Layouts, Load
from optimiser.performance.model_work import ModelWork
from optimiser.performance.timing import step_seconds
from optimiser.workload import SizeBucket

# Prompt tokens an engine takes into one step: the default of TensorRT-LLM, and of vLLM's server on GPUs from 70 GiB but
# for A100. On A100 and smaller ones vLLM 0.11 to 0.19 takes 2,048 (EngineArgs.get_batch_defaults).
CHUNK_TOKENS = 8192.0
_WITHOUT_AND_WITH = np.array([0.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Request sizes as a step sees them, tokens; arrays that broadcast against the load.

    prompt is the mean of what is computed of a prompt, output the mean number of steps a request decodes for: its
    output tokens, where a step brings one. context is what a decoding sequence looks back at, weighted by how long
    requests stay: Σ share·out·(prompt + out/2) / Σ share·out. prefill_context is what a computed prompt token looks
    back at, Σ share·new·(cached + new/2) / Σ share·new. prefill_steps is the number of steps a prompt takes.
    """

    prompt: Array
    output: Array
    context: Array
    prefill_context: Array
    prefill_steps: Array


@dataclass(frozen=True, kw_only=True)
class SteadyState:
    """Seconds per step of one sequence (through all stages): on average, of a step without prompt tokens and
    of a step with them; mixed_share is the share of steps with prompt tokens.
    """

    step_s: Array
    decode_step_s: Array
    mixed_step_s: Array
    mixed_share: Array

    def at(self, index: int | NDArray[np.intp]) -> SteadyState:
        """The steady state at one place of the first axis, or at several."""
        return SteadyState(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    def where(self, holds: NDArray[np.bool_], other: SteadyState) -> SteadyState:
        """This steady state where `holds`, elsewhere the other."""
        pairs = {item.name: (getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        return SteadyState(**{name: np.where(holds, *pair) for name, pair in pairs.items()})

    @property
    def prefill_time_share(self) -> Array:
        """Share of busy time that prompts add: 1 − (step without prompts) / (mean step)."""
        return np.asarray(1.0 - self.decode_step_s / self.step_s)


def mean_traffic(
    prompts: Array, outputs: Array, shares: Array, cached: Array | float = 0.0, tokens_per_step: float = 1.0
) -> Traffic:
    """The sizes of a mix: prompts (tokens computed), outputs (steps), shares and cached (tokens before those
    computed) are (..., buckets), the fields (...,).
    """
    weight = shares * outputs
    residence = weight.sum(axis=-1)
    total = shares.sum(axis=-1)
    context = cached + prompts + outputs * (tokens_per_step / 2)
    computed = shares * prompts
    return Traffic(
        prompt=computed.sum(axis=-1) / total,
        output=residence / total,
        context=(weight * context).sum(axis=-1) / residence,
        prefill_context=(computed * (cached + prompts / 2)).sum(axis=-1) / computed.sum(axis=-1),
        prefill_steps=(shares * np.maximum(prompts / CHUNK_TOKENS, 1.0)).sum(axis=-1) / total,
    )


def bucket_arrays(buckets: Sequence[SizeBucket]) -> tuple[Array, Array, Array, Array]:
    """Prompt tokens, of those the cached ones, output tokens and shares of the buckets, each (buckets,).

    At least one token of every prompt is computed, and one of output made.
    """
    fields = [(b.prompt_tokens, b.cached_prefix_tokens, b.output_tokens, b.share) for b in buckets]
    prompts, cached, outputs, shares = np.array(fields, dtype=np.float64).T
    prompts = np.maximum(prompts, 1.0)
    return prompts, np.minimum(cached, prompts - 1.0), np.maximum(outputs, 1.0), shares / shares.sum()


def step_loads(at: Layouts, batch: Array, traffic: Traffic) -> tuple[Load, Load, Array]:
    """A step without prompt tokens, a step with them, and chunks that arrive per step (steady_state)."""
    decode = np.maximum(batch / at.stages, 1.0)
    arriving = batch / at.stages * (traffic.prompt / traffic.output)
    one = traffic.prompt / traffic.prefill_steps
    chunk = np.minimum(np.maximum(one, arriving), CHUNK_TOKENS * at.ranks)
    none = np.zeros(1)
    alone = Load(decode=decode, context=traffic.context, prefill=none, prefill_context=none)
    mixed = Load(
        decode=decode,
        context=traffic.context,
        prefill=chunk,
        prefill_context=traffic.prefill_context,
    )
    return alone, mixed, arriving / chunk


def steady_state(work: ModelWork, at: Layouts, batch: Array, traffic: Traffic) -> SteadyState:
    """The steps of a replica with `batch` decoding sequences, whose places are refilled as they end.

    Every step finishes batch/output sequences, and as many prompts come in. They do not spread evenly:
    a prompt comes as one chunk of its whole length (at most CHUNK_TOKENS), so that the mean step is
    (1 − f)·t(B, 0) + f·t(B, chunk) with f = B·prompt / (output·chunk). Where more than one prompt arrives per
    step, the chunk is all of them. Attention ranks are taken to be evenly loaded. Below one sequence per
    stage a step is as long as with one, but prompts come in more rarely. The three broadcast.
    """
    _, mixed, busy = step_loads(at, batch, traffic)
    # Both steps in one pass: what they share is worked out once. As the first axis it leaves NumPy long runs.
    both = np.multiply.outer(_WITHOUT_AND_WITH, mixed.prefill)
    decode_step, mixed_step = step_seconds(work, at, replace(mixed, prefill=both))
    share = np.minimum(busy, 1.0)
    step = (decode_step + share * (mixed_step - decode_step)) * np.maximum(busy, 1.0)
    return SteadyState(step_s=step, decode_step_s=decode_step, mixed_step_s=mixed_step, mixed_share=share)


def rate_of(batch: Array, steady: SteadyState, traffic: Traffic) -> Array:
    """Requests/s of one replica with `batch` sequences decoding, λ = B / (steps of a request · step)."""
    return np.asarray(batch / (traffic.output * steady.step_s))
