"""Hours × options × tiers under a cap over the whole horizon: on carbon, at a share of what the free plan emits."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cases import hours_problem, read

from optimiser.planning.carbon_cap import horizon_kg
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import Footprint, Problem
from optimiser.planning.search import search

CAP_SHARE = 0.7
GAP, SECONDS = 0.01, 20.0


def capped_weeks(folder: Path | None) -> Iterator[tuple[str, str, str, bool | None]]:
    """Case, measured, target and whether it is met, of the largest case of a week in the folder."""
    if folder is None:
        return
    week = read(folder / "time/demand_168.json")
    options = read(folder / "time/options_2000.json")["options"]
    problem = emitting(
        hours_problem(options, week["demand"], week["spot_cap"], week["min_non_spot_replicas"])
    )
    free = search(problem).best
    if free is None:
        raise RuntimeError("the case has no plan")
    month = HOURS_PER_MONTH / float(problem.hours.sum())
    cap = CAP_SHARE * horizon_kg(problem, free.solution) * month
    capped = replace(problem, policy=problem.policy.model_copy(update={"max_monthly_kg_co2e": cap}))
    started = time.perf_counter()
    outcome = search(capped)
    seconds = time.perf_counter() - started
    if outcome.best is None:
        raise RuntimeError("the cap has no plan")
    gap = outcome.best.usd / outcome.lower_usd - 1
    bracket = f"{outcome.lower_usd:,.1f} … {outcome.best.usd:,.1f}"
    shown = f"{bracket}, gap {gap:.3%}, {seconds:.2f} s, {outcome.carbon_steps} prices"
    name = f"time: {len(options):,} × {len(week['demand']):,} h, carbon ≤ {CAP_SHARE:.0%}"
    yield name, shown, f"gap ≤ {GAP:.0%}, ≤ {SECONDS:g} s", gap <= GAP and seconds <= SECONDS


def emitting(problem: Problem) -> Problem:
    """The problem with units that emit 0.02 to 0.12 kg CO2e an hour for each req/s, at random but always the same."""
    draw = random.Random(20260105)
    options = []
    for option in problem.options:
        kg = option.rate_rps * draw.uniform(0.02, 0.12)
        footprint = Footprint(watts_per_unit=1000.0, pue=1.0, gco2_per_kwh=1000.0 * kg)
        options.append(replace(option, footprint=footprint))
    return replace(problem, options=tuple(options))
