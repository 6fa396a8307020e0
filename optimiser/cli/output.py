"""Where an answer goes: stdout, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from optimiser.errors import bad_value
from optimiser.files import write_whole

BROKEN_PIPE = 141


def wants_colour(output: Path | None) -> bool:
    """Whether escapes are welcome: a terminal, no file asked for, and NO_COLOR (no-color.org) not set."""
    return (
        output is None and sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )


def emit(text: str, output: Path | None = None) -> None:
    """Write the answer. Raises UsageError where the file cannot be written.

    Where the reader of stdout went away, the process ends in silence with 141, as a shell has it.
    """
    if output is None:
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
        return
    try:
        write_whole(output, text)
    except OSError as error:
        right = f"cannot be written: {error.strerror or error}"
        raise bad_value("--output", "file", str(output), right) from None
    note(f"wrote {output}")


def note(text: str) -> None:
    """Progress and warnings, on stderr."""
    sys.stderr.write(f"{text}\n")
