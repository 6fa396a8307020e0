"""Services that are planned together: by hand, at random, and what they cost by themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from planning_cases import PLAIN, Case, case, committed, held, hourly, machine, spot

from optimiser.planning.problem import Problem
from optimiser.planning.search import search

TOGETHER = PLAIN.model_copy(update={"max_sites": 1, "max_instance_types": 2})


def services(*cases: Case) -> list[Problem]:
    """The problems of several cases under names of their own."""
    return [replace(one.problem, services=(f"s{n}",)) for n, one in enumerate(cases)]


def apart_usd(problems: list[Problem]) -> float:
    """What each costs by itself, added up."""
    return sum(best.usd if (best := search(one, 0.0).best) else math.inf for one in problems)


def _usd(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 3)


def random_services(seed: int) -> list[Problem]:
    """Two or three services on one to three machines in one or two sites, three to five periods."""
    rng = np.random.default_rng(seed)
    regions = ("r1", "r2")[: int(rng.integers(1, 3))]
    periods = int(rng.integers(3, 6))
    hours = [float(x) for x in rng.choice([1.0, 2.0, 6.0], periods)]
    kinds = int(rng.integers(1, 4))
    rates = rng.choice([1.0, 1.7, 2.6, 4.1], kinds)
    ways = {
        (kind, region): [
            way
            for way in (
                held(round(float(rng.uniform(0.8, 1.3)), 3))
                if kind == 0
                else hourly(round(float(rng.uniform(1, 2)), 3)),
                committed(_usd(rng, 0.5, 1.2)),
                spot(_usd(rng, 0.3, 0.8)),
            )
            if rng.random() < 0.8 or way.how.value == "held_on_demand"
        ]
        for kind in range(kinds)
        for region in regions
    }
    found = []
    for _ in range(int(rng.integers(2, 4))):
        speed = float(rng.uniform(0.5, 1.5))
        machines = [
            machine(f"m{kind}", round(float(rates[kind]) * speed, 2), *paid, region=region)
            for (kind, region), paid in ways.items()
            if paid
        ]
        policy = TOGETHER.model_copy(
            update={
                "max_instance_types": int(rng.integers(1, 3)),
                "survive_instance_losses": int(rng.integers(0, 2)),
                "utilisation_ceiling": float(rng.choice([1.0, 0.8])),
                "min_firm_instances": int(rng.integers(0, 3)),
                "max_spot_share": float(rng.choice([0.0, 0.3, 0.6])),
                "survive_spot_pool_loss": bool(rng.random() < 0.5),
            }
        )
        demand = [round(float(x), 2) for x in rng.choice([0, 0.7, 2, 3.5, 6], periods)]
        demand[int(rng.integers(periods))] = 4.0
        found.append(case(machines, demand, hours, policy))
    return services(*found)
