"""The prices of shared machines at which services together cost most: the best bound of `relaxed`.

The volume algorithm (Barahona and Anbil, Mathematical Programming 87, 2000): steps along an average of what services
take at the prices so far, from the best prices so far, of the length that would reach the target were the bound
linear (Polyak). The average is near what the best mix of ways takes, so it says how many machines to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.together.relaxed import Prices, made_valid
from optimiser.planning.together.services import Place

AVERAGED = 0.1
STALLED = 12
SHORTEST_STEP = 0.02


@dataclass(frozen=True)
class Climbed:
    """usd is the bound at prices; taken is what services take there on average, instances, (machines, hours)."""

    usd: float
    prices: Prices
    taken: Floats


Priced = Callable[[Prices], tuple[float, Floats]]


def climb(
    place: Place, start: Climbed, priced: Priced, target_usd: float, share: float, rounds: int
) -> Climbed:
    """Better prices than start, after so many rounds or when steps get no further.

    priced gives the bound at valid prices and what is taken, instances, shape (machines, hours).
    """
    best, average, step, stalled = start, start.taken, 1.0, 0
    for _ in range(rounds):
        prices = _stepped(place, best.prices, average, step * max(target_usd - best.usd, 0.0), share)
        usd, taken = priced(prices)
        average = AVERAGED * taken + (1 - AVERAGED) * average
        if usd > best.usd:
            stalled = 0
            if usd > best.usd + 1e-4 * abs(best.usd):
                step = min(step * 1.1, 2.0)
            best = Climbed(usd, prices, average)
        else:
            stalled += 1
            if stalled % STALLED == 0:
                step *= 0.66
        if step < SHORTEST_STEP:
            break
    return Climbed(best.usd, best.prices, average)


def _stepped(place: Place, prices: Prices, taken: Floats, missing_usd: float, share: float) -> Prices:
    """Prices a step towards what is taken most, such that no unlimited offer is worth more than its price.

    Of a committed machine the price with its credit, q = p + λ · w ≥ 0 with Σ q ≤ H · usd + λ · (1 − share) · H.
    """
    weight, total = place.hours.weight, place.hours.total
    above = taken - (taken @ weight / total)[:, None]
    length = missing_usd / max(float((above**2).sum()), 1e-12)
    use, credit = prices.use.copy(), prices.credit.copy()
    for m in range(len(place.machines)):
        paid = [one for one in place.of_machine(m) if one.most is None] or place.of_machine(m)
        usd = min(one.usd for one in paid) * total
        if share < 1 and any(one.how is How.COMMITMENT for one in paid):
            scale = 1.0 / len(weight)
            q = use[m] + credit[m] * weight + length * taken[m]
            lam = credit[m] - length * scale * float(taken[m] @ weight)
            q, lam = _balanced(q, lam, usd, (1 - share) * total, scale)
            use[m], credit[m] = q - lam * weight, lam
        else:
            q, _ = _balanced(use[m] + length * taken[m], 0.0, usd, 0.0, 0.0)
            use[m] = q
    return made_valid(place, Prices(use, credit), share)


def _balanced(q: Floats, lam: float, usd: float, per_credit: float, scale: float) -> tuple[Floats, float]:
    """The nearest q ≥ 0 and λ ≥ 0 with Σ q ≤ usd + per_credit · λ, λ counting 1 / scale times its square."""

    def at(theta: float) -> tuple[Floats, float]:
        return np.maximum(q - theta, 0.0), max(lam + theta * per_credit * scale, 0.0)

    low, high = 0.0, float(max(q.max(), 0.0))
    for _ in range(50):
        theta = (low + high) / 2
        some, credit = at(theta)
        if some.sum() > usd + per_credit * credit:
            low = theta
        else:
            high = theta
    return at(high)
