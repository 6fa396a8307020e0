"""Routed experts: the products of one layer's experts, each with the tokens that chose it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from optimiser.calibration.bench.products import DTYPES, OPERAND_BYTES
from optimiser.calibration.bench.timing import Bench, Work, captured, ring_length, timed_point
from optimiser.calibration.points import LeftOut, Point
from optimiser.calibration.sizes import ROUTINGS, Sizes
from optimiser.performance.specs import ModelSpec, MoeSpec

EXPERTS = "experts"
_SEED = 20261122


def mixtures(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """The gate and up products of each mixture's experts, under either routing."""
    for model in sizes.mixtures:
        for routing in ROUTINGS:
            for tokens in sizes.mixture_tokens:
                yield experts(bench, model, routing, tokens, sizes.half)


def experts(bench: Bench, model: ModelSpec, routing: str, tokens: int, half: str) -> Point | LeftOut:
    """`tokens` tokens, each through its k experts: 2·k·n·N·K operations, the weights of those touched read once."""
    moe = model.moe
    if moe is None:
        raise ValueError(f"{model.name} has no routed experts")
    counts = routed(moe, routing, tokens)
    outputs, inputs = 2 * moe.intermediate, model.hidden
    per_expert = outputs * inputs * OPERAND_BYTES[half]
    touched = int((counts > 0).sum())
    rows = int(counts.sum())
    copies = ring_length(bench, per_expert * touched)
    kernel = "grouped_mm" if has_grouped(bench, half) else "loop"

    def build() -> list[Work]:
        given = torch.randn((rows, inputs), dtype=DTYPES[half], device=bench.device)
        shape = (moe.experts, outputs, inputs)
        ring = [torch.randn(shape, dtype=DTYPES[half], device=bench.device) for _ in range(copies)]
        return [captured(bench, grouped_product(given, weights, counts, kernel)) for weights in ring]

    passing = rows * (inputs + outputs) * OPERAND_BYTES[half]
    return timed_point(
        bench,
        float(copies * moe.experts * per_expert + passing),
        build,
        section=EXPERTS,
        case=f"{model.name} {routing} {kernel}",
        precision=half,
        sizes={
            "tokens": tokens,
            "rows": rows,
            "touched": touched,
            "largest": int(counts.max()),
            "outputs": outputs,
            "inputs": inputs,
        },
        flops=2.0 * rows * outputs * inputs,
        bytes_moved=float(touched * per_expert + passing),
    )


def routed(moe: MoeSpec, routing: str, tokens: int) -> NDArray[np.int64]:
    """How many tokens each expert gets, (experts,): every token takes `active` different ones.

    "uniform": all alike; "zipf": the r-th with a chance in proportion to 1/r. Drawn without replacement by the
    largest of log chance + Gumbel noise (Kool et al., arXiv 1903.06059), the same for the same arguments.
    """
    ranks = np.arange(1, moe.experts + 1)
    chances = np.zeros(moe.experts) if routing == "uniform" else -np.log(ranks)
    noise = np.random.default_rng(_SEED).gumbel(size=(tokens, moe.experts))
    chosen = np.argpartition(-(chances + noise), moe.active - 1, axis=1)[:, : moe.active]
    return np.bincount(chosen.ravel(), minlength=moe.experts)


def has_grouped(bench: Bench, half: str) -> bool:
    """Whether torch has one kernel for all experts here: from Hopper on, in bf16."""
    if not hasattr(torch, "_grouped_mm") or half != "bf16":
        return False
    return not bench.on_gpu or torch.cuda.get_device_capability(bench.device) >= (9, 0)


def grouped_product(
    given: torch.Tensor, weights: torch.Tensor, counts: NDArray[np.int64], kernel: str
) -> Work:
    """Rows sorted by expert, (rows, inputs), × each expert's weights, (experts, outputs, inputs): one call.

    By one kernel ("grouped_mm"), or expert by expert ("loop").
    """
    ends = np.cumsum(counts)
    if kernel == "grouped_mm":
        offsets = torch.tensor(ends, dtype=torch.int32, device=given.device)
        return lambda: torch._grouped_mm(given, weights.transpose(1, 2), offs=offsets)
    spans = [(int(end - count), int(end)) for count, end in zip(counts, ends, strict=True)]

    def loop() -> list[torch.Tensor]:
        return [
            given[begin:end] @ weights[expert].t() for expert, (begin, end) in enumerate(spans) if end > begin
        ]

    return loop
