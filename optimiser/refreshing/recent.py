"""What offers cost in the days before, from the store: a step is judged against more than the price in force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from optimiser.prices.checks.band import price_in_band
from optimiser.prices.checks.evidence import subject_of
from optimiser.prices.checks.steps import REMEMBERED_FOR, STEPS_ADD_UP_OVER, no_price_jump
from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store import Store, history, snapshots
from providers.fetch import Scope, scope_of
from providers.offer import HOURS_PER_YEAR, Offer

OF_PRICES = (no_price_jump.__name__, price_in_band.__name__)


def recent_amounts(
    store: Store, offers: Sequence[Offer], last_good: Mapping[Scope, ScopePrices], at: datetime
) -> dict[str, Collection[Decimal]]:
    """USD/h all in by offer id: all that each offer cost within STEPS_ADD_UP_OVER before `at`, and where it has no
    price in force within REMEMBERED_FOR; nothing from before a finding on its price was last acknowledged.

    Raises StoreError.
    """
    in_force = {offer.offer_id for prices in last_good.values() for offer in prices.offers}
    looked_at = _acknowledged(store, {offer.provider for offer in offers}, at)
    wanted = {offer.offer_id: offer for offer in offers}
    found: dict[str, list[Decimal]] = defaultdict(list)
    for offer_id, moment, amount in _seen(store, offers, at):
        offer = wanted.get(offer_id)
        if offer is None or moment < looked_at.get((scope_of(offer), subject_of(offer)), moment):
            continue
        if offer_id in in_force and moment <= at - STEPS_ADD_UP_OVER:
            # It held until the next one was seen: of those before the week the last counts.
            found[offer_id] = []
        found[offer_id].append(amount)
    return {offer_id: set(amounts) for offer_id, amounts in found.items()}


def _seen(store: Store, offers: Sequence[Offer], at: datetime) -> Iterator[tuple[str, datetime, Decimal]]:
    """(offer id, when, USD/h all in) of every price seen of the offers' instance types, each from old to new."""
    from optimiser.prices.table import with_keys  # pandas, which a night without steps does not need

    for provider, name in sorted({(offer.provider, offer.instance_type) for offer in offers}):
        since = at - REMEMBERED_FOR
        table = with_keys(history(store, since=since, until=at, instance_type=name, provider=provider))
        table = table[table["missing_reason"] == ""]
        years = table["term_months"].where(table["term_months"] > 0, 12) / 12
        amounts = (table["usd_per_hour"] + table["upfront_usd"] / (years * HOURS_PER_YEAR)).round(9)
        for offer_id, moment, amount in zip(table["offer_id"], table["observed_at"], amounts, strict=True):
            yield str(offer_id), moment, Decimal(repr(float(amount)))


def _acknowledged(
    store: Store, providers: Collection[str], at: datetime
) -> dict[tuple[Scope, str], datetime]:
    """When a finding on a price was last acknowledged, by scope and subject."""
    moments: dict[tuple[Scope, str], datetime] = {}
    for one in snapshots(store):
        if one.provider in providers and one.started_at >= at - REMEMBERED_FOR:
            for finding in one.findings:
                if finding.acknowledged and finding.check in OF_PRICES:
                    key = (finding.scope, finding.subject)
                    moments[key] = max(moments.get(key, one.started_at), one.started_at)
    return moments
