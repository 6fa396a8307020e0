"""A provider's fake in the environment of a test, which can reach nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "live"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from harness import Running
from harnesses import HARNESSES
from no_network import only_this_machine

pytest.register_assert_rewrite("promises")

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
OF_THE_USER = (
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "CLOUDSDK_CONFIG",
    "GOOGLE_CLOUD_PROJECT",
)
Started = Callable[[str], tuple[Any, Path]]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, it asks no other machine, and uses nothing of whoever runs it."""
    for variable in (*PROXIES, *OF_THE_USER):
        monkeypatch.delenv(variable, raising=False)
    with only_this_machine() as tried:
        yield
    assert tried == []


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """By provider a fake that nobody breaks, started when it is first asked for, and a folder of its own."""
    opened: dict[str, tuple[Any, Path]] = {}
    with ExitStack() as stack:

        def start(name: str) -> tuple[Any, Path]:
            if name not in opened:
                folder = tmp_path_factory.mktemp(name)
                opened[name] = (stack.enter_context(HARNESSES[name].start(folder)), folder)
            return opened[name]

        yield start


@pytest.fixture
def cloud(name: str, started: Started, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A provider that works."""
    fake, folder = started(name)
    return _in_this_process(name, fake, folder, monkeypatch)


@pytest.fixture
def breakable(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A provider with a fake of its own, to be broken."""
    with HARNESSES[name].start(tmp_path) as fake:
        yield _in_this_process(name, fake, tmp_path, monkeypatch)


def _in_this_process(name: str, fake: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    harness = HARNESSES[name]
    for variable, value in harness.environment(fake, folder).items():
        monkeypatch.setenv(variable, value)
    for target, value in harness.patches.items():
        monkeypatch.setattr(target, value)
    return Running(name=name, harness=harness, fake=fake)
