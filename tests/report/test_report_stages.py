"""While owned machines last: what is signed and moved on which day, and the quota of the largest stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hand_made_parts import PLANNED_ON, aged, option
from hand_made_plans import plan
from printed_tables import section

from optimiser.planning.plan import Plan, PlanStage, PlanWhileOwned
from optimiser.planning.plan_bought import PlanAmount, PlanSigning
from optimiser.report.headline import headline

UNTIL = PLANNED_ON + timedelta(days=10)
AFTER = PLANNED_ON + timedelta(days=11)


def savings_plan(usd_per_hour: str) -> PlanSigning:
    return PlanSigning(
        provider="aws",
        kind="compute_savings_plan",
        term_months=12,
        payment="no_upfront",
        contract="",
        scope="",
        amounts=(PlanAmount(amount=Decimal(usd_per_hour), unit="usd_per_hour"),),
        purchases=(),
    )


def staged(before: Plan, after: Plan, planned_days: int = 30) -> Plan:
    stage = PlanStage(first_day=PLANNED_ON + timedelta(days=1), until=UNTIL, days=10, plan=before)
    whole = PlanWhileOwned(
        planned_days=planned_days,
        monthly_usd=Decimal("70000.00"),
        usd=Decimal("69041.10"),
        charges=(),
        stages=(stage,),
    )
    return replace(after, while_owned=whole)


def said(made: Plan, title: str = "While owned machines last") -> str:
    return " ".join(" ".join(section(made, title)).split())


def test_only_what_is_signed_beyond_the_stage_waits_for_its_end() -> None:
    text = said(staged(plan(signing=(savings_plan("40"),)), plan(signing=(savings_plan("61.5"),))))
    assert "Sign now: $40.00 an hour, compute savings plan of 12 months, no upfront." in text
    assert f"Sign on {AFTER}, not before: $21.50 an hour, compute savings plan of 12 months" in text
    same = said(staged(plan(signing=(savings_plan("40"),)), plan(signing=(savings_plan("40"),))))
    assert "not before" not in same


def test_a_move_to_another_place_is_said_with_its_day() -> None:
    elsewhere = plan(options=(replace(option(), region="us-east-2"),))
    assert f"On {AFTER} it moves from AWS us-east-2 to AWS us-east-1." in said(staged(elsewhere, plan()))
    assert "moves" not in said(staged(plan(), plan()))


def test_the_quota_to_ask_for_is_that_of_the_largest_stage() -> None:
    (quota, *others) = plan().quotas
    larger = plan(quotas=(replace(quota, amount=quota.amount + 7777), *others))
    assert f"{quota.amount + 7777:,}" in said(staged(larger, plan()), "Quota to ask for")
    assert f"{quota.amount:,}" in said(staged(plan(quotas=()), plan()), "Quota to ask for")


def test_the_fleet_says_from_when_it_is() -> None:
    assert section(staged(plan(), plan()), f"Fleet from {AFTER}")


def test_of_a_long_demand_a_stage_says_that_it_is_for_its_average() -> None:
    text = "Each is for an average of all 365 days of the demand, not for its own days."
    assert text in said(staged(plan(), plan(), planned_days=365))
    assert "not for its own days" not in said(staged(plan(), plan()))


def test_an_old_price_of_a_stage_is_in_the_first_line() -> None:
    young, old = plan(price_dates=aged(spot=1)), plan(price_dates=aged(spot=200))
    assert "at OLD PRICES" not in headline(staged(young, young))
    assert "at OLD PRICES" in headline(staged(old, young))
