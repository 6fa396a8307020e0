"""What the plan's prices rest on: their dates, and the tiers for which there are none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from optimiser.planning.options import region_kind_of
from optimiser.planning.owned import PLANNED_DAYS, Owned
from optimiser.planning.plan_parts import PlanLeftOut, PlanPriceDate
from optimiser.planning.problem import Option, Problem
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from providers.offer import STANDARD, Offer, Tier

# Regions by provider and tier.
Places: TypeAlias = dict[str, dict[str, set[str]]]


def price_dates(book: PriceBook, problem: Problem, used_offers: Iterable[Offer]) -> tuple[PlanPriceDate, ...]:
    """Per provider in play and tier: dates of its prices that the policy's markets hold, and the oldest in use."""
    used: dict[tuple[str, str], date] = {}
    for offer in used_offers:
        key = (offer.provider, offer.tier.value)
        used[key] = min(used.get(key, offer.observed_on), offer.observed_on)
    providers = {option.provider for option in problem.options}
    coverage = book.coverage(problem.policy.markets).reset_index()
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
    """Per provider, for how many of the machines that would serve each tier has a price, where not for all."""
    considered: dict[str, set[str]] = {}
    for option in problem.options:
        considered.setdefault(option.provider, set()).add(option.instance_type)
    offers = book.offers[book.offers["market"].isin(problem.policy.markets)]
    sold = offers[offers["instance_type"].isin(set().union(*considered.values()))]
    priced = set(sold[["provider", "tier", "instance_type"]].itertuples(index=False, name=None))
    found = []
    for provider, types in sorted(considered.items()):
        counts = {tier: sum((provider, tier.value, name) in priced for name in types) for tier in Tier}
        short = [
            f"{tier.value.replace('_', ' ')} for {count}"
            for tier, count in counts.items()
            if count < len(types)
        ]
        if short:
            found.append(
                f"{provider}: {', '.join(short)} of the {len(types)} instance types that would serve it"
            )
    return tuple(found)


def price_sources(book: PriceBook, embedded: Path, used: Collection[str]) -> tuple[str, ...]:
    """Where the prices in force are from: the store, with the snapshots that the used offer ids are of, the
    embedded snapshot's files by name, others by path.
    """
    of_store = book.offers[book.offers["observed_at"].notna()]
    numbers = sorted(set(of_store.loc[of_store.index.isin(used), "line"]))
    word = "snapshot" if len(numbers) == 1 else "snapshots"
    of_these = f" ({word} {', '.join(map(str, numbers))})" if numbers else ""
    stores = [f"{name}{of_these}" for name in sorted(set(of_store["file"]))]
    paths = [Path(str(name)) for name in book.offers.loc[book.offers["observed_at"].isna(), "file"].unique()]
    inside = [f"embedded snapshot {path.name}" for path in paths if path.is_relative_to(embedded)]
    others = sorted(str(path) for path in paths if not path.is_relative_to(embedded))
    return (*stores, *sorted(inside), *others)


def providers_left_out(
    unfetched: Collection[str], offers: pd.DataFrame, young: pd.DataFrame, policy: Policy
) -> tuple[PlanLeftOut, ...]:
    """The providers that a policy allows whose prices were never fetched, or of which some tier, or some region of
    a tier, is among offers and not among those young enough: what is sold there was not compared.
    """
    reasons = dict.fromkeys(unfetched, "prices never fetched")
    if len(young) < len(offers):
        reasons |= _too_old(_places_sold(offers, policy), _places_sold(young, policy))
    return tuple(
        PlanLeftOut(provider=name, reason=reasons[name])
        for name in sorted(reasons)
        if policy.providers is None or name in policy.providers
    )


def _too_old(before: Places, left: Places) -> dict[str, str]:
    """What is said of each provider of which places are left that are fewer than before."""
    reasons = {}
    for provider in sorted(before):
        lost = {tier: regions - left[provider][tier] for tier, regions in before[provider].items()}
        whole = [tier for tier, regions in lost.items() if regions == before[provider][tier]]
        some = {tier: regions for tier, regions in lost.items() if regions and tier not in whole}
        if len(whole) == len(lost):
            reasons[provider] = "prices too old"
        elif whole:
            reasons[provider] = f"{' and '.join(tier.replace('_', ' ') for tier in whole)} prices too old"
        elif some:
            count = len(set().union(*some.values()))
            reasons[provider] = f"prices of {count} region{'s' * (count > 1)} too old"
    return reasons


def _places_sold(offers: pd.DataFrame, policy: Policy) -> Places:
    """The places that the policy allows."""
    allowed = offers[offers["tier"].isin(policy.tiers)]
    if policy.regions is None:
        allowed = allowed[allowed["region_kind"].isin(policy.region_kinds)]
    else:
        allowed = allowed[allowed["region"].isin(policy.regions)]
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for provider, tier, region in (
        allowed[["provider", "tier", "region"]].drop_duplicates().itertuples(index=False, name=None)
    ):
        found[provider][tier].add(region)
    return found


def own_prices(book: PriceBook, embedded: Path) -> frozenset[str]:
    """The ids of offers that are from files of the user's own."""
    of_files = book.offers.loc[book.offers["observed_at"].isna(), "file"]
    own = {name for name in of_files.unique() if not Path(str(name)).is_relative_to(embedded)}
    return frozenset(map(str, of_files.index[of_files.isin(own)]))


def within_age(
    offers: pd.DataFrame, max_age_days: Mapping[str, int | None], as_of: date
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The offers no older than they may be, and a note on each tier that lost some.

    Prices of the store are out past the store's own limit, those of files past their tier's (None: any age).
    """
    too_old = offers["too_old"]
    notes = _left_out(offers[too_old], "not fetched for longer than the store's limit")
    of_files = offers["observed_at"].isna()
    for tier, limit in max_age_days.items():
        if limit is not None:
            seen_before = pd.Timestamp(as_of) - pd.Timedelta(days=limit)
            old = of_files & (offers["tier"] == tier) & (offers["observed_on"] < seen_before)
            too_old = too_old | old
            notes += _left_out(offers[old], f"older than {limit} days")
    return (offers[~too_old] if notes else offers), notes


def _left_out(offers: pd.DataFrame, why: str) -> tuple[str, ...]:
    return tuple(
        f"{why} and left out: {count:,} {str(tier).replace('_', ' ')} price(s)"
        for tier, count in offers["tier"].value_counts(sort=False).items()
    )


def lasting_a_month(
    offers: pd.DataFrame, as_of: date, days: int = PLANNED_DAYS
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The offers that hold for the month, or the days, that are planned, and a note where some do not.

    A commitment is signed once, so it need only stand today.
    """
    until = pd.Timestamp(as_of) + pd.Timedelta(days=days)
    ending = (offers["valid_until"] < until) & (offers["tier"] != "reserved")
    if not ending.any():
        return offers, ()
    text = f"ending within {days} days of {as_of} and left out: {int(ending.sum()):,} price(s)"
    return offers[~ending], (text,)


def offers_behind(
    book: PriceBook, options: Sequence[Option], owned: Sequence[Owned], as_of: date
) -> Mapping[str, Offer]:
    """Exact offers behind the options, what is owned among them, and the list price on demand beside each."""
    ids = {purchase.offer_id for option in options for purchase in option.purchases}
    own = {
        one.offer_id: one.offer(region_kind_of(book.offers, one), as_of)
        for one in owned
        if one.offer_id in ids
    }
    places = {(option.provider, option.region, option.instance_type) for option in options}
    on_demand = book.offers[(book.offers["tier"] == "on_demand") & (book.offers["market"] == STANDARD)]
    keys = zip(on_demand["provider"], on_demand["region"], on_demand["instance_type"], strict=True)
    ids |= {offer_id for offer_id, key in zip(on_demand.index, keys, strict=True) if key in places}
    found = own | book.offers_by_id(ids - own.keys())
    return {name: found[name] for name in sorted(ids)}
