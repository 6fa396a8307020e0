"""Lists of flat records (estimates, prices), and answers with such a list in them, as JSON or CSV; their tables are
documents like any other."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from optimiser.errors import bad_value, did_you_mean
from optimiser.planning.plan import to_jsonable
from optimiser.report.document import Document
from optimiser.report.text_layout import text_of

LIST_FORMATS = ("table", "json", "csv")


def check_list_format(name: str) -> None:
    """Raises UsageError for a format that is none of LIST_FORMATS."""
    if name not in LIST_FORMATS:
        raise bad_value("--format", "format", name, did_you_mean(name, LIST_FORMATS))


def render_records(
    format_name: str,
    records: Sequence[Any],
    document: Callable[[], Document],
    *,
    whole: object = None,
    colour: bool = False,
) -> str:
    """The records (dataclasses of one class) in one of LIST_FORMATS; `document` makes the table, and JSON is of the
    `whole` answer where there is more to it than the records.

    Raises UsageError for another format.
    """
    check_list_format(format_name)
    if format_name == "table":
        return text_of(document(), colour=colour)
    if format_name == "csv":
        return _csv(to_jsonable(list(records)))
    told = to_jsonable(list(records) if whole is None else whole)
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, list):
        return value
    parts = (json.dumps(part, ensure_ascii=False) if isinstance(part, dict) else str(part) for part in value)
    return "; ".join(parts)
