"""`optimiser refresh`: fetch the prices of today into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import Config, Providers, Regions, Store, Tiers

if TYPE_CHECKING:
    from optimiser.cli.refresh_log import Tell
    from optimiser.refresh import RefreshReport
    from providers.offer import Tier

DryRun = Annotated[bool, typer.Option("--dry-run", help="Fetch and check, store nothing.")]
Acknowledge = Annotated[
    list[str] | None,
    typer.Option("--acknowledge", metavar="FINDING", help="Let a held finding pass, * for any part."),
]
HistoryDays = Annotated[
    int, typer.Option("--spot-history-days", metavar="N", help="Also fetch so many days of spot prices.")
]
Quotas = Annotated[bool, typer.Option("--quotas", help="Also fetch your quotas.")]
CapacityBlocks = Annotated[
    bool, typer.Option("--capacity-blocks", help="Also fetch what Capacity Blocks cost in the next weeks.")
]
Wait = Annotated[
    float | None,
    typer.Option("--wait", metavar="SECONDS", help="How long to wait for another refresh (default: 900)."),
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the whole report there, as JSON.")
]
MetricsFile = Annotated[
    Path | None, typer.Option("--metrics", metavar="FILE", help="Write Prometheus metrics there.")
]
LogFormat = Annotated[str, typer.Option("--log-format", metavar="text|json", help="How to log on stderr.")]
RefreshFormat = Annotated[
    str, typer.Option("--format", metavar="table|json", help="How to show the summary.")
]


def refresh(
    provider: Providers = None,
    region: Regions = None,
    tier: Tiers = None,
    dry_run: DryRun = False,
    acknowledge: Acknowledge = None,
    spot_history_days: HistoryDays = 0,
    quotas: Quotas = False,
    capacity_blocks: CapacityBlocks = False,
    store: Store = None,
    wait: Wait = None,
    report: ReportFile = None,
    metrics: MetricsFile = None,
    log_format: LogFormat = "text",
    format_name: RefreshFormat = "table",
    config: Config = None,
) -> None:
    """Fetch today's prices, check them, and put them in force; what fails or is held keeps its last good ones."""
    from optimiser import refresh as job
    from optimiser.cli.output import emit, note, wants_colour
    from optimiser.cli.refresh_log import LOG_FORMATS, lines, shows_progress, telling
    from optimiser.config import load_config
    from optimiser.errors import OptimiserError, UsageError, bad_value, did_you_mean
    from optimiser.prices.location import store_url
    from optimiser.report.refresh_report import check_format, not_accepted, render

    check_format(format_name)
    if log_format not in LOG_FORMATS:
        raise bad_value("--log-format", "format", log_format, did_you_mean(log_format, LOG_FORMATS))
    if metrics and dry_run:
        raise UsageError("--metrics tells what is in force, which --dry-run leaves as it is: use --report")
    if report and metrics and report.resolve() == metrics.resolve():
        raise UsageError(f"--report and --metrics would write one file, {report}")
    try:
        known = load_config(config)
        _keep_off_the_store(store_url(store, known.settings.store_url), report, metrics)
        with telling(log_format) as tell:
            request = job.RefreshRequest(
                config=known,
                store_url=store_url(store, known.settings.store_url),
                providers=tuple(provider or ()),
                regions=tuple(region or ()),
                tiers=_tiers(tier),
                dry_run=dry_run,
                acknowledge=tuple(acknowledge or ()),
                spot_history_days=spot_history_days,
                quotas=quotas,
                capacity_blocks=capacity_blocks,
                wait_seconds=job.WAIT_SECONDS if wait is None else wait,
                tell=tell,
            )
            outcome = job.refresh(request)
    except OptimiserError as error:
        if log_format == "text":
            raise
        lines(log_format)(job.Event(level=job.Level.ERROR, event="refused", message=str(error)))
        raise typer.Exit(error.exit_code) from None
    say = lines(log_format)
    for text in outcome.warnings:
        say(job.Event(level=job.Level.WARNING, event="warning", message=text))
    if shows_progress(log_format):
        for text in not_accepted(outcome):
            note(f"error: {text}")
    written = _write_files(outcome, report, metrics, say)
    emit(render(outcome, format_name, colour=wants_colour(None)))
    raise typer.Exit(outcome.exit_code if written else OptimiserError.exit_code)


def _keep_off_the_store(url: str, *files: Path | None) -> None:
    from optimiser.errors import UsageError
    from optimiser.prices.location import SQLITE

    store = Path(url.removeprefix(SQLITE)).resolve()
    for file in files:
        if url.startswith(SQLITE) and file and file.resolve() == store:
            raise UsageError(f"{file} is the price store: write the report or metrics elsewhere")


def _tiers(names: list[str] | None) -> tuple[Tier, ...]:
    """The tiers typed, each once, all where none is. Raises UsageError for another name."""
    from optimiser.errors import bad_value, did_you_mean
    from providers.offer import Tier

    for name in names or ():
        if name not in tuple(Tier):
            raise bad_value("--tier", "tier", name, did_you_mean(name, tuple(Tier)))
    return tuple(tier for tier in Tier if not names or tier in names)


def _write_files(outcome: RefreshReport, report: Path | None, metrics: Path | None, say: Tell) -> bool:
    """Write what was asked for, each file whole; False where one could not be written, which is said."""
    from optimiser.files import write_whole
    from optimiser.refresh import Event, Level
    from optimiser.report.metrics import metrics_text
    from optimiser.report.refresh_report import report_json

    written = True
    for option, path, text_of in (("--report", report, report_json), ("--metrics", metrics, metrics_text)):
        if path is None:
            continue
        try:
            write_whole(path, text_of(outcome))
        except OSError as error:
            written = False
            text = f"{option}: file = {str(path)!r}: cannot be written: {error.strerror or error}"
            say(Event(level=Level.ERROR, event="not_written", message=text))
    return written
