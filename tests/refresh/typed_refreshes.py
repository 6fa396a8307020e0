"""`optimiser refresh` typed within the test's process, on the doubles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from refresh_doubles import Cloud

from optimiser.cli import main
from optimiser.prices.store import open_store, scopes_in_force


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def typed_with(
    clouds: dict[str, Cloud],
    sqlite_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the command line on the doubles, with a config under which nothing has to be on sale."""
    instances = tmp_path / "config" / "instances"
    instances.mkdir(parents=True)
    for name in clouds:
        (instances / f"{name}.yaml").write_text("always_sold: []\n", encoding="utf-8")
    monkeypatch.setenv("OPTIMISER_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("OPTIMISER_STORE", sqlite_url)

    def run(*arguments: str) -> Ran:
        code = main(["refresh", *arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def scopes_stored(url: str) -> int:
    with open_store(url) as store:
        return len(scopes_in_force(store))
