"""What a commitment is worth against prices that fall while it lasts.

A commitment keeps its price for T years, what is bought by the hour gets cheaper. Planning compares both at
today's prices, so a commitment is *weighed* at its price over the share of today's price that buying by the hour
costs on average over the same T years, after what is paid up front has borne interest. It is still billed at its
own price.
"""

from __future__ import annotations

import math
from decimal import Decimal

import pandas as pd

from optimiser.policy import Policy
from providers.offer import Offer, to_nano_usd


def mean_price_share(decline_per_year: float, years: float) -> float:
    """φ(T), the mean over T years of a price that falls by d a year, as a share of today's.

    φ(T) = 1/T · ∫₀ᵀ (1 − d)^t dt = (1 − (1 − d)^T) / (−T · ln(1 − d)), 1 where nothing falls or no time passes:
    the mean value of an exponential decay over an interval.
    """
    if not decline_per_year or not years:
        return 1.0
    return (1 - math.pow(1 - decline_per_year, years)) / (-years * math.log(1 - decline_per_year))


def upfront_weight(rate_per_year: float, months: float) -> float:
    """What a dollar paid at the start of a term weighs beside the same dollar billed in equal monthly parts.

    i · n / (1 − (1 + i)^(−n)) over n months, with i = (1 + r)^(1/12) − 1: the capital recovery factor, which turns
    money today into n payments at the ends of the months at the rate i (Park, Contemporary Engineering Economics,
    ch. 3), over the 1 / n that is billed without interest. 1 where r or n is 0.
    """
    if not rate_per_year or not months:
        return 1.0
    growth = math.log1p(rate_per_year) / 12
    return math.expm1(growth) * months / -math.expm1(-growth * months) if growth else 1.0


def weighed_table(planned: pd.Series, offers: pd.DataFrame, policy: Policy) -> pd.Series:
    """USD per instance-hour at which each offer is weighed; `planned` is what it is billed at.

    (planned + (upfront weight − 1) · upfront money per hour of the term) / φ(T)
    """
    months = offers["term_months"]
    factors = {term: _factors(policy, term) for term in months.unique()}
    share, more = (months.map({term: one[part] for term, one in factors.items()}) for part in (0, 1))
    return (planned + more * (offers["amortised_usd_per_hour"] - offers["usd_per_hour"])) / share


def weighed_usd(policy: Policy, offer: Offer, planned: Decimal) -> Decimal:
    """The same for one offer in exact decimals, to 1e-9 USD."""
    share = mean_price_share(policy.price_decline_per_year, offer.term_months / 12)
    capital = capital_usd_per_hour(offer, policy.discount_rate_per_year)
    if share == 1 and not capital:
        return planned
    return to_nano_usd((planned + capital) / Decimal(repr(share)))


def capital_usd_per_hour(offer: Offer, rate_per_year: float) -> Decimal:
    """What the capital in money paid up front costs beyond that money, USD per instance-hour of the term.

    (upfront weight − 1) · upfront money per hour of the term; it is weighed, never billed. 0 without such money.
    """
    upfront = offer.amortised_usd_per_hour - offer.usd_per_hour
    return (
        upfront * Decimal(repr(upfront_weight(rate_per_year, offer.term_months) - 1)) if upfront else upfront
    )


def _factors(policy: Policy, term_months: int) -> tuple[float, float]:
    """φ(T), and what upfront money weighs beyond its amount."""
    share = mean_price_share(policy.price_decline_per_year, term_months / 12)
    return share, upfront_weight(policy.discount_rate_per_year, term_months) - 1
