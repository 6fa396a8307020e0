"""Where an answer goes: stdout, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from optimiser.errors import OptimiserError, bad_value
from optimiser.files import write_whole

BROKEN_PIPE = 141


def wants_colour(output: Path | None) -> bool:
    """Whether escapes are welcome: a terminal, no file asked for, and NO_COLOR (no-color.org) not set."""
    return (
        output is None and sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )


def emit(text: str, output: Path | None = None) -> None:
    """Write the answer. Raises UsageError where the file cannot be written, OptimiserError where stdout cannot.

    Where the reader of stdout went away, the process ends in silence with 141, as a shell has it.
    """
    if output is None:
        _show(text)
        return
    save(text, output)
    note(f"wrote {output}")


def save(text: str, output: Path) -> None:
    """Write a file whole or not at all. Raises UsageError where it cannot be written."""
    try:
        write_whole(output, encodable(text))
    except OSError as error:
        right = f"cannot be written: {error.strerror or error}"
        raise bad_value("--output", "file", str(output), right) from None


def _show(text: str) -> None:
    if sys.stdout is None:
        raise OptimiserError("stdout is closed: the answer has nowhere to go")
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal that cannot show × still gets the answer
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise again when the interpreter closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(BROKEN_PIPE) from None
    except OSError as error:
        raise OptimiserError(f"stdout: cannot be written: {error.strerror or error}") from None


def encodable(text: str) -> str:
    """The text with ? for what no file takes: half a character, a byte of an argument that was no UTF-8."""
    return text.encode(errors="replace").decode()


def note(text: str) -> None:
    """Progress and warnings, on stderr; where that is closed, full or no longer read, the work goes on without."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(encodable(f"{text}\n"))
