"""Whatever shows a plan that pays cash up front says what its capital costs, which is in no figure of the bill."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hand_made_plans import COMMITMENT, PURCHASES, plan

from optimiser.config.levers import LeverFacts
from optimiser.costing.levers.lever import Asks
from optimiser.costing.levers.study import Combination, Study
from optimiser.planning.plan import Plan
from optimiser.report import cost, fleet
from optimiser.report.document import Document, Section
from optimiser.report.levers_list import lever_rows
from optimiser.report.levers_page import levers_document
from optimiser.report.text_layout import text_of

SAID = "whose capital at 8 % a year costs $1,234 a month on top, in no figure here"


def ahead() -> Plan:
    signed = replace(COMMITMENT, upfront_usd=Decimal("350400.00"), capital_monthly_usd=Decimal("1234.00"))
    made = plan(purchases=(replace(PURCHASES[0], commitment=signed), *PURCHASES[1:]))
    return replace(made, policy={**made.policy, "discount_rate_per_year": 0.08})


def printed(*sections: Section) -> str:
    return " ".join(text_of(Document("", sections)).split())


def test_the_fleet_and_the_cost_of_a_plan_say_it() -> None:
    assert f"$350,400 cash up front, {SAID}; breaks even" in printed(Section("", fleet.blocks(ahead())))
    assert f"Commitments: $350,400 cash up front, {SAID}." in printed(Section("", cost.blocks(ahead())))
    assert "capital" not in printed(Section("", (*fleet.blocks(plan()), *cost.blocks(plan()))))


def test_levers_say_it_beside_what_they_save() -> None:
    both = Combination(
        asks=Asks.NOTHING,
        kept=("upfront",),
        settings=("--set allow_upfront=true",),
        plan=ahead(),
        saved_usd=Decimal(2000),
    )
    for baseline, first, last in ((plan(), 0, 1234), (ahead(), 1234, 1234)):
        found = Study(baseline=baseline, pulled=(), combinations=(both,))
        rows = lever_rows("chat", found, LeverFacts())
        assert [row.capital_monthly_usd for row in rows] == [first, last]
        document = levers_document(rows, found)
        more = "less before $1,234 a month more for capital in cash up front"
        assert (more in document.headline) == (not first)
        # The rows' notes, and the fleet's line.
        assert " ".join(text_of(document).split()).count(SAID) == 2 + bool(first)
