"""The ways that services take in one hour with so many machines: mended step by step, or exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.solve import Programme, value
from optimiser.planning.tables import Indices, Units

# Ways of a service that an hour chooses among beside the programme's: the cheapest at multiples of its prices.
WAYS, MULTIPLES = 3, (0.0, 1.0, 2.0)
# Of so many of the cheapest an exact hour takes all that may be needed, and looks at so many nodes.
WIDE, NODES = 300, 100
# What a machine too many counts for, in what it costs, while an hour is mended.
BEYOND = 1e3


@dataclass(frozen=True)
class Hour:
    """ways, of each service's menu, the programme's first, what they cost, both (services, ways), and take of each
    machine, (services, ways, machines); cost is inf where a way stands twice."""

    ways: Units
    cost: Floats
    taken: Units


def paired(cost: Floats, taken: Units, picked: Indices, most: Units, worth: Floats) -> tuple[Indices, float]:
    """One hour with the ways of one or two services changed at once as long as that helps, and what it still takes
    beyond the machines there are. Shapes cost (services, ways), taken (services, ways, machines)."""
    picked, every = picked.copy(), np.arange(len(picked))
    services, ways = np.nonzero(np.isfinite(cost))
    # A change of one service alone stands on the diagonal; its other row and column of the same service are none.
    not_both = np.where(services[:, None] == services, np.inf, 0.0)
    alone = np.arange(len(services))
    while True:
        used = taken[every, picked].sum(axis=0)
        dearer = cost[services, ways] - cost[every, picked][services]
        more = (taken[services, ways] - taken[every, picked][services]).astype(np.float64)
        single = dearer.copy()
        change = not_both + dearer[:, None] + dearer
        for m in np.flatnonzero(used + 2 * more.max(axis=0) > most).tolist():
            beyond = float(used[m] - most[m])
            change += np.maximum(beyond + more[:, m, None] + more[:, m], 0.0) * (worth[m] * BEYOND)
            single += np.maximum(beyond + more[:, m], 0.0) * (worth[m] * BEYOND)
        change[alone, alone] = single
        now = float(np.maximum(used - most, 0.0) @ worth)
        first, second = divmod(int(change.argmin()), len(services))
        if change[first, second] >= now * BEYOND - 1e-7:
            return picked, now
        picked[services[[first, second]]] = ways[[first, second]]


def exactly(hour: Hour, most: Units, use: Floats, below: float = np.inf) -> Indices | None:
    """The cheapest way of each service in an hour; None where none fits for less than below.

    At any prices of use all cost at least Σ_s min(cost + use · taken) − use · most, and as much more as a way is dearer
    than its service's cheapest: ways by which that is no less than below are left out.
    """
    model = Programme("hour")
    priced = hour.cost + hour.taken @ use
    dearer = priced - priced.min(axis=1, keepdims=True)
    room = below - float(priced.min(axis=1).sum() - use @ most)
    services, ways = np.nonzero(np.isfinite(hour.cost) & (dearer < room))
    if len(set(services.tolist())) < len(hour.cost):
        return None
    picks = [model.binary(f"way_{n}") for n in range(len(ways))]
    for s in range(len(hour.cost)):
        model.row(f"one_{s}", [(picks[n], 1.0) for n in np.flatnonzero(services == s).tolist()], "=", 1)
    for m, row in enumerate(hour.taken[services, ways].T):
        if row.any():
            terms = [(picks[n], float(row[n])) for n in np.flatnonzero(row).tolist()]
            model.row(f"share_{m}", terms, "<=", int(most[m]))
    model.minimise(list(zip(picks, hour.cost[services, ways].tolist(), strict=True)))
    if model.solve(gap=1e-3, nodes=NODES).usd is None:
        return None
    found = [n for n, pick in enumerate(picks) if value(pick) > 0.5]
    best: Indices = hour.ways[services[found], ways[found]]
    return best


def near(cost: Floats, taken: Units, use: Floats) -> Indices:
    """Ways worth a look in an hour: the cheapest at some prices."""
    return np.concatenate([(cost + taken @ (use * by)).argsort(kind="stable")[:WAYS] for by in MULTIPLES])


def needed(cost: Floats, taken: Units, use: Floats) -> Indices:
    """Ways of an hour of which no cheaper one takes as little of each machine, among the cheapest at prices."""
    some: Indices = np.lexsort([taken.sum(axis=1), cost + taken @ use])[:WIDE]
    # What makes a way needless comes before it; of two that are alike the first stays.
    less = (cost[some] <= cost[some, None]) & (taken[some] <= taken[some, None]).all(axis=-1)
    return some[~np.tril(less, -1).any(axis=1)]
