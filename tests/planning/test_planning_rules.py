"""Every rule matters, and every rule's check sees what breaks it."""

from __future__ import annotations

import numpy as np
import pytest
from planning_cases import (
    Case,
    case,
    committed,
    emitting,
    faults,
    granted,
    held,
    hourly,
    machine,
    plan_json,
    spot,
)

from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.model import solve_compact
from optimiser.planning.rules import RULES, verify_plan
from optimiser.planning.search import search


def by_rule() -> dict[str, Case]:
    """A case per rule in which the cheapest plan without the rule breaks it."""
    return {
        "carry_demand": case([machine("m", 1.0, hourly(1.0))], [4.0, 8.0]).with_policy(
            utilisation_ceiling=0.8
        ),
        "survive_instance_loss": case([machine("m", 1.0, hourly(1.0))], [2.0, 3.0]).with_policy(
            survive_instance_losses=1
        ),
        "keep_firm_floor": case([machine("m", 4.0, hourly(1.0))], [2.0, 3.0]).with_policy(
            min_firm_instances=2
        ),
        "limit_spot_share": case([machine("m", 1.0, hourly(1.0), spot(0.4))], [5.0, 9.0]).with_policy(
            max_spot_share=0.3
        ),
        "survive_spot_pool_loss": case(
            [machine("m", 1.0, hourly(1.0), spot(0.4, "a"), spot(0.5, "b"))], [8.0, 4.0]
        ).with_policy(survive_spot_pool_loss=True, utilisation_ceiling=0.8),
        "spread_spot": case(
            [machine("m", 1.0, hourly(1.0), spot(0.4, "a"), spot(0.5, "b"))], [8.0, 4.0]
        ).with_policy(min_spot_pools=2, max_spot_share=0.5),
        "survive_spot_region_loss": case(
            [machine("m", 1.0, hourly(1.0), spot(0.4, "a"), spot(0.45, "b"))], [8.0, 4.0]
        ).with_policy(survive_spot_region_loss=True, utilisation_ceiling=0.8),
        "survive_zone_loss": case([machine("m", 1.0, hourly(1.0))], [4.0, 9.0]).with_policy(
            survive_zone_loss_of=3
        ),
        "spread_over_regions": case(
            [machine("m", 2.0, hourly(1.0)), machine("m", 2.0, hourly(1.3), region="r2")], [4.0, 3.0]
        ).with_policy(min_regions=2),
        "survive_region_loss": case(
            [machine("m", 1.0, hourly(1.0)), machine("m", 1.0, hourly(1.3), region="r2")], [4.0, 8.0]
        ).with_policy(survive_region_loss=True),
        "limit_provider_share": case(
            [machine("m", 1.0, hourly(1.0)), machine("m", 1.0, hourly(1.3), provider="gcp")], [4.0, 8.0]
        ).with_policy(max_share_per_provider=0.75),
        "limit_commitments": case(
            [machine("m", 1.0, hourly(1.0), committed(0.5))], [2.0, 8.0, 8.0]
        ).with_policy(commitment_hours_share=0.1),
        "limit_committed_spend": case(
            [machine("m", 1.0, hourly(1.0), committed(0.5))], [3.0, 4.0]
        ).with_policy(max_committed_monthly_usd=2 * 365.0),
        "hold_scarce": case([machine("m", 1.0, held(1.0))], [2.0, 8.0]),
        "respect_offer_limits": case([machine("m", 1.0, hourly(1.0), hourly(0.5, 2))], [5.0, 9.0]),
        "respect_quotas": case(
            [machine("m", 1.0, hourly(1.0)), machine("n", 1.0, hourly(1.5), family="P")], [2.0, 5.0]
        ).with_quotas(granted(24)),
        "limit_gpus": case(
            [machine("m", 1.0, hourly(1.0)), machine("n", 4.0, hourly(6.0))], [2.0, 5.0]
        ).with_policy(max_gpus=3),
        "keep_up": case([machine("m", 1.0, hourly(1.0))], [1.0, 3.0, 1.0]).with_policy(min_up_hours=2),
        "limit_starts": case([machine("m", 1.0, hourly(1.0))], [1.0, 3.0, 1.0]).with_policy(
            max_starts_per_hour=1
        ),
        "limit_stops": case([machine("m", 1.0, hourly(1.0))], [1.0, 3.0, 1.0]).with_policy(
            max_stops_per_hour=1
        ),
        "limit_schedule_changes": case([machine("m", 1.0, hourly(1.0))], [1.0, 3.0, 1.0, 2.0]).with_policy(
            max_schedule_changes_per_day=2
        ),
        "limit_sites": case(
            [
                machine("m", 5.0, hourly(4.0)),
                machine("n", 1.0, hourly(1.0), region="r2"),
            ],
            [6.0, 11.0],
        ).with_policy(max_sites=1),
        "limit_carbon": case(
            [emitting(machine("m", 1.0, hourly(1.0)), 1.0), emitting(machine("n", 1.0, hourly(1.5)), 0.2)],
            [2.0, 5.0],
        ).with_policy(max_monthly_kg_co2e=4 * 365.0),
        "limit_instance_types": case(
            [machine("m", 5.0, hourly(4.0)), machine("n", 1.0, hourly(1.0))], [6.0, 11.0]
        ).with_policy(max_instance_types=1),
    }


@pytest.mark.parametrize("name", RULES)
def test_without_a_rule_the_optimum_is_another_and_its_check_objects(name: str) -> None:
    subject = by_rule()[name]
    _, under_all = solve_compact(subject.problem, [rule.rows for rule in RULES.values()])
    others = [rule.rows for rule in RULES.values() if rule.name != name]
    solution, without = solve_compact(subject.problem, others)
    assert solution is not None
    assert under_all.usd is not None
    assert without.usd is not None
    assert without.usd < under_all.usd - 1e-6
    broken = faults(subject, solution)
    assert broken
    assert {fault.split(":")[0] for fault in broken} == {name}


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.without])
def test_the_problem_without_a_rule_has_a_lower_bound(name: str) -> None:
    subject, without = by_rule()[name], RULES[name].without
    strict = search(subject.problem, gap=0.0)
    assert strict.best is not None
    assert without is not None
    assert search(without(subject.problem), gap=0.0).lower_usd < strict.best.usd - 1e-9


@pytest.mark.parametrize("name", by_rule())
def test_the_plan_under_all_rules_stands(name: str) -> None:
    subject = by_rule()[name]
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    assert faults(subject, best.solution) == []


def test_every_rule_has_its_three_faces() -> None:
    for name, rule in RULES.items():
        assert rule.name == name == rule.rows.__name__
        assert rule.verify.__name__ == f"verify_{name}"
        assert rule.scope in ("period", "horizon")
        assert (rule.rows.__doc__ or "").strip()


FULL = case(
    [
        machine("m", 1.0, hourly(1.0), committed(0.6), spot(0.4, "a"), spot(0.45, "b")),
        machine("s", 2.0, held(2.3)),
        machine("x", 1.0, hourly(0.9)),
        machine("m", 1.0, hourly(0.8), region="r2"),
    ],
    [6.0, 8.0, 10.0],
).with_policy(
    utilisation_ceiling=0.8,
    survive_instance_losses=1,
    survive_spot_pool_loss=True,
    min_firm_instances=2,
    commitment_hours_share=0.1,
    max_spot_share=0.3,
    max_sites=1,
    max_instance_types=2,
)
# Required: d / 0.8, here above d + 2 from 8 req/s on: 8 (6 + 2), 10, 12.5. Firm 70 %: 5.6, 7, 8.75. Spare: 2, 2, 2.5.
VALID = {
    "commitment": [6, 6, 6],
    "on_demand": [0, 0, 1],
    "a": [0, 1, 2],
    "b": [0, 1, 2],
    "held_on_demand": [1, 1, 1],
}


def fleet(**changes: list[int]) -> Solution:
    """The valid fleet with some rows of units replaced. other is machine x, away is machine m in r2."""
    units = {**VALID, "other": [0, 0, 0], "away": [0, 0, 0], **changes}
    columns, rows = [], []
    names = {("m", "r1", how): how for how in ("commitment", "on_demand")}
    for option in FULL.problem.options:
        for purchase in option.purchases:
            key = (option.instance_type, option.region, purchase.how.value)
            name = purchase.pool.split("/")[2] if purchase.pool else names.get(key, "")
            name = name or {"x": "other", "s": "held_on_demand"}.get(option.instance_type, "away")
            columns.append(Bought(option, purchase))
            rows.append(units[name])
    return Solution(tuple(columns), np.array(rows).T)


def test_the_fleet_made_by_hand_is_valid() -> None:
    assert faults(FULL, fleet()) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("survive_instance_loss", {"commitment": [5, 5, 5]}),
        ("carry_demand", {"on_demand": [0, 0, 0]}),
        (
            "limit_spot_share",
            {"commitment": [4, 4, 4], "on_demand": [2, 2, 2], "a": [0, 1, 2], "b": [0, 1, 3]},
        ),
        ("survive_spot_pool_loss", {"a": [0, 1, 4], "b": [0, 1, 0]}),
        ("limit_commitments", {"commitment": [12, 12, 12]}),
        ("limit_commitments", {"commitment": [6, 6, 7]}),
        ("limit_sites", {"away": [0, 0, 1]}),
        ("limit_instance_types", {"other": [1, 0, 0]}),
        ("hold_scarce", {"held_on_demand": [1, 0, 1], "on_demand": [0, 2, 1]}),
        ("keep_firm_floor", {"commitment": [0, 0, 0]}),
    ],
)
def test_a_mutated_plan_is_rejected(rule: str, changes: dict[str, list[int]]) -> None:
    broken = {fault.split(":")[0] for fault in faults(FULL, fleet(**changes))}
    assert rule in broken


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("max_commitment_months", 6, "allowed"),
        ("tiers", ["on_demand", "spot"], "allowed"),
        ("regions", ["r9"], "allowed"),
        ("providers", ["gcp"], "allowed"),
        ("markets", ["capacity_block"], "allowed"),
        ("gpus", ["H100"], "allowed"),
        ("instance_types", ["y"], "allowed"),
        ("region_kinds", ["government"], "allowed"),
        ("max_spot_share", 0.0, "limit_spot_share"),
        ("min_firm_instances", 8, "keep_firm_floor"),
        # Of 12.5 req/s 30 % in two pools: two units are above 1.875. Two units on spot with one spare are too many.
        ("min_spot_pools", 2, "spread_spot"),
        ("survive_spot_region_loss", True, "survive_spot_region_loss"),
        ("survive_zone_loss_of", 2, "survive_zone_loss"),
    ],
)
def test_a_plan_made_under_another_policy_is_rejected(field: str, value: object, rule: str) -> None:
    plan = plan_json(FULL, fleet())
    plan["policy"][field] = value
    assert rule in {fault.split(":")[0] for fault in verify_plan(plan)}


def test_upfront_money_and_quantity_are_read_from_the_offers() -> None:
    plan = plan_json(FULL, fleet())
    for offer in plan["offers"]:
        offer["upfront_usd"] = "100" if offer["tier"] == "reserved" else "0"
        offer["max_instances"] = 5 if offer["tier"] == "reserved" else None
    broken = {fault.split(":")[0] for fault in verify_plan(plan)}
    assert broken == {"allowed", "purchases", "respect_offer_limits", "weigh_commitments"}


@pytest.mark.parametrize("kind", ["reservation_only", "spot_only"])
def test_a_machine_sold_otherwise_is_not_bought_on_demand(kind: str) -> None:
    plan = plan_json(FULL, fleet())
    for option in plan["options"]:
        option["obtainability"] = kind
    assert {fault.split(":")[0] for fault in verify_plan(plan)} == {"hold_scarce"}
    plan["policy"]["assume_obtainable"] = True
    assert verify_plan(plan) == []
