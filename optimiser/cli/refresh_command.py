"""`optimiser refresh`: fetch the prices of today into the store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from os.path import expanduser, realpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import Config, Providers, Regions, Store, Tiers
from optimiser.errors import OptimiserError, UsageError, bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.refresh import RefreshReport, RefreshRequest
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
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.refresh_log import refusals_told
    from optimiser.config import load_config
    from optimiser.prices.location import store_url
    from optimiser.report.metrics import metrics_text
    from optimiser.report.refresh_report import check_format, render, report_json

    check_format(format_name)
    with refusals_told(log_format):
        known = load_config(config)
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
        )
        _check_files(request, report, metrics)
        outcome = _refreshed(request, log_format, report, metrics)
    _tell_end(outcome, log_format)
    reported = _is_written("--report", report, report_json(outcome), log_format)
    measured = _is_written("--metrics", metrics, metrics_text(outcome), log_format)
    emit(render(outcome, format_name, colour=wants_colour(None)))
    raise typer.Exit(outcome.exit_code if reported and measured else OptimiserError.exit_code)


def _check_files(request: RefreshRequest, report: Path | None, metrics: Path | None) -> None:
    """Raises UsageError for files that would be written over each other or over the store."""
    from optimiser.prices.location import SQLITE

    if metrics and request.dry_run:
        raise UsageError("--metrics tells what is in force, which --dry-run leaves as it is: use --report")
    places = [realpath(file) for file in (report, metrics) if file]
    if len(set(places)) < len(places):
        raise UsageError(f"--report and --metrics would write one file, {report}")
    store = realpath(expanduser(request.store_url.removeprefix(SQLITE)))
    if request.store_url.startswith(SQLITE) and store in places:
        raise UsageError(f"{store} is the price store: write the report or metrics elsewhere")


def _refreshed(
    request: RefreshRequest, log_format: str, report: Path | None, metrics: Path | None
) -> RefreshReport:
    """Run the refresh. What refuses it is told in the files as well, and raised."""
    from optimiser import refresh as job
    from optimiser.cli.refresh_log import telling
    from optimiser.report.metrics import refused_metrics
    from optimiser.report.refresh_report import report_json

    started_at = request.clock()
    try:
        with telling(log_format) as tell:
            return job.refresh(replace(request, tell=tell))
    except OptimiserError as refusal:
        nothing = job.RefreshReport(
            started_at=started_at,
            finished_at=request.clock(),
            dry_run=request.dry_run,
            tiers=request.tiers,
            regions=request.regions,
            providers=(),
            warnings=(),
        )
        _is_written("--report", report, report_json(nothing, refusal), log_format)
        _is_written("--metrics", metrics, refused_metrics(nothing, _standing(metrics)), log_format)
        raise


def _tiers(names: list[str] | None) -> tuple[Tier, ...]:
    """The tiers typed, each once, all where none is. Raises UsageError for another name."""
    from providers.offer import Tier

    for name in names or ():
        if name not in tuple(Tier):
            raise bad_value("--tier", "tier", name, did_you_mean(name, tuple(Tier)))
    return tuple(tier for tier in Tier if not names or tier in names)


def _tell_end(outcome: RefreshReport, log_format: str) -> None:
    """What is to be said besides the lines of each scope, or in their place where a bar stood for them."""
    from optimiser.cli.output import note
    from optimiser.cli.refresh_log import lines, shows_progress
    from optimiser.refresh import Event, Level
    from optimiser.report.refresh_report import not_accepted

    say = lines(log_format)
    for one in outcome.providers:
        # Where no snapshot is stored at all, every scope has said so.
        if one.store_error and one.snapshot.id:
            message = f"not all is stored: {one.store_error}"
            say(Event(level=Level.ERROR, event="not_stored", message=message, provider=one.provider))
    for text in outcome.warnings:
        say(Event(level=Level.WARNING, event="warning", message=text))
    if shows_progress(log_format):
        for text in not_accepted(outcome):
            note(f"error: {text}")


def _standing(path: Path | None) -> str:
    """What a file holds, "" where there is none to read."""
    if path and path.is_file():
        with suppress(OSError):
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _is_written(option: str, path: Path | None, text: str, log_format: str) -> bool:
    """Write a file that was asked for whole; False where it could not be written, which is said."""
    from optimiser.cli.output import encodable
    from optimiser.cli.refresh_log import lines
    from optimiser.files import write_whole
    from optimiser.refresh import Event, Level

    try:
        if path:
            write_whole(path, encodable(text))
    except OSError as error:
        message = f"{option}: file = {str(path)!r}: cannot be written: {error.strerror or error}"
        lines(log_format)(Event(level=Level.ERROR, event="not_written", message=message))
        return False
    return True
