"""What units emit while they run, on one footing for all, and what that weighs in the search.

    kg CO2e per unit-hour = W at the planned rate / 1000 · PUE · (g CO2e per kWh) / 1000

Location-based and operational: yearly averages of a grid, without certificates. A carbon price and a cap count every
unit that runs at the rate it is planned on, so that a plan within its cap stays there when its hours are full. A price
is weighed in the search and billed to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from optimiser.carbon.embodied import kg_per_hour
from optimiser.carbon.grids import Carbon, footing
from optimiser.carbon.power import KG_PER_TONNE, UnitEnergy, draw_of, kg_co2e, kwh
from optimiser.performance.specs import GpuSpec
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_footprint import PlanCarbon, PlanGrid
from optimiser.planning.problem import Footprint, Option, Problem
from optimiser.policy import Policy


def with_footprints(
    options: Sequence[Option],
    carbon: Carbon,
    gpus: Mapping[str, GpuSpec],
    policy: Policy,
    method: str | None = None,
) -> tuple[tuple[Option, ...], tuple[str, ...]]:
    """The options with what they draw and emit, all grids by one method (None: their own footing), and notes.

    Under a price or a cap those in regions without its figure are left out and named: unknown is not zero.
    """
    method = method or footing(carbon, (option.site for option in options))
    alike: dict[tuple[int, int, float], _Unit] = {}
    known = [_with_footprint(option, carbon, gpus, method, alike) for option in options]
    if not policy.carbon_usd_per_tonne and policy.max_monthly_kg_co2e is None:
        return tuple(known), ()
    kept = tuple(option for option in known if option.footprint)
    lost = sorted({f"{o.provider} {o.region}" for o in known if not o.footprint})
    by = f" by the method of the others ({method})" if method else ""
    notes = (
        (f"carbon: left out for want of a figure{by}: {', '.join(lost)} (carbon.yaml, carbon_intensity.csv)",)
        if lost
        else ()
    )
    return tuple(_at_price(option, policy.carbon_usd_per_tonne / KG_PER_TONNE) for option in kept), notes


class _Unit(NamedTuple):
    """A unit in any region: its energy, and what it draws at its planned rate, W and as a share of its GPUs' TDP."""

    energy: UnitEnergy
    watts: float
    gpu_tdp_share: float


def _with_footprint(
    option: Option,
    carbon: Carbon,
    gpus: Mapping[str, GpuSpec],
    method: str | None,
    alike: dict[tuple[int, int, float], _Unit],
) -> Option:
    """The option with its energy and, where its grid has a figure by the method, its footprint. alike holds what is the
    same in every region, where shapes and estimates are the very same objects."""
    figures, pue = carbon.grids.get(option.site, {}), carbon.pue.get(option.provider)
    key = (id(option.shape), id(option.estimate), option.rate_rps)
    unit = alike.get(key) or alike.setdefault(key, _unit(option, carbon, gpus))
    grid = figures.get(method) if method else None
    if pue is None or grid is None:
        return replace(option, energy=unit.energy)
    footprint = Footprint(
        watts_per_unit=unit.watts,
        pue=pue.pue,
        gco2_per_kwh=grid.gco2_per_kwh,
        method=grid.method,
        year=grid.year,
        source=grid.source,
        gpu_tdp_share=unit.gpu_tdp_share,
        other_figures=tuple(other for name, other in figures.items() if name != method),
    )
    return replace(option, footprint=footprint, energy=unit.energy)


def _unit(option: Option, carbon: Carbon, gpus: Mapping[str, GpuSpec]) -> _Unit:
    shape, pue = option.shape, carbon.pue.get(option.provider)
    draw = draw_of(shape, gpus[shape.gpu], option.estimate, option.rate_rps, carbon.power)
    energy = UnitEnergy(
        draw=draw,
        pue=pue.pue if pue else None,
        embodied_kg_per_hour=kg_per_hour(carbon.embodied, shape.gpu, option.gpus_per_unit),
    )
    return _Unit(energy, draw.watts(1.0), draw.gpu_tdp_share(1.0))


def _at_price(option: Option, usd_per_kg: float) -> Option:
    """The option with carbon weighed at so much more."""
    if not usd_per_kg:
        return option
    more = usd_per_kg * option.kg_per_unit_hour
    purchases = tuple(
        replace(one, usd_per_unit_hour=one.usd_per_unit_hour + more, billed_usd_per_unit_hour=one.billed)
        for one in option.purchases
    )
    return replace(option, purchases=purchases)


def more_in_use_usd(option: Option, policy: Policy) -> float:
    """What carbon weighs more in a unit that serves at its planned rate than in one that stands idle, USD an hour."""
    known, grid = option.energy, option.footprint
    if not policy.carbon_usd_per_tonne or known is None or grid is None:
        return 0.0
    idle_kg = kg_co2e(kwh(known.draw.watts(0.0), 1.0, grid.pue), grid.gco2_per_kwh)
    return policy.carbon_usd_per_tonne / KG_PER_TONNE * (option.kg_per_unit_hour - idle_kg)


def at_more_a_kg(problem: Problem, usd_per_kg: float) -> Problem:
    """The problem with carbon weighed at so much more, USD per kg."""
    return replace(problem, options=tuple(_at_price(option, usd_per_kg) for option in problem.options))


def plan_carbon(problem: Problem, solution: Solution) -> tuple[PlanCarbon, ...]:
    """What each option in use emits a month, where that is known."""
    hours: dict[Option, float] = {}
    month = HOURS_PER_MONTH / problem.horizon_hours
    for column, run in zip(solution.columns, (problem.hours @ solution.units).tolist(), strict=True):
        hours[column.option] = hours.get(column.option, 0.0) + run * month
    return tuple(
        PlanCarbon(
            option=option.id,
            kwh_monthly=known.kwh_per_unit_hour * run,
            kg_co2e_monthly=option.kg_per_unit_hour * run,
            kg_co2e_per_unit_hour=option.kg_per_unit_hour,
            watts_per_unit=known.watts_per_unit,
            pue=known.pue,
            gco2_per_kwh=known.gco2_per_kwh,
            method=known.method,
            year=known.year,
            source=known.source,
            gpu_tdp_share=known.gpu_tdp_share,
            other_figures=tuple(
                PlanGrid(
                    gco2_per_kwh=other.gco2_per_kwh,
                    method=other.method,
                    year=other.year,
                    source=other.source,
                )
                for other in known.other_figures
            ),
        )
        for option, run in hours.items()
        if (known := option.footprint) is not None
    )
