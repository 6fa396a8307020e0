"""Price files on disk: the project's own CSV schema, in a fixed order, written whole or not at all."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.prices.rows import COLUMNS, base_key, format_row, parse_row
from providers.offer import Missing, Offer


def read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV file with a header, blank lines skipped, every cell stripped.

    Raises UsageError for a file that cannot be read, has no header, names a column twice, or has a row of
    another length than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not any(header):
                raise UsageError(f"{path}: is empty: the first line must name the columns")
            twice = [name for name in header if header.count(name) > 1]
            if twice:
                raise bad_value(f"{path} line 1", "column", twice[0], "is named twice")
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    found = f"{len(cells)} cells where the header names {len(header)} columns"
                    raise UsageError(f"{path} line {reader.line_num}: {found}")
                yield reader.line_num, dict(zip(header, map(str.strip, cells), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}") from error


def read_offers_csv(path: Path, as_of: date | None = None) -> tuple[list[Offer], list[Missing]]:
    """Every offer and Missing of a file in the project's schema. Raises UsageError at the first bad row."""
    prices: dict[str, Offer | Missing] = {}
    for line, row in read_table(path):
        for name in row:
            if name not in COLUMNS:
                raise bad_value(f"{path} line 1", "column", name, did_you_mean(name, COLUMNS))
        price = parse_row(row, f"{path} line {line}", as_of)
        key = price.offer_id if isinstance(price, Offer) else "/".join(("missing", *base_key(price)))
        if prices.setdefault(key, price) is not price:
            raise bad_value(f"{path} line {line}", "key", key, "was given on an earlier line already")
    offers = [price for price in prices.values() if isinstance(price, Offer)]
    return offers, [price for price in prices.values() if isinstance(price, Missing)]


def write_offers_csv(path: Path, offers: Iterable[Offer], missing: Iterable[Missing]) -> None:
    """Write a price file in the project's schema, atomically; equal prices make an equal file."""
    rows = [*map(format_row, offers), *map(format_row, missing)]
    rows.sort(key=_order)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _order(row: dict[str, str]) -> tuple[str | int, ...]:
    """Sort key: place and type, then tier, then terms (as numbers), prices before Missing."""
    place = (row["provider"], row["region"], row["instance_type"], row["tier"], row["zone"], row["market"])
    terms = (row["kind"], int(row["term_months"] or 0), row["payment"], row["contract"])
    return (*place, *terms, row["missing_reason"])
