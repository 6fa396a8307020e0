"""Questions too large to answer well are refused or answered with an honest gap, never left to run."""

from __future__ import annotations

import pytest
from planning_cases import case, committed, faults, granted, hourly, machine, spot

from optimiser.errors import UsageError
from optimiser.planning.infeasible import MOST_UNITS, beyond_reason
from optimiser.planning.search import LARGE_LEAVES, MOST_LARGE_LEAVES, search


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


def test_the_search_goes_on_where_a_quota_makes_the_cheapest_sets_dear() -> None:
    # Fifty of "cheap" may run: 1,000 req/s of 4,500. No bound of a set knows that before it is solved, and all sets
    # with "cheap" come before the one that carries the rest well.
    ways = [machine("cheap", 20.0, hourly(4.0), committed(2.0), family="P")]
    ways += [machine(f"small{i}", 1.0 + i / 10, hourly(1.2 + i / 8), family="G") for i in range(10)]
    ways += [machine("large", 160.0, hourly(44.0), committed(36.0), family="X")]
    subject = case(ways, [3000.0, 3500.0, 4000.0, 4500.0]).with_quotas(granted(50 * 8, family="P"))
    subject = subject.with_policy(max_sites=1, max_instance_types=2, commitment_hours_share=0.5)
    outcome = search(subject.problem)
    assert outcome.best is not None
    assert outcome.best.usd <= outcome.lower_usd * 1.01
    assert outcome.leaves_solved <= MOST_LARGE_LEAVES
    assert faults(subject, outcome.best.solution) == []
