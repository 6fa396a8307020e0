"""Are all the prices there?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from optimiser.prices.checks.evidence import ALL_REGIONS, DYNAMIC_MARKETS, Evidence, hold, warn
from optimiser.prices.refreshed import Finding, ScopePrices
from providers.fetch import Scope
from providers.offer import Tier

LEAST_OF_LAST_GOOD_PERCENT = 90
MOST_OF_LAST_GOOD_PERCENT = 150
LEAST_LOST = 2
NAMED = 4


def enough_offers(evidence: Evidence) -> Iterator[Finding]:
    """No large part of a price list vanishes unnoticed.

    Over the scopes of a tier that were fetched now and are in force, fewer than 90 % of the offers: the scopes
    that lost some are held. One scope that lost more than half: held. Either from two lost offers on, since
    in a small region a single type going off sale is ordinary. More than 150 %: a warning, for a doubled list
    is rarely a doubled cloud. An entry of always_sold without an offer in its covered scope: held, on a first
    run too. Why: truncated answers are silent, and Azure once served an incomplete list for days.
    """
    yield from _lost(evidence)
    yield from _canaries(evidence)


def every_scope_answered(evidence: Evidence) -> Iterator[Finding]:
    """Every scope in force, or of always_sold, that was asked for is covered or has failed.

    One that is neither is held at its own date. Why: a region that drops out of a cloud's own list would
    otherwise go stale without a word. A region that was really closed is acknowledged once: then all that was
    sold there is Missing, and the region no longer expected.
    """
    for scope in sorted(set(evidence.expected) - set(evidence.candidate) - set(evidence.failed)):
        known = evidence.last_good.get(scope)
        since = (
            f"its prices are of {known.observed_at:%Y-%m-%d %H:%M} UTC" if known else "always_sold names it"
        )
        yield hold("every_scope_answered", scope, "", f"the provider no longer lists this region; {since}")


def _lost(evidence: Evidence) -> Iterator[Finding]:
    by_tier: dict[Tier, dict[Scope, tuple[int, int]]] = defaultdict(dict)
    for scope, in_force, fetched in evidence.both():
        by_tier[scope.tier][scope] = (_count(in_force, evidence), _count(fetched, evidence))
    for tier, counts in by_tier.items():
        before_all = sum(before for before, _ in counts.values())
        now_all = sum(now for _, now in counts.values())
        few = now_all * 100 < before_all * LEAST_OF_LAST_GOOD_PERCENT and before_all - now_all >= LEAST_LOST
        for scope, (before, now) in counts.items():
            lost = before - now
            if lost >= LEAST_LOST and lost * 2 > before:
                yield _too_few(scope, now, f"{now:,} offers, where {before:,} are in force")
            elif few and lost > 0:
                text = f"{now:,} offers, where {before:,} are in force; in the whole tier {now_all:,} of {before_all:,}"
                yield _too_few(scope, now, text)
        if before_all and now_all * 100 > before_all * MOST_OF_LAST_GOOD_PERCENT:
            text = f"{now_all:,} offers, where {before_all:,} are in force"
            yield warn("enough_offers", Scope(evidence.provider, ALL_REGIONS, tier), "", text)


def _too_few(scope: Scope, count: int, text: str) -> Finding:
    """The count is part of the id, unless it is of a market that another night counts otherwise."""
    found = hold("enough_offers", scope, "", text)
    return found if scope.tier is Tier.SPOT else replace(found, value=str(count))


def no_type_gone(evidence: Evidence) -> Iterator[Finding]:
    """A known type without a price where it had one, spot aside, is a warning that names its regions.

    Why: a machine off sale and a row that is no longer understood look alike, and somebody should look.
    """
    regions: dict[tuple[Tier, str], list[str]] = defaultdict(list)
    for scope, before, now in evidence.both():
        if scope.tier is not Tier.SPOT:
            for name in sorted(_types(before, evidence) - _types(now, evidence)):
                regions[scope.tier, name].append(scope.region)
    for (tier, name), gone in sorted(regions.items()):
        text = f"no price any more in {len(gone):,} regions that had one: {', '.join(sorted(gone)[:NAMED])}"
        more = f" and {len(gone) - NAMED:,} more" if len(gone) > NAMED else ""
        yield warn("no_type_gone", Scope(evidence.provider, ALL_REGIONS, tier), name, text + more)


def _types(prices: ScopePrices, evidence: Evidence) -> set[str]:
    return {
        offer.instance_type
        for offer in prices.offers
        if not offer.contract
        and offer.market not in DYNAMIC_MARKETS
        and (offer.provider, offer.instance_type) in evidence.shapes
    }


def _canaries(evidence: Evidence) -> Iterator[Finding]:
    for provider, region, instance_type, tier in evidence.always_sold:
        scope = Scope(provider, region, tier)
        prices = evidence.candidate.get(scope)
        if prices and not any(offer.instance_type == instance_type for offer in prices.offers):
            text = f"{instance_type} is always on sale here (always_sold), and has no price now"
            yield hold("enough_offers", scope, instance_type, text)


def _count(prices: ScopePrices, evidence: Evidence) -> int:
    """List prices of the instance types known now, so that editing config/instances is no loss."""
    return sum(
        1
        for offer in prices.offers
        if not offer.contract
        and offer.market not in DYNAMIC_MARKETS
        and (offer.provider, offer.instance_type) in evidence.shapes
    )
