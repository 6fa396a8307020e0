"""A store of each kind, in SQLite and in PostgreSQL in turn, empty for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import new_database
from stored_prices import empty

from optimiser.prices.store import Store, open_store

KINDS = ("sqlite", "postgres")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where a store in SQLite can be made."""
    return f"sqlite:///{tmp_path}/prices.sqlite3"


@pytest.fixture(scope="session")
def shared_sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """An open store in SQLite and its URL, which the tests use one after the other."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shared')}/prices.sqlite3"
    with open_store(url, create=True) as opened:
        yield url, opened


@pytest.fixture(scope="session")
def shared_postgres_store(postgres_url: str) -> Iterator[tuple[str, Store]]:
    """An open store in PostgreSQL and its URL, which the tests use one after the other."""
    url = new_database(postgres_url)
    with open_store(url, create=True) as opened:
        yield url, opened


@pytest.fixture
def postgres_store_url(shared_postgres_store: tuple[str, Store]) -> str:
    """The URL of an empty store in PostgreSQL."""
    url, opened = shared_postgres_store
    empty(opened)
    return url


@pytest.fixture(params=KINDS)
def fresh_url(request: pytest.FixtureRequest) -> str:
    """Where a store can be made and none is yet."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=KINDS)
def emptied(request: pytest.FixtureRequest) -> tuple[str, Store]:
    """An open, empty store and its URL."""
    url, opened = request.getfixturevalue(f"shared_{request.param}_store")
    empty(opened)
    return url, opened


@pytest.fixture
def store(emptied: tuple[str, Store]) -> Store:
    """An open, empty store."""
    return emptied[1]


@pytest.fixture
def store_url(emptied: tuple[str, Store]) -> str:
    """The URL of an empty store."""
    return emptied[0]
