"""Money: what the plan costs, per month and per token, and what it saves against what."""

from __future__ import annotations

from decimal import Decimal

from optimiser.planning.plan import HOURS_PER_MONTH, Plan, PlanAlternative
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.headline import saved_share
from optimiser.report.wording import percent, usd, usd_or_dash, words

WITHOUT_SPOT = "without_spot"
_SPOT = "Spot's part of the saving"


def blocks(plan: Plan) -> tuple[Block, ...]:
    """Cost a month and per 1M tokens."""
    totals = plan.totals
    tokens = (
        f"Per 1M tokens: {usd(totals.usd_per_million_input_tokens)} input, "
        f"{usd(totals.usd_per_million_output_tokens)} output, "
        f"{usd(totals.usd_per_million_tokens)} blended over the mix."
    )
    month = (
        f"Instances {usd(totals.monthly_usd)} + overheads {usd(totals.overheads_monthly_usd)} = "
        f"{usd(totals.total_monthly_usd)} a month of {HOURS_PER_MONTH} h; what runs is "
        f"{percent(totals.mean_utilisation)} busy in the mean."
    )
    return (month, tokens)


def savings(plan: Plan) -> tuple[Block, ...]:
    """The plan against every baseline, and spot's part of the saving."""
    if not plan.baselines:
        return (_spot_part(plan),)
    money = (Column(name, right=True) for name in ("$ a month", "saved", ""))
    return (Table((Column("baseline"), *money), tuple(map(_row, plan.baselines))), _spot_part(plan))


def _row(baseline: PlanAlternative) -> Row:
    known = baseline.monthly_usd is not None and baseline.extra_monthly_usd is not None
    cells = (
        baseline.description or words(baseline.name),
        usd_or_dash(baseline.monthly_usd),
        usd_or_dash(baseline.extra_monthly_usd),
        percent(saved_share(baseline)) if known else "infeasible",
    )
    return Row(cells)


def _spot_part(plan: Plan) -> str:
    """What spot saves: against the best plan without it, else against the on-demand price of its hours."""
    spot = [purchase for purchase in plan.purchases if purchase.how == "spot"]
    if not spot:
        return f"{_SPOT}: none, the plan uses no spot."
    for other in (*plan.alternatives, *plan.baselines):
        if other.name == WITHOUT_SPOT and other.extra_monthly_usd is not None:
            return f"{_SPOT}: {usd(other.extra_monthly_usd)} a month, against the best plan without spot."
    options = {option.id: option for option in plan.options}
    offers = {offer.id: offer for offer in plan.offers}
    lists = {
        (offer.provider, offer.region, offer.instance_type): offer.planned_usd_per_hour
        for offer in plan.offers
        if offer.tier == "on_demand"
    }
    part = Decimal(0)
    for purchase in spot:
        option, offer = options[purchase.option], offers[purchase.offer]
        on_demand = lists.get((option.provider, option.region, option.instance_type))
        if on_demand is None:
            return f"{_SPOT}: unknown, its instance type has no on-demand price in this plan."
        part += purchase.monthly_usd * (on_demand / offer.planned_usd_per_hour - 1)
    return f"{_SPOT}: {usd(part)} a month, against the on-demand price of its hours."
