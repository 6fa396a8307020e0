"""A budget for what is signed: worked by hand, against the independent optimum, and where fleets cannot be listed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, faults, granted, hourly, machine, plan_json
from random_cases import random_case

from optimiser.planning.comparison import compare, rules_of
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.outcome import Found
from optimiser.planning.problem import How, Option
from optimiser.planning.rules import verify_plan
from optimiser.planning.rules.committed_spend import signed_monthly_usd
from optimiser.planning.search import search


def found(subject: Case) -> Found:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert faults(subject, best.solution) == []
    assert best.usd == pytest.approx(optimum_usd(subject.problem))
    return best


def weighed_apart(subject: Case, seed: int) -> Case:
    """The case with commitments weighed at 1 to 2 times what they are billed, each by itself."""
    rng = np.random.default_rng(seed)

    def apart(option: Option) -> Option:
        purchases = tuple(
            replace(
                one,
                usd_per_unit_hour=one.billed * float(rng.uniform(1, 2)),
                billed_usd_per_unit_hour=one.billed,
            )
            if one.how is How.COMMITMENT
            else one
            for one in option.purchases
        )
        return replace(option, purchases=purchases)

    options = tuple(map(apart, subject.problem.options))
    return replace(subject, problem=replace(subject.problem, options=options))


def within_a_share(subject: Case, share: float) -> Case:
    """The case with a budget of so much of what its cheapest plan signs."""
    best = search(subject.problem, gap=0.0).best
    monthly = signed_monthly_usd(subject.problem, best.solution) if best else 0.0
    return subject.with_policy(max_committed_monthly_usd=round(monthly * share, 2))


TWO = case([machine("m", 1.0, hourly(1.0), committed(0.5)), machine("n", 3.0, committed(1.8))], [4.0, 5.0])


def test_a_budget_is_spent_on_what_saves_most_for_a_dollar_signed() -> None:
    # Free: four of m all along and one more by the hour. 1.5 USD an hour sign three; n at 1.8 is beyond it.
    assert found(TWO).usd == pytest.approx(2 * 4 * 0.5 + 1.0)
    assert found(TWO.with_policy(max_committed_monthly_usd=1095.0)).usd == pytest.approx(2 * 1.5 + 1.0 + 2.0)
    assert found(TWO.with_policy(max_committed_monthly_usd=1094.9)).usd == pytest.approx(2 * 1.0 + 2.0 + 3.0)
    assert found(TWO.with_policy(max_committed_monthly_usd=0.0)).usd == pytest.approx(9.0)


def test_what_is_dearer_as_weighed_is_signed_where_it_signs_less() -> None:
    # Three years at 0.4 weighed at 0.6 beside one year at 0.5 weighed at 0.55: 0.8 USD an hour sign two of the former.
    long = machine("m", 1.0, hourly(1.0), committed(0.5), committed(0.4, 9))
    (option, offers), weights = long, {0.5: 0.55, 0.4: 0.6}
    purchases = tuple(
        replace(one, usd_per_unit_hour=weights.get(one.billed, 1.0), billed_usd_per_unit_hour=one.billed)
        for one in option.purchases
    )
    subject = case([(replace(option, purchases=purchases), offers)], [2.0, 2.0])
    assert found(subject).usd == pytest.approx(2 * 2 * 0.55)
    assert found(subject.with_policy(max_committed_monthly_usd=0.8 * 730)).usd == pytest.approx(2 * 2 * 0.6)


def test_commitments_within_a_quota_keep_the_budget_too() -> None:
    subject = TWO.with_quotas(granted(8 * 4)).with_policy(max_committed_monthly_usd=730 * 2.3)
    # Four machines at most: five req/s take n, and one of m is signed beside it.
    assert found(subject).usd == pytest.approx(2 * 2.3 + 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_the_search_within_a_budget_finds_the_proven_optimum(seed: int) -> None:
    subject = within_a_share(weighed_apart(random_case(seed), seed), (0.3, 0.6, 0.9)[seed % 3])
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else np.inf) == pytest.approx(proven, rel=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) or outcome.lower_usd == proven
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("seed", [2, 4, 6, 8, 16, 22])
def test_what_cannot_be_listed_is_bracketed_within_a_budget(
    seed: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = weighed_apart(random_case(seed), seed).with_policy(commitment_hours_share=share, max_gpus=None)
    subject = within_a_share(subject, 0.6)
    proven = optimum_usd(subject.problem)
    monkeypatch.setattr("optimiser.planning.decompose.LISTED_LIMIT", 0)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert outcome.unit_rps
    assert outcome.lower_usd * (1 - 1e-9) <= proven <= outcome.best.usd * (1 + 1e-9)
    assert faults(subject, outcome.best.solution) == []


def test_a_plan_that_signs_more_is_rejected_by_what_it_buys() -> None:
    subject = TWO.with_policy(max_committed_monthly_usd=1095.0)
    plan = plan_json(subject, found(subject).solution)
    plan["policy"]["max_committed_monthly_usd"] = 1094.9
    said = "limit_committed_spend: commitments come to 1095.00 USD a month, 1,094.9 allowed"
    assert verify_plan(plan) == [said]
    plan["policy"]["max_committed_monthly_usd"] = 1095.0
    (offer,) = [one for one in plan["offers"] if one["tier"] == "reserved"]
    # A tenth paid up front counts as what it comes to an hour.
    offer["amortised_usd_per_hour"] = str(Decimal(offer["usd_per_hour"]) * Decimal("1.1"))
    assert any(fault.startswith("limit_committed_spend") for fault in verify_plan(plan))


def test_the_budget_says_what_is_left_of_it_and_what_it_costs() -> None:
    subject = TWO.with_policy(max_committed_monthly_usd=1200.0)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    compared = compare(subject.problem, outcome, 0.0, explain=True)
    rows = {row.name: row for row in rules_of(compared, outcome.best.solution)}
    row = rows["limit_committed_spend"]
    assert (row.unit, row.binding) == ("USD a month", True)
    assert row.slack == pytest.approx(1200 - 1095)
    # 6 USD in two hours, 5 without the budget.
    assert float(row.cost_monthly_usd or 0) == pytest.approx(365.0)


def test_where_only_commitments_may_be_had_the_budget_in_the_way_is_named() -> None:
    subject = case([machine("m", 1.0, committed(0.5))], [3.0]).with_policy(max_committed_monthly_usd=1000.0)
    assert search(subject.problem).best is None
    said = str(nothing_allowed(subject.problem, 0.0))
    assert "there is no plan with commitments of at most 1,000 USD a month" in said
    assert "max_committed_monthly_usd: null would allow a plan at 1,095 USD a month" in said
