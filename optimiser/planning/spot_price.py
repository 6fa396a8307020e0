"""What a spot pool is planned at: what it is expected to cost, rather than what it happens to cost now."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd

from optimiser.planning.plan_parts import PlanSpot
from optimiser.planning.requirements import low_quantile
from optimiser.policy import Policy
from optimiser.prices.spot_past import PastPrices, SpotPast

LEAST_HISTORY_HOURS = 24
_PLACE = ["provider", "region", "region_kind", "instance_type"]
_POOL = ["provider", "region", "zone", "instance_type"]


def spot_prices(offers: pd.DataFrame, policy: Policy, past: SpotPast) -> dict[str, PlanSpot]:
    """What every spot offer is planned at, by offer id; without those no cheaper than on demand.

    offers must hold the list prices on demand beside them, and nothing is compared where there is none.
    """
    spot = offers[offers["tier"] == "spot"]
    of_the_store = spot["observed_at"].notna() & (spot["contract"] == "") & (spot["market"] == "standard")
    rows = zip(
        spot.index,
        spot["usd_per_hour"].tolist(),
        _on_demand_usd(offers, spot).tolist(),
        spot[_POOL].itertuples(index=False, name=None),
        of_the_store.tolist(),
        strict=True,
    )
    found: dict[str, PlanSpot] = {}
    for offer_id, quote, on_demand, pool, known in rows:
        priced = _expected(quote, on_demand, policy, past.prices.get(pool) if known else None)
        if not float(planned_spot_usd(priced)) >= on_demand:
            found[offer_id] = priced
    return found


def planned_spot_usd(spot: PlanSpot) -> Decimal:
    """USD per instance-hour that a plan reckons with."""
    return spot.expected_usd_per_hour


def _on_demand_usd(offers: pd.DataFrame, spot: pd.DataFrame) -> np.ndarray:
    """The list price on demand of each spot offer's machine in its region, USD per hour; NaN where there is none."""
    listed = (offers["tier"] == "on_demand") & (offers["contract"] == "") & (offers["market"] == "standard")
    on_demand = offers[listed].groupby(_PLACE, observed=True)["usd_per_hour"].min()
    return np.asarray(on_demand.reindex(pd.MultiIndex.from_frame(spot[_PLACE].astype(str))))


def _expected(quote: float, on_demand: float, policy: Policy, past: PastPrices | None) -> PlanSpot:
    """The policy's percentile of the pool's past where at least a day of it is known, else the quote or its floor.

    The percentile is of time, not of steps: the lowest price that held, or was undercut, for so many of the
    hours (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, definition 1). What happened since
    the newest step is known only by the quote, so those hours count at the higher of the two.
    """
    if past is not None and past.hours.sum() >= LEAST_HISTORY_HOURS:
        usd = past.usd_per_hour.copy()
        usd[-1] = max(usd[-1], quote)
        expected = low_quantile(usd, past.hours, policy.spot_price_percentile / 100)
        days = round(float(past.hours.sum()) / 24, 1)
        return PlanSpot(expected_usd_per_hour=_nano(expected), price_basis="percentile", history_days=days)
    floor = 0.0 if np.isnan(on_demand) else policy.spot_price_floor_share * on_demand
    return PlanSpot(
        expected_usd_per_hour=_nano(max(quote, floor)), price_basis="floor" if floor > quote else "quote"
    )


def _nano(usd: float) -> Decimal:
    """An amount to the nano-USD, the store's unit, without needless zeros."""
    return Decimal(f"{usd:.9f}".rstrip("0").rstrip("."))
