"""Fleets under caps that are too large to list: caps shared out beforehand give a plan, each item alone a bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from optimiser.planning.large import decompose_large
from optimiser.planning.leaf import Decomposed, Fleet, Leaf
from optimiser.planning.tables import Item

# Shares of a cap that are tried for what runs all the time; the rest is for the hours.
CONSTANT_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)


def decompose_large_capped(leaf: Leaf) -> Decomposed:
    """The best of a few fleets that keep the caps, and a bound that holds every cap against each item alone."""
    bracket = decompose_large(replace(leaf, caps=()))
    if bracket.fleet is None or _keeps_caps(leaf, bracket.fleet):
        return bracket
    plans = [plan for plan in map(decompose_large, _shared_out(leaf)) if plan.fleet]
    best = min(plans, key=lambda plan: plan.usd, default=replace(bracket, usd=np.inf, fleet=None))
    return replace(best, lower_usd=min(bracket.lower_usd, best.usd), dropped=bracket.dropped)


def _shared_out(leaf: Leaf) -> Iterator[Leaf]:
    """Leaves without caps whose fleets keep them: each cap shared out beforehand, between what runs all the time and
    by the hour, and there to the item that holds most per USD, or to all alike.
    """
    constant, by_hour = (*leaf.commitments, *leaf.held), (*leaf.hourly, *leaf.spot)
    signed, firm = len(leaf.commitments), len(leaf.hourly)
    for share in CONSTANT_SHARES:
        budgets = [
            (
                cap * (share if _counts(by_hour, number) else 1.0),
                cap * (1 - share if _counts(constant, number) else 1.0),
            )
            for number, cap in enumerate(leaf.caps)
        ]
        for to_one in (True, False):
            kept = _within_budget(constant, [all_the_time for all_the_time, _ in budgets], to_one=to_one)
            hours = _within_budget(by_hour, [hourly for _, hourly in budgets], to_one=to_one)
            yield replace(
                leaf,
                caps=(),
                commitments=kept[:signed],
                held=kept[signed:],
                hourly=hours[:firm],
                spot=hours[firm:],
            )


def _counts(items: Sequence[Item], cap: int) -> bool:
    return any(item.takes[cap] for item in items)


def _within_budget(items: Sequence[Item], budget: Sequence[float], *, to_one: bool) -> tuple[Item, ...]:
    """The items, with no more units each than together keep the budget of every cap."""
    found = []
    for index, item in enumerate(items):
        limits = [] if item.max_units is None else [item.max_units]
        for cap, each in enumerate(item.takes):
            if each:
                counting = [i for i, other in enumerate(items) if other.takes[cap]]
                best = min(counting, key=lambda i: items[i].usd / items[i].rate)
                part = (budget[cap] if index == best else 0.0) if to_one else budget[cap] / len(counting)
                limits.append(int(part // each))
        found.append(replace(item, max_units=min(limits, default=None)))
    return tuple(found)


def _keeps_caps(leaf: Leaf, fleet: Fleet) -> bool:
    """Whether a fleet takes no more of any cap than there is, in any slot."""
    taken = np.zeros(len(leaf.caps))
    for name in ("commitments", "held", "hourly", "spot"):
        items: Sequence[Item] = getattr(leaf, name)
        kept = fleet.kept[name] if fleet.kept is not None else range(len(items))
        takes = np.array([items[index].takes for index in kept]).reshape(-1, len(leaf.caps))
        taken = taken + getattr(fleet, name) @ takes
    return bool((taken <= np.array(leaf.caps)).all())
