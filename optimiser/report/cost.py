"""Money: what the plan costs, per month and per token, and what it saves against what."""

from __future__ import annotations

from optimiser.planning.plan import HOURS_PER_MONTH, Plan
from optimiser.planning.plan_parts import PlanAlternative
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.headline import dearest_first, saved_share
from optimiser.report.up_front import cash_said
from optimiser.report.wording import counted, percent, provider_name, usd, usd_or_dash, words

WITHOUT_SPOT = "without_spot"
_ABSENT = "—: not allowed or not possible under this policy."
_SPOT = "Spot's part of the saving"
_SCENARIOS_SHOWN = 10


def blocks(plan: Plan) -> tuple[Block, ...]:
    """Cost a month and per 1M tokens, and by scenario, where there are several."""
    totals = plan.totals
    tokens = (
        f"Per 1M tokens: {usd(totals.usd_per_million_input_tokens)} input, "
        f"{usd(totals.usd_per_million_output_tokens)} output, "
        f"{usd(totals.usd_per_million_tokens)} blended over the mix."
    )
    charges = f" + charges {usd(totals.charges_monthly_usd)}" if plan.charges else ""
    month = (
        f"Instances {usd(totals.monthly_usd)}{charges} + overheads {usd(totals.overheads_monthly_usd)} = "
        f"{usd(totals.total_monthly_usd)} a month of {HOURS_PER_MONTH} h; what runs is "
        f"{percent(totals.mean_utilisation)} busy on average."
    )
    owed = (
        f"Charged {usd(one.monthly_usd)} a month: {provider_name(one.provider)}, {one.what}."
        for one in plan.charges
    )
    cash = cash_said(plan)
    paid = (f"Commitments: {cash}.",) if cash else ()
    return (month, *paid, *owed, tokens, *_by_scenario(plan))


def _by_scenario(plan: Plan) -> tuple[Block, ...]:
    """The dearest scenarios, and what all of them share."""
    dearest = dearest_first(plan)
    if not dearest:
        return ()
    rows = tuple(
        Row((one.name, percent(one.probability), usd_or_dash(one.monthly_usd)))
        for one in dearest[:_SCENARIOS_SHOWN]
    )
    table = Table(
        (Column("scenario"), *(Column(name, right=True) for name in ("probability", "$ a month"))), rows
    )
    more = len(dearest) - len(rows)
    rest = (f"{counted(more, 'scenario')} more cost no more than the last of these.",) if more else ()
    shared = "All of the above is expected over the scenarios; what runs all along is the same in each."
    return (shared, table, *rest)


def savings(plan: Plan) -> tuple[Block, ...]:
    """The plan against every baseline, and spot's part of the saving."""
    if not plan.baselines:
        return (_spot_part(plan),)
    money = (Column(name, right=True) for name in ("$ a month", "saved", ""))
    table = Table((Column("baseline"), *money), tuple(map(_row, plan.baselines)))
    absent = (_ABSENT,) if any(one.monthly_usd is None for one in plan.baselines) else ()
    return (table, *absent, _spot_part(plan))


def _row(baseline: PlanAlternative) -> Row:
    extra = baseline.extra_monthly_usd
    if baseline.monthly_usd is None or extra is None:
        saved, share = "—", ""
    elif extra == 0:
        saved, share = "nothing", "costs the same"
    else:
        saved, share = usd(extra), percent(saved_share(baseline))
    name = baseline.description or words(baseline.name)
    return Row((name, usd_or_dash(baseline.monthly_usd), saved, share))


def _spot_part(plan: Plan) -> str:
    """What spot saves against the best plan without it."""
    if all(purchase.how != "spot" for purchase in plan.purchases):
        return f"{_SPOT}: none, the plan uses no spot."
    without = next((one for one in plan.baselines if one.name == WITHOUT_SPOT), None)
    if without is None or without.extra_monthly_usd is None:
        return f"{_SPOT}: cannot be told, there is no plan without spot to compare with."
    return f"{_SPOT}: {usd(without.extra_monthly_usd)} a month, against the best plan without spot."
