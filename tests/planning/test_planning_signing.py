"""What is to be signed for the commitments of a plan, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from planning_cases import Case, case, columns_of, committed, hourly, machine, plan_json

from optimiser.planning.assemble import Core, core_of
from optimiser.planning.leaves import Solution
from optimiser.planning.plan_bought import PlanSigning
from optimiser.planning.rules import verify_plan
from optimiser.planning.signing import signing_of

# 3 units of two p5.48xlarge each (192 vCPU, 8 GPUs a machine) and 2 of g6.xlarge, committed all along.
TWO = case(
    [
        machine("p5.48xlarge", 4.0, committed(10.0), hourly(20.0), instances_per_unit=2, vcpus=192, gpus=8),
        machine("g6.xlarge", 1.0, committed(0.5), vcpus=4, gpus=1),
    ],
    [10.0, 12.0],
)
UNITS = {"p5.48xlarge": 3, "g6.xlarge": 2}


def solution(subject: Case) -> Solution:
    columns = columns_of(subject.problem)
    units = [UNITS[c.option.instance_type] * (c.purchase.how.value == "commitment") for c in columns]
    return Solution(columns, np.array([units, units]))


def core() -> Core:
    return core_of(TWO.problem, solution(TWO), TWO.offers, {})


def signed(kind: str, **changes: Any) -> list[PlanSigning]:
    made = core()
    offers = [replace(one, kind=kind, **changes) if one.term_months else one for one in made.offers]
    return list(signing_of(made.options, offers, made.purchases))


def amounts(row: PlanSigning) -> dict[str, Decimal]:
    return {one.unit: one.amount for one in row.amounts}


@pytest.mark.parametrize("kind", ["reserved_instance", "reserved_instance_convertible", "my own word"])
def test_reserved_instances_are_signed_by_machine_and_region(kind: str) -> None:
    first, second = signed(kind)
    assert (first.scope, amounts(first)) == ("p5.48xlarge in r1", {"instance": 6})
    assert (second.scope, amounts(second)) == ("g6.xlarge in r1", {"instance": 2})


@pytest.mark.parametrize("kind", ["compute_savings_plan", "savings_plan"])
def test_a_savings_plan_is_one_sum_an_hour_for_all_machines(kind: str) -> None:
    (row,) = signed(kind)
    assert (row.scope, amounts(row)) == ("", {"usd_per_hour": Decimal(61)})
    assert sorted(row.purchases) == sorted(one.id for one in core().purchases if one.commitment)


def test_an_instance_savings_plan_stays_in_its_family_and_region() -> None:
    rows = {row.scope: amounts(row) for row in signed("ec2_instance_savings_plan")}
    assert rows == {"p5 in r1": {"usd_per_hour": Decimal(60)}, "g6 in r1": {"usd_per_hour": Decimal(1)}}


def test_a_resource_commitment_is_parts_of_machines() -> None:
    made = core()
    gpu, memory = made.options[0].gpu, Decimal(repr(made.options[0].memory_gib_per_instance))
    row = signed("committed_use")[0]
    assert amounts(row) == {"vcpu": 6 * 192, "gib": 6 * memory, gpu: 48}


def test_other_terms_are_another_contract() -> None:
    made = core()
    offers = [
        replace(one, kind="savings_plan", payment="all_upfront" if one.instance_type == "g6.xlarge" else "x")
        for one in made.offers
    ]
    rows = signing_of(made.options, offers, made.purchases)
    assert [amounts(row)["usd_per_hour"] for row in rows] == [60, 1]


def test_a_signing_that_covers_less_or_more_is_refused() -> None:
    plan = plan_json(TWO, solution(TWO))
    assert not [fault for fault in verify_plan(plan) if fault.startswith("signing")]
    plan["signing"][0]["amounts"][0]["amount"] = "5"
    assert [fault for fault in verify_plan(plan) if fault.startswith("signing")]
    plan = plan_json(TWO, solution(TWO))
    del plan["signing"][1]
    assert [fault for fault in verify_plan(plan) if fault.startswith("signing")]


def test_a_wrong_sum_an_hour_is_refused() -> None:
    plan = plan_json(TWO, solution(TWO))
    plan["signing"][0]["amounts"] = [{"amount": "59.9", "unit": "usd_per_hour"}]
    assert [fault for fault in verify_plan(plan) if fault.startswith("signing")]
    plan["signing"][0]["amounts"] = [{"amount": "60", "unit": "usd_per_hour"}]
    assert not [fault for fault in verify_plan(plan) if fault.startswith("signing")]
