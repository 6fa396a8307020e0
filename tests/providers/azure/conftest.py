"""The fakes within reach, no waits between retries, and no settings of the machine's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

if TYPE_CHECKING:
    from azure_server import AzureServer


@pytest.fixture(autouse=True)
def _quick_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.azure.client.BACKOFF_S", 0)
    for name in ("AZURE_SUBSCRIPTION_ID", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureServer]:
    """A running fake, which both endpoints of the environment point at."""
    from azure_server import AzureServer

    with AzureServer() as running:
        monkeypatch.setenv("OPTIMISER_ENDPOINT_AZURE_RETAIL", running.url)
        monkeypatch.setenv("OPTIMISER_ENDPOINT_AZURE_MANAGEMENT", running.url)
        yield running
