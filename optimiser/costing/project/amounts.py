"""Numbers that are known within bounds, and money in cents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from optimiser.errors import did_you_mean

ZERO, ONE = Decimal(0), Decimal(1)
_CENT = Decimal("0.01")
CASES = ("low", "expected", "high")
# Far above any project: more is a slip, and sums stay exact.
_MOST = Decimal("1e12")
_WIDE = Context(prec=100)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number as it is expected, and the least and the most it may be: low ≤ expected ≤ high."""

    low: Decimal
    expected: Decimal
    high: Decimal

    @property
    def is_given(self) -> bool:
        """Whether it is more than one number."""
        return self.low < self.high

    def times(self, factor: Decimal) -> Range:
        """Each of the three times a factor of at least 0."""
        return Range(low=self.low * factor, expected=self.expected * factor, high=self.high * factor)


def exactly(value: Decimal) -> Range:
    """A number that is known."""
    return Range(low=value, expected=value, high=value)


def range_of(value: object, least: Decimal, most: Decimal = _MOST, *, above: bool = False) -> Range:
    """A plain number, or {low, expected, high}. Raises ValueError with what would be right: `least` or more (above it
    where so told) and at most `most`.
    """
    bound = f"{'above' if above else 'at least'} {least:f} and at most {most:,f}"
    if not isinstance(value, Mapping):
        return exactly(_number(value, bound, least, most, above=above))
    if unknown := [str(name) for name in value if name not in CASES]:
        raise ValueError(f"low, expected and high; {unknown[0]!r}: {did_you_mean(unknown[0], CASES)}")
    if missing := [name for name in CASES if name not in value]:
        raise ValueError(f"low, expected and high: {missing[0]} is missing")
    low, expected, high = (_number(value[name], bound, least, most, above=above) for name in CASES)
    if not low <= expected <= high:
        raise ValueError("low ≤ expected ≤ high")
    return Range(low=low, expected=expected, high=high)


def _number(value: object, bound: str, least: Decimal, most: Decimal, *, above: bool) -> Decimal:
    right = f"a number {bound}, or low, expected and high of that kind"
    if isinstance(value, bool) or not isinstance(value, int | float):
        exponent = isinstance(value, str) and "e" in value.lower()
        raise ValueError(
            f"{right} (YAML reads an exponent only with a dot and a sign: 1.0e+6)" if exponent else right
        )
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(right) from None
    if not number.is_finite() or not least <= number <= most or (above and number == least):
        raise ValueError(right)
    return number


def in_cents(usd: Decimal) -> Decimal:
    """Rounded half up to the cent."""
    return rounded(usd, _CENT)


def rounded(value: Decimal, unit: Decimal) -> Decimal:
    """To a whole number of units, half up."""
    return value.quantize(unit, ROUND_HALF_UP, _WIDE)


def total(amounts: Sequence[Decimal]) -> Decimal:
    """The sum, exact."""
    return sum(amounts, ZERO)
