"""What a step of measured operators takes against the model's own, at the contexts and loads of a question.

Batching, queueing, memory and mixes are the model's: they work on these steps as they do on steps measured whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from optimiser.performance.anchor import Anchors, Array, Factors, Operators, Uncovered
from optimiser.performance.batching import CHUNK_TOKENS
from optimiser.performance.layouts import Load
from optimiser.performance.setups import Candidate, layouts_of
from optimiser.performance.timing import host_seconds, step_seconds
from optimiser.performance.trial import MAX_SEQUENCES, Question, memory_of
from optimiser.silicon.coverage import asked_of
from optimiser.silicon.library import DISTRIBUTION, VERSION, Loaded, NotMeasured, decode_ms, loaded, mixed_ms

# Asked points are at most so far apart, as a factor; between them the logarithm of the correction is straight.
APART = 4.0
LEAST_PROMPT_TOKENS = 64.0


def operators_of(question: Question, candidates: Sequence[Candidate]) -> Anchors:
    """What measured operators say of every candidate, or why nothing; None where the model does not fit."""
    if not candidates:
        return ()
    room = memory_of(question, candidates, layouts_of(candidates)).kv_room_bytes.tolist()
    return tuple(
        _operators(question, candidate, held) if held > 0 else None
        for candidate, held in zip(candidates, room, strict=True)
    )


def _operators(question: Question, candidate: Candidate, room_bytes: float) -> Operators | Uncovered:
    asked = asked_of(question.model, candidate)
    if isinstance(asked, str):
        return Uncovered(reason=asked)
    try:
        at = loaded(asked)
        steps, mixed_steps = _surfaces(question, candidate, at, room_bytes)
    except NotMeasured as error:
        return Uncovered(reason=str(error))
    engine = f"{asked.engine} {at.engine_version}"
    return Operators(
        steps=steps,
        mixed_steps=mixed_steps,
        engine=engine,
        basis=f"measured operators of {DISTRIBUTION} {VERSION} ({asked.system}, {engine})",
        notes=asked.notes,
    )


def _surfaces(
    question: Question, candidate: Candidate, at: Loaded, room_bytes: float
) -> tuple[Factors, Factors]:
    """The corrections of steps without prompt tokens, over context, and with them, over their number."""
    ranks, traffic = candidate.ranks, question.mix.traffic
    places = (
        room_bytes / float(question.bucket_bytes[candidate.hardware.pair].min()) / (ranks * candidate.stages)
    )
    loads = _spread(1.0, min(places, MAX_SEQUENCES)) * ranks
    contexts = question.prompts + question.outputs / 2
    mean, back = float(traffic.context.item()), float(traffic.prefill_context.item())
    none = np.zeros(1)

    def alone(context: Array, decode: Array) -> Load:
        return Load(decode=decode, context=context, prefill=none, prefill_context=none)

    def mixed(tokens: Array, decode: Array) -> Load:
        return Load(decode=decode, context=np.array([mean]), prefill=tokens, prefill_context=np.array([back]))

    steps = _factors(
        question,
        candidate,
        _spread(float(contexts.min()), float(contexts.max())),
        loads,
        alone,
        lambda context, decode: decode_ms(at, decode / ranks, context),
    )
    mixed_steps = _factors(
        question,
        candidate,
        _spread(LEAST_PROMPT_TOKENS, CHUNK_TOKENS) * ranks,
        loads,
        mixed,
        lambda tokens, decode: mixed_ms(at, decode / ranks, mean, tokens / ranks, 2.0 * back),
    )
    return steps, mixed_steps


def _factors(
    question: Question,
    candidate: Candidate,
    places: Array,
    loads: Array,
    load_of: Callable[[Array, Array], Load],
    operators_ms: Callable[[float, float], float],
) -> Factors:
    """Operators over model at every place (context or prompt tokens) and load (decoding sequences of a step).

    What the host does in a step is no operator, and counts as the model has it.
    """
    grid, decode = (axis.reshape(1, -1) for axis in np.meshgrid(places, loads, indexing="ij"))
    layouts = layouts_of([candidate]).columns(1)
    model_s = step_seconds(question.plain_work, layouts, load_of(grid, decode))
    host_s = host_seconds(candidate.hardware.physics, decode)
    points = zip(grid[0].tolist(), decode[0].tolist(), strict=True)
    measured_s = np.array([[operators_ms(place, load) / 1e3 for place, load in points]]) + host_s
    logs = np.log(measured_s / model_s).reshape(len(places), len(loads))
    return Factors(
        contexts=tuple(places.tolist()),
        loads=(tuple(loads.tolist()),) * len(places),
        logs=tuple(tuple(row) for row in logs.tolist()),
    )


def _spread(low: float, high: float) -> Array:
    """Points from low to high, both in, evenly apart by at most the factor APART."""
    high = max(high, low)
    steps = int(np.ceil(np.log(high / low) / np.log(APART) - 1e-9))
    return np.geomspace(low, high, steps + 1)
