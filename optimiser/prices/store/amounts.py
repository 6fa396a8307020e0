"""Money, moments and days as the store holds them: whole numbers of nano-USD and of microseconds, ISO text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

NANO_USD_PER_USD = 10**9
MOST_NANO_USD = 2**63 - 1
_NANO = Decimal("1e-9")
# Wide enough for any amount that fits, so that nothing is rounded before the ninth decimal.
_WIDE = Context(prec=60)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_nano(usd: Decimal) -> int:
    """USD as whole nano-USD, half a nano-USD rounded up. Raises ValueError for what is not a storable amount."""
    if not usd.is_finite() or usd < 0 or usd > MOST_NANO_USD // NANO_USD_PER_USD:
        raise ValueError(f"{usd} is not an amount from 0 to {MOST_NANO_USD // NANO_USD_PER_USD} USD")
    return int(usd.quantize(_NANO, ROUND_HALF_UP, _WIDE).scaleb(9, _WIDE))


def from_nano(nano_usd: int) -> Decimal:
    """Whole nano-USD as USD, without needless zeros."""
    return Decimal(nano_text(nano_usd))


def nano_text(nano_usd: int) -> str:
    """Whole nano-USD as plain decimal text of USD: 98320000000 is "98.32". Raises ValueError below 0."""
    if nano_usd < 0:
        raise ValueError(f"{nano_usd} nano-USD")
    whole, fraction = divmod(nano_usd, NANO_USD_PER_USD)
    return f"{whole}.{fraction:09d}".rstrip("0") if fraction else str(whole)


def to_micros(moment: datetime) -> int:
    """A moment as microseconds since 1970 UTC. Raises ValueError where it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The UTC moment of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)
