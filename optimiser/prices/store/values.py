"""A price table's rows as offers and Missing again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from optimiser.prices.refreshed import ScopePrices
from providers.fetch import Scope
from providers.offer import Missing, Offer, Tier

_PLACE = ("region_kind", "zone", "instance_type", "source")
_TERMS = ("market", "kind", "term_months", "payment", "contract")
_AMOUNTS = ("usd_per_hour_text", "upfront_usd_text", "max_instances", "valid_until")


def as_values(table: pd.DataFrame, scopes: Mapping[Scope, tuple[datetime, int]]) -> dict[Scope, ScopePrices]:
    """A price table as {scope: its prices}; scopes says which there are, each with observed_at and snapshot id."""
    offers: dict[Scope, list[Offer]] = {scope: [] for scope in scopes}
    missing: dict[Scope, list[Missing]] = {scope: [] for scope in scopes}
    for scope, place, terms, amounts, reason in zip(
        map(_scope, *_lists(table, ("provider", "region", "tier"))),
        zip(*_lists(table, _PLACE), strict=True),
        zip(*_lists(table, _TERMS), strict=True),
        zip(*_lists(table, _AMOUNTS), strict=True),
        table["missing_reason"].tolist(),
        strict=True,
    ):
        fields: dict[str, Any] = dict(zip(_PLACE, place, strict=True)) | scope._asdict()
        fields["observed_on"] = scopes[scope][0].date()
        if reason:
            missing[scope].append(Missing(**fields, reason=reason))
        else:
            fields |= zip(_TERMS, terms, strict=True)
            offers[scope].append(Offer(**fields, **_amounts(*amounts)))
    return {
        scope: ScopePrices(
            scope=scope,
            observed_at=observed_at,
            offers=tuple(offers[scope]),
            missing=tuple(missing[scope]),
            snapshot_id=snapshot_id,
        )
        for scope, (observed_at, snapshot_id) in scopes.items()
    }


def _lists(table: pd.DataFrame, names: tuple[str, ...]) -> list[list[Any]]:
    return [table[name].tolist() for name in names]


def _scope(provider: str, region: str, tier: str) -> Scope:
    return Scope(provider, region, Tier(tier))


def _amounts(usd_per_hour: str, upfront_usd: str, max_instances: float, valid_until: Any) -> dict[str, Any]:
    return {
        "usd_per_hour": Decimal(usd_per_hour),
        "upfront_usd": Decimal(upfront_usd),
        "max_instances": None if math.isnan(max_instances) else int(max_instances),
        "valid_until": None
        if pd.isna(valid_until)
        else date(valid_until.year, valid_until.month, valid_until.day),
    }
