"""The prices of shared machines at which services together cost most: the best bound of `relaxed`.

The volume algorithm (Barahona and Anbil, Mathematical Programming 87, 2000): steps along an average of what services
take at the prices so far, from the best prices so far, of the length that would reach the target were the bound
linear (Polyak). An instance of a dear machine counts as much in a step as the money it costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.together.relaxed import Prices, made_valid, unlimited_usd
from optimiser.planning.together.services import Place

FIRST_STEP, SHORTEST_STEP, STALLED = 0.3, 1e-3, 12
# What the last that was taken counts in the average.
COUNTS = 0.02
HALVINGS = 20


@dataclass(frozen=True)
class Climbed:
    """usd is the bound at prices; taken is what services take there, instances, shape (machines, hours)."""

    usd: float
    prices: Prices
    taken: Floats


Priced = Callable[[Prices], tuple[float, Floats]]


def climb(place: Place, start: Climbed, priced: Priced, share: float, rounds: int, ahead: float) -> Climbed:
    """Better prices than start, after so many rounds or when steps get no further.

    priced gives the bound at valid prices and what is taken, instances, shape (machines, hours); ahead is the share of
    the bound that steps aim above it: towards what prices cannot reach they lead away from it.
    """
    best, average, step, stalled = start, start.taken, FIRST_STEP, 0
    usd = np.array([unlimited_usd(place, m) for m in range(len(place.machines))])
    offers = [place.of_machine(m) for m in range(len(place.machines))]
    committed = np.array(
        [share < 1 and any(o.how is How.COMMITMENT for o in some) for some in offers], dtype=bool
    )
    for _ in range(rounds):
        length = step * ahead * best.usd
        prices = made_valid(
            place, _stepped(place, best.prices, average, length, usd, committed, share), share
        )
        found, taken = priced(prices)
        average = COUNTS * taken + (1 - COUNTS) * average
        if found > best.usd:
            stalled = 0
            if found > best.usd * (1 + 1e-4):
                step = min(step * 1.1, 2.0)
            best = Climbed(found, prices, taken)
        else:
            stalled += 1
            if stalled % STALLED == 0:
                step *= 0.66
        if step < SHORTEST_STEP:
            break
    return best


def _stepped(
    place: Place,
    prices: Prices,
    taken: Floats,
    missing: float,
    usd: Floats,
    committed: np.ndarray,
    share: float,
) -> Prices:
    """Prices a step towards what is taken most, near those at which no unlimited offer is worth more than its price.

    Of a committed machine the price with its credit, q = p + λ · w ≥ 0 with Σ q ≤ H · usd + λ · (1 − share) · H: the
    nearest such q and λ, of which λ counts as many times its square as there are hours.
    """
    some = np.flatnonzero(taken.any(axis=1))
    taken, usd, committed, credit = taken[some], usd[some], committed[some], prices.credit[some]
    weight, total, scale = place.hours.weight, place.hours.total, 1.0 / len(place.hours.weight)
    above = taken - (taken @ weight / total)[:, None]
    each = usd * (missing / max(float((above**2).sum(axis=1) @ usd), 1e-12))
    q = prices.use[some] + np.outer(credit, weight) + each[:, None] * taken
    credit = np.where(committed, credit - each * scale * (taken @ weight), 0.0)
    gain = np.where(committed, (1 - share) * total, 0.0)
    low, high = np.zeros(len(usd)), np.maximum(q.max(axis=1), 0.0)
    for _ in range(HALVINGS):
        theta = (low + high) / 2
        room = usd * total + gain * np.maximum(credit + theta * gain * scale, 0.0)
        over = np.maximum(q - theta[:, None], 0.0).sum(axis=1) > room
        low, high = np.where(over, theta, low), np.where(over, high, theta)
    lam = np.maximum(credit + high * gain * scale, 0.0) * committed
    found = Prices(prices.use.copy(), prices.credit.copy())
    found.use[some], found.credit[some] = np.maximum(q - high[:, None], 0.0) - np.outer(lam, weight), lam
    return found
