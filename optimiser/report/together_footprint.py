"""What services together draw and emit: each, what is bought and idle, and all of it."""

from __future__ import annotations

from itertools import chain

from optimiser.planning.plan_footprint import PlanFootprint, sum_of_known
from optimiser.planning.together.plan import SharedIdle, TogetherPlan
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.footprint import assumed, grids
from optimiser.report.wording import number

_NOT_KNOWN = "not known"


def footprint_blocks(plan: TogetherPlan) -> tuple[Block, ...]:
    """A row a service, and what the figures rest on; nothing where no power is known."""
    total = plan.totals.footprint
    if total is None:
        return ()
    columns = (
        Column("service"),
        Column("kWh a month", right=True),
        Column("kWh per 1M tokens", right=True),
        Column("kg CO2e a month", right=True),
        Column("making machines, kg", right=True),
    )
    rows = [_row(part.service.name, part.footprint) for part in plan.services if part.footprint]
    idle = [one.idle for one in plan.shared if one.idle and one.idle.instance_hours_monthly > 0]
    rows += [_idle_row(idle)] if idle else []
    carbon = list(chain.from_iterable(part.carbon for part in plan.services))
    energy = chain.from_iterable(part.energy for part in plan.services)
    options = list(chain.from_iterable(part.options for part in plan.services))
    return (
        Table(columns, (*rows, _row("in all", total))),
        _basis(plan, total),
        *grids(options, carbon, energy, plan.grid_method),
        *assumed(carbon, total.power),
    )


def _row(name: str, found: PlanFootprint) -> Row:
    low, high = found.embodied_kg_co2e_monthly_low, found.embodied_kg_co2e_monthly_high
    tokens = found.kwh_per_million_tokens
    return Row(
        (
            name,
            _so_much(found.kwh_monthly_at_load),
            _NOT_KNOWN if tokens is None else number(tokens),
            _so_much(found.kg_co2e_monthly_at_load),
            _span(low, high),
        )
    )


def _idle_row(idle: list[SharedIdle]) -> Row:
    drawn, emitted, low, high = (
        sum_of_known([getattr(one, name) for one in idle])
        for name in (
            "kwh_monthly",
            "kg_co2e_monthly",
            "embodied_kg_co2e_monthly_low",
            "embodied_kg_co2e_monthly_high",
        )
    )
    return Row(("bought and idle", _so_much(drawn), "", _so_much(emitted), _span(low, high)))


def _so_much(value: float | None) -> str:
    return _NOT_KNOWN if value is None else f"{value:,.0f}"


def _span(low: float | None, high: float | None) -> str:
    return _NOT_KNOWN if low is None or high is None else f"{low:,.0f} to {high:,.0f}"


def _basis(plan: TogetherPlan, total: PlanFootprint) -> str:
    price = plan.services[0].policy["carbon_usd_per_tonne"]
    if total.kwh_monthly is None:
        return "Not known: a provider in use has no PUE (carbon.yaml)."
    said = f"At the loads of the hours; {total.kwh_monthly:,.0f} kWh with all that is in use at its planned rate."
    if price and total.kg_co2e_monthly is not None:
        said += f" {total.kg_co2e_monthly:,.0f} kg then, weighed at {price:g} USD a tonne and not billed."
    return said
