"""Two models beside each other: KV cache and operations per token from their widths, and what GPUs then serve."""

from __future__ import annotations

from dataclasses import dataclass, replace

from optimiser.costing.levers.lever import with_model
from optimiser.estimating import estimates_for
from optimiser.performance.estimate_types import Estimate
from optimiser.performance.parameters import (
    active_parameter_count,
    kv_bytes_per_token,
    kv_element_bytes,
    weight_bytes,
)
from optimiser.performance.specs import ModelSpec
from optimiser.recommend import Request

_HALF, _NARROW = "bf16", "fp8"
BITS_PER_BYTE = 8


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model at its formats. kv_precision is the format that rates are estimated at, the nearest that engines have."""

    what: str
    model: ModelSpec
    weight_precision: str
    kv_precision: str
    kv_bits: float

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes of KV cache of one token over all layers: elements · bits / 8."""
        elements = kv_bytes_per_token(self.model, _HALF) / kv_element_bytes(_HALF)
        return elements * self.kv_bits / BITS_PER_BYTE

    @property
    def flops_per_token(self) -> float:
        """Operations of one token's matrix products: 2 · active weights, attention to its context aside."""
        return 2.0 * active_parameter_count(self.model)

    @property
    def weights_bytes(self) -> float:
        """Bytes of all weights."""
        return weight_bytes(self.model, self.weight_precision)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What the best instance of a GPU does offline: output tokens/s of one GPU and sequences in flight on it.

    times is the rate over the first model's on the same GPU; compute_times is what that would be if computing alone
    limited both: (FLOPs per token there / here) · (peak of the format here / there). None where either has no rate.
    """

    gpu: str
    instance_type: str
    output_tokens_per_s: float
    sequences: float
    limited_by: str
    times: float | None
    compute_times: float | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A model at its formats, its KV cache and FLOPs against the first one's, and its rate on each GPU that serves."""

    served: Served
    kv_saved_share: float
    flops_times_fewer: float
    rates: tuple[Rate, ...]


def steps_to(request: Request, other: ModelSpec, kv_bits: float) -> tuple[Served, ...]:
    """The workload's model as it is, then the other one: at the same formats, with fp8 weights, and with a KV cache of
    kv_bits too; a step that changes nothing is left out."""
    own = request.config.find_model(request.workload.model)
    weights = request.workload.weight_precision or own.default_precision
    cache = request.workload.kv_precision or _HALF
    cache_bits = kv_element_bytes(cache) * BITS_PER_BYTE
    first = Served(
        what="as it is", model=own, weight_precision=weights, kv_precision=cache, kv_bits=cache_bits
    )
    steps = [first, replace(first, what="the other architecture", model=other)]
    if weight_bytes(other, _NARROW) < weight_bytes(other, weights):
        steps.append(replace(steps[-1], what=f"its weights in {_NARROW} too", weight_precision=_NARROW))
    if kv_bits < cache_bits:
        said = f"its KV cache in {kv_bits:g} bit too"
        narrow = _NARROW if kv_element_bytes(_NARROW) < kv_element_bytes(cache) else cache
        steps.append(replace(steps[-1], what=said, kv_precision=narrow, kv_bits=kv_bits))
    return tuple(steps)


def compared(request: Request, name: str, kv_bits: float) -> tuple[Compared, ...]:
    """Every step from the workload's model to the one of that name or path, at the workload's sizes without a target.

    Raises UsageError for requests longer than either model's context.
    """
    steps = steps_to(request, request.config.find_model(name), kv_bits)
    first = steps[0]
    before = _best_by_gpu(request, first)
    return tuple(
        Compared(
            served=step,
            kv_saved_share=1.0 - step.kv_bytes_per_token / first.kv_bytes_per_token,
            flops_times_fewer=first.flops_per_token / step.flops_per_token,
            rates=tuple(
                _rate(request, gpu, estimate, step, first, before.get(gpu))
                for gpu, estimate in _best_by_gpu(request, step).items()
            ),
        )
        for step in steps
    )


def _best_by_gpu(request: Request, served: Served) -> dict[str, Estimate]:
    """The estimate with most output tokens per GPU and second, by GPU."""
    formats = {"weight_precision": served.weight_precision, "kv_precision": served.kv_precision}
    asked = with_model(request, served.model, target=None, **formats)
    answers = estimates_for(asked.workload, asked.config, asked.policy)
    best: dict[str, Estimate] = {}
    for one in answers:
        if isinstance(one, Estimate):
            known = best.setdefault(one.gpu, one)
            if _requests_per_gpu(request, one) > _requests_per_gpu(request, known):
                best[one.gpu] = one
    return dict(sorted(best.items()))


def _gpus(request: Request, one: Estimate) -> int:
    shape = request.config.shapes[one.provider, one.instance_type]
    return shape.gpu_count * one.setup.instances_per_unit


def _requests_per_gpu(request: Request, one: Estimate) -> float:
    return one.requests_per_second / _gpus(request, one)


def _rate(
    request: Request, gpu: str, one: Estimate, served: Served, first: Served, before: Estimate | None
) -> Rate:
    tokens = _output_tokens(request)
    rate = _requests_per_gpu(request, one) * tokens
    peaks = request.config.gpus[gpu].dense_tflops
    here, there = _peak(peaks, served.weight_precision), _peak(peaks, first.weight_precision)
    return Rate(
        gpu=gpu,
        instance_type=one.instance_type,
        output_tokens_per_s=rate,
        sequences=one.concurrency_per_replica * one.setup.replicas_per_unit / _gpus(request, one),
        limited_by=one.limited_by,
        times=rate / (_requests_per_gpu(request, before) * tokens) if before else None,
        compute_times=first.flops_per_token / served.flops_per_token * here / there if before else None,
    )


def _peak(peaks: dict[str, float], precision: str) -> float:
    """The GPU's dense rate for a weight format; that of 16 bit where it has none and unpacks."""
    half = peaks.get(_HALF) or peaks["fp16"]
    return half if precision == "int4" else peaks.get(precision, half)


def _output_tokens(request: Request) -> float:
    return sum(bucket.share * bucket.output_tokens for bucket in request.workload.buckets)
