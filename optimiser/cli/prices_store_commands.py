"""`optimiser prices status|diff|history|prune|discard`: what the price store holds, and how it went."""

from __future__ import annotations

from typing import Annotated

import typer

from optimiser.cli.options import Config, ListFormat, Output, Providers, Regions, Store, Tiers

StatusFormat = Annotated[str, typer.Option("--format", metavar="table|json", help="How to show it.")]
A = Annotated[
    str,
    typer.Argument(
        metavar="A", help="A snapshot's number, or a day like 2026-11-20: what held at its end (UTC)."
    ),
]
B = Annotated[str, typer.Argument(metavar="B", help="The later one, likewise.")]
NOT_IN_ORDER = 4


def register(prices_app: typer.Typer) -> None:
    """Attach the commands to `optimiser prices`."""
    prices_app.command("status", short_help="How old, whole and sound the stored prices are.")(status)
    prices_app.command("diff", short_help="What changed between two snapshots or days.")(diff)
    prices_app.command("history", short_help="How the prices of an instance type went.")(history)
    prices_app.command("prune", short_help="Forget old snapshots.")(prune)
    prices_app.command("discard", short_help="Take back what a snapshot put in force.")(discard)


def status(
    provider: Providers = None,
    format_name: StatusFormat = "table",
    output: Output = None,
    config: Config = None,
    store: Store = None,
) -> None:
    """How the price store stands: last refreshes, ages against their limits, what is held back or failed.

    Ends in 4, for monitors, where prices in force are past a limit of settings.yaml, a region's prices are held back
    or could not be fetched, or the last refresh of a provider was not good; else in 0.
    """
    from datetime import UTC, datetime

    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.store_question import asked_store, checked
    from optimiser.prices.store import (
        counts_in_force,
        quotas,
        scopes_in_force,
        signals,
        snapshots_that_count,
    )
    from optimiser.report.status_page import render_status
    from optimiser.report.store_status import status_of

    known, opened = asked_store(store, config)
    with opened:
        standing, every = scopes_in_force(opened), snapshots_that_count(opened)
        names = {scope.provider for scope in standing} | {one.provider for one in every}
        wanted = checked("--provider", provider, names) or names
        found = status_of(
            opened.label,
            {scope: fetched for scope, fetched in standing.items() if scope.provider in wanted},
            [one for one in every if one.provider in wanted],
            counts_in_force(opened),
            known.settings.live_prices,
            datetime.now(UTC),
            (*quotas(opened), *signals(opened)),
        )
    emit(render_status(format_name, found, colour=wants_colour(output)), output)
    if not found.in_order:
        raise typer.Exit(NOT_IN_ORDER)


def diff(
    a: A,
    b: B,
    provider: Providers = None,
    tier: Tiers = None,
    format_name: ListFormat = "table",
    output: Output = None,
    config: Config = None,
    store: Store = None,
) -> None:
    """What changed from A to B: prices that moved, the largest step first, what is new, what went and why.

    Only regions and tiers that are on both sides are compared; the others are named.
    """
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.store_question import asked_store, sides
    from optimiser.prices.compare import compare
    from optimiser.report.price_diff import render_diff

    _, opened = asked_store(store, config)
    with opened:
        before, after = sides(opened, a, b, provider, tier)
    found = compare(before.prices, after.prices)
    emit(render_diff(format_name, before.name, after.name, found, colour=wants_colour(output)), output)


def history(
    instance_type: Annotated[
        list[str], typer.Option("--instance-type", metavar="NAME", help="Which instance type.")
    ],
    days: Annotated[int, typer.Option("--days", metavar="N", help="How many days back.")] = 90,
    provider: Providers = None,
    region: Regions = None,
    tier: Tiers = None,
    zone: Annotated[
        list[str] | None, typer.Option("--zone", metavar="NAME", help="Only this zone (repeatable).")
    ] = None,
    format_name: ListFormat = "table",
    output: Output = None,
    config: Config = None,
    store: Store = None,
) -> None:
    """How the prices of an instance type went: a chart of the cheapest, and every point as json or csv."""
    from datetime import UTC, datetime

    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.store_question import asked_history, asked_store, one_of, whole_days
    from optimiser.prices.store import scopes_in_force
    from optimiser.report.history_page import HistoryQuestion, render_history

    until = datetime.now(UTC)
    known, opened = asked_store(store, config)
    with opened:
        asked = HistoryQuestion(
            instance_type=one_of("--instance-type", instance_type),
            since=until - whole_days("--days", days),
            until=until,
            zones=tuple(zone or ()),
            carry_hours=known.settings.live_prices.warn_after_hours,
        )
        points = asked_history(opened, known, asked, provider, region, tier)
        fetched = {scope: when for scope, (when, _) in scopes_in_force(opened).items() if when <= until}
    emit(render_history(format_name, asked, points, fetched, colour=wants_colour(output)), output)


def prune(
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", metavar="N", help="Forget snapshots that are older than this.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: Config = None,
    store: Store = None,
) -> None:
    """Forget snapshots older than N days. What is in force stays, however old: a region's last good prices go
    only when newer ones have taken their place.
    """
    from datetime import UTC, datetime

    from optimiser.cli.output import emit
    from optimiser.cli.store_question import asked_store, whole_days
    from optimiser.prices.checks.steps import LEAST_KEPT_DAYS
    from optimiser.prices.store import prune as prune_store
    from optimiser.report.status_page import pruned_text

    before = datetime.now(UTC) - whole_days("--older-than-days", older_than_days, LEAST_KEPT_DAYS)
    _, opened = asked_store(store, config)
    with opened:
        gone = prune_store(opened, before, dry_run=dry_run)
    emit(
        pruned_text(
            opened.label,
            before,
            snapshots=gone.snapshots,
            prices=gone.prices,
            spot_steps=gone.spot_steps,
            dry_run=dry_run,
        )
    )


def discard(
    snapshot: Annotated[
        int, typer.Argument(metavar="N", help="The snapshot's number, as `refresh` gives it.")
    ],
    config: Config = None,
    store: Store = None,
) -> None:
    """Take back what a snapshot put in force, for a wrong price that got in or a clock that was wrong: the prices
    before it serve again, with their own date, until the next refresh.
    """
    from optimiser.cli.output import emit
    from optimiser.cli.store_question import asked_store
    from optimiser.prices.store import discard as discard_from_store
    from optimiser.prices.store import exclusive, scopes_in_force
    from optimiser.report.status_page import discarded_text

    _, opened = asked_store(store, config)
    with opened, exclusive(opened, 0):
        in_force = scopes_in_force(opened)
        without_prices = discard_from_store(opened, snapshot)
    served = {scope for scope, (_, number) in in_force.items() if number == snapshot}
    emit(discarded_text(opened.label, snapshot, served, without_prices))
