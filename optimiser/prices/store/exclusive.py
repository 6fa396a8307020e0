"""One refresh of a store at a time: a lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from optimiser.prices.store.connection import Store, told_as_ours
from optimiser.prices.store.errors import StoreBusy, StoreError

POLL_SECONDS = 0.1
# Two 32-bit numbers of our own: what a refresh holds in PostgreSQL, session by session.
_REFRESH = (0x70726963, 2)
# PostgreSQL cuts the name of an application at 63 bytes.
_LONGEST_HOST = 24
_HOLDER = text(
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND classid = :first AND objid = :second AND database = (SELECT oid FROM pg_database WHERE datname ="
    " current_database())"
)


def exclusive(
    store: Store, wait_seconds: float, now: Callable[[], float] = time.monotonic
) -> AbstractContextManager[None]:
    """Hold the store against every other refresh, waiting for one that runs; readers are not concerned.

    The lock goes with the process, however that ends. Raises StoreBusy after wait_seconds, saying who holds it (pid,
    host, since), and StoreError where the lock cannot be asked for. now tells the time in seconds.
    """
    if store.engine.dialect.name == "sqlite":
        return _file_held(store, wait_seconds, now)
    return _server_held(store, wait_seconds, now)


@contextmanager
def _file_held(store: Store, wait_seconds: float, now: Callable[[], float]) -> Iterator[None]:
    path = Path(f"{store.label}.refresh")
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        _wait(
            store.label, wait_seconds, now, lambda: _try_flock(held), lambda: path.read_text(encoding="utf-8")
        )
        os.ftruncate(held, 0)
        os.pwrite(held, _holder().encode(), 0)
        yield
        os.ftruncate(held, 0)
    finally:
        os.close(held)


def _try_flock(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _server_held(store: Store, wait_seconds: float, now: Callable[[], float]) -> Iterator[None]:
    with told_as_ours(store.label):
        # A session of its own: closing it gives the lock back, and so does the server when the process is gone.
        connection = store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
    try:
        with told_as_ours(store.label):
            connection.execute(select(func.set_config("application_name", _holder(), False)))
            _wait(
                store.label,
                wait_seconds,
                now,
                lambda: bool(connection.execute(select(func.pg_try_advisory_lock(*_REFRESH))).scalar()),
                lambda: _server_holder(connection),
            )
        yield
    finally:
        # Where the server has ended the session meanwhile, the lock went with it, and what was saved is saved.
        with suppress(DBAPIError, OSError):
            connection.close()


def _server_holder(connection: Connection) -> str:
    first, second = _REFRESH
    return str(connection.execute(_HOLDER, {"first": first, "second": second}).scalar() or "")


def _holder() -> str:
    since = datetime.now(UTC)
    host = socket.gethostname()[:_LONGEST_HOST]
    return f"pid {os.getpid()} on {host} since {since:%Y-%m-%d %H:%M:%S} UTC"


def _wait(
    label: str,
    wait_seconds: float,
    now: Callable[[], float],
    try_lock: Callable[[], bool],
    holder: Callable[[], str],
) -> None:
    last = now() + wait_seconds
    while not try_lock():
        if now() >= last:
            who = holder() or "another process"
            raise StoreBusy(
                f"{label}: a refresh is running already ({who}): waited {wait_seconds:g} s for it"
            )
        time.sleep(POLL_SECONDS)
