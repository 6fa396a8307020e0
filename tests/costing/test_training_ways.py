"""Ways to pay for a job in one market, each worked by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from optimiser import Policy, load_config
from optimiser.costing.training.interruptions import FAILURES_PER_GPU_HOUR, interrupted
from optimiser.costing.training.market import Market, Price
from optimiser.costing.training.pace import Pace
from optimiser.costing.training.ways import (
    BLOCK,
    MIXED,
    ON_DEMAND,
    RESERVED,
    SPOT,
    Terms,
    Way,
    block_days,
    course,
    planned_hours,
    ways,
)
from optimiser.planning.plan_bought import PlanSpot

CONFIG = load_config()
SHAPE = CONFIG.shapes["aws", "p5.48xlarge"]
POLICY = Policy(performance_confidence=0.5)
# 400 h of work on two instances; the estimate itself is planned on.
PACE = Pace(
    nodes=2,
    gpus=16,
    layout={},
    memory_gib={},
    step_seconds={},
    peak_flops=989e12,
    step_mfu=0.4,
    step_hfu=0.4,
    mfu=0.34,
    steps=1,
    hours=400.0,
    relative_error=0.15,
)
ON_SPOT = PlanSpot(
    expected_usd_per_hour=Decimal(20),
    price_basis="quote",
    interruptions_per_hour=0.1,
    interruptions_source="policy",
)


def price(usd: float, **other: object) -> Price:
    return replace(Price(offer_id=f"at {usd}", usd_per_hour=usd, most_instances=float("inf")), **other)  # type: ignore[arg-type]


def market(**shelves: list[Price]) -> Market:
    return Market(provider="aws", region="r", region_kind="region", shape=SHAPE, **shelves)  # type: ignore[arg-type]


def terms(
    deadline_hours: float, policy: Policy = POLICY, checkpoint_gb: float = 720.0, frozen_gb: float = 0.0
) -> Terms:
    return Terms(
        deadline_hours=deadline_hours,
        checkpoint_gb=checkpoint_gb,
        frozen_gb=frozen_gb,
        storage_usd_per_hour=0.5,
        start_up=CONFIG.settings.start_up,
        policy=policy,
    )


def found(here: Market, asked: Terms, pace: Pace = PACE) -> dict[str, Way]:
    return {way.how: way for way in ways(here, pace, asked)}


def test_on_demand_pays_every_instance_until_the_expected_end() -> None:
    (way,) = found(market(on_demand=[price(50)]), terms(1000)).values()
    # 720 GB from two instances at 1 GB/s: 0.1 h. Start: 20 min to boot, 6 for the image, 0.1 h to load.
    # After a failure ten minutes and 0.1 h to load.
    run = interrupted(400, 1 / (16 * FAILURES_PER_GPU_HOUR), 0.1, 10 / 60 + 0.1, 26 / 60 + 0.1)
    assert run is not None
    assert way.hours == pytest.approx(run.hours)
    assert way.machines_usd == pytest.approx(2 * 50 * run.hours)
    assert way.storage_usd == pytest.approx(0.5 * run.hours)
    assert way.usd == pytest.approx(way.machines_usd + way.storage_usd)


def test_every_instance_reads_frozen_weights_at_the_start_and_after_a_failure() -> None:
    (way,) = found(market(on_demand=[price(50)]), terms(1000, frozen_gb=360.0)).values()
    # 360 GB at 1 GB/s are 0.1 h beside the checkpoint's 0.1 h, which is written in 0.1 h as before.
    run = interrupted(400, 1 / (16 * FAILURES_PER_GPU_HOUR), 0.1, 10 / 60 + 0.2, 26 / 60 + 0.2)
    assert run is not None
    assert way.hours == pytest.approx(run.hours)


def test_a_machine_alone_has_no_spare_and_boots_anew() -> None:
    (way,) = found(market(on_demand=[price(50)]), terms(1000), replace(PACE, nodes=1, gpus=8)).values()
    run = interrupted(400, 1 / (8 * FAILURES_PER_GPU_HOUR), 0.2, 26 / 60 + 0.2)
    assert run is not None
    assert way.hours == pytest.approx(run.hours)


def test_sixteen_thousand_firm_gpus_train_for_nine_tenths_of_their_time() -> None:
    # Llama 3, arXiv 2407.21783, section 3.3.4: "higher than 90 % effective training time" with 419 failures in 54 days.
    run = course(54 * 24, 2048, 16_384, terms(2000, checkpoint_gb=14 * 405.0))
    assert run is not None
    assert 0.90 < 1 - run.wasted_share < 0.95


def test_spot_waits_for_the_whole_gang_and_is_interrupted_n_times_as_often() -> None:
    way = found(market(spot=[price(20, spot=ON_SPOT)]), terms(2000))[SPOT]
    run = interrupted(400, 1 / (16 * FAILURES_PER_GPU_HOUR + 2 * 0.1), 0.1, (15 + 6) / 60 + 0.1)
    assert run is not None
    assert way.hours == pytest.approx(run.hours)
    assert way.gang_on_spot
    assert not found(market(spot=[price(20, spot=ON_SPOT)]), terms(2000), replace(PACE, nodes=1))[
        SPOT
    ].gang_on_spot


def test_spot_first_and_on_demand_for_the_rest_ends_at_the_deadline() -> None:
    here = market(on_demand=[price(50)], spot=[price(20, spot=ON_SPOT)])
    fast = found(here, terms(5000))[ON_DEMAND].hours
    slow = found(here, terms(5000))[SPOT].hours
    deadline = (fast + slow) / 2
    way = found(here, terms(deadline))[MIXED]
    on_spot, on_demand = (leg.hours for leg in way.legs)
    assert way.hours == pytest.approx(deadline)
    assert on_spot / slow + on_demand / fast == pytest.approx(1)  # all the work
    assert way.machines_usd == pytest.approx(2 * (20 * on_spot + 50 * on_demand))
    assert SPOT not in found(here, terms(deadline))


def test_a_reservation_is_paid_for_its_whole_term() -> None:
    here = market(reserved=[price(10, term_months=12)])
    way = found(here, terms(1000))[RESERVED]
    assert way.machines_usd == pytest.approx(2 * 10 * 8760)
    twice = found(here, terms(20_000), replace(PACE, hours=9000.0))[RESERVED]
    assert twice.machines_usd == pytest.approx(2 * 10 * 2 * 8760)


def test_a_budget_for_what_is_signed_is_kept() -> None:
    here = market(reserved=[price(10, term_months=12)])  # two instances at 10 $/h: 14,600 $ a month
    for budget, allowed in ((14_500, False), (14_700, True)):
        policy = POLICY.model_copy(update={"max_committed_monthly_usd": budget})
        assert (RESERVED in found(here, terms(1000, policy))) is allowed


def test_a_capacity_block_is_paid_in_days_up_to_two_weeks_then_in_weeks_and_has_limits() -> None:
    here = market(blocks=[price(30)])
    # Some 401 h are 17 days, which three weeks hold; some 201 h are nine days.
    assert found(here, terms(1000))[BLOCK].machines_usd == pytest.approx(2 * 30 * 24 * 21)
    short = found(here, terms(1000), replace(PACE, hours=200.0))[BLOCK]
    assert 200 < short.hours < 216
    assert short.machines_usd == pytest.approx(2 * 30 * 24 * 9)
    assert [block_days(24.0 * days) for days in (1, 14, 14.01, 21, 22, 182)] == [1, 14, 21, 21, 28, 182]
    assert not found(here, terms(1000), replace(PACE, nodes=3, gpus=24))
    assert not found(here, terms(1000), replace(PACE, nodes=128, gpus=1024))
    assert not found(here, terms(9000), replace(PACE, hours=183 * 24.0))


def test_a_price_for_fewer_instances_is_passed_over() -> None:
    here = market(on_demand=[price(40, most_instances=1), price(50)])
    assert found(here, terms(1000))[ON_DEMAND].legs[0].price.usd_per_hour == 50


def test_nothing_late_nor_beyond_a_monthly_budget() -> None:
    here = market(on_demand=[price(50)])
    assert not found(here, terms(399))
    assert not found(here, terms(1000, POLICY.model_copy(update={"max_monthly_usd": 39_000})))
    assert found(here, terms(1000, POLICY.model_copy(update={"max_monthly_usd": 45_000})))


def test_the_pace_planned_on_is_the_estimates_lower_bound() -> None:
    assert planned_hours(PACE, POLICY) == pytest.approx(400)
    assert planned_hours(PACE, Policy()) == pytest.approx(
        400 * 1.15
    )  # three of four runs reach 1 / (1 + error)
    assert planned_hours(PACE, Policy(performance_margin=0.2)) == pytest.approx(500)


def test_overheads_are_paid_too() -> None:
    overheads = Policy(
        performance_confidence=0.5, overheads={"usd_per_node_hour": 1, "usd_per_month": 73, "percent": 10}
    )
    way = found(market(on_demand=[price(50)]), terms(1000, overheads))[ON_DEMAND]
    beside = 2 * way.hours + way.hours / 730 * 73
    assert way.overheads_usd == pytest.approx(beside + 0.1 * (way.machines_usd + beside))
