"""Is a price anywhere near what such a machine costs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from decimal import Decimal
from statistics import median

from optimiser.prices.checks.evidence import Evidence, hold_price, usd
from optimiser.prices.refreshed import Finding
from providers.fetch import Scope
from providers.offer import STANDARD, Offer, Tier
from providers.shape import InstanceShape

LEAST_USD_PER_GPU_HOUR = Decimal("0.05")
MOST_USD_PER_GPU_HOUR = Decimal(60)
FACTOR_OFF_MEDIAN = 6
FACTOR_OFF_SNAPSHOT = 3
ENOUGH_OF_A_TYPE = 3


def price_in_band(evidence: Evidence) -> Iterator[Finding]:
    """All in and per GPU, a price lies within 0.05 to 60 USD/h and within sixfold of the usual one, else held.

    The usual one is the median, in one tier and over all regions (as fetched, else as in force), of the same
    instance type; of all types with the same GPU where the type has fewer than three prices. Why so wide:
    Azure asks 98 USD/h for one H100 machine here and 187 there, T4 machines with the largest hosts cost eight
    times the smallest per GPU, and spot spreads about fourfold. What this catches is a term not divided by
    its hours, or a host without its GPUs. A price with none in force before it is also held where it is more
    than threefold (spot and commitments: sixfold) off the type's median in the embedded snapshot.
    """
    usual = _usual(evidence)
    in_force = {offer.offer_id for prices in evidence.last_good.values() for offer in prices.offers}
    for scope, offer in evidence.offers():
        shape = evidence.shapes.get((offer.provider, offer.instance_type))
        cost = evidence.per_gpu_usd(offer)
        if shape and cost is not None:
            of_type, count = usual[offer.tier, offer.instance_type]
            of_gpu, _ = usual[offer.tier, _family(shape)]
            yield from _outside(scope, offer, cost, of_type if count >= ENOUGH_OF_A_TYPE else of_gpu)
            if offer.offer_id not in in_force:
                yield from _unlike_before(scope, offer, evidence.reference_usd)


def _outside(scope: Scope, offer: Offer, cost: Decimal, usual: Decimal) -> Iterator[Finding]:
    if not LEAST_USD_PER_GPU_HOUR <= cost <= MOST_USD_PER_GPU_HOUR:
        right = f"outside {LEAST_USD_PER_GPU_HOUR} to {MOST_USD_PER_GPU_HOUR}"
        yield hold_price("price_in_band", scope, offer, f"{usd(cost)} USD per GPU-hour is {right}")
    elif cost > usual * FACTOR_OFF_MEDIAN or cost * FACTOR_OFF_MEDIAN < usual:
        text = f"{usd(cost)} USD per GPU-hour, where {usd(usual)} is usual"
        yield hold_price("price_in_band", scope, offer, text)


def _unlike_before(
    scope: Scope, offer: Offer, reference: Mapping[tuple[str, str], Decimal]
) -> Iterator[Finding]:
    """A first price has nothing in force to be compared with: the embedded snapshot stands in."""
    usual, usd_per_hour = reference.get((offer.tier.value, offer.instance_type)), offer.amortised_usd_per_hour
    factor = FACTOR_OFF_SNAPSHOT if offer.tier is Tier.ON_DEMAND else FACTOR_OFF_MEDIAN
    if usual and offer.market == STANDARD and not usual <= usd_per_hour * factor <= usual * factor * factor:
        text = f"{usd(usd_per_hour)} USD/h all in, where {usd(usual)} is usual in the embedded snapshot"
        yield hold_price("price_in_band", scope, offer, text)


def _usual(evidence: Evidence) -> dict[Hashable, tuple[Decimal, int]]:
    """(median in USD per GPU and hour, of how many), by (tier, instance type) and by (tier, GPU)."""
    costs: dict[Hashable, list[Decimal]] = defaultdict(list)
    for prices in {**evidence.last_good, **evidence.candidate}.values():
        for offer in prices.offers:
            shape = evidence.shapes.get((offer.provider, offer.instance_type))
            cost = evidence.per_gpu_usd(offer)
            if shape and cost is not None:
                costs[offer.tier, offer.instance_type].append(cost)
                costs[offer.tier, _family(shape)].append(cost)
    return {key: (median(values), len(values)) for key, values in costs.items()}


def _family(shape: InstanceShape) -> tuple[str, str]:
    return ("GPU", shape.gpu)
