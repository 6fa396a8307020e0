"""How measurements correct the model of one set-up: the model supplies the shape, measurements the level.

A correction is a factor on the step time, and one on the whole first token. Measurements give it at some sizes and
loads; between them its logarithm is interpolated, beyond them the nearest stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.estimate_types import Estimate

Array = NDArray[np.float64]

# Version to version, one engine's throughput on one GPU differs by so much at the median (TensorRT-LLM tables 0.9 to
# 1.2, public vLLM results): no measurement is surer for the next installation.
MEASURED_ERROR = 0.046
# An operating point so near the measured ones counts as measured.
INSIDE = 1.1
# Up to this factor beyond what was measured the model's shape is trusted; from the second on it is the model's
# estimate again.
TRUSTED_BEYOND = 2.0
LOST_BEYOND = 16.0
# Runs that disagree by so much to each side of their middle (1.5 × from one to the other) leave an estimate in doubt.
IN_DOUBT = 0.22


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Measured over predicted, at one or more contexts (tokens, increasing), each with one or more loads.

    logs[i][j] is the logarithm of the factor at contexts[i] and loads[i][j]; loads are sequences that decode in one
    step, increasing.
    """

    contexts: tuple[float, ...]
    loads: tuple[tuple[float, ...], ...]
    logs: tuple[tuple[float, ...], ...]

    def at(self, context: Array, load: Array) -> Array:
        """The factor: linear in the logarithm over log load, then over log context; arrays of one shape."""
        every = np.stack(
            [np.interp(np.log(load), np.log(x), y) for x, y in zip(self.loads, self.logs, strict=True)]
        )
        place = np.interp(np.log(context), np.log(self.contexts), np.arange(len(self.contexts)))
        low = np.floor(place).astype(np.intp)
        high = np.minimum(low + 1, len(self.contexts) - 1)
        below, above = (np.take_along_axis(every, index[None], 0)[0] for index in (low, high))
        return np.asarray(np.exp(below + (place - low) * (above - below)))


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """What measurements of a set-up say of it.

    steps and first_tokens are the corrections; first_tokens is None where none was measured under a load that tells
    of it, and is beside that of the step; queues says whether one was of requests that come at a rate, and queue.
    room_bytes is the KV cache of the fullest batch measured, per replica. prompts, outputs (tokens) and batches
    (decoding sequences of a replica) are the least and most measured. engine names the engine with the versions
    measured, basis the measurements in words; doubts are what is odd about them. spread is how far steps of runs at
    one size and load lie from their middle (0.5 is 50 %), first_token_spread the same of first tokens: no estimate
    on them is surer.
    """

    steps: Factors
    first_tokens: Factors | None
    room_bytes: float
    prompts: tuple[float, float]
    outputs: tuple[float, float]
    batches: tuple[float, float]
    engine: str
    basis: str
    queues: bool = False
    doubts: tuple[str, ...] = ()
    spread: float = 0.0
    first_token_spread: float = 0.0

    def beyond(self, prompt: float, output: float, batch: float) -> float:
        """How far an operating point is outside what was measured, as the largest factor; at least 1."""
        pairs = ((prompt, self.prompts), (output, self.outputs), (batch, self.batches))
        return max(1.0, *(max(low / value, value / high) for value, (low, high) in pairs))


@dataclass(frozen=True, kw_only=True)
class Operators:
    """What measurements of single operators make of a set-up's steps, where nobody measured it whole.

    steps corrects those without prompt tokens; mixed_steps those with, over their number in the place of contexts.
    engine names the engine with its version, basis the measurements in words; notes say what they leave out.
    """

    steps: Factors
    mixed_steps: Factors
    engine: str
    basis: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Uncovered:
    """Why measured operators, though asked for, say nothing of a set-up."""

    reason: str


Anchors = tuple[Anchor | Operators | Uncovered | None, ...]


def corrected_steps(anchors: Anchors, context: Array, decode: Array, prefill: Array, axis: int) -> Array:
    """The factor of every set-up on a step with so many sequences that decode and prompt tokens; 1 where none is known.

    The set-ups are along `axis` of the broadcast arrays.
    """
    arrays = np.broadcast_arrays(context, decode, prefill)
    contexts, loads, prompts = (np.moveaxis(values, axis, 0) for values in arrays)
    found = np.ones(contexts.shape)
    for row, anchor in enumerate(anchors):
        if isinstance(anchor, Anchor | Operators):
            found[row] = anchor.steps.at(contexts[row], loads[row])
        if isinstance(anchor, Operators):
            mixed = anchor.mixed_steps.at(np.maximum(prompts[row], 1.0), loads[row])
            found[row] = np.where(prompts[row] > 0, mixed, found[row])
    return np.moveaxis(found, 0, axis)


def corrected_first_tokens(anchors: Anchors, context: Array, load: Array) -> Array:
    """The factor of every set-up on its whole first token, beside that on steps; the first axis of the
    broadcast arrays is the set-ups.
    """
    contexts, loads = np.broadcast_arrays(context, load)
    found = np.ones(contexts.shape)
    for row, anchor in enumerate(anchors):
        if isinstance(anchor, Anchor) and anchor.first_tokens:
            found[row] = anchor.first_tokens.at(contexts[row], loads[row])
    return found


def anchored_error(model_error: float, beyond: float, trusted: float = TRUSTED_BEYOND) -> float:
    """The error of an estimate so far beyond its measurements: theirs up to `trusted`, growing into the model's."""
    lost = math.log(max(beyond / trusted, 1.0)) / math.log(LOST_BEYOND / trusted)
    return MEASURED_ERROR + (max(model_error, MEASURED_ERROR) - MEASURED_ERROR) * min(lost, 1.0)


def anchored(
    estimate: Estimate,
    anchor: Anchor,
    prompt: float,
    output: float,
    least_error: float,
    doubts: Sequence[str],
) -> Estimate:
    """An estimate made with an anchor's corrections, saying so.

    prompt and output are the mean tokens of a request. Where the operating point was measured, the model's doubts
    no longer hold and its error is that of measurements; least_error stands for what they do not tell. Where they hold,
    the model's shape is trusted no further than what was measured.
    """
    beyond = anchor.beyond(prompt, output, estimate.concurrency_per_replica)
    inside = beyond <= INSIDE
    in_doubt = estimate.low_confidence and not inside
    error = anchored_error(estimate.relative_error, beyond, INSIDE if in_doubt else TRUSTED_BEYOND)
    notes = [note for note in estimate.notes if not (inside and note in doubts)]
    if beyond > TRUSTED_BEYOND:
        notes.append(f"{beyond:.1f} × beyond the sizes and loads that were measured")
    return replace(
        estimate,
        engine=anchor.engine,
        method=f"anchored on {anchor.basis}; between and beyond them {estimate.method}",
        relative_error=round(max(error, least_error, anchor.spread), 4),
        low_confidence=in_doubt or anchor.spread > IN_DOUBT,
        notes=(*notes, *anchor.doubts),
    )
