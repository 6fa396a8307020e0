"""The local AWS, and a client that knows nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from aws_server import AwsFake

from providers.aws.client import AwsClient


@pytest.fixture(scope="session")
def aws_session() -> boto3.Session:
    """One session for all tests: it keeps the API models it has read."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")  # noqa: S106


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsFake]:
    """A running fake that sells nothing yet, with the environment pointing at it."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with AwsFake() as fake:
        for name, value in fake.env.items():
            monkeypatch.setenv(name, value)
        yield fake


@pytest.fixture
def client(aws: AwsFake, aws_session: boto3.Session) -> AwsClient:
    """A client of the fake."""
    assert aws.url
    return AwsClient(aws_session)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the library and the adapter would have waited between tries; nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited
