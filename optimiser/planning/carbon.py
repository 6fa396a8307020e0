"""What units emit while they run: power × what the building adds × the grid of their region.

    kg CO2e per unit-hour = instances · (GPUs · TDP · share + host) / 1000 · PUE · (g CO2e per kWh) / 1000

Location-based and operational: yearly averages of a grid, without certificates, and without what building the
machines emitted. A carbon price is weighed in the search and billed to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from optimiser.performance.specs import GpuSpec
from optimiser.planning.leaves import Solution
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_parts import PlanCarbon
from optimiser.planning.problem import Footprint, Option, Problem
from optimiser.policy import Policy
from providers.shape import InstanceShape

KG_PER_TONNE = 1000


@dataclass(frozen=True, kw_only=True)
class Power:
    """Share of their TDP that GPUs draw on average, and W of the host per vCPU and per GiB of memory."""

    gpu_tdp_share: float
    host_w_per_vcpu: float
    host_w_per_gib: float


@dataclass(frozen=True, kw_only=True)
class Pue:
    """Power usage effectiveness of a provider: what the building draws over what machines do."""

    provider: str
    pue: float
    year: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Carbon intensity of a region's grid, g CO2e per kWh, and how it was found."""

    provider: str
    region: str
    gco2_per_kwh: float
    method: str
    year: int
    source: str
    licence: str = ""


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """What is known of carbon: grids by (provider, region), PUE by provider."""

    power: Power
    pue: Mapping[str, Pue] = field(default_factory=dict)
    grids: Mapping[tuple[str, str], Grid] = field(default_factory=dict)


def instance_w(shape: InstanceShape, gpu: GpuSpec, power: Power) -> float:
    """Average power of an instance that serves, W."""
    host = shape.vcpus * power.host_w_per_vcpu + shape.memory_gib * power.host_w_per_gib
    return shape.gpu_count * gpu.tdp_w * power.gpu_tdp_share + host


def with_footprints(
    options: Sequence[Option], carbon: Carbon, gpus: Mapping[str, GpuSpec], policy: Policy
) -> tuple[tuple[Option, ...], tuple[str, ...]]:
    """The options with what they emit, and notes. Under a price or a cap those in regions without a figure are left out
    and named: unknown is not zero."""
    known = [_with_footprint(option, carbon, gpus) for option in options]
    if not policy.carbon_usd_per_tonne and policy.max_monthly_kg_co2e is None:
        return tuple(known), ()
    kept = tuple(option for option in known if option.footprint)
    lost = sorted({f"{o.provider} {o.region}" for o in known if not o.footprint})
    methods = {option.footprint.method for option in kept if option.footprint}
    notes = []
    if lost:
        notes.append(
            f"carbon: left out for want of a figure: {', '.join(lost)} (carbon.yaml, carbon_intensity.csv)"
        )
    if len(methods) > 1:
        notes.append(
            f"carbon: regions are compared over figures of several methods: {'; '.join(sorted(methods))}"
        )
    return tuple(_at_price(option, policy.carbon_usd_per_tonne / KG_PER_TONNE) for option in kept), tuple(
        notes
    )


def _with_footprint(option: Option, carbon: Carbon, gpus: Mapping[str, GpuSpec]) -> Option:
    grid, pue = carbon.grids.get(option.site), carbon.pue.get(option.provider)
    if grid is None or pue is None:
        return option
    watts = instance_w(option.shape, gpus[option.shape.gpu], carbon.power)
    footprint = Footprint(
        watts_per_unit=watts * option.estimate.setup.instances_per_unit,
        pue=pue.pue,
        gco2_per_kwh=grid.gco2_per_kwh,
        method=grid.method,
        year=grid.year,
        source=grid.source,
        gpu_tdp_share=carbon.power.gpu_tdp_share,
    )
    return replace(option, footprint=footprint)


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
        )
        for option, run in hours.items()
        if (known := option.footprint) is not None
    )
