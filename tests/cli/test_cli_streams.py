"""Where an answer goes: files, readers that leave, interrupts, terminals without symbols, and help."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimiser.cli import main
from optimiser.planning.plan_schema import plan_schema

AS_OF = ("--as-of", "2026-11-21")
Run = Callable[..., Any]
COMMAND = (sys.executable, "-c", "import sys; from optimiser.cli import main; sys.exit(main())")


def process(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, **how)


def test_the_output_file_is_written_whole_and_stdout_stays_empty(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "plan.schema.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    ran = run("schema", "plan", "--output", str(path))
    assert (ran.code, ran.out, ran.err) == (0, "", f"wrote {path}\n")
    assert json.loads(path.read_text(encoding="utf-8")) == plan_schema()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".tmp")] == []
    assert run("schema", "plan", "--output", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_a_reader_that_goes_away_is_met_in_silence() -> None:
    started = subprocess.Popen(
        [*COMMAND, "prices", "list", "--gpu", "H100", *AS_OF], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout is not None
    assert started.stderr is not None
    started.stdout.close()
    said = started.stderr.read()
    started.stderr.close()
    assert (started.wait(), said) == (141, b"")


def test_an_interrupt_is_met_in_silence(tmp_path: Path) -> None:
    # Opening a pipe to write waits for its reader, so the command is known to be at work when it is interrupted.
    prices = tmp_path / "prices.csv"
    os.mkfifo(prices)
    started = subprocess.Popen(
        [*COMMAND, "prices", "import", str(prices), "--provider", "aws", "--config", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with prices.open("w", encoding="utf-8"):
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=30)
    assert (started.returncode, out, err) == (130, "", "")


def test_an_interrupt_that_a_library_swallows_still_ends_in_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow(*_: object, **__: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("optimiser.cli.app.app", swallow)
    before = signal.getsignal(signal.SIGINT)
    assert main(["schema", "plan"]) == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_a_terminal_that_knows_no_symbols_still_gets_the_answer() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = process(
        "prices", "list", "--instance-type", "p5.48xlarge", "--tier", "spot", *AS_OF, env=environment
    )
    assert ran.returncode == 0
    assert "26.5858" in ran.stdout


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from optimiser.cli import main; main(['--help'])\n"
        "heavy = {'pandas', 'numpy', 'pulp', 'pydantic', 'yaml', 'rich.console', 'importlib.metadata'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in ("recommend", "estimate", "prices", "schema", "--version"):
        assert name in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"


def test_help_states_the_confidences_that_are_taken(run: Run) -> None:
    text = " ".join(run("recommend", "--help").out.replace("│", " ").split())
    assert "from 0.5 to below 1" in text
    known = ("recommend", "chat-llama-70b", *AS_OF, "--confidence")
    assert "must be below 1" in run(*known, "1").err
    assert "at least 0.5" in run(*known, "0.49").err
    assert "performance_confidence" not in run(*known, "0.5").err


def test_the_version_is_printed(run: Run) -> None:
    ran = run("--version")
    assert ran.code == 0
    assert ran.out.startswith("optimiser")
