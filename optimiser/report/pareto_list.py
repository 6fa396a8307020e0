"""Cost against spot, caution or carbon: a line for each plan along an axis of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimiser.pareto import AXES, Axis, Point
from optimiser.planning.price_ages import OldestPrice, oldest_of
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.plan_list import row_of
from optimiser.report.price_age import at_old_prices, rests_on
from optimiser.report.wording import number, percent, usd


@dataclass(frozen=True, kw_only=True)
class ParetoRow:
    """A plan under policy.field = value. measured is what the axis sets against cost, None where it is not known.

    best_choice: no other row costs no more and measures no worse. Without a plan all but why_no_plan is unknown.
    """

    workload: str
    field: str
    value: float
    measured_as: str
    measured: float | None
    monthly_usd: Decimal | None
    where: str
    fleet: str
    gap: float | None
    estimate_relative_error: float | None
    oldest_prices: tuple[OldestPrice, ...]
    best_choice: bool
    why_no_plan: str


def pareto_rows(name: str, axis: Axis, points: Sequence[Point]) -> tuple[ParetoRow, ...]:
    """The points as records."""
    return tuple(_row(name, axis, point) for point in points)


def _row(name: str, axis: Axis, point: Point) -> ParetoRow:
    short = None if point.plan is None else row_of(name, point.plan)
    return ParetoRow(
        workload=name,
        field=axis.field,
        value=point.value,
        measured_as=axis.measured,
        measured=point.measured,
        monthly_usd=short.monthly_usd if short else None,
        where=short.where if short else "",
        fleet=short.fleet if short else "",
        gap=short.gap if short else None,
        estimate_relative_error=short.estimate_relative_error if short else None,
        oldest_prices=short.oldest_prices if short else (),
        best_choice=point.plan is not None and not point.beaten,
        why_no_plan=point.why_no_plan,
    )


def pareto_document(rows: Sequence[ParetoRow]) -> Document:
    """The rows in order; those that another beats in both cost and measure are marked."""
    first = rows[0]
    columns = (
        Column(first.field, right=True),
        Column("$ a month", right=True),
        Column(first.measured_as, right=True),
        Column(""),
        Column("where"),
        Column("fleet"),
    )
    costs = [row.monthly_usd for row in rows if row.monthly_usd is not None]
    prices = oldest_of(price for row in rows for price in row.oldest_prices)
    errors = [row.estimate_relative_error for row in rows if row.estimate_relative_error is not None]
    basis = (rests_on(max(errors), prices),) if errors else ()
    span = f"{usd(min(costs))} to {usd(max(costs))} a month{at_old_prices(prices)}" if costs else "no plan"
    said = "×: another line costs no more and is no worse. Everything else is as the policy has it."
    table = Table(columns, tuple(map(_cells, rows)))
    return Document(
        f"{first.workload}: cost against {first.measured_as}: {span}",
        (Section("Plans", (table, *_unmoved(rows), said, *basis)),),
    )


def _unmoved(rows: Sequence[ParetoRow]) -> tuple[str, ...]:
    """That carbon's price makes no difference: what is best at both ends of its prices is best between them."""
    first, last = rows[0], rows[-1]
    alike = len({(row.monthly_usd, row.measured, row.where, row.fleet) for row in rows}) == 1 < len(rows)
    if not alike or first.monthly_usd is None or first.field != AXES["carbon"].field:
        return ()
    return (f"No price of carbon up to ${last.value:,.0f} a tonne changes the plan.",)


def _cells(row: ParetoRow) -> Row:
    value = f"{row.value:g}"
    if row.monthly_usd is None:
        return Row((value, "no plan", "", "", "", ""), row.why_no_plan)
    beaten = "" if row.best_choice else "×"
    return Row((value, usd(row.monthly_usd), _measured(row), beaten, row.where, row.fleet))


def _measured(row: ParetoRow) -> str:
    if row.measured is None:
        return "not known"
    return percent(row.measured) if row.measured_as.startswith("share") else number(row.measured)
