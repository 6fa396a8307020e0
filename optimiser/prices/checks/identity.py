"""Is each price one price, and from a real cloud?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from optimiser.prices.checks.evidence import Evidence, hold, subject_of, usd
from optimiser.prices.refreshed import Finding
from providers.offer import FIRST_CREDIBLE_YEAR, TEST_DOUBLE_USD_PER_HOUR, Offer


def one_price_per_key(evidence: Evidence) -> Iterator[Finding]:
    """No two offers of a scope share an offer id, and nothing is missing twice; else the scope is held.

    Why: a new axis in a cloud's price list shows first as a second price for what was one product, and the
    last one written would win in silence.
    """
    for scope, prices in evidence.candidate.items():
        seen: dict[str, Offer] = {}
        for offer in prices.offers:
            other = seen.setdefault(offer.offer_id, offer)
            if other is not offer:
                costs = (usd(one.amortised_usd_per_hour) for one in (other, offer))
                pair = f"{' and '.join(costs)} USD/h all in"
                yield hold("one_price_per_key", scope, subject_of(offer), f"has two prices: {pair}")
        absent = Counter(one.place for one in prices.missing)
        for place in (place for place, times in absent.items() if times > 1):
            yield hold(
                "one_price_per_key", scope, place.removeprefix(f"{scope.provider}/"), "is missing twice"
            )


def no_test_double(evidence: Evidence) -> Iterator[Finding]:
    """A price of 0.00001 USD/h, or an observation before 2020, holds its scope. Why: that is what moto, the
    usual stand-in for AWS in tests, answers; an endpoint left pointing at one must never reach a plan.
    """
    for scope, prices in evidence.candidate.items():
        false = [
            subject_of(offer)
            for offer in prices.offers
            if offer.usd_per_hour == TEST_DOUBLE_USD_PER_HOUR or offer.observed_on.year < FIRST_CREDIBLE_YEAR
        ]
        false += [one.instance_type for one in prices.missing if one.observed_on.year < FIRST_CREDIBLE_YEAR]
        if prices.observed_at.year < FIRST_CREDIBLE_YEAR:
            false.append(f"the whole answer, dated {prices.observed_at:%Y-%m-%d}")
        if false:
            signs = f"{TEST_DOUBLE_USD_PER_HOUR:f} USD, or before {FIRST_CREDIBLE_YEAR}"
            text = f"{len(false):,} prices are a test server's ({signs})"
            yield hold("no_test_double", scope, "", f"{text}, such as {false[0]}")
