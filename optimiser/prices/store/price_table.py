"""Stored rows as one typed table, in an order that the prices alone decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Select
from sqlalchemy.engine import Connection, Row

from optimiser.prices.store.amounts import nano_text
from optimiser.prices.store.content import Key, with_moments
from optimiser.prices.store.covered import Columns, read_covered
from providers.offer import STANDARD

ORDER = (
    "provider",
    "region",
    "tier",
    "instance_type",
    "zone",
    "region_kind",
    "market",
    "kind",
    "term_months",
    "payment",
    "contract",
    "missing_reason",
    "observed_at",
    "snapshot_id",
)
_PARTS = ("provider", "region", "region_kind", "zone", "instance_type", "tier", "market", "kind")
COLUMNS = (
    *_PARTS,
    "term_months",
    "payment",
    "contract",
    "usd_per_hour_text",
    "upfront_usd_text",
    "usd_per_hour",
    "upfront_usd",
    "max_instances",
    "valid_until",
    "observed_at",
    "snapshot_id",
    "source",
    "missing_reason",
)

Values = np.ndarray[Any, Any]


def price_table(
    connection: Connection, covered: Select[Any], of_keys: ColumnElement[bool] | None = None
) -> pd.DataFrame:
    """The prices of every covered scope, a row per price and coverage, with the columns in_force_table promises.

    covered is COVERED with conditions, of_keys a condition on price_keys.
    """
    coverage, rows, keys, texts = read_covered(connection, covered, of_keys)
    of_coverage, of_row = _joined([one.block_id for one in coverage], _whole(rows["block_id"]))
    of_key = _places(_whole(keys["id"]), _whole(rows["key_id"])[of_row])
    columns = _from_coverage(coverage, of_coverage)
    columns |= {name: _objects(keys[name])[of_key] for name in Key._fields if name != "term_months"}
    columns["term_months"] = _whole(keys["term_months"])[of_key]
    columns["market"] = np.where(columns["market"] == "", STANDARD, columns["market"])
    columns |= _amounts(rows, of_row)
    columns |= _texts(rows, texts, of_row, [tuple(json.loads(one.moments)) for one in coverage], of_coverage)
    _check(columns)
    return in_order(
        pd.DataFrame({name: pd.Series(columns[name], dtype=_dtype(columns[name])) for name in COLUMNS})
    )


def _check(columns: dict[str, Values]) -> None:
    """ValueError for an offer without a price, or with an upfront payment for no time."""
    hourly, upfront = columns["usd_per_hour"], columns["upfront_usd"]
    priced = (hourly + upfront > 0) & ((columns["term_months"] > 0) | (upfront == 0))
    if not np.all(priced | (columns["missing_reason"] != "")):
        raise ValueError("an offer has no price")


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by place, terms and moment, whatever order they were stored in."""
    codes = [pd.factorize(table[name], sort=True)[0] for name in reversed(ORDER)]
    return table.iloc[np.lexsort(codes)].reset_index(drop=True)


def _joined(blocks: Sequence[int], blocks_of_rows: Values) -> tuple[Values, Values]:
    """(place of the coverage, place of the row) of every pair that shares a block."""
    left = pd.DataFrame({"block": np.array(blocks, dtype=np.int64), "coverage": np.arange(len(blocks))})
    right = pd.DataFrame({"block": blocks_of_rows, "row": np.arange(len(blocks_of_rows))})
    pairs = left.merge(right, on="block")
    return pairs["coverage"].to_numpy(), pairs["row"].to_numpy()


def _places(ids: Values, wanted: Values) -> Values:
    """Where each wanted id stands among ids, all of which are there."""
    order = np.argsort(ids)
    return np.asarray(order[np.searchsorted(ids, wanted, sorter=order)])


def _from_coverage(coverage: Sequence[Row[Any]], places: Values) -> dict[str, Values]:
    columns = {name: _objects(getattr(one, name) for one in coverage)[places] for name in _PARTS[:2]}
    columns["tier"] = _objects(one.tier for one in coverage)[places]
    columns["snapshot_id"] = _whole(one.snapshot_id for one in coverage)[places]
    columns["observed_at"] = _whole(one.observed_at for one in coverage)[places].astype("datetime64[us]")
    return columns


def _amounts(rows: Columns, places: Values) -> dict[str, Values]:
    columns: dict[str, Values] = {}
    for name in ("usd_per_hour", "upfront_usd"):
        cells = rows[f"{name}_nano"]
        exact = {cell: nano_text(int(cell)) if cell else "" for cell in set(cells)}
        near = {cell: float(text or "nan") for cell, text in exact.items()}
        columns[f"{name}_text"] = _objects(map(exact.__getitem__, cells))[places]
        columns[name] = np.array([near[cell] for cell in cells], dtype=np.float64)[places]
    most = [float(cell or "nan") for cell in rows["max_instances"]]
    columns["max_instances"] = np.array(most, dtype=np.float64)[places]
    until = [cell or "NaT" for cell in rows["valid_until"]]
    columns["valid_until"] = np.array(until, dtype="datetime64[s]")[places]
    return columns


def _texts(
    rows: Columns,
    texts: Columns,
    of_row: Values,
    moments: Sequence[tuple[str, ...]],
    of_coverage: Values,
) -> dict[str, Values]:
    named = dict(zip(texts["id"], texts["text"], strict=True)) | {"": ""}
    reasons = _objects(map(named.__getitem__, rows["reason_id"]))[of_row]
    told: dict[tuple[str, int], str] = {}
    sources = []
    for source_id, place in zip(_objects(rows["source_id"])[of_row], of_coverage.tolist(), strict=True):
        source = told.get((source_id, place))
        if source is None:
            source = told[source_id, place] = with_moments(named[source_id], moments[place])
        sources.append(source)
    return {"source": _objects(sources), "missing_reason": reasons}


def _objects(values: Iterable[Any]) -> Values:
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column


def _whole(values: Iterable[Any], read: Callable[[Any], int] = int) -> Values:
    return np.array(list(map(read, values)), dtype=np.int64)


def _dtype(column: Values) -> Any:
    return "datetime64[us, UTC]" if column.dtype == "datetime64[us]" else column.dtype
