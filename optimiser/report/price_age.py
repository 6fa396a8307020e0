"""What an amount rests on, in words: how old its prices are, and what its throughput may be off by."""

from __future__ import annotations

from collections.abc import Iterable

from optimiser.planning.price_ages import OldestPrice
from optimiser.report.wording import counted, percent, words


def at_old_prices(prices: Iterable[OldestPrice]) -> str:
    """What stands beside an amount, where one of its prices is past the policy's limit, or all of a tier are later than
    the day planned on.
    """
    said = marked(prices)
    return f" at{said} PRICES" if said else ""


def marked(prices: Iterable[OldestPrice]) -> str:
    """` OLD`, ` LATER`, ` OLD and LATER` or nothing, by the same limits."""
    known = tuple(prices)
    kinds = {"OLD": any(one.past_limit for one in known), "LATER": any(one.age_days < 0 for one in known)}
    said = " and ".join(kind for kind, is_so in kinds.items() if is_so)
    return f" {said}" if said else ""


def rests_on(relative_error: float, prices: Iterable[OldestPrice]) -> str:
    """`Throughput ±32 % (median error). Oldest prices: on demand of 2026-05-21.`"""
    return " ".join((f"Throughput ±{percent(relative_error)} (median error).", *oldest_said(prices)))


def oldest_said(prices: Iterable[OldestPrice]) -> tuple[str, ...]:
    """The oldest price of each tier as a sentence, none without prices; how old those past the policy's limit are, and
    how much later than the day planned on others were seen.
    """
    said = ", ".join(f"{words(one.tier)} of {one.observed_on}{_aged(one)}" for one in prices)
    return (f"Oldest prices: {said}.",) if said else ()


def _aged(price: OldestPrice) -> str:
    if price.past_limit:
        return f" ({counted(price.age_days, 'day')}: OLD)"
    return f" ({counted(-price.age_days, 'day')} after the day planned on)" if price.age_days < 0 else ""
