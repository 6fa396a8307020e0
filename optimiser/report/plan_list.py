"""Plans of many workloads in a line each: what it costs where, of what fleet, what it saves, or why there is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from optimiser.planning.plan import Plan
from optimiser.planning.price_ages import OldestPrice, oldest_in_use, oldest_of, past_their_age
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.headline import headline_baseline, place, saved_share
from optimiser.report.price_age import at_old_prices, oldest_said
from optimiser.report.wording import counted, percent, provider_name, usd

_COLUMNS = (
    Column("workload"),
    Column("$ a month", right=True),
    Column("where"),
    Column("fleet"),
    Column("saved", right=True),
    Column("gap", right=True),
    Column("error", right=True),
)
_LEGEND = (
    "Fleet: the most instances at one time, spot beside the others. Saved: against the best single instance type on "
    "demand, hour by hour. Error: of throughput, ? where little like it was measured."
)


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One workload: its plan in short, or exit_code and why_no_plan with everything else unknown.

    monthly_usd is all in; where owned machines end within the days planned it is of the time after, and
    over_planned_days_usd what those days cost a month on average. saved_share is of the best single instance type on
    demand hour by hour. oldest_price_on is set where the plan uses prices past the policy's limits, oldest_prices of
    each tier in use always.
    """

    workload: str
    monthly_usd: Decimal | None = None
    where: str = ""
    fleet: str = ""
    saved_share: float | None = None
    gap: float | None = None
    estimate_relative_error: float | None = None
    low_confidence: bool | None = None
    oldest_price_on: date | None = None
    oldest_prices: tuple[OldestPrice, ...] = ()
    providers_left_out: tuple[str, ...] = ()
    exit_code: int = 0
    why_no_plan: str = ""
    over_planned_days_usd: Decimal | None = None


def row_of(name: str, plan: Plan) -> PlanRow:
    """A plan in short."""
    baseline = headline_baseline(plan)
    oldest = oldest_in_use([plan])
    return PlanRow(
        workload=name,
        monthly_usd=plan.totals.total_monthly_usd,
        where=place(plan),
        fleet=_fleet(plan),
        saved_share=None if baseline is None else saved_share(baseline),
        gap=plan.bound.gap,
        estimate_relative_error=plan.estimate_relative_error,
        low_confidence=any(option.low_confidence for option in plan.options),
        oldest_price_on=min(one.observed_on for one in oldest) if past_their_age(oldest) else None,
        oldest_prices=oldest,
        providers_left_out=tuple(one.provider for one in plan.providers_left_out),
        over_planned_days_usd=plan.while_owned.monthly_usd if plan.while_owned else None,
    )


def without_plan(name: str, why: str, exit_code: int) -> PlanRow:
    """A workload that has no plan."""
    return PlanRow(workload=name, why_no_plan=why, exit_code=exit_code)


def plan_list_document(rows: Sequence[PlanRow]) -> Document:
    """The rows in order, those without a plan with their reason, and what all of them cost."""
    planned = [row for row in rows if row.monthly_usd is not None]
    total = sum((row.monthly_usd for row in planned if row.monthly_usd is not None), Decimal(0))
    count = (
        counted(len(rows), "workload")
        if len(planned) == len(rows)
        else f"{len(planned):,} of {len(rows):,} workloads"
    )
    oldest = oldest_of(price for row in planned for price in row.oldest_prices)
    headline = f"{count} planned apart: {usd(total)} a month{at_old_prices(oldest)}"
    return Document(
        headline,
        (
            Section(
                "Plans",
                (Table(_COLUMNS, tuple(map(_cells, rows))), *oldest_said(oldest), *_basis(planned), _LEGEND),
            ),
        ),
    )


def _cells(row: PlanRow) -> Row:
    if row.monthly_usd is None or row.gap is None or row.estimate_relative_error is None:
        return Row((row.workload, "no plan", "", "", "", "", ""), row.why_no_plan)
    saved = "—" if row.saved_share is None else percent(row.saved_share)
    doubt = " ?" if row.low_confidence else ""
    error = f"±{percent(row.estimate_relative_error)}{doubt}"
    return Row((row.workload, usd(row.monthly_usd), row.where, row.fleet, saved, percent(row.gap), error))


def _basis(planned: Sequence[PlanRow]) -> list[str]:
    """What the plans rest on that nobody should miss: prices that are old, providers that were not compared."""
    said = []
    if old := [row.oldest_price_on for row in planned if row.oldest_price_on]:
        said.append(f"! Old prices in {len(old):,} of {len(planned):,} plans, the oldest of {min(old)}.")
    if staged := [row for row in planned if row.over_planned_days_usd is not None]:
        total = sum(
            (row.over_planned_days_usd or row.monthly_usd or Decimal(0) for row in planned), Decimal(0)
        )
        said.append(
            f"{len(staged):,} of {len(planned):,} plans are of the time after owned machines end: over the days "
            f"planned all plans together cost {usd(total)} a month on average."
        )
    missing = {provider: None for row in planned for provider in row.providers_left_out}
    if missing:
        said.append(f"! Not compared, for want of prices: {', '.join(map(provider_name, missing))}.")
    return said


def _fleet(plan: Plan) -> str:
    """`8 × p5.48xlarge + 3 spot, 2 × g6.xlarge`: the most instances of a type at one time."""
    options = {option.id: option for option in plan.options}
    purchases = {purchase.id: purchase for purchase in plan.purchases}
    running: dict[tuple[str, bool], dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
    for count in plan.counts:
        bought = purchases[count.purchase]
        option = options[bought.option]
        at_once = running[option.instance_type, bought.how == "spot"]
        at_once[count.scenario, count.period] += count.units * option.instances_per_unit
    most = {key: max(at_once.values()) for key, at_once in running.items()}
    types = sorted({name for name, _ in most}, key=lambda name: (-most.get((name, False), 0), name))
    parts = []
    for name in types:
        firm, spot = most.get((name, False), 0), most.get((name, True), 0)
        parts.append(
            f"{firm:,} × {name} + {spot:,} spot"
            if firm and spot
            else f"{firm or spot:,} × {name}{' spot' * bool(spot)}"
        )
    return ", ".join(parts)
