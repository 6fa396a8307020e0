"""Did a price leap, at once or in a week of small steps?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from optimiser.prices.checks.evidence import (
    DYNAMIC_MARKETS,
    Evidence,
    change_percent,
    hold_price,
    moves_by_itself,
    subject_of,
    usd,
    warn,
)
from optimiser.prices.refreshed import Finding, ScopePrices
from providers.fetch import Scope
from providers.offer import Offer, Tier

LIST_PRICE_STEP = Decimal("0.30")
MOVING_PRICE_FACTOR = 4
STEPS_ADD_UP_OVER = timedelta(days=7)


def no_price_jump(evidence: Evidence) -> Iterator[Finding]:
    """A large step is held until somebody acknowledges it, and never clipped.

    More than 30 % either way, all in, for an offer on demand or reserved, against the price in force and, where
    it differs from that, against the one a week ago, so that small steps add up; more than fourfold either way
    for spot and other markets that move by themselves. Why: most such steps are a wrong row, yet some are real:
    in June 2025 AWS cut p5.48xlarge from 98.32 to 55.04 USD/h, by 44 %. What was known to be off sale and is
    listed again has no price to compare with in force: a warning, and price_in_band holds what is far off.
    """
    for scope, before, now in evidence.both():
        in_force, a_week_ago = _all_in(before), _all_in(evidence.week_ago.get(scope))
        absent = {missing.place for missing in before.missing} if scope.tier is not Tier.SPOT else set()
        for offer in now.offers:
            old, new = in_force.get(offer.offer_id), offer.amortised_usd_per_hour
            if old is None and offer.place in absent and offer.market not in DYNAMIC_MARKETS:
                text = (
                    f"back on sale at {usd(new)} USD/h all in; see `optimiser prices history` for what it was"
                )
                yield warn("no_price_jump", scope, subject_of(offer), text)
            elif old is not None and old != new:
                earlier = None if moves_by_itself(offer) else a_week_ago.get(offer.offer_id)
                for since, text in ((old, ""), (earlier, " in a week")):
                    if since is not None and _leaps(offer, since, new):
                        change = f"{change_percent(since, new)}{text}"
                        found = f"{usd(since)} → {usd(new)} USD/h all in ({change})"
                        yield hold_price("no_price_jump", scope, offer, found)
                        break


def tiers_with_steps(
    candidate: Mapping[Scope, ScopePrices], last_good: Mapping[Scope, ScopePrices]
) -> Collection[Tier]:
    """The tiers in which a list price differs from the one in force: there the week before counts as well."""
    stepped: set[Tier] = set()
    for scope, prices in candidate.items():
        if scope.tier in stepped or scope not in last_good:
            continue
        in_force = _all_in(last_good[scope])
        if any(
            in_force.get(offer.offer_id, offer.amortised_usd_per_hour) != offer.amortised_usd_per_hour
            for offer in prices.offers
            if not moves_by_itself(offer)
        ):
            stepped.add(scope.tier)
    return stepped


def _all_in(prices: ScopePrices | None) -> dict[str, Decimal]:
    """USD/h all in by offer id."""
    return {offer.offer_id: offer.amortised_usd_per_hour for offer in prices.offers} if prices else {}


def _leaps(offer: Offer, old: Decimal, new: Decimal) -> bool:
    if moves_by_itself(offer):
        return new > old * MOVING_PRICE_FACTOR or new * MOVING_PRICE_FACTOR < old
    return abs(new - old) > old * LIST_PRICE_STEP
