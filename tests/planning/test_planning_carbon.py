"""What a plan emits: by hand, at a price, and under a cap that one multiplier finds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import (
    Case,
    case,
    emitting,
    estimate,
    faults,
    hourly,
    machine,
    plan_json,
    shape,
)
from random_cases import random_case

from optimiser.carbon.embodied import Embodied, Span
from optimiser.carbon.grids import Carbon, Grid, Pue
from optimiser.carbon.power import Power
from optimiser.performance.specs import GpuSpec
from optimiser.planning.carbon import at_more_a_kg, with_footprints
from optimiser.planning.carbon_cap import horizon_kg
from optimiser.planning.infeasible import nothing_allowed
from optimiser.planning.outcome import Found
from optimiser.planning.problem import Option
from optimiser.planning.rules import verify_plan
from optimiser.planning.search import search
from optimiser.policy import Policy

MONTH = 730.0


def best_of(subject: Case) -> Found:
    best = search(subject.problem, gap=0.0).best
    assert best is not None
    return best


def power(gpu: str) -> tuple[GpuSpec, Power]:
    """The GPU, drawing half its TDP whatever its load, in a host of round numbers."""
    from optimiser.config import load_config

    shares = dict.fromkeys(
        ("idle_tdp_share", "one_request_tdp_share", "many_requests_tdp_share", "prompt_tdp_share"), 0.5
    )
    return load_config().gpus[gpu], Power(
        **shares,
        curve_steepness=1.0,
        curve_middle_log2=4.2,
        host_w_per_vcpu=2.0,
        host_w_per_gib=0.25,
        rest_share=0.25,
    )


def grid(region: str, method: str, gco2_per_kwh: float) -> Grid:
    return Grid(
        provider="aws", region=region, gco2_per_kwh=gco2_per_kwh, method=method, year=2023, source="by hand"
    )


def made_in(region: str, **changes: object) -> Option:
    return replace(
        Option(
            id=f"x-{region}",
            provider="aws",
            region=region,
            instance_type="m",
            rate_rps=1.0,
            purchases=(),
            estimate=estimate("m", 1.0, instances_per_unit=2),
            shape=shape("m"),
        ),
        **changes,  # type: ignore[arg-type]
    )


def carbon_of(drawn: Power, *grids: Grid) -> Carbon:
    figures: dict[tuple[str, str], dict[str, Grid]] = {}
    for one in grids:
        figures.setdefault((one.provider, one.region), {})[one.method] = one
    return Carbon(
        power=drawn,
        embodied=Embodied(gpus={"L4": Span(low=100, high=200)}, server_kg_per_gpu=Span(low=75, high=500)),
        pue={"aws": Pue(provider="aws", pue=1.25, year=2025, source="by hand")},
        grids=figures,
    )


def test_power_and_carbon_of_a_unit_by_hand() -> None:
    gpu, drawn = power("L4")
    ((known,), notes) = with_footprints(
        [made_in("r1")], carbon_of(drawn, grid("r1", "one", 400.0)), {"L4": gpu}, Policy()
    )
    # One L4 of 72 W at half, 8 vCPU at 2 W, 32 GiB at 0.25 W: 36 + 16 + 8 = 60 W, with the rest 75 W.
    # Two instances: 150 W × 1.25 = 0.1875 kWh, × 400 g = 0.075 kg.
    assert known.footprint is not None
    assert known.footprint.watts_per_unit == pytest.approx(150.0)
    assert known.kg_per_unit_hour == pytest.approx(0.075)
    # Made with 2 × 175 kg, over 6 years of 8,760 h; with 2 × 700 kg, over half of 3 years.
    assert known.energy is not None
    assert known.energy.embodied_kg_per_hour == pytest.approx((350 / 52_560, 1400 / 13_140))
    assert notes == ()


def test_regions_are_told_by_the_method_that_most_have_and_by_no_other() -> None:
    gpu, drawn = power("L4")
    options = [made_in("r1"), made_in("r2"), made_in("r3")]
    carbon = carbon_of(
        drawn,
        grid("r1", "one", 400.0),
        grid("r1", "two", 10.0),
        grid("r2", "one", 300.0),
        grid("r3", "two", 5.0),
    )
    known, notes = with_footprints(options, carbon, {"L4": gpu}, Policy())
    assert notes == ()
    assert [one.footprint and one.footprint.gco2_per_kwh for one in known] == [400.0, 300.0, None]
    assert known[0].footprint is not None
    assert [other.gco2_per_kwh for other in known[0].footprint.other_figures] == [10.0]
    kept, (note,) = with_footprints(options, carbon, {"L4": gpu}, Policy(carbon_usd_per_tonne=10))
    assert [one.region for one in kept] == ["r1", "r2"]
    assert note.startswith("carbon: left out for want of a figure by the method of the others (one): aws r3")


def test_a_region_without_a_figure_is_out_under_a_price_or_a_cap_and_stays_without() -> None:
    (made, _) = machine("m", 1.0, hourly(1.0))
    gpu, drawn = power("L4")
    nothing = Carbon(power=drawn)
    ((free,), notes) = with_footprints([made], nothing, {"L4": gpu}, Policy())
    assert (free.footprint, notes) == (None, ())
    for policy in (Policy(carbon_usd_per_tonne=10), Policy(max_monthly_kg_co2e=10)):
        kept, (note,) = with_footprints([made], nothing, {"L4": gpu}, policy)
        assert kept == ()
        assert note.startswith("carbon: left out for want of a figure: aws r1")


# A unit of d costs 1.00 and emits 1 kg an hour, one of c 1.30 and 0.2 kg. 40 req/s need four: 2,920 USD and 2,920 kg
# a month, or 3,796 USD and 584 kg; one d for one c saves 584 kg for 219 USD, 375 USD a tonne.
DIRTY, CLEAN = machine("d", 10.0, hourly(1.0)), machine("c", 10.0, hourly(1.3))
TWO = case([emitting(DIRTY, 1.0), emitting(CLEAN, 0.2)], [40.0], [MONTH])


def priced(subject: Case, usd_per_tonne: float) -> Case:
    changed = subject.with_policy(carbon_usd_per_tonne=usd_per_tonne)
    return replace(changed, problem=at_more_a_kg(changed.problem, usd_per_tonne / 1000))


@pytest.mark.parametrize(("usd_per_tonne", "name"), [(0, "d"), (374, "d"), (376, "c")])
def test_a_price_buys_cleaner_units_from_where_they_are_worth_it(usd_per_tonne: float, name: str) -> None:
    subject = priced(TWO, usd_per_tonne)
    best = best_of(subject)
    assert {column.option.instance_type for column in best.solution.columns} == {name}
    billed, kg = {"d": (2920.0, 2920.0), "c": (3796.0, 584.0)}[name]
    assert best.usd == pytest.approx(billed + kg * usd_per_tonne / 1000)
    assert best.solution.billed_usd(subject.problem.hours) == pytest.approx(billed)
    (row,) = plan_json(subject, best.solution)["carbon"]
    assert row["kg_co2e_monthly"] == pytest.approx(kg)
    assert faults(subject, best.solution) == []


@pytest.mark.parametrize(
    ("cap", "usd", "kg"),
    [
        (3000.0, 2920.0, 2920.0),  # the free plan
        (2920.0, 2920.0, 2920.0),
        (2400.0, 3139.0, 2336.0),  # three d, one c
        (1200.0, 3577.0, 1168.0),  # one d, three c
        (584.0, 3796.0, 584.0),  # the least
    ],
)
def test_a_cap_by_hand(cap: float, usd: float, kg: float) -> None:
    subject = TWO.with_policy(max_monthly_kg_co2e=cap)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    found = horizon_kg(subject.problem, outcome.best.solution)
    assert found <= cap * (1 + 1e-9)
    assert outcome.lower_usd <= usd * (1 + 1e-9) <= outcome.best.usd * (1 + 1e-6)
    if kg in (2920.0, 584.0):
        assert outcome.best.usd == pytest.approx(usd)
        assert found == pytest.approx(kg)
    assert faults(subject, outcome.best.solution) == []


def test_a_plan_of_one_site_is_found_beside_sites_that_outdo_it_at_every_price_of_carbon() -> None:
    # Four units of r3 at 1.20 and 0.5 kg cost 3,504 USD a month and emit 1,460 kg, above the line from r1 to r2: at
    # 375 USD a tonne, where those weigh the same, 1.375 USD an hour each, a unit of r3 weighs 1.3875.
    dirty, clean = machine("d", 10.0, hourly(1.0)), machine("c", 10.0, hourly(1.3), region="r2")
    between = machine("b", 10.0, hourly(1.2), region="r3")
    made = [emitting(dirty, 1.0), emitting(clean, 0.2), emitting(between, 0.5)]
    subject = case(made, [40.0], [MONTH]).with_policy(max_sites=1, max_monthly_kg_co2e=1500.0)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert outcome.best.site == (("aws", "r3"),)
    assert outcome.best.usd == pytest.approx(3504.0)
    # Nothing else is within the cap for less, and that is proven: r2 costs 3,796, r1 emits 2,920 kg at least.
    assert outcome.lower_usd == pytest.approx(3504.0)


def test_a_cap_that_nothing_reaches_names_the_least_and_the_way_out() -> None:
    subject = TWO.with_policy(max_monthly_kg_co2e=500.0)
    assert search(subject.problem, gap=0.0).best is None
    said = str(nothing_allowed(subject.problem, 0.0))
    assert "there is no plan with at most 500 kg CO2e a month" in said
    assert "max_monthly_kg_co2e: null would allow a plan at 2,920 USD a month" in said
    assert "2,920 kg CO2e a month (the least found emits 584)" in said


def with_carbon(seed: int) -> Case:
    """A random case whose machines emit at random, each site and type its own."""
    rng = np.random.default_rng(30_000 + seed)
    subject = random_case(seed)
    options = tuple(
        emitting((option, {}), round(float(rng.uniform(0.05, 1.0)) * option.rate_rps, 3))[0]
        for option in subject.problem.options
    )
    return replace(subject, problem=replace(subject.problem, options=options))


@pytest.mark.parametrize("seed", range(28))
def test_under_a_cap_the_bound_and_the_plan_hold_the_optimum_between_them(seed: int) -> None:
    free = with_carbon(seed)
    best = search(free.problem, gap=0.0).best
    if best is None:
        return
    kg = horizon_kg(free.problem, best.solution) * MONTH / float(free.problem.hours.sum())
    share = float(np.random.default_rng(seed).uniform(0.3, 1.1))
    subject = free.with_policy(max_monthly_kg_co2e=max(kg * share, 1e-6))
    proven, outcome = optimum_usd(subject.problem), search(subject.problem, gap=0.0)
    if outcome.best is None:
        # Only what even the cleanest plan exceeds is refused.
        assert math.isinf(proven)
        return
    assert outcome.lower_usd <= proven * (1 + 1e-6) + 1e-9
    assert proven <= outcome.best.usd * (1 + 1e-6) + 1e-9
    assert best.usd <= outcome.best.usd * (1 + 1e-9) + 1e-9
    if outcome.best.solution.columns:
        assert faults(subject, outcome.best.solution) == []


@pytest.mark.parametrize("seed", [31, 39, 119, 170, *range(60, 76)])
def test_under_a_cap_more_regions_never_make_the_plan_dearer(seed: int) -> None:
    free = with_carbon(seed).with_policy(max_sites=1)
    best = search(free.problem, gap=0.0).best
    if best is None:
        return
    kg = horizon_kg(free.problem, best.solution) * MONTH / float(free.problem.hours.sum())
    capped = free.with_policy(max_monthly_kg_co2e=max(kg * 0.8, 1e-6)).problem
    outcome = search(capped, gap=0.0)
    everywhere = outcome.best
    assert outcome.lower_usd <= optimum_usd(capped) * (1 + 1e-6) + 1e-9
    for site in {option.site for option in capped.options}:
        there = replace(capped, options=tuple(one for one in capped.options if one.site == site))
        if alone := search(there, gap=0.0).best:
            assert everywhere is not None
            assert everywhere.usd <= alone.usd * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", range(30))
def test_at_a_price_the_plan_is_the_proven_optimum(seed: int) -> None:
    subject = priced(with_carbon(seed), 150.0)
    proven = optimum_usd(subject.problem)
    outcome = search(subject.problem, gap=0.0)
    assert (outcome.best.usd if outcome.best else math.inf) == pytest.approx(proven, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kg_co2e_per_unit_hour": 0.5}, "weigh_carbon: aws/r1/d×1: kg_co2e_per_unit_hour is 0.5, not 1"),
        ({"kg_co2e_monthly": 100.0}, "weigh_carbon: aws/r1/d×1: kg_co2e_monthly is 100, not 2920"),
    ],
)
def test_figures_of_carbon_that_do_not_follow_are_refused(change: dict[str, float], fault: str) -> None:
    plan = plan_json(TWO, best_of(TWO).solution)
    plan["carbon"][0].update(change)
    assert fault in verify_plan(plan)


def test_a_plan_over_its_cap_or_without_figures_is_refused() -> None:
    plan = plan_json(TWO, best_of(TWO).solution)
    plan["policy"]["max_monthly_kg_co2e"] = 2900.0
    assert verify_plan(plan) == ["limit_carbon: 2920.0 kg CO2e a month, 2900 allowed"]
    plan["carbon"] = []
    (fault,) = verify_plan(plan)
    assert fault.endswith("what it emits is not known")
