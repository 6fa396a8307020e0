"""Cells of CSV files, by the types of a dataclass's fields."""

from __future__ import annotations

import typing
from datetime import date

from optimiser.errors import bad_value
from optimiser.files import day_from
from optimiser.measured.reading import above_zero


def kinds_of(cls: type) -> dict[str, tuple[type, bool]]:
    """Per field of a dataclass its type, and whether it may be None."""
    kinds: dict[str, tuple[type, bool]] = {}
    for name, hint in typing.get_type_hints(cls).items():
        options = typing.get_args(hint)
        kinds[name] = (options[0] if options else hint, bool(options))
    return kinds


def cell_value(cell: str, kind: type, optional: bool, where: str, name: str) -> typing.Any:
    """What a cell says: text, a number above 0, a date, true or false; None where it is empty and may be."""
    if kind is str:
        return cell
    if not cell:
        if optional:
            return None
        raise bad_value(where, name, cell, "must be filled")
    if kind is bool:
        if cell.lower() not in ("true", "false"):
            raise bad_value(where, name, cell, "must be true or false")
        return cell.lower() == "true"
    if kind is date:
        try:
            return day_from(cell)
        except ValueError as error:
            raise bad_value(where, name, cell, str(error)) from None
    value = above_zero(cell, where, name)
    if kind is int and not value.is_integer():
        raise bad_value(where, name, cell, "must be a whole number")
    return int(value) if kind is int else value


def cell_of(value: object) -> str:
    """A value as a cell, numbers as exactly as they are; "" for None."""
    if value is None:
        return ""
    words = str(value).lower() if isinstance(value, bool) else str(value)
    # Half a character, as a file's name or JSON may hold, fits in no file.
    return words.encode(errors="replace").decode()
