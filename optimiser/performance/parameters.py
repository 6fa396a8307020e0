"""How many weights a model has, what they weigh at a precision, and what context costs in KV cache.

Counts are in weights, sizes in bytes (1 GB is 1e9 bytes), of the whole model over all its GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from optimiser.errors import UsageError, did_you_mean
from optimiser.performance.specs import ModelSpec

# Bytes per weight with the scales that the common checkpoint layout carries.
# int4: GPTQ and AWQ, groups of 128 weights with one fp16 scale and one packed 4-bit zero point.
# fp4: OCP Microscaling MXFP4 (v1.0, table 1), blocks of 32 weights with one 8-bit scale.
# fp8, int8: scales per channel or per 128×128 block are below 0.1 % and left out.
BYTES_PER_WEIGHT = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.5 + 2.5 / 128,
    "fp4": 0.5 + 1 / 32,
}
# fp4 KV cache: NVFP4, blocks of 16 elements with an 8-bit scale (TensorRT-LLM on Blackwell).
BYTES_PER_KV_ELEMENT = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5 + 1 / 16}
WEIGHT_PRECISIONS = tuple(BYTES_PER_WEIGHT)
KV_PRECISIONS = tuple(BYTES_PER_KV_ELEMENT)

# What is not quantised is served in 16 bit.
UNQUANTISED_BYTES = 2.0


@dataclass(frozen=True, kw_only=True)
class ParameterParts:
    """Weights by part, each over all layers: what is quantised, split over GPUs and read differs by part.

    attention: the projections. dense: feed-forward of dense layers, and shared experts. experts: all routed
    experts. input_embedding: 0 where tied to output_head. other: routers, norms, biases.
    """

    attention: float
    dense: float
    experts: float
    input_embedding: float
    output_head: float
    other: float


def precision_bytes(precision: str) -> float:
    """Bytes per weight at `precision`, scales included. Raises UsageError for an unknown name."""
    return _look_up(BYTES_PER_WEIGHT, precision, "weight precision")


def kv_element_bytes(kv_precision: str) -> float:
    """Bytes per element of the KV cache at `kv_precision`. Raises UsageError for an unknown name."""
    return _look_up(BYTES_PER_KV_ELEMENT, kv_precision, "KV precision")


def bytes_per_weight(model: ModelSpec, precision: str) -> float:
    """Bytes per quantised weight of this model: its checkpoint's own figure, else precision_bytes."""
    standard = precision_bytes(precision)
    return model.bytes_per_weight.get(precision, standard)


def attention_parameters_per_layer(model: ModelSpec) -> float:
    """Weights of one layer's attention projections, without biases and norms.

    Grouped-query (arXiv 2305.13245): h·(n_q + 2·n_kv)·d + n_q·d·h.
    MLA (DeepSeek-V2, arXiv 2405.04434, section 2.1): query h·r_q + r_q·n_q·(nope + rope), or directly
    h·n_q·(nope + rope) without a query rank; latent h·(r_kv + rope), its expansion r_kv·n_q·(nope + v);
    output n_q·v·h.
    """
    h, heads = model.hidden, model.heads
    if model.mla is None:
        return float(h * (heads + 2 * model.kv_heads) * model.head_dim + heads * model.head_dim * h)
    mla = model.mla
    query_width = heads * (mla.nope_head_dim + mla.rope_head_dim)
    query = h * query_width if mla.query_rank is None else mla.query_rank * (h + query_width)
    latent = h * (mla.kv_rank + mla.rope_head_dim)
    expansion = mla.kv_rank * heads * (mla.nope_head_dim + mla.value_head_dim)
    return float(query + latent + expansion + heads * mla.value_head_dim * h)


def feed_forward_parameters(model: ModelSpec, intermediate: int) -> float:
    """Weights of one feed-forward block: 3·h·f gated (SwiGLU, arXiv 2002.05202), 2·h·f otherwise."""
    return float((3 if model.gated else 2) * model.hidden * intermediate)


def moe_expert_parameters_per_layer(model: ModelSpec) -> float:
    """Weights of all routed experts of one MoE layer, E·3·h·f_moe; 0 for a dense model."""
    if model.moe is None:
        return 0.0
    return model.moe.experts * feed_forward_parameters(model, model.moe.intermediate)


def embedding_parameters(model: ModelSpec) -> float:
    """Weights of the input embedding and the output head: V·h, once where the two are tied."""
    return float(model.vocabulary * model.hidden * (1 if model.tied_embeddings else 2))


def parameter_parts(model: ModelSpec) -> ParameterParts:
    """The model's weights by part."""
    moe = model.moe
    moe_layers = model.layers - moe.dense_layers if moe else 0
    dense = feed_forward_parameters(model, model.intermediate) * (model.layers - moe_layers)
    router = 0.0
    if moe:
        dense += feed_forward_parameters(model, moe.shared_intermediate) * moe_layers
        router = float(model.hidden * moe.experts * moe_layers)
    norms = model.hidden * (2 * model.layers + 1)
    bias = (model.heads + 2 * model.kv_heads) * model.head_dim * model.layers if model.attention_bias else 0
    head = float(model.vocabulary * model.hidden)
    return ParameterParts(
        attention=attention_parameters_per_layer(model) * model.layers,
        dense=dense,
        experts=moe_expert_parameters_per_layer(model) * moe_layers,
        input_embedding=embedding_parameters(model) - head,
        output_head=head,
        other=router + norms + bias,
    )


def parameter_count(model: ModelSpec) -> float:
    """All weights of the model, without a vision tower and multi-token-prediction layers."""
    parts = parameter_parts(model)
    return (
        parts.attention
        + parts.dense
        + parts.experts
        + parts.input_embedding
        + parts.output_head
        + parts.other
    )


def active_parameter_count(model: ModelSpec) -> float:
    """Weights that one token is multiplied with: `active` of the routed experts, and not the input embedding.

    The input embedding is a look-up of one row, so 2·active is the matrix work of a token in FLOPs. Some
    authors count it in (Qwen, Mistral), some do not (OpenAI, gpt-oss model card, arXiv 2508.10925, table 1).
    """
    parts = parameter_parts(model)
    routed = parts.experts * model.moe.active / model.moe.experts if model.moe else 0.0
    return parts.attention + parts.dense + routed + parts.output_head + parts.other


def quantised_parameters(model: ModelSpec, precision: str) -> float:
    """Weights that a checkpoint of `precision` holds at that precision; the rest stays in 16 bit.

    Embeddings, output head, routers and norms are never among them, as GPTQ, AWQ, fp8 and MXFP4 checkpoints
    have it; model.quantised_parts narrows it to the feed-forward blocks or the routed experts.
    """
    parts = parameter_parts(model)
    quantised = {
        "linear": parts.attention + parts.dense + parts.experts,
        "feed_forward": parts.dense + parts.experts,
        "experts": parts.experts,
    }
    which = model.quantised_parts.get(precision, "linear")
    return _look_up(quantised, which, f"quantised part of {model.name}")


def lora_parameters(model: ModelSpec, rank: int, *, attention_only: bool = False) -> float:
    """Weights of one low-rank adapter on every linear layer outside the routed experts, or on attention's alone.

    A product from n to m features gets two of rank r: r·(n + m) weights (LoRA, arXiv 2106.09685, section 4.1).
    """
    h, heads = model.hidden, model.heads
    if model.mla is None:
        query = heads * model.head_dim
        features = 2 * (h + query) + 2 * (h + model.kv_heads * model.head_dim)
    else:
        mla = model.mla
        query, value = heads * (mla.nope_head_dim + mla.rope_head_dim), heads * mla.value_head_dim
        features = h + query if mla.query_rank is None else h + 2 * mla.query_rank + query
        features += h + mla.kv_rank + mla.rope_head_dim
        features += mla.kv_rank + heads * mla.nope_head_dim + value + value + h
    if attention_only:
        return float(rank * model.layers * features)
    moe = model.moe
    moe_layers = model.layers - moe.dense_layers if moe else 0
    matrices = 3 if model.gated else 2
    forward = (model.layers - moe_layers) * (h + model.intermediate)
    if moe and moe.shared_intermediate:
        forward += moe_layers * (h + moe.shared_intermediate)
    return float(rank * (model.layers * features + matrices * forward))


def weight_bytes(model: ModelSpec, precision: str) -> float:
    """Bytes of all weights at `precision`, what is never quantised in 16 bit.

    Raises UsageError for an unknown precision.
    """
    quantised = quantised_parameters(model, precision)
    unquantised = parameter_count(model) - quantised
    return quantised * bytes_per_weight(model, precision) + unquantised * UNQUANTISED_BYTES


def kv_bytes_per_token(model: ModelSpec, kv_precision: str) -> float:
    """KV cache of one token within every layer's window, in bytes, over all layers and GPUs.

    Grouped-query: 2·n_kv·d·L·b (keys and values). MLA: (r_kv + rope)·L·b, the latent and the shared rotary
    key (arXiv 2405.04434, table 1). Raises UsageError for an unknown precision.
    """
    return _kv_elements_per_layer(model) * model.layers * kv_element_bytes(kv_precision)


@overload
def kv_bytes_for_context(model: ModelSpec, context_tokens: float, kv_precision: str) -> float: ...
@overload
def kv_bytes_for_context(
    model: ModelSpec, context_tokens: NDArray[np.float64], kv_precision: str
) -> NDArray[np.float64]: ...
def kv_bytes_for_context(
    model: ModelSpec, context_tokens: float | NDArray[np.float64], kv_precision: str
) -> float | NDArray[np.float64]:
    """KV cache of one sequence of `context_tokens` (a number or an array of them), in bytes, same shape.

    Layers with a sliding window keep at most that many tokens; the others keep all.
    Raises UsageError for an unknown precision.
    """
    per_layer_token = _kv_elements_per_layer(model) * kv_element_bytes(kv_precision)
    if model.sliding_window is None:
        return context_tokens * (per_layer_token * model.layers)
    windowed = np.minimum(context_tokens, model.sliding_window) * model.sliding_layers
    total = (context_tokens * (model.layers - model.sliding_layers) + windowed) * per_layer_token
    return total if isinstance(context_tokens, np.ndarray) else float(total)


def _kv_elements_per_layer(model: ModelSpec) -> float:
    if model.mla is not None:
        return float(model.mla.kv_rank + model.mla.rope_head_dim)
    return float(2 * model.kv_heads * model.head_dim)


def _look_up(table: dict[str, float], name: str, what: str) -> float:
    if name not in table:
        raise UsageError(f"unknown {what} {name!r}: {did_you_mean(name, table)}")
    return table[name]
