"""What rows about offers have in common, and in words: where it is, what is paid for, how it moved, how old it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from optimiser.report.wording import percent, site, words
from providers.offer import REGION, STANDARD, Offer

_DAY_HOURS = 24
_HOURS_UP_TO = 240
_SMALLEST_SHOWN = Decimal("0.0001")


@dataclass(frozen=True, kw_only=True)
class OfferRow:
    """What every row of a list begins with: the place, the instance type and the terms of an offer."""

    provider: str
    region: str
    region_kind: str
    zone: str
    instance_type: str
    tier: str
    market: str
    kind: str
    term_months: int
    payment: str
    contract: str

    @property
    def where(self) -> str:
        """The place in words: AWS use1-az4, and of which kind where that is not an ordinary region."""
        special = "" if self.region_kind == REGION else f" ({words(self.region_kind)})"
        return site(self.provider, self.zone or self.region) + special

    @property
    def paid(self) -> str:
        """The tier with its terms, such as "reserved 36 m all upfront (convertible, edp)"."""
        terms = f" {self.term_months} m {words(self.payment)}".rstrip() if self.term_months else ""
        sold = "" if self.market == STANDARD else words(self.market)
        class_ = words(self.kind).removeprefix("reserved instance").strip()
        extra = ", ".join(part for part in (class_, sold, self.contract) if part)
        return words(self.tier) + terms + (f" ({extra})" if extra else "")


OFFER_FIELDS = tuple(field.name for field in fields(OfferRow))


def offer_fields(offer: Offer) -> dict[str, Any]:
    """The fields of an OfferRow about an offer."""
    return {name: getattr(offer, name) for name in OFFER_FIELDS}


def moved(relative: Decimal) -> str:
    """A change as a share of what was, with its sign: +10 %, −2.5 %, 0 %."""
    if not relative:
        return "0 %"
    size = abs(relative)
    text = "<0.01 %" if size < _SMALLEST_SHOWN else percent(float(size))
    return f"{'+' if relative > 0 else '−'}{text}"


def age(hours: float) -> str:
    """A length of time: minutes below an hour, hours below ten days, then days; "in …" for what is to come."""
    if hours < 0:
        return f"in {age(-hours)}"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < _HOURS_UP_TO else f"{hours / _DAY_HOURS:.1f} d"
