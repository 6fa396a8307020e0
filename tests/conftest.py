"""What holds for every test: nothing of the user's own is read or written, a database where one is asked for, and
nothing is worked out twice that cannot differ.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml
from hypothesis import settings
from postgres_server import postgres_server, server_programs

from optimiser.pool import collect_seldom

if TYPE_CHECKING:
    import pandas as pd

# A machine that others use too may halt any example for longer than Hypothesis allows one.
settings.register_profile("unhurried", deadline=None, max_examples=50)
settings.load_profile("unhurried")


def pytest_sessionstart() -> None:
    # Thousands of tests are collected, none of which is garbage: a fifth of the collection went into looking.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    # As seldom as in a command, whose start in some test would set it for all after it.
    collect_seldom()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No configuration and no price store of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp(variable.lower())))
        for variable in ("OPTIMISER_STORE", "OPTIMISER_CONFIG"):
            patch.delenv(variable, raising=False)
        # Each of the commands that are run would compile two hundred modules anew.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _worked_out_once() -> Iterator[None]:
    """YAML text and the shipped price tables (each reader has a copy of its own), the shipped prices that a refresh
    judges first prices by and AWS's descriptions of its services are read once, and typer's commands are built once.
    """
    from botocore.loaders import JSONFileLoader

    from optimiser.prices.snapshot import read_offers_csv
    from optimiser.prices.table import read_price_tables

    shipped, read_once = Path(__file__).resolve().parents[1] / "config", cache(read_price_tables)

    def tables(paths: Sequence[Path]) -> pd.DataFrame:
        inside = all(path.is_relative_to(shipped) for path in paths)
        return read_once(tuple(paths)).copy() if inside else read_price_tables(paths)

    parsed: dict[tuple[str, type], bytes] = {}
    parse = yaml.load

    def load(text: str, Loader: type) -> Any:  # noqa: N803 (PyYAML's own name)
        if (text, Loader) not in parsed:
            parsed[text, Loader] = pickle.dumps(parse(text, Loader=Loader))
        return pickle.loads(parsed[text, Loader])  # noqa: S301 (what the line above wrote)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "load", load)
        patch.setattr("optimiser.prices.book.read_price_tables", tables)
        patch.setattr("optimiser.refreshing.judged.read_offers_csv", cache(read_offers_csv))
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        patch.setattr(typer.main, "get_command", cache(typer.main.get_command))
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
