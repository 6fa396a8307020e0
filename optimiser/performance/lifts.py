"""What would lift an estimate: the same question with one thing changed, asked again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optimiser.performance.estimate import DEFAULT_ENGINE, estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection, Setup
from optimiser.performance.parameters import KV_PRECISIONS, WEIGHT_PRECISIONS
from optimiser.performance.physics import Fit
from optimiser.performance.precision import HALF_PRECISIONS, Served, served_by
from optimiser.performance.specs import GpuSpec, ModelSpec
from optimiser.performance.trial import AnchorsOf, Question, question_of
from optimiser.policy.running import DEFAULT_CONFIDENCE
from optimiser.workload import SizeBucket, Target, Techniques
from providers.shape import InstanceShape

# A change that raises the rate by less is not worth naming.
LEAST_GAIN = 0.03
_MORE_TPOT_MS = 10.0
_MORE_TTFT = 1.5
_MORE_MEMORY = 1.5
_TOO_SMALL = ("memory", "kv_room", "network")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One workload asked of one shape; fields as the arguments of estimate_shapes."""

    model: ModelSpec
    buckets: Sequence[SizeBucket]
    target: Target | None
    shape: InstanceShape
    gpus: Mapping[str, GpuSpec]
    fit: Fit
    weight_precision: str | None = None
    kv_precision: str | None = None
    engine: str = DEFAULT_ENGINE
    anchors_of: AnchorsOf | None = None
    techniques: Techniques = field(default_factory=Techniques)
    confidence: float = DEFAULT_CONFIDENCE

    def answers(self) -> list[Estimate | Rejection]:
        """What estimate_shapes says of the shape."""
        return estimate_shapes(
            self.model,
            self.buckets,
            self.target,
            [self.shape],
            self.gpus,
            self.fit,
            self.weight_precision,
            self.kv_precision,
            self.engine,
            self.anchors_of,
            self.techniques,
            each_size=False,
            confidence=self.confidence,
        )

    def question(self) -> Question:
        """The same to a trial of set-ups."""
        return question_of(
            self.model,
            self.buckets,
            self.target,
            [(self.weight_precision, self.kv_precision)],
            self.techniques,
            confidence=self.confidence,
        )


@dataclass(frozen=True, kw_only=True)
class Lift:
    """One change by itself, and the best rate with it, of as many instances as the unit explained.

    gain is the increase as a share (0.25 is 25 %), None where the shape serves nothing without the change.
    """

    change: str
    setup: Setup
    requests_per_second: float
    gain: float | None


def best_of(answers: Sequence[Estimate | Rejection]) -> Estimate | None:
    """The estimate with the highest rate per instance."""
    found = [answer for answer in answers if isinstance(answer, Estimate)]
    return max(found, key=per_instance, default=None)


def per_instance(estimate: Estimate) -> float:
    """Requests/s of one instance."""
    return estimate.requests_per_second / estimate.setup.instances_per_unit


def lifts_of(asked: Asked, answer: Estimate | Rejection) -> tuple[Lift, ...]:
    """Single changes that raise the rate by over LEAST_GAIN, or make the shape serve, largest rate first.

    Where measurements tell of one side of a comparison alone, both sides are the model's, and the change says so.
    """
    instances = answer.setup.instances_per_unit if isinstance(answer, Estimate) else 1
    plain = replace(asked, anchors_of=None)
    measured, before = _told(asked, asked.answers()), _rate([answer])
    lifts = []
    for change, changed in _changes(asked, answer):
        now, basis, answers = before, "", changed.answers()
        if _told(changed, answers) != measured:
            answers, now = replace(changed, anchors_of=None).answers(), _rate(plain.answers())
            basis = f" (by the model, without your measurements, against {now * instances:.3g} req/s)"
        best = best_of(answers)
        rate = per_instance(best) if best else 0.0
        if best and rate > now * (1.0 + LEAST_GAIN):
            lifts.append(
                Lift(
                    change=change + basis,
                    setup=best.setup,
                    requests_per_second=rate * instances,
                    gain=rate / now - 1.0 if now else None,
                )
            )
    return tuple(sorted(lifts, key=lambda lift: -lift.requests_per_second))


def _told(asked: Asked, answers: Sequence[Estimate | Rejection]) -> bool:
    """Whether measurements tell of a set-up that the shape could be given, by its answers with them and without."""
    plain = replace(asked, anchors_of=None)
    return asked.anchors_of is not None and _figures(answers) != _figures(plain.answers())


def _figures(answers: Sequence[Estimate | Rejection]) -> list[tuple[object, ...]]:
    return [
        (one.method, one.setup, one.requests_per_second, one.relative_error)
        if isinstance(one, Estimate)
        else (one.code, one.best_ttft_ms, one.best_tpot_ms)
        for one in answers
    ]


def _rate(answers: Sequence[Estimate | Rejection]) -> float:
    best = best_of(answers)
    return per_instance(best) if best else 0.0


def _changes(asked: Asked, answer: Estimate | Rejection) -> Iterator[tuple[str, Asked]]:
    """Every change worth trying, in words, and the question with it."""
    gpu, target = asked.gpus[asked.shape.gpu], asked.target
    half = next((name for name in HALF_PRECISIONS if name in gpu.dense_tflops), HALF_PRECISIONS[0])
    for name in _others(WEIGHT_PRECISIONS, asked.weight_precision or asked.model.default_precision, half):
        yield f"{name} weights", replace(asked, weight_precision=name)
    for name in _others(KV_PRECISIONS, asked.kv_precision or half, half):
        changed = replace(asked, kv_precision=name)
        yield f"{name} KV cache{', if the engine has it' * _cache_is_to_be_checked(changed)}", changed
    if target:
        longer = replace(target, tpot_ms=target.tpot_ms + _MORE_TPOT_MS)
        yield f"TPOT target {longer.tpot_ms:g} ms", replace(asked, target=longer)
        later = replace(target, ttft_ms=target.ttft_ms * _MORE_TTFT)
        yield f"TTFT target {later.ttft_ms:,.10g} ms", replace(asked, target=later)
    for name, engine in asked.fit.engines.items():
        if name != asked.engine and engine.versions:
            changed = replace(asked, engine=name)
            yield f"engine {name}{', if it has the KV cache' * _cache_is_to_be_checked(changed)}", changed
    too_small = answer.limited_by == "kv_room" if isinstance(answer, Estimate) else answer.code in _TOO_SMALL
    if too_small:
        larger = replace(gpu, usable_mib=round(gpu.usable_mib * _MORE_MEMORY))
        gpus = {**asked.gpus, gpu.name: larger}
        yield f"{_MORE_MEMORY:g} × the GPU memory, if there were such a GPU", replace(asked, gpus=gpus)


def _cache_is_to_be_checked(asked: Asked) -> bool:
    """Whether the KV cache hangs on the engine's release or the model; one that the engine lacks has no estimate."""
    engine, gpu = asked.fit.engines[asked.engine], asked.gpus[asked.shape.gpu]
    weights = asked.weight_precision or asked.model.default_precision
    served = served_by(engine, gpu, asked.model, weights, asked.kv_precision)
    return isinstance(served, Served) and bool(served.cache_notes)


def _others(precisions: Sequence[str], present: str, half: str) -> list[str]:
    """The precisions besides the present one; of the 16-bit ones, that which the GPU has."""
    left_out = {present, *HALF_PRECISIONS} - (set() if present in HALF_PRECISIONS else {half})
    return [name for name in precisions if name not in left_out]
