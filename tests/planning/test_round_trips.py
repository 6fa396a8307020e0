"""Regions that requests take time to reach: what is left of the target there, and which are out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from planning_cases import Case, case, estimate, hourly, machine, plan_json, shape
from planning_offers import price_table

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.owned import Owned
from optimiser.planning.problem import How, Option
from optimiser.planning.round_trips import options_within_reach
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search
from optimiser.policy import Policy
from optimiser.prices.spot_past import NO_PAST
from optimiser.workload import Target

TARGET = Target(ttft_ms=1000.0, tpot_ms=50.0)
OWNED = Owned(number=1, provider="aws", region="far", instance_type="m", instances=2, ends=date(2027, 1, 1))
ROWS: tuple[dict[str, Any], ...] = ({"region": "near"}, {"region": "far"}, {"region": "farther"})


def reached(
    target: Target | None, **round_trips: float
) -> tuple[dict[str, Option], tuple[str, ...], list[float]]:
    """Options by region, notes, and the TTFT targets that were estimated anew: a rate of 1 req/s for each 100 ms."""
    asked: list[float] = []

    def within(left: Target) -> list[Estimate]:
        asked.append(left.ttft_ms)
        return [estimate("m", left.ttft_ms / 100)]

    policy = Policy(round_trip_ms_by_region=round_trips)
    options, notes = options_within_reach(
        [estimate("m", 10.0)],
        {("aws", "m"): shape("m")},
        price_table(*ROWS),
        policy,
        owned=[OWNED],
        past=NO_PAST,
        start_up=None,
        target=target,
        estimates_within=within,
    )
    return {option.region: option for option in options}, notes, asked


def test_a_region_is_estimated_at_what_its_round_trip_leaves() -> None:
    options, notes, asked = reached(TARGET, far=200.0, farther=500.0)
    assert {name: (one.rate_rps, one.round_trip_ms) for name, one in options.items()} == {
        "near": (10.0, 0.0),
        "far": (8.0, 200.0),
        "farther": (5.0, 500.0),
    }
    assert (notes, asked) == ((), [800.0, 500.0])
    assert [name for name, one in options.items() if any(p.how is How.OWNED for p in one.purchases)] == [
        "far"
    ]
    assert list(options) == ["far", "farther", "near"]


def test_equal_round_trips_are_estimated_once_and_unknown_regions_not_at_all() -> None:
    options, _, asked = reached(TARGET, far=200.0, farther=200.0, elsewhere=300.0, near=0.0)
    assert asked == [800.0]
    assert {one.rate_rps for name, one in options.items() if name != "near"} == {8.0}


def test_a_region_too_far_for_the_target_is_out_and_named() -> None:
    options, notes, asked = reached(TARGET, far=1000.0, farther=1500.0)
    assert (set(options), asked) == ({"near"}, [])
    nothing = "there and back leave nothing of the target's TTFT of 1000 ms"
    assert notes == (
        f"round_trip_ms_by_region: far left out: 1000 ms {nothing}",
        f"round_trip_ms_by_region: farther left out: 1500 ms {nothing}",
    )


def test_without_a_target_nothing_is_taken_off() -> None:
    options, notes, asked = reached(None, far=2000.0)
    assert {one.rate_rps for one in options.values()} == {10.0}
    assert {one.round_trip_ms for one in options.values()} == {0.0}
    assert (notes, asked) == ((), [])


def far_away(ms: float) -> Case:
    """One machine whose TTFT of 500 ms is that much longer, under a policy that says so."""
    option, offers = machine("m", 10.0, hourly(1.0))
    subject = case([(replace(option, round_trip_ms=ms), offers)], [10.0])
    return subject.with_policy(round_trip_ms_by_region={"r1": 200.0})


def as_served(subject: Case) -> dict[str, Any]:
    best = search(subject.problem).best
    assert best is not None
    bucket = {"prompt_tokens": 1.0, "output_tokens": 1.0, "share": 1.0}
    return {**plan_json(subject, best.solution), "services": [{"ttft_ms": 700.0, "buckets": [bucket]}]}


def test_the_plan_has_the_way_in_its_latency() -> None:
    plan = as_served(far_away(200.0))
    (option,) = plan["options"]
    assert (option["round_trip_ms"], option["ttft_ms"]) == (200.0, 700.0)
    assert [point["ttft_ms"] for point in option["load_points"]] == [700.0]
    assert verify_plan(plan) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("round_trip_ms", 20.0, "20 ms there and back, not 200"),
        ("ttft_ms", 701.0, "TTFT 701 ms, 200 of it on the way"),
        ("ttft_ms", 100.0, "TTFT 100 ms, 200 of it on the way"),
    ],
)
def test_a_plan_that_forgets_the_way_is_refused(place: str, value: float, said: str) -> None:
    plan = as_served(far_away(200.0))
    plan["options"][0][place] = value
    assert verify_plan(plan) == [f"allow_for_round_trips: aws/r1/m×1: {said}"]
