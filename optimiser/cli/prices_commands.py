"""`optimiser prices …`: the prices in force, and the door they come in by."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from optimiser.cli.options import (
    AsOf,
    Config,
    Embedded,
    Gpus,
    ListFormat,
    Output,
    Providers,
    Regions,
    Store,
    Tiers,
    Types,
)
from optimiser.cli.prices_store_commands import register

prices_app = typer.Typer(
    help="The prices in force, what the store holds, and the door for your own.", rich_markup_mode=None
)


@prices_app.command("list", short_help="List the prices in force.")
def list_prices(
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    tier: Tiers = None,
    format_name: ListFormat = "table",
    output: Output = None,
    config: Config = None,
    store: Store = None,
    embedded: Embedded = False,
    as_of: AsOf = None,
) -> None:
    """List the prices in force with their age, and every price that does not exist with its reason."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import prices
    from optimiser.report.price_list import price_document, price_rows
    from optimiser.report.records import render_records

    known, book = prices(config, as_of, store, embedded=embedded)
    filters = {
        "provider": provider,
        "region": region,
        "gpu": gpu,
        "instance_type": instance_type,
        "tier": tier,
    }
    rows = price_rows(book, known.shapes, {name: wanted or () for name, wanted in filters.items()})
    text = render_records(format_name, rows, lambda: price_document(book, rows), colour=wants_colour(output))
    emit(text, output)


@prices_app.command("import", short_help="Bring a price list.")
def import_price_file(
    file: Annotated[Path, typer.Argument(help="A CSV price list (see config/README.md).")],
    provider: Annotated[str, typer.Option("--provider", metavar="NAME", help="Whose rows are taken.")],
    config: Config = None,
    replace_all: Annotated[
        bool, typer.Option("--replace-all", help="Keep nothing of what was imported before.")
    ] = False,
) -> None:
    """Check a price list row by row and add it to your config, where it takes the place of older prices."""
    from optimiser.cli.output import emit, note
    from optimiser.cli.question import live_prices
    from optimiser.config import load_config, user_directory
    from optimiser.prices.book import load_book
    from optimiser.prices.doubts import doubts
    from optimiser.prices.import_csv import import_prices
    from optimiser.prices.markets import odd_markets

    known, today = load_config(config), date.today()  # noqa: DTZ011 (the user's own calendar day)
    before = load_book(known.price_files, known.shapes, today)
    report = import_prices(
        file,
        provider,
        known.shapes,
        user_directory(config) / "prices" / f"{provider}.csv",
        gpu_memory_gb={name: gpu.memory_gb for name, gpu in known.gpus.items()},
        replace_all=replace_all,
    )
    for reason, rows in report.skipped_by_reason.items():
        note(f"skipped {rows:,} rows: {reason}")
    if report.unknown_instance_types:
        note(f"without a shape: {', '.join(report.unknown_instance_types)}")
    after = load_book(load_config(config).price_files, known.shapes, today)
    live = live_prices(known, None, today, past=False, needed=False)
    own = after.offers[after.offers["provider"] == provider]
    for doubt in (*doubts(before.offers, after.offers, live), *odd_markets(own, ())):
        note(f"warning: {doubt}")
    took = f"{report.imported:,} prices and {report.missing:,} known not to exist"
    emit(
        f"{took} for {provider} are in {report.destination} ({report.replaced:,} rows of that file replaced)\n"
    )


register(prices_app)
