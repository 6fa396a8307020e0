"""Mappings read from YAML to frozen dataclasses: one parser for GPUs, models, shapes and settings alike."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.files import read_yaml

T = TypeVar("T")


def mapping_of(value: object, where: str, field: str) -> dict[str, Any]:
    """value itself where it is a mapping with text keys ({} for an empty section), else UsageError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_value(where, field, value, "must be a mapping")
    for key in value:
        if not isinstance(key, str):
            raise bad_value(where, field, key, f'names are text: write "{key}" in quotes')
    return value


def only_known(section: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    """UsageError at the first key of section that is not known."""
    for key in section:
        if key not in known:
            raise UsageError(f"{where}: unknown field {key!r}: {did_you_mean(key, known)}")


def content_of(path: Path) -> dict[str, Any]:
    """The top level of a YAML file, {} where a layer does not have the file."""
    return mapping_of(read_yaml(path), str(path), "the file") if path.is_file() else {}


def sections_of(path: Path, known: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The named top-level mappings of a YAML file."""
    return mappings_of(content_of(path), known, path)


def mappings_of(content: dict[str, Any], known: tuple[str, ...], path: Path) -> dict[str, dict[str, Any]]:
    """The content's sections, all of which are known and hold mappings. Raises UsageError."""
    only_known(content, known, str(path))
    return {name: mapping_of(section, str(path), name) for name, section in content.items()}


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@cache
def _required(cls: type) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )


def parse_entry(cls: type[T], entry: object, where: str, **given: object) -> T:
    """A dataclass of type cls from one YAML mapping; `given` fills the fields that the mapping may not hold.

    Raises UsageError for an unknown, missing or wrongly typed field; numbers are finite and not negative.
    """
    section = mapping_of(entry, where, "the entry")
    dataclass: Any = cls
    hints = _hints(dataclass)
    only_known(section, tuple(name for name in hints if name not in given), where)
    values = {name: _convert(value, hints[name], where, name) for name, value in section.items()}
    missing = [name for name in _required(dataclass) if name not in values and name not in given]
    if missing:
        raise UsageError(f"{where}: missing field{'s' * (len(missing) > 1)} {', '.join(missing)}")
    return cls(**values, **given)


def _convert(value: object, hint: Any, where: str, field: str) -> Any:
    if hint in _PLAIN:
        return _PLAIN[hint](value, where, field)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        if value is None:
            return None
        inner = next(part for part in typing.get_args(hint) if part is not type(None))
        return _convert(value, inner, where, field)
    if typing.get_origin(hint) is dict:
        item = typing.get_args(hint)[1]
        pairs = mapping_of(value, where, field).items()
        return {key: _convert(one, item, where, f"{field}.{key}") for key, one in pairs}
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise bad_value(where, field, value, "must be a list, such as [Volta, Turing]")
        return tuple(_convert(one, typing.get_args(hint)[0], where, field) for one in value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        names = tuple(member.value for member in hint)
        if value not in names:
            raise bad_value(where, field, value, did_you_mean(str(value), names))
        return hint(value)
    return parse_entry(hint, value, f"{where}, {field}")


def _text(value: object, where: str, field: str) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise bad_value(where, field, value, "must be text")
    return value


def _flag(value: object, where: str, field: str) -> bool:
    if not isinstance(value, bool):
        raise bad_value(where, field, value, "must be true or false")
    return value


def _number(value: object, where: str, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        exponent = isinstance(value, str) and "e" in value
        hint = " (YAML reads an exponent only with a dot and a sign: 1.0e-4)" if exponent else ""
        raise bad_value(where, field, value, f"must be a number{hint}")
    if not math.isfinite(value) or value < 0:
        raise bad_value(where, field, value, "must be finite and not negative")
    return float(value)


def _whole(value: object, where: str, field: str) -> int:
    number = _number(value, where, field)
    if number != int(number):
        raise bad_value(where, field, value, "must be a whole number")
    return int(number)


_PLAIN: dict[Any, Any] = {str: _text, bool: _flag, float: _number, int: _whole}
