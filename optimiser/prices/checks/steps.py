"""Did a price leap?"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from optimiser.prices.checks.evidence import (
    DYNAMIC_MARKETS,
    Evidence,
    change_percent,
    hold,
    subject_of,
    usd,
    warn,
)
from optimiser.prices.refreshed import Finding
from providers.offer import Offer, Tier

LIST_PRICE_STEP = Decimal("0.30")
MOVING_PRICE_FACTOR = 4


def no_price_jump(evidence: Evidence) -> Iterator[Finding]:
    """A large step is held until somebody acknowledges it, and never clipped.

    More than 30 % either way, all in, for an offer on demand or reserved; more than fourfold either way for
    spot and other markets that move by themselves. Why: most such steps are a wrong row, yet some are real:
    in June 2025 AWS cut p5.48xlarge from 98.32 to 55.04 USD/h, by 44 %. What was known to be off sale and is
    listed again has no price to compare with in force: a warning, and price_in_band holds what is far off.
    """
    for scope, before, now in evidence.both():
        in_force = {offer.offer_id: offer.amortised_usd_per_hour for offer in before.offers}
        absent = {missing.place for missing in before.missing} if scope.tier is not Tier.SPOT else set()
        for offer in now.offers:
            old, new = in_force.get(offer.offer_id), offer.amortised_usd_per_hour
            if old is not None and _leaps(offer, old, new):
                text = f"{usd(old)} → {usd(new)} USD/h all in ({change_percent(old, new)})"
                yield hold("no_price_jump", scope, subject_of(offer), text)
            elif old is None and offer.place in absent and offer.market not in DYNAMIC_MARKETS:
                text = (
                    f"back on sale at {usd(new)} USD/h all in; see `optimiser prices history` for what it was"
                )
                yield warn("no_price_jump", scope, subject_of(offer), text)


def _leaps(offer: Offer, old: Decimal, new: Decimal) -> bool:
    if offer.tier is Tier.SPOT or offer.market in DYNAMIC_MARKETS:
        return new > old * MOVING_PRICE_FACTOR or new * MOVING_PRICE_FACTOR < old
    return abs(new - old) > old * LIST_PRICE_STEP
