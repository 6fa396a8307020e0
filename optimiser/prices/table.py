"""Price files as one typed table: read, checked and converted column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimiser.errors import UsageError
from optimiser.prices.rows import COLUMNS, DEFAULTS, MAX_TERM_MONTHS, PAYMENTS, REGION_KINDS
from optimiser.prices.snapshot import read_offers_csv
from providers.offer import HOURS_PER_YEAR, Tier

_REQUIRED = ("provider", "region", "instance_type", "tier", "usd_per_hour", "observed_on", "source")
_IN_OFFER_ID = (
    "provider",
    "region",
    "zone",
    "instance_type",
    "tier",
    "market",
    "kind",
    "payment",
    "contract",
)


def read_price_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Price files, lowest layer first, as one typed table of offers and Missing (is_offer tells them apart).

    Columns are those of the schema, money as float64 beside its exact text (usd_per_hour_text,
    upfront_usd_text), plus amortised_usd_per_hour, key (what a Missing speaks of), offer_id, file, line and
    layer. Raises UsageError, naming file, line, field and value, for a row that breaks the schema.
    """
    table = pd.concat([_read_text(path, layer) for layer, path in enumerate(paths)], ignore_index=True)
    for name, default in DEFAULTS.items():
        table[name] = table[name].where(table[name] != "", default)
    values = _values(table)
    valid = _valid(table, values)
    if not valid.all():
        raise _named_fault(paths[table["layer"][~valid].iloc[0]])
    table = _with_ids(table.assign(**values))
    twice = table["is_offer"] & table.duplicated(["layer", "offer_id"])
    if twice.any():
        raise _named_fault(paths[table["layer"][twice].iloc[0]])
    return table


def _read_text(path: Path, layer: int) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=object, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError):
        raise _named_fault(path) from None
    # A row longer than the header turns columns into an index, a shorter one leaves its last cell null.
    regular = isinstance(table.index, pd.RangeIndex) and (table.empty or table.iloc[:, -1].notna().all())
    if not regular or not set(_REQUIRED) <= set(table.columns) or not set(table.columns) <= set(COLUMNS):
        raise _named_fault(path)
    table = table.reindex(columns=list(COLUMNS), fill_value="")
    file = pd.Series(str(path), index=table.index, dtype=object)
    return table.assign(file=file, line=np.arange(len(table)) + 2, layer=layer)


def _named_fault(path: Path) -> UsageError:
    """The fault of a file that failed a check on whole columns, found again row by row to name it."""
    try:
        read_offers_csv(path)
    except UsageError as error:
        return error
    rules = f"its header must name {', '.join(_REQUIRED)}, and no cell may carry spaces"
    return UsageError(f"{path}: is no price file: {rules}: bring it in by `optimiser prices import`")


def _values(text: pd.DataFrame) -> dict[str, Any]:
    """The columns that are not text, converted; NaN and NaT where a cell cannot be."""
    hourly, upfront = _numbers(text["usd_per_hour"]), _numbers(text["upfront_usd"])
    term = _numbers(text["term_months"])
    reserved = (text["tier"] == Tier.RESERVED).to_numpy()
    paid = np.full(len(text), "", dtype=object)
    paid[reserved] = PAYMENTS[2]
    paid[reserved & (hourly > 0)] = PAYMENTS[0]
    paid[reserved & (hourly > 0) & (upfront > 0)] = PAYMENTS[1]
    term_hours = np.where(term > 0, term, 12) * HOURS_PER_YEAR / 12
    return {
        "usd_per_hour_text": text["usd_per_hour"],
        "upfront_usd_text": text["upfront_usd"],
        "usd_per_hour": hourly,
        "upfront_usd": upfront,
        "amortised_usd_per_hour": hourly + upfront / term_hours,
        "term_months": np.where(np.isfinite(term), term, -1).astype(np.int64),
        "payment": pd.Series(paid, index=text.index, dtype=object),
        "max_instances": _numbers(text["max_instances"], blank=np.nan),
        "valid_until": _dates(text["valid_until"]),
        "observed_on": _dates(text["observed_on"]),
        "observed_on_is_lower_bound": text["observed_on_is_lower_bound"] == "true",
        "is_offer": text["usd_per_hour"] != "",
    }


def _valid(text: pd.DataFrame, values: Mapping[str, Any]) -> Any:
    """Which rows obey the schema, as rows.parse_row has it."""
    hourly, upfront, term = values["usd_per_hour"], values["upfront_usd"], _numbers(text["term_months"])
    most, is_offer, reserved = values["max_instances"], values["is_offer"], text["tier"] == Tier.RESERVED
    valid = is_offer == (text["missing_reason"] == "")
    for name in ("provider", "region", "instance_type", "source"):
        valid &= text[name] != ""
    valid &= text["tier"].isin(list(Tier)) & text["region_kind"].isin(REGION_KINDS)
    valid &= (text["zone"] == "") | (text["tier"] == Tier.SPOT)
    valid &= values["observed_on"].notna() & (values["valid_until"].notna() | (text["valid_until"] == ""))
    valid &= text["observed_on_is_lower_bound"].isin(["", "true", "false"])
    valid &= (hourly >= 0) & np.isfinite(hourly) & (upfront >= 0) & np.isfinite(upfront)
    valid &= (term >= 0) & (term <= MAX_TERM_MONTHS) & (term % 1 == 0)
    valid &= ((most >= 1) & (most % 1 == 0)) | (text["max_instances"] == "")
    priced = (reserved == (term > 0)) & (reserved == (text["kind"] != "")) & (hourly + upfront > 0)
    priced &= (text["payment"] == "") | (text["payment"] == values["payment"])
    return valid & (priced | ~is_offer)


def _with_ids(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `key` and `offer_id`, the latter built as Offer.offer_id builds it."""
    text = {name: table[name].to_numpy(dtype=object) for name in _IN_OFFER_ID}
    key = text["provider"] + "/" + text["region"] + _after_slash(text["zone"])
    key = key + "/" + text["instance_type"] + "/" + text["tier"]
    months = table["term_months"].to_numpy()
    text["term_months"] = np.full(len(table), "", dtype=object)
    for term in np.unique(months[months > 0]):
        text["term_months"][months == term] = f"{term}m"
    text["market"] = np.where(text["market"] == "standard", "", text["market"])
    offer_id = key
    for name in ("market", "kind", "term_months", "payment", "contract"):
        offer_id = offer_id + _after_slash(text[name])
    columns = {"key": key, "offer_id": offer_id}
    return table.assign(**{name: pd.Series(ids, table.index, dtype=object) for name, ids in columns.items()})


def _after_slash(part: np.ndarray[Any, Any]) -> Any:
    blank = part == ""
    return "" if blank.all() else np.where(blank, "", "/" + part).astype(object)


def _numbers(text: pd.Series[str], blank: float = 0.0) -> Any:
    """float64 array, `blank` where the cell is blank and NaN where it is no number."""
    filled = (text != "").to_numpy()
    numbers = np.full(len(text), blank)
    if filled.any():
        numbers[filled] = pd.to_numeric(text[filled], errors="coerce")
    return numbers


def _dates(text: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """datetime64, NaT where the cell is no date like 2026-11-09."""
    if (text == "").all():
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[s]")
    return pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
