"""From what was typed to what the price store is asked: which store, which snapshots or days, which names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.files import day_from
from providers.offer import Tier

if TYPE_CHECKING:
    from optimiser.config import Config
    from optimiser.prices.refreshed import ScopePrices
    from optimiser.prices.store import Store
    from optimiser.report.history_page import HistoryQuestion
    from optimiser.report.price_history import HistoryPoint
    from providers.fetch import Scope

MOST_DAYS = 3650


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison: its name, its prices, and the provider it is confined to ("" for none)."""

    name: str
    provider: str
    prices: Mapping[Scope, ScopePrices]


def asked_store(option: str | None, directory: Path | None) -> tuple[Config, Store]:
    """The config and the open store. Raises UsageError where there is none."""
    from optimiser.config import load_config
    from optimiser.prices.location import default_path, store_to_read
    from optimiser.prices.store import open_store

    config = load_config(directory)
    url = store_to_read(option, config.settings.store_url)
    if url is None:
        raise UsageError(f"there is no price store at {default_path()}: run `optimiser refresh`")
    return config, open_store(url)


def whole_days(option: str, days: int, least: int = 1) -> timedelta:
    """So many days. Raises UsageError outside least to MOST_DAYS."""
    if not least <= days <= MOST_DAYS:
        raise bad_value(option, "days", days, f"a whole number from {least} to {MOST_DAYS}")
    return timedelta(days=days)


def one_of(option: str, names: Sequence[str]) -> str:
    """The one name typed. Raises UsageError where there are several, of which a shell would keep the last."""
    if len(set(names)) > 1:
        raise UsageError(f"{option}: one at a time, not {', '.join(names)}")
    return names[0]


def checked(option: str, names: Sequence[str] | None, known: Collection[str]) -> tuple[str, ...]:
    """The names typed, each once. Raises UsageError for one that is not known."""
    for name in names or ():
        if name not in known:
            raise UsageError(f"{option} {name!r}: no such {option.strip('-')}; {did_you_mean(name, known)}")
    return tuple(dict.fromkeys(names or ()))


def sides(
    store: Store, a: str, b: str, providers: Sequence[str] | None, tiers: Sequence[str] | None
) -> tuple[Side, Side]:
    """The two sides of `prices diff`, confined to the tiers, the providers, and the provider of a snapshot.

    Each is a snapshot's id, or a day, meaning what was in force at the end of it (UTC). Raises UsageError for
    what is neither or does not exist, and for two snapshots of different providers.
    """
    found = [_side(store, text) for text in (a, b)]
    confined = {one.provider for one in found if one.provider}
    if len(confined) > 1:
        raise UsageError(f"{found[0].name} and {found[1].name} are of different providers")
    known = {scope.provider for one in found for scope in one.prices} | confined
    wanted = set(checked("--provider", providers, known)) or known
    if confined and not confined & wanted:
        snapshot = next(one.name for one in found if one.provider)
        raise UsageError(f"--provider {' '.join(sorted(wanted))!r}: {snapshot} is not of it")
    wanted &= confined or known
    of_tiers = set(checked("--tier", tiers, [tier.value for tier in Tier])) or set(Tier)
    first, second = (
        Side(
            name=one.name,
            provider=one.provider,
            prices={
                scope: prices
                for scope, prices in one.prices.items()
                if scope.provider in wanted and scope.tier in of_tiers
            },
        )
        for one in found
    )
    return first, second


def _side(store: Store, text: str) -> Side:
    if text.isascii() and text.isdigit():
        return _snapshot(store, int(text))
    try:
        day = day_from(text)
    except ValueError as error:
        right = f"a snapshot's number such as 12, or a day: {error}"
        raise UsageError(f"{text!r}: {right}") from None
    if day > datetime.now(UTC).date():
        raise UsageError(f"{text!r}: this day is yet to come")
    from optimiser.prices.store import in_force, scopes_in_force

    at = datetime.combine(day, time.max, UTC)
    standing = scopes_in_force(store, at=at)
    if not standing:
        raise UsageError(f"{text!r}: {store.label} held no prices at the end of that day")
    prices: dict[Scope, ScopePrices] = {}
    for provider in sorted({scope.provider for scope in standing}):
        prices |= in_force(store, provider, at=at)
    return Side(name=f"{day} (end of day, UTC)", provider="", prices=prices)


def _snapshot(store: Store, number: int) -> Side:
    from optimiser.prices.store import prices_of, snapshots

    prices = prices_of(store, number)
    found = next(one for one in snapshots(store) if one.id == number)
    name = f"snapshot {number} ({found.provider} {found.finished_at:%Y-%m-%d %H:%M} UTC)"
    return Side(name=name, provider=found.provider, prices=prices)


def asked_history(
    store: Store,
    config: Config,
    asked: HistoryQuestion,
    providers: Sequence[str] | None,
    regions: Sequence[str] | None,
    tiers: Sequence[str] | None,
) -> list[HistoryPoint]:
    """The store's history of what is asked in those places, in every zone of them.

    Raises UsageError for a name that neither the store nor the config knows.
    """
    import pandas as pd

    from optimiser.prices.store import history, scopes_in_force
    from optimiser.report.price_history import points_of

    standing = scopes_in_force(store)
    shapes = config.shapes
    known = {scope.provider for scope in standing} | {provider for provider, _ in shapes}
    places = product(
        checked("--provider", providers, known) or (None,),
        checked("--region", regions, {scope.region for scope in standing}) or (None,),
        checked("--tier", tiers, [tier.value for tier in Tier]) or (None,),
    )
    tables = [
        history(
            store,
            since=asked.since,
            until=asked.until,
            instance_type=asked.instance_type,
            provider=provider,
            region=region,
            tier=None if tier is None else Tier(tier),
        )
        for provider, region, tier in places
    ]
    filled = [table for table in tables if not table.empty]
    if not filled:
        _check_type(store, asked.instance_type, {name for _, name in shapes})
        return []
    found = pd.concat(filled, ignore_index=True)
    checked("--zone", asked.zones, set(found["zone"]) - {""})
    return points_of(found)


def _check_type(store: Store, name: str, of_config: Iterable[str]) -> None:
    """UsageError where neither the config nor what is in force in the store has an instance type."""
    known = set(of_config)
    if name in known:
        return
    from optimiser.prices.store import in_force_table

    known |= set(in_force_table(store)["instance_type"])
    if name not in known:
        raise UsageError(f"--instance-type {name!r}: no such instance type; {did_you_mean(name, known)}")
