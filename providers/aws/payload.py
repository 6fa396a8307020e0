"""Raw answers, checked as far as their outer shape."""

from __future__ import annotations

import json
from typing import Any

from providers.aws import faults

Raw = dict[str, Any]


def listed(page: Raw, key: str, action: str, region: str) -> list[Any]:
    """The rows of a page. Raises UnexpectedPayload where there are none by that name."""
    rows = page.get(key)
    if not isinstance(rows, list):
        raise faults.not_of_the_shape(action, region, f"no {key} in a page of the answer")
    return rows


def json_object(text: str | bytes, action: str, region: str) -> Raw:
    """The JSON object that a text is. Raises UnexpectedPayload."""
    try:
        value = json.loads(text)
    except ValueError:
        raise faults.not_of_the_shape(action, region, "what was sent is not whole JSON") from None
    if not isinstance(value, dict):
        raise faults.not_of_the_shape(action, region, "what was sent is not a JSON object")
    return value
