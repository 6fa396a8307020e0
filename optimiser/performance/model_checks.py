"""Whether the fields of a model fit together, wherever they were read from."""

from __future__ import annotations

from optimiser.errors import bad_value
from optimiser.performance.parameters import WEIGHT_PRECISIONS
from optimiser.performance.specs import ModelSpec

_SIZES = ("layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary", "max_context")


def check_model(model: ModelSpec, where: str) -> None:
    """Raise UsageError, opening with `where`, for sizes that no model can have."""
    for field in _SIZES:
        if getattr(model, field) < 1:
            raise bad_value(where, field, getattr(model, field), "at least 1")
    heads, layers, moe = model.heads, model.layers, model.moe
    windowed = (model.sliding_window is not None) == (model.sliding_layers > 0)
    checks = [
        ("kv_heads", model.kv_heads, heads % model.kv_heads == 0, f"has to divide the {heads} heads"),
        ("sliding_layers", model.sliding_layers, 0 <= model.sliding_layers <= layers, f"0 to {layers}"),
        ("sliding_window", model.sliding_window, windowed, f"sliding_layers is {model.sliding_layers}"),
        ("default_precision", model.default_precision, model.default_precision in WEIGHT_PRECISIONS,
         f"one of {', '.join(WEIGHT_PRECISIONS)}"),
    ]  # fmt: skip
    if moe:
        checks += [
            ("moe.active", moe.active, 0 < moe.active <= moe.experts, f"1 to the {moe.experts} experts"),
            ("moe.dense_layers", moe.dense_layers, 0 <= moe.dense_layers < layers, f"below {layers} layers"),
        ]
    for field, value, holds, right in checks:
        if not holds:
            raise bad_value(where, field, value, right)
