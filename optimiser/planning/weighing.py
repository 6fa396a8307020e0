"""What a commitment is worth against prices that fall while it lasts.

A commitment keeps its price for T years, what is bought by the hour gets cheaper. Planning compares both at
today's prices, so a commitment is *weighed* at its price over the share of today's price that buying by the hour
costs on average over the same T years. It is still billed at its own price.
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


def weighed_table(planned: pd.Series, offers: pd.DataFrame, policy: Policy) -> pd.Series:
    """USD per instance-hour at which each offer is weighed; `planned` is what it is billed at."""
    months = offers["term_months"]
    shares = {term: mean_price_share(policy.price_decline_per_year, term / 12) for term in months.unique()}
    return planned / months.map(shares)


def weighed_usd(policy: Policy, offer: Offer, planned: Decimal) -> Decimal:
    """The same for one offer in exact decimals, to 1e-9 USD."""
    share = mean_price_share(policy.price_decline_per_year, offer.term_months / 12)
    return planned if share == 1 else to_nano_usd(planned / Decimal(repr(share)))
