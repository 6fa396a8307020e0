"""A project's budget in words: its lines, months, cost per use, what moves the total, owning against renting."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import ZERO
from optimiser.costing.project.budget import Budget
from optimiser.costing.project.lines import RENTED
from optimiser.costing.project.serving import NotPlanned
from optimiser.report.budget_sections import buying, energy, moving, per_use, training
from optimiser.report.budget_serving import not_planned_said, serving
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.price_age import at_old_prices
from optimiser.report.records import render_records
from optimiser.report.wording import counted, percent, usd

# Beyond so many months the table has a row for a quarter; JSON and CSV have every month.
_MONTH_BY_MONTH = 24
_QUARTER = 3
# Where what a job rents stands among the items.
_ITEM_OF = {
    "training": ("training", RENTED),
    "maintenance.retraining": ("maintenance", f"retraining: {RENTED}"),
}


def render_budget(format_name: str, budget: Budget, *, colour: bool = False) -> str:
    """The budget in one of LIST_FORMATS; CSV has a row for each month and item. Raises UsageError for another."""
    rows = budget_rows(budget)
    return render_records(format_name, rows, lambda: budget_document(budget), whole=budget, colour=colour)


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """An item in a month; high_is_lower_bound where high could not be planned and has the expected throughput.
    owed_after_end_usd, as expected, is of what serving signs, in the last month alone, and no part of the others.
    upfront_usd, as expected, is the cash up front of training jobs, a part of their USD, in the month it is paid.
    """

    month: str
    line: str
    item: str
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal
    high_is_lower_bound: bool
    owed_after_end_usd: Decimal
    upfront_usd: Decimal


def budget_rows(budget: Budget) -> tuple[BudgetRow, ...]:
    """Month by month, every item in each."""
    high_is_short = any(one.case == "high" for one in _not_planned(budget))
    cash = {
        (*_ITEM_OF[job.section], paid.month): paid.usd for job in budget.training_jobs for paid in job.upfront
    }
    return tuple(
        BudgetRow(
            month=month,
            line=item.line,
            item=item.item,
            low_usd=item.monthly[at].low,
            expected_usd=item.monthly[at].expected,
            high_usd=item.monthly[at].high,
            high_is_lower_bound=high_is_short and item.line == "inference",
            owed_after_end_usd=budget.owed_after_end.expected
            if item.line == "inference" and month == budget.months[-1]
            else ZERO,
            upfront_usd=cash.get((item.line, item.item, month), ZERO),
        )
        for at, month in enumerate(budget.months)
        for item in budget.items
    )


def budget_document(budget: Budget) -> Document:
    """The report of a budget."""
    return Document(
        _headline(budget),
        (
            Section("Lines, USD over the horizon", (_lines(budget), f"{budget.combined.capitalize()}.")),
            Section("Months, USD as expected", (_months(budget),)),
            Section("Per use", per_use(budget)),
            Section("Serving", serving(budget)),
            Section("Training", training(budget)),
            Section("Energy and carbon", energy(budget)),
            Section("What moves the total", moving(budget)),
            Section("Buy or rent", buying(budget)),
            Section("Not included", (", ".join(budget.not_included) + ".",)),
            Section("Notes", budget.notes),
        ),
    )


def _headline(budget: Budget) -> str:
    whole = budget.total
    short = _not_planned(budget)
    least = "at least " if any(one.case == "high" for one in short) else ""
    span = f", {usd(whole.low)} to {least}{usd(whole.high)}" if whole.is_given else ""
    said = f"{budget.name}: {usd(whole.expected)} over {counted(len(budget.months), 'month')}"
    said += f" from {budget.months[0]}{span}{_owed(budget)}{_old(budget)}"
    said += "".join(
        f"; {line.line} is {percent(line.share)} of it"
        for line in budget.lines
        if line.line == budget.dominates
    )
    if budget.unit_costs is not None:
        said += f"; {usd(budget.unit_costs.usd_per_query)} a query"
    return said + "".join(f"; {not_planned_said(one)}" for one in short)


def _owed(budget: Budget) -> str:
    """`, and $3 owed after the end if nothing else uses it: $13`"""
    owed = budget.owed_after_end.expected
    if not owed:
        return ""
    return f", and {usd(owed)} owed after the end if nothing else uses it: {usd(budget.total_with_owed.expected)}"


def _not_planned(budget: Budget) -> tuple[NotPlanned, ...]:
    return () if budget.serving is None else budget.serving.not_planned


def _old(budget: Budget) -> str:
    parts = {
        "serving": () if budget.serving is None else budget.serving.oldest_prices,
        "training": [price for job in budget.training_jobs for price in job.oldest_prices],
        "buy or rent": () if budget.buy_or_rent is None else budget.buy_or_rent.oldest_prices,
    }
    old = " and ".join(f"{name}{at}" for name, prices in parts.items() if (at := at_old_prices(prices)))
    return f", {old}" if old else ""


def _lines(budget: Budget) -> Table:
    columns = (
        Column("line"),
        Column("item"),
        Column("low", right=True),
        Column("expected", right=True),
        Column("high", right=True),
        Column("share", right=True),
    )
    rows = []
    for line in budget.lines:
        own = [item for item in budget.items if item.line == line.line]
        amounts = (usd(line.total.low), usd(line.total.expected), usd(line.total.high), percent(line.share))
        alone = own[0].item if len(own) == 1 else ""
        rows.append(Row((line.line, alone, *amounts)))
        if len(own) > 1:
            rows += [
                Row(("", item.item, *map(usd, (item.total.low, item.total.expected, item.total.high)), ""))
                for item in own
            ]
    whole = budget.total
    sums = {"total": whole}
    if budget.owed_after_end.high:
        sums |= {"owed after the end": budget.owed_after_end, "total with it": budget.total_with_owed}
    rows += [
        Row((name, "", usd(one.low), usd(one.expected), usd(one.high), "")) for name, one in sums.items()
    ]
    return Table(columns, tuple(rows))


def _months(budget: Budget) -> Table:
    step = 1 if len(budget.months) <= _MONTH_BY_MONTH else _QUARTER
    columns = (
        Column("month" if step == 1 else "from"),
        *(Column(line.line, right=True) for line in budget.lines),
        Column("total", right=True),
    )
    rows = []
    for at in range(0, len(budget.months), step):
        sums = [sum(month.expected for month in line.monthly[at : at + step]) for line in budget.lines]
        rows.append(Row((budget.months[at], *(f"{amount:,.0f}" for amount in sums), f"{sum(sums):,.0f}")))
    return Table(columns, tuple(rows))
