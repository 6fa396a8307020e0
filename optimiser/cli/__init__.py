"""The command line: parse, call, render. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import errno
import gc
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from optimiser.errors import OptimiserError, UsageError
from optimiser.pool import collect_seldom

INTERRUPTED = 130
TERMINATED = 143
# Of the name of a file, in a message.
_LONGEST = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; arguments default to the process's own.

    0 answered · 1 failed · 2 bad usage, workload or config · 3 no feasible plan · 4 prices too old ·
    130 interrupted · 143 terminated · 141 the reader of stdout went away. A foreseeable fault is one message on stderr.
    """
    collect_seldom()
    with _interrupts() as seen:
        exit_code = _answered(arguments)
    if arguments is None:
        # The process ends here. Python would look through all there is for dead cycles first, a tenth of a plan's time.
        gc.freeze()
    return INTERRUPTED if seen else exit_code


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Note every SIGINT, since compiled libraries swallow the KeyboardInterrupt that Python raises for it."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = signal.signal(signal.SIGINT, note)
    ended = signal.signal(signal.SIGTERM, _end)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, ended)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Unwind, so that processes of ours end with us."""
    raise SystemExit(TERMINATED)


def _answered(arguments: Sequence[str] | None) -> int:
    try:
        from optimiser.cli.app import app

        app(args=None if arguments is None else list(arguments), prog_name="optimiser")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except OptimiserError as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        # No file can have such a name, so that nothing broke: one was typed that cannot be.
        wrong = UsageError if error.errno == errno.ENAMETOOLONG else OptimiserError
        file = str(error.filename or "")
        named = f"{file[:_LONGEST]}{'…' * (len(file) > _LONGEST)}: " if file else ""
        return _fail(f"{named}{error.strerror or error}", wrong.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _fail(message: str, exit_code: int) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201 (stderr is where messages go)
    return exit_code
