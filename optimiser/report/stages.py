"""What runs while owned machines last that end within the days planned, and what changes on which day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from optimiser.planning.owned import PLANNED_DAYS
from optimiser.planning.plan import Plan, PlanWhileOwned
from optimiser.planning.plan_bought import PlanAmount, PlanSigning
from optimiser.planning.stages import lacking
from optimiser.report import fleet
from optimiser.report.document import Block, Table
from optimiser.report.headline import answer, place
from optimiser.report.wording import counted, provider_name, usd, words

_PROOF = (
    "Each is planned by itself, and its gap is to plans that sign no more than what follows keeps in use; that all of "
    "them together are the cheapest is not proven."
)


def blocks(plan: Plan) -> tuple[Block, ...]:
    """The fleet of each stage, what is signed and needed when, what all days cost, and what is proven."""
    whole = plan.while_owned
    if whole is None:
        return ()
    found: list[Block] = []
    for number, one in enumerate(whole.stages):
        since = f"From {one.first_day} until" if number else "Until"
        found.append(f"{since} {one.until} ({counted(one.days, 'day')}): {answer(one.plan)}.")
        found.append(_without_details(fleet.table(one.plan)))
    proof = _PROOF
    if whole.planned_days > PLANNED_DAYS:
        proof += (
            f" Each is for an average of all {whole.planned_days} days of the demand, not for its own days."
        )
    return (*found, *_changes(plan, whole), _cost(plan, whole), proof)


def _without_details(table: Table) -> Table:
    """What signing means is said of the plan, not of each stage."""
    return replace(table, rows=tuple(replace(row, detail="") for row in table.rows))


def _changes(plan: Plan, whole: PlanWhileOwned) -> Iterator[str]:
    """What to sign when, and on the day after an end what must be had anew, and where it moves to."""
    yield from (f"Sign now: {text}." for text in _signed(whole.stages[0].plan, ()))
    days = [one.until + timedelta(days=1) for one in whole.stages]
    for day, (before, after) in zip(days, pairwise([*(one.plan for one in whole.stages), plan]), strict=True):
        yield from (f"Sign on {day}, not before: {text}." for text in _signed(after, before.signing))
        if place(before) != place(after):
            yield f"On {day} it moves from {place(before)} to {place(after)}."
        yield from _needed(before, after, day)


def _signed(plan: Plan, before: tuple[PlanSigning, ...]) -> Iterator[str]:
    """What the plan's contracts hold beyond those before it."""
    held = {(_terms(row), one.unit): one.amount for row in before for one in row.amounts}
    for row in plan.signing:
        more = [
            replace(one, amount=one.amount - held.get((_terms(row), one.unit), Decimal(0)))
            for one in row.amounts
        ]
        what = ", ".join(_what(one, row) for one in more if one.amount > 0)
        if what:
            yield f"{what}, {words(row.kind)} of {row.term_months} months, {words(row.payment)}"


def _what(one: PlanAmount, row: PlanSigning) -> str:
    if one.unit == "instance":
        return f"{one.amount:,} × {row.scope}"
    return fleet.amount_text(one) + (f" for {row.scope}" if row.scope else "")


def _terms(row: PlanSigning) -> tuple[str, ...]:
    return (row.provider, row.kind, str(row.term_months), row.payment, row.contract, row.scope)


def _needed(before: Plan, after: Plan, day: date) -> Iterator[str]:
    """Scarce machines of which more run than before, beside what is owned."""
    had, most_after = (fleet.firm_instances(one, ("spot", "owned")) for one in (before, after))
    names = {option.id: option for option in after.options}
    for option_id, most in most_after.items():
        option, more = names[option_id], most - had.get(option_id, 0)
        if more > 0 and option.obtainability != "elastic":
            yield (
                f"! From {day} it takes {more:,} more × {option.instance_type} in {option.region} beside what is "
                f"owned: {words(option.obtainability)}, so have that capacity reserved before."
            )


def _cost(plan: Plan, whole: PlanWhileOwned) -> str:
    """What the days planned cost in all."""
    parts = [
        f"{counted(one.days, 'day')} at {usd(one.plan.totals.total_monthly_usd)}" for one in whole.stages
    ]
    rest = whole.planned_days - sum(one.days for one in whole.stages)
    parts.append(f"{rest} at {usd(plan.totals.total_monthly_usd - lacking(plan))}")
    parts += [
        f"{usd(one.monthly_usd)} a month promised to {provider_name(one.provider)} and not spent on average"
        for one in whole.charges
    ]
    saved = usd(plan.totals.total_monthly_usd - whole.monthly_usd)
    return (
        f"The {whole.planned_days} days planned cost {usd(whole.usd)} in all, {usd(whole.monthly_usd)} a month on "
        f"average ({', '.join(parts)}): {saved} a month less than without what is owned until then. All below is of "
        "the time after."
    )
