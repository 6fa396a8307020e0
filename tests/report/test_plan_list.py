"""Many plans in a line each, against a plan whose numbers are worked by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hand_made_plans import aged, option, plan

from optimiser.planning.plan_parts import PlanLeftOut
from optimiser.report.plan_list import plan_list_document, row_of, without_plan
from optimiser.report.text_layout import text_of


def test_a_row_has_the_most_instances_at_once_and_what_they_save() -> None:
    row = row_of("chat", plan())
    # Two committed all day, one on demand beside them in two periods, one on spot in the third.
    assert row.fleet == "3 × p5.48xlarge + 1 spot"
    assert (row.monthly_usd, row.where, row.gap) == (Decimal("83000.00"), "AWS us-east-1", 0.002)
    # Of 120,000 for the best single type on demand: (120,000 − 82,005.28) / 120,000.
    assert row.saved_share == pytest.approx(0.3166227, abs=1e-6)
    assert (row.estimate_relative_error, row.low_confidence, row.exit_code) == (0.13, False, 0)


def test_a_group_counts_every_instance_of_it() -> None:
    assert row_of("chat", plan(options=(option(instances_per_unit=2),))).fleet == "6 × p5.48xlarge + 2 spot"


def test_old_prices_and_clouds_that_were_not_compared_are_said_once_for_all() -> None:
    # Spot is old past 7 days, all else past 90: PLANNED_ON is 2026-06-01.
    old = plan(price_dates=aged(on_demand=10, spot=8, reserved=3))
    assert row_of("fresh", plan(price_dates=aged(on_demand=10, spot=7, reserved=3))).oldest_price_on is None
    row = row_of(
        "chat", replace(old, providers_left_out=(PlanLeftOut(provider="gcp", reason="never fetched"),))
    )
    assert row.oldest_price_on == date(2026, 5, 22)
    text = text_of(plan_list_document([row, row, without_plan("rag", "nothing fits", 3)]))
    assert text.startswith("2 of 3 workloads planned apart: $166,000 a month at OLD PRICES\n")
    assert "! Old prices in 2 of 2 plans, the oldest of 2026-05-22.\n" in text
    said = "Oldest prices: on demand of 2026-05-22, reserved of 2026-05-29, spot of 2026-05-24 (8 days: OLD)."
    assert said in " ".join(text.split())
    assert "! Not compared, for want of prices: GCP.\n" in text
    lines = [line.split() for line in text.splitlines()]
    assert lines[lines.index(["rag", "no", "plan"]) + 1] == ["nothing", "fits"]
