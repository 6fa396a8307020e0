"""Small CSV files with `#` comments: demand profiles and length quantiles."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from optimiser.errors import UsageError, bad_value


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A small CSV file: name, `# key: value` comments, header, and rows with their line numbers."""

    where: str
    comments: dict[str, str]
    header: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_csv(path: Path) -> CsvTable:
    """Read a small CSV file with `#` comments; UsageError where it is missing, empty or ragged."""
    where = str(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{where}: not a text file: a CSV file (UTF-8) is expected") from None
    except OSError as error:
        right = "it is named relative to the workload file"
        raise UsageError(f"{where}: cannot be read ({error.strerror}): {right}") from None
    comments = [line.lstrip("# ").partition(":") for line in lines if line.startswith("#")]
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if len(numbered) < 2:
        raise UsageError(f"{where}: no rows: a header line and at least one row are expected")
    cells = [[cell.strip() for cell in row] for row in csv.reader(line for _, line in numbered)]
    header = tuple(cells[0])
    rows = []
    for (line_number, _), row in zip(numbered[1:], cells[1:], strict=True):
        if len(row) != len(header):
            right = f"{len(header)} values as in the header ({', '.join(header)})"
            raise bad_value(f"{where}: line {line_number}", "row", ",".join(row), right)
        rows.append((line_number, dict(zip(header, row, strict=True))))
    return CsvTable(
        where=where,
        comments={key.strip(): value.strip() for key, colon, value in comments if colon},
        header=header,
        rows=tuple(rows),
    )


def number(where: str, field: str, text: str, right: str, *, least: float = 0.0) -> float:
    """A finite number of at least `least`; UsageError says `right` otherwise."""
    try:
        value = float(text)
    except ValueError:
        raise bad_value(where, field, text, right) from None
    if not math.isfinite(value) or value < least:
        raise bad_value(where, field, text, right)
    return value
