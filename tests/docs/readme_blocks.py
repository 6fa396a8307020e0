"""The README's console blocks against what the commands print; `python tests/docs/readme_blocks.py` rewrites them.

A block starts with `$ command`. A last line of `…` says that the output goes on.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from contextlib import chdir, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from optimiser.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ (?P<command>.+)\n(?P<output>(?:.*\n)*?)```")
SHOWN_LINES = 51


def printed(command: str) -> list[str]:
    """What a command prints on a terminal of 100 columns, with no config but the embedded one.

    In this process: each would load what they share for a second and more.
    """
    program, *arguments = shlex.split(command)
    if program != "optimiser":
        raise ValueError(f"README shows {program}, which is not ours")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPTIMISER")}
    environment = clean | {
        "COLUMNS": "100",
        "XDG_CONFIG_HOME": str(ROOT / "nowhere"),
        "XDG_DATA_HOME": str(ROOT / "nowhere"),
    }
    out = io.StringIO()
    with patch.dict(os.environ, environment, clear=True), chdir(ROOT), redirect_stdout(out):
        code = main(arguments)
    if code:
        raise ValueError(f"{command} ends with {code}")
    return [line.rstrip() for line in out.getvalue().splitlines()]


def blocks() -> list[tuple[str, list[str]]]:
    """(command, lines shown) of every console block."""
    found = BLOCK.finditer(README.read_text(encoding="utf-8"))
    return [(match["command"], match["output"].splitlines()) for match in found]


def _written(match: re.Match[str]) -> str:
    lines = printed(match["command"])
    shown = [*lines[:SHOWN_LINES], "…"] if len(lines) > SHOWN_LINES else lines
    return "```console\n$ " + match["command"] + "\n" + "\n".join(shown) + "\n```"


if __name__ == "__main__":
    README.write_text(BLOCK.sub(_written, README.read_text(encoding="utf-8")), encoding="utf-8")
