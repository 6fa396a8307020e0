"""What a plan draws and emits: energy, the grid behind its carbon, making the machines, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterable

from optimiser.planning.plan import Plan
from optimiser.planning.plan_bought import PlanOption
from optimiser.planning.plan_footprint import PlanCarbon, PlanEnergy, PlanFootprint, PlanPower
from optimiser.report.document import Block
from optimiser.report.wording import number, percent, site

_NOT_KNOWN = "not known"


def blocks(plan: Plan) -> tuple[Block, ...]:
    """Energy, carbon, grids and assumptions; nothing for a plan made before they were part of it."""
    found = plan.footprint
    if found is None:
        return ()
    return (
        _energy(found),
        *_machines(plan),
        _carbon(plan, found),
        *grids(plan.options, plan.carbon, plan.energy),
        *assumed(plan.carbon, found.power),
    )


def _energy(found: PlanFootprint) -> str:
    if found.kwh_monthly is None or found.kwh_monthly_at_load is None:
        return f"Energy: {_NOT_KNOWN}: a provider in use has no PUE (carbon.yaml)."
    return (
        f"Energy: {found.kwh_monthly_at_load:,.0f} kWh a month at the loads of the hours, "
        f"{number(found.kwh_per_million_tokens or 0.0)} kWh per 1M tokens; {found.kwh_monthly:,.0f} kWh with all that "
        "runs at its planned rate."
    )


def _machines(plan: Plan) -> tuple[str, ...]:
    types = {option.id: option for option in plan.options}
    drawn = [
        f"{types[row.option].instance_type}{_unit(types[row.option])} {number(row.watts_per_unit / 1000)} kW "
        f"({number(row.in_flight)} requests in flight a replica), {number(row.idle_watts_per_unit / 1000)} kW without "
        "a request"
        for row in plan.energy
    ]
    return (f"Drawn at planned rates: {'; '.join(drawn)}.",) if drawn else ()


def _unit(option: PlanOption) -> str:
    return f" × {option.instances_per_unit}" if option.instances_per_unit > 1 else ""


def _carbon(plan: Plan, found: PlanFootprint) -> str:
    price = plan.policy.get("carbon_usd_per_tonne")
    weighed = f", weighed at {price:g} USD a tonne and not billed" if price else ""
    known = {row.option for row in plan.carbon}
    unknown = sorted({one.option for one in plan.purchases} - known)
    if found.kg_co2e_monthly is None or found.kg_co2e_monthly_at_load is None:
        told = f"{_NOT_KNOWN}: no figure of the grid or PUE for {', '.join(unknown)}"
    else:
        each = number(found.kg_co2e_per_million_tokens or 0.0)
        told = (
            f"{found.kg_co2e_monthly_at_load:,.0f} kg CO2e a month ({each} kg per 1M tokens); "
            f"{found.kg_co2e_monthly:,.0f} kg at planned rates, as a price or cap of carbon counts{weighed}"
        )
    return f"Carbon: {told}. Making the machines, on top: {_embodied(plan, found)}."


def _embodied(plan: Plan, found: PlanFootprint) -> str:
    low, high = found.embodied_kg_co2e_monthly_low, found.embodied_kg_co2e_monthly_high
    if low is not None and high is not None:
        return f"{low:,.0f} to {high:,.0f} kg"
    gpus = {option.id: option.gpu for option in plan.options}
    without = sorted({gpus[row.option] for row in plan.energy if row.embodied_kg_co2e_monthly_low is None})
    return f"{_NOT_KNOWN}, no figure for {', '.join(without)}"


def grids(
    used: Iterable[PlanOption],
    carbon: Iterable[PlanCarbon],
    energy: Iterable[PlanEnergy],
    method: str | None = None,
) -> tuple[str, ...]:
    """A line for each place in use: its grid's figure, by which method and of which year; or that it has none by the
    method of all places considered."""
    places = {option.id: site(option.provider, option.region) for option in used}
    by_place: dict[str, PlanCarbon] = {}
    for row in carbon:
        by_place.setdefault(places[row.option], row)
    by = f" by the method of the places considered ({method})" if method else ""
    # Without a PUE it is that which is missing, and said where energy is told.
    unknown = {places[row.option]: row.pue for row in energy if row.pue is not None}
    return (
        *(f"Grid of {place}: {_grid(row)}" for place, row in by_place.items()),
        *(
            f"Grid of {place}: no figure{by}, so that kg CO2e are {_NOT_KNOWN}; PUE {pue:g}."
            for place, pue in unknown.items()
            if place not in by_place
        ),
    )


def _grid(row: PlanCarbon) -> str:
    others = "".join(
        f"; by another method, which nothing is compared by, {other.gco2_per_kwh:g} ({other.method}, {other.year}, "
        f"{other.source})"
        for other in row.other_figures
    )
    return (
        f"{row.gco2_per_kwh:g} g/kWh ({row.method}, {row.year}, {row.source}){others}. A yearly average, without "
        f"certificates; PUE {row.pue:g}."
    )


def assumed(carbon: Iterable[PlanCarbon], power: PlanPower | None) -> tuple[str, ...]:
    """What GPUs are taken to draw."""
    shares = sorted({round(row.gpu_tdp_share, 2) for row in carbon})
    if power is None or not shares:
        return ()
    span = " to ".join(dict.fromkeys((percent(shares[0]), percent(shares[-1]))))
    if power.gpu_tdp_share is not None:
        return (f"GPUs draw {span} of their TDP whatever their load (gpu_tdp_share in carbon.yaml).",)
    return (
        f"GPUs draw {span} of their TDP at planned rates, by an H100's published curve for all GPUs: "
        f"{percent(power.idle_tdp_share)} without a request, {percent(power.one_request_tdp_share)} to "
        f"{percent(power.many_requests_tdp_share)} generating, {percent(power.prompt_tdp_share)} on prompts; "
        f"{percent(power.rest_share)} on top for fans, power supplies and network (carbon.yaml).",
    )
