"""Money worked by hand, on the embedded prices and on plans read back from their JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from planning_cases import Case, case, columns_of, committed, estimate, held, hourly, machine, plan_json, spot

from optimiser.config import load_config
from optimiser.planning.assemble import core_of
from optimiser.planning.leaves import Bought, Solution
from optimiser.planning.options import build_options
from optimiser.planning.plan import HOURS_PER_MONTH, to_jsonable
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.problem import How, Problem
from optimiser.planning.search import search
from optimiser.planning.totals import totals_of
from optimiser.policy import Overheads, Policy
from optimiser.prices.book import load_book
from optimiser.workload import SizeBucket, Workload

CENT = Decimal("0.01")
CHAT = Workload(
    name="chat",
    model="m",
    target=None,
    buckets=(
        SizeBucket(prompt_tokens=1000, output_tokens=100, share=0.5),
        SizeBucket(prompt_tokens=2000, output_tokens=300, share=0.5),
    ),
    periods=(),
)


def test_a_flat_node_of_p5_for_three_years_paid_ahead_costs_15107_a_month() -> None:
    config = load_config()
    book = load_book(config.price_files, config.shapes, date(2026, 11, 21))
    p5 = "p5.48xlarge"
    policy = Policy().model_copy(
        update={
            "regions": ("us-east-1",),
            "providers": ("aws",),
            "instance_types": (p5,),
            "tiers": ("on_demand", "reserved"),
            "max_commitment_months": 36,
            "allow_upfront": True,
            "min_firm_instances": 1,
            "survive_instance_losses": 0,
            "utilisation_ceiling": 1.0,
        }
    )
    options = build_options(
        [estimate(p5, 10.0)], {("aws", p5): config.shapes[("aws", p5)]}, book.offers, policy
    )
    flat = case([], [5.0] * 24, policy=policy)
    problem = Problem(services=("flat",), options=options, periods=flat.problem.periods, policy=policy)
    best = search(problem).best
    assert best is not None
    (column,) = best.solution.columns
    assert column.purchase.how is How.COMMITMENT
    assert best.solution.units.tolist() == [[1]] * 24
    offer = book.offer(column.purchase.offer_id)
    assert (offer.term_months, offer.upfront_usd) == (36, Decimal("543865.99"))
    core = core_of(problem, best.solution, {offer.offer_id: offer}, {})
    totals = totals_of(problem, CHAT, best.solution, core)
    by_hand = Decimal("543865.99") / 26_280 * 730
    assert totals.monthly_usd == by_hand.quantize(CENT) == Decimal("15107.39")
    assert core.purchases[0].monthly_usd == totals.monthly_usd
    contract = core.purchases[0].commitment
    assert contract is not None
    assert (contract.contract_value_usd, contract.upfront_usd) == (Decimal("543865.99"), Decimal("543865.99"))


MIXED = case(
    [
        machine("m", 1.3, hourly(1.0071), committed(0.613), spot(0.41, "a"), spot(0.433, "b")),
        machine("s", 2.0, held(2.3)),
        machine("g", 5.0, hourly(1.7), instances_per_unit=2),
    ],
    [6.0, 8.0, 10.0, 0.0],
    [1.0, 0.25, 6.0, 2.5],
)
UNITS = [[1, 2, 1, 0, 1, 0], [0, 2, 1, 1, 1, 1], [2, 2, 2, 0, 1, 1], [0, 2, 0, 0, 1, 0]]


def mixed(subject: Case = MIXED) -> tuple[Case, Solution]:
    return subject, Solution(columns_of(subject.problem), np.array(UNITS))


def test_the_horizon_can_be_recomputed_from_the_json_alone() -> None:
    subject, solution = mixed()
    plan = json.loads(json.dumps(plan_json(subject, solution)))
    usd_of = {offer["id"]: Decimal(offer["planned_usd_per_hour"]) for offer in plan["offers"]}
    purchases = {one["id"]: one for one in plan["purchases"]}
    instances = {option["id"]: option["instances_per_unit"] for option in plan["options"]}
    hours = [Decimal(str(period["hours"])) for period in plan["periods"]]
    spent = {name: Decimal(0) for name in purchases}
    for row in plan["counts"]:
        one = purchases[row["purchase"]]
        spent[one["id"]] += (
            row["units"] * instances[one["option"]] * usd_of[one["offer"]] * hours[row["period"]]
        )
    total = sum(spent.values(), Decimal(0))
    assert total == Decimal(plan["horizon_usd"])
    assert float(total) == pytest.approx(solution.usd(subject.problem.hours), rel=1e-12)
    # By hand: (1 + 12) × 1.0071 + 2 × 9.75 × 0.613 + (1 + 0.25 + 12) × 0.41 + 0.25 × 0.433 + 9.75 × 2.3 + 6.25 × 3.4
    assert total == Decimal("13.0923") + Decimal("11.9535") + Decimal("5.4325") + Decimal(
        "0.10825"
    ) + Decimal("22.425") + Decimal("21.25")
    for name, usd in spent.items():
        monthly = (usd * HOURS_PER_MONTH / sum(hours)).quantize(CENT)
        assert abs(monthly - Decimal(purchases[name]["monthly_usd"])) <= CENT


def test_counts_capacity_and_routing_agree_in_the_json() -> None:
    subject, solution = mixed()
    plan = plan_json(subject, solution)
    rate = {option["id"]: option["rate_rps"] for option in plan["options"]}
    purchases = {one["id"]: one for one in plan["purchases"]}
    for p in range(4):
        capacity: dict[str, float] = {}
        for row in plan["counts"]:
            option = purchases[row["purchase"]]["option"]
            if row["period"] == p:
                capacity[option] = capacity.get(option, 0.0) + row["units"] * rate[option]
        routed = {row["option"]: row["share"] for row in plan["routing"] if row["period"] == p}
        if plan["demand"][p]["planned_rps"] == 0:
            assert routed == {}
            continue
        assert sum(routed.values()) == pytest.approx(1.0, abs=1e-5)
        assert routed == pytest.approx({k: v / sum(capacity.values()) for k, v in capacity.items()}, abs=1e-6)


def test_totals_per_month_and_per_million_tokens_by_hand() -> None:
    subject = case([machine("m", 4.0, hourly(2.0))], [4.0, 4.0])
    subject = subject.with_policy(overheads=Overheads(usd_per_month=100, percent=10))
    solution = Solution(columns_of(subject.problem), np.array([[1], [2]]))
    core = core_of(subject.problem, solution, subject.offers, {})
    totals = totals_of(subject.problem, CHAT, solution, core)
    # 6 USD in 2 hours; 730 h: 2,190. Overheads: 100 + 219. Requests: 2.8 req/s × 3,600 × 730 = 7,358,400.
    assert (totals.horizon_usd, totals.monthly_usd) == (Decimal(6), Decimal("2190.00"))
    assert (totals.overheads_monthly_usd, totals.total_monthly_usd) == (Decimal("319.00"), Decimal("2509.00"))
    # Input 1,500 tokens and output 200 a request; a quarter of the busy time goes to prompts.
    assert totals.usd_per_million_input_tokens == Decimal("0.0568")
    assert totals.usd_per_million_output_tokens == Decimal("1.2786")
    assert totals.usd_per_million_tokens == Decimal("0.2006")
    assert totals.mean_utilisation == pytest.approx(2.8 * 2 / 12)


def test_overheads_per_node_count_every_instance_of_a_group() -> None:
    subject = case([machine("g", 4.0, hourly(2.0), instances_per_unit=3)], [4.0, 4.0])
    subject = subject.with_policy(overheads=Overheads(usd_per_node_hour=0.1))
    solution = Solution(columns_of(subject.problem), np.array([[1], [2]]))
    core = core_of(subject.problem, solution, subject.offers, {})
    totals = totals_of(subject.problem, CHAT, solution, core)
    # 9 instance-hours in 2 hours: 3,285 a month at 2 USD and at 0.10 USD.
    assert totals.monthly_usd == Decimal("6570.00")
    assert totals.overheads_monthly_usd == Decimal("328.50")


def test_what_a_commitment_means() -> None:
    subject, solution = mixed()
    offer_id = next(k for k, o in subject.offers.items() if o.tier.value == "reserved")
    listed = next(
        o for o in subject.offers.values() if o.tier.value == "on_demand" and o.instance_type == "m"
    )
    option_id = subject.problem.options[0].id
    core = core_of(subject.problem, solution, subject.offers, {option_id: listed})
    (one,) = [purchase for purchase in core.purchases if purchase.offer == offer_id]
    assert one.commitment is not None
    # Two instances for a year at 0.613: 2 × 8,760 × 0.613.
    assert one.commitment.contract_value_usd == Decimal("10739.76")
    assert one.commitment.loss_if_ended_half_way_usd == Decimal("5369.88")
    assert one.commitment.upfront_usd == 0
    assert one.commitment.break_even_utilisation == pytest.approx(0.613 / 1.0071)


def test_spot_is_reckoned_at_what_it_is_expected_to_cost() -> None:
    subject = case([machine("m", 1.0, hourly(2.0), spot(0.4))], [3.0])
    solution = Solution(columns_of(subject.problem), np.array([[1, 2]]))
    assert core_of(subject.problem, solution, subject.offers, {}).horizon_usd == Decimal("2.8")
    on_demand, quoted = solution.columns
    expected = PlanSpot(expected_usd_per_hour=Decimal("0.7"), price_basis="floor")
    floored = Bought(quoted.option, replace(quoted.purchase, spot=expected))
    core = core_of(subject.problem, replace(solution, columns=(on_demand, floored)), subject.offers, {})
    assert core.horizon_usd == Decimal("3.4")
    assert [(one.planned_usd_per_hour, one.spot) for one in core.offers] == [
        (Decimal("2.0"), None),
        (Decimal("0.7"), expected),
    ]


def test_plain_json_keeps_money_exact_and_times_in_utc() -> None:
    subject, solution = mixed()
    plan = to_jsonable(core_of(subject.problem, solution, subject.offers, {}))
    assert plan["periods"][0]["start"] == "2026-01-05T00:00:00Z"
    assert {offer["usd_per_hour"] for offer in plan["offers"]} >= {"1.0071", "0.613", "0.433"}
    assert all(isinstance(offer["planned_usd_per_hour"], str) for offer in plan["offers"])
