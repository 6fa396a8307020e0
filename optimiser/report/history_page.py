"""The history of an instance type's prices: a chart of the cheapest, figures of each, and what is not on sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.price_chart import LETTERS, chart
from optimiser.report.price_history import HistoryPoint, Series, series_of
from optimiser.report.records import render_records
from optimiser.report.status_page import minute
from optimiser.report.terms import age, moved
from optimiser.report.wording import counted, hourly, site, words
from providers.fetch import Scope

MOST_SERIES = len(LETTERS)
MOST_NEVER = 6


@dataclass(frozen=True, kw_only=True)
class HistoryQuestion:
    """What was asked: an instance type, from when to when, and the zones to show (none is all).

    carry_hours is how long a price may be taken to hold without another refresh, by tier; None without end.
    """

    instance_type: str
    since: datetime
    until: datetime
    zones: tuple[str, ...]
    carry_hours: Mapping[str, float | None]


def render_history(
    format_name: str,
    asked: HistoryQuestion,
    points: Sequence[HistoryPoint],
    fetched: Mapping[Scope, datetime],
    *,
    colour: bool = False,
) -> str:
    """The points as table, json or csv; the latter two have every point that was asked for.

    points are of every zone; fetched is when each scope of the store was last fetched. Raises UsageError for
    another format.
    """
    shown = [point for point in points if _is_asked(point, asked)]
    return render_records(format_name, shown, lambda: history_document(asked, points, fetched), colour=colour)


def history_document(
    asked: HistoryQuestion, points: Sequence[HistoryPoint], fetched: Mapping[Scope, datetime]
) -> Document:
    """The chart of the cheapest series, their figures, and what never had a price in that time."""
    days = (asked.until - asked.since) / timedelta(days=1)
    span = f"{asked.instance_type}, {counted(round(days), 'day')} to {minute(asked.until)} UTC"
    every, never = series_of(points, fetched)
    series = sorted((one for one in every if _is_asked(one.example, asked)), key=partial(_cheapest, asked))
    never = [point for point in never if _is_asked(point, asked)]
    if not series and not never:
        return Document(f"{span}: no price was fetched in that time", ())
    drawn = series[:MOST_SERIES]
    sections = [Section("No price in this time", _never(never))] if never else []
    if drawn:
        lines = chart(drawn, asked.since, asked.until, asked.carry_hours)
        title = "Price per running hour, up front spread over the term (USD)"
        sections = [
            Section(title, (lines,)),
            Section("What the refreshes saw ($/h)", (_figures(drawn, asked), *_rest(series))),
            *sections,
        ]
    return Document(f"{span}: {_now(asked, series)}", tuple(sections))


def _is_asked(point: HistoryPoint, asked: HistoryQuestion) -> bool:
    """Whether it is of a zone asked for; what is said of a whole region is of each of its zones."""
    return not asked.zones or point.zone in asked.zones or not (point.zone or point.amortised_usd_per_hour)


def _price(asked: HistoryQuestion, one: Series) -> Decimal | None:
    """What it costs at the end of the time asked for."""
    return one.price_at(asked.until, asked.carry_hours.get(one.example.tier))


def _cheapest(asked: HistoryQuestion, one: Series) -> tuple[bool, Decimal]:
    """First what has a price now, the cheapest first; then the rest by their last price."""
    return _price(asked, one) is None, one.prices[-1]


def _now(asked: HistoryQuestion, series: Sequence[Series]) -> str:
    """series are the cheapest first."""
    amount = sum(_price(asked, one) is not None for one in series)
    if not amount:
        return "no price that is up to date"
    cheapest, first = series[0].prices[-1], series[0].example
    return f"{counted(amount, 'price')} now, from {hourly(cheapest)} $/h ({first.where}, {first.paid})"


def _figures(series: Sequence[Series], asked: HistoryQuestion) -> Table:
    columns = (
        Column(""),
        Column("where"),
        Column("paid"),
        Column("now", right=True),
        Column("min", right=True),
        Column("median", right=True),
        Column("max", right=True),
        Column("change", right=True),
        Column("seen", right=True),
    )
    pairs = zip(LETTERS, series, strict=False)
    return Table(columns, tuple(_line(letter, one, asked) for letter, one in pairs))


def _line(letter: str, one: Series, asked: HistoryQuestion) -> Row:
    price, prices = _price(asked, one), one.prices
    cells = (
        letter,
        one.example.where,
        one.example.paid,
        "—" if price is None else hourly(price),
        hourly(min(prices)),
        hourly(one.median),
        hourly(max(prices)),
        moved(one.relative),
        f"{len(prices):,} ×",
    )
    return Row(cells, "" if price is not None else _absence(asked, one))


def _absence(asked: HistoryQuestion, one: Series) -> str:
    """Why it has no price now: since when it is not on sale and the reason, or when it was last fetched."""
    last = one.moments[-1]
    if last.usd is not None:
        hours = (asked.until - last.at) / timedelta(hours=1)
        return f"last fetched {age(hours)} ago at {hourly(last.usd)}"
    since = last
    for moment in reversed(one.moments):
        if moment.usd is not None:
            break
        since = moment
    reason = last.reason or "no reason given"
    return f"not on sale since {minute(since.at)}, before at {hourly(one.prices[-1])}: {reason}"


def _rest(series: Sequence[Series]) -> tuple[str, ...]:
    rest = len(series) - MOST_SERIES
    if rest <= 0:
        return ()
    options = "--provider, --region, --zone and --tier narrow it; --format csv has every point"
    return (f"… and {rest:,} more that cost more or have no price now: {options}.",)


def _never(points: Sequence[HistoryPoint]) -> tuple[Block, ...]:
    columns = (Column("where"), Column("tier"), Column("last fetched (UTC)"), Column("reason"))
    rows = tuple(
        Row(
            (
                site(point.provider, point.zone or point.region),
                words(point.tier),
                minute(point.observed_at),
                point.missing_reason,
            )
        )
        for point in points[:MOST_NEVER]
    )
    more = f"… and {len(points) - MOST_NEVER:,} more: --format csv has them all."
    return (Table(columns, rows), *([more] if len(points) > MOST_NEVER else []))
