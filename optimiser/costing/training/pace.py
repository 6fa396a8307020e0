"""The fastest layout of a job on every number of instances of a type, and how long the job takes on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.layouts import Array, Layouts, possible_layouts
from optimiser.costing.training.memory import Memory, memory
from optimiser.costing.training.node import Node
from optimiser.costing.training.step import StepTime, mfu, step_time
from optimiser.costing.training.work import token_flops
from optimiser.performance.physics import Physics
from optimiser.performance.specs import ModelSpec

# What a run of weeks keeps of the rate of its steps between failures: evaluation, stragglers, input. Fitted beneath the
# failures of each cluster (ways.course), which published hours hold: the median of the nine clean runs whose GPU-hours
# are published (`make accuracy TRAINING=FILE`), each of them predicted by the other eight to 7 % at the median, 30 % at
# most but for one.
RUN_SHARE = 0.87
# The error that estimates are planned with: twice that median, for want of runs; assumed for adapters, 8 bit and other
# generations, of which next to nothing is published, and more of PCIe and slow networks, of which nothing is.
PUBLISHED_ERROR, LITTLE_PUBLISHED_ERROR, ASSUMED_ERROR = 0.15, 0.25, 0.40
PUBLISHED_GENERATIONS = ("Ampere", "Hopper")
MIXTURE_FACTOR = 1.4
# Instances tried: powers of two, and halfway between.
NODE_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A job on so many instances: its layout (fields of Layouts), memory per GPU in GiB by part, seconds of a step by
    part, the 16-bit peak of a GPU in FLOP/s, MFU of the run between failures (step_mfu and step_hfu of
    steps alone), hours without interruptions and their median error.
    """

    nodes: int
    gpus: int
    layout: Mapping[str, int]
    memory_gib: Mapping[str, float]
    step_seconds: Mapping[str, float]
    peak_flops: float
    step_mfu: float
    step_hfu: float
    mfu: float
    steps: int
    hours: float
    relative_error: float


def steps_of(job: TrainingJob) -> int:
    """Optimiser steps until all tokens are seen, the last of them on those that are left."""
    return math.ceil(job.tokens / job.batch_tokens - 1e-9)


def run_seconds(
    model: ModelSpec, job: TrainingJob, node: Node, physics: Physics, at: Layouts, step_s: Array
) -> Array:
    """All steps without interruptions: whole ones of step_s, and a last one of as many micro-batches as the tokens
    that are left take.

    So do trainers that keep an incomplete last batch (drop_last=False, the default of PyTorch's DataLoader and of
    dataloader_drop_last in Hugging Face's TrainingArguments); those that drop it (Megatron-LM: train_samples //
    global_batch_size steps) train on fewer tokens than they are asked to.
    """
    steps = steps_of(job)
    left = (job.tokens - (steps - 1) * job.batch_tokens) / job.sequence_tokens
    needed = np.maximum(np.ceil(left / (at.data * at.sequences) - 1e-9), 1.0)
    short = np.minimum(needed, at.micro_batches)
    last = step_time(model, job, node, physics, replace(at, micro_batches=short))
    return np.asarray((steps - 1) * step_s + last.total)


def paces(
    model: ModelSpec, job: TrainingJob, node: Node, physics: Physics, counts: Sequence[int] = NODE_COUNTS
) -> tuple[Pace, ...]:
    """The fastest layout that fits on each number of instances, none where nothing fits."""
    several = counts if node.network_bytes_per_s else [count for count in counts if count == 1]
    at = possible_layouts(model, job, node.gpus, several)
    held = memory(model, job, at)
    fits = held.total <= node.usable_bytes
    at, held = at.select(fits), Memory(**{name: values[fits] for name, values in vars(held).items()})
    time = step_time(model, job, node, physics, at)
    run_s = run_seconds(model, job, node, physics, at, time.total)
    order = np.lexsort((run_s, at.nodes))
    first = order[np.unique(at.nodes[order], return_index=True)[1]]
    return tuple(_pace(model, job, node, at, held, time, float(run_s[row]), row) for row in first.tolist())


def _error(model: ModelSpec, job: TrainingJob, node: Node, nodes: int) -> float:
    if not node.estimated or (nodes > 1 and not node.rdma):
        return ASSUMED_ERROR
    other = node.gpu.generation not in PUBLISHED_GENERATIONS
    little = other or job.method.adapters_alone or job.precision == "fp8"
    error = LITTLE_PUBLISHED_ERROR if little else PUBLISHED_ERROR
    return error * (MIXTURE_FACTOR if model.moe else 1.0)


def _pace(
    model: ModelSpec,
    job: TrainingJob,
    node: Node,
    at: Layouts,
    held: Memory,
    time: StepTime,
    run_s: float,
    row: int,
) -> Pace:
    reached = float(mfu(model, job, node, at, time.total)[row])
    count, nodes, flops = steps_of(job), int(at.nodes[row]), token_flops(model, job)
    done = flops.hardware(recomputed=bool(at.again[row])) / flops.model
    return Pace(
        nodes=nodes,
        gpus=nodes * node.gpus,
        layout={item.name: int(getattr(at, item.name)[row]) for item in fields(at)},
        memory_gib={name: float(values[row]) / GIB for name, values in vars(held).items()},
        step_seconds={name: float(values[row]) for name, values in vars(time).items()},
        peak_flops=node.peak_flops,
        step_mfu=reached,
        step_hfu=reached * done,
        mfu=reached * RUN_SHARE,
        steps=count,
        hours=run_s / RUN_SHARE / 3600,
        relative_error=_error(model, job, node, nodes),
    )
