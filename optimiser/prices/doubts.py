"""What looks wrong in prices that were just brought in: older than what they replace, far off, or nowhere."""

from __future__ import annotations

import pandas as pd

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
    usual = known.groupby(["provider", "instance_type", "tier"])["amortised_usd_per_hour"].median()
    at = pd.MultiIndex.from_frame(fresh[["provider", "instance_type", "tier"]])
    ratio = fresh["amortised_usd_per_hour"] / usual.reindex(at).to_numpy()
    far = fresh[(ratio > FAR_OFF) | (ratio < 1 / FAR_OFF)]
    if len(far):
        text = f"more than {FAR_OFF:g} times off the median of their kind, such as {far.index[0]}"
        found.append(
            f"{len(far):,} prices are {text} at {far['amortised_usd_per_hour'].iloc[0]:g} USD an hour"
        )
    return found
