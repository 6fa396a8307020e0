"""The JSON Schema of a Plan and the reader that takes one back, both derived from its dataclasses."""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar, cast

from optimiser.errors import UsageError, bad_value
from optimiser.planning.plan import SCHEMA_VERSION, Plan

T = TypeVar("T")

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAJOR = SCHEMA_VERSION.split(".")[0]
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        "description": "an exact decimal, in USD",
    },
    datetime: {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"},
    date: {"type": "string", "format": "date", "pattern": r"^\d{4}-\d\d-\d\d$"},
}


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a rendered Plan."""
    return schema_of(Plan, "Plan", SCHEMA_VERSION)


def schema_of(cls: type, title: str, version: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a rendered answer with a schema_version.

    Fields that are not named are allowed: additions keep the major, and readers pass over what they do not
    know. schema_version must be of this major.
    """
    definitions: dict[str, Any] = {}
    root, major = _object(cls, definitions), version.split(".")[0]
    root["properties"]["schema_version"] = {"type": "string", "pattern": rf"^{major}\.[0-9]+$"}
    return {"$schema": DIALECT, "title": f"{title}, schema {version}", **root, "$defs": definitions}


def plan_from_json(text: str, where: str = "plan") -> Plan:
    """The Plan of a JSON text; unknown fields are passed over.

    Raises UsageError, naming `where`, field and value, for what is no JSON, of another major version, or
    lacks a field or holds a wrong type.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{where}: is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("schema_version"), str):
        raise UsageError(f"{where}: is no plan: it has no schema_version such as {SCHEMA_VERSION!r}")
    if content["schema_version"].split(".")[0] != MAJOR:
        right = (
            f"this version reads plans of major {MAJOR}: make the plan again, or use the version that made it"
        )
        raise bad_value(where, "schema_version", content["schema_version"], right)
    return _dataclass(Plan, content, where, "")


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a dataclass as JSON writes it: every field is always there."""
    hints = _hints(cls)
    return {
        "type": "object",
        "description": inspect.getdoc(cls) or "",
        "properties": {name: _schema(hint, definitions) for name, hint in hints.items()},
        "required": list(hints),
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _SCALARS:
        return dict(_SCALARS[hint])
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if isinstance(hint, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
        return {"anyOf": [*(_schema(part, definitions) for part in parts), {"type": "null"}]}
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _schema(typing.get_args(hint)[0], definitions)}
    if typing.get_origin(hint) is dict:
        return {"type": "object"}
    raise TypeError(f"a plan cannot hold {hint}")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dataclass(cls: type[T], content: Any, where: str, path: str) -> T:
    if not isinstance(content, dict):
        raise bad_value(where, path, content, "must be an object")
    prefix = f"{path}." if path else ""
    values = {}
    later = {part.name for part in dataclasses.fields(cast("Any", cls)) if _has_default(part)}
    for name, hint in _hints(cast("Any", cls)).items():
        if name not in content and name in later:
            continue
        if name not in content:
            raise UsageError(f"{where}: {prefix}{name} is missing")
        values[name] = _value(hint, content[name], where, f"{prefix}{name}")
    return cls(**values)


def _has_default(part: dataclasses.Field[Any]) -> bool:
    """Whether a plan written before the field existed can be read: additions within a major have a default."""
    return part.default is not dataclasses.MISSING or part.default_factory is not dataclasses.MISSING


def _value(hint: Any, value: Any, where: str, path: str) -> Any:
    if hint in _SCALARS:
        return _scalar(hint, value, where, path)
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        inner = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        return _value(inner, value, where, path)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise bad_value(where, path, value, "must be a list")
        item = typing.get_args(hint)[0]
        return tuple(_value(item, one, where, f"{path}[{index}]") for index, one in enumerate(value))
    if typing.get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise bad_value(where, path, value, "must be an object")
        return value
    return _dataclass(hint, value, where, path)


def _scalar(hint: Any, value: Any, where: str, path: str) -> Any:
    try:
        if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if hint is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if hint in (str, bool) and isinstance(value, hint):
            return value
        if hint is Decimal and isinstance(value, str) and Decimal(value).is_finite():
            return Decimal(value)
        if hint in (date, datetime) and isinstance(value, str):
            return hint.fromisoformat(value)
    except (ValueError, InvalidOperation):
        pass
    raise bad_value(where, path, value, f"must be {_SCALARS[hint].get('description') or _WORDS[hint]}")


_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    datetime: "a time such as 2026-01-05T00:00:00Z",
    date: "a date such as 2026-01-05",
}
