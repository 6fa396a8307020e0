"""The store's prices as a layer of the price book: what they cover, how old they are, what they mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from optimiser.prices.table import with_keys
from providers import PROVIDERS
from providers.fetch import Quota, Scope
from providers.offer import HOURS_PER_YEAR, Tier

NAMED = 3
CLOCK_HOURS = 0.1


@dataclass(frozen=True, kw_only=True)
class LivePrices:
    """What a store holds in force at `at`.

    table has the price book's columns; scopes is when each (provider, region, tier) was last fetched. Scopes
    past refuse_after_hours are too old to plan on; past warn_after_hours (by tier) they are only named.
    in_the_past: what the store held then, without what was pruned since. quotas are the newest granted, if not later.
    """

    label: str
    at: datetime
    table: pd.DataFrame
    scopes: Mapping[Scope, datetime]
    warn_after_hours: Mapping[str, float | None] = field(default_factory=dict)
    refuse_after_hours: float | None = None
    in_the_past: bool = False
    quotas: tuple[Quota, ...] = ()

    def notes(self, *, filled: bool) -> tuple[str, ...]:
        """What a user should know: what was never fetched (unless filled from elsewhere), what is dated in the
        future, and per tier the scopes past its limit, those fetched longest ago named first.
        """
        found = [] if filled else [*self._never_fetched()]
        ahead = [scope for scope in self.scopes if self._hours(scope) < -CLOCK_HOURS]
        if ahead:
            found.append(
                f"prices of {_some(ahead)} are dated in the future: a clock was wrong when they were fetched; "
                "see `optimiser prices status` and `optimiser prices discard`"
            )
        # Where nothing is on sale nothing can be late: a region that closed is never fetched again.
        sold = self.table[self.table["is_offer"]][["provider", "region", "tier"]].drop_duplicates()
        on_sale = set(sold.itertuples(index=False, name=None))
        for tier in Tier:
            limit = self.warn_after_hours.get(tier.value)
            of_tier = [scope for scope in self.scopes if scope.tier is tier]
            old = {scope: self._hours(scope) for scope in of_tier if tuple(map(str, scope)) in on_sale}
            refuse, name = self.refuse_after_hours, tier.value.replace("_", " ")
            oldest_first = sorted(old, key=lambda one: -old[one])
            gone = [scope for scope in oldest_first if refuse and old[scope] > refuse]
            late = [scope for scope in oldest_first if limit and old[scope] > limit and scope not in gone]
            for scopes, past in (
                (gone, f"left out past {refuse or 0:g} h"),
                (late, f"limit {limit or 0:g} h"),
            ):
                if scopes:
                    found.append(
                        f"{name} prices last fetched up to {old[scopes[0]]:,.0f} h ago ({past}): {_some(scopes)}; "
                        "see `optimiser prices status`"
                    )
        return tuple(found)

    def unfetched(self) -> frozenset[str]:
        """The providers of which nothing was ever fetched."""
        return frozenset(PROVIDERS) - {scope.provider for scope in self.scopes}

    def _never_fetched(self) -> Iterator[str]:
        """Providers, tiers and regions without which an optimum is one of fewer offers than there are."""
        when = f"by {self.at:%Y-%m-%d}, or are pruned" if self.in_the_past else "yet"
        why = "plans know nothing of them; see `optimiser prices status`"
        for provider in PROVIDERS:
            of_tier = {tier: {s.region for s in self.scopes if s[::2] == (provider, tier)} for tier in Tier}
            if provider in self.unfetched():
                yield f"prices of {provider} were not fetched {when}: {why}"
                continue
            for tier, regions in of_tier.items():
                name = tier.value.replace("_", " ")
                others = set().union(*of_tier.values()) - regions
                if not regions:
                    yield f"{name} prices of {provider} were not fetched {when}: {why}"
                elif others and tier is Tier.ON_DEMAND:
                    scopes = [Scope(provider, region, tier) for region in sorted(others)]
                    yield f"{name} prices of {_some(scopes)} were not fetched {when}: {why}"

    def too_old(self) -> pd.Series:
        """Which rows of table belong to a scope past refuse_after_hours."""
        if self.refuse_after_hours is None:
            return pd.Series(False, index=self.table.index)
        limit = self.at - timedelta(hours=self.refuse_after_hours)
        return self.table["observed_at"] < np.datetime64(limit.replace(tzinfo=None))

    def masks(self, table: pd.DataFrame, *, whatever_their_date: bool) -> pd.Series:
        """Which rows of another table these prices take the place of: list prices and Missing of a scope that
        was fetched, whatever_their_date or else those seen on an earlier day than the fetch. Never a contract.
        """
        fetched = pd.Series(
            {
                f"{scope.provider}/{scope.region}/{scope.tier.value}": np.datetime64(at.date())
                for scope, at in self.scopes.items()
            },
            dtype="datetime64[s]",
        )
        at = (table["provider"] + "/" + table["region"] + "/" + table["tier"]).map(fetched)
        spoken_for = at.notna() & (table["contract"] == "")
        return spoken_for if whatever_their_date else spoken_for & (table["observed_on"] < at)

    def _hours(self, scope: Scope) -> float:
        return (self.at - self.scopes[scope]) / timedelta(hours=1)


def _some(scopes: Sequence[Scope]) -> str:
    names = ", ".join(f"{scope.provider} {scope.region}" for scope in scopes[:NAMED])
    return names + (f" and {len(scopes) - NAMED} more" if len(scopes) > NAMED else "")


def read_live(
    url: str,
    at: datetime | None = None,
    *,
    warn_after_hours: Mapping[str, float | None],
    refuse_after_hours: float | None,
) -> LivePrices:
    """The prices in force in the store at a moment (UTC), now by default. Raises StoreError."""
    from optimiser.prices.store import open_store, quotas, table_and_scopes

    with open_store(url) as store:
        table, scopes = table_and_scopes(store, at=at)
        granted = tuple(quota for quota in quotas(store) if at is None or quota.observed_at <= at)
        label = store.label
    return LivePrices(
        label=label,
        at=at or datetime.now(UTC),
        table=_book_columns(table, label),
        scopes={scope: when for scope, (when, _) in scopes.items()},
        warn_after_hours=warn_after_hours,
        refuse_after_hours=refuse_after_hours,
        in_the_past=at is not None,
        quotas=granted,
    )


def _book_columns(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The store's columns as the price book has them; the snapshot stands for the line of a file."""
    is_offer = table["missing_reason"] == ""
    months = table["term_months"].where(table["term_months"] > 0, 12)
    amortised = table["usd_per_hour"] + table["upfront_usd"] / (months * (HOURS_PER_YEAR / 12))
    observed_at = pd.to_datetime(table["observed_at"], utc=True).dt.tz_localize(None).astype("datetime64[s]")
    return with_keys(
        table.assign(
            observed_at=observed_at,
            observed_on=observed_at.dt.floor("D"),
            observed_on_is_lower_bound=False,
            valid_until=pd.to_datetime(table["valid_until"]).astype("datetime64[s]"),
            max_instances=table["max_instances"].astype("float64"),
            amortised_usd_per_hour=amortised,
            is_offer=is_offer,
            file=f"price store {label}",
            line=table["snapshot_id"].astype("int64"),
        ).drop(columns="snapshot_id")
    )
