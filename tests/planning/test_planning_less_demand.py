"""What a commitment is still worth where demand falls by 30 %."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import Case, case, columns_of, committed, held, hourly, machine, spot
from random_cases import random_case

from optimiser.planning.assemble import core_of
from optimiser.planning.leaves import Solution
from optimiser.planning.less_demand import used_shares
from optimiser.planning.problem import How
from optimiser.planning.search import search


def shares(subject: Case, *units: list[int]) -> list[float]:
    """Of a fleet by period, the shares in the order of its columns."""
    return list(used_shares(subject.problem, Solution(columns_of(subject.problem), np.array(units))).values())


def test_the_hours_still_used_by_hand() -> None:
    # 28 and 14 req/s take 3 and 2 of the 4 units of 10; the second period is three times as long.
    subject = case([machine("m", 10.0, committed(0.5))], [40.0, 20.0], [1.0, 3.0])
    assert shares(subject, [4], [4]) == [pytest.approx((3 * 1 + 2 * 3) / 16)]


def test_what_is_signed_runs_before_what_is_not() -> None:
    subject = case([machine("m", 10.0, hourly(1.0), committed(0.5), spot(0.1))], [60.0])
    assert shares(subject, [1, 4, 1]) == [1.0]
    scarce = case([machine("m", 10.0, held(1.0), committed(0.5))], [60.0])
    assert shares(scarce, [2, 4]) == [1.0]


def test_of_two_commitments_the_one_of_the_cheaper_capacity_runs_first() -> None:
    # 21 req/s: both of the 10 at 0.05 $ per req/s, and one of the two of 5 at 0.06.
    subject = case([machine("n", 5.0, committed(0.3)), machine("m", 10.0, committed(0.5))], [30.0])
    found = used_shares(subject.problem, Solution(columns_of(subject.problem), np.array([[2, 2]])))
    assert [found[column.purchase.id] for column in columns_of(subject.problem)] == [0.5, 1.0]


def test_the_floor_the_ceiling_and_the_spare_unit_are_needed_as_before() -> None:
    one = case([machine("m", 10.0, committed(0.5))], [10.0])
    assert shares(one, [4]) == [0.25]
    assert shares(one.with_policy(min_firm_instances=3), [4]) == [0.75]
    assert shares(one.with_policy(survive_instance_losses=1), [4]) == [0.5]
    assert shares(one.with_policy(utilisation_ceiling=0.5), [4]) == [0.5]
    assert shares(case([machine("m", 10.0, committed(0.5))], [0.0, 10.0]), [4], [4]) == [0.125]
    assert shares(one, [0]) == [0.0]


@pytest.mark.parametrize(("usd", "beats"), [(0.55, True), (0.57, False)])
def test_whether_it_still_beats_on_demand(usd: float, beats: bool) -> None:
    # 5 of 8 unit-hours at 1 $/h are 0.625 $/h of each unit; 0.55 for a year is weighed at 0.55 / 0.8962840 = 0.614, and
    # 0.57 at 0.636.
    subject = case([machine("m", 10.0, hourly(1.0), committed(usd))], [40.0, 20.0])
    solution = Solution(columns_of(subject.problem), np.array([[0, 4], [0, 4]]))
    listed = next(offer for offer in subject.offers.values() if not offer.term_months)
    core = core_of(subject.problem, solution, subject.offers, {subject.problem.options[0].id: listed})
    (signed,) = [one.commitment for one in core.purchases if one.commitment]
    assert signed.used_share_at_30_pct_less_demand == 0.625
    assert signed.beats_on_demand_at_30_pct_less_demand is beats


def test_without_an_on_demand_price_there_is_nothing_to_beat() -> None:
    subject = case([machine("m", 10.0, committed(0.5))], [40.0])
    core = core_of(
        subject.problem, Solution(columns_of(subject.problem), np.array([[4]])), subject.offers, {}
    )
    assert core.purchases[0].commitment is not None
    assert core.purchases[0].commitment.beats_on_demand_at_30_pct_less_demand is None


@pytest.mark.parametrize("seed", range(20))
def test_as_much_demand_uses_no_less_than_less_of_it(seed: int) -> None:
    subject = random_case(seed)
    best = search(subject.problem, gap=0.0).best
    if best is None:
        return
    less, more = (used_shares(subject.problem, best.solution, left) for left in (0.4, 1.0))
    signed = [one.purchase.id for one in best.solution.columns if one.purchase.how is How.COMMITMENT]
    assert sorted(less) == sorted(more) == sorted(signed)
    assert all(0 <= less[name] <= more[name] <= 1 for name in signed)
