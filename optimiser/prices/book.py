"""The prices in force as one typed table, layered from price files and the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimiser.errors import UsageError
from optimiser.prices.discounts import Discount, discounted
from optimiser.prices.rows import parse_row
from optimiser.prices.table import read_price_tables
from providers.offer import Missing, Offer

if TYPE_CHECKING:
    from optimiser.prices.live import LivePrices
    from providers.fetch import Quota

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
    has expired, and what belongs to an instance type without a shape. observed_at (UTC) is set for prices of
    the store alone, and too_old for those past the store's limit, which no plan may use. unfetched are the
    providers without a price here because the store never fetched any. quotas are those that the store has fetched.
    notes are what a user of these prices should know.
    """

    offers: pd.DataFrame
    missing: pd.DataFrame
    as_of: date
    unfetched: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    quotas: tuple[Quota, ...] = ()

    def offer(self, offer_id: str) -> Offer:
        """The offer of that id, money exact as in its file. Raises UsageError if there is none."""
        if offer_id not in self.offers.index:
            raise UsageError(f"offer {offer_id!r}: not in the price book of {self.as_of}")
        return next(offers_of(self.offers.loc[[offer_id]]))

    def offers_by_id(self, offer_ids: Collection[str]) -> dict[str, Offer]:
        """The offers of those ids, all of the book, by id in its order."""
        table = self.offers[self.offers.index.isin(offer_ids)]
        return dict(zip(table.index, offers_of(table), strict=True))

    def coverage(self, markets: Collection[str]) -> pd.DataFrame:
        """Per (provider, tier), of what is sold in those markets: number of offers; oldest and newest observed_on."""
        sold = self.offers[self.offers["market"].isin(markets)]
        dates = sold.groupby(["provider", "tier"], sort=True)["observed_on"]
        return pd.DataFrame({"offers": dates.size(), "oldest": dates.min(), "newest": dates.max()})


def load_book(
    paths: Iterable[Path],
    shapes: Collection[tuple[str, str]],
    as_of: date,
    *,
    embedded: Iterable[Path] = (),
    live: LivePrices | None = None,
    discounts: Collection[Discount] = (),
) -> PriceBook:
    """The book of several price files, lowest layer first: a later file's offer replaces an earlier one's.

    shapes are the known (provider, instance type) pairs. A Missing masks the list prices of its provider,
    region, region kind, zone, instance type and tier in earlier files; a list price in a later file masks it
    in turn. Contracts are never masked. The store's prices (live) lie between the embedded files and the
    others: for every (provider, region, tier) they cover, the embedded files are out, and so are list prices in
    the others that were seen before the fetch. Rows of files that were seen after as_of lie below everything else:
    they count only where nothing from before is known, and a note says how many. discounts add offers beside the
    list prices they name. Raises UsageError, with file and line, for what breaks the schema.
    """
    below, above = list(embedded), list(paths)
    if not below and not above and live is None:
        raise UsageError("there is no price file in any config directory: run `optimiser prices import`")
    table = _known_first(_layered(below, above, live, as_of), as_of)
    offers = table[table["is_offer"]].drop_duplicates("offer_id", keep="last")
    missing = table[~table["is_offer"]].drop_duplicates("key", keep="last")
    offers, missing = _mask(offers, missing)
    notes = live.notes(filled=bool(below)) if live else ()
    if discounts:
        offers, unused = _with_discounts(offers, discounts, as_of)
        notes += unused
    in_force, gone = _in_force(offers, shapes, as_of)
    absent = pd.concat([missing, *gone], ignore_index=True).rename(columns={"missing_reason": "reason"})
    notes += _seen_later(in_force, as_of)
    unfetched = live.unfetched() - set(in_force["provider"]) if live else frozenset()
    return PriceBook(
        offers=in_force,
        missing=absent[_MISSING_COLUMNS],
        as_of=as_of,
        unfetched=unfetched,
        notes=notes,
        quotas=live.quotas if live else (),
    )


def _in_force(
    offers: pd.DataFrame, shapes: Collection[tuple[str, str]], as_of: date
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The offers of known shapes that have not expired, by offer_id, and the others with the reason."""
    known = (offers["provider"] + "/" + offers["instance_type"]).isin(
        {f"{name}/{kind}" for name, kind in shapes}
    )
    expired = offers["valid_until"] < pd.Timestamp(as_of)
    reason = f"the contract's or quote's valid_until is before {as_of}"
    gone = [
        offers[expired & known].assign(missing_reason=reason),
        offers[~known].assign(missing_reason="the instance type is not in config/instances"),
    ]
    return offers[known & ~expired].drop(columns=_WORKING_COLUMNS).set_index("offer_id"), gone


def offers_of(table: pd.DataFrame) -> Iterator[Offer]:
    """The offers of rows of PriceBook.offers, in their order, money exact as in its file."""
    for offer_id, row in zip(table.index, table.to_dict("records"), strict=True):
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
        yield price


def _layered(below: list[Path], above: list[Path], live: LivePrices | None, as_of: date) -> pd.DataFrame:
    """All rows that are not masked whole, lowest layer first."""
    files = read_price_tables([*below, *above]) if below or above else pd.DataFrame()
    files = files.assign(observed_at=np.datetime64("NaT", "s"), too_old=False)
    if live is None:
        return files
    rows = live.table.assign(too_old=live.too_old(), layer=len(below) - 0.5)
    if files.empty:
        return rows
    lower, upper = files[files["layer"] < len(below)], files[files["layer"] >= len(below)]
    after, in_scope = _after(upper, as_of), live.masks(upper, whatever_their_date=True)
    return pd.concat(
        [
            lower[~live.masks(lower, whatever_their_date=True)],
            rows[[name for name in files.columns if name in rows]],
            upper[~(live.masks(upper, whatever_their_date=False) | (after & in_scope))],
        ],
        ignore_index=True,
    )


def _after(table: pd.DataFrame, as_of: date) -> pd.Series:
    """Which rows of files were seen after as_of. The store itself says what it held on a day."""
    return (table["observed_on"] > pd.Timestamp(as_of)) & table["observed_at"].isna()


def _known_first(table: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The table with the rows seen after as_of below all others."""
    after = _after(table, as_of)
    if not after.any():
        return table
    beneath = table["layer"].max() + 1
    return pd.concat([table[after].assign(layer=table["layer"] - beneath), table[~after]], ignore_index=True)


def _seen_later(offers: pd.DataFrame, as_of: date) -> tuple[str, ...]:
    """That prices in force on a day in the past were seen later, where some were."""
    later = offers.loc[_after(offers, as_of), "observed_on"]
    if later.empty:
        return ()
    days = dict.fromkeys(f"{day:%Y-%m-%d}" for day in (later.min(), later.max()))
    return (
        f"{len(later):,} of {len(offers):,} prices in force are later than {as_of} ({' to '.join(days)}): none from "
        "before is known in their place",
    )


def _with_discounts(
    offers: pd.DataFrame, discounts: Collection[Discount], as_of: date
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """offers with those that the discounts add, unless a contract of that name has its own price there; and a
    note on each discount that has ended or applies to nothing.
    """
    added = discounted(offers, discounts)
    ended = {one.name: one.valid_until for one in discounts if one.valid_until and one.valid_until < as_of}
    notes = tuple(f"the discount {name!r} of settings.yaml ended on {ended[name]}" for name in sorted(ended))
    unused = {one.name for one in discounts} - set(added["contract"]) - set(ended)
    notes += tuple(
        f"the discount {name!r} of settings.yaml applies to no list price" for name in sorted(unused)
    )
    own = added[~added["offer_id"].isin(offers["offer_id"])]
    return pd.concat([offers, own], ignore_index=True), notes


def _mask(offers: pd.DataFrame, missing: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of list prices and Missing under one key the higher layer survives; within one file the price."""
    spoken_of = offers[offers["key"].isin(missing["key"]) & (offers["contract"] == "")]
    missing_layer = spoken_of["key"].map(missing.set_index("key")["layer"]).astype("float64")
    masked = spoken_of.index[missing_layer > spoken_of["layer"]]
    offer_layer = missing["key"].map(spoken_of.groupby("key")["layer"].max()).astype("float64")
    return offers.drop(index=masked), missing[~(offer_layer >= missing["layer"])]
