"""Raw answers, checked as far as their outer shape, and what is made of one that cannot be read."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import PurePath
from typing import Any

from providers.aws import faults
from providers.errors import UnexpectedPayload

Raw = dict[str, Any]
# What Python raises where a value is not of the type, or an object not of the fields, that a reader counts on.
ODD = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, IndexError)


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


def usd(text: Any, where: str) -> Decimal:
    """An amount of USD, 0 or more; where says whose. Raises UnexpectedPayload."""
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        raise UnexpectedPayload(f"aws: {where}: {text!r} is no amount of USD") from None
    if not amount.is_finite() or amount < 0:
        raise UnexpectedPayload(f"aws: {where}: {text!r} is no amount of USD")
    return amount


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn what an odd row makes its reader raise into UnexpectedPayload, which says what was being read."""
    try:
        yield
    except ODD as error:
        raise unreadable(what, error) from None


def unreadable(what: str, error: Exception) -> UnexpectedPayload:
    """A payload at which a reader broke, with the place in the code, since the error's own text quotes it."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {PurePath(at.filename).name}, line {at.lineno}"
    return UnexpectedPayload(f"aws: {what}: not of the shape known ({place})")
