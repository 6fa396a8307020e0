"""What holds for every test: nothing of the user's own is read or written, and a database where one is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from postgres_server import postgres_server, server_programs


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No configuration and no price store of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        for variable in ("OPTIMISER_STORE", "OPTIMISER_CONFIG"):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that runs until the last test; new_database() makes a database there."""
    programs = server_programs()
    if programs is None:
        reason = "PostgreSQL's initdb and pg_ctl are not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with postgres_server(programs) as url:
        yield url
