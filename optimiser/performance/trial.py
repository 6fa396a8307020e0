"""One workload asked of many set-ups at once: which of them hold it, and the highest rate of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.anchor import Anchor, Anchors
from optimiser.performance.batching import CHUNK_TOKENS, bucket_arrays
from optimiser.performance.layouts import Array, Layouts, first_alike
from optimiser.performance.memory import MemoryNeed, memory_need
from optimiser.performance.mix import Mix
from optimiser.performance.model_work import ModelWork, model_work
from optimiser.performance.operating import fastest_batch, largest_batch
from optimiser.performance.parameters import kv_bytes_for_context
from optimiser.performance.physics import Engine
from optimiser.performance.precision import check_precisions
from optimiser.performance.setups import Candidate, Hardware, layouts_of
from optimiser.performance.specs import ModelSpec
from optimiser.policy.running import DEFAULT_CONFIDENCE
from optimiser.workload import SizeBucket, Target, Techniques

# What weights and what the KV cache is to be served in; None is what the authors released, and 16 bit.
Precisions = tuple[str | None, str | None]
DEFAULT_PRECISIONS: Precisions = (None, None)
# Sequences an engine runs at once per attention rank and pipeline stage: TensorRT-LLM, the most of all (0.17 to 1.2:
# max_batch_size of BuildConfig and of LlmArgs), and the others.
MAX_SEQUENCES, _USUAL_SEQUENCES = 2048.0, 1024.0
# The same of vLLM on GPUs with less memory than that and on any A100, unless told otherwise (vLLM 0.11 to 0.19, V1:
# EngineArgs.get_batch_defaults in vllm/engine/arg_utils.py; pull requests 17073 and 17885).
_FEWER_SEQUENCES = 256.0
_LARGE_GPU_MIB = 70 * 1024


@dataclass(frozen=True, kw_only=True)
class Question:
    """One workload on one model; prompts (cached tokens among them) and outputs in tokens, and shares, are arrays over
    the buckets.

    precisions are pairs of one for weights and one for the KV cache, at each of which set-ups are asked for; None is
    16 bit. plain_work is the work without techniques, as measurements are taken to have been made. held_bytes is the
    KV cache of an average place in the batch once its request is fully grown, longest_bytes that of the longest
    request, both (pairs,), bucket_bytes that of each bucket's, (pairs, buckets). alike is for each pair the first that
    all of it is the same for. each_size asks for the rates of each bucket alone, too. confidence is that of the lower
    bounds by which set-ups of one machine are compared.
    """

    model: ModelSpec
    work: ModelWork
    plain_work: ModelWork
    precisions: tuple[tuple[str, str | None], ...]
    prompts: Array
    outputs: Array
    shares: Array
    mix: Mix
    target: Target | None
    held_tokens: float
    held_bytes: Array
    bucket_bytes: Array
    longest_bytes: Array
    alike: NDArray[np.intp]
    each_size: bool
    confidence: float

    @cached_property
    def mean_tokens(self) -> float:
        """Tokens of a request, prompt and answer."""
        return float((self.shares * (self.prompts + self.outputs)).sum())


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Candidates that hold the model and its longest request, with what each can do; arrays (candidates, 1).

    places is how many sequences a replica has room for, max_places how many the engine allows. largest is the
    largest mean batch at the target (0 where it is never met), fastest the batch up to that with the highest
    rate, rate that rate in requests/s per replica. need, layouts and alike are (candidates,), alike
    the row of the first candidate that a replica of each does the same as.
    """

    candidates: tuple[Candidate, ...]
    layouts: Layouts
    need: MemoryNeed
    places: Array
    max_places: Array
    largest: Array
    fastest: Array
    rate: Array
    alike: NDArray[np.intp]

    def beside(self, other: Trial) -> Trial:
        """This trial, and after it the rows of the other, of the same question."""
        columns = ("places", "max_places", "largest", "fastest", "rate")
        return Trial(
            candidates=self.candidates + other.candidates,
            layouts=self.layouts.beside(other.layouts),
            need=self.need.beside(other.need),
            alike=np.concatenate([self.alike, other.alike + len(self.candidates)]),
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in columns},
        )


# What measurements say of each of the candidates, asked of no more than they were measured for.
AnchorsOf = Callable[[Question, Sequence[Candidate]], Anchors]


def question_of(
    model: ModelSpec,
    buckets: Sequence[SizeBucket],
    target: Target | None,
    precisions: Sequence[Precisions] = (DEFAULT_PRECISIONS,),
    techniques: Techniques | None = None,
    each_size: bool = True,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Question:
    """The question that a workload asks, at each of the pairs. Raises UsageError for an unknown precision."""
    asked = tuple((weights or model.default_precision, cache) for weights, cache in precisions)
    for pair in asked:
        check_precisions(*pair)
    stored = [(weights, cache or "bf16") for weights, cache in asked]
    drafts = techniques.speculative_decoding if techniques else None
    prompts, cached, outputs, shares = bucket_arrays(buckets)
    lengths = prompts + outputs
    sizes = np.stack([kv_bytes_for_context(model, lengths, cache) for _, cache in stored])
    residence = shares * outputs / (shares * outputs).sum()
    work = model_work(model, stored, techniques)
    return Question(
        model=model,
        work=work,
        plain_work=model_work(model, stored),
        precisions=asked,
        prompts=prompts,
        outputs=outputs,
        shares=shares,
        mix=Mix.of(
            prompts[None, None, :],
            outputs[None, None, :],
            shares[None, None, :],
            cached=cached[None, None, :],
            arrival_scv=target.arrival_cv**2 if target else 1.0,
            pool=target.pool if target else 1.0,
            tokens_per_step=drafts.tokens_per_step if drafts else 1.0,
        ),
        target=target,
        held_tokens=float((residence * lengths).sum()),
        held_bytes=(residence * sizes).sum(axis=-1),
        bucket_bytes=sizes,
        longest_bytes=sizes.max(axis=-1),
        alike=first_alike(*work.columns(), *sizes.T),
        each_size=each_size,
        confidence=confidence,
    )


def memory_of(question: Question, candidates: Sequence[Candidate], layouts: Layouts) -> MemoryNeed:
    """Weights, reserve and KV room of the candidates, which share their engine."""
    model = question.model
    width = float(model.intermediate)
    if model.moe is not None:
        width = max(width, float(model.moe.active * model.moe.intermediate + model.moe.shared_intermediate))
    usable = np.array([float(candidate.hardware.gpu.usable_mib) for candidate in candidates])
    return memory_need(
        question.work,
        width,
        CHUNK_TOKENS,
        np.array([_sequences_at_once(candidate.hardware) for candidate in candidates]),
        usable,
        candidates[0].hardware.engine,
        layouts,
    )


def places_of(
    question: Question, candidates: Sequence[Candidate], layouts: Layouts, need: MemoryNeed
) -> tuple[Array, Array]:
    """Sequences a replica has room for, and how many the engine allows, each (set-ups, 1)."""
    at_once = np.array([_sequences_at_once(candidate.hardware) for candidate in candidates])
    most = (at_once * layouts.ranks * layouts.stages)[:, None]
    held = question.held_bytes[layouts.pair]
    return np.minimum(np.floor(need.kv_room_bytes / held)[:, None], most), most


def engine_sequences(engine: Engine) -> float:
    """Sequences an engine runs at once on a large GPU."""
    return MAX_SEQUENCES if engine.name == "trtllm" else _USUAL_SEQUENCES


def rows_by_hardware(trial: Trial | None) -> dict[int, list[int]]:
    """Rows of the trial by the identity (id) of their hardware; empty where there is no trial."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, candidate in enumerate(trial.candidates if trial else ()):
        rows[id(candidate.hardware)].append(row)
    return dict(rows)


def _sequences_at_once(hardware: Hardware) -> float:
    gpu = hardware.gpu
    small = gpu.usable_mib < _LARGE_GPU_MIB or gpu.name.startswith("A100")
    return _FEWER_SEQUENCES if small and hardware.engine.name == "vllm" else engine_sequences(hardware.engine)


def trial_of(question: Question, candidates: Sequence[Candidate], anchors: Anchors = ()) -> Trial | None:
    """Every candidate that fits, tried; None where none does. One pass over all of them.

    anchors are empty, or one for each candidate: a KV cache that was measured full is there.
    """
    if not candidates:
        return None
    layouts = layouts_of(candidates)
    layouts = replace(layouts, anchors=anchors, pair=question.alike[layouts.pair])
    need = memory_of(question, candidates, layouts)
    if anchors:
        measured = np.array([one.room_bytes if isinstance(one, Anchor) else 0.0 for one in anchors])
        need = replace(need, kv_room_bytes=np.maximum(need.kv_room_bytes, measured))
    # Attention ranks hold their own requests, so one of them must hold the longest.
    fits = np.flatnonzero(need.kv_room_bytes / layouts.ranks >= question.longest_bytes[layouts.pair])
    if not len(fits):
        return None
    layouts, need = layouts.select(fits), need.select(fits)
    kept = tuple(candidates[int(row)] for row in fits)
    places, max_places = places_of(question, kept, layouts, need)
    alike = layouts.alike(need.kv_room_bytes, max_places[:, 0])
    first, place = np.unique(alike, return_inverse=True)
    tried = layouts.select(first)
    largest = largest_batch(question.work, tried, places[first], question.mix, question.target)
    fastest, rate = fastest_batch(question.work, tried, largest, question.mix)
    return Trial(
        candidates=kept,
        layouts=layouts,
        need=need,
        places=places,
        max_places=max_places,
        largest=largest[place],
        fastest=fastest[place],
        rate=rate[place],
        alike=alike,
    )
