"""Questions that the tests of estimates ask of estimate_shapes, and the one answer each expects."""

from __future__ import annotations

from collections.abc import Sequence

from hardware import FIT, GPUS

from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate, Rejection
from optimiser.performance.specs import ModelSpec
from optimiser.workload import SizeBucket, Target
from providers.shape import InstanceShape

CHAT = Target(ttft_ms=2000, tpot_ms=50)


def bucket(prompt: float, output: float, share: float = 1.0) -> SizeBucket:
    return SizeBucket(prompt_tokens=prompt, output_tokens=output, share=share)


MIX = [bucket(200, 50, 0.25), bucket(1000, 200, 0.5), bucket(3000, 400, 0.2), bucket(8000, 500, 0.05)]


def estimates(
    model: ModelSpec,
    shapes: Sequence[InstanceShape],
    target: Target | None = CHAT,
    buckets: Sequence[SizeBucket] = MIX,
    weight_precision: str | None = None,
    kv_precision: str | None = None,
) -> list[Estimate | Rejection]:
    return estimate_shapes(model, buckets, target, shapes, GPUS, FIT, weight_precision, kv_precision)


def one(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Estimate:
    (found,) = estimates(model, [on], target, **more)  # type: ignore[arg-type]
    assert isinstance(found, Estimate), found
    return found


def refused(model: ModelSpec, on: InstanceShape, target: Target | None = CHAT, **more: object) -> Rejection:
    (found,) = estimates(model, [on], target, **more)  # type: ignore[arg-type]
    assert isinstance(found, Rejection), found
    return found
