"""What changed between two sets of scopes: prices that moved, came, went, or are now known not to exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from optimiser.prices.refreshed import ScopePrices
from providers.fetch import Scope
from providers.offer import Missing, Offer, place_key


class Kind(StrEnum):
    """What became of an offer. MISSING: it went, and the later prices say why. GONE: it went, unexplained."""

    CHANGED = "changed"
    MISSING = "missing"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, kw_only=True)
class PriceChange:
    """One offer id whose amounts are not the same on both sides; before or after is None where it was absent.

    reason says why there is no price after (MISSING), or why there was none before (NEW), "" where unknown.
    """

    kind: Kind
    before: Offer | None
    after: Offer | None
    reason: str = ""

    @property
    def offer(self) -> Offer:
        """The later offer, else the earlier one."""
        if self.after is not None:
            return self.after
        if self.before is None:
            raise ValueError("a change has an offer on one side at least")
        return self.before

    @property
    def relative(self) -> Decimal | None:
        """The change of the price all in, as a share of the earlier one (0.1 is 10 % dearer); None with one side."""
        if self.before is None or self.after is None:
            return None
        return self.after.amortised_usd_per_hour / self.before.amortised_usd_per_hour - 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scopes on both sides (compared), scopes on one side alone, and the changes: by kind as in Kind, then the
    largest first. unchanged counts the offers of compared scopes whose amounts are the same.
    """

    changes: tuple[PriceChange, ...]
    unchanged: int
    compared: tuple[Scope, ...]
    only_before: tuple[Scope, ...]
    only_after: tuple[Scope, ...]

    def of(self, kind: Kind) -> tuple[PriceChange, ...]:
        """The changes of one kind, in order."""
        return tuple(change for change in self.changes if change.kind is kind)


def compare(before: Mapping[Scope, ScopePrices], after: Mapping[Scope, ScopePrices]) -> Comparison:
    """Every offer of the scopes that both sides have whose usd_per_hour or upfront_usd differs.

    Only amounts count: another date, source or zone order is no change, nor is a Missing that was missing
    before under another reason. Raises nothing.
    """
    both = before.keys() & after.keys()
    changes: list[PriceChange] = []
    unchanged = 0
    for scope in both:
        found, same = _compare_scope(before[scope], after[scope])
        changes += found
        unchanged += same
    return Comparison(
        changes=tuple(sorted(changes, key=_order)),
        unchanged=unchanged,
        compared=tuple(sorted(both)),
        only_before=tuple(sorted(before.keys() - both)),
        only_after=tuple(sorted(after.keys() - both)),
    )


def _compare_scope(before: ScopePrices, after: ScopePrices) -> tuple[list[PriceChange], int]:
    """The changes within one scope, and how many of its offers stayed as they were."""
    old = {offer.offer_id: offer for offer in before.offers}
    new = {offer.offer_id: offer for offer in after.offers}
    was_missing, is_missing = _reasons(before.missing), _reasons(after.missing)
    found, same = [], 0
    for name, offer in old.items():
        now = new.get(name)
        if now is None:
            reason = _reason(offer, is_missing)
            kind = Kind.MISSING if reason is not None else Kind.GONE
            found.append(PriceChange(kind=kind, before=offer, after=None, reason=reason or ""))
        elif (offer.usd_per_hour, offer.upfront_usd) != (now.usd_per_hour, now.upfront_usd):
            found.append(PriceChange(kind=Kind.CHANGED, before=offer, after=now))
        else:
            same += 1
    for name, offer in new.items():
        if name not in old:
            reason = _reason(offer, was_missing)
            found.append(PriceChange(kind=Kind.NEW, before=None, after=offer, reason=reason or ""))
    return found, same


def _reasons(missing: Iterable[Missing]) -> dict[str, str]:
    return {one.place: one.reason for one in missing}


def _reason(offer: Offer, reasons: Mapping[str, str]) -> str | None:
    """Why a list price does not exist: what is said of its place, else of its whole region. A contract is
    another matter: nothing that is said of list prices explains it.
    """
    if offer.contract:
        return None
    where = (offer.provider, offer.region, offer.region_kind)
    region = place_key(*where, "", offer.instance_type, offer.tier.value)
    return reasons.get(offer.place, reasons.get(region))


def _order(change: PriceChange) -> tuple[int, Decimal, Decimal, str]:
    relative = change.relative
    return (
        list(Kind).index(change.kind),
        -abs(relative) if relative is not None else Decimal(0),
        -change.offer.amortised_usd_per_hour,
        change.offer.offer_id,
    )
