"""`optimiser refresh` as it is typed: exit codes, what goes to which stream, files, logs and the progress bar."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from command_line import Run
from refresh_doubles import EAST, ON_DEMAND, SPOT, WEST, Cloud, scopes_stored

from providers.errors import Unavailable

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error) .+")


def test_a_good_refresh_answers_on_stdout_and_logs_on_stderr(typed: Run, sqlite_url: str) -> None:
    ran = typed()
    assert ran.code == 0
    assert ran.out.startswith("15 scopes (provider, region and tier): 15 accepted with 100 prices\n")
    lines = ran.err.splitlines()
    assert all(LOG_LINE.fullmatch(line) for line in lines)
    assert sum(line.endswith("info aws us-east-1 spot: fetched") for line in lines) == 1
    assert len(lines) == 3 + 15 + 3
    assert scopes_stored(sqlite_url) == 15


def test_only_what_is_asked_is_fetched(typed: Run, sqlite_url: str, clouds: dict[str, Cloud]) -> None:
    ran = typed("--provider", "aws", "--region", "us-west-2", "--tier", "spot", "--tier", "on_demand")
    assert ran.code == 0
    assert clouds["aws"].asked[0][1:4:2] == (("us-west-2",), (ON_DEMAND, SPOT))
    assert not clouds["gcp"].asked
    assert scopes_stored(sqlite_url) == 2


def test_what_failed_is_exit_4_and_named_region_by_region(typed: Run, clouds: dict[str, Cloud]) -> None:
    clouds["aws"].failing = {EAST: Unavailable("timed out"), WEST: Unavailable("timed out")}
    ran = typed()
    assert ran.code == 4
    named = [line.split(" ", 1)[1] for line in ran.err.splitlines() if "timed out" in line]
    assert named == [
        f"error aws {region} on_demand: failed: timed out" for region in ("us-east-1", "us-west-2")
    ]
    assert "AWS us-east-1, us-west-2 on demand failed: timed out" in ran.out


def test_a_held_step_is_let_pass_by_the_name_it_is_given(typed: Run, clouds: dict[str, Cloud]) -> None:
    assert typed().code == 0
    clouds["aws"].change(EAST, "p5.48xlarge", "55.04")
    held = typed("--provider", "aws")
    assert held.code == 4
    (name,) = re.findall(r"^held (no_price_jump:\S+): ", held.out, re.MULTILINE)
    assert typed("--provider", "aws", "--acknowledge", name).code == 0


def test_json_logs_are_one_object_a_line_to_the_last(typed: Run, clouds: dict[str, Cloud]) -> None:
    clouds["gcp"].error = Unavailable("no network")
    ran = typed("--log-format", "json", "--format", "json", "--acknowledge", "price_in_band:gcp/*")
    assert ran.code == 4
    events = [json.loads(line) for line in ran.err.splitlines()]
    keys = {"time", "level", "event", "provider", "region", "tier", "message"}
    assert all(event.keys() == keys for event in events)
    assert {event["event"] for event in events} == {
        "provider_started",
        "scope_fetched",
        "scope_failed",
        "provider_finished",
        "warning",
    }
    assert json.loads(ran.out)["exit_code"] == 4


def test_json_logs_tell_a_refusal_as_json_too(typed: Run) -> None:
    ran = typed("--log-format", "json", "--provider", "awz")
    assert (ran.code, ran.out) == (2, "")
    (event,) = [json.loads(line) for line in ran.err.splitlines()]
    assert (event["level"], event["event"]) == ("error", "refused")
    assert "did you mean aws?" in event["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--provider", "awz"), "did you mean aws?"),
        (("--tier", "sport"), "--tier: tier = 'sport': did you mean spot?"),
        (("--region", "us-est-1"), "or us-east-1"),
        (("--format", "csv"), "--format"),
        (("--log-format", "jsn"), "did you mean json?"),
        (("--acknowledge", "p5.48xlarge"), "a finding such as"),
        (("--spot-history-days", "91"), "clouds keep no more"),
        (("--dry-run", "--metrics", "x.prom"), "--dry-run"),
        (("--wait", "nan"), "--wait: seconds = nan: a finite number, 0 to refuse at once"),
        (("--wait", "inf"), "--wait: seconds = inf"),
        (("--store", ""), "--store: store = '': a URL, or leave it out for the default store"),
        (("--region", "us-east-1\udcff"), "--region: region = 'us-east-1\\udcff': a name such as us-east-1"),
        (("--region", ""), "--region: region = ''"),
        (("--provider", "\udcff"), "--provider: provider = '\\udcff': known: aws, azure, gcp"),
        (("--store", "sqlite:////tmp/\udcff"), "is not a URL such as sqlite:"),
    ],
)
def test_what_is_typed_wrongly_is_exit_2_with_one_line(
    typed: Run, arguments: tuple[str, ...], message: str
) -> None:
    ran = typed(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert message in ran.err.splitlines()[-1]


def test_the_report_and_the_metrics_are_written_whole(typed: Run, tmp_path: Path) -> None:
    ran = typed(
        "--report", str(tmp_path / "r.json"), "--metrics", str(tmp_path / "m.prom"), "--format", "json"
    )
    assert ran.code == 0
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == ran.out
    assert 'optimiser_refresh_ok{refresh="all"} 1\n' in (tmp_path / "m.prom").read_text(encoding="utf-8")


def test_files_are_written_when_everything_failed_too(
    typed: Run, clouds: dict[str, Cloud], tmp_path: Path
) -> None:
    for cloud in clouds.values():
        cloud.error = Unavailable("no network")
    assert typed("--report", str(tmp_path / "r.json"), "--metrics", str(tmp_path / "m.prom")).code == 4
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["exit_code"] == 4
    assert 'optimiser_refresh_ok{refresh="all"} 0\n' in (tmp_path / "m.prom").read_text(encoding="utf-8")


def test_a_dry_run_says_what_would_be_and_makes_no_store(typed: Run, tmp_path: Path) -> None:
    ran = typed("--dry-run")
    assert ran.code == 0
    assert "15 would be accepted, nothing was stored" in ran.out
    assert not (tmp_path / "prices.sqlite3").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_progress_bar_and_no_log_lines(
    typed: Run, clouds: dict[str, Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clouds["aws"].failing = {EAST: Unavailable("timed out")}
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    ran = typed()
    shown = terminal.getvalue()
    assert ran.code == 4
    assert "6/" in shown
    assert "azure" in shown
    assert ": fetched" not in shown
    assert "AWS us-east-1 on demand failed: timed out" in shown


def test_the_report_never_takes_the_place_of_the_store_or_of_the_metrics(typed: Run, tmp_path: Path) -> None:
    both = str(tmp_path / "both")
    ran = typed("--report", both, "--metrics", both)
    assert (ran.code, Path(both).exists()) == (2, False)
    store = tmp_path / "here.sqlite3"
    for option in ("--report", "--metrics"):
        ran = typed("--store", f"sqlite:///{store}", option, str(store))
        assert (ran.code, "is the price store" in ran.err) == (2, True)
    assert not store.exists()
