"""Run the command line inside the test process, away from any config of the user's own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import Run, ran

AS_OF = "2026-11-21"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.delenv("OPTIMISER_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    return partial(ran, capsys)


@pytest.fixture
def fails(run: Run) -> Callable[..., str]:
    """Run a command that must fail with the code: its one line on stderr, nothing on stdout."""

    def failed(code: int, *arguments: str) -> str:
        ran = run(*arguments)
        assert (ran.code, ran.out) == (code, "")
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1
        assert ran.err.endswith("\n")
        return ran.err.removeprefix("error: ").strip()

    return failed
