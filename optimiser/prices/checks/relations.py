"""Do the prices of one instance type stand in the order they ought to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from optimiser.prices.checks.evidence import Evidence, hold, subject_of, usd, warn
from optimiser.prices.refreshed import Finding
from providers.offer import Offer, Tier

SPOT_OVER_ON_DEMAND = Decimal("1.05")
SPOT_SHARE_ABOVE = 4


def spot_not_above_on_demand(evidence: Evidence) -> Iterator[Finding]:
    """Spot costs no more than 1.05 times the same type on demand in the same region.

    On demand as fetched now, else as in force. Each offer above is a warning; more than a quarter of a scope's
    spot offers above hold it. Why: one pool may be dear for an hour, many at once are another tier's rows.
    """
    for scope, prices in evidence.candidate.items():
        if scope.tier is not Tier.SPOT:
            continue
        on_demand, above = evidence.on_demand_usd(scope.region), 0
        for offer in prices.offers:
            list_price = on_demand.get((offer.region_kind, offer.instance_type))
            if list_price is not None and offer.usd_per_hour > list_price * SPOT_OVER_ON_DEMAND:
                above += 1
                text = (
                    f"spot at {usd(offer.usd_per_hour)} USD/h is dearer than on demand at {usd(list_price)}"
                )
                yield warn("spot_not_above_on_demand", scope, subject_of(offer), text)
        if above * SPOT_SHARE_ABOVE > len(prices.offers):
            text = f"{above:,} of {len(prices.offers):,} spot prices are above on demand"
            yield hold("spot_not_above_on_demand", scope, "", text)


def longer_terms_not_dearer(evidence: Evidence) -> Iterator[Finding]:
    """Committing for longer costs no more per hour, and a commitment less than no commitment.

    Compared all in, within one type, kind, payment and contract; each exception is a warning alone, for real
    price lists have some. Why: many at once are terms divided by the wrong hours.
    """
    for scope, prices in evidence.candidate.items():
        if scope.tier is not Tier.RESERVED:
            continue
        on_demand = evidence.on_demand_usd(scope.region)
        for offer, shorter in _with_next_shorter(prices.offers):
            cost = offer.amortised_usd_per_hour
            if shorter is not None and cost > shorter.amortised_usd_per_hour:
                than = f"{shorter.term_months} months at {usd(shorter.amortised_usd_per_hour)}"
                text = f"{offer.term_months} months at {usd(cost)} USD/h all in are dearer than {than}"
                yield warn("longer_terms_not_dearer", scope, subject_of(offer), text)
            list_price = on_demand.get((offer.region_kind, offer.instance_type))
            if list_price is not None and not offer.contract and cost >= list_price:
                text = (
                    f"committed at {usd(cost)} USD/h all in is no cheaper than on demand at {usd(list_price)}"
                )
                yield warn("longer_terms_not_dearer", scope, subject_of(offer), text)


def _with_next_shorter(offers: tuple[Offer, ...]) -> Iterator[tuple[Offer, Offer | None]]:
    """Each offer with the same one at the next shorter term, None where there is none."""
    alike: dict[tuple[str, ...], list[Offer]] = defaultdict(list)
    for offer in offers:
        terms = (offer.market, offer.kind, offer.payment, offer.contract)
        alike[offer.region_kind, offer.instance_type, *terms].append(offer)
    for group in alike.values():
        group.sort(key=lambda offer: offer.term_months)
        yield group[0], None
        yield from zip(group[1:], group, strict=False)
