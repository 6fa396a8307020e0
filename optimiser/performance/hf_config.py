"""A model's architecture from the config.json of its Hugging Face checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.performance.hf_keys import EXPERT_KEYS, Keys, language_model, read_json, refuse_unsupported
from optimiser.performance.hf_quantisation import Quantisation, read_quantisation
from optimiser.performance.model_checks import check_model
from optimiser.performance.parameters import precision_bytes
from optimiser.performance.specs import MlaSpec, ModelSpec, MoeSpec

_UNGATED = ("phi", "starcoder2", "nemotron", "gpt_neox", "arcee")
_GATED_ACTIVATIONS = ("silu", "swish", "swiglu")
MOST_LAYERS = 10_000
MOST_STRETCH = 10_000
_MLA_KEYS = ("q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
# Of these families intermediate_size is that of dense layers, several times an expert's.
_OWN_EXPERT_SIZE = ("deepseek", "glm4_moe", "qwen2_moe", "qwen3_moe")
_ROPES = ("default", "linear", "dynamic", "yarn", "longrope", "su", "llama3", "mrope")


def model_from_hf_config(path: Path) -> ModelSpec:
    """The model that a Hugging Face config.json (or the directory with it) describes.

    Named after the directory; parameters_published stays None. An hf_quant_config.json beside it is read
    where config.json has no quantization_config. Raises UsageError, naming file and key, for a file that is
    not such JSON, a key that is missing or out of range, and an architecture that ModelSpec cannot describe:
    encoder-decoder, state-space, linear, chunked or sparse attention, layers of unequal shape.
    """
    file = path / "config.json" if path.is_dir() else path
    where = str(file)
    outer = read_json(file)
    keys = language_model(outer, where)
    refuse_unsupported(outer, keys)
    layers, max_context = keys.whole("num_hidden_layers", most=MOST_LAYERS), _max_context(keys)
    hidden, heads = keys.whole("hidden_size"), keys.whole("num_attention_heads")
    window, sliding_layers = _sliding(keys, layers, max_context)
    mla, moe = _mla(keys), _moe(keys, layers)
    quantisation = _quantisation(outer, keys, file, layers)
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    model = ModelSpec(
        name=name,
        hf_id=_hub_id(outer) or name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        head_dim=mla.nope_head_dim + mla.rope_head_dim if mla else _head_dim(keys, hidden, heads),
        kv_heads=_kv_heads(keys, heads),
        intermediate=keys.whole("intermediate_size"),
        vocabulary=keys.whole("vocab_size"),
        max_context=max_context,
        tied_embeddings=keys.flag("tie_word_embeddings"),
        gated=_gated(keys),
        attention_bias=keys.flag("attention_bias", "qkv_bias", "use_qkv_bias"),
        moe=moe,
        mla=mla,
        sliding_window=window,
        sliding_layers=sliding_layers,
        default_precision=quantisation.precision,
        published={quantisation.precision: where},
        quantised_parts=_quantised_parts(quantisation, moe),
        bytes_per_weight=_own_bytes(quantisation),
        scale_block=({quantisation.precision: quantisation.scale_block} if quantisation.scale_block else {}),
        computed_in={quantisation.precision: quantisation.computed_in} if quantisation.computed_in else {},
        source=f"config.json at {where}",
    )
    check_model(model, where)
    return model


def _gated(keys: Keys) -> bool:
    if keys.model_type in _UNGATED:
        return False
    activation = keys.get("hidden_act", "hidden_activation")
    if activation in _GATED_ACTIVATIONS or keys.model_type.startswith("gemma"):
        return True
    if activation is None:
        gated = ", ".join(_GATED_ACTIVATIONS)
        right = f"state it ({gated} where the feed-forward is gated), or add the model to models.yaml"
        raise UsageError(f"{keys.where}: hidden_act is missing (model_type {keys.model_type!r}): {right}")
    right = f"unknown, and so is the feed-forward shape of hidden_act {activation!r}: add it to models.yaml"
    raise bad_value(keys.where, "model_type", keys.model_type, right)


def _head_dim(keys: Keys, hidden: int, heads: int) -> int:
    if keys.get("head_dim") is None and hidden % heads:
        right = f"without head_dim it has to divide hidden_size {hidden}"
        raise bad_value(keys.where, "num_attention_heads", heads, right)
    return keys.whole("head_dim", default=hidden // heads)


def _kv_heads(keys: Keys, heads: int) -> int:
    kv_heads = keys.whole("num_key_value_heads", default=heads)
    if heads % kv_heads:
        right = f"has to divide num_attention_heads, {heads}"
        raise bad_value(keys.where, "num_key_value_heads", kv_heads, right)
    return kv_heads


def _max_context(keys: Keys) -> int:
    """max_position_embeddings, or what a YaRN setting (arXiv 2309.00071) stretches the original length to."""
    longest = keys.whole("max_position_embeddings")
    scaling = keys.of_type(dict, "rope_scaling", "rope_parameters") or {}
    for rope in [part for part in scaling.values() if isinstance(part, dict)] or [scaling]:
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in _ROPES:
            raise bad_value(keys.where, "rope_scaling.rope_type", kind, f"one of {', '.join(_ROPES)}")
        if kind == "yarn" and rope.get("original_max_position_embeddings") is not None:
            original = Keys(rope, keys.where).whole("original_max_position_embeddings")
            factor = rope.get("factor", 1)
            if not isinstance(factor, int | float) or not 1 <= factor <= MOST_STRETCH:
                right = f"a number from 1 to {MOST_STRETCH}"
                raise bad_value(keys.where, "rope_scaling.factor", factor, right)
            longest = max(longest, int(original * factor))
    return longest


def _sliding(keys: Keys, layers: int, max_context: int) -> tuple[int | None, int]:
    """The sliding window in tokens and how many layers have it; (None, 0) where attention is full."""
    kinds = keys.of_type(list, "layer_types")
    if kinds is not None:
        unknown = sorted({str(kind) for kind in kinds} - {"full_attention", "sliding_attention"})
        if unknown or len(kinds) != layers:
            right = f"full_attention or sliding_attention for each of the {layers} layers"
            raise bad_value(keys.where, "layer_types", unknown or len(kinds), right)
    if keys.get("sliding_window") is None or keys.get("use_sliding_window") is False:
        return None, 0
    window = keys.whole("sliding_window")
    if kinds is not None:
        count = kinds.count("sliding_attention")
    elif keys.get("sliding_window_pattern") is not None:
        count = layers - layers // keys.whole("sliding_window_pattern")
    elif keys.flag("use_sliding_window"):
        count = layers - keys.whole("max_window_layers", default=0, least=0)
    else:
        count = layers
    return (window, count) if count > 0 and window < max_context else (None, 0)


def _mla(keys: Keys) -> MlaSpec | None:
    if not keys.get("kv_lora_rank"):
        # DeepSeek's small models turn latent attention off by use_mla, and by zeros.
        given = next((key for key in _MLA_KEYS if keys.get(key)), None)
        if given and keys.get("use_mla") is not False:
            right = "latent attention without the rank of its KV cache"
            raise UsageError(f"{keys.where}: kv_lora_rank is missing, though {given} is set: {right}")
        return None
    return MlaSpec(
        kv_rank=keys.whole("kv_lora_rank"),
        rope_head_dim=keys.whole("qk_rope_head_dim"),
        nope_head_dim=keys.whole("qk_nope_head_dim"),
        value_head_dim=keys.whole("v_head_dim"),
        query_rank=keys.whole("q_lora_rank", default=0) or None,
    )


def _moe(keys: Keys, layers: int) -> MoeSpec | None:
    experts = keys.whole(*EXPERT_KEYS, default=0, least=0)
    if experts < 2:
        return None
    intermediate = _expert_size(keys)
    shared = keys.whole("n_shared_experts", "num_shared_experts", default=0, least=0) * intermediate
    return MoeSpec(
        experts=experts,
        active=_active(keys, experts),
        intermediate=intermediate,
        shared_intermediate=keys.whole(
            "shared_expert_intermediate_size", "shared_intermediate_size", default=shared, least=0
        ),
        dense_layers=_dense_layers(keys, layers),
    )


def _expert_size(keys: Keys) -> int:
    """An expert's width: moe_intermediate_size, or as Mixtral has it intermediate_size, which elsewhere is that of the
    dense layers.
    """
    dense = keys.get("n_routed_experts") is not None or keys.model_type.startswith(_OWN_EXPERT_SIZE)
    if dense and keys.get("moe_intermediate_size") is None:
        right = (
            f"intermediate_size is the width of the dense layers, not of the {keys.get(*EXPERT_KEYS)} experts"
        )
        raise UsageError(f"{keys.where}: moe_intermediate_size is missing: {right}")
    return keys.whole("moe_intermediate_size", "intermediate_size")


def _active(keys: Keys, experts: int) -> int:
    """How many experts a token goes through."""
    names = ("num_experts_per_tok", "experts_per_token")
    active = keys.whole(*names)
    if active > experts:
        right = f"at most the {experts} of {keys.named(*EXPERT_KEYS)}"
        raise bad_value(keys.where, keys.named(*names), active, right)
    return active


def _dense_layers(keys: Keys, layers: int) -> int:
    """How many layers of a mixture of experts are dense, by DeepSeek's keys and by Qwen's; never all of them."""
    frequency = keys.get("moe_layer_freq")
    if isinstance(frequency, list):
        routed = sum(map(bool, frequency))
        if not 0 < routed <= layers:
            right = f"has to be true for 1 to {layers} layers (num_hidden_layers), not for {routed}"
            raise bad_value(keys.where, "moe_layer_freq", frequency, right)
        return layers - routed
    first = keys.whole("first_k_dense_replace", default=0, least=0)
    if first >= layers:
        raise bad_value(keys.where, "first_k_dense_replace", first, f"below num_hidden_layers, {layers}")
    every = keys.whole("moe_layer_freq", default=1)
    step = keys.whole("decoder_sparse_step", default=1)
    dense = keys.of_type(list, "mlp_only_layers") or []
    sparse = [i for i in range(first, layers) if i % every == 0 and (i + 1) % step == 0 and i not in dense]
    if not sparse:
        key = "mlp_only_layers" if dense else keys.named("decoder_sparse_step", "moe_layer_freq")
        right = f"leaves none of the {layers} layers with experts"
        raise bad_value(keys.where, key, keys.get(key), right)
    return layers - len(sparse)


def _quantisation(outer: Mapping[str, Any], keys: Keys, file: Path, layers: int) -> Quantisation:
    settings = keys.of_type(dict, "quantization_config") or outer.get("quantization_config")
    where, beside = keys.where, file.parent / "hf_quant_config.json"
    if not settings and beside.is_file():
        settings, where = read_json(beside).get("quantization"), str(beside)
    if settings and not isinstance(settings, dict):
        raise bad_value(where, "quantization_config", settings, "an object with quant_method")
    return read_quantisation(settings, keys.of_type(str, "torch_dtype", "dtype"), layers, where)


def _quantised_parts(quantisation: Quantisation, moe: MoeSpec | None) -> dict[str, str]:
    if not quantisation.keeps_attention:
        return {}
    routed_alone = moe is not None and (
        quantisation.keeps_shared_experts or not (moe.shared_intermediate or moe.dense_layers)
    )
    return {quantisation.precision: "experts" if routed_alone else "feed_forward"}


def _own_bytes(quantisation: Quantisation) -> dict[str, float]:
    own = quantisation.bytes_per_weight
    return {} if own == precision_bytes(quantisation.precision) else {quantisation.precision: own}


def _hub_id(outer: Mapping[str, Any]) -> str | None:
    """The repository that the checkpoint was loaded from, where the file names one."""
    origin = outer.get("_name_or_path")
    return origin if isinstance(origin, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", origin) else None
