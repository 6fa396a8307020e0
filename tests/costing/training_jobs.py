"""Jobs, machines and layouts for tests of training, small enough to reckon by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from optimiser.config import Config
from optimiser.costing.training.job import Method, TrainingJob
from optimiser.costing.training.layouts import NOTHING, Layouts
from optimiser.costing.training.node import Node, node_of
from optimiser.performance.specs import ModelSpec

# GPT-3's design at h = 4,096: 12·h² weights a layer.
GPT = ModelSpec(
    name="gpt",
    hf_id="",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=32,
    head_dim=128,
    intermediate=16_384,
    vocabulary=50_000,
    max_context=65_536,
    tied_embeddings=True,
    gated=False,
)


def job(**other: Any) -> TrainingJob:
    """Pre-training on 1e12 tokens in batches of 1,024 sequences of 2,048, within 1,000 days."""
    plain = TrainingJob(
        name="job",
        model="gpt",
        method=Method.PRETRAINING,
        tokens=1e12,
        sequence_tokens=2048,
        batch_tokens=1024 * 2048,
        deadline_hours=24_000,
        deadline_said="deadline_days = 1000",
    )
    return replace(plain, **other)


def layouts(**fields: Any) -> Layouts:
    """Layouts of the fields given, one GPU and micro-batches of one sequence otherwise."""
    length = max((len(value) for value in fields.values() if isinstance(value, list)), default=1)
    plain = dict.fromkeys(("nodes", "tensor", "pipeline", "data", "expert", "sequences", "chunks"), 1.0)
    every = {**plain, "zero": 0.0, "micro_batches": 1.0, "recompute": NOTHING, **fields}
    return Layouts(**{name: np.broadcast_to(np.array(value, float), length) for name, value in every.items()})


def node(config: Config, provider: str, instance_type: str, precision: str = "bf16") -> Node:
    """One of the shipped machines."""
    shape = config.shapes[provider, instance_type]
    found = node_of(shape, config.gpus[shape.gpu], config.fit, precision)
    assert isinstance(found, Node)
    return found
