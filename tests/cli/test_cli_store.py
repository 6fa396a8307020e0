"""`prices status` on a real store, and what every command says without one."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dated_refreshes import TYPE, a_week, days_ago, flat, missing, offer, records, snapshot, stored, two_days

from optimiser.prices.refreshed import Finding, Severity, Status
from optimiser.prices.store import open_store, save_quotas, save_signals
from providers.fetch import Quota, Scope, SpotSignal
from providers.offer import Tier
from providers.shape import QuotaUnit

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_a_fresh_store_is_in_order_and_ends_in_0(run: Run, tmp_path: Path) -> None:
    url = stored(tmp_path, snapshot(days_ago(1), offer("55.04"), missing("not here", "eu-north-1")))
    ran = run("prices", "status", "--store", url)
    assert (ran.code, ran.err) == (0, "")
    assert flat(ran.out).startswith("in order: 1 price in force in ")
    assert "20261119" in ran.out
    content = json.loads(run("prices", "status", "--store", url, "--format", "json").out)
    assert content["in_order"] is True
    (provider,) = content["providers"]
    assert (provider["provider"], provider["offers"], provider["missing"]) == ("aws", 1, 1)
    (tier,) = provider["tiers"]
    assert (tier["regions"], tier["warn_after_hours"], tier["refuse_after_hours"]) == (1, 36, 168)
    assert tier["oldest"]["hours"] == pytest.approx(24, abs=0.1)


@pytest.mark.parametrize(
    ("days", "said"),
    [(1.6, "Past a limit\nAWS on demand, past 36 h: us-east-1 (38 h)."), (7.5, "past 168 h, left out of")],
)
def test_prices_past_a_limit_end_in_4_with_their_region(
    run: Run, tmp_path: Path, days: float, said: str
) -> None:
    url = stored(tmp_path, snapshot(days_ago(days), offer("55.04")))
    ran = run("prices", "status", "--store", url)
    assert (ran.code, ran.err) == (4, "")
    assert said in ran.out
    assert ran.out.startswith("NOT IN ORDER")


def test_the_limits_are_those_of_the_users_settings(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "settings.yaml").write_text(
        "live_prices: {warn_after_hours: {on_demand: 100}, refuse_after_hours: null}\n", encoding="utf-8"
    )
    url = stored(tmp_path, snapshot(days_ago(3), offer("55.04")))
    assert run("prices", "status", "--store", url, "--config", str(own)).code == 0
    assert run("prices", "status", "--store", url).code == 4


def test_a_region_held_back_is_told_with_what_accepts_it(run: Run, tmp_path: Path) -> None:
    scope = Scope("aws", "us-east-1", Tier.ON_DEMAND)
    finding = Finding(
        check="no_price_jump",
        severity=Severity.HOLD,
        scope=scope,
        subject=TYPE,
        message="55.04 to 79.26 $/h (+44 %)",
    )
    url = stored(
        tmp_path,
        snapshot(days_ago(1), offer("55.04")),
        snapshot(days_ago(0.5), findings=(finding,), status=Status.FAILED),
        snapshot(days_ago(0.1), findings=(finding,), status=Status.FAILED),
    )
    ran = run("prices", "status", "--store", url)
    assert ran.code == 4
    joined = flat(ran.out)
    assert (
        f"since (UTC) in force meanwhile regions AWS on demand {days_ago(0.5) + timedelta(minutes=5):%Y-%m-%d %H:%M}"
        in joined
    )
    assert f"prices of {days_ago(1):%Y-%m-%d %H:%M}" in joined
    assert f"--acknowledge no_price_jump:aws/us-east-1/on_demand/{TYPE}" in joined


def test_status_of_one_provider_does_not_judge_the_others(run: Run, tmp_path: Path) -> None:
    url = stored(
        tmp_path, snapshot(days_ago(30), offer("55.04")), snapshot(days_ago(0.1), offer("60"), provider="gcp")
    )
    assert run("prices", "status", "--store", url).code == 4
    ran = run("prices", "status", "--store", url, "--provider", "gcp")
    assert (ran.code, "AWS" in ran.out) == (0, False)


def test_status_counts_the_quotas_and_interruption_bands_of_the_providers_asked_for(
    run: Run, tmp_path: Path
) -> None:
    url = stored(
        tmp_path,
        snapshot(days_ago(0.1), offer("55.04")),
        snapshot(days_ago(0.1), offer("60"), provider="gcp"),
    )
    place = {"region": "us-east-1", "observed_at": days_ago(0.1)}
    limit = {**place, "quota_family": "P", "tier": Tier.ON_DEMAND, "unit": QuotaUnit.VCPU, "limit": 192}
    band = {
        **place,
        "low_percent": 5,
        "high_percent": 10,
        "per": "month",
        "savings_percent": 60,
        "source": "x",
    }
    with open_store(url) as store:
        save_quotas(store, [Quota(provider="aws", **limit, used=96)])
        save_signals(
            store, [SpotSignal(provider=name, instance_type=TYPE, **band) for name in ("aws", "gcp")]
        )
    lines = [" ".join(line.split()) for line in run("prices", "status", "--store", url).out.splitlines()]
    assert lines[lines.index("Beside prices") + 2 :] == [
        "AWS quotas 1 2 h 2 h",
        "AWS interruption bands 1 2 h 2 h",
        "GCP interruption bands 1 2 h 2 h",
    ]
    assert run("prices", "status", "--store", url, "--provider", "gcp").out.count("interruption bands") == 1


def test_an_empty_store_says_what_to_run(run: Run, tmp_path: Path) -> None:
    ran = run("prices", "status", "--store", stored(tmp_path))
    assert (ran.code, ran.err) == (4, "")
    assert "holds no prices yet: run `optimiser refresh`" in flat(ran.out)


COMMANDS = (
    ("status",),
    ("diff", "1", "2"),
    ("history", "--instance-type", TYPE),
    ("prune", "--older-than-days", "30"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_without_a_store_every_command_says_what_to_run(
    fails: Fails, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("OPTIMISER_STORE", raising=False)
    said = fails(2, "prices", *command)
    path = tmp_path / "data" / "cloud-pricing-optimiser" / "prices.sqlite3"
    assert said == f"there is no price store at {path}: run `optimiser refresh`"
    assert not path.exists()
    named = tmp_path / "named.sqlite3"
    assert "there is no price store" in fails(1, "prices", *command, "--store", f"sqlite:///{named}")
    assert not named.exists()


@pytest.mark.parametrize("command", COMMANDS[:3], ids=[command[0] for command in COMMANDS[:3]])
def test_an_unknown_format_is_refused(fails: Fails, tmp_path: Path, command: tuple[str, ...]) -> None:
    said = fails(2, "prices", *command, "--format", "tabel", "--store", stored(tmp_path, *a_week()))
    assert "did you mean table?" in said


def test_a_password_in_the_address_is_never_shown(run: Run) -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:1/prices"
    for command in COMMANDS:
        ran = run("prices", *command, "--store", url)
        assert (ran.code, ran.out) == (1, "")
        assert "hunter2" not in ran.err


EVERY_COMMAND = (*COMMANDS, ("list",), ("discard", "2"), ("recommend", "chat-llama-70b"))
DAMAGE = {
    "a table is gone": "DROP TABLE price_coverage",
    "a tier there is not": "UPDATE price_scopes SET tier = 'sport'",
    "text for an amount": "UPDATE price_rows SET usd_per_hour_nano = 'a lot'",
    "JSON cut short": "UPDATE price_snapshots SET findings = '[{'",
}
# What each command does not look at cannot be in its way.
UNHARMED = {
    "a tier there is not": {"prune"},
    "text for an amount": {"status", "prune", "discard"},
    "JSON cut short": {"list", "history", "prune", "discard", "recommend"},
}


@pytest.mark.parametrize("damage", [*DAMAGE, "a file cut short"])
def test_a_damaged_store_is_one_message_that_names_it(run: Run, tmp_path: Path, damage: str) -> None:
    (tmp_path / "whole").mkdir()
    stored(tmp_path / "whole", *two_days())
    whole, path = tmp_path / "whole/prices.sqlite3", tmp_path / "prices.sqlite3"
    for command in EVERY_COMMAND:
        shutil.copy(whole, path)
        if damage in DAMAGE:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(DAMAGE[damage])
        else:
            path.write_bytes(whole.read_bytes()[:20_000])
        arguments = command if command[0] == "recommend" else ("prices", *command)
        ran = run(*arguments, "--store", f"sqlite:///{path}")
        if command[0] in UNHARMED.get(damage, ()):
            assert ran.code in (0, 4)
            continue
        assert (ran.code, ran.out) == (1, ""), command
        assert ran.err.startswith(f"error: {path}: is damaged or was changed by hand ("), command
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=[command[0] for command in EVERY_COMMAND])
def test_a_store_named_by_nothing_is_refused_and_none_is_chosen_instead(
    fails: Fails, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    asked = command if command[0] == "recommend" else ("prices", *command)
    right = "a URL, or leave it out for the default store"
    assert fails(2, *asked, "--store", "") == f"--store: store = '': {right}"
    (tmp_path / "settings.yaml").write_text("store: {url: ' '}", encoding="utf-8")
    assert fails(2, *asked, "--config", str(tmp_path)) == f"settings.yaml: store = ' ': {right}"
    monkeypatch.setenv("OPTIMISER_STORE", "")
    assert fails(2, *asked) == f"OPTIMISER_STORE: store = '': {right}"


@pytest.mark.parametrize(
    ("ending", "said"),
    [(">&-", "stdout is closed"), ("1</dev/null", "stdout: cannot be written: Bad file descriptor")],
)
def test_an_answer_that_cannot_be_shown_is_exit_1(tmp_path: Path, ending: str, said: str) -> None:
    url = stored(tmp_path, *two_days())
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {ending}', "sh", sys.executable, "-m", "optimiser.cli", "prices", "diff", "1", "2",
         "--store", url],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: {said}")
    assert ran.stderr.count("\n") == 1


def test_a_place_that_is_no_ordinary_region_is_named_as_such(run: Run, tmp_path: Path) -> None:
    local = offer("60", "us-west-2", region_kind="local_zone")
    url = stored(tmp_path, snapshot(days_ago(0.1), offer("55.04"), local))
    listed = ("prices", "list", "--instance-type", TYPE, "--store", url)
    assert "AWS us-west-2 (local zone)" in flat(run(*listed).out)
    kinds = {row["region"]: row["region_kind"] for row in records(run(*listed, "--format", "csv").out)}
    assert kinds == {"us-east-1": "region", "us-west-2": "local_zone"}
