"""Agreed discounts: a percentage off list prices, as offers of their own beside the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from optimiser.prices.rows import money_text
from providers.offer import STANDARD, Tier, to_nano_usd

if TYPE_CHECKING:  # settings name discounts in commands that need no table
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Discount:
    """percent off the list prices of a provider; name becomes the contract of the discounted offers.

    instance_types and regions are shell patterns such as "p5.*". valid_until is the last day, None no end.
    """

    name: str
    provider: str
    percent: Decimal
    tiers: tuple[Tier, ...]
    instance_types: tuple[str, ...] = ("*",)
    regions: tuple[str, ...] = ("*",)
    valid_until: date | None = None


def discounted(offers: pd.DataFrame, discounts: Iterable[Discount]) -> pd.DataFrame:
    """The offers that discounts add to a table of list prices and contracts (the book's columns, with offer_id
    as a column): each list price of the standard market that a discount names, less its percentage, under the
    discount's name as contract and with the discount in its source. Amounts are rounded to 1e-9 USD.
    """
    import pandas as pd

    return pd.concat([offers.iloc[:0], *(_applied(offers, one) for one in discounts)])


def _applied(offers: pd.DataFrame, discount: Discount) -> pd.DataFrame:
    import pandas as pd

    listed = offers[
        (offers["provider"] == discount.provider)
        & offers["tier"].isin([tier.value for tier in discount.tiers])
        & (offers["contract"] == "")
        & (offers["market"] == STANDARD)
        & _matches(offers["instance_type"], discount.instance_types)
        & _matches(offers["region"], discount.regions)
    ]
    kept = 1 - discount.percent / 100
    fields: dict[str, Any] = {"contract": discount.name}
    for name in ("usd_per_hour", "upfront_usd"):
        texts = [_less(text, kept) for text in listed[f"{name}_text"]]
        fields |= {f"{name}_text": texts, name: [float(text or 0) for text in texts]}
    fields["amortised_usd_per_hour"] = listed["amortised_usd_per_hour"] * float(kept)
    fields["offer_id"] = listed["offer_id"] + f"/contract={discount.name}"
    fields["source"] = listed["source"] + f", less {money_text(discount.percent)} % by {discount.name}"
    if discount.valid_until:
        until = pd.Timestamp(discount.valid_until)
        fields["valid_until"] = listed["valid_until"].where(listed["valid_until"] < until, until)
    return listed.assign(**fields)


def _less(text: str, kept: Decimal) -> str:
    """An amount as text, times kept; blank stays blank."""
    return money_text(to_nano_usd(Decimal(text) * kept)) if text else ""


def _matches(values: pd.Series, patterns: tuple[str, ...]) -> pd.Series:
    wanted = {value for value in values.unique() if any(fnmatchcase(value, pattern) for pattern in patterns)}
    return values.isin(wanted)
