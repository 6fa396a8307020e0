"""What a GPU holds while it trains: weights, gradients, optimiser states, activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimiser.costing.training.job import Method, States, TrainingJob
from optimiser.costing.training.layouts import ALL, CHEAP, Array, Layouts
from optimiser.costing.training.work import adapter_parameters
from optimiser.performance.parameters import parameter_count, parameter_parts
from optimiser.performance.specs import ModelSpec

WEIGHT_BYTES = 2.0
GRADIENT_BYTES = 2.0
# NF4 in blocks of 64 with doubly quantised constants: 4 + 0.127 bit a weight (QLoRA, arXiv 2305.14314, section 3).
QLORA_BYTES = (4 + 0.127) / 8
# Transformer Engine holds an 8-bit copy of each weight and of its transpose, beside the 16-bit one (its FP8 primer).
FP8_COPIES_BYTES = 2.0
# A 32-bit copy of the weight and AdamW's two moments: 12 B (ZeRO, arXiv 1910.02054, section 3.1), 4 + 2 + 2 with
# moments in 16 bit, 4 + 1 + 1 in 8 bit (arXiv 2110.02861).
STATE_BYTES = {States.FP32: 12.0, States.BF16: 8.0, States.EIGHT_BIT: 6.0}
# Layers whose weights ZeRO-3 holds whole at once: the one computed and the next.
GATHERED_LAYERS = 2.0
ACTIVATION_BYTES = 2.0
LOGIT_BYTES = 4.0


class Held(NamedTuple):
    """Weights of one GPU before ZeRO: shared by all data-parallel ranks, and those of routed experts."""

    dense: Array
    routed: Array


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of one GPU, over layouts, sharded by ZeRO; activations are those of the fullest stage."""

    weights: Array
    gradients: Array
    states: Array
    activations: Array
    gathered: Array

    @property
    def total(self) -> Array:
        """All of them."""
        return self.weights + self.gradients + self.states + self.activations + self.gathered


def held_weights(model: ModelSpec, at: Layouts) -> Held:
    """The model's weights of the fullest GPU.

    Layers are divided over tensor and pipeline ranks, routed experts over expert ranks too; of embeddings the first
    stage of a pipeline holds one and the last the other.
    """
    parts = parameter_parts(model)
    layers = _fullest_stage(model, at) / at.tensor
    ends = np.where(
        at.pipeline > 1,
        max(parts.input_embedding, parts.output_head),
        parts.input_embedding + parts.output_head,
    )
    dense = (parts.attention + parts.dense + parts.other) * layers + ends / at.tensor
    return Held(dense, parts.experts * layers / at.expert)


def weight_bytes(model: ModelSpec, job: TrainingJob) -> float:
    """Bytes of a weight, on average over the whole model: in QLoRA linear layers are in 4 bit, and embedding and output
    head stay in 16 (arXiv 2305.14314's code quantises with bitsandbytes, which leaves them).
    """
    if job.method is not Method.QLORA:
        return WEIGHT_BYTES
    parts = parameter_parts(model)
    ends = (parts.input_embedding + parts.output_head) / parameter_count(model)
    return QLORA_BYTES * (1 - ends) + WEIGHT_BYTES * ends


def memory(model: ModelSpec, job: TrainingJob, at: Layouts) -> Memory:
    """Bytes per GPU: 2 + 2 + 12 B a trained weight with AdamW in mixed precision (ZeRO, section 3.1), sharded by
    ZeRO's stage over data-parallel ranks (of which routed experts have data / expert).
    """
    held, copies = held_weights(model, at), FP8_COPIES_BYTES * (job.precision == "fp8")
    weight = weight_bytes(model, job) + copies
    spread = (at.data, at.data / at.expert)
    parts = parameter_parts(model)
    trained: tuple[Array, Array] = held
    own = np.zeros_like(at.tensor)
    if job.method.adapters_alone:
        own = adapter_parameters(model, job) * _fullest_stage(model, at) / at.tensor
        trained = (own, np.zeros_like(own))
    one_layer = (parts.attention + parts.dense + parts.experts / at.expert) / model.layers / at.tensor

    def sharded(values: tuple[Array, Array], stage: int) -> Array:
        pairs = zip(values, spread, strict=True)
        return np.asarray(sum(value / np.where(at.zero >= stage, ranks, 1.0) for value, ranks in pairs))

    return Memory(
        weights=weight * sharded(held, 3) + WEIGHT_BYTES * own,
        gradients=GRADIENT_BYTES * sharded(trained, 2),
        states=STATE_BYTES[job.states] * sharded(trained, 1),
        activations=activations(model, job, at),
        gathered=np.where(at.zero >= 3, GATHERED_LAYERS * WEIGHT_BYTES * one_layer, 0.0),
    )


def layer_activation_bytes(model: ModelSpec) -> float:
    """Bytes per token that one layer keeps for its backward pass, without the attention core's scores.

    As Korthikanti et al. count (Reducing Activation Recomputation in Large Transformer Models, arXiv 2205.05198,
    section 4.1: 34·h a token), for the widths at hand and without dropout's masks (2·h): inputs of both norms and of
    both blocks 8·h; queries, keys and values; the input of the output projection; the inputs of the last feed-forward
    product and of its activation, 2·2·f (gated 3·2·f); of a mixture what is sent to the k experts.
    """
    h, mla, moe = model.hidden, model.mla, model.moe
    if mla is None:
        core = (2 * model.heads + 2 * model.kv_heads) * model.head_dim
    else:
        wide = 2 * (mla.nope_head_dim + mla.rope_head_dim) + 2 * mla.value_head_dim
        core = model.heads * wide + mla.kv_rank + mla.rope_head_dim + (mla.query_rank or 0)
    between = 3 if model.gated else 2
    forward = between * model.intermediate
    if moe:
        routed = moe.active * (2 * h + between * moe.intermediate) + between * moe.shared_intermediate
        share = moe.dense_layers / model.layers
        forward = round(share * forward + (1 - share) * routed)
    return ACTIVATION_BYTES * (4 * h + core + forward)


def cheap_activation_bytes(model: ModelSpec) -> float:
    """Of layer_activation_bytes what reading alone makes anew: outputs of both norms, and of the activation function
    (what DeepSeek-V3, arXiv 2412.19437, section 3.2.3, and Megatron-Core compute again).
    """
    moe, wide = model.moe, float(model.intermediate)
    if moe:
        share = moe.dense_layers / model.layers
        wide = share * wide + (1 - share) * (moe.active * moe.intermediate + moe.shared_intermediate)
    return ACTIVATION_BYTES * (2 * model.hidden + wide)


def score_bytes(model: ModelSpec, sequence_tokens: float) -> float:
    """Bytes per token and layer of attention's scores, softmax and its dropout mask: 5·a·s (arXiv 2205.05198, section
    4.1), which FlashAttention never writes.
    """
    return 5.0 * model.heads * sequence_tokens


def activations(model: ModelSpec, job: TrainingJob, at: Layouts) -> Array:
    """Bytes per GPU that wait for the backward pass.

    With sequence parallelism all of a layer is divided by the tensor-parallel ranks (arXiv 2205.05198, section 4.2.2).
    The first stage of a pipeline keeps as many micro-batches as there are stages, so all L layers of one, and
    1 + (p − 1)/(p·v) times that where v chunks are interleaved (section 4.2.3). Recomputed in full, a layer keeps its
    input alone, 2·h a token (section 5), and one layer at a time is whole. The last stage has the logits in 32 bit.
    """
    tokens = at.sequences * job.sequence_tokens
    layer = layer_activation_bytes(model)
    if not job.flash_attention:
        layer += score_bytes(model, job.sequence_tokens)
    kept = np.select(
        [at.recompute == ALL, at.recompute == CHEAP],
        [ACTIVATION_BYTES * model.hidden, layer - cheap_activation_bytes(model)],
        layer,
    )
    in_flight = np.minimum(at.micro_batches, at.pipeline)
    stages = in_flight * np.where(at.chunks > 1, 1 + (at.pipeline - 1) / (at.pipeline * at.chunks), 1.0)
    first = tokens * (kept * _fullest_stage(model, at) * model.layers * stages + layer * at.again)
    last = tokens * (kept * model.layers / at.pipeline + LOGIT_BYTES * model.vocabulary)
    return np.asarray(np.maximum(first, last) / at.tensor)


def _fullest_stage(model: ModelSpec, at: Layouts) -> Array:
    """The share of the layers that the fullest stage of the pipeline holds."""
    return np.asarray(np.ceil(model.layers / at.pipeline) / model.layers)
