"""Commitments against prices that fall while they last: what is weighed, what is billed, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import Case, case, committed, faults, hourly, machine, plan_json, spot
from random_cases import random_case

from optimiser.planning.comparison import alternatives_of, best_by_provider, compare, rules_of
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.outcome import Found
from optimiser.planning.plan_parts import PlanRule
from optimiser.planning.problem import Option
from optimiser.planning.rules import TERMS, verify_plan
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd
from optimiser.planning.weighing import mean_price_share, upfront_weight, weighed_usd

NAME = "weigh_commitments"


def weighed(subject: Case, **policy: object) -> Case:
    """The case under a policy, its commitments weighed as that says."""
    changed = subject.with_policy(**policy)

    def of(option: Option) -> Option:
        purchases = []
        for one in option.purchases:
            offer = changed.offers[one.offer_id]
            usd = weighed_usd(changed.problem.policy, offer, offer.amortised_usd_per_hour)
            instances = option.estimate.setup.instances_per_unit
            billed = one.usd_per_unit_hour
            purchases.append(
                replace(one, usd_per_unit_hour=float(usd) * instances, billed_usd_per_unit_hour=billed)
            )
        return replace(option, purchases=tuple(purchases))

    options = tuple(of(option) for option in changed.problem.options)
    return replace(changed, problem=replace(changed.problem, options=options))


def best_of(subject: Case) -> Found:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    return best


def units_by_how(found: Found) -> dict[str, list[int]]:
    columns = enumerate(found.solution.columns)
    return {one.purchase.how.value: found.solution.units[:, c].tolist() for c, one in columns}


@pytest.mark.parametrize(
    ("decline", "years", "share"),
    [
        # −ln 0.8 = 0.22314355: 0.2 / 0.22314355, (1 − 0.8³) / (3 × 0.22314355).
        (0.2, 1.0, 0.8962840),
        (0.2, 3.0, 0.7289776),
        # Half a year at − 75 % a year: (1 − 0.5) / (0.5 × 1.38629436).
        (0.75, 0.5, 0.7213475),
        (0.0, 3.0, 1.0),
        (0.2, 0.0, 1.0),
    ],
)
def test_the_mean_of_a_falling_price_by_hand(decline: float, years: float, share: float) -> None:
    assert mean_price_share(decline, years) == pytest.approx(share, rel=1e-6)


@given(decline=st.floats(1e-4, 0.89), years=st.floats(0.05, 6))
def test_the_mean_of_a_falling_price_is_what_many_short_steps_add_up_to(decline: float, years: float) -> None:
    steps = 2_000
    sampled = sum((1 - decline) ** (years * (step + 0.5) / steps) for step in range(steps)) / steps
    share = mean_price_share(decline, years)
    assert share == pytest.approx(sampled, rel=1e-5)
    assert (1 - decline) ** years < share < 1


@pytest.mark.parametrize(
    ("rate", "months", "weight"),
    [
        # 1 % a month (1.01¹² − 1 = 12.682503 % a year): the payment on a loan of 1 over 12 months is 0.0888488.
        (0.12682503, 12, 12 * 0.08884879),
        # Of 36 months at 1 %: 0.0332143.
        (0.12682503, 36, 36 * 0.03321431),
        (0.0, 36, 1.0),
        (0.08, 0, 1.0),
    ],
)
def test_what_money_up_front_weighs_by_a_loan_table(rate: float, months: int, weight: float) -> None:
    assert upfront_weight(rate, months) == pytest.approx(weight, rel=1e-6)


@given(rate=st.floats(1e-4, 1), months=st.integers(1, 60))
def test_monthly_parts_of_what_was_paid_ahead_are_worth_it_at_the_rate(rate: float, months: int) -> None:
    part = upfront_weight(rate, months) / months
    worth = sum(part / (1 + rate) ** (month / 12) for month in range(1, months + 1))
    assert worth == pytest.approx(1.0, rel=1e-9)


# A year at 0.90 $/h is weighed at 0.90 / 0.8962840 = 1.00415 $/h: dearer than 1 $/h that gets cheaper. 0.85 $/h is
# weighed at 0.94836.
CLOSE = case([machine("m", 10.0, hourly(1.0), committed(0.9))], [40.0, 40.0])
CLEAR = case([machine("m", 10.0, hourly(1.0), committed(0.85))], [40.0, 40.0])


def test_a_commitment_must_beat_what_on_demand_will_have_become() -> None:
    assert units_by_how(best_of(weighed(CLOSE))) == {"on_demand": [4, 4]}
    assert units_by_how(best_of(weighed(CLOSE, price_decline_per_year=0.0))) == {"commitment": [4, 4]}
    assert units_by_how(best_of(weighed(CLEAR))) == {"commitment": [4, 4]}


def test_a_commitment_is_billed_at_its_own_price_and_bounded_as_it_is_weighed() -> None:
    subject = weighed(CLEAR)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    solution = outcome.best.solution
    assert outcome.lower_usd == pytest.approx(outcome.best.usd) == pytest.approx(8 * 0.9483601)
    assert solution.billed_usd(subject.problem.hours) == pytest.approx(8 * 0.85)
    assert all_in_monthly_usd(subject.problem, solution) == Decimal("2482.00")
    plan = plan_json(subject, solution)
    assert Decimal(plan["horizon_usd"]) == Decimal("6.8")
    (offer,) = plan["offers"]
    assert (offer["usd_per_hour"], offer["planned_usd_per_hour"]) == ("0.85", "0.85")
    assert float(offer["weighed_usd_per_hour"]) == pytest.approx(0.9483601, rel=1e-6)
    assert faults(subject, solution) == []


# Half of 0.85 $/h is paid ahead: 3,723 $ of 8,760 h. At 8 % a year i = 0.6434030 % a month, and 12 i / (1 − 1 / 1.08) =
# 1.0423129: (0.425 + 0.425 × 1.0423129) / 0.8962840 = 0.9684240 $/h.
def paid_ahead(**policy: object) -> Case:
    subject = case([machine("m", 10.0, hourly(1.0), committed(0.85))], [40.0, 40.0])
    halves = {"usd_per_hour": Decimal("0.425"), "upfront_usd": Decimal(3723)}
    offers = {
        name: replace(offer, **halves) if offer.term_months else offer  # type: ignore[arg-type]
        for name, offer in subject.offers.items()
    }
    return weighed(replace(subject, offers=offers), allow_upfront=True, **policy)


def test_money_up_front_bears_interest_and_is_billed_without() -> None:
    subject = paid_ahead()
    best = best_of(subject)
    assert units_by_how(best) == {"commitment": [4, 4]}
    assert best.usd == pytest.approx(8 * 0.9684240, rel=1e-6)
    assert best.solution.billed_usd(subject.problem.hours) == pytest.approx(8 * 0.85)
    assert faults(subject, best.solution) == []
    plan = plan_json(subject, best.solution)
    plan["policy"]["discount_rate_per_year"] = 0.0
    assert any(fault.startswith(f"{NAME}: ") for fault in verify_plan(plan))


def test_what_capital_up_front_costs_a_month_stands_beside_the_bill_by_hand() -> None:
    subject = paid_ahead()
    plan = plan_json(subject, best_of(subject).solution)
    (purchase,) = plan["purchases"]
    # 4 machines × 730 h × 0.425 × 0.0423129 of interest, and 4 × 730 × 0.85 billed.
    assert purchase["commitment"]["capital_monthly_usd"] == "52.51"
    assert purchase["monthly_usd"] == "2482.00"
    purchase["commitment"]["capital_monthly_usd"] = "52.53"
    (fault,) = verify_plan(plan)
    assert fault.startswith(f"{NAME}: ")
    assert fault.endswith("capital of 52.53 USD a month, not 52.51")


def test_without_falling_prices_money_up_front_alone_is_weighed() -> None:
    # A doubling in a year: i = 5.9463094 %, 12 i / (1 − 1 / 2) = 1.4271143: 0.425 × 2.4271143 = 1.0315 $/h.
    subject = paid_ahead(price_decline_per_year=0.0, discount_rate_per_year=1.0)
    assert units_by_how(best_of(subject)) == {"on_demand": [4, 4]}
    row = weighing(subject)
    assert row.limit == "money up front at 100 % a year"
    assert row.cost_monthly_usd == Decimal("438.00")  # 4 × 0.15 × 730


def weighing(subject: Case) -> PlanRule:
    """The line of the report on weighing."""
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    compared = compare(subject.problem, outcome, 0.0, explain=False)
    return next(row for row in rules_of(compared, outcome.best.solution) if row.name == NAME)


def test_what_it_costs_today_by_hand() -> None:
    row = weighing(weighed(CLOSE))
    assert (row.cost_monthly_usd, row.binding) == (Decimal("292.00"), True)  # 4 × 0.10 × 730
    assert row.limit == "commitments weighed against on-demand prices that fall 20 % a year"
    off = weighing(weighed(CLOSE, price_decline_per_year=0.0))
    assert (off.cost_monthly_usd, off.limit, off.binding) == (Decimal(0), "", False)


def two_clouds() -> Case:
    """Four machines: $1.00 by the hour at AWS; at GCP $0.90 committed, which is weighed at $1.00415, or $1.20."""
    aws = machine("m", 10.0, hourly(1.0))
    gcp = machine("m", 10.0, hourly(1.2), committed(0.9), provider="gcp")
    return weighed(case([aws, gcp], [40.0, 40.0]), max_sites=1)


def test_what_it_costs_is_what_a_cheaper_bill_at_another_cloud_saves_by_hand() -> None:
    row = weighing(two_clouds())
    assert (row.cost_monthly_usd, row.binding) == (Decimal("292.00"), True)  # 4 × 0.10 × 730
    assert [(line.provider, line.how) for line in row.eased_fleet] == [("gcp", "commitment")]


@pytest.mark.parametrize(("usd_per_tonne", "cost"), [(0.0, "584.00"), (1.0, "292.00")])
def test_plans_already_found_count_where_the_bill_alone_decides(usd_per_tonne: float, cost: str) -> None:
    subject = two_clouds().with_policy(carbon_usd_per_tonne=usd_per_tonne)
    known = best_of(case([machine("n", 10.0, hourly(0.8), provider="gcp")], [40.0, 40.0]))
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    outcome = replace(outcome, plans=[*outcome.plans, known])
    rows = rules_of(compare(subject.problem, outcome, 0.0, explain=False), outcome.best.solution)
    # 4 × 0.20 × 730; where carbon is weighed too a cheaper bill need not be the better plan.
    assert next(row for row in rows if row.name == NAME).cost_monthly_usd == Decimal(cost)


@pytest.mark.parametrize("gap", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(24))
def test_it_costs_no_less_than_any_plan_beside_it_saves(seed: int, gap: float) -> None:
    subject = weighed(random_case(seed), price_decline_per_year=0.6, max_sites=1)
    outcome = search(subject.problem, gap=gap)
    if outcome.best is None:
        return
    compared = compare(subject.problem, outcome, gap, explain=False)
    rows = rules_of(compared, outcome.best.solution)
    cost = next(row for row in rows if row.name == NAME).cost_monthly_usd
    beside = [*best_by_provider(compared, ["aws", "gcp"]), *alternatives_of(compared)[:1]]
    saved = [-one.extra_monthly_usd for one in beside if one.extra_monthly_usd is not None]
    assert cost is not None
    assert cost >= max(saved)


@pytest.mark.parametrize("seed", range(28))
def test_weighing_costs_money_today_and_never_more_than_it_weighs(seed: int) -> None:
    subject = weighed(random_case(seed), price_decline_per_year=0.4)
    outcome = search(subject.problem, gap=0.0)
    plain = TERMS[NAME].without
    assert plain is not None
    today = search(plain(subject.problem), gap=0.0).best
    if outcome.best is None:
        assert today is None
        return
    assert today is not None
    billed = outcome.best.solution.billed_usd(subject.problem.hours)
    assert today.usd <= billed * (1 + 1e-9) + 1e-9
    assert billed <= outcome.best.usd * (1 + 1e-9) + 1e-9
    assert today.usd == pytest.approx(today.solution.billed_usd(subject.problem.hours))
    if outcome.best.solution.columns:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [("weighed_usd_per_hour", "0.85"), ("planned_usd_per_hour", "0.80"), ("term_months", 36)],
)
def test_a_commitment_weighed_otherwise_than_the_policy_says_is_refused(place: str, value: object) -> None:
    subject = weighed(CLEAR)
    plan = plan_json(subject, best_of(subject).solution)
    plan["offers"][0][place] = value
    assert any(fault.startswith(f"{NAME}: ") for fault in verify_plan(plan))


def test_what_is_bought_by_the_hour_is_weighed_at_its_price() -> None:
    subject = weighed(case([machine("m", 10.0, hourly(1.0), spot(0.5))], [40.0]), max_spot_share=0.5)
    plan = plan_json(subject, best_of(subject).solution)
    assert {(one["planned_usd_per_hour"], one["weighed_usd_per_hour"]) for one in plan["offers"]} == {
        ("1.0", "1.0"),
        ("0.5", "0.5"),
    }
    plan["offers"][0]["weighed_usd_per_hour"] = "0.9"
    assert any(fault.startswith(f"{NAME}: ") for fault in verify_plan(plan))


def test_a_way_out_is_priced_at_what_is_billed() -> None:
    # Two of four units may be committed and nothing else is sold: all four would cost 4 × 0.85 × 730.
    subject = weighed(case([machine("m", 10.0, committed(0.85))], [20.0, 40.0]), commitment_hours_share=0.1)
    said = str(nothing_allowed(subject.problem, 0.0))
    assert "commitment_hours_share: 1 would allow a plan at 2,482 USD a month" in said
