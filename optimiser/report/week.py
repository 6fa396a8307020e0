"""The horizon as a chart: demand against what runs, a few hours to a column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from optimiser.planning.plan import Plan
from optimiser.report.document import Chart
from optimiser.report.wording import number

COLUMNS = 56
HEIGHT = 8
_WIDEST_COLUMN = 3
_LABEL_WIDTH = 8
_DAY_HOURS, _DAYS_BY_NAME = 36, 16 * 24
_DEMAND, _PLANNED, _SPARE = "█", "▒", "░"


@dataclass(frozen=True)
class Bar:
    """Hourly means over one column's periods, in requests per second."""

    start: datetime
    mean_rps: float
    planned_rps: float
    capacity_rps: float


def title(plan: Plan) -> str:
    """What the chart shows; of several scenarios the first, which authors begin with what is usual."""
    hours = sum(period.hours for period in plan.periods)
    of = f" of '{plan.scenarios[0].name}'" if len(plan.scenarios) > 1 else ""
    return f"The {'week' if hours == 168 else f'{number(hours)} hours'}{of}, requests per second (UTC)"


def chart(plan: Plan) -> Chart:
    """Columns of demand, what bursts and start-up add, and spare capacity, of the first scenario."""
    columns = bars(plan)
    top = max(max(bar.capacity_rps, bar.planned_rps, bar.mean_rps) for bar in columns) or 1.0
    width = max(1, min(_WIDEST_COLUMN, COLUMNS // len(columns)))
    lines = []
    for level in range(HEIGHT, 0, -1):
        label = number(top * level / HEIGHT) if level in (HEIGHT, HEIGHT // 2) else ""
        cells = "".join(_cell(bar, top * (level - 0.5) / HEIGHT) * width for bar in columns)
        lines.append(f"{label:>{_LABEL_WIDTH}} ┤{cells}".rstrip())
    hours = sum(period.hours for period in plan.periods)
    lines.append(f"{'0':>{_LABEL_WIDTH}} └{_ticks(columns, width, hours)}".rstrip())
    column = f"(column: {number(hours / len(columns))} h)"
    legend = f"{_DEMAND} demand  {_PLANNED} planned for bursts and start-up  {_SPARE} spare  {column}"
    return Chart((*lines, " " * (_LABEL_WIDTH + 2) + legend))


def bars(plan: Plan) -> list[Bar]:
    """At most COLUMNS columns: neighbouring periods averaged over their hours."""
    rates = {option.id: option.rate_rps for option in plan.options}
    purchased = {purchase.id: rates[purchase.option] for purchase in plan.purchases}
    size = len(plan.periods)
    mean, planned, capacity = [0.0] * size, [0.0] * size, [0.0] * size
    for demand in plan.demand:
        if demand.scenario == 0:
            mean[demand.period] += demand.mean_rps
            planned[demand.period] += demand.planned_rps
    for count in plan.counts:
        if count.scenario == 0:
            capacity[count.period] += count.units * purchased[count.purchase]
    step = math.ceil(size / COLUMNS)
    found = []
    for first in range(0, size, step):
        part = range(first, min(first + step, size))
        hours = sum(plan.periods[index].hours for index in part)
        means = (
            sum(series[index] * plan.periods[index].hours for index in part) / hours
            for series in (mean, planned, capacity)
        )
        found.append(Bar(plan.periods[first].start, *means))
    return found


def _cell(bar: Bar, level: float) -> str:
    if bar.mean_rps >= level:
        return _DEMAND
    if bar.planned_rps >= level:
        return _PLANNED
    return _SPARE if bar.capacity_rps >= level else " "


def _ticks(columns: list[Bar], width: int, hours: float) -> str:
    """Days named under their first column (hours where there is but a day, dates past a fortnight)."""
    form = "%H:%M" if hours <= _DAY_HOURS else "%a" if hours <= _DAYS_BY_NAME else "%d %b"
    labels = [bar.start.strftime(form) for bar in columns]
    changes = [at for at, label in enumerate(labels) if at == 0 or label != labels[at - 1]]
    if form == "%a" and len(changes) > 1 and changes[1] * width <= len(labels[0]):
        del changes[0]  # a first day that is nearly over gives its place to the next
    line = ""
    for at in changes:
        if len(line) + bool(line) <= at * width:
            line = f"{line:<{at * width}}{labels[at]}"
    return line
