"""An open store, its transactions, and what a database's complaint means to a person."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from optimiser.prices.store.address import Address
from optimiser.prices.store.errors import StoreError
from optimiser.prices.store.tables import SNAPSHOTS

WAIT_FOR_WRITER_SECONDS = 30
READ, WRITE, PLAIN = "read", "write", "plain"
# A reader sees one state of the store throughout; writers queue, and readers wait for nobody.
_BEGIN = {
    ("sqlite", READ): ("BEGIN",),
    ("sqlite", WRITE): ("BEGIN IMMEDIATE",),
    ("sqlite", PLAIN): ("BEGIN",),
    ("postgresql", READ): ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
    ("postgresql", WRITE): (
        f"SET LOCAL lock_timeout = '{WAIT_FOR_WRITER_SECONDS}s'",
        f"LOCK TABLE {SNAPSHOTS.name} IN EXCLUSIVE MODE",
    ),
    ("postgresql", PLAIN): (),
}
_UNHARMED = "nothing of it was stored, and what was in force before still is"
_BUSY = f"another process has been writing to it for {WAIT_FOR_WRITER_SECONDS} s: {_UNHARMED}"
_READ_ONLY = (
    "the file and its folder must be writable for this user, to read it as well: SQLite keeps files of its own beside "
    "the database (PostgreSQL asks for neither)"
)
_LOST = "the connection to the server was lost; what was being stored is there whole or not at all"
_MEANING = {
    "network error": _LOST,
    "database or disk is full": f"the disk is full: {_UNHARMED}",
    "disk I/O error": f"the disk refused a write or a read (is it full?): {_UNHARMED}",
    "database is locked": _BUSY,
    "canceling statement due to lock timeout": _BUSY,
    "attempt to write a readonly database": _READ_ONLY,
    "unable to open database file": _READ_ONLY,
    "file is not a database": "is not a price store, nor any other SQLite database",
}
_DAMAGED = (
    "database disk image is malformed",
    "malformed database schema",
    "no such table",
    "no such column",
    "Could not decode to UTF-8",
)
_MOST_TOLD = 120
# What Python raises for rows that no refresh wrote: text for a number, JSON cut short, an id that leads nowhere.
_NOT_AS_WRITTEN = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Store:
    """An open price store. label names it to people, without its password. Leaving the context closes it."""

    engine: Engine
    label: str

    def close(self) -> None:
        """Give its connections back."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(address: Address, *, may_create: bool = False) -> Store:
    """The store at an address, not yet looked at. Nothing is connected before the first transaction."""
    options: dict[str, Any] = {"hide_parameters": True}
    path = address.path
    if path:
        options["creator"] = lambda: _open_file(path, "rwc" if may_create else "rw")
    else:
        options |= {"creator": address.connect, "pool_pre_ping": True}
    engine = create_engine(address.url, **options)
    event.listen(engine, "begin", _begin)
    # The pool logs a connection that broke with its whole traceback; the error that is raised says it all.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    return Store(engine, address.label)


@contextmanager
def reading(store: Store) -> Iterator[Connection]:
    """One state of the store to read from, whatever is written meanwhile. Raises StoreError."""
    with _transaction(store, READ) as connection:
        yield connection


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """The only writing transaction of the store at this moment: all of it is stored, or nothing.

    Waits for the writer before it. Raises StoreError.
    """
    with _transaction(store, WRITE) as connection:
        yield connection


@contextmanager
def plain_transaction(store: Store) -> Iterator[Connection]:
    """A transaction that needs no table of the store to be there yet. Raises StoreError."""
    with _transaction(store, PLAIN) as connection:
        yield connection


@contextmanager
def told_as_ours(label: str) -> Iterator[None]:
    """A fault of the database, of the way to it or of what stands in it, as a StoreError in one line without the
    statement's values.
    """
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"{label}: {_meaning(error.orig)}") from error
    except sqlite3.Error as error:
        # A driver's own connection, which settings outside any transaction need, raises the driver's own faults.
        raise StoreError(f"{label}: {_meaning(error)}") from error
    except OSError as error:
        raise StoreError(f"{label}: {_LOST}") from error
    except _NOT_AS_WRITTEN as error:
        raise StoreError(f"{label}: {_damaged(f'{type(error).__name__}: {error}')}") from error


def _meaning(error: BaseException | None) -> str:
    details = error.args[0] if error and error.args else ""
    text = details.get("M", "") if isinstance(details, dict) else str(details)
    text = " ".join(text.split()) or "the database gave no reason"
    return _damaged(text) if text.startswith(_DAMAGED) else _MEANING.get(text, text)


def _damaged(how: str) -> str:
    told = how if len(how) <= _MOST_TOLD else f"{how[:_MOST_TOLD]}…"
    return f"is damaged or was changed by hand ({told}): put a copy of it back, or move it away and refresh"


@contextmanager
def _transaction(store: Store, mode: str) -> Iterator[Connection]:
    with (
        told_as_ours(store.label),
        store.engine.connect().execution_options(store_mode=mode) as connection,
        connection.begin(),
    ):
        yield connection


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("store_mode", PLAIN)
    for statement in _BEGIN[connection.dialect.name, mode]:
        connection.exec_driver_sql(statement)


def _open_file(path: Path, mode: str) -> sqlite3.Connection:
    # The pool hands a connection from thread to thread, never to two at once; BEGIN is said by _begin alone.
    opened = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=WAIT_FOR_WRITER_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # FULL: a snapshot that was reported as stored outlives a power cut, at the price of one fsync a snapshot.
    opened.execute("PRAGMA synchronous = FULL")
    opened.execute("PRAGMA foreign_keys = ON")
    return opened
