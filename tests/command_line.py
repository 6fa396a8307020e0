"""The command line, run inside the test's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from optimiser.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    code = main(arguments)
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)
