"""What a plan says of its purchases, its charges and its bound is recomputed: one figure that is changed is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from optimiser import Policy, load_book, load_config, load_workload
from optimiser.planning.plan import to_jsonable
from optimiser.planning.rules import verify_plan
from optimiser.recommend import Request, recommend

DAY = date(2026, 11, 21)
Json = dict[str, Any]
COURSES = {
    "demand.scale": "0.3",
    "scenarios": "[{name: usual, probability: 0.75, scale: 1}, {name: growth, probability: 0.25, scale: 1.4}]",
}


@pytest.fixture(scope="module", params=[{}, COURSES], ids=["one course", "two courses"])
def plan(request: pytest.FixtureRequest) -> Json:
    """A plan with a commitment paid up front, something by the hour, and every kind of charge."""
    config = load_config()
    workload = load_workload(config.find_workload("chat-llama-70b"), request.param)
    policy = Policy.model_validate(
        {
            "providers": ("aws",),
            "regions": ("us-east-1",),
            "instance_types": ("p5.48xlarge",),
            "allow_upfront": True,
            "max_commitment_months": 36,
            "overheads": {"usd_per_node_hour": 0.5, "percent": 3, "egress_usd_per_gb": 0.09},
            "deployment": {"surge_instances": 1, "hours_per_week": 5},
            "minimum_monthly_usd_by_provider": {"gcp": 9000},
            "carbon_usd_per_tonne": 80,
        }
    )
    book = load_book(config.price_files, config.shapes, DAY)
    made = recommend(Request(workload=workload, policy=policy, config=config, book=book, as_of=DAY))
    return dict(to_jsonable(made))


def found(plan: Json, change: Callable[[Json], None]) -> list[str]:
    """The faults of a plan after a change."""
    changed = copy.deepcopy(plan)
    change(changed)
    return verify_plan(changed)


def signed(plan: Json) -> Json:
    """Its commitment with money up front."""
    return next(one for one in plan["purchases"] if one["how"] == "commitment")


def by_the_hour(plan: Json) -> Json:
    """A purchase whose units vary."""
    return next(one for one in plan["purchases"] if one["min_units"] < one["max_units"])


def more(row: Json, field: str, usd: str) -> None:
    """So much more in a field of money."""
    row[field] = str(Decimal(row[field]) + Decimal(usd))


def test_the_plan_stands_and_has_all_that_is_changed(plan: Json) -> None:
    assert verify_plan(plan) == []
    assert {one["kind"] for one in plan["charges"]} == {"deployment_surge", "egress", "minimum_spend"}
    assert float(signed(plan)["commitment"]["upfront_usd"]) > 0
    assert by_the_hour(plan)["mean_units"] > 0
    assert float(plan["bound"]["value_usd"]) > 0


@pytest.mark.parametrize("usd", ["0.02", "-0.02", "100"])
@pytest.mark.parametrize("field", ["contract_value_usd", "upfront_usd", "loss_if_ended_half_way_usd"])
def test_what_a_commitment_means_is_recomputed(plan: Json, field: str, usd: str) -> None:
    (fault,) = found(plan, lambda changed: more(signed(changed)["commitment"], field, usd))
    assert fault.startswith(f"purchases: {signed(plan)['id']}: {field} is ")


@pytest.mark.parametrize("usd", ["0.02", "-0.02", "100"])
@pytest.mark.parametrize("which", [signed, by_the_hour])
def test_what_a_purchase_costs_is_recomputed(plan: Json, which: Callable[[Json], Json], usd: str) -> None:
    (fault,) = found(plan, lambda changed: more(which(changed), "monthly_usd", usd))
    assert fault.startswith(f"purchases: {which(plan)['id']}: monthly_usd is ")


@pytest.mark.parametrize("by", [1e-4, -1e-4])
@pytest.mark.parametrize("field", ["min_units", "mean_units", "max_units"])
@pytest.mark.parametrize("which", [signed, by_the_hour])
def test_the_units_of_a_purchase_are_those_of_its_counts(
    plan: Json, which: Callable[[Json], Json], field: str, by: float
) -> None:
    by = by if field == "mean_units" else round(by * 1e4)
    (fault,) = found(plan, lambda changed: which(changed).update({field: which(changed)[field] + by}))
    assert fault.startswith(f"purchases: {which(plan)['id']}: {field} is ")


def test_a_commitment_without_its_contract_is_rejected(plan: Json) -> None:
    faults = found(plan, lambda changed: signed(changed).update(commitment=None))
    assert f"purchases: {signed(plan)['id']}: is commitment, its commitment is None" in faults


@pytest.mark.parametrize("usd", ["0.01", "-0.01", "100"])
def test_the_charges_of_the_month_are_the_sum_of_its_rows(plan: Json, usd: str) -> None:
    (fault,) = found(plan, lambda changed: more(changed["totals"], "charges_monthly_usd", usd))
    assert fault.startswith("money: charges_monthly_usd is ")


@pytest.mark.parametrize("usd", ["100", "-100"])
def test_what_the_plan_comes_to_as_weighed_is_recomputed(plan: Json, usd: str) -> None:
    faults = found(plan, lambda changed: more(changed["bound"], "plan_usd", usd))
    assert faults[0].startswith("bound: plan_usd is ")


@pytest.mark.parametrize("usd", ["100", "-100"])
def test_a_bound_is_as_far_from_the_plan_as_its_gap_says(plan: Json, usd: str) -> None:
    faults = found(plan, lambda changed: more(changed["bound"], "value_usd", usd))
    assert {fault.split(":")[0] for fault in faults} == {"bound"}


@pytest.mark.parametrize("gap", [1e-5, -1e-5, 0.5])
def test_a_gap_is_what_is_between_bound_and_plan(plan: Json, gap: float) -> None:
    (fault,) = found(plan, lambda changed: changed["bound"].update(gap=changed["bound"]["gap"] + gap))
    assert fault.startswith("bound: gap is ")


def test_no_bound_is_above_the_plan(plan: Json) -> None:
    above = str(Decimal(plan["bound"]["plan_usd"]) + 100)
    faults = found(plan, lambda changed: changed["bound"].update(value_usd=above, gap=0.0))
    assert f"bound: value_usd is {above}, beyond the plan's {plan['bound']['plan_usd']}" in faults


def test_a_bound_of_nothing_leaves_no_gap_to_tell(plan: Json) -> None:
    assert found(plan, lambda changed: changed["bound"].update(value_usd="0.00", gap=0.0)) == []
