"""Bounds of sets whose offers are limited in number: never above the optimum, and close where the limits are small."""

from __future__ import annotations

import math

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, Paid, case, committed, faults, held, hourly, machine, spot

from optimiser.planning.bounds import Profiles
from optimiser.planning.search import LARGE_LEAVES, search
from optimiser.policy import Policy


def bound_of(subject: Case) -> float:
    """The bound of all options of a case as one branch, USD over the horizon."""
    options = subject.problem.options
    rates = [option.rate_rps for option in options]
    return float(Profiles(subject.problem).bounds([options], [min(rates)], [max(rates)])[0])


def limited_case(seed: int) -> Case:
    """One or two machines, most ways of paying limited in number, one to four periods, any policy on one site."""
    rng = np.random.default_rng(seed)
    machines = []
    for kind in range(int(rng.integers(1, 3))):
        rate = float(rng.choice([1.0, 1.3, 2.0, 4.5]))
        usd = rate * float(rng.uniform(0.8, 1.3))
        firm = held if rng.random() < 0.3 else hourly
        ways: list[Paid] = []
        for way, share, sure in ((firm, 1.0, 0.5), (committed, 0.6, 0.4)):
            if rng.random() < sure:
                ways.append(way(round(usd * share, 3)))
            for _ in range(int(rng.integers(0, 3))):
                off = float(rng.uniform(0.2, 1.2))
                ways.append(way(round(usd * share * off, 3), int(rng.integers(1, 6))))
        for zone in "ab"[: int(rng.integers(0, 3))]:
            limit = int(rng.integers(1, 4)) if rng.random() < 0.6 else None
            ways.append(spot(round(usd * float(rng.uniform(0.2, 0.9)), 3), zone, limit))
        machines.append(machine(f"m{kind}", rate, *(ways or [firm(round(usd, 3))])))
    periods = int(rng.integers(1, 5))
    demand = [round(float(x), 2) for x in rng.choice([0.5, 1, 3, 5.5, 8, 11.25], periods)]
    hours = [float(x) for x in rng.choice([1.0, 0.25, 6.0, 2.5], periods)]
    policy = Policy(
        utilisation_ceiling=float(rng.choice([1.0, 0.8])),
        survive_instance_losses=int(rng.choice([0, 1])),
        survive_spot_pool_loss=bool(rng.random() < 0.5),
        min_firm_instances=int(rng.integers(0, 3)),
        commitment_hours_share=float(rng.choice([0.0, 0.5, 1.0])),
        max_spot_share=float(rng.choice([0.0, 0.4, 1.0])),
        max_sites=1,
        max_instance_types=[1, 2, None][int(rng.integers(3))],
    )
    return case(machines, demand, hours, policy)


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_costs_less_than_the_bound_and_the_search_finds_the_optimum(seed: int) -> None:
    subject = limited_case(seed)
    optimum = optimum_usd(subject.problem)
    found = search(subject.problem, gap=0.0)
    assert bound_of(subject) <= optimum * (1 + 1e-9) or math.isinf(optimum)
    assert found.lower_usd <= optimum * (1 + 1e-9) or math.isinf(optimum)
    assert (found.best.usd if found.best else math.inf) == pytest.approx(optimum, rel=1e-6)


def test_a_small_contract_takes_its_saving_off_and_no_more() -> None:
    # Ten units all along: two at $1, eight at $5, for ten hours; without end of the contract it would be $100.
    ways = machine("m", 1.0, hourly(5.0), committed(1.0, 2))
    assert bound_of(case([ways], [10.0], [10.0])) == pytest.approx(2 * 10 * 1.0 + 8 * 10 * 5.0)


def test_limited_offers_of_every_way_are_added_up() -> None:
    # Eight firm for four hours, of which two are committed at $1 and three by the hour at $2, and four more on spot in
    # two of the hours: one unit at $0.5, the rest at $1.5.
    policy = Policy(
        utilisation_ceiling=1.0,
        survive_instance_losses=0,
        survive_spot_pool_loss=False,
        commitment_hours_share=1.0,
        max_spot_share=1 / 3,
        min_firm_instances=0,
        max_sites=1,
    )
    ways = [committed(1.0, 2), hourly(2.0, 3), hourly(4.0), spot(0.5, "a", 1), spot(1.5, "b")]
    subject = case([machine("m", 1.0, *ways)], [12.0, 12.0], [2.0, 2.0], policy)
    least = 4 * (2 * 1.0 + 3 * 2.0 + 3 * 4.0 + 1 * 0.5 + 3 * 1.5)
    assert bound_of(subject) == pytest.approx(least)
    assert optimum_usd(subject.problem) == pytest.approx(least)


def test_a_small_contract_does_not_keep_a_large_plan_from_the_better_machines() -> None:
    # Every set with "deal" looked as cheap as its ten contracts, so that more sets than are solved came before "large".
    ways = [machine("deal", 20.0, hourly(6.88), committed(5.4), committed(2.0, 10))]
    ways += [machine(f"small{i}", 1.0 + i / 10, hourly(0.9 + i / 9)) for i in range(LARGE_LEAVES + 2)]
    ways += [machine("large", 160.0, hourly(44.0), committed(36.0))]
    demand = [3000.0 + 1500 * (hour % 12) / 11 for hour in range(24)]
    subject = case(ways, demand).with_policy(max_sites=1, max_instance_types=2, commitment_hours_share=0.5)
    found = search(subject.problem)
    alone = search(case([ways[0], ways[-1]], demand, policy=subject.problem.policy).problem)
    assert found.best is not None
    assert alone.best is not None
    assert found.best.usd <= alone.best.usd * 1.002
    assert found.best.usd <= found.lower_usd * 1.02
    assert faults(subject, found.best.solution) == []
