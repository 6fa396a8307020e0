"""`optimiser recommend A B --together`: energy, carbon and cash up front beside the bill."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from together_services import asked, folder_of_services

from optimiser.planning.plan import to_jsonable
from optimiser.planning.together.verify import verify_together
from optimiser.recommend import recommend
from optimiser.report.schemas import schema_text
from optimiser.report.together import render_together
from optimiser.together import recommend_together


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_services(tmp_path_factory.mktemp("beside"))


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, str]:
    """A plan by format whose commitments are paid up front and stand idle in some hours."""
    settings = ("commitment_hours_share=0.6", "allow_upfront=true", "max_commitment_months=36")
    found = recommend_together(asked(folder, ("day", "few"), "aws", *settings))
    return {name: render_together(name, found) for name in ("json", "table")}


@pytest.fixture
def plan(answers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answers["json"])
    return found


def test_services_and_what_is_idle_add_up_to_the_total(plan: dict[str, Any]) -> None:
    (shared,) = plan["shared"]
    parts, total = [part["footprint"] for part in plan["services"]], plan["totals"]["footprint"]
    for name in ("kwh_monthly", "kg_co2e_monthly", "embodied_kg_co2e_monthly_low"):
        each = [part[name] for part in parts]
        assert min(each) > 0
        assert total[name] == pytest.approx(sum(each) + shared["idle"][name])
    # Of all instances for the whole month, those in no use.
    idle_hours = shared["instances"] * 730 * (1 - shared["used_share"])
    assert shared["idle"]["instance_hours_monthly"] == pytest.approx(idle_hours)
    assert idle_hours > 0
    # Two services of 18 and 6 requests in four hours, alike in tokens.
    mixed = parts[0]["kwh_per_million_tokens"] * 18 + parts[1]["kwh_per_million_tokens"] * 6
    idle_kwh = shared["idle"]["kwh_monthly"]
    assert total["kwh_per_million_tokens"] == pytest.approx(
        mixed / 24 * total["kwh_monthly_at_load"] / (total["kwh_monthly_at_load"] - idle_kwh)
    )


def test_cash_up_front_is_told_per_offer_and_in_all(plan: dict[str, Any], answers: dict[str, str]) -> None:
    (shared,) = plan["shared"]
    paid = Decimal(shared["offer"]["upfront_usd"]) * shared["instances"]
    assert paid == Decimal(shared["upfront_usd"]) == Decimal(plan["totals"]["upfront_usd"]) > 0
    # Money in equal monthly parts over 36 months at 8 % a year, beyond the money itself.
    rate = 1.08 ** (1 / 12) - 1
    capital = float(paid) * (rate / (1 - 1.08**-3) - 1 / 36)
    assert float(shared["capital_monthly_usd"]) == pytest.approx(capital, abs=0.01)
    said = f"${paid:,.0f} cash up front, whose capital at 8 % a year costs ${capital:,.0f} a month on top"
    page = " ".join(answers["table"].split())
    assert f"{said}, in no figure here." in page
    assert f"Commitments: {said}, in no figure here." in page


def test_cash_up_front_of_planning_apart_is_told_of_each_and_in_all(
    folder: Path, plan: dict[str, Any], answers: dict[str, str]
) -> None:
    settings = ("commitment_hours_share=0.6", "allow_upfront=true", "max_commitment_months=36")
    page, in_all = " ".join(answers["table"].split()), Decimal(0)
    for request, part in zip(asked(folder, ("day", "few"), "aws", *settings), plan["services"], strict=True):
        signed = [row.commitment for row in recommend(request).purchases if row.commitment]
        assert Decimal(part["apart_upfront_usd"]) == sum(one.upfront_usd for one in signed)
        capital = sum((one.capital_monthly_usd or Decimal(0) for one in signed), Decimal(0))
        assert Decimal(part["apart_capital_monthly_usd"]) == capital
        in_all += capital
    paid, totals = sum(Decimal(part["apart_upfront_usd"]) for part in plan["services"]), plan["totals"]
    assert (Decimal(totals["apart_upfront_usd"]), Decimal(totals["apart_capital_monthly_usd"])) == (
        paid,
        in_all,
    )
    assert in_all > 0
    said = (
        f"Apart: ${paid:,.0f} cash up front, whose capital at 8 % a year costs ${in_all:,.0f} a month on top"
    )
    assert f"{said}, in no figure here." in page[page.index("Cost Instances") :]


def test_a_place_without_a_figure_of_its_grid_is_named_with_its_method_and_pue(folder: Path) -> None:
    found = recommend_together(asked(folder, ("day", "few"), "aws", "regions=us-east-1"))
    unknown = tuple(replace(part, carbon=()) for part in found.services)
    page = " ".join(render_together("table", replace(found, services=unknown)).split())
    by = "by the method of the places considered (US state total output, direct)"
    assert f"Grid of AWS us-east-1: no figure {by}, so that kg CO2e are not known; PUE 1.15." in page


def test_the_page_tells_energy_of_each_service_and_its_grid(answers: dict[str, str]) -> None:
    page = answers["table"]
    section = page[page.index("Energy and carbon") : page.index("\nProof")]
    rows = [line.split("  ")[0] for line in section.splitlines()[2:6]]
    assert rows == ["day", "few", "bought and idle", "in all"]
    assert "Grid of AWS us-east-1: 369.47 g/kWh (country average, lifecycle, 2023," in section


def test_carbon_is_weighed_by_one_method_for_all_and_not_billed(folder: Path) -> None:
    # By itself a service that must stay in us-east4 would be told by the figure of its state.
    settings = ("commitment_hours_share=0.6", "max_commitment_months=36", "carbon_usd_per_tonne=2000")
    found = recommend_together(asked(folder, ("day", "here"), "gcp", *settings))
    plan = to_jsonable(found)
    (method,) = {row["method"] for part in plan["services"] for row in part["carbon"]}
    assert method.startswith("country average")
    # What is billed, commitments as they are weighed and not as they are billed, and 2 USD a kg, idle machines' too.
    (shared, *others), kg = plan["shared"], plan["totals"]["footprint"]["kg_co2e_monthly"]
    weighed = sum(
        (float(one["offer"]["weighed_usd_per_hour"]) - float(one["offer"]["planned_usd_per_hour"]))
        * one["instances"]
        for one in (shared, *others)
    )
    right = float(plan["totals"]["monthly_usd"]) + weighed * 730 + 2 * kg
    assert float(plan["bound"]["plan_usd"]) == pytest.approx(right, abs=0.05)
    assert sum(one["idle"]["kg_co2e_monthly"] for one in plan["shared"]) > 0
    page = " ".join(render_together("table", found).split())
    assert f"{kg:,.0f} kg then, weighed at 2000 USD a tonne and not billed." in page
    assert "carbon weighed at 2000 USD a tonne, not billed" in page[page.index("Proof") :]
    plan["services"][1]["carbon"][0]["method"] = "US state total output, direct"
    assert any("grids are told by" in fault for fault in verify_together(plan))


def test_the_json_is_of_its_schema(plan: dict[str, Any]) -> None:
    schema = json.loads(schema_text("together"))
    jsonschema.Draft202012Validator(schema).validate(plan)
    assert set(schema["required"]) == set(plan)


@pytest.mark.parametrize("share", ["0", "0.5"])
def test_a_service_alone_has_the_figures_that_it_has_in_a_plan_of_its_own(folder: Path, share: str) -> None:
    (request,) = asked(folder, ("day",), "aws", f"commitment_hours_share={share}")
    alone, own = to_jsonable(recommend_together([request])), to_jsonable(recommend(request))
    (part,) = alone["services"]
    for name in ("energy", "carbon", "footprint"):
        assert part[name] == own[name]
    assert alone["totals"]["footprint"] == own["footprint"]
    assert part["apart_monthly_usd"] == own["totals"]["total_monthly_usd"]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "idle hours": (lambda plan: plan["shared"][0]["idle"], "instance_hours_monthly"),
    "idle watts": (lambda plan: plan["shared"][0]["idle"], "watts_per_instance"),
    "idle energy": (lambda plan: plan["shared"][0]["idle"], "kwh_monthly"),
    "idle carbon": (lambda plan: plan["shared"][0]["idle"], "kg_co2e_monthly"),
    "idle making": (lambda plan: plan["shared"][0]["idle"], "embodied_kg_co2e_monthly_high"),
    "a service's energy": (lambda plan: plan["services"][0]["energy"][0], "kwh_monthly_at_load"),
    "a service's sum": (lambda plan: plan["services"][1]["footprint"], "kg_co2e_monthly_at_load"),
    "per tokens": (lambda plan: plan["services"][1]["footprint"], "kwh_per_million_tokens"),
    "the total": (lambda plan: plan["totals"]["footprint"], "kwh_monthly_at_load"),
    "cash": (lambda plan: plan["shared"][0], "upfront_usd"),
    "capital": (lambda plan: plan["shared"][0], "capital_monthly_usd"),
    "cash in all": (lambda plan: plan["totals"], "upfront_usd"),
    "cash apart": (lambda plan: plan["totals"], "apart_upfront_usd"),
    "capital apart": (lambda plan: plan["services"][0], "apart_capital_monthly_usd"),
    "what the bound is held against": (lambda plan: plan["bound"], "plan_usd"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_figures_that_do_not_follow_are_refused(plan: dict[str, Any], change: str) -> None:
    assert verify_together(plan) == []
    find, field = CHANGES[change]
    place = find(plan)
    place[field] = str(Decimal(place[field]) * 2) if isinstance(place[field], str) else place[field] * 2
    assert any(field in fault for fault in verify_together(plan))


def test_a_plan_that_leaves_out_what_is_idle_is_refused(plan: dict[str, Any]) -> None:
    other = copy.deepcopy(plan)
    other["shared"][0]["idle"] = None
    assert any("idle is None" in fault for fault in verify_together(other))
