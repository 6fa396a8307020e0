"""How long one optimiser step takes: computing, exchanges between GPUs, an idle pipeline, what is left of reductions.

Everything is in seconds and bytes of the busiest GPU, over layouts. Of the constants only TRAINING_SHARE and FP8_SHARE
were fitted to training; the rates and the others are those of serving (config/performance.yaml).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.costing.training.job import Method, TrainingJob
from optimiser.costing.training.layouts import CHEAP, Array, Layouts
from optimiser.costing.training.memory import (
    GRADIENT_BYTES,
    STATE_BYTES,
    WEIGHT_BYTES,
    held_weights,
    weight_bytes,
)
from optimiser.costing.training.node import Node
from optimiser.costing.training.work import (
    ATTENTION_BACKWARD,
    TokenFlops,
    adapter_parameters,
    token_flops,
)
from optimiser.performance.parameters import active_parameter_count, parameter_count, parameter_parts
from optimiser.performance.physics import UNPACKED_DENSE_SHARE, Physics
from optimiser.performance.specs import ModelSpec
from optimiser.performance.timing import ACTIVATION_BYTES, PREFILL_ATTENTION_SHARE

# What kernels reach in training of the rate they reach in serving: the backward pass is less regular, and clocks fall
# under power limits that short steps do not meet. Fitted to the 146 bf16 throughputs of MPT on A100 and H100 with
# sequences of at most 4,096 tokens that MosaicML publishes (llm-foundry, scripts/train/benchmarking).
TRAINING_SHARE = 0.81
# What products of 8-bit floats reach of the 8-bit rate, quantising activations and gradients among it: the three fp8
# throughputs there.
FP8_SHARE = 0.68
# Each of a token's copies for its experts is read and written where it is sent off, and where it comes back.
EXPERT_PASSES = 4.0
# Reading and writing the outputs of two norms and of an activation function about three times as wide.
CHEAP_PASSES = 8.0


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one step by what they go to; they sum to `total`."""

    computing: Array
    tensor_exchange: Array
    expert_exchange: Array
    stage_exchange: Array
    idle_pipeline: Array
    reduction: Array
    update: Array

    @property
    def total(self) -> Array:
        """All of them."""
        return np.asarray(sum(vars(self).values()))


def step_time(model: ModelSpec, job: TrainingJob, node: Node, physics: Physics, at: Layouts) -> StepTime:
    """A step of `micro_batches` through a pipeline, then the optimiser.

    m micro-batches take m + (p − 1)/v times one: the bubble is (p − 1)/(v·m) of the work (Narayanan et al., arXiv
    2104.04473, section 2.2).
    """
    flops = token_flops(model, job)
    tokens = at.sequences * job.sequence_tokens
    stage = np.ceil(model.layers / at.pipeline) / model.layers
    computing = tokens * stage / at.tensor * _per_token(model, job, node, physics, at, flops)
    message = tokens * model.hidden * ACTIVATION_BYTES
    tensor = _tensor_exchange(model, node, at, message * stage)
    expert = _expert_exchange(model, node, at, message * stage / at.tensor)
    handed = np.where(at.pipeline > 1, 2.0 * at.chunks * message / at.tensor, 0.0) / _away(node, at)
    micro = computing + tensor + expert + handed
    reduction = _reduction(model, job, node, at, micro)
    count = at.micro_batches
    return StepTime(
        computing=count * computing,
        tensor_exchange=count * tensor,
        expert_exchange=count * expert,
        stage_exchange=count * handed,
        idle_pipeline=micro * (at.pipeline - 1) / at.chunks,
        reduction=reduction,
        update=_update(model, job, node, at),
    )


def mfu(model: ModelSpec, job: TrainingJob, node: Node, at: Layouts, step_s: Array) -> Array:
    """Model FLOPs utilisation: model FLOPs of a step over what the 16-bit peak of all GPUs would do meanwhile (PaLM,
    arXiv 2204.02311, appendix B); of the 16-bit peak for fp8 too.
    """
    useful = token_flops(model, job).model * job.batch_tokens
    return np.asarray(useful / (step_s * at.nodes * node.gpus * node.peak_flops))


def _per_token(
    model: ModelSpec, job: TrainingJob, node: Node, physics: Physics, at: Layouts, flops: TokenFlops
) -> Array:
    """Seconds a token takes on one GPU that holds all the model: products, the attention core, and what only reads and
    writes activations (activation_passes forward, twice that backward).
    """
    rate = node.product_flops * (FP8_SHARE if job.precision == "fp8" else 1.0)
    if job.method is Method.QLORA:
        rate *= UNPACKED_DENSE_SHARE
    rows = at.sequences * job.sequence_tokens
    lost = physics.saturation_rows + physics.fill_rows
    reached = rows / (rows + lost)
    routed = 0.0
    slower = np.zeros_like(rows)
    if moe := model.moe:
        routed = parameter_parts(model).experts * moe.active / moe.experts / active_parameter_count(model)
        each = rows * at.expert * moe.active / moe.experts
        slower = routed / (physics.grouped_share * each / (each + lost))
    products = (flops.forward * (1 + at.again) + flops.backward) / rate * ((1 - routed) / reached + slower)
    core_rate = node.core_flops * PREFILL_ATTENTION_SHARE
    core = flops.attention * (1 + ATTENTION_BACKWARD + at.again) / core_rate
    copies = EXPERT_PASSES * moe.active * (1 - moe.dense_layers / model.layers) if moe else 0.0
    passed = (physics.activation_passes + copies) * model.hidden * model.layers * ACTIVATION_BYTES
    cheaply = np.where(at.recompute == CHEAP, CHEAP_PASSES / physics.activation_passes, 0.0)
    passing = passed * (3 + at.again + cheaply) / node.memory_bytes_per_s
    return np.asarray((products + core + passing) / TRAINING_SHARE)


def _tensor_exchange(model: ModelSpec, node: Node, at: Layouts, message: Array) -> Array:
    """Two all-reduces a layer forward and two backward, each 2·(t − 1)/t of the activations (Shoeybi et al., arXiv
    1909.08053, section 3), two more where the forward pass is done again; nothing hides them.
    """
    each = 2.0 * (at.tensor - 1) / at.tensor * message / node.link_bytes_per_s
    return np.asarray(model.layers * (4 + 2 * at.again) * each)


def _expert_exchange(model: ModelSpec, node: Node, at: Layouts, message: Array) -> Array:
    """Tokens go to the ranks that hold their experts and back, forward and backward. A token goes once to each of the
    (e − 1)·(1 − (1 − 1/e)^k) other ranks that hold one of its k experts, by the network where ranks span instances.
    """
    if model.moe is None:
        return np.zeros_like(message)
    hops = (at.expert - 1) * (1 - (1 - 1 / at.expert) ** model.moe.active)
    layers = model.layers - model.moe.dense_layers
    inside = at.expert * at.tensor <= node.gpus
    rate = np.where(inside, node.link_bytes_per_s, max(node.network_bytes_per_s / node.gpus, 1.0))
    return np.asarray(layers * (4 + 2 * at.again) * hops * message / rate)


def _away(node: Node, at: Layouts) -> Array:
    """Bytes/s between two stages of a pipeline, of one GPU: by the network where there are several instances."""
    network = max(node.network_bytes_per_s / node.gpus, 1.0)
    return np.where(at.nodes > 1, network, node.link_bytes_per_s)


def _reduction(model: ModelSpec, job: TrainingJob, node: Node, at: Layouts, micro_s: Array) -> Array:
    """What computing does not hide of gradients reduced and weights gathered over data-parallel ranks.

    ZeRO-1 and -2 reduce gradients once a step and gather new weights: beside the last micro-batch and the first.
    ZeRO-3 gathers weights forward and backward, and reduces, in each micro-batch (arXiv 1910.02054, section 7): beside
    all. (d − 1)/d of it is taken as all. Ranks of several instances share each instance's network.
    """
    held, trained = _held_and_trained(model, job, at)
    weight = weight_bytes(model, job)
    whole = at.zero >= 3
    times = np.where(whole, at.micro_batches, 1.0)
    moved = times * np.where(
        whole, 2 * weight * held + GRADIENT_BYTES * trained, (GRADIENT_BYTES + WEIGHT_BYTES) * trained
    )
    shards = at.tensor * np.maximum(node.gpus / at.tensor / at.data, 1.0)
    network = max(node.network_bytes_per_s, 1.0)
    abroad = np.where(at.data * at.tensor > node.gpus, moved * shards / network, 0.0)
    seconds = np.maximum(moved / node.link_bytes_per_s, abroad)
    return np.where(at.data > 1, np.maximum(seconds - times * micro_s, 0.0), 0.0)


def _update(model: ModelSpec, job: TrainingJob, node: Node, at: Layouts) -> Array:
    """Reading and writing the states, and the gradients and weights beside them, of a rank's shard."""
    _, trained = _held_and_trained(model, job, at)
    moved = 2 * STATE_BYTES[job.states] + GRADIENT_BYTES + WEIGHT_BYTES
    return np.asarray(trained * moved / np.where(at.zero >= 1, at.data, 1.0) / node.memory_bytes_per_s)


def _held_and_trained(model: ModelSpec, job: TrainingJob, at: Layouts) -> tuple[Array, Array]:
    """Weights of one GPU before ZeRO, and those of them, or of adapters beside them, that are trained."""
    held = np.asarray(sum(held_weights(model, at)))
    if not job.method.adapters_alone:
        return held, held
    return held, adapter_parameters(model, job) * held / parameter_count(model)
