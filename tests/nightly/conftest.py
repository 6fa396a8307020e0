"""Whole refreshes through the real client libraries, against all three clouds on 127.0.0.1."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from clouds import Clouds
from night_after_night import SECRETS, Nights

from optimiser.config import load_config
from optimiser.refresh import State


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """The three clouds, in the environment of this process, with retries that do not wait."""
    with Clouds(tmp_path_factory.mktemp("clouds")) as opened, pytest.MonkeyPatch.context() as patch:
        for name, value in {**opened.env, **SECRETS}.items():
            patch.setenv(name, value)
        patch.setattr("providers.azure.client.BACKOFF_S", 0)
        patch.setattr("providers.aws.client.ATTEMPTS", {})
        patch.setattr("providers.aws.client.ATTEMPTS_ELSEWHERE", 1)
        yield opened


@pytest.fixture(scope="module")
def first_night(clouds: Clouds, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A store after one good night."""
    clouds.reset()
    folder = tmp_path_factory.mktemp("first")
    nights = Nights(f"sqlite:///{folder}/prices.sqlite3", load_config(), datetime.now(UTC))
    report = nights.refresh(day=0)
    assert report.exit_code == 0, list(report.scopes(State.HELD, State.FAILED))
    return nights


@pytest.fixture
def nights(first_night: Nights, clouds: Clouds, tmp_path: Path) -> Iterator[Nights]:
    """A copy of that store; whatever a test does to the clouds is undone after it."""
    path = tmp_path / "prices.sqlite3"
    shutil.copy(first_night.url.removeprefix("sqlite:///"), path)
    yield Nights(f"sqlite:///{path}", first_night.config, first_night.first)
    clouds.reset()
