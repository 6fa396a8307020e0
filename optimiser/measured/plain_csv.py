"""Benchmarks of one's own as a CSV file: a row for each run, columns named as the fields of Reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from optimiser.errors import bad_value, did_you_mean
from optimiser.measured.cells import cell_value, kinds_of
from optimiser.measured.reading import Reading
from optimiser.prices.snapshot import read_table

FORMAT = "csv"
COLUMNS = tuple(
    field.name for field in fields(Reading) if field.name not in ("format", "dtype", "batch_limit", "remarks")
)
NEEDED = ("prompt_tokens", "output_tokens", "requests_per_second")
_KINDS = kinds_of(Reading)


def read_csv(path: Path) -> Iterator[Reading]:
    """Every row, in order. Raises UsageError for an unknown or missing column and for a bad cell."""
    for line, cells in read_table(path):
        for name in cells:
            if name not in COLUMNS:
                raise bad_value(
                    f"{path} line 1", "column", name, f"is not known; {did_you_mean(name, COLUMNS)}"
                )
        for name in NEEDED:
            if not cells.get(name):
                raise bad_value(f"{path} line {line}", name, "", "must be filled")
        told = {name: cell for name, cell in cells.items() if cell and not (name == "failed" and cell == "0")}
        values: dict[str, Any] = {
            name: cell_value(cell, *_KINDS[name], f"{path} line {line}", name) for name, cell in told.items()
        }
        yield Reading(format=FORMAT, **values)
