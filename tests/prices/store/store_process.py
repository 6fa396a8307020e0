"""What processes of their own do with a store, so that tests can start, hold up and kill them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from sqlalchemy import event
from stored_prices import DAY, EAST, NIGHT, at_usd, offer, seen, snapshot

from optimiser.prices.refreshed import Snapshot
from optimiser.prices.store import StoreError, exclusive, open_store, save, scopes_in_force
from optimiser.prices.store.tables import COVERAGE, ROWS

PATIENCE_SECONDS = 60
# One process imports the libraries; the others are forked from it, before it has any thread.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["optimiser.prices.store", "sqlalchemy.dialects.postgresql.pg8000", "pg8000"])

Talk = Connection
Task = Callable[..., None]


@contextmanager
def running(task: Task, *arguments: object) -> Iterator[tuple[ForkServerProcess, Talk]]:
    """A process doing a task, and the line to it; killed at the end where it still runs."""
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=task, args=(theirs, *arguments))
    with ours:
        with theirs:
            process.start()
        try:
            yield process, ours
        finally:
            process.kill()
            process.join()
            process.close()


def heard(talk: Talk) -> object:
    """What the process says next."""
    if not talk.poll(PATIENCE_SECONDS):
        raise TimeoutError("the process says nothing")
    return talk.recv()


def night(usd: str, rows: int) -> Snapshot:
    """A snapshot of so many prices, each of which is usd, a day later than the tests' first."""
    prices = (offer(EAST, usd, f"type-{number}") for number in range(rows))
    return snapshot(seen(EAST, *prices, at=NIGHT + DAY), at=NIGHT + DAY)


def make(talk: Talk, url: str) -> None:
    """Wait for a word, then make the store and say what it holds."""
    talk.send("ready")
    talk.recv()
    with open_store(url, create=True) as store:
        talk.send(scopes_in_force(store))


def save_and_die(_talk: Talk, url: str, rows: int, writes: int, instructions: int = 0) -> None:
    """Save, killed before the write of that number, of which the commit is the last, or, where instructions are
    given, after so many steps of SQLite into the price rows.
    """
    left = iter(range(writes - 1))

    def die() -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def count_down(*_: object) -> None:
        if next(left, None) is None:
            die()

    def executed(connection: object, _cursor: object, statement: str, *_: object) -> None:
        if instructions and statement.startswith(f"INSERT INTO {ROWS.name}"):
            connection.connection.set_progress_handler(die, instructions)  # type: ignore[attr-defined]
        elif statement.startswith("INSERT") and not instructions:
            count_down()

    with open_store(url) as store:
        event.listen(store.engine, "before_cursor_execute", executed)
        event.listen(store.engine, "commit", count_down)
        save(store, night("2", rows))


def save_where_files_are_limited(talk: Talk, url: str, rows: int, limit_bytes: int) -> None:
    """Save where no file may grow past a limit, as on a full disk, and say how it failed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    with open_store(url) as store:
        try:
            save(store, night("2", rows))
        except StoreError as error:
            talk.send(str(error))


def hold(talk: Talk, url: str) -> None:
    """Hold the refresh lock until killed."""
    with open_store(url) as store, exclusive(store, 0):
        talk.send("held")
        talk.recv()


def save_each(talk: Talk, url: str, prices: list[str]) -> None:
    """Wait for a word, then save one price after the other."""
    with open_store(url) as store:
        talk.send("ready")
        talk.recv()
        for usd in prices:
            save(store, at_usd(usd, NIGHT + DAY))
        talk.send("saved")


def save_slowly(talk: Talk, url: str, rows: int) -> None:
    """Write all of a snapshot, and wait for a word before the end of the transaction."""
    with open_store(url) as store:

        def wait(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith(f"INSERT INTO {COVERAGE.name}"):
                talk.send("written")
                talk.recv()

        event.listen(store.engine, "after_cursor_execute", wait)
        save(store, night("2", rows))
        talk.send("saved")
