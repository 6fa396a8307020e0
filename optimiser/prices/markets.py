"""The markets in which a tier is sold: those that the project knows, and prices of others that nothing plans."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from optimiser.errors import did_you_mean
from providers.offer import STANDARD

# What a refresh and the embedded files bring; anyone's own price list may name others.
KNOWN_MARKETS = (STANDARD, "capacity_block", "flex_start")


def odd_markets(offers: pd.DataFrame, planned: Collection[str]) -> tuple[str, ...]:
    """A note on each market of offers (rows of PriceBook.offers) that is neither known nor among those planned: its
    name is free, and so a slip in it would take its prices out of every plan in silence.
    """
    odd = offers[~offers["market"].isin({*KNOWN_MARKETS, *planned})]
    notes = []
    for market, rows in odd.groupby("market", sort=True):
        first = rows.sort_values(["file", "line"]).iloc[0]
        count = f"first of {len(rows):,} prices" if len(rows) > 1 else "1 price"
        notes.append(
            f"{first['file']} line {first['line']}: market = {market!r}: planned only where the policy's markets name "
            f"it ({count}; {did_you_mean(str(market), KNOWN_MARKETS)})"
        )
    return tuple(notes)
