"""Cash paid up front, in words: how much, and what the capital in it costs beside what is billed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optimiser.planning.plan import Plan
from optimiser.report.wording import usd


def capital_monthly_usd(plan: Plan) -> Decimal:
    """What the capital in all money up front costs, USD a month; 0 without any, and in plans that do not say."""
    signed = (one.commitment for one in plan.purchases if one.commitment)
    return sum((one.capital_monthly_usd or Decimal(0) for one in signed), Decimal(0))


def capital_said(policy: Mapping[str, Any], capital: Decimal | None) -> str:
    """`, whose capital at 8 % a year costs $20,520 a month on top, in no figure here`; "" where it costs nothing."""
    if not capital:
        return ""
    rate = float(policy["discount_rate_per_year"]) * 100
    return f", whose capital at {rate:g} % a year costs {usd(capital)} a month on top, in no figure here"


def cash_said(plan: Plan) -> str:
    """`$5,982,526 cash up front, whose capital …` of the whole plan; "" where none is paid."""
    paid = sum((one.commitment.upfront_usd for one in plan.purchases if one.commitment), Decimal(0))
    return so_much_said(plan.policy, paid, capital_monthly_usd(plan))


def so_much_said(policy: Mapping[str, Any], paid: Decimal, capital: Decimal | None) -> str:
    """The same of an amount; "" of none."""
    return f"{usd(paid)} cash up front{capital_said(policy, capital)}" if paid else ""
