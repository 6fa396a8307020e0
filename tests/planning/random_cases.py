"""Small planning problems drawn at random: every way of paying under any policy, within quotas and a limit on GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from planning_cases import Case, Paid, case, committed, granted, held, hourly, machine, spot

from optimiser.planning.problem import (
    GrantedQuota,
)
from optimiser.policy import Policy


def random_case(seed: int) -> Case:
    """One to three machines in one to three sites, every way of paying, two to seven periods, any policy; every other
    case within quotas, and every third with a limit on GPUs.
    """
    rng = np.random.default_rng(seed)
    sites = [("aws", "r1"), ("gcp", "r1"), ("aws", "r2")][: int(rng.integers(1, 4))]
    kinds = int(rng.integers(1, 4))
    rates = [round(float(rng.choice([1.0, 1.3, 2.0, 2.7, 4.5, 7.3])), 2) for _ in range(kinds)]
    machines = []
    for kind, rate in enumerate(rates):
        per_rps = float(rng.uniform(0.7, 1.4))
        for provider, region in sites if rng.random() < 0.7 else sites[:1]:
            paid = _random_ways(rng, round(per_rps * rate * float(rng.uniform(0.9, 1.1)), 3))
            counted = {"vcpus": (8, 12, 4)[kind], "gpus": (1, 2, 1)[kind], "family": "GPG"[kind]}
            machines.append(machine(f"m{kind}", rate, *paid, region=region, provider=provider, **counted))
    periods = int(rng.integers(1, 7))
    demand = [round(float(x), 2) for x in rng.choice([0, 0.5, 1, 3, 5.5, 8, 11.25], periods)]
    demand[int(rng.integers(periods))] = round(float(rng.uniform(1, 12)), 2)
    hours = [float(x) for x in rng.choice([1.0, 1.0, 0.25, 6.0, 2.5], periods)]
    policy = Policy(
        utilisation_ceiling=float(rng.choice([1.0, 0.8, 0.65])),
        survive_instance_losses=int(rng.choice([0, 1, 1, 2])),
        survive_spot_pool_loss=bool(rng.random() < 0.7),
        min_firm_instances=int(rng.integers(0, 5)),
        commitment_hours_share=float(rng.choice([0.0, 0.1, 0.5, 1.0])),
        commitment_headroom=(1.0, 1.25, 1.8)[seed // 2 % 3],
        commitment_spare=seed // 5 % 3,
        max_spot_share=float(rng.choice([0.0, 0.3, 0.6, 1.0])),
        max_sites=[1, 1, 2, None][int(rng.integers(4))],
        max_instance_types=[1, 2, 2, None][int(rng.integers(4))],
    )
    if seed % 3 == 0:
        policy = policy.model_copy(update={"max_gpus": int(rng.integers(2, 24))})
    subject = case(machines, demand, hours, policy)
    return subject.with_quotas(*_random_quotas(rng, sites)) if seed % 2 else subject


def _random_quotas(rng: np.random.Generator, sites: list[tuple[str, str]]) -> Iterator[GrantedQuota]:
    """Of every other family and tier in each site, some or nothing."""
    for (provider, region), family, on_spot in product(sites, "GP", (False, True)):
        if rng.random() < 0.6:
            amount = int(rng.choice([0, 8, 16, 20, 24, 36, 40, 64]))
            yield granted(amount, provider=provider, region=region, family=family, spot=on_spot)


def _random_ways(rng: np.random.Generator, usd: float) -> list[Paid]:
    scarce = rng.random() < 0.3
    firm = held if scarce else hourly
    ways = [firm(usd)]
    if rng.random() < 0.25:
        ways.append(firm(round(usd * 0.6, 3), int(rng.integers(1, 4))))
    if rng.random() < 0.6:
        ways.append(committed(round(usd * float(rng.uniform(0.4, 0.9)), 3)))
    if rng.random() < 0.25:
        ways.append(committed(round(usd * 0.35, 3), int(rng.integers(1, 4))))
    for zone in "abc"[: int(rng.integers(0, 4))]:
        limit = int(rng.integers(1, 3)) if rng.random() < 0.2 else None
        ways.append(spot(round(usd * float(rng.uniform(0.35, 0.8)), 3), zone, limit))
    return ways
