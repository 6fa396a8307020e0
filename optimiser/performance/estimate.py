"""What each shape does for a model and a mix of requests, or why it is out.

Shapes with the same GPUs, links and network estimate alike and are worked out once. Every way to lay the
model out on them is tried in the same NumPy pass; the one that plans count on most per unit is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from optimiser.errors import UsageError, did_you_mean
from optimiser.performance.choice import best_rows, every_roofline_rate
from optimiser.performance.crowding import tried_on
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.physics import Engine, Fit
from optimiser.performance.precision import served_by
from optimiser.performance.rejections import do_not_fit, host_ram_short, misses_targets
from optimiser.performance.results import estimates_of
from optimiser.performance.setups import Hardware
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.performance.trial import AnchorsOf, Precisions, Question, Trial, question_of
from optimiser.policy.running import DEFAULT_CONFIDENCE
from optimiser.workload import SizeBucket, Target, Techniques
from providers.shape import InstanceShape

DEFAULT_ENGINE = "vllm"

Key = tuple[str, int, str, float | None]
Answer = list[Estimate | Rejection]


def estimate_shapes(
    model: ModelSpec,
    buckets: Sequence[SizeBucket],
    target: Target | None,
    shapes: Sequence[InstanceShape],
    gpus: Mapping[str, GpuSpec],
    fit: Fit,
    weight_precision: str | None = None,
    kv_precision: str | None = None,
    engine: str = DEFAULT_ENGINE,
    anchors_of: AnchorsOf | None = None,
    techniques: Techniques | None = None,
    each_size: bool = True,
    confidence: float = DEFAULT_CONFIDENCE,
) -> list[Estimate | Rejection]:
    """The best set-up of every shape, in the order of `shapes`, or why a shape is out.

    A shape too small for the model is estimated as a group of 2 instances, and of 4 where 2 are too few; one that
    holds it with little room for KV cache (crowding.crowded) by itself and as groups. A larger group is kept where
    it serves over 10 % more per instance than fewer: such a shape has several results. weight_precision defaults
    to what the authors released and the KV cache to 16 bit; nothing is quantised further unless named. With target
    None the rate is the offline one. anchors_of says what measurements there are of set-ups. Rates of each size of
    request alone are worked out with each_size, which takes about as long as all else. The best is by what true
    rates reach at that confidence. Raises UsageError for an unknown precision, GPU or generation, KeyError for an
    engine that was not fitted.
    """
    precisions = [(weight_precision, kv_precision)]
    (found,) = estimate_precisions(
        model,
        buckets,
        target,
        shapes,
        gpus,
        fit,
        precisions,
        engine,
        anchors_of,
        techniques,
        each_size,
        confidence,
    )
    return found


def estimate_precisions(
    model: ModelSpec,
    buckets: Sequence[SizeBucket],
    target: Target | None,
    shapes: Sequence[InstanceShape],
    gpus: Mapping[str, GpuSpec],
    fit: Fit,
    precisions: Sequence[Precisions],
    engine: str = DEFAULT_ENGINE,
    anchors_of: AnchorsOf | None = None,
    techniques: Techniques | None = None,
    each_size: bool = True,
    confidence: float = DEFAULT_CONFIDENCE,
) -> list[Answer]:
    """What estimate_shapes says at each pair of a weight and a KV precision, in order, all worked out in one pass."""
    question = question_of(model, buckets, target, precisions, techniques, each_size, confidence)
    pairs = range(len(question.precisions))
    kinds: dict[Key, InstanceShape] = {}
    for shape in shapes:
        kinds.setdefault(_key(shape), shape)
    found = {
        (pair, key): hardware_of(shape, gpus, fit, fit.engines[engine], question, pair)
        for pair in pairs
        for key, shape in kinds.items()
    }
    hardware = {key: item for key, item in found.items() if isinstance(item, Hardware)}
    answers: dict[tuple[int, Key], Answer] = {
        key: [item] for key, item in found.items() if isinstance(item, Rejection)
    }
    answers.update(zip(hardware, _answers(question, list(hardware.values()), anchors_of), strict=True))
    resident_bytes = question.work.resident_bytes.tolist()
    return [
        [
            _on_shape(shape, item, resident_bytes[pair])
            for shape in shapes
            for item in answers[pair, _key(shape)]
        ]
        for pair in pairs
    ]


def _key(shape: InstanceShape) -> Key:
    return shape.gpu, shape.gpu_count, shape.gpu_link, shape.network_gbps


def hardware_of(
    shape: InstanceShape,
    gpus: Mapping[str, GpuSpec],
    fit: Fit,
    engine: Engine,
    question: Question,
    pair: int = 0,
) -> Hardware | Rejection:
    """The shape's hardware, or a rejection where its GPU cannot serve the question's pair of precisions."""
    if shape.gpu not in gpus:
        where = f"{shape.provider} {shape.instance_type}"
        raise UsageError(f"{where}: gpu = {shape.gpu!r}: no such GPU; {did_you_mean(shape.gpu, gpus)}")
    gpu = gpus[shape.gpu]
    if gpu.generation not in fit.generations:
        known = did_you_mean(gpu.generation, fit.generations)
        raise UsageError(f"{gpu.name}: generation = {gpu.generation!r}: no efficiency given for it; {known}")
    if gpu.generation in engine.not_on:
        reason = f"{engine.name} does not run on {gpu.generation}"
        return Rejection(provider="", instance_type="", gpu=gpu.name, code="engine", reason=reason)
    served = served_by(engine, gpu, question.model, *question.precisions[pair])
    if isinstance(served, str):
        return Rejection(provider="", instance_type="", gpu=gpu.name, code="precision", reason=served)
    efficiency = fit.efficiency_of(gpu)
    pace = efficiency.step_factor(engine.step_factor, bool(question.work.experts))
    return Hardware(
        gpu=gpu,
        efficiency=efficiency,
        served=served,
        engine=engine if pace == engine.step_factor else replace(engine, step_factor=pace),
        physics=fit.physics,
        gpu_count=shape.gpu_count,
        gpu_link=shape.gpu_link,
        network_gbps=shape.network_gbps,
        pair=pair,
        calibrated=fit.gpus.get(gpu.name),
    )


def _answers(question: Question, hardware: Sequence[Hardware], anchors_of: AnchorsOf | None) -> list[Answer]:
    """One answer per hardware: the best of each number of instances, or why there is none; all in one pass."""
    trial, rows = tried_on(question, hardware, anchors_of)
    answers = _served(question, trial, rows) if trial else [[] for _ in hardware]
    unfit = [item for item, answer in zip(hardware, answers, strict=True) if not answer]
    reasons = iter(do_not_fit(question, unfit))
    return [answer or [next(reasons)] for answer in answers]


def _served(question: Question, trial: Trial, rows: Sequence[Sequence[int]]) -> list[Answer]:
    """What each hardware, which has those rows of the trial, serves, or which target it misses; empty where it has
    none.
    """
    roofline = every_roofline_rate(question, trial)
    chosen = [best_rows(question, trial, some, roofline) if some else [] for some in rows]
    best = [row for some in chosen for row in some]
    made = iter(estimates_of(question, trial, best) if best else ())
    answers: list[Answer] = [[next(made) for _ in some] for some in chosen]
    if question.target:
        missing = {at: some for at, some in enumerate(rows) if some and not chosen[at]}
        for at, rejection in misses_targets(question, trial, missing, question.target).items():
            answers[at].append(rejection)
    return answers


def _on_shape(
    shape: InstanceShape, answer: Estimate | Rejection, resident_bytes: float
) -> Estimate | Rejection:
    """The answer for its hardware, as that of one shape, whose host RAM must hold the weights too."""
    if isinstance(answer, Estimate):
        short = host_ram_short(resident_bytes, answer.gpu, shape.memory_gib, answer.setup.instances_per_unit)
        answer = short or answer
    return replace(answer, provider=shape.provider, instance_type=shape.instance_type)
