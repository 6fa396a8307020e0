"""The cheapest plan and the greenest side by side, a few between, and what a tonne avoided costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimiser.pareto import Trade
from optimiser.planning.price_ages import OldestPrice, oldest_of
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.plan_list import row_of
from optimiser.report.price_age import at_old_prices, rests_on
from optimiser.report.wording import number, percent, usd


@dataclass(frozen=True, kw_only=True)
class CarbonRow:
    """A plan between the cheapest (first) and the greenest (last). kg_co2e_monthly is operational, with every unit at
    its planned rate; _at_load at what the hours send; embodied is the range of making the machines, null if unknown.

    usd_per_tonne is what a tonne avoided beyond the cheapest costs, usd_per_further_tonne beyond the row before; both
    of tonnes at load. method is the one by which the grids of all places are told, estimate_relative_error the median
    error of throughput.
    """

    workload: str
    monthly_usd: Decimal
    kg_co2e_monthly: float | None
    kg_co2e_monthly_at_load: float
    kwh_monthly_at_load: float | None
    embodied_kg_co2e_monthly_low: float | None
    embodied_kg_co2e_monthly_high: float | None
    usd_per_tonne: float | None
    usd_per_further_tonne: float | None
    where: str
    fleet: str
    gco2_per_kwh: tuple[float, ...]
    method: str
    gap: float
    estimate_relative_error: float
    oldest_prices: tuple[OldestPrice, ...]


def carbon_rows(name: str, trades: Sequence[Trade]) -> tuple[CarbonRow, ...]:
    """The plans as records, cheapest first."""
    return tuple(_row(name, trade) for trade in trades)


def _row(name: str, trade: Trade) -> CarbonRow:
    plan, short, known = trade.plan, row_of(name, trade.plan), trade.plan.footprint
    return CarbonRow(
        workload=name,
        monthly_usd=plan.totals.total_monthly_usd,
        kg_co2e_monthly=known.kg_co2e_monthly if known else None,
        kg_co2e_monthly_at_load=trade.kg_co2e_monthly_at_load,
        kwh_monthly_at_load=known.kwh_monthly_at_load if known else None,
        embodied_kg_co2e_monthly_low=known.embodied_kg_co2e_monthly_low if known else None,
        embodied_kg_co2e_monthly_high=known.embodied_kg_co2e_monthly_high if known else None,
        usd_per_tonne=trade.usd_per_tonne,
        usd_per_further_tonne=trade.usd_per_further_tonne,
        where=short.where,
        fleet=short.fleet,
        gco2_per_kwh=tuple(sorted({row.gco2_per_kwh for row in plan.carbon})),
        method=plan.carbon[0].method,
        gap=plan.bound.gap,
        estimate_relative_error=plan.estimate_relative_error,
        oldest_prices=short.oldest_prices,
    )


def carbon_document(rows: Sequence[CarbonRow], notes: Sequence[str]) -> Document:
    """A line for each plan, and what a tonne costs; notes say what was left out."""
    first, last = rows[0], rows[-1]
    heads = ("$ a month", "kg CO2e at load", "when full", "to make", "$/t", "$/t more", "g/kWh")
    columns = (Column(""), *(Column(head, right=True) for head in heads), Column("where"), Column("fleet"))
    names = ["cheapest", *("between" for _ in rows[1:-1]), "greenest"][: len(rows)]
    table = Table(columns, tuple(_cells(name, row) for name, row in zip(names, rows, strict=True)))
    said = (
        f"kg CO2e a month, location-based, all places by one method ({first.method}), at the load that the hours "
        "bring; `when full` with every unit at its planned rate, which is what the search weighs; making the machines "
        "comes on top. $/t: a tonne avoided at load beyond the cheapest, and a further one beyond the line before. "
        "Everything else is as the policy has it, so the target is met alike."
    )
    prices = oldest_of(price for row in rows for price in row.oldest_prices)
    basis = rests_on(max(row.estimate_relative_error for row in rows), prices)
    headline = _headline(first, last, at_old_prices(prices))
    return Document(headline, (Section("Plans", (table, said, basis, *_made(first, last), *notes)),))


def _made(first: CarbonRow, last: CarbonRow) -> tuple[str, ...]:
    """That the greenest plan's machines took more to make, where they did: this eats of what it avoids."""
    least, most = _embodied(first), _embodied(last)
    if least is None or most is None or most <= least:
        return ()
    avoided = first.kg_co2e_monthly_at_load - last.kg_co2e_monthly_at_load
    return (
        f"The greenest plan runs more machines: making them is {_range(most)} kg a month against {_range(least)}, "
        f"{_range((most[0] - least[0], most[1] - least[1]))} kg of the {number(avoided)} kg avoided, and not in $/t.",
    )


def _embodied(row: CarbonRow) -> tuple[float, float] | None:
    low, high = row.embodied_kg_co2e_monthly_low, row.embodied_kg_co2e_monthly_high
    return None if low is None or high is None else (low, high)


def _range(ends: tuple[float, float]) -> str:
    return f"{number(ends[0])}–{number(ends[1])}"


def _headline(first: CarbonRow, last: CarbonRow, old: str) -> str:
    if first is last or last.usd_per_tonne is None:
        return f"{first.workload}: the cheapest plan, {usd(first.monthly_usd)} a month{old}, is the greenest found"
    less = 1 - last.kg_co2e_monthly_at_load / first.kg_co2e_monthly_at_load
    each = usd(Decimal(str(round(last.usd_per_tonne, 2))))
    return (
        f"{first.workload}: the greenest plan found emits {percent(less)} less than the cheapest for "
        f"{usd(last.monthly_usd - first.monthly_usd)} a month more{old}: {each} a tonne avoided at load"
    )


def _cells(name: str, row: CarbonRow) -> Row:
    made = _embodied(row)
    each = (_money(row.usd_per_tonne), _money(row.usd_per_further_tonne))
    grids = ", ".join(f"{one:g}" for one in row.gco2_per_kwh)
    full = "not known" if row.kg_co2e_monthly is None else number(row.kg_co2e_monthly)
    kg = (number(row.kg_co2e_monthly_at_load), full, "not known" if made is None else _range(made))
    return Row((name, usd(row.monthly_usd), *kg, *each, grids, row.where, row.fleet))


def _money(value: float | None) -> str:
    return "" if value is None else number(value)
