"""Ways to share a model and its batches among GPUs, as parallel arrays, and all that are possible on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimiser.costing.training.job import Method, TrainingJob
from optimiser.performance.specs import ModelSpec

Array = NDArray[np.float64]

TENSOR = (1, 2, 4, 8)
PIPELINE = (1, 2, 4, 8, 16, 32)
EXPERT = (1, 2, 4, 8, 16, 32, 64)
MICRO_BATCH_SEQUENCES = (1, 2, 4, 8, 16)
INTERLEAVED = (1, 2, 4, 8)
NOTHING, CHEAP, ALL = 0.0, 1.0, 2.0
# Weights are gathered layer by layer from no more ranks than in the largest such run published (llm-foundry, 512 H100):
# the latency of so many small messages is not modelled.
MOST_GATHERED_RANKS = 512


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """Set-ups as parallel arrays, of `nodes` instances each.

    tensor × pipeline × data are all GPUs; routed experts are spread over `expert` of the data-parallel ranks. zero is
    ZeRO's stage (arXiv 1910.02054): 1 shards optimiser states over data-parallel ranks, 2 gradients too, 3 weights too.
    sequences is the micro-batch of a rank, micro_batches how many of them a step takes; chunks the stages of a pipeline
    that one GPU holds (interleaved schedule, arXiv 2104.04473). recompute says what is computed anew in the backward
    pass: NOTHING (but what FlashAttention does itself), the outputs of norms and activation functions (CHEAP), or ALL.
    """

    nodes: Array
    tensor: Array
    pipeline: Array
    data: Array
    expert: Array
    zero: Array
    sequences: Array
    micro_batches: Array
    chunks: Array
    recompute: Array

    @property
    def again(self) -> Array:
        """Forward passes that are done a second time."""
        return np.where(self.recompute == ALL, 1.0, 0.0)

    def select(self, rows: NDArray[Any]) -> Layouts:
        """The layouts at `rows`."""
        return Layouts(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def __len__(self) -> int:
        return len(self.nodes)


def possible_layouts(model: ModelSpec, job: TrainingJob, gpus_per_node: int, nodes: Sequence[int]) -> Layouts:
    """Every way that divides GPUs, heads, layers and experts evenly, and gives each rank a micro-batch at least.

    Tensor parallelism stays within an instance; gradients and weights are not sharded across a pipeline, whose every
    micro-batch would gather them. Weights in 4 bit are shared by ZeRO alone: what trains beside them (bitsandbytes
    under DDP or FSDP) divides no matrices, stages or experts.
    """
    whole = job.method is Method.QLORA
    experts = EXPERT if model.moe and not whole else (1,)
    tensors, stages = ((1,), (1,)) if whole else (TENSOR, PIPELINE)
    split = [
        one
        for one in product(
            tensors, stages, experts, (1, 2, 3), MICRO_BATCH_SEQUENCES, INTERLEAVED, (NOTHING, CHEAP, ALL)
        )
        if _possible(model, gpus_per_node, *one[:4], one[5])
    ]
    table = np.array(list(split), dtype=np.float64).reshape(len(split), 7)
    counts = np.repeat(np.array(nodes, dtype=np.float64), len(table))
    tensor, pipeline, expert, zero, sequences, chunks, recompute = np.tile(table, (len(nodes), 1)).T
    data = counts * gpus_per_node / (tensor * pipeline)
    micro_batches = np.ceil(job.batch_sequences / (np.maximum(data, 1) * sequences) - 1e-9)
    keep = (data >= 1) & (data % 1 == 0) & (data % expert == 0)
    keep &= np.ceil(job.batch_sequences) >= data * sequences
    keep &= (chunks == 1) | (micro_batches >= pipeline)
    keep &= (zero < 3) | (data <= MOST_GATHERED_RANKS)
    return Layouts(
        nodes=counts,
        tensor=tensor,
        pipeline=pipeline,
        data=data,
        expert=expert,
        zero=zero,
        sequences=sequences,
        micro_batches=micro_batches,
        chunks=chunks,
        recompute=recompute,
    ).select(keep)


def _possible(
    model: ModelSpec, gpus: int, tensor: int, pipeline: int, expert: int, zero: int, chunks: int
) -> bool:
    if tensor > gpus or gpus % tensor or model.heads % tensor:
        return False
    if model.moe and model.moe.experts % expert:
        return False
    if pipeline == 1:
        return chunks == 1
    return zero == 1 and pipeline * chunks <= model.layers
