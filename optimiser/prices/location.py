"""Where the price store is, told without opening it: commands that need none must not pay for a database."""

from __future__ import annotations

import os
from pathlib import Path

from optimiser.errors import bad_value

STORE_VARIABLE = "OPTIMISER_STORE"
SQLITE = "sqlite:///"
_APP_NAME = "cloud-pricing-optimiser"
_FILE_NAME = "prices.sqlite3"


def default_path() -> Path:
    """The store's file in the platform's data directory for this user."""
    import platformdirs

    return platformdirs.user_data_path(_APP_NAME, appauthor=False) / _FILE_NAME


def named_url(option: str | None, setting: str | None) -> str | None:
    """The store somebody named: --store, else $OPTIMISER_STORE, else settings.yaml; None where nobody did.

    Raises UsageError for an empty name: a variable that a script left empty must not choose another store.
    """
    variable = os.environ.get(STORE_VARIABLE)
    for where, url in (("--store", option), (STORE_VARIABLE, variable), ("settings.yaml", setting)):
        if url is not None and not url.strip():
            raise bad_value(where, "store", url, "a URL, or leave it out for the default store")
        if url is not None:
            return url
    return None


def store_url(option: str | None, setting: str | None) -> str:
    """The URL of the store to write to: the one named, else the default SQLite file."""
    return named_url(option, setting) or f"{SQLITE}{default_path()}"


def store_to_read(option: str | None, setting: str | None) -> str | None:
    """The URL of the store to read: the one named, else the default where its file is there, else None."""
    named = named_url(option, setting)
    if named:
        return named
    path = default_path()
    return f"{SQLITE}{path}" if path.exists() else None
