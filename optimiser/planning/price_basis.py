"""What the plan's prices rest on: their dates, and the tiers for which there are none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from optimiser.planning.plan import PlanPriceDate
from optimiser.planning.problem import Problem
from optimiser.prices.book import PriceBook
from providers.offer import Offer


def price_dates(book: PriceBook, problem: Problem, used_offers: Iterable[Offer]) -> tuple[PlanPriceDate, ...]:
    """Per provider in play and tier: dates of all its prices, and the oldest among those the plan uses."""
    used: dict[tuple[str, str], date] = {}
    for offer in used_offers:
        key = (offer.provider, offer.tier.value)
        used[key] = min(used.get(key, offer.observed_on), offer.observed_on)
    providers = {option.provider for option in problem.options}
    coverage = book.coverage().reset_index()
    return tuple(
        PlanPriceDate(
            provider=str(row["provider"]),
            tier=str(row["tier"]),
            oldest=row["oldest"].date(),
            newest=row["newest"].date(),
            oldest_used=used.get((str(row["provider"]), str(row["tier"]))),
            offers=int(row["offers"]),
        )
        for row in coverage.to_dict("records")
        if row["provider"] in providers
    )


def uncovered_tiers(book: PriceBook, problem: Problem) -> tuple[str, ...]:
    """Per provider, tiers for which few or none of the machines that would serve have a price."""
    considered: dict[str, set[str]] = {}
    for option in problem.options:
        considered.setdefault(option.provider, set()).add(option.instance_type)
    offers = book.offers
    found = []
    for provider, types in sorted(considered.items()):
        own = offers[(offers["provider"] == provider) & offers["instance_type"].isin(types)]
        for tier in ("on_demand", "spot", "reserved"):
            priced = own.loc[own["tier"] == tier, "instance_type"].nunique()
            if priced < len(types):
                count = "none" if priced == 0 else f"only {priced}"
                found.append(
                    f"{provider} {tier}: {count} of the {len(types)} instance types that would serve it has a price"
                )
    return tuple(found)
