"""The keys of a Hugging Face config.json that describe its language model, checked for what we can describe.

Keys are those of the `transformers` configuration classes; a key that a class leaves out of the file when it
has its default is filled in with that default (FAMILY_DEFAULTS).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from optimiser.errors import UsageError, bad_value

T = TypeVar("T")

# Where a multimodal model keeps its language model.
_NESTED = ("text_config", "llm_config", "language_config")
_GENERATORS = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForImageTextToText")
LARGEST = 10**9  # above every size that a config.json states
EXPERT_KEYS = ("num_local_experts", "num_experts", "n_routed_experts")

# Keys that, when set, say that the layers are not plain attention and feed-forward ones of equal shape.
_UNSUPPORTED_KEYS = {
    "attention_chunk_size": "chunked attention",
    "index_topk": "sparse attention with an indexer",
    "cross_attention_layers": "cross-attention",
    "full_attention_interval": "linear attention",
    "linear_num_key_heads": "linear attention",
    "ssm_cfg": "a state-space model",
    "mamba_d_state": "a state-space model",
    "mamba_num_heads": "a state-space model",
    "state_size": "a state-space model",
    "ssm_state_size": "a state-space model",
    "attn_layer_period": "a state-space model",
    "hybrid_override_pattern": "a state-space model",
    "layers_block_type": "a mix of layer kinds",
    "hybrid_layer_pattern": "a mix of layer kinds",
    "block_configs": "a mix of layer shapes",
    "global_head_dim": "a mix of layer shapes",
    "num_kv_shared_layers": "a KV cache shared by layers",
}
_STATE_SPACE = (
    "mamba", "jamba", "rwkv", "zamba", "bamba", "recurrent_gemma", "nemotron_h", "lfm2", "xlstm", "retnet",
)  # fmt: skip

# What the configuration classes of transformers 4.57 assume where the file is silent.
FAMILY_DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 256, "tie_word_embeddings": True},
    "gemma2": {
        "head_dim": 256,
        "tie_word_embeddings": True,
        "vocab_size": 256000,
        "max_position_embeddings": 8192,
        "sliding_window": 4096,
        "sliding_window_pattern": 2,
    },
    "gemma3_text": {
        "head_dim": 256,
        "tie_word_embeddings": True,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
    },
    "gpt_oss": {"attention_bias": True, "sliding_window_pattern": 2},
    "cohere": {"tie_word_embeddings": True},
    "cohere2": {"tie_word_embeddings": True, "sliding_window_pattern": 4},
    **{
        name: {"hidden_act": "silu"} for name in ("llama", "mistral", "mixtral", "deepseek_v2", "deepseek_v3")
    },
    "qwen2": {"attention_bias": True, "use_sliding_window": False, "hidden_act": "silu"},
    "qwen2_moe": {"attention_bias": True, "use_sliding_window": False, "hidden_act": "silu"},
    "qwen3": {"use_sliding_window": False, "hidden_act": "silu"},
    "qwen3_moe": {"use_sliding_window": False, "hidden_act": "silu"},
}


@dataclass(frozen=True)
class Keys:
    """The keys of the language model, and the file they are in, for messages. Null is as good as absent."""

    values: Mapping[str, Any]
    where: str

    @property
    def model_type(self) -> str:
        return str(self.get("model_type"))

    def get(self, *names: str) -> Any:
        """The first of the keys that is there and not null."""
        return self.values.get(self.named(*names))

    def named(self, *names: str) -> str:
        """Which of the keys is there and not null, the first of them where none is."""
        return next((name for name in names if self.values.get(name) is not None), names[0])

    def whole(self, *names: str, default: int | None = None, least: int = 1, most: int = LARGEST) -> int:
        """A whole number under the first of the keys that is there. Raises UsageError without any."""
        value = self.get(*names)
        if value is None:
            if default is None:
                raise UsageError(f"{self.where}: {' or '.join(names)} is missing; a decoder has to state it")
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            right = f"a whole number from {least} to {most}"
            raise bad_value(self.where, self.named(*names), value, right)
        return value

    def flag(self, *names: str) -> bool:
        """A yes or no; no where absent."""
        return bool(self.of_type(bool, *names))

    def of_type(self, kind: type[T], *names: str) -> T | None:
        """The value under the first of the keys that is there, which has to be of that type."""
        value = self.get(*names)
        if value is not None and not isinstance(value, kind):
            right = f"a JSON value that reads as {kind.__name__}"
            raise bad_value(self.where, self.named(*names), value, right)
        return value


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UsageError where it cannot be read or is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is not JSON ({error}): give a Hugging Face config.json") from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise UsageError(f"{file}: holds a {kind}, not an object: give a Hugging Face config.json")
    return content


def language_model(outer: Mapping[str, Any], where: str) -> Keys:
    """The keys of the language model (a multimodal model nests it), with its family's defaults filled in."""
    inner = next((outer[name] for name in _NESTED if isinstance(outer.get(name), dict)), None)
    values: Mapping[str, Any] = outer
    if inner is not None and "num_hidden_layers" not in outer:
        shared = {name: outer.get(name) for name in ("tie_word_embeddings", "torch_dtype", "dtype")}
        values = {"model_type": f"{outer.get('model_type')}_text"} | shared | inner
    given = {name: value for name, value in values.items() if value is not None}
    return Keys(FAMILY_DEFAULTS.get(str(given.get("model_type")), {}) | given, where)


def refuse_unsupported(outer: Mapping[str, Any], keys: Keys) -> None:
    """Raise UsageError for an architecture whose weights, cache or work ModelSpec does not describe."""
    where, model_type = keys.where, keys.model_type
    if outer.get("is_encoder_decoder"):
        raise bad_value(where, "is_encoder_decoder", True, "only decoders are supported")
    if any(family in model_type for family in _STATE_SPACE):
        raise bad_value(where, "model_type", model_type, "state-space models are not supported")
    architectures = Keys(outer, where).of_type(list, "architectures")
    if architectures and not any(str(name).endswith(_GENERATORS) for name in architectures):
        raise bad_value(where, "architectures", architectures, "only text generation (…ForCausalLM)")
    unlike = next((key for key in _UNSUPPORTED_KEYS if keys.get(key)), None)
    if unlike:
        what = _UNSUPPORTED_KEYS[unlike]
        raise UsageError(f"{where}: {unlike} is set: {what} (model_type {model_type!r}) is not supported")
    if any(kind != 1 for kind in keys.of_type(list, "attn_type_list") or ()):
        raise UsageError(f"{where}: attn_type_list is not 1 throughout: linear attention is not supported")
    if keys.get(*EXPERT_KEYS) is None:
        _refuse_unknown_experts(keys)


def _refuse_unknown_experts(keys: Keys) -> None:
    """A mixture of experts that states their number under a key of its own would read as a dense model."""
    for key, value in keys.values.items():
        counts = re.fullmatch(r"(\w+_)?(num|n)_(\w+_)?experts", key) and "shared" not in key
        if counts and isinstance(value, int) and value > 1:
            right = f"the number of experts is known as {', '.join(EXPERT_KEYS)}"
            raise bad_value(keys.where, key, value, right)
