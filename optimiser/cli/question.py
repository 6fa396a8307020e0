"""From what was typed to what the pipeline takes: config, prices, workload and the policy in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from optimiser.cli.output import note
from optimiser.errors import StalePrices, UsageError, bad_value
from optimiser.files import day_from

if TYPE_CHECKING:
    from optimiser.config import Config
    from optimiser.config.policy_layers import PolicyLayer
    from optimiser.policy import Policy
    from optimiser.prices.book import PriceBook
    from optimiser.prices.live import LivePrices
    from optimiser.prices.spot_past import SpotPast
    from optimiser.recommend import Request


def day_of(text: str | None) -> date:
    """The --as-of date, today where it is not given. Raises UsageError."""
    if text is None:
        return date.today()  # noqa: DTZ011 (the user's own calendar day)
    try:
        return day_from(text)
    except ValueError as error:
        raise bad_value("--as-of", "date", text, str(error)) from None


def prices(
    directory: Path | None, as_of: str | None, store: str | None = None, *, embedded: bool = False
) -> tuple[Config, PriceBook]:
    """The config and the prices in force: those of the store where there is one, else the embedded snapshot.

    On a day in the past they are what the store held at its end. What a user should know of them goes to stderr.
    Raises StalePrices for a store without prices, unless the embedded ones are wanted too.
    """
    from optimiser.config import load_config
    from optimiser.prices.book import load_book

    day = day_of(as_of)
    config = load_config(directory)
    files = config.price_files
    inside = [path for path in files if path.is_relative_to(config.directories[0])]
    own = [path for path in files if path not in inside]
    live = live_prices(config, store, day, past=as_of is not None, needed=not embedded)
    book = load_book(
        own,
        config.shapes,
        day,
        embedded=inside if embedded or live is None else (),
        live=live,
        discounts=config.settings.discounts,
    )
    for text in book.notes:
        note(f"warning: {text}")
    return config, book


def live_prices(
    config: Config, store: str | None, day: date, *, past: bool, needed: bool
) -> LivePrices | None:
    """The store's prices, None where there is no store, or an empty one and they are not needed."""
    from optimiser.prices.location import store_to_read

    url = store_to_read(store, config.settings.store_url)
    if url is None:
        return None
    from optimiser.prices.live import read_live

    limits = config.settings.live_prices
    live = read_live(
        url,
        _end_of(day) if past else None,
        warn_after_hours=limits.warn_after_hours,
        refuse_after_hours=limits.refuse_after_hours,
    )
    if live.scopes:
        return live
    if needed:
        held = f"held no prices at the end of {day}" if past else "holds no prices yet"
        rather = "run `optimiser refresh`, or plan on the embedded snapshot with --embedded"
        raise StalePrices(f"the price store {live.label} {held}: {rather}")
    return None


def _end_of(day: date) -> datetime | None:
    """The last moment (UTC) of a day that is over, None for today, this time of day for one to come."""
    now = datetime.now(UTC)
    if day == now.date():
        return None
    return datetime.combine(day, time.max if day < now.date() else now.time(), UTC)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What one command asks of every workload it names: config and prices, and what was typed over their files."""

    config: Config
    book: PriceBook
    in_workload: Mapping[str, str]
    typed: Sequence[PolicyLayer]
    store: str | None
    in_the_past: bool
    explain: bool
    pasts: dict[tuple[frozenset[str], int], SpotPast] = field(default_factory=dict)


def asking(
    *,
    directory: Path | None,
    as_of: str | None,
    settings: Sequence[str],
    options: Mapping[str, tuple[str, Sequence[str] | str | None]],
    store: str | None = None,
    embedded: bool = False,
    explain: bool = False,
    fields: Collection[str] | None = None,
    what: str = "workload",
) -> Asking:
    """settings are `--set` texts; options map a policy field to the command's option for it and its value. fields
    are those that a `what` file has beside its policy, a workload's where none are given."""
    from optimiser.config.owned import refuse_unknown_regions
    from optimiser.config.policy_layers import PolicyLayer, regions_of, split_overrides

    if fields is None:
        overrides, in_workload = split_overrides("--set", settings)
    else:
        overrides, in_workload = split_overrides("--set", settings, fields, what)
    config, book = prices(directory, as_of, store, embedded=embedded)
    _warn_of_unknown_regions(config, book)
    if config.owned:
        refuse_unknown_regions(config.owned, regions_of(book))
    typed = [PolicyLayer(option, {field: value}) for field, (option, value) in options.items() if value]
    return Asking(
        config=config,
        book=book,
        in_workload=in_workload,
        typed=(overrides, *typed),
        store=store,
        in_the_past=as_of is not None,
        explain=explain,
    )


def request_for(asked: Asking, workload: str) -> Request:
    """The question that the workload of that name or file asks. Raises UsageError for what is wrong in it."""
    from optimiser.config.policy_layers import PolicyLayer, resolve_policy
    from optimiser.performance.precision import check_precisions
    from optimiser.workload import load_workload

    config, book = asked.config, asked.book
    path = config.find_workload(workload)
    loaded = load_workload(path, asked.in_workload)
    if "model" not in asked.in_workload:
        loaded = replace(loaded, model=config.model_named_in(path, loaded.model))
    try:
        config.find_model(loaded.model)
        check_precisions(loaded.weight_precision, loaded.kv_precision)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    layers = (PolicyLayer(f"{path}: policy", loaded.policy), *asked.typed)
    policy = resolve_policy(config, layers, book)
    past = spot_past(asked, policy)
    # Only now, so that what was typed wrongly is said without waiting for the solver to load.
    from optimiser.recommend import Request

    return Request(
        workload=loaded,
        policy=policy,
        config=config,
        book=book,
        as_of=book.as_of,
        explain=asked.explain,
        spot_past=past,
    )


def _warn_of_unknown_regions(config: Config, book: PriceBook) -> None:
    """A quota in a region without any price limits nothing, and is most likely a slip of the pen."""
    if not config.quotas:
        return
    sold = set(book.offers[["provider", "region"]].itertuples(index=False, name=None))
    for key, quota in config.quotas.items():
        if (key.provider, key.region) not in sold:
            note(
                f"warning: {quota.source}: region = {key.region!r}: no price of {key.provider} there; it limits nothing"
            )


def warn_of_ends(request: Request) -> None:
    """What a command that plans many times over leaves out of what is owned, on stderr."""
    from optimiser.planning.owned import planned_days, planned_without

    days = planned_days(sum(period.hours for period in request.workload.periods))
    for text in planned_without(request.config.owned, request.as_of, days):
        note(f"warning: {text}")


def spot_past(asked: Asking, policy: Policy) -> SpotPast:
    """What the store knows of the pools whose quotes in it the policy allows; nothing is read twice."""
    from optimiser.planning.options import allowed_offers
    from optimiser.prices.location import store_to_read
    from optimiser.prices.spot_past import NO_PAST, read_spot_past

    book = asked.book
    offers = book.offers[(book.offers["tier"] == "spot") & book.offers["observed_at"].notna()]
    types = frozenset(allowed_offers(offers, policy)["instance_type"])
    url = store_to_read(asked.store, asked.config.settings.store_url)
    if not types or url is None:
        return NO_PAST
    key = (types, policy.spot_history_days)
    if key not in asked.pasts:
        at = _end_of(book.as_of) if asked.in_the_past else None
        asked.pasts[key] = read_spot_past(url, types, policy.spot_history_days, at)
    return asked.pasts[key]
