"""Which options copies of another replace, whatever is routed where."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from optimiser.planning.by_size_sets import Sized
from optimiser.planning.problem import How, Option

ALL_ALONG = (How.COMMITMENT, How.HELD)


def undominated(sized: Sized, running: Collection[int] | None = None) -> tuple[Option, ...]:
    """Options that copies of no other replace: k of h cost no more than one of g in each way that g can be paid, and
    reach its rate for every size. All of them where a unit may be limited in number, or what is committed of it is held
    to what it carries or to a budget.

    running is given where what runs all along is fixed: the options it is of stay, and only prices by the hour count.
    """
    limited = any(one.purchase.max_units is not None for one in sized.columns) or sized.caps
    signs = running is None and any(one.purchase.how is How.COMMITMENT for one in sized.columns)
    held_back = sized.policy.commitment_hours_share < 1 or sized.policy.max_committed_monthly_usd is not None
    if limited or (signs and held_back):
        return sized.options
    ways = [_usd_by_way(sized, i, by_hour=running is not None) for i in range(len(sized.options))]
    width = max(len(one) for one in ways)
    usd = np.array([one + [np.inf] * (width - len(one)) for one in ways])
    rates = sized.rates_rps.T
    kept: list[int] = []
    for g in np.lexsort((-rates.sum(axis=1), usd.min(axis=1))):
        paid = np.isfinite(usd[g])
        if paid.any():
            copies = np.floor(np.min(usd[g, paid] / np.maximum(usd[kept][:, paid], 1e-12), axis=1) + 1e-12)
            if not np.any(np.all(copies[:, None] * rates[kept] >= rates[g] - 1e-12, axis=1)):
                kept.append(int(g))
    return tuple(sized.options[i] for i in sorted({*kept, *(running or ())}))


def _usd_by_way(sized: Sized, i: int, *, by_hour: bool) -> list[float]:
    """Least USD per unit-hour of each way to pay by the hour or all along, then of each spot pool from the cheapest."""
    bought = [sized.columns[c].purchase for c in sized.columns_of[i]]
    least = [
        min((one.usd_per_unit_hour for one in bought if one.how is how), default=np.inf)
        for how in (How.HOURLY, *(() if by_hour else ALL_ALONG))
    ]
    return least + sorted(one.usd_per_unit_hour for one in bought if one.how is How.SPOT)
