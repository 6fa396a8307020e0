"""Whether the fields of a model fit together, wherever they were read from."""

from __future__ import annotations

from optimiser.errors import bad_value, did_you_mean
from optimiser.performance.parameters import WEIGHT_PRECISIONS
from optimiser.performance.specs import ModelSpec

QUANTISED_PARTS = ("linear", "feed_forward", "experts")
# What a precision may be multiplied in besides its own format: fp8 activations, or the GPU's 16-bit format.
COMPUTED_IN = {"fp4": ("fp8",), "fp8": ("bf16",), "int8": ("bf16",)}
_SIZES = ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary", "max_context")
_MOE_SIZES = ("experts", "active", "intermediate")
_MLA_SIZES = ("kv_rank", "rope_head_dim", "nope_head_dim", "value_head_dim")


def check_model(model: ModelSpec, where: str) -> None:
    """Raise UsageError, opening with `where`, for sizes and precisions that no model can have."""
    for prefix, spec, sizes in (
        ("", model, _SIZES), ("moe.", model.moe, _MOE_SIZES), ("mla.", model.mla, _MLA_SIZES)
    ):  # fmt: skip
        for field in sizes if spec else ():
            if getattr(spec, field) < 1:
                raise bad_value(where, f"{prefix}{field}", getattr(spec, field), "at least 1")
    heads, layers, moe = model.heads, model.layers, model.moe
    windowed = (model.sliding_window is not None) == (model.sliding_layers > 0)
    checks = [
        ("kv_heads", model.kv_heads, heads % model.kv_heads == 0, f"has to divide the {heads} heads"),
        ("sliding_layers", model.sliding_layers, 0 <= model.sliding_layers <= layers, f"0 to {layers}"),
        ("sliding_window", model.sliding_window, windowed, f"sliding_layers is {model.sliding_layers}"),
    ]
    if moe:
        checks += [
            ("moe.active", moe.active, moe.active <= moe.experts, f"1 to the {moe.experts} experts"),
            ("moe.dense_layers", moe.dense_layers, 0 <= moe.dense_layers < layers, f"below {layers} layers"),
        ]
    for field, value, holds, right in checks:
        if not holds:
            raise bad_value(where, field, value, right)
    _check_precisions(model, where)


def _check_precisions(model: ModelSpec, where: str) -> None:
    named = [("default_precision", model.default_precision)]
    for field in ("published", "quantised_parts", "bytes_per_weight", "computed_in"):
        named += [(field, precision) for precision in getattr(model, field)]
    for field, precision in named:
        if precision not in WEIGHT_PRECISIONS:
            near = did_you_mean(precision, WEIGHT_PRECISIONS)
            raise bad_value(where, field, precision, f"no such precision; {near}")
    for precision, part in model.quantised_parts.items():
        if part not in QUANTISED_PARTS:
            raise bad_value(where, f"quantised_parts.{precision}", part, did_you_mean(part, QUANTISED_PARTS))
    for precision, wide in model.computed_in.items():
        if wide not in COMPUTED_IN.get(precision, ()):
            right = f"one of {', '.join(COMPUTED_IN[precision])}" if precision in COMPUTED_IN else "left out"
            raise bad_value(where, f"computed_in.{precision}", wide, right)
    for precision, size in model.bytes_per_weight.items():
        if size <= 0:
            raise bad_value(where, f"bytes_per_weight.{precision}", size, "must be above 0")
