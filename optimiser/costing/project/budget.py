"""A project's budget: its lines over its months at low, expected and high, per use, and what moves them.

Low takes every amount at its low, high every one at its high: since each only ever adds to the cost, their sums are the
outer range of the total. That range is no probability, and no case in it is likelier than another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain

from optimiser.costing.project.amounts import CASES, ZERO, Range, exactly, total
from optimiser.costing.project.buy_or_rent import BuyOrRent, compared
from optimiser.costing.project.commitments import Commitments
from optimiser.costing.project.energy import ProjectEnergy, energy_of
from optimiser.costing.project.job_runs import JOB_HOURS
from optimiser.costing.project.left_out import combined, not_included
from optimiser.costing.project.lines import (
    CONFIDENCE,
    JOB_USD,
    Item,
    Serving,
    items_of,
    monthly_queries,
)
from optimiser.costing.project.per_use import UnitCosts, unit_costs
from optimiser.costing.project.prices import Prices
from optimiser.costing.project.read import Project, compute_sections
from optimiser.costing.project.schema import LINES
from optimiser.costing.project.sensitivity import SWING, Swing, ends_of, swings
from optimiser.costing.project.serving import End, FleetCurve, planned_fleets
from optimiser.costing.project.training_job import JobFigures, Jobs, jobs_of
from optimiser.errors import UsageError, bad_value
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.recommend import FEWEST_REQUESTS
from optimiser.workload import Workload

SCHEMA_VERSION = "1.1"
_MOST_USD = Decimal("1e15")


@dataclass(frozen=True, kw_only=True)
class BudgetItem:
    """USD in whole cents over the horizon, and month by month."""

    line: str
    item: str
    total: Range
    monthly: tuple[Range, ...]


@dataclass(frozen=True, kw_only=True)
class BudgetLine:
    """The items of a line summed; share is of the expected total."""

    line: str
    total: Range
    share: float
    monthly: tuple[Range, ...]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The answer. Money is USD in whole cents, so that items sum to lines and lines to the total. owed_after_end is
    what commitments of serving still owe after the last month if nothing else uses them, total_with_owed both.
    """

    schema_version: str = SCHEMA_VERSION
    name: str
    description: str
    source: str
    currency: str
    planned_on: date | None
    months: tuple[str, ...]
    total: Range
    owed_after_end: Range
    total_with_owed: Range
    dominates: str | None
    lines: tuple[BudgetLine, ...]
    items: tuple[BudgetItem, ...]
    unit_costs: UnitCosts | None
    serving: FleetCurve | None
    commitments: Commitments | None
    training_jobs: tuple[JobFigures, ...]
    energy: ProjectEnergy | None
    sensitivity: tuple[Swing, ...]
    buy_or_rent: BuyOrRent | None
    combined: str
    not_included: tuple[str, ...]
    notes: tuple[str, ...]


def needs_prices(project: Project) -> bool:
    """Whether anything of the project is planned or compared at the prices in force."""
    fields = project.fields
    served = fields.inference is not None and fields.inference.workload is not None
    jobs = any(compute.job is not None for compute in compute_sections(fields).values())
    return served or jobs or fields.buy_or_rent is not None


def budget_of(project: Project, prices: Prices | None = None) -> Budget:
    """The budget of a project; prices are needed where needs_prices says so.

    Raises what planning its training job or serving its workload raises, UsageError for a GPU or region unknown.
    """
    fields, months = project.fields, month_names(project.fields.start, project.fields.months)
    jobs = jobs_of(project, prices, months)
    curve = _curve(project, prices, project.inputs)
    worked_out = _worked_out(jobs, curve)
    inputs, given = {**project.inputs, **worked_out}, project.given | set(worked_out)
    serving = None if curve is None else curve.usd_per_month
    items = _items(project, inputs, serving, jobs)
    overall = _overall(project, items)
    lines = tuple(
        _line(name, items, overall.expected) for name in LINES if any(item.line == name for item in items)
    )
    expected = _at(inputs, "expected")
    signed = None if curve is None else curve.commitments(monthly_queries(fields, expected), months)
    asked = {case: monthly_queries(fields, _at(inputs, case)) for case in CASES} if curve else {}
    owed = exactly(ZERO) if curve is None else curve.owed_after_end(asked)
    return Budget(
        name=fields.name,
        description=fields.description,
        source=fields.source,
        currency=fields.currency,
        planned_on=None if prices is None else prices.book.as_of,
        months=months,
        total=overall,
        owed_after_end=owed,
        total_with_owed=_sum([overall, owed]),
        dominates=max(lines, key=lambda line: line.total.expected).line if overall.expected else None,
        lines=lines,
        items=items,
        unit_costs=unit_costs(
            fields,
            expected,
            overall.expected,
            total([line.total.expected for line in lines if line.line == "inference"]),
            expected.get("inference.tokens_per_query") if curve is None else curve.tokens_per_query,
        ),
        serving=curve,
        commitments=signed,
        training_jobs=jobs.figures,
        energy=energy_of(fields, expected, curve, jobs.figures),
        sensitivity=_swings(project, inputs, given, curve, jobs),
        buy_or_rent=_buy_or_rent(project, prices),
        combined=combined(curve),
        not_included=not_included(project, signed),
        notes=(*_past(months, prices), *_notes(project, jobs.figures, curve)),
    )


def _worked_out(jobs: Jobs, curve: FleetCurve | None) -> dict[str, Range]:
    """The inputs that plans of training jobs and of serving give."""
    found = {f"{job.section}.gpu_hours": job.gpu_hours for job in jobs.figures}
    found |= {f"{job.section}.{JOB_USD}": job.usd for job in jobs.figures if job.section not in jobs.whole}
    found |= {f"{name}.{JOB_HOURS}": paid.hours for name, paid in jobs.whole.items()}
    if curve is not None and curve.confidence_asked is not None:
        found[CONFIDENCE] = curve.confidence_asked
    return found


def _overall(project: Project, items: tuple[BudgetItem, ...]) -> Range:
    """What all items come to. Raises UsageError where that is more money than there is."""
    overall = _sum([item.total for item in items])
    if overall.high > _MOST_USD:
        right = "more than all money there is: is an amount in other units?"
        raise bad_value(project.where, "total in USD, high", float(overall.high), right)
    return overall


def month_names(start: str, months: int) -> tuple[str, ...]:
    """The months from start ("2026-12") on, as many as told."""
    year, month = map(int, start.split("-"))
    counted = range(year * 12 + month - 1, year * 12 + month - 1 + months)
    return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}" for number in counted)


def _items(
    project: Project, inputs: Mapping[str, Range], serving: Serving | None, jobs: Jobs
) -> tuple[BudgetItem, ...]:
    cases = [items_of(project.fields, _at(inputs, case), serving, jobs.whole) for case in CASES]
    return tuple(
        BudgetItem(
            line=low.line,
            item=low.item,
            total=Range(low=low.total, expected=mid.total, high=high.total),
            monthly=tuple(_ranges(low, mid, high)),
        )
        for low, mid, high in zip(*cases, strict=True)
    )


def _at(inputs: Mapping[str, Range], case: str) -> dict[str, Decimal]:
    return {name: getattr(amount, case) for name, amount in inputs.items()}


def _ranges(low: Item, expected: Item, high: Item) -> list[Range]:
    months = zip(low.monthly, expected.monthly, high.monthly, strict=True)
    return [Range(low=one, expected=two, high=three) for one, two, three in months]


def _sum(ranges: list[Range]) -> Range:
    return Range(**{case: total([getattr(one, case) for one in ranges]) for case in CASES})


def _line(name: str, items: tuple[BudgetItem, ...], whole: Decimal) -> BudgetLine:
    own = [item for item in items if item.line == name]
    summed = _sum([item.total for item in own])
    return BudgetLine(
        line=name,
        total=summed,
        share=float(summed.expected / whole) if whole else 0.0,
        monthly=tuple(_sum(list(month)) for month in zip(*(item.monthly for item in own), strict=True)),
    )


def _curve(project: Project, prices: Prices | None, inputs: Mapping[str, Range]) -> FleetCurve | None:
    """Serving plans that cover the volumes of every case and of every input moved."""
    if prices is None or prices.serving is None or project.fields.inference is None:
        return None
    most, expected = project.fields.inference.volumes, _at(inputs, "expected")
    cases = {case: monthly_queries(project.fields, _at(inputs, case)) for case in CASES}
    ends = []
    for name in ("inference.users", "inference.queries_per_user_day", "inference.growth_per_month"):
        amount, moved = inputs[name], ends_of(name, inputs[name])
        for sign, end in (("−", moved.low), ("+", moved.high)):
            said = f"{float(end):g}" if amount.is_given else f"{sign}{float(SWING) * 100:g} %"
            volumes = monthly_queries(project.fields, expected | {name: end})
            ends.append(End(input=name, said=said, queries=tuple(volumes)))
    _check_volumes(project.where, prices.serving.workload, chain(*cases.values()))
    return planned_fleets(prices.serving, cases, ends, most)


def _check_volumes(where: str, workload: Workload, volumes: Iterable[Decimal]) -> None:
    """There is no planning for next to no queries: UsageError says of which fields that is."""
    hours = sum(period.hours for period in workload.periods)
    needed, least = FEWEST_REQUESTS * HOURS_PER_MONTH / hours, min(volume for volume in volumes if volume)
    if least < needed:
        raise UsageError(
            f"{where}: inference.users, inference.queries_per_user_day and inference.growth_per_month: "
            f"{float(least):.3g} queries in a month at the least: a serving plan takes {needed:.3g} or more"
        )


def _swings(
    project: Project,
    inputs: Mapping[str, Range],
    given: Collection[str],
    curve: FleetCurve | None,
    jobs: Jobs,
) -> tuple[Swing, ...]:
    unmoved = {name: amount.expected for name, amount in inputs.items()}
    serving, not_moved, without_plan = None, tuple[str, ...](), tuple[tuple[str, Decimal], ...]()
    if curve is not None:
        serving, not_moved = curve.usd_per_month, curve.not_moved
        without_plan = tuple((CONFIDENCE, one.confidence) for one in curve.not_planned)

    def total_usd(values: Mapping[str, Decimal]) -> Decimal:
        return total(
            [one.total for one in items_of(project.fields, unmoved | dict(values), serving, jobs.whole)]
        )

    moved = {name: amount for name, amount in inputs.items() if name in given and name not in not_moved}
    return swings(moved, total_usd, without_plan)


def _buy_or_rent(project: Project, prices: Prices | None) -> BuyOrRent | None:
    section = project.fields.buy_or_rent
    if section is None or prices is None:
        return None
    return compared(section, project.where, prices.config, prices.book, prices.policy)


def _notes(project: Project, jobs: tuple[JobFigures, ...], curve: FleetCurve | None) -> tuple[str, ...]:
    notes = list(dict.fromkeys(note for job in jobs for note in job.notes))
    training = project.fields.training
    for job in jobs:
        if training is not None and job.section == "training":
            needed = job.hours.expected * project.inputs["training.runs"].expected
            if needed > (given := training.months * HOURS_PER_MONTH):
                notes.append(
                    f"training: its runs one after another take {needed:,.0f} h, its months have {given:,} h"
                )
    return (*notes, *(curve.notes if curve is not None else ()))


def _past(months: tuple[str, ...], prices: Prices | None) -> tuple[str, ...]:
    """Months before the day planned on, which prices of that day stand for."""
    if prices is None or months[0] >= (now := f"{prices.book.as_of:%Y-%m}"):
        return ()
    past = sum(month < now for month in months)
    return (
        f"start: {past} of {len(months)} months lie before {prices.book.as_of}, the day planned on: its prices are "
        "used for them too",
    )
