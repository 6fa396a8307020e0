"""How long a unit takes to start, what that forbids, and hours without demand in which nothing runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, estimate, faults, held, hourly, machine, shape, spot
from random_cases import random_case

from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.model import solve_compact
from optimiser.planning.patterns import settle
from optimiser.planning.rules import RULES
from optimiser.planning.search import search
from optimiser.planning.start_up import StartUpTimes, slow_start_notes, start_up_minutes, too_slow
from optimiser.policy import Policy

TIMES = StartUpTimes(
    one_gpu_boot_minutes=5,
    several_gpus_boot_minutes=20,
    image_minutes=6,
    engine_minutes=5,
    source="made by hand",
)


@pytest.mark.parametrize(
    ("gpus", "split", "load_gb_per_s", "minutes"),
    [
        (1, (1, 1, 1), 1.0, 16.3),  # 5 + 6 + 16 GiB = 17.2 GB at 1 GB/s: 0.29 + 5
        (1, (1, 1, 1), 0.1, 18.9),  # 2.9 for the weights
        (8, (8, 1, 1), 1.0, 33.3),  # 20 + 6 + 137.4 GB: 2.29 + 5
        (8, (8, 2, 2), 1.0, 33.3),  # each of two instances loads its half
        (8, (1, 1, 1), 1.0, 31.3),  # eight replicas read the weights once
    ],
)
def test_minutes_until_a_unit_serves(
    gpus: int, split: tuple[int, int, int], load_gb_per_s: float, minutes: float
) -> None:
    tensor, pipeline, instances = split
    one = estimate("m", 1.0)
    setup = replace(
        one.setup, tensor_parallel=tensor, pipeline_parallel=pipeline, instances_per_unit=instances
    )
    found = start_up_minutes(replace(one, setup=setup), shape("m", gpus=gpus), TIMES, load_gb_per_s)
    assert found == minutes


def test_a_start_is_too_slow_where_the_schedule_does_not_look_so_far_ahead() -> None:
    assert too_slow(Policy(start_up_hours=1), 61)
    assert not too_slow(Policy(start_up_hours=1), 60)
    assert not too_slow(Policy(start_up_hours=2), 61)
    assert not too_slow(Policy(start_up_hours=0), 1e3)


def test_a_note_names_what_starts_too_late() -> None:
    slow, _ = machine("slow", 1.0, held(1.0), start_up_minutes=75.0)
    fast, _ = machine("fast", 1.0, hourly(1.0), start_up_minutes=20.0)
    (note,) = slow_start_notes([slow, fast], Policy())
    assert "slow (75 min)" in note
    assert "fast" not in note
    assert slow_start_notes([slow, fast], Policy(start_up_hours=2)) == ()


@pytest.mark.parametrize(
    ("ways", "units", "broken"),
    [
        ([hourly(1.0)], [2, 2], {"start_in_time"}),
        ([spot(1.0)], [2, 2], {"start_in_time"}),
        ([held(1.0)], [2, 2], set()),
    ],
)
def test_what_starts_too_late_is_not_bought_by_the_hour(
    ways: list, units: list[int], broken: set[str]
) -> None:
    subject = case([machine("m", 1.0, *ways, start_up_minutes=61.0)], [2.0, 2.0])
    column = Bought(subject.problem.options[0], subject.problem.options[0].purchases[0])
    found = faults(subject, Solution((column,), np.array(units)[:, None]))
    assert {fault.split(":")[0] for fault in found} == broken


def idle_case(minutes: float, **policy: object) -> Case:
    subject = case([machine("m", 1.0, hourly(1.0), start_up_minutes=minutes)], [0.0, 1.0, 3.0, 0.0])
    return subject.with_policy(**{"min_firm_instances": 2, "scale_to_zero_within_s": 600.0, **policy})


@pytest.mark.parametrize(
    ("minutes", "policy", "units"),
    [
        (10.0, {}, [0, 2, 3, 0]),
        (10.1, {}, [2, 2, 3, 2]),
        (10.0, {"scale_to_zero_within_s": None}, [2, 2, 3, 2]),
    ],
)
def test_hours_without_demand_by_hand(minutes: float, policy: dict[str, object], units: list[int]) -> None:
    subject = idle_case(minutes, **policy)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(sum(units))
    assert best.solution.units[:, 0].tolist() == units
    assert faults(subject, best.solution) == []
    settled, _ = settle(subject.problem, best.solution)
    assert settled.units[:, 0].tolist() == units


def test_a_slow_machine_by_the_hour_keeps_the_floor_of_all() -> None:
    subject = idle_case(5.0)
    slow, offers = machine("slow", 1.0, hourly(1.0), start_up_minutes=30.0)
    fast = subject.problem.options[0]
    columns = (Bought(fast, fast.purchases[0]), Bought(slow, slow.purchases[0]))
    both = Case(problem=replace(subject.problem, options=(fast, slow)), offers={**subject.offers, **offers})
    mixed = Solution(columns, np.array([[0, 0], [2, 0], [2, 1], [0, 0]]))
    assert {fault.split(":")[0] for fault in faults(both, mixed)} == {"keep_firm_floor"}
    fast_alone = Solution(columns[:1], np.array([[0], [2], [3], [0]]))
    assert faults(both, fast_alone) == []


@pytest.mark.parametrize("seed", range(28))
def test_the_search_finds_the_proven_optimum_with_idle_hours(seed: int) -> None:
    rng = np.random.default_rng(seed)
    subject = random_case(seed).with_policy(scale_to_zero_within_s=900.0)
    options = tuple(
        replace(option, start_up_minutes=float(rng.choice([5.0, 30.0]))) for option in subject.problem.options
    )
    subject = replace(subject, problem=replace(subject.problem, options=options))
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    found = outcome.best.usd if outcome.best else math.inf
    assert found == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or outcome.lower_usd == proven
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []
        assert outcome.best.solution.usd(subject.problem.hours) == pytest.approx(found)
    if seed % 6 == 0 and outcome.best:
        _, solved = solve_compact(subject.problem, [rule.rows for rule in RULES.values()])
        assert solved.usd == pytest.approx(proven, rel=1e-6)


@pytest.mark.parametrize("limit", [{"min_up_hours": 2}, {"max_starts_per_hour": 2, "max_stops_per_hour": 2}])
def test_idle_hours_keep_the_schedule(limit: dict[str, object]) -> None:
    subject = idle_case(10.0, **limit)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(optimum_usd(subject.problem))
    assert faults(subject, best.solution) == []
