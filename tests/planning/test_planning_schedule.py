"""Rules that couple hours: plans between the proven optimum and the bound, by hand, and broken ones refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, emitting, faults, hourly, machine, spot
from random_cases import random_case

from optimiser.planning.blocks import blocks_of
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.outcome import Outcome
from optimiser.planning.periods import begun_within, day_of
from optimiser.planning.search import search

LIMITS: tuple[dict[str, object], ...] = (
    {"min_up_hours": 3.0},
    {"max_starts_per_hour": 1},
    {"max_stops_per_hour": 2},
    {"max_schedule_changes_per_day": 2},
    {"max_starts_per_hour": 2, "max_stops_per_hour": 1, "min_up_hours": 1.5},
    {"max_schedule_changes_per_day": 3, "min_up_hours": 2.5, "max_starts_per_hour": 3},
)
ONE = machine("m", 1.0, hourly(1.0))


def scheduled(seed: int) -> Case:
    return random_case(seed).with_policy(**LIMITS[seed % len(LIMITS)])


def usd(outcome: Outcome) -> float:
    return outcome.best.usd if outcome.best else math.inf


def best_units(subject: Case) -> list[list[int]]:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    return best.solution.units.sum(axis=1).tolist()


@pytest.mark.parametrize("seed", range(6, 28))
def test_the_proven_optimum_lies_between_bound_and_plan(seed: int) -> None:
    subject = scheduled(seed)
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    assert outcome.lower_usd <= proven * (1 + 1e-6) or outcome.lower_usd == proven
    assert usd(outcome) >= proven * (1 - 1e-6)
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []
        assert outcome.best.solution.usd(subject.problem.hours) == pytest.approx(outcome.best.usd)
        assert usd(outcome) <= proven * 1.6
    free = search(random_case(seed).problem, gap=0.0)
    assert usd(outcome) >= usd(free) * (1 - 1e-9)


# Hours of demand, what one machine of 1 req/s at 1 USD/h runs, by hand. The last hour comes before the first, and what
# ran before may stop while what has just started runs on.
@pytest.mark.parametrize(
    ("limit", "demand", "units"),
    [
        ({"min_up_hours": 2}, [1, 3, 1, 1], [1, 3, 2, 1]),
        ({"min_up_hours": 2}, [3, 1, 1, 1], [3, 2, 1, 1]),
        ({"min_up_hours": 9}, [1, 3, 1], [3, 3, 3]),
        ({"max_starts_per_hour": 1}, [1, 4, 1, 1], [3, 4, 1, 2]),
        ({"max_stops_per_hour": 1}, [1, 4, 1, 1], [1, 4, 3, 2]),
        ({"max_starts_per_hour": 1, "max_stops_per_hour": 1}, [4, 1, 1, 1], [4, 3, 2, 3]),
        ({"max_schedule_changes_per_day": 0}, [1, 4, 1, 1], [4, 4, 4, 4]),
        ({"max_schedule_changes_per_day": 2}, [1, 2, 4, 1], [1, 4, 4, 1]),
    ],
)
def test_what_runs_by_hand(limit: dict[str, object], demand: list[float], units: list[int]) -> None:
    subject = case([ONE], [float(d) for d in demand]).with_policy(**limit)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert best.usd == pytest.approx(sum(units))
    assert optimum_usd(subject.problem) == pytest.approx(sum(units))
    assert faults(subject, best.solution) == []


def test_a_plan_that_keeps_the_schedule_already_is_proven_best() -> None:
    subject = case([ONE], [1.0, 2.0, 3.0, 2.0]).with_policy(max_starts_per_hour=1, max_stops_per_hour=1)
    outcome = search(subject.problem, gap=0.0)
    assert usd(outcome) == outcome.lower_usd == pytest.approx(8.0)
    assert outcome.dropped == ()


DAYS = [float(20 + 15 * math.sin(hour / 24 * 2 * math.pi)) for hour in range(72)]
MIXED = [
    machine("m", 1.0, hourly(1.0), spot(0.5)),
    machine("n", 4.5, hourly(4.0), spot(2.2)),
    machine("o", 0.5, hourly(0.7)),
]


@pytest.mark.parametrize(
    ("limit", "most_gap", "left_out"),
    [
        ({"max_starts_per_hour": 2, "max_stops_per_hour": 2}, 0.05, ("limit_starts", "limit_stops")),
        ({"max_starts_per_hour": 2}, 0.03, ("limit_starts",)),
        ({"max_schedule_changes_per_day": 8}, 0.005, ()),
        ({"min_up_hours": 3.0}, 0.03, ("keep_up",)),
        (
            {"min_up_hours": 2.0, "max_starts_per_hour": 3, "max_schedule_changes_per_day": 9},
            0.05,
            ("limit_starts",),
        ),
    ],
)
def test_three_days_keep_their_schedule_near_the_bound_and_say_what_it_leaves_out(
    limit: dict[str, object], most_gap: float, left_out: tuple[str, ...]
) -> None:
    subject = case(MIXED, [round(d, 3) for d in DAYS]).with_policy(max_spot_share=0.4, **limit)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert faults(subject, outcome.best.solution) == []
    free = search(subject.with_policy(**{**dict.fromkeys(limit), "min_up_hours": 0}).problem, gap=0.0)
    assert free.best is not None
    assert free.lower_usd <= outcome.lower_usd <= outcome.best.usd <= outcome.lower_usd * (1 + most_gap)
    assert outcome.dropped == left_out
    held = "the same all along between changes of the schedule"
    assert (held in outcome.method) == ("max_schedule_changes_per_day" in limit)
    again = search(subject.problem, gap=0.0).best
    assert again is not None
    assert np.array_equal(again.solution.units, outcome.best.solution.units)


def test_from_spot_to_on_demand_is_a_stop_and_a_start() -> None:
    subject = case([machine("m", 1.0, hourly(1.0), spot(0.5))], [2.0, 2.0]).with_policy(max_starts_per_hour=1)
    columns = tuple(Bought(subject.problem.options[0], one) for one in subject.problem.options[0].purchases)
    over = Solution(columns, np.array([[2, 0], [0, 2]]))
    assert {fault.split(":")[0] for fault in faults(subject, over)} == {"limit_starts"}
    one_each = Solution(columns, np.array([[1, 1], [0, 2]]))
    assert faults(subject, one_each) == []


@pytest.mark.parametrize(
    ("rule", "limit"),
    [
        ("keep_up", {"min_up_hours": 3}),
        ("limit_starts", {"max_starts_per_hour": 1}),
        ("limit_stops", {"max_stops_per_hour": 1}),
        ("limit_schedule_changes", {"max_schedule_changes_per_day": 2}),
    ],
)
def test_a_mutated_schedule_is_refused(rule: str, limit: dict[str, object]) -> None:
    subject = case([ONE], [1.0, 1.0, 3.0, 3.0, 1.0]).with_policy(**limit)
    column = Bought(subject.problem.options[0], subject.problem.options[0].purchases[0])
    broken = Solution((column,), np.array([[1], [1], [4], [3], [1]]))
    assert {fault.split(":")[0] for fault in faults(subject, broken)} == {rule}


def test_starts_within_an_hour_are_counted_over_shorter_periods() -> None:
    subject = case([ONE], [1.0, 2.0, 3.0, 1.0], [0.5, 0.5, 1.0, 6.0]).with_policy(max_starts_per_hour=1)
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    # 1 before, so that 2 and 3 may follow half an hour apart: 2 must run from the 6 hours or the first half on.
    assert best.usd == pytest.approx(optimum_usd(subject.problem)) == pytest.approx(0.5 * 2 + 0.5 * 2 + 3 + 6)


def test_spans_count_back_over_the_seam_and_more_than_once_round() -> None:
    hours = np.array([1.0, 2.0, 1.0])
    assert begun_within(hours, 1.0) == [[0], [1], [2]]
    assert begun_within(hours, 2.0) == [[0, 2], [1, 0], [2]]
    assert begun_within(hours, 5.0) == [[0, 2, 1, 0], [1, 0, 2, 1], [2, 1, 0, 2]]


def test_of_whole_days_the_last_hours_are_of_the_day_of_the_first() -> None:
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    starts = [noon + timedelta(hours=6 * step) for step in range(8)]
    days = day_of(starts, np.full(8, 6.0))
    assert days[0] == days[1] == days[6] == days[7]
    assert len(set(days)) == 2
    assert len(set(day_of(starts[:7], np.full(7, 6.0)))) == 3


def test_blocks_are_cut_where_least_is_lost() -> None:
    demand = [1.0, 1.0, 5.0, 5.0, 1.0, 1.0]
    subject = case([ONE], demand).with_policy(max_schedule_changes_per_day=2)
    block = blocks_of(subject.problem)
    assert len(set(block[[2, 3]])) == 1
    assert len(set(block[[4, 5, 0, 1]])) == 1
    assert block[1] != block[2]


def test_a_cap_on_carbon_and_a_schedule_hold_together() -> None:
    dirty = emitting(machine("m", 1.0, hourly(1.0)), 1.0)
    clean = emitting(machine("n", 1.0, hourly(1.5)), 0.2)
    subject = case([dirty, clean], [1.0, 4.0, 1.0, 1.0]).with_policy(
        max_starts_per_hour=2, max_monthly_kg_co2e=4 * 182.5
    )
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert faults(subject, outcome.best.solution) == []
    assert outcome.lower_usd <= proven * (1 + 1e-9)
    assert proven * (1 - 1e-9) <= outcome.best.usd <= proven * 1.1
    assert outcome.best.solution.usd(subject.problem.hours) == pytest.approx(outcome.best.usd)


@pytest.mark.parametrize("seed", range(6, 24))
def test_each_course_of_demand_keeps_its_own_schedule(seed: int) -> None:
    subject = scheduled(seed)
    courses = [
        (chance, [round(p.demand[0][0].planned_rps * factor, 2) for p in subject.problem.periods])
        for chance, factor in ((0.75, 1.0), (0.25, 0.5))
    ]
    subject = subject.with_scenarios(*courses)
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    assert outcome.lower_usd <= proven * (1 + 1e-6) or outcome.lower_usd == proven
    assert usd(outcome) >= proven * (1 - 1e-6)
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []


def test_what_runs_last_in_one_course_of_demand_is_no_start_of_the_next() -> None:
    subject = case([ONE], [1.0, 1.0]).with_policy(max_starts_per_hour=1)
    subject = subject.with_scenarios((0.5, [1.0, 1.0]), (0.5, [5.0, 5.0]))
    outcome = search(subject.problem, gap=0.0)
    assert usd(outcome) == outcome.lower_usd == pytest.approx(0.5 * 2 + 0.5 * 10)


def test_two_courses_of_three_days_keep_their_schedules() -> None:
    subject = case(MIXED, [round(d, 3) for d in DAYS]).with_policy(
        max_spot_share=0.4, max_starts_per_hour=2, min_up_hours=2.0
    )
    subject = subject.with_scenarios(
        (0.6, [round(d, 3) for d in DAYS]), (0.4, [round(d * 1.5, 3) for d in DAYS])
    )
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert faults(subject, outcome.best.solution) == []
    assert outcome.best.usd <= outcome.lower_usd * 1.12
