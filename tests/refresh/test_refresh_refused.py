"""`optimiser refresh` where it cannot go on, or nobody listens: exit codes, what is said, and what the files say."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Run
from refresh_doubles import Cloud, scopes_stored

from optimiser.prices.store import exclusive, open_store, snapshots
from providers.errors import Unavailable


def test_a_file_that_cannot_be_written_is_exit_1_after_the_prices_are_stored(
    typed: Run, sqlite_url: str, tmp_path: Path
) -> None:
    ran = typed("--metrics", str(tmp_path / "nowhere" / "m.prom"), "--report", str(tmp_path / "r.json"))
    assert ran.code == 1
    assert "--metrics: file = " in ran.err
    assert "cannot be written: No such file or directory" in ran.err
    assert ran.out.startswith("15 scopes")
    assert (tmp_path / "r.json").exists()
    assert scopes_stored(sqlite_url) == 15


def test_another_refresh_at_work_is_refused_with_who_and_since_when(typed: Run, sqlite_url: str) -> None:
    with open_store(sqlite_url, create=True) as store, exclusive(store, 0):
        ran = typed("--wait", "0")
    assert (ran.code, ran.out) == (4, "")
    assert re.search(r"^error: .*a refresh is running already \(pid \d+", ran.err)


def test_a_store_that_cannot_be_made_is_exit_1(typed: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ran = typed("--store", f"sqlite:///{tmp_path}/file/prices.sqlite3")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")


def test_an_interrupt_is_exit_130_and_leaves_what_was_in_force(
    typed: Run, clouds: dict[str, Cloud], sqlite_url: str
) -> None:
    assert typed().code == 0
    clouds["aws"].error = KeyboardInterrupt()
    ran = typed()
    assert (ran.code, ran.out) == (130, "")
    with open_store(sqlite_url) as store:
        assert len(snapshots(store)) == 3


def test_a_refusal_is_in_the_report_and_leaves_the_ages_in_the_metrics(
    typed: Run, sqlite_url: str, tmp_path: Path
) -> None:
    report, metrics = tmp_path / "r.json", tmp_path / "m.prom"
    files = ("--report", str(report), "--metrics", str(metrics))
    assert typed(*files).code == 0
    good = metrics.read_text(encoding="utf-8")
    with open_store(sqlite_url) as store, exclusive(store, 0):
        ran = typed("--wait", "0", *files)
    assert ran.code == 4
    content = json.loads(report.read_text(encoding="utf-8"))
    assert (content["exit_code"], content["providers"]) == (4, [])
    assert ran.err == f"error: {content['refused']}\n"
    now = metrics.read_text(encoding="utf-8")
    assert 'optimiser_refresh_ok{refresh="all"} 0\n' in now
    ages = [line for line in good.splitlines() if line.startswith("optimiser_price_oldest")]
    assert len(ages) == 9
    assert set(ages) <= set(now.splitlines())


def test_a_store_that_cannot_be_opened_is_in_the_files_too(typed: Run, tmp_path: Path) -> None:
    report, metrics = tmp_path / "r.json", tmp_path / "m.prom"
    files = ("--report", str(report), "--metrics", str(metrics))
    ran = typed("--store", "sqlite:////proc/nowhere/prices.sqlite3", "--tier", "spot", *files)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: /proc/nowhere/prices.sqlite3: cannot be written: ")
    assert json.loads(report.read_text(encoding="utf-8"))["refused"] in ran.err
    assert 'optimiser_refresh_ok{refresh="spot"} 0\n' in metrics.read_text(encoding="utf-8")


def test_files_that_cannot_be_written_do_not_hide_the_refusal(typed: Run, tmp_path: Path) -> None:
    ran = typed("--provider", "awz", "--report", str(tmp_path / "nowhere" / "r.json"))
    assert ran.code == 2
    assert "--report: file = " in ran.err
    assert ran.err.splitlines()[-1].startswith("error: --provider: provider = 'awz'")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE price_scopes SET tier = 'sport'", "ValueError: 'sport' is not a valid Tier"),
        ("UPDATE price_rows SET usd_per_hour_nano = 'a lot'", "ValueError: invalid literal"),
        ("DROP TABLE price_quotas", "no such table: price_quotas"),
    ],
)
def test_a_damaged_store_is_exit_1_and_named(typed: Run, tmp_path: Path, damage: str, said: str) -> None:
    assert typed().code == 0
    with closing(sqlite3.connect(tmp_path / "prices.sqlite3")) as connection, connection:
        connection.execute(damage)
    ran = typed("--quotas", "--report", str(tmp_path / "r.json"))
    assert ran.code == 1
    report = (tmp_path / "r.json").read_text(encoding="utf-8")
    for text in (ran.err, report):
        assert f"{tmp_path}/prices.sqlite3: is damaged or was changed by hand ({said}" in text
    assert json.loads(report)["exit_code"] == 1


def test_a_closed_stdout_is_exit_1_after_the_prices_are_stored(
    typed: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    ran = typed()
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "error: stdout is closed: the answer has nowhere to go"
    assert scopes_stored(sqlite_url) == 15


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stderr", [None, Full()], ids=["closed", "full"])
def test_a_log_that_cannot_be_written_stops_no_refresh(
    typed: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    ran = typed()
    assert (ran.code, ran.out[:9]) == (0, "15 scopes")
    assert scopes_stored(sqlite_url) == 15


def test_a_cloud_that_says_what_no_file_can_hold_is_in_the_report_all_the_same(
    typed: Run, clouds: dict[str, Cloud], tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    clouds["aws"].error = Unavailable("half an emoji: \ud83d")
    assert typed("--report", str(report)).code == 4
    assert "half an emoji: ?" in report.read_text(encoding="utf-8")
