"""Three adapter doubles in the place of the clouds, a clock, and a store of each kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import command_line
import pytest
from postgres_server import empty_database, new_database
from refresh_doubles import REGIONS, SHAPES, Clock, Cloud, usual_cloud

from optimiser.config import Config, load_config
from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store import in_force, open_store, scopes_in_force
from optimiser.refresh import RefreshReport, RefreshRequest, refresh
from providers import PROVIDERS
from providers.fetch import Scope


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Cloud]:
    """Adapter doubles by provider, which the registry names from now on."""
    found = {name: usual_cloud(name) for name in REGIONS}
    for name, cloud in found.items():
        monkeypatch.setitem(sys.modules, f"adapter_double_{name}", cloud)  # type: ignore[arg-type]
        monkeypatch.setitem(PROVIDERS, name, f"adapter_double_{name}")
    return found


@pytest.fixture(scope="session")
def config() -> Config:
    return replace(load_config(), shapes=SHAPES, always_sold=())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/prices.sqlite3"


@pytest.fixture(scope="session")
def shared_database(postgres_url: str) -> str:
    """The URL of a database which the tests use one after the other.

    The server speaks no TLS, and every connection that asked it to would read the machine's certificates first.
    """
    return f"{new_database(postgres_url)}?sslmode=disable"


@pytest.fixture(params=["sqlite", "postgresql"])
def every_store_url(request: pytest.FixtureRequest) -> str:
    """Where a store can be made and none is yet, in SQLite and in PostgreSQL in turn."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    url = str(request.getfixturevalue("shared_database"))
    empty_database(url)
    return url


@pytest.fixture
def typed(
    clouds: dict[str, Cloud],
    sqlite_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> command_line.Run:
    """`optimiser refresh` typed on the doubles, with a config under which nothing has to be on sale."""
    instances = tmp_path / "config" / "instances"
    instances.mkdir(parents=True)
    for name in clouds:
        (instances / f"{name}.yaml").write_text("always_sold: []\n", encoding="utf-8")
    monkeypatch.setenv("OPTIMISER_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("OPTIMISER_STORE", sqlite_url)
    return partial(command_line.ran, capsys, "refresh")


Run = Callable[..., RefreshReport]


@pytest.fixture
def refreshed(clouds: dict[str, Cloud], config: Config, clock: Clock, sqlite_url: str) -> Run:
    """Refresh from the doubles; options replace fields of the request."""

    def run(**options: Any) -> RefreshReport:
        fields = {"config": config, "store_url": sqlite_url, "clock": clock, "wait_seconds": 0, **options}
        return refresh(RefreshRequest(**fields))

    assert clouds
    return run


@pytest.fixture
def run(clouds: dict[str, Cloud], config: Config, clock: Clock, every_store_url: str) -> Run:
    """Refresh into a store of each kind, from AWS's double; options replace fields of the request."""
    assert clouds

    def once(**options: Any) -> RefreshReport:
        fields = {"config": config, "store_url": every_store_url, "clock": clock, "wait_seconds": 0}
        fields["providers"] = ("aws",)
        return refresh(RefreshRequest(**{**fields, **options}))

    return once


@pytest.fixture
def stored(every_store_url: str) -> Callable[[Scope], ScopePrices]:
    """What is in force in a scope."""

    def of(scope: Scope) -> ScopePrices:
        with open_store(every_store_url) as store:
            return in_force(store, scope.provider)[scope]

    return of


@pytest.fixture
def dates(every_store_url: str) -> Callable[[], dict[Scope, datetime]]:
    def of() -> dict[Scope, datetime]:
        with open_store(every_store_url) as store:
            return {scope: at for scope, (at, _) in scopes_in_force(store).items()}

    return of
