"""Numbers of shared machines to round from: a linear programme over the ways of one set of options for each service.

    min Σ_o H · usd[o] · K[o] + Σ_{s, h, way} cost[s, h, way] · x[s, h, way]
    Σ_way x[s, h, way] = 1,   Σ_{s, way} taken[s, h, way, m] · x[s, h, way] ≤ Σ_{o of m} K[o]

The rule on what is committed is left to the rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.solve import Programme, Terms, Variable, value
from optimiser.planning.tables import Indices
from optimiser.planning.together.services import Place
from optimiser.planning.together.ways import Ways


@dataclass(frozen=True)
class Divided:
    """usd over the horizon; machines, how many instances of each it takes, shape (machines,); use, what one more costs
    in each hour, shape (machines, hours); ways, the way of its menu that each service takes most, each (hours,)."""

    usd: float
    machines: Floats
    use: Floats
    ways: tuple[Indices, ...]


def divided(place: Place, services: Sequence[Ways]) -> Divided | None:
    """The least cost of sharing machines where hours may mix ways; None without an answer."""
    model = Programme("shared")
    bought = [model.variable(f"bought_{n}", one.most) for n, one in enumerate(place.constants)]
    cost: Terms = [(k, one.usd * place.hours.total) for k, one in zip(bought, place.constants, strict=True)]
    use: dict[tuple[int, int], list[tuple[Variable, float]]] = defaultdict(list)
    taken_up: list[list[list[tuple[Variable, int]]]] = []
    for s, ways in enumerate(services):
        taken_up.append([])
        for hour, index in enumerate(ways.index.tolist()):
            picks: list[tuple[Variable, int]] = []
            for k in range(len(index)):
                if index[k] in index[:k] or not np.isfinite(ways.cost[hour, k]):
                    continue
                pick = model.variable(f"way_{s}_{hour}_{k}")
                picks.append((pick, index[k]))
                cost.append((pick, float(ways.cost[hour, k])))
                for machine, taken in zip(
                    ways.machines.tolist(), ways.taken[:, hour, k].tolist(), strict=True
                ):
                    if taken:
                        use[machine, hour].append((pick, taken))
            model.row(f"one_{s}_{hour}", [(pick, 1.0) for pick, _ in picks], "=", 1)
            taken_up[s].append(picks)
    offers: dict[int, Terms] = {
        m: [(k, -1.0) for k, one in zip(bought, place.constants, strict=True) if one.machine == machine]
        for m, machine in enumerate(place.machines)
    }
    for (m, hour), taken in use.items():
        model.row(f"share_{m}_{hour}", [*taken, *offers[m]], "<=", 0)
    model.minimise(cost)
    solved = model.solve()
    if solved.status != "optimal" or solved.usd is None:
        return None
    price = np.zeros((len(place.machines), len(place.hours.weight)))
    for m, hour in use:
        price[m, hour] = max(-model.price(f"share_{m}_{hour}"), 0.0)
    machines = np.array([-sum(value(k) * sign for k, sign in offers[m]) for m in range(len(place.machines))])
    most = tuple(
        np.array([max(picks, key=lambda one: value(one[0]))[1] for picks in hours]) for hours in taken_up
    )
    return Divided(solved.usd, machines, price, most)
