"""In which precision a Hugging Face checkpoint holds its weights, from its quantization_config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimiser.errors import bad_value
from optimiser.performance.parameters import BYTES_PER_WEIGHT

_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "bf16", "float8_e4m3fn": "fp8"}
_WHOLE_METHODS = {"fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp4": "fp4"}
_BITS_METHODS = ("gptq", "awq", "auto-round", "intel/auto-round")
_MODELOPT = {"FP8": "fp8", "FP8_PB_WO": "fp8", "NVFP4": "fp4", "W4A16_AWQ": "int4", "W4A8_AWQ": "int4"}
_COMPRESSED = {"8-bit float": "fp8", "8-bit int": "int8", "4-bit int": "int4", "4-bit float": "fp4"}
_METHODS = "fp8, fbgemm_fp8, mxfp4, gptq, awq, auto-round, bitsandbytes, compressed-tensors or modelopt"


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """A checkpoint's weight precision, what its quantised weights take in bytes each, and which they are.

    scale_block is how many weights in a row share a scale in 8 bit, None where a tensor or channel does;
    computed_in is the format that weights are multiplied in where activations are wider than they are.
    keeps_attention and keeps_shared_experts say that those weights stay in 16 bit.
    """

    precision: str
    bytes_per_weight: float
    scale_block: int | None = None
    computed_in: str | None = None
    keeps_attention: bool = False
    keeps_shared_experts: bool = False


def read_quantisation(
    settings: Mapping[str, Any] | None, dtype: str | None, layers: int, where: str
) -> Quantisation:
    """The precision that a quantization_config (or hf_quant_config.json) states, else that of the dtype.

    `layers` is the model's number of layers; `where` names the file in messages. float32 checkpoints are
    served in bf16, as engines do. Raises UsageError for a method or width that is not known.
    """
    if not settings:
        if dtype is not None and dtype not in _DTYPES:
            raise bad_value(where, "torch_dtype", dtype, f"one of {', '.join(_DTYPES)}")
        precision = _DTYPES[dtype or "bfloat16"]
        return Quantisation(precision=precision, bytes_per_weight=BYTES_PER_WEIGHT[precision])
    precision, scale_bytes = _precision(settings, where)
    kept = _kept_modules(settings)
    return Quantisation(
        precision=precision,
        bytes_per_weight=BYTES_PER_WEIGHT[precision] if scale_bytes is None else 0.5 + scale_bytes,
        scale_block=_block_size(settings, where) if precision in ("fp8", "int8") else None,
        computed_in=_computed_in(settings, precision),
        keeps_attention=_covers_layers(kept, "attn", layers),
        keeps_shared_experts=_covers_layers(kept, "shared_expert", layers),
    )


def _precision(settings: Mapping[str, Any], where: str) -> tuple[str, float | None]:
    """The precision and, for 4 bit of a stated group size, the bytes of scale per weight."""
    method = str(settings.get("quant_method") or ("modelopt" if "quant_algo" in settings else "")).lower()
    if method in _WHOLE_METHODS:
        return _WHOLE_METHODS[method], None
    if method in _BITS_METHODS:
        bits = settings.get("bits", settings.get("w_bit"))
        return _from_bits(bits, _group_size(settings), where)
    if method == "bitsandbytes":
        return ("int4" if settings.get("load_in_4bit") or settings.get("_load_in_4bit") else "int8"), None
    if method == "compressed-tensors":
        return _from_groups(settings, where)
    if method == "modelopt":
        algorithm = str(settings.get("quant_algo"))
        if algorithm not in _MODELOPT:
            raise bad_value(where, "quant_algo", algorithm, f"one of {', '.join(_MODELOPT)}")
        precision = _MODELOPT[algorithm]
        group = _group_size(settings) or (16 if algorithm == "NVFP4" else 128)
        return precision, {"fp4": 1 / group, "int4": 2 / group}.get(precision)
    raise bad_value(where, "quant_method", settings.get("quant_method"), f"one of {_METHODS}")


def _computed_in(settings: Mapping[str, Any], precision: str) -> str | None:
    """fp8 for MXFP4; 16 bit for 8 bits where activations are not quantised too (GPTQ, and compressed-tensors without
    input_activations: W8A16). bitsandbytes multiplies 8-bit integers with 8-bit activations (arXiv 2208.07339), and
    other checkpoints in fp8 have activations quantised as they come.
    """
    method = str(settings.get("quant_method")).lower()
    if method == "mxfp4":
        return "fp8"
    groups = settings.get("config_groups")
    stated = list(groups.values()) if isinstance(groups, dict) else []
    both = any(isinstance(group, dict) and group.get("input_activations") for group in stated)
    alone = {"int8": method != "bitsandbytes", "fp8": method == "compressed-tensors"}
    return "bf16" if alone.get(precision) and not both else None


def _group_size(settings: Mapping[str, Any]) -> int | None:
    """Weights per scale; None where none is stated or it is -1, one scale per channel."""
    size = settings.get("group_size", settings.get("q_group_size"))
    return size if isinstance(size, int) and size > 0 else None


def _block_size(settings: Mapping[str, Any], where: str) -> int | None:
    """Weights in a row per scale (DeepSeek's weight_block_size, compressed-tensors' block_structure)."""
    groups = settings.get("config_groups")
    stated = [
        group.get("weights")
        for group in (groups.values() if isinstance(groups, dict) else ())
        if isinstance(group, dict)
    ]
    sizes = [("weight_block_size", settings.get("weight_block_size"))]
    sizes += [("block_structure", w.get("block_structure")) for w in stated if isinstance(w, dict)]
    blocks = [(key, size) for key, size in sizes if isinstance(size, list) and size]
    for key, size in blocks:
        if any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in size):
            right = "whole numbers of weights, each at least 1"
            raise bad_value(where, f"quantization_config.{key}", size, right)
    return blocks[0][1][-1] if blocks else None


def _from_bits(bits: object, group_size: int | None, where: str) -> tuple[str, float | None]:
    if bits not in (4, 8):
        raise bad_value(where, "quantization_config.bits", bits, "4 or 8")
    if bits == 8:
        return "int8", None
    # Each group has an fp16 scale and a 4-bit zero point; scales per channel weigh next to nothing.
    return "int4", 2.5 / group_size if group_size else 0.0


def _from_groups(settings: Mapping[str, Any], where: str) -> tuple[str, float | None]:
    """compressed-tensors: every group of layers states its own width; they have to agree."""
    found = set()
    groups = settings.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        weights = weights if isinstance(weights, dict) else {}
        kind = f"{weights.get('num_bits')}-bit {weights.get('type', 'int')}"
        if kind not in _COMPRESSED:
            raise bad_value(where, "quantization_config.weights", kind, f"one of {', '.join(_COMPRESSED)}")
        precision, group_size = _COMPRESSED[kind], _group_size(weights)
        scale = {"int4": 2.0 if weights.get("symmetric", True) else 2.5, "fp4": 1.0}.get(precision)
        found.add((precision, scale / group_size if scale and group_size else None))
    if len(found) != 1:
        raise bad_value(
            where,
            "quantization_config.config_groups",
            sorted({kind for kind, _ in found}),
            "exactly one weight precision; mixed precisions are not supported",
        )
    return found.pop()


def _kept_modules(settings: Mapping[str, Any]) -> list[str]:
    names = ("modules_to_not_convert", "ignore", "exclude_modules")
    listed = [settings.get(name) for name in names]
    return [str(module) for modules in listed if isinstance(modules, list) for module in modules]


def _covers_layers(modules: list[str], part: str, layers: int) -> bool:
    """Whether the list names `part` for all layers by a pattern, or for at least half of them one by one."""
    named = [module for module in modules if part in module]
    if not named:
        return False
    numbers = [re.search(r"layers\.(\d+)", module) for module in named]
    return not all(numbers) or 2 * len({number[1] for number in numbers if number}) >= layers
