"""What the serving plans behind a budget's inference line are, in words."""

from __future__ import annotations

from optimiser.costing.project.budget import Budget
from optimiser.costing.project.commitments import Commitments
from optimiser.costing.project.serving import FleetCurve, NotPlanned
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.price_age import rests_on
from optimiser.report.wording import counted, site, usd


def serving(budget: Budget) -> tuple[Block, ...]:
    """The serving plans that the inference line rests on."""
    curve = budget.serving
    if curve is None:
        return ()
    columns = (
        Column("queries a month", right=True),
        Column("$ a month", right=True),
        Column("$ a query", right=True),
        Column("GPUs at once", right=True),
        Column("most of each type"),
    )
    rows = tuple(
        Row(
            (
                f"{one.queries_per_month:,.0f}",
                usd(one.usd_per_month),
                usd(one.usd_per_query),
                f"{one.gpus_at_once:,}",
                f"{one.fleet} ({', '.join(site(*place.split('/', 1)) for place in one.sites)})",
            )
        )
        for one in curve.points
    )
    said = (
        "A plan is made anew at each of these volumes, and between two of them cost is on the straight line, around "
        "which whole machines make it a staircase; what a commitment of an earlier month still holds is not carried "
        f"over. {rests_on(curve.relative_error, curve.oldest_prices)}"
    )
    return (Table(columns, rows), said, *_signed(budget.commitments), *_cautions(curve))


def _signed(signed: Commitments | None) -> tuple[str, ...]:
    """What the largest expected plan signs, and what of that is owed after the end."""
    if signed is None:
        return ()
    longest = counted(signed.months_beyond_end, "month")
    beyond = (
        f"Signed as the months ask for them, and again when they end, some run {longest} beyond the last: about "
        f"{usd(signed.usd_beyond_end)} is owed then, which is not in the total."
        if signed.months_beyond_end
        else "Signed as the months ask for them, they end with the last."
    )
    return (
        "Of a commitment a month's cost holds that month alone, cash up front spread over the term. The plan of the "
        f"month that asks most as expected, {signed.largest_in}, signs {usd(signed.contract_value_usd)} in all, "
        f"{usd(signed.upfront_usd)} of it up front; terms are of up to "
        f"{counted(signed.longest_term_months, 'month')}. {beyond}",
    )


def _cautions(curve: FleetCurve) -> tuple[str, ...]:
    """What low and high are planned at, each on its own where one of them has no plan."""
    if curve.confidence is None:
        return ()
    own, above = curve.confidence.expected, "A plan at a higher one carries at a lower one too, so that "
    if not curve.not_planned:
        return (
            f"Low and high are planned for their own queries at a confidence in throughput of {curve.confidence.low} "
            f"and {curve.confidence.high}, the plans above at {own}. {above}in no month low is above expected, or "
            "expected above high.",
        )
    without = {one.case for one in curve.not_planned}
    planned = "".join(
        f"{case.capitalize()} is planned for its own queries at a confidence in throughput of "
        f"{getattr(curve.confidence, case)}, the plans above at {own}. "
        for case in ("low", "high")
        if case not in without
    )
    return (
        planned
        + " ".join(
            f"{one.case.capitalize()} has the plans above, made at {own}, since there is none at {one.confidence}: "
            f"{one.why}."
            for one in curve.not_planned
        ),
    )


def not_planned_said(one: NotPlanned) -> str:
    """`high: no plan within the policy at a confidence of 0.9; its inference is that of 0.75, so a lower bound`"""
    bound = "a lower bound" if one.case == "high" else "an upper bound"
    return (
        f"{one.case}: no plan within the policy at a confidence of {one.confidence}; its inference is that of "
        f"{one.planned_at}, so {bound}"
    )
