"""Did a price leap, at once or in a week of small steps?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
# For so long a price that went away is remembered: what comes back is compared with what it was.
REMEMBERED_FOR = timedelta(days=30)
# A store that forgot more could not tell a week of small steps.
LEAST_KEPT_DAYS = STEPS_ADD_UP_OVER.days + 1


def no_price_jump(evidence: Evidence) -> Iterator[Finding]:
    """A large step is held until somebody acknowledges it, and never clipped.

    More than 30 % either way, all in, for an offer on demand or reserved, against the price in force and against
    whatever it cost in the week before and since a step of it was last acknowledged, so that small steps add up
    and what was off sale for a while is compared with what it was (30 days); more than fourfold either way for
    spot and other markets that move by themselves. Why: most such steps are a wrong row, yet some are real: in
    June 2025 AWS cut p5.48xlarge from 98.32 to 55.04 USD/h, by 44 %. What is back on sale without a leap is a
    warning, and price_in_band holds what is far off.
    """
    for scope, before, now in evidence.both():
        in_force = _all_in(before)
        absent = {missing.place for missing in before.missing} if scope.tier is not Tier.SPOT else set()
        for offer in now.offers:
            old, new = in_force.get(offer.offer_id), offer.amortised_usd_per_hour
            if old == new:
                continue
            leap = _leap(offer, old, evidence)
            if leap is not None:
                yield hold_price("no_price_jump", scope, offer, leap)
            elif old is None and offer.place in absent and offer.market not in DYNAMIC_MARKETS:
                text = (
                    f"back on sale at {usd(new)} USD/h all in; see `optimiser prices history` for what it was"
                )
                yield warn("no_price_jump", scope, subject_of(offer), text)


def stepped(
    candidate: Mapping[Scope, ScopePrices], last_good: Mapping[Scope, ScopePrices]
) -> tuple[Offer, ...]:
    """The fetched list prices that differ from the one in force, or have none where their scope has some: what
    they cost in the days before counts as well.
    """
    found: list[Offer] = []
    for scope, prices in candidate.items():
        if scope not in last_good:
            continue
        in_force = _all_in(last_good[scope])
        found += (
            offer
            for offer in prices.offers
            if in_force.get(offer.offer_id) != offer.amortised_usd_per_hour and not moves_by_itself(offer)
        )
    return tuple(found)


def _leap(offer: Offer, old: Decimal | None, evidence: Evidence) -> str | None:
    """From what a price leapt, in words; None where it did not. The price in force comes first."""
    new, recent = offer.amortised_usd_per_hour, evidence.recent.get(offer.offer_id, ())
    if old is not None and _leaps(offer, old, new):
        return _step(old, new, "")
    leapt = [amount for amount in recent if _leaps(offer, amount, new)]
    if not leapt:
        return None
    furthest = max(leapt, key=lambda amount: abs(new / amount - 1))
    return _step(furthest, new, " in a week" if old is not None else " since it was last on sale")


def _step(old: Decimal, new: Decimal, since: str) -> str:
    return f"{usd(old)} → {usd(new)} USD/h all in ({change_percent(old, new)}{since})"


def _all_in(prices: ScopePrices) -> dict[str, Decimal]:
    """USD/h all in by offer id."""
    return {offer.offer_id: offer.amortised_usd_per_hour for offer in prices.offers}


def _leaps(offer: Offer, old: Decimal, new: Decimal) -> bool:
    if moves_by_itself(offer):
        return new > old * MOVING_PRICE_FACTOR or new * MOVING_PRICE_FACTOR < old
    return abs(new - old) > old * LIST_PRICE_STEP
