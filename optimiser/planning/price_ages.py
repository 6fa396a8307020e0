"""How old the prices behind an amount are: per tier the oldest in use, and whether the policy notes it as old."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from optimiser.planning.plan import Plan

_LIMITS = {"spot": "spot_age_note_days", "capacity_block": "capacity_block_age_days"}


@dataclass(frozen=True, kw_only=True)
class OldestPrice:
    """The oldest price in use of a tier. age_days is to the day planned on, below 0 for a price seen later; past_limit:
    it is older than the policy notes (price_age_note_days; for spot spot_age_note_days, for a Capacity Block
    capacity_block_age_days).
    """

    tier: str
    observed_on: date
    age_days: int
    past_limit: bool


def oldest_seen(
    seen: Iterable[tuple[str, date | None]], policy: Mapping[str, Any], planned_on: date
) -> tuple[OldestPrice, ...]:
    """The oldest of the prices seen, (tier, day; None where none is in use), of each tier by name."""
    used: dict[str, date] = {}
    for tier, day in seen:
        if day is not None:
            used[tier] = min(used.get(tier, day), day)
    return tuple(
        OldestPrice(
            tier=tier,
            observed_on=day,
            age_days=(planned_on - day).days,
            past_limit=(planned_on - day).days > policy[_LIMITS.get(tier, "price_age_note_days")],
        )
        for tier, day in sorted(used.items())
    )


def oldest_in_use(plans: Iterable[Plan]) -> tuple[OldestPrice, ...]:
    """The oldest price of each tier that any of the plans uses, in a stage or after."""
    return oldest_of(
        price
        for whole in plans
        for plan in whole.with_stages
        for price in oldest_seen(
            ((row.tier, row.oldest_used) for row in plan.price_dates), plan.policy, plan.planned_on
        )
    )


def oldest_of(prices: Iterable[OldestPrice]) -> tuple[OldestPrice, ...]:
    """The oldest of each tier, by name; past its limit where any of the tier is past its own."""
    oldest: dict[str, OldestPrice] = {}
    for price in sorted(prices, key=lambda one: (one.tier, one.observed_on)):
        known = oldest.setdefault(price.tier, price)
        oldest[price.tier] = replace(known, past_limit=known.past_limit or price.past_limit)
    return tuple(oldest.values())


def past_their_age(prices: Iterable[OldestPrice]) -> tuple[str, ...]:
    """`spot of 2025-11-30 (356 days)` for each day of those past their limit, spot's first."""
    days: dict[date, list[OldestPrice]] = {}
    for price in sorted(prices, key=lambda one: one.tier != "spot"):
        if price.past_limit:
            days.setdefault(price.observed_on, []).append(price)
    return tuple(
        f"{' and '.join(one.tier.replace('_', ' ') for one in alike)} of {day} "
        f"({alike[0].age_days:,} day{'s' * (alike[0].age_days != 1)})"
        for day, alike in days.items()
    )
