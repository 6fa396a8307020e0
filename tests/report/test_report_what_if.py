"""What rules cost, and what becomes of a plan where a figure is off, as sentences and rows."""

from __future__ import annotations

from decimal import Decimal

from hand_made_plans import plan, rule, shifted
from printed_tables import section, table

FLEET = plan().by_provider[0].fleet


def test_a_rule_that_costs_something_is_a_sentence_with_the_plan_without_it() -> None:
    dear = rule(
        "limit_spot_share",
        limit="spot within 30 %",
        cost_monthly_usd=Decimal(412),
        eased="max_spot_share: 1",
        eased_fleet=FLEET,
    )
    made = plan(rules=(rule("keep_firm_floor"), dear))
    without = made.totals.total_monthly_usd - 412
    text = " ".join(" ".join(section(made, "What if", explain=True)).split())
    assert (
        f"“spot within 30 %” costs $412 a month: with max_spot_share: 1 the best plan in the same region is "
        f"${without:,.0f}" in text
    )
    assert FLEET[0].instance_type in text
    assert "What if" not in table(made)


def test_figures_that_are_off_are_rows_and_only_where_they_were_asked_for() -> None:
    rows = (
        shifted(best_monthly_usd=Decimal(1100), best_fleet=FLEET, same_machines=False),
        shifted(of="estimate", name="H100", how="", factor=0.8, kept_short_rps=1.25),
        shifted(best_monthly_usd=None, same_machines=False, factor=0.8),
    )
    text = [" ".join(line.split()) for line in section(plan(sensitivity=rows), "If a price", explain=True)]
    assert any("+20 % $1,200 $1,100" in line for line in text)
    assert any("estimate of H100 −20 % 1.25 req/s short $1,200 the same machines" in line for line in text)
    assert any("−20 % $1,200 — no plan" in line for line in text)
    assert "If a price" not in table(plan(sensitivity=()), explain=True)
