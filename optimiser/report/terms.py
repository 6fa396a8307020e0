"""What a price is paid for, how it moved and how old it is, in words."""

from __future__ import annotations

from decimal import Decimal

from optimiser.report.wording import percent, words
from providers.offer import STANDARD

_DAY_HOURS = 24
_HOURS_UP_TO = 240
_SMALLEST_SHOWN = Decimal("0.0001")


def paid(*, tier: str, market: str, kind: str, term_months: int, payment: str, contract: str) -> str:
    """The tier with its terms, such as "reserved 36 m all upfront (convertible, edp)"."""
    terms = f" {term_months} m {words(payment)}".rstrip() if term_months else ""
    sold = "" if market == STANDARD else words(market)
    class_ = words(kind).removeprefix("reserved instance").strip()
    extra = ", ".join(part for part in (class_, sold, contract) if part)
    return words(tier) + terms + (f" ({extra})" if extra else "")


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
