"""What machines cost where, tier by tier, as a training job may buy them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from optimiser.planning.options import allowed_offers
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.spot_price import spot_prices
from optimiser.policy import Policy
from optimiser.prices.spot_past import SpotPast
from providers.shape import InstanceShape, Obtainability

CAPACITY_BLOCK = "capacity_block"
Key = tuple[str, str]
_PLACE = ("provider", "region", "region_kind", "instance_type")


@dataclass(frozen=True, kw_only=True)
class Price:
    """One offer: USD per instance-hour as planned (a commitment's amortised over its term, without interest).
    observed_on None is not known.
    """

    offer_id: str
    usd_per_hour: float
    most_instances: float
    observed_on: date | None = None
    zone: str = ""
    term_months: int = 0
    spot: PlanSpot | None = None


@dataclass(frozen=True, kw_only=True)
class Market:
    """All that one instance type is sold for in one region, each cheapest first."""

    provider: str
    region: str
    region_kind: str
    shape: InstanceShape
    on_demand: Sequence[Price] = ()
    spot: Sequence[Price] = ()
    reserved: Sequence[Price] = ()
    blocks: Sequence[Price] = ()


def markets(
    offers: pd.DataFrame,
    shapes: Mapping[Key, InstanceShape],
    types: Collection[Key],
    policy: Policy,
    past: SpotPast,
) -> list[Market]:
    """The markets of instance types under the policy, Capacity Blocks among them.

    As for serving, a reservation-only machine is to be had on spot or in a block alone, and a spot-only one on spot,
    unless the policy assumes otherwise; pools of zones take the place of their region's average.
    """
    wide = policy.model_copy(update={"markets": tuple({*policy.markets, CAPACITY_BLOCK})})
    allowed = allowed_offers(offers, wide)
    kinds = list(zip(allowed["provider"], allowed["instance_type"], strict=True))
    allowed = allowed[np.array([kind in types for kind in kinds], dtype=bool)]
    listed = offers[offers["instance_type"].isin(allowed["instance_type"].unique())]
    pools = spot_prices(listed, policy, past).planned
    found: dict[tuple[str, ...], dict[str, list[Price]]] = defaultdict(lambda: defaultdict(list))
    names = (*_PLACE, "tier", "market", "zone", "term_months", "amortised_usd_per_hour", "max_instances")
    days = [day.date() for day in allowed["observed_on"]]
    columns = [allowed[name].to_list() for name in names]
    rows = zip(allowed.index, days, *columns, strict=True)
    for offer_id, day, *place, tier, market, zone, term, usd, most in rows:
        spot = pools.get(offer_id)
        shelf = _shelf(shapes[place[0], place[3]], tier, market, policy)
        if shelf and (tier != "spot" or spot):
            price = Price(
                offer_id=offer_id,
                usd_per_hour=float(spot.expected_usd_per_hour) if spot else usd,
                most_instances=float("inf") if most != most else most,
                observed_on=day,
                zone=zone,
                term_months=int(term),
                spot=spot,
            )
            found[tuple(place)][shelf].append(price)
    return [_market(place, found[place], shapes) for place in sorted(found)]


def _shelf(shape: InstanceShape, tier: str, market: str, policy: Policy) -> str | None:
    """Which of a Market's prices one of that tier and market is, None where the machine cannot be had so."""
    if market == CAPACITY_BLOCK:
        return "blocks"
    by_the_hour = (Obtainability.ELASTIC, Obtainability.SCARCE)
    if tier == "spot" or policy.assume_obtainable or shape.obtainability in by_the_hour:
        return tier
    return None


def _market(
    place: tuple[str, ...], shelves: Mapping[str, list[Price]], shapes: Mapping[Key, InstanceShape]
) -> Market:
    provider, region, kind, instance_type = place
    zoned = [price for price in shelves.get("spot", ()) if price.zone]
    kept: dict[str, Sequence[Price]] = {**shelves, **({"spot": zoned} if zoned else {})}
    in_order = {
        shelf: sorted(prices, key=lambda price: (price.usd_per_hour, price.offer_id))
        for shelf, prices in kept.items()
    }
    shape = shapes[provider, instance_type]
    return Market(provider=provider, region=region, region_kind=kind, shape=shape, **in_order)


def without_old_blocks(here: Market, as_of: date, policy: Policy) -> tuple[Market, Market]:
    """The market without the Capacity Blocks whose price is older than policy.capacity_block_age_days or of a day
    after as_of, and those alone.

    A block is offered for dates within eight weeks (AWS), at a price that moves with supply and demand: that of another
    month says what to expect and is none to choose by.
    """
    most = policy.capacity_block_age_days
    old = [
        price
        for price in here.blocks
        if price.observed_on and not 0 <= (as_of - price.observed_on).days <= most
    ]
    recent = [price for price in here.blocks if price not in old]
    return replace(here, blocks=recent), replace(here, on_demand=(), spot=(), reserved=(), blocks=old)


def old_price_said(prices: Iterable[Price], as_of: date) -> str:
    """From when the newest of such prices is, and what asks for one of today; "" without any."""
    days = [price.observed_on for price in prices if price.observed_on]
    if not days:
        return ""
    age = (as_of - max(days)).days
    when = f"{age:,} days old" if age >= 0 else f"later than {as_of}, the day planned on"
    return f"at the list of {max(days)}, {when}: ask `optimiser refresh --capacity-blocks`"


def cheapest(prices: Iterable[Price], instances: int) -> Price | None:
    """The cheapest of which so many instances may be bought."""
    return next((price for price in prices if price.most_instances >= instances), None)
