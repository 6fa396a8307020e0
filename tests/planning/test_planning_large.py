"""The scan on a grid: a plan from sums rounded down, a bound from sums rounded up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from planning_cases import Case, case, committed, faults, held, hourly, machine, spot
from random_cases import random_case

from optimiser.planning import decompose as decomposed
from optimiser.planning import grid, knapsack, large
from optimiser.planning.bounds import Profiles
from optimiser.planning.decompose import decompose
from optimiser.planning.knapsack import Knapsack
from optimiser.planning.large import decompose_large
from optimiser.planning.leaf import Leaf
from optimiser.planning.leaves import Bought, build_leaf, solution_of
from optimiser.planning.problem import How
from optimiser.planning.tables import Frontier, Item, combined

Bag = dict[How, list[Bought]]
UNCAPPED: dict[str, object] = {"within_quotas": False, "max_gpus": None}


def leaf_of(subject: Case) -> tuple[Leaf, Bag]:
    """All options of a case in one leaf; a commitment is only held back where the policy limits it."""
    leaf, bought = build_leaf(subject.problem.options, Profiles(subject.problem))
    if subject.problem.policy.commitment_hours_share == 1:
        leaf = replace(leaf, committed_below=np.inf)
    return leaf, bought


@pytest.mark.parametrize("seed", range(24))
def test_the_two_sides_bracket_the_listed_optimum(seed: int) -> None:
    subject = random_case(seed).with_policy(max_sites=None, max_instance_types=None, **UNCAPPED)
    leaf, bought = leaf_of(subject)
    listed, found = decompose(leaf), decompose_large(leaf)
    assert listed.exact
    assert found.lower_usd <= listed.usd * (1 + 1e-9)
    assert found.usd >= listed.usd * (1 - 1e-9)
    if found.fleet is not None:
        solution = solution_of(leaf, bought, found.fleet)
        assert solution.usd(subject.problem.hours) == pytest.approx(found.usd)
        assert faults(subject, solution) == []


@pytest.mark.parametrize("seed", range(20))
def test_without_a_floor_the_plan_is_close(seed: int) -> None:
    subject = random_case(seed).with_policy(
        max_sites=None, max_instance_types=None, min_firm_instances=0, **UNCAPPED
    )
    leaf, _ = leaf_of(subject)
    listed, found = decompose(leaf), decompose_large(leaf)
    assert found.usd <= listed.usd * 1.1


# Rate in req/s and USD per hour on demand, in the proportions of list prices from L4 to 8×H100.
CATALOGUE = [
    (0.61, 0.8048), (0.66, 1.006), (1.02, 1.212), (1.9, 1.861), (2.4, 3.912), (2.63, 4.601),
    (5.1, 4.602), (7.7, 5.672), (10.9, 10.49), (14.2, 16.29), (21.7, 21.96), (38.3, 55.04),
]  # fmt: skip


def catalogue_case(peak: float, options: int = 12) -> Case:
    """Two days of a city's traffic by the hour over the catalogue, every way of paying."""
    hour = np.arange(48)
    noise = np.random.default_rng(5).uniform(0.93, 1.07, 48)
    demand = peak * (0.62 - 0.38 * np.cos((hour - 4) * 2 * np.pi / 24)) * noise
    machines = [
        machine(f"m{i}", rate, hourly(usd), committed(round(usd * 0.63, 4)), spot(round(usd * 0.42, 4), "a"))
        for i, (rate, usd) in enumerate(CATALOGUE[:options])
    ]
    return case(machines, [round(float(x), 3) for x in demand])


@pytest.mark.parametrize("peak", [150.0, 600.0, 3000.0])
def test_two_days_of_a_dozen_machines_close_to_half_a_percent(peak: float) -> None:
    subject = catalogue_case(peak).with_policy(max_spot_share=0.3)
    leaf, bought = leaf_of(subject)
    found = decompose_large(leaf)
    assert found.fleet is not None
    assert 0 <= found.usd / found.lower_usd - 1 <= 0.005
    assert faults(subject, solution_of(leaf, bought, found.fleet)) == []


def test_more_machines_and_more_spot_never_raise_the_bound_above_a_plan() -> None:
    few = decompose_large(leaf_of(catalogue_case(300.0, 5).with_policy(max_spot_share=0.0))[0])
    more = decompose_large(leaf_of(catalogue_case(300.0, 12).with_policy(max_spot_share=0.3))[0])
    assert more.lower_usd <= few.usd
    assert more.usd < few.usd


def test_a_bound_that_left_rules_out_names_them() -> None:
    subject = catalogue_case(300.0).with_policy(
        survive_spot_pool_loss=True, utilisation_ceiling=0.8, max_spot_share=0.3, min_firm_instances=2
    )
    leaf, bought = leaf_of(subject)
    found = decompose_large(leaf)
    assert set(found.dropped) == {"keep_firm_floor", "survive_spot_pool_loss"}
    assert found.fleet is not None
    assert faults(subject, solution_of(leaf, bought, found.fleet)) == []
    plain, _ = leaf_of(catalogue_case(300.0))
    assert decompose_large(plain).dropped == ()


@pytest.mark.parametrize("grid_cells", [40, 400])
@pytest.mark.parametrize("seed", range(12))
def test_the_bound_holds_and_the_plan_carries_the_demand_at_any_grid(
    seed: int, grid_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "GRID_CELLS", grid_cells)
    monkeypatch.setattr(large, "FINE_CELLS", grid_cells * 10)
    subject = random_case(seed).with_policy(
        max_sites=None, max_instance_types=None, within_quotas=False, max_gpus=None
    )
    leaf, bought = leaf_of(subject)
    found = decompose_large(leaf)
    assert found.lower_usd <= decompose(leaf).usd * (1 + 1e-9)
    if found.fleet is not None:
        assert faults(subject, solution_of(leaf, bought, found.fleet)) == []


@pytest.mark.parametrize("peak", [2e4, 1e6])
def test_tables_do_not_grow_with_the_fleet(peak: float, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(first: Frontier, second: Frontier, limit: float, floor: int = 0) -> Frontier:
        sizes.append(len(first.usd) * len(second.usd))
        return combined(first, second, limit, floor)

    class Counted(Knapsack):
        def __init__(
            self, items: Sequence[Item], limit: float, unit: float, *, optimistic: bool = False
        ) -> None:
            super().__init__(items, limit, unit, optimistic=optimistic)
            sizes.append(len(self.usd))

    monkeypatch.setattr(decomposed, "combined", counted)
    monkeypatch.setattr(grid, "Knapsack", Counted)
    one = machine("m", 5.0, hourly(4.6), committed(2.9), held(4.0), spot(1.9, "a"))
    leaf, _ = leaf_of(case([one], [peak] * 3))
    found = decompose(leaf)
    assert found.unit_rps
    assert found.fleet is not None
    assert sizes
    assert max(sizes) <= decomposed.CONSTANTS_LISTED


@pytest.mark.parametrize("weight", [1, 3, 63])
def test_small_weights_fill_the_same_table(weight: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(101.0, 7.0), Item(float(weight), weight * 0.08)]
    at_once = Knapsack(items, 500.0, 1.0).usd
    monkeypatch.setattr(knapsack, "_SMALL_WEIGHT", 0)
    assert at_once == pytest.approx(Knapsack(items, 500.0, 1.0).usd)
