"""The prices in force as one typed table, layered from several price files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimiser.errors import UsageError
from optimiser.prices.rows import parse_row
from optimiser.prices.table import read_price_tables
from providers.offer import Missing, Offer

_OFFER_TEXT = (
    "provider",
    "region",
    "region_kind",
    "zone",
    "instance_type",
    "tier",
    "market",
    "kind",
    "payment",
    "contract",
    "source",
)
_MISSING_COLUMNS = [
    "provider",
    "region",
    "region_kind",
    "zone",
    "instance_type",
    "tier",
    "reason",
    "observed_on",
    "source",
    "file",
    "line",
]
_WORKING_COLUMNS = ["missing_reason", "is_offer", "key", "layer"]


@dataclass(frozen=True)
class PriceBook:
    """The prices in force on as_of.

    offers is indexed by offer_id, with the fields of Offer as columns, money as float64 (converted once from
    the exact text, which stays beside it), amortised_usd_per_hour, and the file and line of each price.
    missing holds the prices that do not exist, each with its reason: what a source says is not on sale, what
    has expired, and what belongs to an instance type without a shape.
    """

    offers: pd.DataFrame
    missing: pd.DataFrame
    as_of: date

    def offer(self, offer_id: str) -> Offer:
        """The offer of that id, money exact as in its file. Raises UsageError if there is none."""
        if offer_id not in self.offers.index:
            raise UsageError(f"offer {offer_id!r}: not in the price book of {self.as_of}")
        row: Any = self.offers.loc[offer_id]
        text = {name: str(row[name]) for name in _OFFER_TEXT}
        text |= {name: str(row[f"{name}_text"]) for name in ("usd_per_hour", "upfront_usd")}
        text["term_months"] = str(row["term_months"])
        text["max_instances"] = "" if np.isnan(row["max_instances"]) else str(int(row["max_instances"]))
        text["valid_until"] = "" if pd.isna(row["valid_until"]) else row["valid_until"].date().isoformat()
        text["observed_on"] = row["observed_on"].date().isoformat()
        text["observed_on_is_lower_bound"] = "true" if row["observed_on_is_lower_bound"] else ""
        price = parse_row(text, f"{row['file']} line {row['line']}", None)
        if isinstance(price, Missing):
            raise TypeError(f"{offer_id} has no price")
        return price

    def coverage(self) -> pd.DataFrame:
        """Per (provider, tier): number of offers, instance types, regions; oldest and newest observed_on."""
        return self.offers.groupby(["provider", "tier"], sort=True).agg(
            offers=("usd_per_hour", "size"),
            instance_types=("instance_type", "nunique"),
            regions=("region", "nunique"),
            oldest=("observed_on", "min"),
            newest=("observed_on", "max"),
        )


def load_book(paths: Iterable[Path], shapes: Collection[tuple[str, str]], as_of: date) -> PriceBook:
    """The book of several price files, lowest layer first: a later file's offer replaces an earlier one's.

    shapes are the known (provider, instance type) pairs. A Missing masks the list prices of its provider,
    region, region kind, zone, instance type and tier in earlier files; a list price in a later file masks it in turn.
    Contracts are never masked. Raises UsageError, with file and line, for what breaks the schema.
    """
    files = list(paths)
    if not files:
        raise UsageError("there is no price file in any config directory: run `optimiser prices import`")
    table = read_price_tables(files)
    offers = table[table["is_offer"]].drop_duplicates("offer_id", keep="last")
    missing = table[~table["is_offer"]].drop_duplicates("key", keep="last")
    offers, missing = _mask(offers, missing)
    known = (offers["provider"] + "/" + offers["instance_type"]).isin(
        {f"{name}/{kind}" for name, kind in shapes}
    )
    expired = offers["valid_until"] < pd.Timestamp(as_of)
    gone = [
        offers[expired & known].assign(
            missing_reason=f"the contract's or quote's valid_until is before {as_of}"
        ),
        offers[~known].assign(missing_reason="the instance type is not in config/instances"),
    ]
    absent = pd.concat([missing, *gone], ignore_index=True).rename(columns={"missing_reason": "reason"})
    in_force = offers[known & ~expired].drop(columns=_WORKING_COLUMNS).set_index("offer_id")
    return PriceBook(offers=in_force, missing=absent[_MISSING_COLUMNS], as_of=as_of)


def _mask(offers: pd.DataFrame, missing: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of list prices and Missing under one key the higher layer survives; within one file the price."""
    spoken_of = offers[offers["key"].isin(missing["key"]) & (offers["contract"] == "")]
    missing_layer = spoken_of["key"].map(missing.set_index("key")["layer"])
    masked = spoken_of.index[missing_layer > spoken_of["layer"]]
    offer_layer = missing["key"].map(spoken_of.groupby("key")["layer"].max())
    return offers.drop(index=masked), missing[~(offer_layer >= missing["layer"])]
