"""What pydantic found wrong with a field, in the words of every message: "must be at least 0"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RIGHT = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "datetime_from_date_parsing": "must be a time",
    "datetime_parsing": "must be a time",
    "datetime_type": "must be a time",
    "dict_type": "must be a mapping of fields",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a mapping of fields",
    "string_pattern_mismatch": "must be one line without control characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_short": "must have at least one entry",
    "tuple_type": "must be a list",
    "value_error": "must be {error}",
}


def right_of(fault: Mapping[str, Any]) -> str:
    """What would be right instead, of one entry of ValidationError.errors()."""
    words = _RIGHT.get(fault["type"])
    return words.format(**fault.get("ctx", {})) if words else str(fault["msg"])
