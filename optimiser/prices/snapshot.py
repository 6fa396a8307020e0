"""Price files on disk: the project's own CSV schema, in a fixed order, written whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.files import write_whole
from optimiser.prices.rows import COLUMNS, NOT_BLANK, format_row, parse_row
from providers.offer import Missing, Offer


def read_rows(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """(header, line of each row, cells of each row) of a CSV file, blank lines skipped, the header stripped.

    Raises UsageError for a file that cannot be read, has no header, names a column twice, or has a row of
    another length than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            numbered = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}") from error
    if not any(header):
        raise UsageError(f"{path}: is empty: the first line must name the columns")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise bad_value(f"{path} line 1", "column", twice[0], "is named twice")
    for line, cells in numbered:
        if len(cells) != len(header):
            found = f"{len(cells)} cells where the header names {len(header)} columns"
            raise UsageError(f"{path} line {line}: {found}")
    return header, [line for line, _ in numbered], [cells for _, cells in numbered]


def read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV file, every cell stripped. Raises UsageError as read_rows does."""
    header, lines, rows = read_rows(path)
    for line, cells in zip(lines, rows, strict=True):
        yield line, dict(zip(header, map(str.strip, cells), strict=True))


def check_header(header: Iterable[str], path: Path) -> None:
    """UsageError for a column that is not of the project's schema, or one that is needed and not there."""
    names = list(header)
    for name in names:
        if name not in COLUMNS:
            raise bad_value(f"{path} line 1", "column", name, did_you_mean(name, COLUMNS))
    absent = [name for name in NOT_BLANK if name not in names]
    if absent:
        needed = f"no price file without {', '.join(absent)} in its header"
        raise UsageError(f"{path}: is {needed}: bring it in by `optimiser prices import`")


def read_offers_csv(path: Path, as_of: date | None = None) -> tuple[list[Offer], list[Missing]]:
    """Every offer and Missing of a file in the project's schema. Raises UsageError at the first bad row."""
    header, lines, rows = read_rows(path)
    check_header(header, path)
    prices: dict[str, Offer | Missing] = {}
    for line, cells in zip(lines, rows, strict=True):
        row = dict(zip(header, map(str.strip, cells), strict=True))
        price = parse_row(row, f"{path} line {line}", as_of)
        key = price.offer_id if isinstance(price, Offer) else f"missing/{price.place}"
        if prices.setdefault(key, price) is not price:
            raise bad_value(f"{path} line {line}", "key", key, "was given on an earlier line already")
    offers = [price for price in prices.values() if isinstance(price, Offer)]
    return offers, [price for price in prices.values() if isinstance(price, Missing)]


def write_offers_csv(path: Path, offers: Iterable[Offer], missing: Iterable[Missing]) -> None:
    """Write a price file in the project's schema, atomically; equal prices make an equal file."""
    rows = [*map(format_row, offers), *map(format_row, missing)]
    rows.sort(key=_order)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.getvalue())


def _order(row: dict[str, str]) -> tuple[str | int, ...]:
    """Sort key: place and type, then tier, then terms (as numbers), prices before Missing."""
    place = (row["provider"], row["region"], row["instance_type"], row["tier"], row["zone"], row["market"])
    terms = (row["kind"], int(row["term_months"] or 0), row["payment"], row["contract"])
    return (*place, *terms, row["missing_reason"])
