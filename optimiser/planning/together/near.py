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
    """Ways one below another, those of a set together and the sets of a service: cost beside shared machines, USD over
    the horizon, shape (ways, hours); machines that each takes of, shape (slots, ways), and instances of them, shape
    (slots, ways, hours). sets is the first way of each set, services the first set of each service."""

    cost: Floats
    machines: Indices
    taken: Floats
    sets: Indices
    services: Indices

    @classmethod
    def of(cls, services: Sequence[Mapping[int, Ways]]) -> Near:
        """The ways of each service's sets; every service has some."""
        every = [ways for known in services for ways in known.values()]
        counts = [ways.cost.shape[1] for ways in every]
        slots, hours = max(len(ways.machines) for ways in every), len(every[0].cost)
        machines = np.zeros((slots, sum(counts)), dtype=np.int64)
        taken = np.zeros((slots, sum(counts), hours))
        first = _firsts(counts)
        for ways, start, count in zip(every, first.tolist(), counts, strict=True):
            rows = slice(start, start + count)
            machines[: len(ways.machines), rows] = ways.machines[:, None]
            taken[: len(ways.machines), rows] = ways.taken.transpose(0, 2, 1)
        cost = np.vstack([ways.cost.T for ways in every])
        return cls(cost, machines, taken, first, _firsts([len(known) for known in services]))

    def least(self, use: Floats) -> tuple[float, Floats]:
        """What the services cost at prices of use, each with the best of its sets, and what they take, instances, shape
        (machines, hours)."""
        usd = self.cost.copy()
        for machines, taken in zip(self.machines, self.taken, strict=True):
            usd += taken * use[machines]
        of_set = np.minimum.reduceat(usd, self.sets, axis=0).sum(axis=1)
        used, every = np.zeros_like(use), np.arange(use.shape[1])
        total, set_ends = 0.0, np.append(self.sets[1:], len(usd))
        for first, end in zip(self.services, np.append(self.services[1:], len(of_set)), strict=True):
            best = int(first + of_set[first:end].argmin())
            total += float(of_set[best])
            ways = self.sets[best] + usd[self.sets[best] : set_ends[best]].argmin(axis=0)
            for machines, taken in zip(self.machines, self.taken, strict=True):
                used[machines[self.sets[best]]] += taken[ways, every]
        return total, used


def _firsts(counts: Sequence[int]) -> Indices:
    return np.append(0, np.cumsum(counts[:-1], dtype=np.int64))
