"""What must not happen to cost and bound when a question changes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, hourly, machine
from random_cases import random_case

from optimiser.planning.outcome import Outcome
from optimiser.planning.planned_demand import planned_periods
from optimiser.planning.search import search
from optimiser.workload import DemandPeriod

SEEDS = range(62, 92)


def plan_usd(outcome: Outcome) -> float:
    return outcome.best.usd if outcome.best else math.inf


def solved(subject: Case, gap: float = 1e-3) -> Outcome:
    return search(subject.problem, gap=gap)


def below(bound: float, usd: float) -> bool:
    return bound <= usd * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_more_demand_never_costs_less_than_the_bound_of_less(seed: int) -> None:
    subject = random_case(seed)
    # Higher demand in the low hours leaves room for more commitments, so the limit on them is held out.
    free = subject.with_policy(commitment_hours_share=1.0, min_firm_instances=0)
    assert below(solved(free).lower_usd, plan_usd(solved(free.with_demand(1.3))))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_machine_never_raises_the_bound_above_the_plan(seed: int) -> None:
    subject = random_case(seed)
    option, offers = machine("extra", 3.1, hourly(2.0))
    more = replace(
        subject,
        problem=replace(subject.problem, options=(*subject.problem.options, option)),
        offers={**subject.offers, **offers},
    )
    assert below(solved(more).lower_usd, plan_usd(solved(subject)))
    assert below(plan_usd(solved(more, gap=0.0)), plan_usd(solved(subject, gap=0.0)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cheaper_price_never_makes_the_plan_dearer(seed: int) -> None:
    subject = random_case(seed)
    first, *rest = subject.problem.options
    cheaper = replace(
        first,
        purchases=tuple(replace(p, usd_per_unit_hour=p.usd_per_unit_hour * 0.8) for p in first.purchases),
    )
    changed = replace(subject, problem=replace(subject.problem, options=(cheaper, *rest)))
    assert below(plan_usd(solved(changed, gap=0.0)), plan_usd(solved(subject, gap=0.0)))


@pytest.mark.parametrize(
    "loosened",
    [
        {"max_spot_share": 1.0},
        {"min_firm_instances": 0},
        {"survive_instance_losses": 0},
        {"utilisation_ceiling": 1.0, "survive_spot_pool_loss": False},
        {"survive_spot_pool_loss": False},
        {"max_sites": None},
        {"max_instance_types": 3},
    ],
)
@pytest.mark.parametrize("seed", range(62, 72))
def test_a_stricter_policy_never_costs_less_than_the_bound_of_a_looser(
    seed: int, loosened: dict[str, object]
) -> None:
    subject = random_case(seed)
    assert below(solved(subject.with_policy(**loosened)).lower_usd, plan_usd(solved(subject)))


STRICTER: list[dict[str, object]] = [
    {"survive_instance_losses": 3},
    {"survive_zone_loss_of": 3},
    {"utilisation_ceiling": 0.5},
    {"min_firm_instances": 5},
]


@pytest.mark.parametrize("stricter", STRICTER, ids=lambda one: next(iter(one)))
def test_a_rule_that_keeps_more_never_makes_the_optimum_cheaper_where_it_lends_spot_no_room(
    stricter: dict[str, object],
) -> None:
    for seed in range(200, 216):
        share = (0.0, 0.1, 0.5)[seed % 3]
        subject = random_case(seed).with_policy(
            commitment_hours_share=share, max_gpus=None, max_sites=1, survive_spot_pool_loss=False
        )
        assert below(optimum_usd(subject.problem), optimum_usd(subject.with_policy(**stricter).problem))


def test_looking_further_ahead_never_makes_the_optimum_cheaper_and_the_plan_is_the_optimum() -> None:
    for seed in range(200, 212):
        subject = random_case(seed).with_policy(commitment_hours_share=(0.1, 0.5)[seed % 2], max_gpus=None)
        rates = [period.demand[0][0].planned_rps for period in subject.problem.periods]
        rows = [
            DemandPeriod(start=period.start, hours=period.hours, mean_rps=rate, exact=True)
            for period, rate in zip(subject.problem.periods, rates, strict=True)
        ]
        least = 0.0
        for hours in (0, 1, 4):
            policy = subject.problem.policy.model_copy(update={"start_up_hours": hours})
            ahead = replace(subject.problem, policy=policy, periods=planned_periods([rows], policy))
            proven = optimum_usd(ahead)
            assert below(least, proven)
            assert plan_usd(search(ahead, gap=0.0)) == pytest.approx(proven, rel=1e-6)
            least = proven


def test_more_spare_does_not_let_more_be_committed_by_hand() -> None:
    # Units of 1 at a ceiling of 0.8: 5 and 6 with N+1 and N+2 for 4 req/s (2 h), 10 with either for 8 req/s (8 h). Were
    # six committed with N+2, 6 × 10 × 0.6 + 4 × 8 = 68 would be less than N+1's 5 × 10 × 0.6 + 5 × 8 = 70.
    ways = [machine("m", 1.0, hourly(1.0), committed(0.6))]
    policy = {"commitment_hours_share": 0.1, "commitment_spare": 1, "utilisation_ceiling": 0.8}
    subject = case(ways, [4.0, 8.0], [2.0, 8.0]).with_policy(**policy)
    found = [plan_usd(solved(subject.with_policy(survive_instance_losses=k), gap=0.0)) for k in (1, 2)]
    assert found == pytest.approx([70.0, 5 * 10 * 0.6 + 1 * 2 + 5 * 8])


def test_a_lower_bound_is_never_above_the_plan() -> None:
    for seed in SEEDS:
        outcome = solved(random_case(seed), gap=0.02)
        assert outcome.lower_usd <= plan_usd(outcome)
