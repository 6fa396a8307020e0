"""Price files as one typed table: the cells that rows.py reads, each distinct one once, checked by column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimiser.errors import UsageError
from optimiser.prices.rows import COLUMNS, MOST_USD, PAYMENTS, read_cell
from optimiser.prices.snapshot import check_header, read_offers_csv, read_rows
from providers.offer import HOURS_PER_YEAR, Tier, offer_key, place_key

_DTYPES = {
    "usd_per_hour": "float64",
    "upfront_usd": "float64",
    "term_months": "int64",
    "max_instances": "float64",
    "valid_until": "datetime64[s]",
    "observed_on": "datetime64[s]",
    "observed_on_is_lower_bound": "bool",
}
_PLACE = ("provider", "region", "region_kind", "zone", "instance_type", "tier")
_TERMS = ("market", "kind", "term_months", "payment", "contract")

Columns = dict[str, np.ndarray[Any, Any]]


def read_price_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Price files, lowest layer first, as one typed table of offers and Missing (is_offer tells them apart).

    Columns are those of the schema, money as float64 beside its exact text (usd_per_hour_text,
    upfront_usd_text), plus amortised_usd_per_hour, key (what a Missing speaks of), offer_id, file, line and
    layer. Raises UsageError, naming file, line, field and value, for a row that breaks the schema.
    """
    try:
        columns = _read(paths)
    except UsageError:
        # Distinct cells know no line: the first fault is found again row by row, which names it.
        for path in paths:
            read_offers_csv(path)
        raise
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})


def _read(paths: Sequence[Path]) -> Columns:
    tables = [_text_of(path) for path in paths]
    columns: Columns = {}
    for name in COLUMNS:
        cells = np.concatenate([table[name] for table in tables])
        codes, distinct = pd.factorize(cells)
        stripped = list(map(str.strip, distinct))
        values = [read_cell(name, cell, "") for cell in stripped]
        columns[name] = np.array(values, dtype=_DTYPES.get(name, "object"))[codes]
        if name in MOST_USD:
            columns[f"{name}_text"] = np.array(stripped, dtype=object)[codes]
    layers = np.repeat(np.arange(len(paths)), [len(table["line"]) for table in tables])
    columns["file"] = np.array(list(map(str, paths)), dtype=object)[layers]
    columns["line"] = np.concatenate([table["line"] for table in tables])
    columns["layer"] = layers
    columns["is_offer"] = ~np.isnan(columns["usd_per_hour"])
    if not _fit_together(columns).all():
        raise UsageError("a row of the price files breaks the schema")
    columns["payment"] = _paid(columns)
    hours = np.where(columns["term_months"] > 0, columns["term_months"], 12) * (HOURS_PER_YEAR / 12)
    columns["amortised_usd_per_hour"] = columns["usd_per_hour"] + columns["upfront_usd"] / hours
    columns["key"], columns["offer_id"] = _keys(columns)
    names = np.where(columns["is_offer"], columns["offer_id"], columns["key"])
    if len(set(zip(layers.tolist(), columns["is_offer"].tolist(), names, strict=True))) < len(names):
        raise UsageError("two rows of a price file have the same key")
    return columns


def with_keys(table: pd.DataFrame) -> pd.DataFrame:
    """A table of prices with its key (what a Missing speaks of) and offer_id columns."""
    key, offer_id = _keys({name: table[name].to_numpy() for name in (*_PLACE, *_TERMS)})
    return table.assign(key=key, offer_id=offer_id)


def _keys(columns: Columns) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    places = list(map(place_key, *(columns[name].tolist() for name in _PLACE)))
    offers = map(offer_key, places, *(columns[name].tolist() for name in _TERMS))
    return _objects(places), _objects(offers)


def _text_of(path: Path) -> Columns:
    """The cells of a file by column, and the line of each row."""
    header, lines, cells = _quickly(path) or _row_by_row(path)
    check_header(header, path)
    found = dict(zip(header, cells, strict=True))
    blank = np.full(len(lines), "", dtype=object)
    return {name: found.get(name, blank) for name in COLUMNS} | {"line": lines}


Cells = tuple[list[str], np.ndarray[Any, Any], list[np.ndarray[Any, Any]]]


def _row_by_row(path: Path) -> Cells:
    header, lines, rows = read_rows(path)
    cells = np.array(rows, dtype=object).reshape(len(rows), len(header))
    return header, np.array(lines, dtype=int), list(cells.T)


def _quickly(path: Path) -> Cells | None:
    """What read_rows reads, in half the time; None for a file that is not one regular row a line."""
    try:
        # pandas forgives bad quoting, which the csv module refuses here.
        content = path.read_bytes()
        quoted = [line for line in content.decode().split("\n") if '"' in line]
        if b"\r" in content or b"\0" in content or not all(csv.reader(quoted, strict=True)):
            return None
        options: Any = {"header": None, "keep_default_na": False, "skip_blank_lines": False}
        table = pd.read_csv(io.BytesIO(content), dtype=object, encoding="utf-8-sig", **options)
    except (OSError, ValueError, csv.Error):
        return None
    columns = [table[place].to_numpy() for place in table]
    header = [str(column[0]).strip() for column in columns]
    last_line = content.count(b"\n") + (not content.endswith(b"\n"))
    short = pd.isna(columns[-1]).any()
    if short or len(table) != last_line or "" in columns[0] or len(set(header)) < len(header):
        return None
    return header, np.arange(2, last_line + 1), [column[1:] for column in columns]


def _objects(values: Iterable[str]) -> np.ndarray[Any, Any]:
    return np.array(list(values), dtype=object)


def _fit_together(columns: Columns) -> np.ndarray[Any, Any]:
    """Which rows say nothing contradictory, by the rules of rows.parse_row."""
    hourly, upfront, term = (columns[name] for name in ("usd_per_hour", "upfront_usd", "term_months"))
    is_offer, payment, kind = columns["is_offer"], columns["payment"], columns["kind"]
    reserved = columns["tier"] == Tier.RESERVED.value
    fits = is_offer == (columns["missing_reason"] == "")
    fits &= (columns["zone"] == "") | (columns["tier"] == Tier.SPOT.value)
    priced = (reserved == (term > 0)) & (reserved == (kind != "")) & (reserved | (upfront == 0))
    priced &= ((payment == "") | (payment == _paid(columns))) & (hourly + upfront > 0)
    fits &= priced | ~is_offer
    return np.asarray(fits)


def _paid(columns: Columns) -> np.ndarray[Any, Any]:
    """How each row is paid, by its amounts; "" outside commitments."""
    no_upfront, partial_upfront, all_upfront = PAYMENTS
    by_hour = np.where(columns["upfront_usd"] > 0, partial_upfront, no_upfront).astype(object)
    paid = np.where(columns["usd_per_hour"] > 0, by_hour, all_upfront)
    reserved = (columns["tier"] == Tier.RESERVED.value) & columns["is_offer"]
    return np.where(reserved, paid, "").astype(object)
