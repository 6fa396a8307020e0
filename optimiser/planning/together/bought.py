"""How many of each shared machine to try, on which offers so many are bought, and in which order these are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from optimiser.planning.problem import Floats, How
from optimiser.planning.tables import Indices, Units
from optimiser.planning.together.services import Constant, Place

# Most of a machine for one of another.
MOST_FOR_ONE = 6


def changes(machines: int, active: Indices, worth: Floats) -> Iterator[Units]:
    """One fewer of an active machine, the dearest first; then of one for one more of another, and for as much money.
    worth, USD an hour, is of the active."""
    one = np.eye(machines, dtype=np.int64)
    order = np.argsort(-worth, kind="stable").tolist()
    yield from (-one[active[i]] for i in order)
    for i, j in product(order, order):
        if i == j:
            continue
        fewer, more = one[active[i]], one[active[j]]
        yield more - fewer
        ratio = round(worth[i] / worth[j]), round(worth[j] / worth[i])
        if 1 < max(ratio) <= MOST_FOR_ONE:
            yield max(ratio[0], 1) * more - max(ratio[1], 1) * fewer


def bought_for(place: Place, most: Units, used: Units, share: float) -> tuple[dict[str, int], Units]:
    """The cheapest offers for so many of each machine, and how many in use are not to be had; used, shape (machines,
    hours), share of the hours in which a commitment need not be in use.

    What is owned costs nothing. A commitment's instances are used first, so that those in use in all but the share of
    the hours are as many as are used in so many hours.
    """
    bought, missing = {one.offer_id: 0 for one in place.constants}, np.zeros_like(most)
    for m in range(len(most)):
        left = min(int(most[m]), int(used[m].max()))
        in_use = left if share >= 1 else used_always(used[m], place.hours.weight, share)
        for one in place.of_machine(m):
            count = left if one.most is None else min(left, one.most)
            if one.how is How.COMMITMENT:
                count = min(count, in_use)
                in_use -= count
            bought[one.offer_id] = count
            left -= count
        missing[m] = left
    return bought, missing


def used_always(used: Units, weight: Floats, share: float) -> int:
    """The most instances that are in use in all but a share of the hours."""
    order = np.argsort(used, kind="stable")
    below = np.cumsum(weight[order]) - weight[order]
    return int(used[order][np.flatnonzero(below <= share * weight.sum() + 1e-9)[-1]])


def in_groups(
    place: Place, bought: Mapping[str, int], groups: Mapping[int, int]
) -> tuple[dict[str, int], float] | None:
    """The same numbers of each machine where every offer but one, held without a limit, has whole groups of instances
    (so many of each machine), and how much dearer they are, USD over the horizon; None where there is no such offer."""
    found, dearer = dict(bought), 0.0
    for m, size in groups.items():
        offers = place.of_machine(m)
        if size == 1 or sum(bought[one.offer_id] > 0 for one in offers) < 2:
            continue
        rest = next((one for one in offers if one.how is How.HELD and one.most is None), None)
        if rest is None:
            return None
        for one in offers:
            if one is not rest and (over := bought[one.offer_id] % size):
                found[one.offer_id] -= over
                found[rest.offer_id] += over
                dearer += over * (rest.usd - one.usd)
    return found, dearer * place.hours.total


def offers_by_use(place: Place, machine: int) -> Sequence[Constant]:
    """A machine's offers in the order in which their instances are used: commitments, what is owned, what is held."""
    rank = {How.COMMITMENT: 0, How.OWNED: 1, How.HELD: 2}
    return sorted(place.of_machine(machine), key=lambda one: (rank[one.how], one.usd, one.offer_id))
