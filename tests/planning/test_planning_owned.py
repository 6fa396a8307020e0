"""Machines that are paid already: free, limited, there all along, and outside the limit on commitments."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import (
    Case,
    case,
    committed,
    estimate,
    faults,
    held,
    hourly,
    machine,
    owned,
    plan_json,
    shape,
    spot,
)
from planning_offers import price_table
from random_cases import random_case

from optimiser.planning.baselines import solve_baseline
from optimiser.planning.large import decompose_large
from optimiser.planning.less_demand import used_shares
from optimiser.planning.model import solve_compact
from optimiser.planning.options import build_options
from optimiser.planning.outcome import Found
from optimiser.planning.owned import Owned, lasting, planned_days, planned_without, still_owed
from optimiser.planning.problem import How
from optimiser.planning.rules import RULES, verify_plan
from optimiser.planning.search import search
from optimiser.policy import Policy

DAY = date(2026, 1, 1)


def random_owned(seed: int) -> Case:
    """A random case in which some machines are owned, one of them in a place where nothing else is sold."""
    subject, rng = random_case(seed), np.random.default_rng(10_000 + seed)
    options, offers = [], dict(subject.offers)
    for option in subject.problem.options:
        extra: tuple = ()
        if rng.random() < 0.6:
            made, behind = machine(
                option.instance_type,
                option.rate_rps,
                owned(int(rng.integers(1, 5))),
                region=option.region,
                provider=option.provider,
            )
            extra, offers = made.purchases, offers | behind
        kept = () if extra and rng.random() < 0.2 else option.purchases
        options.append(replace(option, purchases=(*kept, *extra)))
    return replace(subject, problem=replace(subject.problem, options=tuple(options)), offers=offers)


@pytest.mark.parametrize("seed", range(36))
def test_with_what_is_owned_the_search_finds_the_proven_optimum(seed: int) -> None:
    subject = random_owned(seed)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6, abs=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) + 1e-9 or outcome.lower_usd == proven
    if outcome.best:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_the_compact_model_has_the_same_optimum(seed: int) -> None:
    subject = random_owned(seed)
    proven = optimum_usd(subject.problem)
    solution, _ = solve_compact(subject.problem, [rule.rows for rule in RULES.values()])
    if solution is None:
        assert math.isinf(proven)
        return
    assert solution.usd(subject.problem.hours) == pytest.approx(proven, rel=1e-6, abs=1e-6)
    assert faults(subject, solution) == []


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_the_path_of_large_fleets_brackets_the_same_optimum(seed: int) -> None:
    subject = random_owned(seed)
    outcome = search(subject.problem, gap=0.0)
    for found in outcome.plans:
        large = decompose_large(found.leaf)
        assert large.lower_usd <= found.usd * (1 + 1e-9) + 1e-6
        assert large.usd >= found.usd * (1 - 1e-9) - 1e-6


def best_of(subject: Case) -> Found:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    return best


def units_by_how(found: Found) -> dict[str, list[int]]:
    columns = enumerate(found.solution.columns)
    return {one.purchase.how.value: found.solution.units[:, c].tolist() for c, one in columns}


def test_what_is_owned_goes_first_and_only_the_rest_is_paid() -> None:
    subject = case([machine("m", 10.0, hourly(1.0), owned(3))], [20.0, 50.0])
    best = best_of(subject)
    assert units_by_how(best) == {"owned": [3, 3], "on_demand": [0, 2]}
    assert best.usd == pytest.approx(2.0)


def test_the_limit_on_commitments_is_not_of_what_is_owned() -> None:
    # The low hour needs 1 unit: one may be committed, although two are owned.
    subject = case([machine("m", 10.0, hourly(1.0), committed(0.4), owned(2))], [10.0, 50.0])
    subject = subject.with_policy(commitment_hours_share=0.1)
    assert units_by_how(best_of(subject)) == {"owned": [2, 2], "commitment": [1, 1], "on_demand": [0, 2]}


def test_what_is_owned_serves_the_baselines_too() -> None:
    subject = case([machine("m", 10.0, held(1.0), spot(0.1), owned(3))], [20.0, 50.0])
    for name in ("mix_on_demand", "single_type_on_demand", "single_type_static_peak"):
        found = solve_baseline(subject.problem, name, 0.0)
        assert found is not None
        assert found.usd == pytest.approx(4.0)


def test_what_is_owned_is_used_before_what_is_signed() -> None:
    # 0.7 × 50 req/s are 3 owned units and half of one more: 1 of 2 that are committed.
    subject = case([machine("m", 10.0, committed(0.5), owned(3))], [50.0])
    best = best_of(subject)
    shares = used_shares(subject.problem, best.solution)
    by_how = {one.purchase.how: shares[one.purchase.id] for one in best.solution.columns}
    assert by_how == {How.OWNED: 1.0, How.COMMITMENT: 0.5}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda plan: plan["offers"][0].update(planned_usd_per_hour="1"), "allowed"),
        (lambda plan: plan["offers"][0].update(max_instances=2), "respect_offer_limits"),
        (lambda plan: plan["counts"][0].update(units=2), "limit_commitments"),
        (lambda plan: plan["policy"].update(regions=["r9"]), "allowed"),
    ],
)
def test_a_plan_that_takes_more_than_is_owned_is_refused(change, rule: str) -> None:
    subject = case([machine("m", 10.0, owned(3))], [20.0, 30.0])
    plan = plan_json(subject, best_of(subject).solution)
    assert verify_plan(plan) == []
    change(plan)
    assert rule in {fault.split(":")[0] for fault in verify_plan(plan)}


def test_it_needs_no_leave_of_tiers_and_terms_and_no_price() -> None:
    subject = case([machine("m", 10.0, owned(3))], [20.0, 30.0])
    plan = plan_json(subject, best_of(subject).solution)
    plan["policy"] |= {"tiers": ["on_demand"], "max_commitment_months": 0}
    plan["options"][0]["obtainability"] = "reservation_only"
    assert verify_plan(plan) == []


FOUR = Owned(
    number=1, provider="aws", region="us-east-1", instance_type="m", instances=4, ends=date(2026, 6, 30)
)


def ways(one: Owned, *rows: dict, **policy: object) -> set[tuple[str, str, How, float, int | None]]:
    terms = Policy(**policy)  # type: ignore[arg-type]
    shapes = {("aws", "m"): shape("m")}
    table = price_table({}, *rows)
    found = build_options(
        [estimate("m", 3.0), estimate("m", 6.0, instances_per_unit=2)], shapes, table, terms, owned=[one]
    )
    return {
        (option.region, option.region_kind, p.how, p.usd_per_unit_hour, p.max_units)
        for option in found
        for p in option.purchases
        if p.how is How.OWNED
    }


def test_what_is_owned_is_an_option_wherever_it_is() -> None:
    assert ways(FOUR) == {("us-east-1", "region", How.OWNED, 0.0, 4)}
    assert ways(replace(FOUR, region="mars-1")) == {("mars-1", "region", How.OWNED, 0.0, 4)}
    assert ways(FOUR, tiers=("on_demand",), max_commitment_months=0) == ways(FOUR)
    government = {"region": "us-gov-west-1", "region_kind": "government"}
    away = replace(FOUR, region="us-gov-west-1")
    assert ways(away, government) == set()
    assert ways(away, government, regions=("us-gov-west-1",)) == {
        ("us-gov-west-1", "government", How.OWNED, 0.0, 4)
    }
    assert ways(FOUR, regions=("eu-west-1",)) == set()
    assert ways(replace(FOUR, instance_type="other")) == set()


def test_what_ends_within_the_month_is_not_counted_on() -> None:
    last = replace(FOUR, number=2, ends=date(2026, 1, 30))
    stays = replace(FOUR, number=3, ends=date(2026, 1, 31))
    assert lasting([FOUR, last, stays], date(2026, 1, 31)) == [FOUR, stays]
    assert planned_without([FOUR, last, stays], DAY, 30) == (
        "owned until 2026-01-30 and planned without: 4 × m in us-east-1 end within 30 days of 2026-01-01",
    )


@pytest.mark.parametrize(("hours", "days"), [(24, 30), (720, 30), (720.5, 31), (8760, 365), (8784, 366)])
def test_a_plan_is_for_a_month_or_for_all_of_its_demand(hours: float, days: int) -> None:
    assert planned_days(hours) == days


def test_what_is_still_owed_is_said() -> None:
    assert still_owed([FOUR], 730) == ()
    assert still_owed([replace(FOUR, usd_per_hour=2.5)], 730) == (
        "owed until 2026-06-30 whatever runs, and not in this cost: 7,300.00 USD a month for 4 × m in us-east-1",
    )
