"""Models and sizes so small that a processor measures them in no time."""

from __future__ import annotations

from dataclasses import replace

import torch

from optimiser.calibration.bench.timing import Bench
from optimiser.calibration.sizes import Service, Sizes
from optimiser.config import load_config
from optimiser.performance.specs import ModelSpec

CONFIG = load_config()
# Grouped queries, 4 heads a KV head.
TINY = replace(
    CONFIG.models["llama-3.1-8b"],
    hidden=64,
    heads=8,
    kv_heads=2,
    head_dim=16,
    intermediate=96,
    vocabulary=128,
)


def cpu_bench(runs: int = 3) -> Bench:
    """The host's processor."""
    return Bench(device=torch.device("cpu"), name="cpu", cache_bytes=0, identity=None, runs=runs)


def tiny_mixture() -> ModelSpec:
    """Eight experts of which each token takes two."""
    mixtral = CONFIG.models["mixtral-8x7b"]
    assert mixtral.moe is not None
    return replace(mixtral, hidden=64, moe=replace(mixtral.moe, intermediate=32))


def tiny_sizes() -> Sizes:
    """Every section, a size or two each."""
    return Sizes(
        half="bf16",
        precisions=("bf16", "fp8", "int8"),
        models=(TINY,),
        rows=(32,),
        read_bytes=(1 << 16,),
        batches=(2,),
        contexts=(32,),
        prompts=(16,),
        step_model=TINY,
        depths=(1, 2),
        step_batches=(2,),
        step_context=32,
        mixed=(8,),
        mixed_sequences=(2,),
        mixtures=(tiny_mixture(),),
        mixture_tokens=(16,),
        service=Service(prompt=8, output=6, places=3, requests=20, longest_s=0.2),
    )
