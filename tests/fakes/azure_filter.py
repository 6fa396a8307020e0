"""The part of OData's $filter that Azure's Retail Prices API is asked in, applied to rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Row = Mapping[str, Any]
Clause = Callable[[Row], bool]
_CLAUSE = re.compile(
    r"\s*(?:(\w+) eq '((?:[^']|'')*)'|(contains|startswith)\((\w+),\s*'((?:[^']|'')*)'\))\s*"
)
_JOIN = re.compile(r"\s*(and|$)\s*")
_FIELDS = {"priceType": "type"}


@cache
def read_filter(text: str) -> tuple[Clause, ...]:
    """The conditions of a $filter, all of which a row must pass. Raises ValueError for what is not known."""
    clauses, at = [], 0
    while at < len(text):
        found = _CLAUSE.match(text, at)
        join = _JOIN.match(text, found.end()) if found else None
        if not found or not join:
            raise ValueError(f"Invalid OData parameters supplied at {at}")
        equal, value, function, name, part = found.groups()
        clauses.append(_clause(equal or name, (value or part or "").replace("''", "'"), function))
        at = join.end()
    return tuple(clauses)


def _clause(name: str, value: str, function: str | None) -> Clause:
    name = _FIELDS.get(name, name)
    if function == "contains":
        return lambda row: value in row.get(name, "")
    if function == "startswith":
        return lambda row: row.get(name, "").startswith(value)
    return lambda row: row.get(name) == value
