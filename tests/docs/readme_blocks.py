"""The README's console blocks against what the commands print; `python tests/docs/readme_blocks.py` rewrites them.

A block starts with `$ command`. A last line of `…` says that the output goes on.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ (?P<command>.+)\n(?P<output>(?:.*\n)*?)```")
SHOWN_LINES = 51


def printed(command: str) -> list[str]:
    """What a command prints on a terminal of 100 columns, with no config but the embedded one."""
    program, *arguments = shlex.split(command)
    if program != "optimiser":
        raise ValueError(f"README shows {program}, which is not ours")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPTIMISER")}
    environment = clean | {
        "COLUMNS": "100",
        "XDG_CONFIG_HOME": str(ROOT / "nowhere"),
        "XDG_DATA_HOME": str(ROOT / "nowhere"),
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        [sys.executable, "-m", "optimiser.cli", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line.rstrip() for line in run.stdout.splitlines()]


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
