"""What looks wrong in prices that were just brought in: older than what they replace, far off, or nowhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from optimiser.prices.live import LivePrices

FAR_OFF = 5.0


def doubts(before: pd.DataFrame, after: pd.DataFrame, live: LivePrices | None) -> list[str]:
    """One sentence per kind of doubt about the offers of `after` that were not in force `before`.

    A region that no price of the provider had, an observation older than the one it replaces or of the same
    day at another amount, one older than what the store fetched, and a price more than FAR_OFF times above or
    below the median of its provider, instance type and tier.
    """
    replaced = before.reindex(after.index)
    repriced = after["amortised_usd_per_hour"].ne(replaced["amortised_usd_per_hour"])
    fresh = after[
        repriced | after["file"].ne(replaced["file"]) | after["observed_on"].ne(replaced["observed_on"])
    ]
    known = before[before["provider"].isin(fresh["provider"])]
    found = []
    nowhere = fresh[~fresh["region"].isin(known["region"])] if len(known) else fresh.iloc[:0]
    if len(nowhere):
        names = ", ".join(sorted(set(nowhere["region"]))[:4])
        found.append(f"{len(nowhere):,} prices are in regions that had none so far: {names}")
    seen = replaced["observed_on"].loc[fresh.index]
    unused = live.masks(fresh, whatever_their_date=False) if live else pd.Series(False, index=fresh.index)
    for doubtful, text in (
        (seen > fresh["observed_on"], "are older than those they take the place of"),
        (
            (seen == fresh["observed_on"]) & repriced.loc[fresh.index],
            "take the place of others of the same day",
        ),
        (unused, "are older than those fetched into the store, which are used in their place"),
    ):
        if doubtful.any():
            found.append(f"{int(doubtful.sum()):,} prices {text}, such as {fresh.index[doubtful][0]}")
    ratio = _of_usual(fresh, known)
    far = fresh[(ratio > FAR_OFF) | (ratio < 1 / FAR_OFF)]
    if len(far):
        text = f"more than {FAR_OFF:g} times off the median of their kind, such as {far.index[0]}"
        found.append(
            f"{len(far):,} prices are {text} at {far['amortised_usd_per_hour'].iloc[0]:g} USD an hour"
        )
    return found


def own_price_doubts(offers: pd.DataFrame, own: Collection[str], used: Collection[str]) -> tuple[str, ...]:
    """A note on each price of the user's own that a plan uses and that an import has warned of: more than FAR_OFF times
    above or below the median of its kind, or in a region where no other list of the provider's has a price.

    offers are rows of PriceBook.offers; own and used are ids of them. Prices of the user's own stand for no usual ones.
    """
    of_user = offers.index.isin(own)
    mine, known = offers[of_user & offers.index.isin(used)], offers[~of_user]
    if mine.empty:
        return ()
    notes = []
    for ratio, row in zip(_of_usual(mine, known).tolist(), mine.to_dict("records"), strict=True):
        tier = str(row["tier"]).replace("_", " ")
        price = (
            f"own price of {row['instance_type']} {tier} in {row['provider']} {row['region']}, "
            f"{row['amortised_usd_per_hour']:,.6g} USD an hour ({row['file']} line {row['line']})"
        )
        odd = []
        if ratio > FAR_OFF or ratio < 1 / FAR_OFF:
            times, side = max(ratio, 1 / ratio), "above" if ratio > 1 else "below"
            odd.append(f"{times:,.3g} times {side} the median of its kind")
        others = known.loc[known["provider"] == row["provider"], "region"]
        if len(others) and row["region"] not in set(others):
            odd.append(f"no list of {row['provider']} has a price in {row['region']}")
        if odd:
            notes.append(f"{price}: {', and '.join(odd)}; is it right?")
    return tuple(notes)


def _of_usual(fresh: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """Each price of fresh over the median of its provider, instance type and tier in known; nan where there is none."""
    usual = known.groupby(["provider", "instance_type", "tier"])["amortised_usd_per_hour"].median()
    at = pd.MultiIndex.from_frame(fresh[["provider", "instance_type", "tier"]])
    ratio: pd.Series = fresh["amortised_usd_per_hour"] / usual.reindex(at).to_numpy()
    return ratio
