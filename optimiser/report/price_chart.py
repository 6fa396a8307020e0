"""Prices over time as lines of characters: a letter a series, and below it when each was on sale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from optimiser.report.document import Chart
from optimiser.report.price_history import Series
from optimiser.report.wording import hourly, number

COLUMNS = 90
HEIGHT = 10
LETTERS = "abcdef"
_WIDEST_COLUMN = 3
_LABEL_WIDTH = 8
_STEPS_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_SEVERAL, _IN_FORCE, _NOT_ON_SALE, _UNKNOWN = "*", "─", "×", " "
_CLOCK_DAYS, _DAYS_OF_A_YEAR = 3, 400


@dataclass
class Cell:
    """One column of one series: the prices in force in it, and whether it was off sale at some time in it."""

    prices: list[float] = field(default_factory=list)
    off_sale: bool = False


def chart(
    series: Sequence[Series], since: datetime, until: datetime, carry_hours: Mapping[str, float | None]
) -> Chart:
    """At most len(LETTERS) series in at most WIDTH columns of text.

    A price holds from the refresh that saw it until the next one of its place, but no longer than carry_hours of
    its tier (None: without end): then nothing is known, and nothing drawn. A step that the cloud told holds until
    what follows it, if anything does. A column shows all that held in it.
    """
    hours = (until - since) / timedelta(hours=1)
    step = next((one for one in _STEPS_HOURS if hours <= one * COLUMNS), 24 * math.ceil(hours / 24 / COLUMNS))
    columns = max(1, math.ceil(hours / step))
    width = max(1, min(_WIDEST_COLUMN, COLUMNS // columns))
    cells = [_cells(one, since, until, step, columns, carry_hours.get(one.example.tier)) for one in series]
    lines = _levels(cells, width)
    ticks = _ticks([since + timedelta(hours=step * at) for at in range(columns)], width, hours / 24)
    lines.append(f"{'':>{_LABEL_WIDTH}} └{ticks}".rstrip())
    for letter, row in zip(LETTERS, cells, strict=False):
        strip = "".join(_sale(cell) * width for cell in row)
        lines.append(f"{letter:>{_LABEL_WIDTH}} │{strip}".rstrip())
    several = f"{_SEVERAL} several  " if len(series) > 1 else ""
    legend = f"{several}{_IN_FORCE} in force  {_NOT_ON_SALE} not on sale  blank: not fetched"
    column = f"column: {step // 24} d" if step % 24 == 0 else f"column: {step} h"
    return Chart((*lines, f"{'':{_LABEL_WIDTH + 2}}{legend}  ({column}, UTC)"))


def _cells(
    one: Series, since: datetime, until: datetime, step: int, columns: int, carry: float | None
) -> list[Cell]:
    cells = [Cell() for _ in range(columns)]
    ends = [*(moment.at for moment in one.moments[1:]), until]
    for moment, next_at in zip(one.moments, ends, strict=True):
        is_known = carry is None or (moment.is_step and moment is not one.moments[-1])
        end = next_at if is_known else min(next_at, moment.at + timedelta(hours=carry or 0))
        first = min(math.floor((moment.at - since) / timedelta(hours=step)), columns - 1)
        # What ends where a column begins is not in that column.
        last = max(first, math.ceil((end - since) / timedelta(hours=step)) - 1)
        for at in range(max(first, 0), min(last, columns - 1) + 1):
            if moment.usd is None:
                cells[at].off_sale = True
            else:
                cells[at].prices.append(float(moment.usd))
    return cells


def _levels(cells: Sequence[Sequence[Cell]], width: int) -> list[str]:
    """The lines from the highest price to the lowest, each series marked at every level it passed in a column."""
    prices = [price for row in cells for cell in row for price in cell.prices]
    low, high = min(prices, default=0.0), max(prices, default=0.0)
    height = HEIGHT if high > low else 1
    marks = [[_UNKNOWN] * len(cells[0]) for _ in range(height)]
    for letter, row in zip(LETTERS, cells, strict=False):
        for at, cell in enumerate(row):
            if cell.prices:
                bottom, top = (_level(of(cell.prices), low, high, height) for of in (min, max))
                for level in range(bottom, top + 1):
                    marks[level][at] = letter if marks[level][at] == _UNKNOWN else _SEVERAL
    middle = (height - 1) // 2
    labels = {
        middle: number(low + (high - low) * middle / (HEIGHT - 1)),
        0: _label(low),
        height - 1: _label(high),
    }
    lines = []
    for level in range(height - 1, -1, -1):
        drawn = "".join(mark * width for mark in marks[level])
        lines.append(f"{labels.get(level, ''):>{_LABEL_WIDTH}} ┤{drawn}".rstrip())
    return lines


def _level(price: float, low: float, high: float, height: int) -> int:
    return round((price - low) / (high - low) * (height - 1)) if high > low else 0


def _label(price: float) -> str:
    exact = hourly(Decimal(str(price)))
    return exact if len(exact) <= _LABEL_WIDTH else number(price)


def _sale(cell: Cell) -> str:
    if cell.off_sale:
        return _NOT_ON_SALE
    return _IN_FORCE if cell.prices else _UNKNOWN


def _ticks(starts: Sequence[datetime], width: int, days: float) -> str:
    """Times under the columns they begin, as many as fit."""
    form = "%a %H:%M" if days <= _CLOCK_DAYS else "%d %b" if days <= _DAYS_OF_A_YEAR else "%b %Y"
    labels = [start.strftime(form) for start in starts]
    line = ""
    for at, label in enumerate(labels):
        begins = at == 0 or label != labels[at - 1]
        fits = (not line or len(line) + 2 <= at * width) and at * width + len(label) <= len(labels) * width
        if begins and fits:
            line = f"{line:<{at * width}}{label}"
    return line
