"""The ways near the best of all services at once: a climb looks at them at over a thousand prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimiser.planning.problem import Floats
from optimiser.planning.tables import Indices
from optimiser.planning.together.ways import Ways


@dataclass(frozen=True)
class Near:
    """Ways one below another, those of a set together, sets of most machines first: cost beside shared machines, USD
    over the horizon, shape (ways, hours). Of each slot, the first machine of a set, its second and so on, machines that
    each of the first ways takes of, shape (ways of sets with as many,), and instances of them, shape (the same, hours).
    sets is the first way of each set, services the sets of each service; priced and costly are room to work in.
    """

    cost: Floats
    machines: tuple[Indices, ...]
    taken: tuple[Floats, ...]
    sets: Indices
    services: tuple[Indices, ...]
    priced: Floats
    costly: Floats

    @classmethod
    def of(cls, services: Sequence[Mapping[int, Ways]]) -> Near:
        """The ways of each service's sets; every service has some."""
        every = [(s, ways) for s, known in enumerate(services) for ways in known.values()]
        every.sort(key=lambda one: -len(one[1].machines))
        of_service = np.array([s for s, _ in every])
        cost = np.vstack([ways.cost.T for _, ways in every])
        machines, taken = [], []
        for slot in range(max(len(ways.machines) for _, ways in every)):
            some = [ways for _, ways in every if len(ways.machines) > slot]
            counts = [ways.cost.shape[1] for ways in some]
            machines.append(np.repeat([ways.machines[slot] for ways in some], counts))
            taken.append(np.vstack([ways.taken[slot].T for ways in some]))
        return cls(
            cost,
            tuple(machines),
            tuple(taken),
            np.append(0, np.cumsum([ways.cost.shape[1] for _, ways in every], dtype=np.int64)[:-1]),
            tuple(np.flatnonzero(of_service == s) for s in range(len(services))),
            np.empty_like(cost),
            np.empty_like(cost),
        )

    def least(self, use: Floats) -> tuple[float, Floats]:
        """What the services cost at prices of use, each with the best of its sets, and what they take, instances, shape
        (machines, hours)."""
        usd = self.costly
        np.copyto(usd, self.cost)
        for machines, taken in zip(self.machines, self.taken, strict=True):
            priced = np.take(use, machines, axis=0, out=self.priced[: len(machines)], mode="clip")
            priced *= taken
            usd[: len(machines)] += priced
        of_set = np.minimum.reduceat(usd, self.sets, axis=0).sum(axis=1)
        used, every = np.zeros_like(use), np.arange(use.shape[1])
        total, ends = 0.0, np.append(self.sets[1:], len(usd))
        for some in self.services:
            best = int(some[of_set[some].argmin()])
            total += float(of_set[best])
            first = int(self.sets[best])
            ways = first + usd[first : ends[best]].argmin(axis=0)
            for machines, taken in zip(self.machines, self.taken, strict=True):
                if first < len(machines):
                    used[machines[first]] += taken[ways, every]
        return total, used
