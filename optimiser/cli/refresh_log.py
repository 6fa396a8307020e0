"""What a refresh tells, on stderr: a progress bar on a terminal, else one line an event, as text or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock

import typer

from optimiser.cli.output import note
from optimiser.errors import OptimiserError, bad_value, did_you_mean
from optimiser.refresh import Event, Level

LOG_FORMATS = ("text", "json")
Tell = Callable[[Event], None]


def shows_progress(log_format: str) -> bool:
    """Whether a bar stands for the lines of every scope."""
    return log_format == "text" and sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def telling(log_format: str) -> Iterator[Tell]:
    """What to tell events to while a refresh runs; it may be called from any thread."""
    if shows_progress(log_format):
        with _progress() as tell:
            yield tell
    else:
        yield lines(log_format)


def lines(log_format: str) -> Tell:
    """Tells every event as one line: `time level provider region tier: message`, or one JSON object."""
    lock = Lock()
    line = _json_line if log_format == "json" else _text_line

    def tell(event: Event) -> None:
        text = line(event)
        with lock:
            note(text)

    return tell


@contextmanager
def refusals_told(log_format: str) -> Iterator[None]:
    """End the command with the exit code of a refusal, which JSON logs tell as they tell all else.

    Raises UsageError where the format is not one of LOG_FORMATS.
    """
    if log_format not in LOG_FORMATS:
        raise bad_value("--log-format", "format", log_format, did_you_mean(log_format, LOG_FORMATS))
    try:
        yield
    except OptimiserError as error:
        if log_format == "text":
            raise
        lines(log_format)(Event(level=Level.ERROR, event="refused", message=str(error)))
        raise typer.Exit(error.exit_code) from None


def _text_line(event: Event) -> str:
    where = " ".join(part for part in (event.provider, event.region, event.tier) if part)
    message = " ".join(event.message.split())
    return f"{_time()} {event.level} {where}{': ' if where else ''}{message}"


def _json_line(event: Event) -> str:
    fields = {
        "time": _time(),
        "level": event.level.value,
        "event": event.event,
        "provider": event.provider,
        "region": event.region,
        "tier": event.tier,
        "message": event.message,
    }
    return json.dumps(fields, ensure_ascii=False)


def _time() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def _progress() -> Iterator[Tell]:
    """One bar a provider; what is amiss stands above it, scope by scope only in the summary."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {}

        def tell(event: Event) -> None:
            if event.event == "provider_started":
                bars[event.provider] = progress.add_task(event.provider, total=event.expected or None)
            elif event.event == "scope_fetched":
                progress.advance(bars[event.provider])
            elif event.level is not Level.INFO and not event.region:
                where = f"{event.provider}: " if event.provider else ""
                progress.console.print(f"{where}{event.message}", markup=False, highlight=False)

        yield tell
