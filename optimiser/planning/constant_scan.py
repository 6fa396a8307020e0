"""The scan over what runs all the time: cheapest bound first, until no bound is below the best found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimiser.planning.bounds import priced
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices


def scan(
    usd: Floats,
    bound: Floats,
    hours_usd: Callable[[Indices], Floats],
    fleet: Callable[[int], Fleet],
    cutoff_usd: float,
) -> Decomposed:
    """Look at the constant fleets worth it; every other is shown by its relaxation to cost more.

    usd and bound, shape (points,), are over the horizon; hours_usd is what the hours beside some of them cost.
    """
    worth = np.flatnonzero(bound < cutoff_usd)
    if not len(worth):
        return Decomposed(usd=np.inf, lower_usd=float(bound.min()), fleet=None, exact=False)
    skipped = float(np.min(bound[bound >= cutoff_usd], initial=np.inf))
    order = worth[np.argsort(bound[worth], kind="stable")]
    best_usd, best = np.inf, -1
    for start in range(0, len(order), 8):
        chunk = order[start : start + 8]
        if bound[chunk[0]] >= best_usd:
            break
        cost = usd[chunk] + hours_usd(chunk)
        lowest = int(np.argmin(cost))
        if cost[lowest] < best_usd - 1e-9:
            best_usd, best = float(cost[lowest]), int(chunk[lowest])
    lower_usd = min(best_usd, skipped)
    found = fleet(best) if best >= 0 else None
    return Decomposed(usd=best_usd, lower_usd=lower_usd, fleet=found, exact=lower_usd >= best_usd)


def constant_bounds(leaf: Leaf, capacity: Floats, usd_per_hour: Floats) -> tuple[Floats, Floats]:
    """What each constant fleet costs and what any plan with it costs at least, USD over the horizon, (points,)."""
    levels, capacity = leaf.levels, capacity[:, None]
    usd = usd_per_hour * levels.horizon_hours
    above_total = np.maximum(levels.total - capacity, 0.0) @ levels.hours
    above_firm = np.maximum(levels.firm - capacity, 0.0) @ levels.hours
    hourly, spot = (
        min((item.usd / item.rate for item in items), default=np.inf) for items in (leaf.hourly, leaf.spot)
    )
    rest = priced(hourly, above_firm) + priced(min(hourly, spot), above_total - above_firm)
    return usd, usd + rest


def still_needed(leaf: Leaf, slots: Indices, constant_rps: Floats | float, spot_rps: Floats) -> Floats:
    """Capacity to buy by the hour beside each constant capacity, slot and spot purchase."""
    firm = leaf.levels.firm[slots][:, None] - constant_rps
    rest = leaf.levels.total[slots][:, None] - constant_rps - spot_rps
    return np.maximum(firm, rest)
