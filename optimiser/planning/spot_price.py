"""What a spot pool is planned at: what it is expected to cost, rather than what it happens to cost now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from optimiser.planning.offer_money import planned_spot_usd, to_the_nano
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.requirements import low_quantile
from optimiser.planning.spot_risk import available_share, interruptions_per_hour
from optimiser.policy import Policy
from optimiser.prices.spot_past import PastPrices, SpotPast

LEAST_HISTORY_HOURS = 24
_PLACE = ["provider", "region", "region_kind", "instance_type"]
_POOL = ["provider", "region", "zone", "instance_type"]


class LeftOut(StrEnum):
    """Why a spot offer is not planned on."""

    TOO_DEAR = "too dear"
    NOT_CHEAPER = "not cheaper"
    LITTLE_CHEAPER = "little cheaper"


@dataclass(frozen=True)
class SpotPrices:
    """What spot offers are planned at, and why the others are left out, by offer id."""

    planned: Mapping[str, PlanSpot]
    left_out: Mapping[str, LeftOut]


def spot_prices(offers: pd.DataFrame, policy: Policy, past: SpotPast) -> SpotPrices:
    """Every spot offer under the policy's terms; offers must hold the list prices on demand beside them."""
    spot = offers[offers["tier"] == "spot"]
    of_the_store = spot["observed_at"].notna() & (spot["contract"] == "") & (spot["market"] == "standard")
    rows = zip(
        spot.index,
        spot["usd_per_hour"].tolist(),
        _on_demand_usd(offers, spot),
        spot[_POOL].itertuples(index=False, name=None),
        of_the_store.tolist(),
        strict=True,
    )
    planned: dict[str, PlanSpot] = {}
    left_out: dict[str, LeftOut] = {}
    for offer_id, quote, on_demand, pool, known in rows:
        expected = _expected(quote, on_demand, policy, past.prices.get(pool) if known else None)
        provider, region, _, instance_type = pool
        hazard, source = interruptions_per_hour(past.signals.get((provider, region, instance_type)), policy)
        priced = replace(
            expected,
            interruptions_per_hour=hazard,
            interruptions_source=source,
            available_share=available_share(hazard, policy),
        )
        if reason := _left_out(priced, policy):
            left_out[offer_id] = reason
        else:
            planned[offer_id] = priced
    return SpotPrices(planned, left_out)


def _left_out(spot: PlanSpot, policy: Policy) -> LeftOut | None:
    """Why the policy leaves out a pool at that price, None where it does not; without a price on demand it may
    cost what it likes up to the ceiling."""
    most, on_demand = policy.spot_max_usd_per_hour, spot.on_demand_usd_per_hour
    if most is not None and spot.expected_usd_per_hour > to_the_nano(most):
        return LeftOut.TOO_DEAR
    if on_demand is None:
        return None
    planned = planned_spot_usd(spot)
    if planned >= on_demand:
        return LeftOut.NOT_CHEAPER
    return (
        LeftOut.LITTLE_CHEAPER if planned > (1 - to_the_nano(policy.spot_min_discount)) * on_demand else None
    )


def _on_demand_usd(offers: pd.DataFrame, spot: pd.DataFrame) -> list[float]:
    """The list price on demand of each spot offer's machine in its region, USD per hour; NaN where there is none."""
    listed = (offers["tier"] == "on_demand") & (offers["contract"] == "") & (offers["market"] == "standard")
    cheapest: dict[tuple[str, ...], float] = {}
    for *place, usd in offers.loc[listed, [*_PLACE, "usd_per_hour"]].itertuples(index=False, name=None):
        cheapest[*place,] = min(usd, cheapest.get((*place,), usd))
    return [cheapest.get(place, np.nan) for place in spot[_PLACE].itertuples(index=False, name=None)]


def _expected(quote: float, on_demand: float, policy: Policy, past: PastPrices | None) -> PlanSpot:
    """The policy's percentile of the pool's past where at least a day of it is known, else the quote or its floor.

    The percentile is of time, not of steps: the lowest price that held, or was undercut, for so many of the
    hours (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, definition 1). What happened since
    the newest step is known only by the quote, so those hours count at the higher of the two.
    """
    listed = None if np.isnan(on_demand) else to_the_nano(on_demand)
    if past is not None and past.hours.sum() >= LEAST_HISTORY_HOURS:
        usd = past.usd_per_hour.copy()
        usd[-1] = max(usd[-1], quote)
        expected = low_quantile(usd, past.hours, policy.spot_price_percentile / 100)
        days = round(float(past.hours.sum()) / 24, 1)
        return PlanSpot(
            expected_usd_per_hour=to_the_nano(expected),
            price_basis="percentile",
            history_days=days,
            on_demand_usd_per_hour=listed,
        )
    floor = 0.0 if listed is None else policy.spot_price_floor_share * on_demand
    return PlanSpot(
        expected_usd_per_hour=to_the_nano(max(quote, floor)),
        price_basis="floor" if floor > quote else "quote",
        on_demand_usd_per_hour=listed,
    )
