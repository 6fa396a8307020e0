"""Weights left out: whole layers, the width of feed-forward blocks, and two of every four."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from optimiser.costing.levers.lever import (
    Asks,
    Changed,
    Given,
    Lever,
    NotHere,
    Outcome,
    with_model,
    with_policy,
)
from optimiser.performance.parameters import BYTES_PER_WEIGHT, bytes_per_weight, parameter_count
from optimiser.performance.specs import ModelSpec
from optimiser.recommend import Request

# Widths stay whole multiples of this, so that they split over 16 GPUs and fill the tiles of a matrix product.
_WIDTH_STEP = 256
# An index of 2 bits for each of the two values kept of four: 1 bit a weight (NVIDIA PTX ISA, sparse matrix operands).
_INDEX_BITS_PER_WEIGHT = 1.0
_NO_SPARSE_KERNELS = {
    "vllm": "vllm refuses 2:4 checkpoints since 0.19 (vllm-project/vllm pull request 36799)",
    "sglang": "sglang is not known to have 2:4 kernels",
}


def without_layers(model: ModelSpec, share: float) -> ModelSpec:
    """The model with that share of its layers left out, at least one kept; windows keep their share of them."""
    kept = max(round(model.layers * (1 - share)), 1)
    moe = model.moe and replace(model.moe, dense_layers=min(model.moe.dense_layers, kept - 1))
    sliding = min(round(model.sliding_layers * kept / model.layers), kept)
    return _pruned(
        replace(
            model,
            layers=kept,
            moe=moe,
            sliding_layers=sliding,
            sliding_window=model.sliding_window if sliding else None,
        ),
        f"{model.name} of {kept} layers",
    )


def narrowed(model: ModelSpec, share: float) -> ModelSpec:
    """The model with that share of its feed-forward width left out, experts' too, to a multiple of 256."""

    def width(now: int) -> int:
        return max(round(now * (1 - share) / _WIDTH_STEP) * _WIDTH_STEP, min(now, _WIDTH_STEP))

    moe = model.moe and replace(
        model.moe,
        intermediate=width(model.moe.intermediate),
        shared_intermediate=width(model.moe.shared_intermediate),
    )
    return _pruned(
        replace(model, intermediate=width(model.intermediate), moe=moe),
        f"{model.name} of feed-forward width {width((model.moe or model).intermediate)}",
    )


def _pruned(model: ModelSpec, name: str) -> ModelSpec:
    return replace(
        model, name=name, published={}, parameters_published=None, active_parameters_published=None
    )


def sparse_bytes_per_weight(model: ModelSpec, precision: str) -> float:
    """Bytes per weight where two of four are kept: half the values and an index, b/2 + 1/8 with b bytes before."""
    return bytes_per_weight(model, precision) / 2 + _INDEX_BITS_PER_WEIGHT / 8


def _structured(
    request: Request, given: Given, *, smaller_by: Callable[[ModelSpec, float], ModelSpec]
) -> Outcome:
    model = request.config.find_model(request.workload.model)
    smaller = smaller_by(model, given.prune_share)
    left = parameter_count(smaller) / parameter_count(model)
    if left == 1:
        return NotHere(
            why=f"{model.name} is too small for {given.prune_share * 100:g} % of it to be left out"
        )
    return Changed(
        request=with_model(request, smaller),
        setting=f"--set model=PATH of the pruned checkpoint's config.json ({smaller.name})",
        note=f"{(1 - left) * 100:.0f} % fewer weights; one has to prune, retrain and test it",
        weights_left=left,
    )


def _two_of_four(request: Request, _given: Given) -> Outcome:
    """Weights of half the values on GPUs with sparse tensor cores (Ampere and newer, taken to be those with bf16).

    Only what is read and held counts: engines have not shown a gain in computing that could be relied on.
    """
    if why := _NO_SPARSE_KERNELS.get(request.workload.engine):
        return NotHere(why=f"{why}; --set engine=trtllm tries it")
    gpus = request.config.gpus.values()
    able = [one.name for one in gpus if one.vendor == "NVIDIA" and "bf16" in one.dense_tflops]
    kept = tuple(name for name in able if request.policy.gpus is None or name in request.policy.gpus)
    if not kept:
        return NotHere(why="no GPU that the policy allows has sparse tensor cores")
    model = request.config.find_model(request.workload.model)
    if model.name.endswith("(2:4)"):
        return NotHere(why="already 2:4 sparse")
    bytes_each = {precision: sparse_bytes_per_weight(model, precision) for precision in BYTES_PER_WEIGHT}
    sparse = replace(model, name=f"{model.name} (2:4)", bytes_per_weight=bytes_each)
    return Changed(
        request=with_policy(with_model(request, sparse), gpus=kept),
        setting="a 2:4 sparse checkpoint, on Ampere or newer",
        note="half the weights to hold and read; no gain in computing is counted",
    )


LEVERS = (
    Lever(
        name="prune-layers",
        title="fewer layers",
        group="model",
        asks=Asks.ANSWERS,
        apply=partial(_structured, smaller_by=without_layers),
        technique="pruning-depth",
    ),
    Lever(
        name="prune-width",
        title="narrower feed-forward blocks",
        group="model",
        asks=Asks.ANSWERS,
        apply=partial(_structured, smaller_by=narrowed),
        technique="pruning-width",
    ),
    Lever(
        name="sparse-2of4",
        title="2:4 sparse weights",
        group="sparsity",
        asks=Asks.ANSWERS,
        apply=_two_of_four,
        technique="sparsity-2of4",
    ),
)
