"""Questions too large to answer well are refused or answered with an honest gap, never left to run."""

from __future__ import annotations

import pytest
from planning_cases import case, committed, hourly, machine, spot

from optimiser.errors import UsageError
from optimiser.planning.infeasible import MOST_UNITS, beyond_reason
from optimiser.planning.search import LARGE_LEAVES, search


def test_a_peak_that_no_cloud_could_carry_is_named() -> None:
    inside = case([machine("m", 2.0, hourly(1.0))], [2.0 * MOST_UNITS])
    assert beyond_reason(inside.problem) is None
    beyond = case([machine("m", 2.0, hourly(1.0))], [2.0 * MOST_UNITS + 1])
    refusal = beyond_reason(beyond.problem)
    assert refusal is not None
    assert "40,001 req/s" in str(refusal)


def test_too_many_choices_of_sites_are_refused_with_a_remedy() -> None:
    machines = [machine("m", 1.0, hourly(1.0), region=f"r{i}") for i in range(40)]
    subject = case(machines, [3.0]).with_policy(max_sites=2)
    with pytest.raises(UsageError, match="max_sites = 2: 40 sites"):
        search(subject.problem)
    assert search(subject.with_policy(max_sites=None).problem).best is not None


def test_the_work_limit_leaves_a_bound_below_the_plan() -> None:
    rates = [0.011 + i / 10_000 for i in range(20)]
    machines = [
        machine(f"m{i}", rate, hourly(rate * (1 + i % 7 / 100)), committed(rate * 0.6), spot(rate * 0.4, "a"))
        for i, rate in enumerate(rates)
    ]
    subject = case(machines, [30.0, 60.0, 90.0]).with_policy(max_instance_types=2, max_sites=1)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert outcome.leaves > LARGE_LEAVES >= outcome.leaves_solved
    assert 0 < outcome.lower_usd <= outcome.best.usd
