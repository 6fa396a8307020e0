"""What a plan draws, emits and has embodied in a month, at the loads of its hours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optimiser.carbon.power import Power, UnitEnergy, kg_co2e, kwh
from optimiser.planning.leaves import Solution, loads_by_size
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_footprint import (
    PlanCarbon,
    PlanEnergy,
    PlanFootprint,
    PlanPower,
    sum_of_known,
)
from optimiser.planning.problem import Floats, Option, Problem


def plan_energy(problem: Problem, solution: Solution) -> tuple[PlanEnergy, ...]:
    """What each option in use draws: every unit of an option carries the same share of its planned rate in an hour."""
    running: dict[Option, Floats] = {}
    for c, column in enumerate(solution.columns):
        running[column.option] = running.get(column.option, 0.0) + solution.units[:, c].astype(np.float64)
    loads = _loads(problem, solution, running)
    return tuple(
        _row(problem, option, option.energy, units, loads[option.id])
        for option, units in running.items()
        if option.energy is not None
    )


def _row(problem: Problem, option: Option, known: UnitEnergy, units: Floats, load: Floats) -> PlanEnergy:
    draw, pue = known.draw, known.pue
    month = HOURS_PER_MONTH / problem.horizon_hours
    hours = float(problem.hours @ units) * month
    at_load = None if pue is None else kwh(float(problem.hours @ (units * draw.watts(load))), month, pue)
    grid, embodied = option.footprint, known.embodied_kg_per_hour
    emitted = None if grid is None or at_load is None else kg_co2e(at_load, grid.gco2_per_kwh)
    low, high = (None, None) if embodied is None else (each * hours for each in embodied)
    return PlanEnergy(
        option=option.id,
        gpus_tdp_w=draw.gpus_tdp_w,
        host_w=draw.host_w,
        planned_share=draw.planned_share,
        in_flight=draw.requests_in_flight(1.0),
        watts_per_unit=draw.watts(1.0),
        idle_watts_per_unit=draw.watts(0.0),
        pue=pue,
        kwh_monthly=None if pue is None else kwh(draw.watts(1.0), hours, pue),
        kwh_monthly_at_load=at_load,
        kg_co2e_monthly_at_load=emitted,
        embodied_kg_co2e_monthly_low=low,
        embodied_kg_co2e_monthly_high=high,
    )


def _loads(problem: Problem, solution: Solution, running: dict[Option, Floats]) -> dict[str, Floats]:
    """Share of its planned rate that a unit of each option carries in every period, by option id."""
    if solution.shares is not None:
        busy = {
            name: each.sum(axis=1) * problem.mean_rps
            for name, each in loads_by_size(problem, solution.shares).items()
        }
        return {
            one.id: np.minimum(busy.get(one.id, np.zeros_like(units)) / np.maximum(units, 1.0), 1.0)
            for one, units in running.items()
        }
    found: dict[str, Floats] = {}
    for share, there in _places(solution, running):
        capacity = sum((running[one] * one.rate_rps for one in there), np.zeros(len(problem.hours)))
        load = np.divide(problem.mean_rps * share, capacity, out=np.zeros_like(capacity), where=capacity > 0)
        found |= {one.id: np.minimum(load, 1.0) for one in there}
    return found


def _places(solution: Solution, running: Iterable[Option]) -> list[tuple[float, list[Option]]]:
    """The options that share demand, and how much of it: all of it, or each site's part where it is split."""
    if not solution.parts:
        return [(1.0, list(running))]
    return [(part.share, [one for one in running if one.site == part.site]) for part in solution.parts]


def footprint_of(
    options: Iterable[Option],
    energy: tuple[PlanEnergy, ...],
    carbon: tuple[PlanCarbon, ...],
    monthly_tokens: float,
) -> PlanFootprint | None:
    """The sums over the options in use; None for a plan of which no power is known at all."""
    if not energy:
        return None
    names = {option.id for option in options}
    at_load, kg_at_load = (
        _total(names, {row.option: getattr(row, part) for row in energy})
        for part in ("kwh_monthly_at_load", "kg_co2e_monthly_at_load")
    )
    powers = [option.energy.draw.power for option in options if option.energy is not None]
    return PlanFootprint(
        kwh_monthly=_total(names, {row.option: row.kwh_monthly for row in energy}),
        kwh_monthly_at_load=at_load,
        kwh_per_million_tokens=None if at_load is None else at_load / monthly_tokens * 1e6,
        kg_co2e_monthly=_total(names, {row.option: row.kg_co2e_monthly for row in carbon}),
        kg_co2e_monthly_at_load=kg_at_load,
        kg_co2e_per_million_tokens=None if kg_at_load is None else kg_at_load / monthly_tokens * 1e6,
        embodied_kg_co2e_monthly_low=_total(
            names, {row.option: row.embodied_kg_co2e_monthly_low for row in energy}
        ),
        embodied_kg_co2e_monthly_high=_total(
            names, {row.option: row.embodied_kg_co2e_monthly_high for row in energy}
        ),
        power=plan_power(powers[0]) if powers else None,
    )


def _total(names: set[str], parts: dict[str, float | None]) -> float | None:
    return sum_of_known([parts.get(name) for name in sorted(names)])


def plan_power(power: Power) -> PlanPower:
    """The assumptions behind the power, as a part of a plan."""
    return PlanPower(
        idle_tdp_share=power.idle_tdp_share,
        one_request_tdp_share=power.one_request_tdp_share,
        many_requests_tdp_share=power.many_requests_tdp_share,
        curve_steepness=power.curve_steepness,
        curve_middle_log2=power.curve_middle_log2,
        prompt_tdp_share=power.prompt_tdp_share,
        rest_share=power.rest_share,
        gpu_tdp_share=power.gpu_tdp_share,
    )
