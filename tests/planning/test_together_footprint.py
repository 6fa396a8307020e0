"""Energy, carbon and money of services together, by hand: each one's, what is bought and idle, and the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from carbon_cases import KNOWN
from planning_cases import PLAIN, Case, case, committed, held, hourly, machine

from optimiser.carbon.grids import Carbon
from optimiser.config import load_config
from optimiser.planning.carbon import with_footprints
from optimiser.planning.plan_parts import PlanBucket, PlanService
from optimiser.planning.problem import How
from optimiser.planning.search import search
from optimiser.planning.together.apart_cost import apart_cost
from optimiser.planning.together.assemble import Parts, Ran, parts_of
from optimiser.planning.together.search import search_together
from optimiser.policy import Overheads

POLICY = PLAIN.model_copy(update={"max_sites": 1, "max_instance_types": 2})
SERVICE = PlanService(
    name="s0",
    model="m",
    weight_precision="bf16",
    kv_precision="bf16",
    ttft_ms=None,
    tpot_ms=None,
    percentile=None,
    buckets=(PlanBucket(prompt_tokens=800, output_tokens=200, share=1.0),),
    routing="uniform",
)


def emitting(made: Case, carbon: Carbon) -> Case:
    options, _ = with_footprints(made.problem.options, carbon, load_config().gpus, made.problem.policy)
    return replace(made, problem=replace(made.problem, options=options))


def shared_parts(knowns: Sequence[Carbon], demands: Sequence[Sequence[float]], instances: int = 1) -> Parts:
    """Services on held machines, units of so many instances carrying 10 req/s, two periods of half a month."""
    paid = machine("m", 10.0, held(1.0), instances_per_unit=instances)
    cases = [
        emitting(case([paid], list(demand), [365.0, 365.0], POLICY), known)
        for known, demand in zip(knowns, demands, strict=True)
    ]
    problems = [replace(one.problem, services=(f"s{n}",)) for n, one in enumerate(cases)]
    best = search_together(problems, 1e9).best
    assert best is not None
    ran = [
        Ran(
            problem=problem,
            solution=solution,
            service=replace(SERVICE, name=problem.services[0]),
            stands_for=problem.services,
            apart=None,
            monthly_tokens=1e9,
        )
        for problem, solution in zip(problems, best.solutions, strict=True)
    ]
    return parts_of(ran, {name: (How.HELD, count) for name, count in best.bought.items()}, cases[0].offers)


@pytest.mark.parametrize("instances", [1, 2])
def test_an_idle_machine_draws_and_wears_for_nobody(instances: int) -> None:
    # In the first half month 3 + 1 units run, in the second 1 + 1: two of four are idle then.
    parts = shared_parts([KNOWN, KNOWN], [[30.0, 10.0], [10.0, 10.0]], instances)
    (shared,) = parts.shared
    assert (shared.instances, shared.used_share) == (4 * instances, pytest.approx(6 / 8))
    idle, hours = shared.idle, 2 * 365.0 * instances
    assert idle is not None
    # An L4 at a quarter of its 72 W, 8 vCPUs of 2 W and 32 GiB of 0.25 W; PUE 1.5, 200 g/kWh.
    assert idle.watts_per_instance == pytest.approx(72 * 0.25 + 24)
    assert idle.instance_hours_monthly == pytest.approx(hours)
    assert idle.kwh_monthly == pytest.approx(42 / 1000 * hours * 1.5)
    assert idle.kg_co2e_monthly == pytest.approx(42 / 1000 * hours * 1.5 * 0.2)
    # 100 kg over 6 years, 200 kg over half of 3.
    assert idle.embodied_kg_co2e_monthly_low == pytest.approx(100 / 52_560 * hours)
    assert idle.embodied_kg_co2e_monthly_high == pytest.approx(200 / 13_140 * hours)
    total, each = parts.totals.footprint, [part.footprint for part in parts.services]
    assert total is not None
    drawn = [one.kwh_monthly_at_load or 0.0 for one in each if one]
    assert total.kwh_monthly_at_load == pytest.approx(sum(drawn) + 42 / 1000 * hours * 1.5)
    # 4 and 2 units of half a month at the same load.
    assert drawn[0] == pytest.approx(2 * drawn[1])
    assert total.kwh_per_million_tokens == pytest.approx((total.kwh_monthly_at_load or 0) / 2000)
    # All instances for the whole month, whoever uses them.
    assert total.embodied_kg_co2e_monthly_low == pytest.approx(100 / 52_560 * 4 * instances * 730)


def test_what_one_service_does_not_know_is_unknown_in_all() -> None:
    parts = shared_parts([KNOWN, replace(KNOWN, pue={})], [[30.0, 10.0], [10.0, 10.0]])
    total = parts.totals.footprint
    assert total is not None
    assert total.kwh_monthly is total.kwh_monthly_at_load is total.kg_co2e_monthly is None
    assert total.embodied_kg_co2e_monthly_low


def test_services_that_run_as_apart_cost_what_apart_does_to_the_cent() -> None:
    policy = POLICY.model_copy(update={"overheads": Overheads(percent=1.0)})
    alone = case([machine("m", 10.0, committed(0.0035), hourly(0.005))], [10.0, 20.0], [365.0] * 2, policy)
    ran = []
    for name in ("s0", "s1"):
        best = search(alone.problem, 0.0, alternatives=1).best
        assert best is not None
        ran.append(
            Ran(
                problem=alone.problem,
                solution=best.solution,
                service=replace(SERVICE, name=name),
                stands_for=(name,),
                apart=apart_cost(alone.problem, best.solution, alone.offers),
                monthly_tokens=1e9,
            )
        )
    parts = parts_of(ran, {}, alone.offers)
    # One unit in all of 730 h is $2.555, one more in half of them $1.825: a cent too much if each were rounded.
    for part in parts.services:
        paid = sorted(row.monthly_usd for row in part.purchases)
        assert paid in ([Decimal("1.82"), Decimal("2.56")], [Decimal("1.83"), Decimal("2.55")])
    # 1 % of 4.38 is 0.04, twice, though 1 % of 8.76 would be 0.09.
    each = [(part.monthly_usd, part.apart_monthly_usd) for part in parts.services]
    assert each == [(Decimal("4.38"), Decimal("4.42"))] * 2
    assert parts.totals.total_monthly_usd == parts.totals.apart_monthly_usd == Decimal("8.84")
    assert parts.totals.saving_monthly_usd == 0
