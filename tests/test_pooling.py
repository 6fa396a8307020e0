"""The pool effect: how much of a service's bursts a replica sees, and what that makes of its rate."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from optimiser import Policy, UsageError, load_config, load_workload
from optimiser.config import Config
from optimiser.estimating import estimates_for
from optimiser.performance.estimate_types import Estimate
from optimiser.planning.options import planned_rate_rps
from optimiser.planning.plan import Plan
from optimiser.pooling import POOLS, least_running_rps, target_of_pool
from optimiser.prices.book import load_book
from optimiser.recommend import Request, recommend
from optimiser.workload import Target, Workload

DAY = date(2026, 11, 22)
SINGLE = "p5.4xlarge"
ALONE = Policy(providers=("aws",), instance_types=(SINGLE,))
POLICY = Policy(providers=("aws",), instance_types=("p5.48xlarge", SINGLE, "g6.12xlarge", "g6e.12xlarge"))


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


def chat(config: Config, rate: float, cv: float, **more: str) -> Workload:
    overrides = {"demand": f"{{requests_per_second: {rate}}}", "target.service_arrival_cv": str(cv), **more}
    return load_workload(config.find_workload("code-llama-8b"), overrides)


def rates(config: Config, workload: Workload, policy: Policy = POLICY) -> dict[str, Estimate]:
    """What instances serve by themselves; groups of several are units of their own."""
    found = [one for one in estimates_for(workload, config, policy) if isinstance(one, Estimate)]
    return {one.instance_type: one for one in found if one.setup.instances_per_unit == 1}


def in_a_pool(workload: Workload, replicas: int) -> Workload:
    """The same asked of one replica of so many."""
    assert workload.target
    return replace(workload, target=target_of_pool(workload.target, replicas))


def planned_at(config: Config, one: Estimate, replicas: int) -> float:
    """What one replica of the same machine is planned at where there are so many, bursts of the service at 3."""
    other = rates(config, in_a_pool(chat(config, 60, 3.0), replicas))[one.instance_type]
    return planned_rate_rps(other, POLICY) / other.setup.replicas_per_unit


def test_one_of_n_replicas_sees_the_nth_part_of_the_excess_variation() -> None:
    target = Target(ttft_ms=1000, tpot_ms=50, service_arrival_cv=3.0)
    assert target_of_pool(target, 1).arrival_cv == 3.0
    assert target_of_pool(target, 4).arrival_cv == pytest.approx(math.sqrt(1 + 8 / 4))
    plain = replace(target, service_arrival_cv=1.0, arrival_cv=2.0)
    assert target_of_pool(plain, 8) == plain


def test_a_thinned_stream_of_gamma_gaps_varies_as_the_formula_says() -> None:
    rng, cv, replicas = np.random.default_rng(7), 3.0, 6
    times = np.cumsum(rng.gamma(1 / cv**2, cv**2, 600_000))
    own = np.diff(times[rng.integers(replicas, size=len(times)) == 0])
    assert own.var() / own.mean() ** 2 == pytest.approx(1 + (cv**2 - 1) / replicas, rel=0.05)


def test_the_more_replicas_always_run_the_higher_the_rate_up_to_that_of_even_arrivals(config: Config) -> None:
    even = rates(config, chat(config, 40, 1.0))
    many, few = rates(config, chat(config, 4000, 2.0)), rates(config, chat(config, 0.2, 2.0))
    alone = rates(config, chat(config, 1, 1.0, **{"target.arrival_cv": "2"}))
    assert even
    for name, one in even.items():
        assert few[name].requests_per_second == alone[name].requests_per_second
        assert few[name].requests_per_second <= many[name].requests_per_second <= one.requests_per_second
    assert any(few[name].requests_per_second < many[name].requests_per_second for name in even)


def test_the_pool_is_the_largest_that_the_quietest_hour_fills(config: Config) -> None:
    workload = chat(config, 60, 3.0)
    least = least_running_rps(workload, POLICY)
    # 60 req/s planned at 1.4 times that, at 80 % of what runs.
    assert least == pytest.approx(60 * 1.4 / 0.8)
    for one in rates(config, workload).values():
        (note,) = (text for text in one.notes if text.startswith("bursts of the service"))
        replicas = 1 if "one replica" in note else int(note.split()[-4])
        each = planned_rate_rps(one, POLICY) / one.setup.replicas_per_unit
        assert replicas == 1 or replicas * each <= least
        assert replicas in POOLS
        assert replicas == POOLS[-1] or 2 * replicas * planned_at(config, one, 2 * replicas) > least


def short_answers(config: Config, rate: float, cv: float) -> Workload:
    """Eight billion parameters whose first tokens one H100 misses where it sees all of a burst, at next to no load."""
    sizes = {"sizes": "{prompt_tokens: 500, output_tokens: 200}"}
    limits = {
        "target.ttft_ms": "250",
        "target.tpot_ms": "50",
        "target.percentile": "95",
        "target.service_arrival_cv": str(cv),
    }
    overrides = {"demand": f"{{requests_per_second: {rate}}}", **sizes, **limits}
    return load_workload(config.find_workload("code-llama-8b"), overrides)


def test_a_machine_that_misses_the_target_at_small_pools_serves_at_large_ones(config: Config) -> None:
    found = rates(config, short_answers(config, 4000, 10.0), ALONE)[SINGLE]
    own = rates(config, in_a_pool(short_answers(config, 4000, 10.0), 64))[SINGLE]
    assert found.requests_per_second == own.requests_per_second
    assert "bursts of the service are spread over 64 replicas or more" in found.notes


def test_a_machine_whose_replicas_the_demand_does_not_fill_still_misses_the_target(config: Config) -> None:
    # At the pool it first serves at, what its replicas carry is more than always runs; a little more demand fills it.
    served = [rates(config, in_a_pool(short_answers(config, 4000, 10.0), pool)).get(SINGLE) for pool in POOLS]
    first = next(pool for pool, one in zip(POOLS, served, strict=True) if one)
    one = served[POOLS.index(first)]
    assert one
    assert first > 2
    least = first * planned_rate_rps(one, POLICY) / one.setup.replicas_per_unit
    per_demand = least_running_rps(short_answers(config, 1, 10.0), POLICY)
    for share, serves in ((0.2, False), (0.98, False), (1.02, True)):
        found = rates(config, short_answers(config, share * least / per_demand, 10.0))
        assert (SINGLE in found) is serves


def test_more_demand_never_means_a_lower_rate_and_other_machines_change_nothing(config: Config) -> None:
    before = 0.0
    for rate in (5, 300, 4000, 400_000):
        workload = short_answers(config, rate, 10.0)
        own, beside = (rates(config, workload, policy).get(SINGLE) for policy in (ALONE, POLICY))
        now = own.requests_per_second if own else 0.0
        assert now == (beside.requests_per_second if beside else 0.0)
        assert now >= before
        before = now
    assert before > 0


def test_the_bound_is_that_of_machines_whose_replicas_see_no_bursts(config: Config) -> None:
    book = load_book([], config.shapes, DAY, embedded=config.price_files)

    def plan(cv: float) -> Plan:
        workload = chat(config, 60, cv)
        return recommend(Request(workload=workload, policy=POLICY, config=config, book=book, as_of=DAY))

    bursty, even = plan(10.0), plan(1.0)
    assert bursty.bound.value_usd == even.bound.value_usd
    assert bursty.totals.monthly_usd > even.totals.monthly_usd
    assert bursty.bound.gap == pytest.approx(
        float(bursty.bound.plan_usd / even.bound.value_usd) - 1, abs=1e-6
    )
    beside = ", at the rate of each machine among very many"
    assert bursty.bound.method.endswith(beside)
    assert not even.bound.method.endswith(beside)


def test_bursts_are_given_once(config: Config) -> None:
    with pytest.raises(UsageError, match=r"target.service_arrival_cv = 3.0: .*give one of the two"):
        chat(config, 10, 3.0, **{"target.arrival_cv": "2"})
