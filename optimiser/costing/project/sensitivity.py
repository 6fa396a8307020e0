"""What each input does to the total, one at a time (a tornado)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import ONE, Range
from optimiser.costing.project.lines import Values

# An input without a range of its own is moved by so much, and never below what its field takes.
SWING = Decimal("0.2")
_LEAST = {"pue": ONE, "overhead": ONE}


@dataclass(frozen=True, kw_only=True)
class Swing:
    """The total in USD with one input at its low and its high end, all others as expected. own_range: the ends are the
    input's own, else ±20 %. None at an end that has no plan.
    """

    input: str
    low: Decimal
    high: Decimal
    own_range: bool
    usd_at_low: Decimal | None
    usd_at_high: Decimal | None


def ends_of(name: str, amount: Range) -> Range:
    """The ends an input is moved to: its own, else 20 % below and above what is expected."""
    if amount.is_given:
        return amount
    least = _LEAST.get(name.rpartition(".")[2])
    swing = abs(amount.expected) * SWING
    low = amount.expected - swing
    return Range(
        low=low if least is None else max(low, least), expected=amount.expected, high=amount.expected + swing
    )


def swings(
    inputs: Mapping[str, Range],
    total_usd: Callable[[Values], Decimal],
    without_plan: Collection[tuple[str, Decimal]] = (),
) -> tuple[Swing, ...]:
    """Every input that moves the total, the one that moves it most first; without_plan are inputs at an end that has no
    plan, where total_usd does not move.
    """
    expected = {name: amount.expected for name, amount in inputs.items()}
    found = list[tuple[Decimal, Swing]]()
    for name, amount in inputs.items():
        ends = ends_of(name, amount)
        at_low, at_high = (total_usd(expected | {name: end}) for end in (ends.low, ends.high))
        swing = Swing(
            input=name,
            low=ends.low,
            high=ends.high,
            own_range=amount.is_given,
            usd_at_low=None if (name, ends.low) in without_plan else at_low,
            usd_at_high=None if (name, ends.high) in without_plan else at_high,
        )
        if at_low != at_high:
            found.append((abs(at_high - at_low), swing))
    return tuple(swing for _, swing in sorted(found, key=lambda one: (-one[0], one[1].input)))
