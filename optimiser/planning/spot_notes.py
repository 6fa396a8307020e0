"""What a user should know of the spot pools behind a plan: which are left out and why, and whose figures they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.options import allowed_offers
from optimiser.planning.problem import Option
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
        LeftOut.NOT_CHEAPER: "spot is not cheaper after its risk for",
        LeftOut.LITTLE_CHEAPER: f"spot with its risk is less than {policy.spot_min_discount * 100:g} % below on demand "
        "(spot_min_discount) and is left out for",
    }
    return tuple(f"{text}: {_counted(places[reason])}" for reason, text in said.items() if places[reason])


def _counted(pools: Sequence[str]) -> str:
    """The first few by name, and how many there are."""
    names = sorted(set(pools))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} ({_pools(len(names))})"


def mixed_sources_note(options: Iterable[Option]) -> tuple[str, ...]:
    """That pools are compared whose interruptions are known from different kinds of source, and which."""
    rates: dict[str, set[float]] = defaultdict(set)
    pools: dict[str, set[str]] = defaultdict(set)
    for option in options:
        for purchase in option.purchases:
            if purchase.spot is not None:
                kind = purchase.spot.interruptions_source.split(" of ")[0]
                rates[kind].add(purchase.spot.interruptions_per_hour)
                pools[kind].add(purchase.pool)
    if len(rates) < 2:
        return ()
    said = "; ".join(
        f"{kind}: {_range(rates[kind])} an instance-hour for {_pools(len(pools[kind]))}"
        for kind in sorted(rates)
    )
    return (f"interruptions of spot come from sources that do not compare ({said})",)


def _range(values: set[float]) -> str:
    return " to ".join(dict.fromkeys(f"{value:.2g}" for value in (min(values), max(values))))


def _pools(count: int) -> str:
    return f"{count:,} spot {'pool' if count == 1 else 'pools'}"
