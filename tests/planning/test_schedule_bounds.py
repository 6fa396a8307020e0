"""What the rules on the schedule cost at least: against every choice of changes, by hand, and against the optimum."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, faults, hourly, machine, spot
from random_cases import random_case

from optimiser.planning import coupled
from optimiser.planning.courses import held_between_changes, kept_up
from optimiser.planning.problem import Floats
from optimiser.planning.search import search

ONE = machine("m", 1.0, hourly(1.0))


def least_of_all(usd: Floats, hours: Floats, day: list[int], most: int) -> float:
    """Σ hours · highest over the parts, of every choice of the hours that change anything."""
    found = [float(usd.max() * hours.sum())]
    for count in range(1, len(usd) + 1):
        for cuts in combinations(range(len(usd)), count):
            if max(np.bincount([day[p] for p in cuts])) > most:
                continue
            part = (np.searchsorted(cuts, np.arange(len(usd)), side="right") - 1) % count
            found.append(sum(usd[part == n].max() * hours[part == n].sum() for n in range(count)))
    return min(found)


@pytest.mark.parametrize("seed", range(12))
def test_of_one_day_the_cheapest_changes_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hours = rng.choice([0.5, 1.0, 3.0], 7)
    usd = rng.integers(0, 9, (1, 7)).astype(float)
    for most in range(4):
        subject = case([ONE], [1.0] * 7, hours.tolist()).with_policy(max_schedule_changes_per_day=most)
        expected = least_of_all(usd[0], hours, [0] * 7, most)
        assert held_between_changes(subject.problem, usd)[0] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(12))
def test_of_several_days_no_choice_of_changes_is_cheaper_and_other_days_bound_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # From midnight, in periods of 8 h, and of 10 h, whose days are no whole ones; longer parts are cut once more.
    length = (8.0, 10.0)[seed % 2]
    usd = rng.integers(0, 9, (3, 9)).astype(float)
    for most in (1, 2):
        subject = case([ONE], [1.0] * 9, [length] * 9).with_policy(max_schedule_changes_per_day=most)
        days = [period.start.toordinal() - 738_000 for period in subject.problem.periods]
        days = [day - min(days) for day in days]
        expected = np.array([least_of_all(row, np.full(9, length), days, most) for row in usd])
        one, several = (held_between_changes(subject.problem, usd, begins) for begins in (1, 3))
        assert (usd @ subject.problem.hours <= one + 1e-9).all()
        assert (one <= several + 1e-9).all()
        assert (several <= expected + 1e-9).all()


def test_up_time_is_priced_by_hand() -> None:
    # 3 after 1 starts two more, which must be up for two hours: 1, 3, 2, 1 or 2, 3, 1, 1.
    subject = case([ONE], [1.0, 3.0, 1.0, 1.0]).with_policy(min_up_hours=2.0)
    usd = np.array([1.0, 3.0, 1.0, 1.0])
    prices = kept_up(subject.problem, usd)
    assert prices @ usd == pytest.approx(7.0)
    # The same prices bound any other demand: nothing need start where it never changes.
    assert prices.sum() <= 4.0


def free_of_the_whole_model(subject: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """The bound and the plan where no problem is small enough to be solved whole."""
    monkeypatch.setattr(coupled, "WHOLE_COUNTS", 0)
    outcome = search(subject.problem, gap=0.0)
    if outcome.best is None:
        return outcome.lower_usd, math.inf
    assert faults(subject, outcome.best.solution) == []
    return outcome.lower_usd, outcome.best.usd


@pytest.mark.parametrize(
    "limit",
    [
        {"min_up_hours": 2.5},
        {"max_schedule_changes_per_day": 2},
        {"max_schedule_changes_per_day": 3, "min_up_hours": 2.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(32, 37))
def test_bound_and_plan_hold_the_optimum_between_them_without_solving_it_whole(
    seed: int, limit: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = random_case(seed).with_policy(**limit)
    proven = optimum_usd(subject.problem)
    lower, usd = free_of_the_whole_model(subject, monkeypatch)
    assert lower <= proven * (1 + 1e-6) or lower == proven
    assert usd >= proven * (1 - 1e-6)


def test_a_day_of_few_changes_is_planned_and_proven_best(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [machine("m", 1.0, hourly(1.0), spot(0.5)), machine("n", 2.7, hourly(2.3), committed(1.4))]
    demand = [4.4, 8.7, 9.9, 12.4, 14.9, 7.1, 5.9, 3.3]
    subject = case(machines, demand, [3.0] * 8).with_policy(
        max_spot_share=0.4, max_schedule_changes_per_day=3
    )
    lower, usd = free_of_the_whole_model(subject, monkeypatch)
    assert lower == pytest.approx(usd) == pytest.approx(optimum_usd(subject.problem))
