"""Numbers of shared machines to round from: a linear programme over the ways of one set of options for each service.

    min Σ_o H · usd[o] · K[o] + Σ_{s, h, way} cost[s, h, way] · x[s, h, way]
    Σ_way x[s, h, way] = 1,   Σ_{s, way} taken[s, h, way, m] · x[s, h, way] ≤ Σ_{o of m} K[o]
    Σ_o takes[o, k] · K[o] + Σ_{s, way} takes[s, h, way, k] · x[s, h, way] ≤ granted[k]

The rule on what is committed is left to the rounding. Which sets leave room for all within caps is a whole-number
programme of the same rows over some of the hours (`fitting`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.solve import Programme, Terms, Variable, value
from optimiser.planning.tables import Indices
from optimiser.planning.together.services import Place
from optimiser.planning.together.ways import Ways

# Hours that sets are chosen by, and to what gap and number of nodes.
HOURS_TO_FIT, FITTED_GAP, FITTED_NODES = 16, 0.005, 100


@dataclass(frozen=True)
class Divided:
    """usd over the horizon; machines, how many instances of each it takes, shape (machines,); use, what one more of a
    machine, and then of a cap, costs in each hour, shape (machines + caps, hours); ways, the way of its menu that each
    service takes most, each (hours,)."""

    usd: float
    machines: Floats
    use: Floats
    ways: tuple[Indices, ...]


def divided(place: Place, services: Sequence[Ways]) -> Divided | None:
    """The least cost of sharing machines where hours may mix ways; None without an answer."""
    model = Programme("shared")
    bought = [model.variable(f"bought_{n}", one.most) for n, one in enumerate(place.constants)]
    cost: Terms = [(k, one.usd * place.hours.total) for k, one in zip(bought, place.constants, strict=True)]
    use: dict[tuple[int, int], Terms] = defaultdict(list)
    hours = list(range(len(place.hours.weight)))
    taken_up = [_add_service(model, cost, use, place, str(s), ways, hours) for s, ways in enumerate(services)]
    offers = _add_supply(model, place, bought, use, hours)
    model.minimise(cost)
    solved = model.solve()
    if solved.status != "optimal" or solved.usd is None:
        return None
    price = np.zeros((len(offers), len(place.hours.weight)))
    for m, hour in use:
        price[m, hour] = max(-model.price(f"share_{m}_{hour}"), 0.0)
    machines = np.array([-sum(value(k) * sign for k, sign in offers[m]) for m in range(len(place.machines))])
    most = tuple(
        np.array([max(picks, key=lambda one: value(one[0]))[1] for picks in hours]) for hours in taken_up
    )
    return Divided(solved.usd, machines, price, most)


def fitting(place: Place, services: Sequence[Sequence[Ways]]) -> list[int] | None:
    """Which set of each service's to use so that all have room at least cost, judged by some of the hours; None where
    none were found."""
    model = Programme("sets")
    bought = [model.variable(f"bought_{n}", one.most) for n, one in enumerate(place.constants)]
    cost: Terms = [(k, one.usd * place.hours.total) for k, one in zip(bought, place.constants, strict=True)]
    use: dict[tuple[int, int], Terms] = defaultdict(list)
    hours, of_hour = _to_fit(place, services)
    share = {h: float(place.hours.weight[of_hour == h].sum() / place.hours.weight[h]) for h in hours}
    chosen: list[list[Variable]] = []
    for s, sets in enumerate(services):
        chosen.append([model.binary(f"set_{s}_{n}") for n in range(len(sets))])
        model.row(f"one_{s}", [(one, 1.0) for one in chosen[-1]], "=", 1)
        for n, (one, ways) in enumerate(zip(chosen[-1], sets, strict=True)):
            for hour in hours:
                beside: Terms = []
                _add_service(model, beside, use, place, f"{s}_{n}", ways, [hour], one)
                cost += [(pick, usd * share[hour]) for pick, usd in beside]
    _add_supply(model, place, bought, use, hours)
    model.minimise(cost)
    if model.solve(gap=FITTED_GAP, nodes=FITTED_NODES).usd is None:
        return None
    return [int(np.argmax([value(one) for one in some])) for some in chosen]


def _to_fit(place: Place, services: Sequence[Sequence[Ways]]) -> tuple[list[int], Indices]:
    """Hours to judge by, from the cheapest to the dearest, and which of them each hour is like."""
    least = np.sum([ways[0].cost.min(axis=1) / place.hours.weight for ways in services], axis=0)
    order = np.argsort(least, kind="stable")
    of_hour = np.zeros(len(order), dtype=np.int64)
    for part in np.array_split(order, min(HOURS_TO_FIT, len(order))):
        of_hour[part] = part[-1]
    return np.unique(of_hour).tolist(), of_hour


def _add_service(
    model: Programme,
    cost: Terms,
    use: dict[tuple[int, int], Terms],
    place: Place,
    s: str,
    ways: Ways,
    hours: Sequence[int],
    only_with: Variable | None = None,
) -> list[list[tuple[Variable, int]]]:
    """The ways of a service in hours, and of which of its menu each is; adds to the cost and to what is used."""
    found: list[list[tuple[Variable, int]]] = []
    for hour in hours:
        index = ways.index[hour].tolist()
        picks: list[tuple[Variable, int]] = []
        for k in range(len(index)):
            if index[k] in index[:k] or not np.isfinite(ways.cost[hour, k]):
                continue
            pick = model.variable(f"way_{s}_{hour}_{k}")
            picks.append((pick, index[k]))
            cost.append((pick, float(ways.cost[hour, k])))
            taken = zip(ways.machines.tolist(), ways.taken[:, hour, k].tolist(), strict=True)
            for number, count in (
                *taken,
                *enumerate(ways.takes[hour, k].tolist(), start=len(place.machines)),
            ):
                if count:
                    use[number, hour].append((pick, count))
        one: Terms = [(pick, 1.0) for pick, _ in picks]
        if only_with is None:
            model.row(f"one_{s}_{hour}", one, "=", 1)
        else:
            model.row(f"one_{s}_{hour}", [*one, (only_with, -1.0)], "=", 0)
        found.append(picks)
    return found


def _add_supply(
    model: Programme,
    place: Place,
    bought: Sequence[Variable],
    use: dict[tuple[int, int], Terms],
    hours: Sequence[int],
) -> list[Terms]:
    """Rows of what is used of each machine, and taken of each cap; returns what is bought of it, as it counts there."""
    machines = [place.machines.index(one.machine) for one in place.constants]
    offers: list[Terms] = [
        [(k, -1.0) for k, machine in zip(bought, machines, strict=True) if machine == m]
        for m in range(len(place.machines))
    ]
    offers += [
        [(k, float(each[machine])) for k, machine in zip(bought, machines, strict=True)]
        for each in place.of_instance.T
    ]
    for cap, hour in product(range(len(place.machines), len(offers)), hours):
        if offers[cap]:
            use[cap, hour] += []
    amount = [0] * len(place.machines) + [cap.amount for cap in place.caps]
    for (m, hour), terms in use.items():
        model.row(f"share_{m}_{hour}", [*terms, *offers[m]], "<=", amount[m])
    return offers
