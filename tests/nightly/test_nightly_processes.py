"""The command in processes of its own: killed, out of disk, twice at once; and what it may never write anywhere."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from azure_server import SUBSCRIPTION_ID
from clouds import Clouds
from night_after_night import SECRETS, Nights
from postgres_server import new_database

COMMAND = [sys.executable, "-m", "optimiser.cli"]
# The limit is set by the new process itself: this one has threads of gRPC, which a plain fork would break.
SMALL_DISK = [
    sys.executable,
    "-c",
    "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)); "
    "os.execv(sys.executable, [sys.executable, '-m', 'optimiser.cli', *sys.argv[1:]])",
]
PATIENCE_S = 60
# Where a machine of Azure asks who it is; here the fake, which refuses.
IMDS = "/metadata/identity/oauth2/token"


@pytest.fixture
def start(clouds: Clouds, nights: Nights) -> Callable[..., subprocess.Popen[str]]:
    """Start a command on the store of one good night."""

    def started(*arguments: str, command: Sequence[str] = COMMAND) -> subprocess.Popen[str]:
        environment = {**os.environ, **clouds.env, **SECRETS}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*command, *arguments, "--store", nights.url], env=environment, **pipes)

    return started


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def whole(nights: Nights) -> bool:
    with sqlite3.connect(nights.url.removeprefix("sqlite:///")) as database:
        return database.execute("pragma integrity_check").fetchall() == [("ok",)]


def newer(nights: Nights) -> set[str]:
    """The providers of which something is newer than the first night."""
    return {scope.provider for scope, day in nights.nights().items() if day > 0}


def test_kill_9_while_the_second_cloud_is_asked_keeps_the_first_and_loses_nothing(
    start: Callable[..., subprocess.Popen[str]], nights: Nights, clouds: Clouds
) -> None:
    before = nights.nights()
    held = clouds.gcp.fail(page=2, status=200, hold_seconds=PATIENCE_S)
    asked = len(clouds.gcp.log)
    running = start("refresh", "--provider", "aws", "--provider", "gcp")
    wait_for(lambda: len(clouds.gcp.log) > asked)
    running.kill()
    running.communicate(timeout=PATIENCE_S)
    held.released.set()
    assert running.returncode == -signal.SIGKILL
    assert whole(nights)
    assert nights.nights().keys() == before.keys()
    assert newer(nights) == {"aws"}
    clouds.reset()
    assert nights.refresh(providers=("gcp",)).exit_code == 0


def test_two_refreshes_at_once_the_second_says_who_is_at_it(
    start: Callable[..., subprocess.Popen[str]], nights: Nights, clouds: Clouds
) -> None:
    held = clouds.gcp.fail(page=2, status=200, hold_seconds=PATIENCE_S, times=1)
    asked = len(clouds.gcp.log)
    first = start("refresh", "--provider", "gcp")
    wait_for(lambda: len(clouds.gcp.log) > asked)
    second = start("refresh", "--provider", "gcp", "--wait", "0")
    out, err = second.communicate(timeout=PATIENCE_S)
    assert (second.returncode, out) == (4, "")
    assert str(first.pid) in err
    reader = start("prices", "list", "--instance-type", "p5.48xlarge", "--tier", "spot")
    read, _ = reader.communicate(timeout=PATIENCE_S)
    assert reader.returncode == 0
    assert "p5.48xlarge" in read
    assert first.poll() is None
    held.released.set()
    waiting = start("refresh", "--provider", "gcp", "--tier", "spot", "--wait", "50")
    for one in (first, waiting):
        said = one.communicate(timeout=PATIENCE_S)
        assert one.returncode == 0, said
    assert newer(nights) == {"gcp"}
    assert whole(nights)


def test_a_full_disk_is_said_and_the_last_good_prices_stay(
    start: Callable[..., subprocess.Popen[str]], nights: Nights, clouds: Clouds
) -> None:
    before = nights.nights()
    clouds.aws_list.usd_of = {name: usd * 1.01 for name, usd in clouds.aws_list.usd_of.items()}

    running = start("refresh", "--provider", "aws", command=SMALL_DISK)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1, (out, err)
    assert "Traceback" not in err
    assert whole(nights)
    assert nights.nights() == before


def test_no_secret_is_written_anywhere(
    start: Callable[..., subprocess.Popen[str]], clouds: Clouds, tmp_path: Path
) -> None:
    key = json.loads(Path(clouds.env["GOOGLE_APPLICATION_CREDENTIALS"]).read_text(encoding="utf-8"))
    secrets = [*SECRETS.values(), key["private_key"][40:80]]
    clouds.aws.fail("*", status=400, code="ExpiredTokenException", message="The security token is expired")
    clouds.gcp.fail(page=2, status=403)
    report, metrics = tmp_path / "report.json", tmp_path / "prices.prom"
    asked = ("--provider", "aws", "--provider", "gcp", "--log-format", "json")
    running = start("refresh", *asked, "--report", str(report), "--metrics", str(metrics))
    said = "".join(running.communicate(timeout=PATIENCE_S))
    assert running.returncode == 4
    written = [said.encode(), *(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())]
    assert len(written) >= 4
    for secret in secrets:
        assert not any(secret.encode() in content for content in written)
    assert json.loads(report.read_text(encoding="utf-8"))["exit_code"] == 4


def test_a_sign_in_that_fails_is_tried_once_and_leaves_the_json_log_whole(
    start: Callable[..., subprocess.Popen[str]], clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION_ID)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", clouds.azure.url)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    asked = len(clouds.azure.log)
    wanted = ("--provider", "azure", "--tier", "spot", "--spot-history-days", "1", "--format", "json")
    running = start("refresh", *wanted, "--log-format", "json")
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    checks = Counter(found["check"] for one in json.loads(out)["providers"] for found in one["findings"])
    assert checks["spot_signals"] == 1
    assert checks["spot_history"] > 1
    assert [one.path for one in clouds.azure.log[asked:] if "/identity/" in one.path] == [IMDS]
    assert {json.loads(line)["provider"] for line in err.splitlines()} == {"azure"}


def test_prices_fetched_into_postgresql_are_what_a_plan_rests_on(nights: Nights, postgres_url: str) -> None:
    nights.url = new_database(postgres_url)
    assert nights.refresh(0, providers=("aws",)).exit_code == 0
    environment = {**os.environ, "OPTIMISER_STORE": nights.url}
    command = [*COMMAND, "recommend", "chat-llama-70b", "--format", "json"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    plan = json.loads(ran.stdout)
    assert {date["provider"] for date in plan["price_dates"]} == {"aws"}
    assert all("price store postgresql" in source for source in plan["price_sources"])
