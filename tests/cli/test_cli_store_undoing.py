"""`prices prune` and `prices discard` on a real store: what goes, and what serves then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dated_refreshes import TYPE, a_week, days_ago, offer, records, snapshot, stored, two_days

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_pruning_tells_what_would_go_then_does_it_and_keeps_the_last_good(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, *a_week(ago=5))
    asked = ("prices", "prune", "--older-than-days", "9", "--store", url)
    dry = run(*asked, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert "would prune 3 snapshots" in dry.out
    again = run(*asked)
    assert again.out == dry.out.replace("would prune", "pruned")
    assert again.out.endswith("What is in force stays, however old.\n")
    assert "nothing to prune" in run(*asked).out
    rows = records(run("prices", "history", "--instance-type", TYPE, "--tier", "spot", "--format", "csv",
                       "--store", url).out)  # fmt: skip
    assert [row["usd_per_hour"] for row in rows] == ["23", "", "21", "20"]


def test_pruning_never_takes_what_is_in_force(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(400), offer("55.04")))
    assert "nothing to prune" in run("prices", "prune", "--older-than-days", "8", "--store", url).out
    assert (
        json.loads(run("prices", "status", "--format", "json", "--store", url).out)["providers"][0]["offers"]
        == 1
    )


@pytest.mark.parametrize("days", ["0", "-3", "7", "99999999999"])
def test_pruning_leaves_the_week_that_steps_are_judged_by(fails: Fails, tmp_path: Path, days: str) -> None:
    said = fails(2, "prices", "prune", "--older-than-days", days, "--store", stored(tmp_path))
    assert said.startswith(f"--older-than-days: days = {days}: ")


def test_a_snapshot_is_taken_back_by_its_number(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, *two_days())
    ran = run("prices", "discard", "2", "--store", url)
    assert (ran.code, ran.err) == (0, "")
    assert "nothing of snapshot 2 is in force any more" in ran.out
    assert "No price is left in 1 scope: aws/eu-west-1/on_demand." in ran.out
    status = run("prices", "status", "--store", url)
    assert (status.code, "discarded" in status.out) == (4, True)


def test_taking_back_what_no_longer_serves_says_that_later_ones_do(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(2), offer("49.54")), snapshot(days_ago(1), offer("49.54")))
    superseded = run("prices", "discard", "1", "--store", url)
    assert (superseded.code, superseded.err) == (0, "")
    assert "nothing of snapshot 1 was in force: later snapshots serve" in superseded.out
    assert "no earlier prices are there" in run("prices", "discard", "2", "--store", url).out


def test_the_prices_before_serve_again(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(2), offer("55.04")), snapshot(days_ago(1), offer("49.54")))
    assert "the prices before it serve again in 1 scope" in run("prices", "discard", "2", "--store", url).out


def test_taking_back_what_is_not_there_is_refused(fails: Fails, tmp_path: Path) -> None:
    url = stored(tmp_path, *two_days())
    assert "no snapshot 9: the newest is 3" in fails(2, "prices", "discard", "9", "--store", url)
