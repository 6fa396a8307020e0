"""What one forward pass of a model works on: weights read, operations, KV cache, per block.

A pass is split into attention projections, the dense feed-forward part (dense layers and shared experts),
the routed experts, the output head and the attention core, because each meets its own limit on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimiser.performance.parameters import (
    UNQUANTISED_BYTES,
    bytes_per_weight,
    kv_bytes_per_token,
    lora_parameters,
    parameter_parts,
    weight_bytes,
)
from optimiser.performance.specs import ModelSpec
from optimiser.workload import Techniques


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One block's weights over all its layers: their number, the number of results that a token has of them (all
    experts'), and (pairs,) what reading them once costs in bytes and whether the checkpoint holds them quantised (else
    in 16 bit).
    """

    parameters: float
    outputs: float
    size_bytes: NDArray[np.float64]
    quantised: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ModelWork:
    """One model at one or more pairs of a weight and a KV precision, as totals over all layers and GPUs; arrays are
    over the pairs.

    Attention operations are per token and token of context over all layers: a decoding sequence costs
    decode_attention_flops per token it looks back at, a prompt token prefill_attention_flops. full_share of
    the layers (and so of KV bytes and operations) see the whole context, the rest at most window_tokens.
    resident_bytes is what all weights occupy in memory, embeddings included. block_scaled says whether 8-bit
    weights have a scale per block, so that activations are quantised by block before each product.

    A decode step takes step_tokens of each sequence through the model, one and what was drafted (drafts), each
    draft after a pass of its own through draft_layers. adapter is one of `adapters` low-rank adapters.
    """

    layers: int
    moe_layers: int
    hidden: int
    vocabulary: int
    kv_heads: int
    latent_kv: bool
    experts: int
    active_experts: int
    expert_width: int
    attention: Weights
    dense: Weights
    routed: Weights
    head: Weights
    resident_bytes: NDArray[np.float64]
    kv_bytes_per_token: NDArray[np.float64]
    decode_attention_flops: float
    prefill_attention_flops: float
    full_share: float
    window_tokens: float
    block_scaled: NDArray[np.bool_]
    drafts: int
    draft: Weights
    draft_layers: int
    adapters: int
    adapter: Weights

    @property
    def step_tokens(self) -> float:
        """Tokens of one sequence that a decode step takes through the model."""
        return 1.0 + self.drafts

    def columns(self) -> list[NDArray[Any]]:
        """All that is over the pairs."""
        parts = (
            vars(part).values() if isinstance(part, Weights) else (part,) for part in vars(self).values()
        )
        return [value for values in parts for value in values if isinstance(value, np.ndarray)]


def _attention_flops_per_context_token(model: ModelSpec) -> tuple[float, float]:
    """Operations per token and token of context over all layers, (decode, prefill).

    Grouped-query: 4·n_q·d (a product with the keys, one with the values). MLA (arXiv 2405.04434) decodes
    absorbed, on the latent: 2·n_q·((rank + rope) + rank); it prefills expanded: 2·n_q·((nope + rope) + v).
    """
    if model.mla is None:
        flops = 4.0 * model.heads * model.head_dim * model.layers
        return flops, flops
    mla = model.mla
    decode = 2.0 * model.heads * (2 * mla.kv_rank + mla.rope_head_dim) * model.layers
    prefill = 2.0 * model.heads * (mla.nope_head_dim + mla.rope_head_dim + mla.value_head_dim) * model.layers
    return decode, prefill


def is_block_scaled(model: ModelSpec, weight_precision: str) -> bool:
    """Whether 8-bit weights of a model have a scale per block."""
    return weight_precision in ("fp8", "int8") and weight_precision in model.scale_block


def _dense_width(model: ModelSpec) -> int:
    """Intermediate size of most layers' dense part: the shared experts', where there are any."""
    return (model.moe.shared_intermediate if model.moe else 0) or model.intermediate


def _outputs_per_weight(model: ModelSpec, inner: int | None) -> float:
    """Results per token and weight: 1 / h where all products sum up the hidden size h; in a feed-forward block of the
    intermediate size `inner` the one that comes back from it sums up `inner`.
    """
    if not inner:
        return 1.0 / model.hidden
    matrices = 3 if model.gated else 2
    return ((matrices - 1) / model.hidden + 1.0 / inner) / matrices


def model_work(
    model: ModelSpec, pairs: Sequence[tuple[str, str]], techniques: Techniques | None = None
) -> ModelWork:
    """The work of `model` at pairs of a weight and a KV precision, draft and adapters in 16 bit.

    Raises UsageError for an unknown precision.
    """
    parts = parameter_parts(model)
    weights, caches = zip(*pairs, strict=True)
    per_weight = np.array([bytes_per_weight(model, precision) for precision in weights])
    scope = np.array([model.quantised_parts.get(precision, "linear") for precision in weights])

    def block(parameters: float, scopes: tuple[str, ...], inner: int | None = None) -> Weights:
        quantised = np.isin(scope, scopes)
        held = np.where(quantised, per_weight, UNQUANTISED_BYTES)
        outputs = parameters * _outputs_per_weight(model, inner)
        return Weights(
            parameters=parameters, outputs=outputs, size_bytes=parameters * held, quantised=quantised
        )

    moe = model.moe
    drafting = techniques.speculative_decoding if techniques else None
    lora = techniques.lora if techniques else None
    draft = block(drafting.draft_parameters if drafting else 0.0, ())
    adapter = block(lora_parameters(model, lora.rank) if lora else 0.0, ())
    adapters = lora.adapters if lora else 0
    decode, prefill = _attention_flops_per_context_token(model)
    return ModelWork(
        layers=model.layers,
        moe_layers=model.layers - moe.dense_layers if moe else 0,
        hidden=model.hidden,
        vocabulary=model.vocabulary,
        kv_heads=model.kv_heads,
        latent_kv=model.mla is not None,
        experts=moe.experts if moe else 0,
        active_experts=moe.active if moe else 0,
        expert_width=moe.intermediate if moe else 0,
        attention=block(parts.attention, ("linear",)),
        dense=block(parts.dense, ("linear", "feed_forward"), _dense_width(model)),
        routed=block(parts.experts, ("linear", "feed_forward", "experts"), moe.intermediate if moe else None),
        head=block(parts.output_head, ()),
        resident_bytes=np.array([weight_bytes(model, precision) for precision in weights])
        + draft.size_bytes
        + adapters * adapter.size_bytes,
        kv_bytes_per_token=np.array([kv_bytes_per_token(model, precision) for precision in caches]),
        decode_attention_flops=decode,
        prefill_attention_flops=prefill,
        full_share=1.0 - (model.sliding_layers / model.layers if model.sliding_window else 0.0),
        window_tokens=float(model.sliding_window or 0),
        block_scaled=np.array([is_block_scaled(model, precision) for precision in weights]),
        drafts=drafting.draft_tokens if drafting else 0,
        draft=draft,
        draft_layers=drafting.draft_layers if drafting and drafting.draft_parameters else 0,
        adapters=adapters,
        adapter=adapter,
    )
