"""A plan's energy at the loads of its hours: by hand, what is not known, and figures that do not follow."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from typing import Any

import pytest
from carbon_cases import KNOWN
from planning_cases import Case, case, hourly, machine, plan_json

from optimiser.carbon.embodied import Embodied
from optimiser.carbon.grids import Carbon
from optimiser.config import load_config
from optimiser.planning.carbon import with_footprints
from optimiser.planning.energy import footprint_of, plan_energy
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import to_jsonable
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search


def subject(carbon: Carbon) -> Case:
    """10 req/s a machine, one L4 of 72 W and 24 W of host; 20 req/s planned for 365 h, 10 req/s for as long."""
    made = case([machine("m", 10.0, hourly(1.0))], [20.0, 10.0], [365.0, 365.0])
    options, _ = with_footprints(made.problem.options, carbon, load_config().gpus, made.problem.policy)
    return replace(made, problem=replace(made.problem, options=options))


def solved(one: Case) -> Solution:
    best = search(one.problem, gap=0.0).best
    assert best is not None
    return best.solution


def whole(one: Case, solution: Solution, tokens: float = 1e9) -> dict[str, Any]:
    """The plan's JSON with its footprint."""
    plan = plan_json(one, solution)
    rows = plan_energy(one.problem, solution)
    from optimiser.planning.carbon import plan_carbon

    carbon = plan_carbon(one.problem, solution)
    found = footprint_of([column.option for column in solution.columns], rows, carbon, tokens)
    return {**plan, "footprint": to_jsonable(found)}


def watts(in_flight: float, prompts: float) -> float:
    busy, decode = 1 - exp(-in_flight), 0.5 + 0.5 / (1 + exp(-(LOG2[in_flight] - 2)))
    return 72 * ((1 - busy) * 0.25 + prompts + (busy - prompts) * decode) + 24


LOG2 = {8.0: 3.0, 5.6: 2.485426827}


def test_a_month_by_hand() -> None:
    one = subject(KNOWN)
    plan = whole(one, solved(one))
    (row,) = plan["energy"]
    # 2 × 365 + 1 × 365 unit-hours. At its rate a unit has 8 in flight and is a quarter of its time on prompts; the mean
    # demand is 0.7 of the planned: 5.6 in flight, 17.5 % on prompts, in every hour.
    assert row["watts_per_unit"] == pytest.approx(watts(8.0, 0.25))
    assert row["idle_watts_per_unit"] == pytest.approx(72 * 0.25 + 24)
    assert row["kwh_monthly"] == pytest.approx(watts(8.0, 0.25) / 1000 * 1095 * 1.5)
    assert row["kwh_monthly_at_load"] == pytest.approx(watts(5.6, 0.175) / 1000 * 1095 * 1.5)
    assert row["kg_co2e_monthly_at_load"] == pytest.approx(row["kwh_monthly_at_load"] * 0.2)
    assert row["embodied_kg_co2e_monthly_low"] == pytest.approx(100 / 52_560 * 1095)
    assert row["embodied_kg_co2e_monthly_high"] == pytest.approx(200 / 13_140 * 1095)
    sums = plan["footprint"]
    # 1,000 million tokens.
    assert sums["kwh_per_million_tokens"] == pytest.approx(row["kwh_monthly_at_load"] / 1000)
    assert sums["kg_co2e_monthly"] == pytest.approx(row["kwh_monthly"] * 0.2)
    assert verify_plan(plan) == []


def test_what_the_price_weighs_is_what_the_plan_says_to_the_digit() -> None:
    one = subject(KNOWN)
    solution = solved(one)
    plan = plan_json(one, solution)
    weighed = float(one.problem.hours @ solution.units.sum(axis=1)) * one.problem.options[0].kg_per_unit_hour
    assert plan["carbon"][0]["kg_co2e_monthly"] == pytest.approx(weighed, rel=1e-12)
    assert plan["carbon"][0]["kwh_monthly"] == pytest.approx(plan["energy"][0]["kwh_monthly"], rel=1e-12)


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ({"grids": {}}, {"kg_co2e_monthly", "kg_co2e_monthly_at_load", "kg_co2e_per_million_tokens"}),
        ({"embodied": Embodied()}, {"embodied_kg_co2e_monthly_low", "embodied_kg_co2e_monthly_high"}),
        (
            {"pue": {}},
            {
                *("kwh_monthly", "kwh_monthly_at_load", "kwh_per_million_tokens"),
                *("kg_co2e_monthly", "kg_co2e_monthly_at_load", "kg_co2e_per_million_tokens"),
            },
        ),
    ],
)
def test_what_has_no_figure_is_unknown_and_never_nothing(missing: dict[str, Any], unknown: set[str]) -> None:
    one = subject(replace(KNOWN, **missing))
    plan = whole(one, solved(one))
    assert {name for name, value in plan["footprint"].items() if value is None} == unknown
    assert all(value for name, value in plan["footprint"].items() if name not in unknown)
    assert verify_plan(plan) == []


@pytest.mark.parametrize(
    ("part", "field", "fault"),
    [
        ("energy", "watts_per_unit", "energy: aws/r1/m×1: watts_per_unit is"),
        ("energy", "idle_watts_per_unit", "energy: aws/r1/m×1: idle_watts_per_unit is"),
        ("energy", "kwh_monthly", "energy: aws/r1/m×1: kwh_monthly is"),
        ("energy", "kwh_monthly_at_load", "energy: aws/r1/m×1: kwh_monthly_at_load is"),
        ("energy", "kg_co2e_monthly_at_load", "energy: aws/r1/m×1: kg_co2e_monthly_at_load is"),
        ("carbon", "watts_per_unit", "energy: aws/r1/m×1: watts_per_unit is"),
        ("footprint", "kwh_monthly", "energy: footprint: kwh_monthly is"),
        ("footprint", "kg_co2e_monthly", "energy: footprint: kg_co2e_monthly is"),
        (
            "footprint",
            "embodied_kg_co2e_monthly_low",
            "energy: footprint: embodied_kg_co2e_monthly_low is",
        ),
    ],
)
def test_figures_of_energy_that_do_not_follow_are_refused(part: str, field: str, fault: str) -> None:
    one = subject(KNOWN)
    plan = whole(one, solved(one))
    place = plan[part] if part == "footprint" else plan[part][0]
    place[field] = place[field] * 2
    assert any(said.startswith(fault) for said in verify_plan(plan))


def test_power_that_is_wrong_alike_in_energy_and_carbon_is_refused() -> None:
    one = subject(KNOWN)
    plan = whole(one, solved(one))
    for part in ("energy", "carbon"):
        for field in ("watts_per_unit", "kwh_monthly"):
            plan[part][0][field] *= 2
    plan["carbon"][0]["kg_co2e_per_unit_hour"] *= 2
    plan["carbon"][0]["kg_co2e_monthly"] *= 2
    plan["footprint"]["kwh_monthly"] *= 2
    plan["footprint"]["kg_co2e_monthly"] *= 2
    (fault,) = verify_plan(plan)
    assert fault.startswith("energy: aws/r1/m×1: watts_per_unit is")
