"""Which spot pools a plan did not choose from, and why, in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.options import allowed_offers
from optimiser.planning.spot_price import LeftOut, spot_prices
from optimiser.policy import Policy
from optimiser.prices.spot_past import SpotPast

NAMED = 3


def left_out_notes(
    estimates: Iterable[Estimate], offers: pd.DataFrame, policy: Policy, past: SpotPast
) -> tuple[str, ...]:
    """One note per reason for which pools that the policy allows, of types that serve, are not planned on."""
    serving = {f"{one.provider}/{one.instance_type}" for one in estimates}
    allowed = allowed_offers(offers, policy)
    spot = allowed[
        (allowed["tier"] == "spot") & (allowed["provider"] + "/" + allowed["instance_type"]).isin(serving)
    ]
    types = offers[offers["instance_type"].isin(spot["instance_type"].unique())]
    left_out = spot_prices(types, policy, past).left_out
    places = defaultdict(list)
    where = zip(spot["instance_type"], spot["provider"], spot["region"], spot["zone"], strict=True)
    for offer_id, (instance_type, provider, region, zone) in zip(spot.index, where, strict=True):
        if offer_id in left_out:
            places[left_out[offer_id]].append(f"{instance_type} in {provider} {zone or region}")
    said = {
        LeftOut.TOO_DEAR: f"spot is expected to cost more than {policy.spot_max_usd_per_hour or 0:g} USD an hour "
        "(spot_max_usd_per_hour) and is left out for",
        LeftOut.NOT_CHEAPER: "spot is not cheaper than on demand and is left out for",
        LeftOut.LITTLE_CHEAPER: f"spot is less than {policy.spot_min_discount * 100:g} % below on demand "
        "(spot_min_discount) and is left out for",
    }
    return tuple(f"{text}: {_counted(places[reason])}" for reason, text in said.items() if places[reason])


def _counted(pools: Sequence[str]) -> str:
    """The first few by name, and how many there are."""
    names = sorted(set(pools))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} ({len(names):,} spot {'pool' if len(names) == 1 else 'pools'})"
