"""Opening the store: what is there, made where it is not, refused where it is something else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, func, insert, inspect, select

from optimiser.errors import UsageError
from optimiser.files import locked
from optimiser.prices.store.address import DIALECTS, Address, read_address
from optimiser.prices.store.connection import Store, connect, plain_transaction, told_as_ours
from optimiser.prices.store.errors import StoreAbsent, StoreError
from optimiser.prices.store.tables import FORMAT, FORMATS, METADATA

# Two 32-bit numbers of our own: what a process that makes the tables holds against another.
_MAKING = (0x70726963, 1)


def open_store(url: str, *, create: bool = False) -> Store:
    """The price store at a URL, made where there is none and create is set. Close it, or use it as a context.

    Raises UsageError for a URL that is not understood or whose driver is not installed; StoreError where the store
    cannot be reached or opened, is not there, is no price store, or was written by a newer version.
    """
    address = read_address(url)
    if address.path:
        _look_for(address.path, create=create)
    store = connect(address)
    try:
        if create and not address.path:
            _make_tables(store)
        _check(store)
    except BaseException:
        store.close()
        raise
    return store


def _look_for(path: Path, *, create: bool) -> None:
    """Make the file where that is asked for; else StoreError where it is not there."""
    try:
        there = path.is_file() and path.stat().st_size > 0
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not a price store")
        if path.is_symlink() and not path.exists():
            raise StoreError(f"{path}: is a link that leads nowhere: is a volume not mounted?")
        if path.exists() and not path.is_file():
            raise StoreError(f"{path}: is a device or a pipe, not a price store")
        if there:
            return
        if not create:
            raise StoreAbsent(f"{path}: there is no price store: run `optimiser refresh`")
        with locked(path):
            if not path.is_file() or not path.stat().st_size:
                _make_file(path)
    except UsageError as error:
        raise StoreError(str(error)) from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from None


def _make_file(path: Path) -> None:
    """Make the store beside its place and move it there, so that nobody ever opens one half made."""
    unfinished = path.with_name(f".{path.name}.new")
    for leftover in ("", "-wal", "-shm", "-journal"):
        unfinished.with_name(unfinished.name + leftover).unlink(missing_ok=True)
    draft = Address(url=URL.create(DIALECTS["sqlite"], database=str(path)), label=str(path), path=unfinished)
    with connect(draft, may_create=True) as store:
        _use_wal(store)
        _make_tables(store)
    unfinished.replace(path)


def _use_wal(store: Store) -> None:
    """Write-ahead logging, under which readers and the writer do not wait for each other; the file keeps it."""
    with told_as_ours(store.label), closing(store.engine.raw_connection()) as connection:
        mode = connection.cursor().execute("PRAGMA journal_mode = WAL").fetchone()
    if mode[0] != "wal":
        raise StoreError(
            f"{store.label}: this file system cannot hold a store (no shared memory): use another"
        )


def _make_tables(store: Store) -> None:
    with plain_transaction(store) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(*_MAKING)))
        if not _is_store(connection):
            METADATA.create_all(connection, checkfirst=False)
            connection.execute(insert(FORMATS).values(format=FORMAT))


def _is_store(connection: Connection) -> bool:
    return bool(inspect(connection).has_table(FORMATS.name))


def _check(store: Store) -> None:
    with plain_transaction(store) as connection:
        if not _is_store(connection):
            what = (
                "holds no price store yet: run `optimiser refresh`, or look whether this is the right place"
            )
            raise StoreAbsent(f"{store.label}: {what} (there is no table {FORMATS.name})")
        found = connection.execute(select(func.max(FORMATS.c.format))).scalar()
    if found != FORMAT:
        what = "written by a newer version: upgrade the optimiser" if found and found > FORMAT else "damaged"
        raise StoreError(f"{store.label}: is {what} (format {found}, this version knows {FORMAT})")
