"""What a report says of a plan for several courses of demand: expected and worst, and which one the chart shows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hand_made_plans import plan
from printed_tables import headline, section, table

from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanCount, PlanDemand, PlanScenario
from optimiser.report.week import bars


def course(name: str, probability: float, usd: str | None) -> PlanScenario:
    return PlanScenario(name=name, probability=probability, monthly_usd=usd and Decimal(usd))  # type: ignore[arg-type]


USUAL, SALE = course("as usual", 0.9, "80000.00"), course("sale", 0.1, "110000.00")


def uncertain(*scenarios: PlanScenario) -> Plan:
    """The plan made by hand, and twice the demand and units in a second course."""
    made = plan()
    double = [
        replace(d, scenario=1, mean_rps=2 * d.mean_rps, planned_rps=2 * d.planned_rps) for d in made.demand
    ]
    units = [replace(count, scenario=1, units=2 * count.units) for count in made.counts]
    demand: tuple[PlanDemand, ...] = (*made.demand, *double)
    counts: tuple[PlanCount, ...] = (*made.counts, *units)
    return replace(made, scenarios=scenarios or (USUAL, SALE), demand=demand, counts=counts)


def test_line_1_says_what_is_expected_and_the_worst() -> None:
    said = "chat: expected $83,000, worst $110,000 (sale) a month on AWS us-east-1, 32 % below on demand"
    assert headline(uncertain()).startswith(said)


def test_the_cost_of_each_scenario_is_shown_dearest_first() -> None:
    text = " ".join(" ".join(section(uncertain(), "Cost")).split())
    assert "expected over the scenarios; what runs all along is the same in each" in text
    assert "sale 10 % $110,000 as usual 90 % $80,000" in text


def test_of_many_scenarios_the_ten_dearest_are_shown() -> None:
    many = tuple(course(f"draw {n}", 1 / 12, f"{1000 + n}.00") for n in range(12))
    text = "\n".join(section(uncertain(*many), "Cost"))
    assert "draw 11" in text
    assert "draw 2 " in text
    assert "draw 1 " not in text
    assert "2 scenarios more cost no more than the last of these." in text


def test_a_plan_of_one_course_says_nothing_of_scenarios() -> None:
    assert "scenario" not in table(plan())
    assert "expected" not in headline(plan())


def test_an_older_plan_does_not_know_what_its_scenarios_cost() -> None:
    older = uncertain(replace(USUAL, monthly_usd=None), replace(SALE, monthly_usd=None))
    assert "worst —" in headline(older)


def test_the_chart_shows_the_first_course_and_names_it() -> None:
    assert bars(uncertain()) == bars(plan())
    assert "The 24 hours of 'as usual', requests per second (UTC)" in table(uncertain())
