"""The commands, their options, and what each one calls."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from optimiser import __version__

app = typer.Typer(
    help="Which GPU instances to commit to, run on demand and run on spot to serve an LLM for the least money.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
prices_app = typer.Typer(help="List the prices in force, or bring your own.", rich_markup_mode=None)
app.add_typer(prices_app, name="prices", no_args_is_help=True)

Workload = Annotated[str, typer.Argument(help="A workload file, or the name of one in config/workloads.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="DIR", help="Your own config, laid over the built-in one.")
]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to stdout.")]
AsOf = Annotated[str | None, typer.Option(metavar="DATE", help="Plan as if today were this date.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the policy or workload."),
]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider (repeatable).")
]
Regions = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="Only this region (repeatable).")
]
Gpus = Annotated[list[str] | None, typer.Option("--gpu", metavar="NAME", help="Only this GPU (repeatable).")]
Types = Annotated[
    list[str] | None,
    typer.Option("--instance-type", metavar="NAME", help="Only this instance type (repeatable)."),
]
Margin = Annotated[
    str | None, typer.Option(metavar="SHARE", help="Taken off every estimated rate, instead of its error.")
]
PlanFormat = Annotated[
    str, typer.Option("--format", metavar="table|json|markdown|csv", help="How to show it.")
]
ListFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv", help="How to show it.")]


def _policy_options(
    providers: list[str] | None,
    regions: list[str] | None,
    gpus: list[str] | None,
    instance_types: list[str] | None,
    margin: str | None,
) -> dict[str, tuple[str, list[str] | str | None]]:
    """The policy field behind each option, the option's own name for messages, and what was typed."""
    return {
        "providers": ("--provider", providers),
        "regions": ("--region", regions),
        "gpus": ("--gpu", gpus),
        "instance_types": ("--instance-type", instance_types),
        "performance_margin": ("--margin", margin),
    }


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"optimiser {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Which GPU instances to commit to, run on demand and on spot to serve an LLM for the least money."""


@app.command(short_help="Plan a workload.")
def recommend(
    workload: Workload,
    format_name: PlanFormat = "table",
    explain: Annotated[
        bool, typer.Option("--explain", help="Add binding rules, rejections and alternatives.")
    ] = False,
    output: Output = None,
    settings: Set = None,
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    margin: Margin = None,
    config: Config = None,
    as_of: AsOf = None,
) -> None:
    """Plan a workload: what to buy, how to pay for it, what it costs and saves, how sure that is."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import question
    from optimiser.report import renderer

    render = renderer(format_name)
    asked = question(
        workload,
        directory=config,
        as_of=as_of,
        settings=settings or (),
        options=_policy_options(provider, region, gpu, instance_type, margin),
        explain=explain,
    )
    from optimiser import recommend as pipeline

    plan = pipeline.recommend(asked)
    emit(render(plan, explain=explain, colour=wants_colour(output)), output)


@app.command(short_help="What every instance type would do.")
def estimate(
    workload: Workload,
    format_name: ListFormat = "table",
    output: Output = None,
    settings: Set = None,
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    margin: Margin = None,
    config: Config = None,
    as_of: AsOf = None,
) -> None:
    """Every instance type for a workload: rate, latency and cost per 1M tokens, or why it is out."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import question

    asked = question(
        workload,
        directory=config,
        as_of=as_of,
        settings=settings or (),
        options=_policy_options(provider, region, gpu, instance_type, margin),
    )
    from optimiser.performance.estimate_types import Estimate, Rejection
    from optimiser.planning.token_costs import token_costs
    from optimiser.recommend import estimates_for
    from optimiser.report.estimate_list import estimate_document, estimate_rows
    from optimiser.report.records import render_records

    results = estimates_for(asked.workload, asked.config, asked.policy)
    serving = [result for result in results if isinstance(result, Estimate)]
    known, ages = asked.config, asked.config.settings.max_price_age_days
    costs = token_costs(serving, known.shapes, asked.book, asked.workload, asked.policy, ages)
    out = [result for result in results if isinstance(result, Rejection)]
    rows = estimate_rows(costs, out, known.shapes)
    text = render_records(
        format_name, rows, lambda: estimate_document(asked.workload, rows), colour=wants_colour(output)
    )
    emit(text, output)


@app.command(short_help="Print a JSON Schema.")
def schema(
    what: Annotated[str, typer.Argument(metavar="NAME", help="plan, policy or workload.")],
    output: Output = None,
) -> None:
    """Print a JSON Schema: of the plan that `recommend --format json` writes, of a policy or a workload."""
    from optimiser.cli.output import emit
    from optimiser.report.schemas import schema_text

    emit(schema_text(what), output)


@prices_app.command("list", short_help="List the prices in force.")
def list_prices(
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    tier: Annotated[
        list[str] | None,
        typer.Option("--tier", metavar="NAME", help="Only on_demand, spot or reserved (repeatable)."),
    ] = None,
    format_name: ListFormat = "table",
    output: Output = None,
    config: Config = None,
    as_of: AsOf = None,
) -> None:
    """List the prices in force with their age, and every price that does not exist with its reason."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import prices
    from optimiser.report.price_list import price_document, price_rows
    from optimiser.report.records import render_records

    known, book = prices(config, as_of)
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
    from optimiser.config import load_config, user_directory
    from optimiser.prices.book import load_book
    from optimiser.prices.doubts import doubts
    from optimiser.prices.import_csv import import_prices

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
    for doubt in doubts(before.offers, after.offers):
        note(f"warning: {doubt}")
    took = f"{report.imported:,} prices and {report.missing:,} known not to exist"
    emit(
        f"{took} for {provider} are in {report.destination} ({report.replaced:,} rows of that file replaced)\n"
    )
