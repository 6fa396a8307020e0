"""What a commitment is compared at: over its term, what is bought by the hour gets cheaper. It is in the prices of
the purchases, so it needs no row.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.problem import Option, Problem
from optimiser.planning.rules.rule import Term
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy

HOURS_PER_MONTH_OF_TERM = 730
_CENT = 0.01


def verify_weigh_commitments(view: PlanView) -> list[str]:
    """Every offer in use is weighed at its planned price, over φ(T) where it is a commitment of T years.

    φ(T) = expm1(x) / x with x = T · ln(1 − price_decline_per_year); money up front counts i · n / (1 − (1 + i)^(−n))
    times over n months, with i the month's part of discount_rate_per_year. What it counts beyond itself is what a
    commitment says its capital costs a month of 730 h, where it says so.
    """
    faults = []
    for offer in {view.offer_of(name)["id"]: view.offer_of(name) for name in view.used()}.values():
        right = _weighed(view.policy, offer)
        if not abs(float(offer["weighed_usd_per_hour"]) - right) <= TOLERANCE * max(right, 1.0):
            faults.append(f"{offer['id']}: weighed at {offer['weighed_usd_per_hour']}, not {right:.9g}")
    for purchase in view.plan["purchases"]:
        stated = (purchase["commitment"] or {}).get("capital_monthly_usd")
        if stated is not None:
            count = max(view.units[purchase["id"]]) * view.option_of(purchase["id"])["instances_per_unit"]
            offer = view.offer_of(purchase["id"])
            capital = capital_per_hour(view.policy, offer) * HOURS_PER_MONTH_OF_TERM * count
            if not abs(float(stated) - capital) <= _CENT:
                faults.append(f"{purchase['id']}: capital of {stated} USD a month, not {capital:.2f}")
    return faults


def capital_per_hour(policy: dict[str, Any], offer: dict[str, Any]) -> float:
    """USD per instance-hour that money up front costs beyond its amount."""
    months, rate = int(offer["term_months"]), math.log1p(float(policy["discount_rate_per_year"])) / 12
    upfront = float(offer["upfront_usd"])
    if not upfront or not rate:
        return 0.0
    return upfront * (math.expm1(rate) / -math.expm1(-rate * months) - 1 / months) / HOURS_PER_MONTH_OF_TERM


def _weighed(policy: dict[str, Any], offer: dict[str, Any]) -> float:
    months = int(offer["term_months"])
    if not months:
        return float(offer["planned_usd_per_hour"])
    fall = months / 12 * math.log1p(-float(policy["price_decline_per_year"]))
    price = float(offer["planned_usd_per_hour"]) + capital_per_hour(policy, offer)
    return price / (math.expm1(fall) / fall if fall else 1.0)


def weighing_in_words(policy: Policy) -> str:
    """What commitments are compared with."""
    fall, rate = policy.price_decline_per_year, policy.discount_rate_per_year * policy.allow_upfront
    falling = f"weighed against on-demand prices that fall {fall * 100:g} % a year" if fall else ""
    ahead = f"money up front at {rate * 100:g} % a year" if rate else ""
    both = ", ".join(words for words in (falling, ahead) if words)
    return f"commitments {both}" if falling else both


def at_their_own_price(problem: Problem) -> Problem:
    """The problem that compares commitments at what they are billed."""
    usd_per_kg = problem.policy.carbon_usd_per_tonne / KG_PER_TONNE

    def billed(option: Option) -> Option:
        carbon = usd_per_kg * option.kg_per_unit_hour
        priced = (
            replace(one, usd_per_unit_hour=one.billed + carbon, billed_usd_per_unit_hour=one.billed)
            for one in option.purchases
        )
        return replace(option, purchases=tuple(priced))

    options = tuple(map(billed, problem.options))
    change = {"price_decline_per_year": 0.0, "discount_rate_per_year": 0.0}
    return replace(problem, options=options, policy=problem.policy.model_copy(update=change))


WEIGH_COMMITMENTS = Term(
    name="weigh_commitments",
    verify=verify_weigh_commitments,
    limit=weighing_in_words,
    without=at_their_own_price,
    eased="price_decline_per_year: 0 and discount_rate_per_year: 0",
    always_priced=True,
    decides_on_sites=True,
)
