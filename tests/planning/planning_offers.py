"""Price tables for build_options, made row by row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd

COLUMNS = {
    "provider": "aws",
    "region": "us-east-1",
    "region_kind": "region",
    "zone": "",
    "instance_type": "m",
    "tier": "on_demand",
    "market": "standard",
    "kind": "",
    "term_months": 0,
    "payment": "",
    "contract": "",
    "usd_per_hour": 10.0,
    "upfront_usd": 0.0,
    "max_instances": float("nan"),
    "observed_at": pd.NaT,
}


def price_table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Offers as a price book holds them; what a row leaves out is a list price on demand of 10 USD."""
    full = [{**COLUMNS, **row} for row in rows]
    for row in full:
        row["amortised_usd_per_hour"] = row["usd_per_hour"] + (
            float(Decimal(str(row["upfront_usd"])) * 12 / (row["term_months"] * 8760))
            if row["upfront_usd"]
            else 0.0
        )
        parts = [row[k] for k in ("provider", "region", "zone", "instance_type", "tier", "market", "kind")]
        parts += [f"{row['term_months']}m" if row["term_months"] else "", row["payment"], row["contract"]]
        row["offer_id"] = "/".join(part for part in parts if part and part != "standard")
    return pd.DataFrame(full).set_index("offer_id")


def spot_row(usd: float, zone: str = "a", **other: Any) -> dict[str, Any]:
    """A spot quote."""
    return {"tier": "spot", "zone": zone, "usd_per_hour": usd, **other}


def stored_row(usd: float, zone: str = "a", **other: Any) -> dict[str, Any]:
    """A spot quote of a store."""
    return spot_row(usd, zone, observed_at=pd.Timestamp("2026-11-21"), **other)


def reserved_row(usd: float, months: int = 12, upfront: float = 0.0, **other: Any) -> dict[str, Any]:
    """A commitment."""
    return {
        "tier": "reserved",
        "kind": "reserved_instance",
        "term_months": months,
        "payment": "all_upfront" if upfront else "no_upfront",
        "usd_per_hour": usd,
        "upfront_usd": upfront,
        **other,
    }
