"""Opening a store: made, found, refused; and its password, which nobody ever sees."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import ordinary_user, reachable_folder
from sqlalchemy import update
from store_process import heard, make, running
from stored_prices import at_usd

from optimiser.errors import UsageError
from optimiser.prices.store import (
    Store,
    StoreError,
    in_force_table,
    open_store,
    prices_of,
    save,
    scopes_in_force,
)
from optimiser.prices.store.address import read_address
from optimiser.prices.store.connection import connect, writing
from optimiser.prices.store.tables import FORMATS

SECRET = "k9-S3CRET"  # noqa: S105 (a password nobody has)


def test_a_store_that_is_not_there_is_only_made_on_request(fresh_url: str) -> None:
    with pytest.raises(StoreError, match="run `optimiser refresh`"):
        open_store(fresh_url)
    with open_store(fresh_url, create=True) as store:
        save(store, at_usd("55.04"))
    with open_store(fresh_url) as store:
        assert len(scopes_in_force(store)) == 1
    with open_store(fresh_url, create=True) as store:
        assert len(scopes_in_force(store)) == 1


def test_a_new_store_holds_nothing(fresh_url: str) -> None:
    with open_store(fresh_url, create=True) as store:
        assert scopes_in_force(store) == {}
        table = in_force_table(store)
    assert len(table) == 0
    assert str(table["observed_at"].dtype) == "datetime64[us, UTC]"
    assert str(table["usd_per_hour"].dtype) == "float64"


def test_two_processes_make_the_store_at_once(fresh_url: str) -> None:
    with running(make, fresh_url) as (_, one), running(make, fresh_url) as (_, two):
        assert [heard(one), heard(two)] == ["ready", "ready"]
        one.send("go on")
        two.send("go on")
        assert [heard(one), heard(two)] == [{}, {}]


def test_a_half_made_file_of_a_killed_process_is_no_obstacle(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / ".prices.sqlite3.new").write_bytes(b"half")
    (tmp_path / ".prices.sqlite3.new-wal").write_bytes(b"half")
    (tmp_path / "prices.sqlite3").touch()
    with open_store(sqlite_url, create=True) as store:
        assert scopes_in_force(store) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prices.sqlite3"]


def test_the_folders_of_a_new_file_are_made(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/a/b/prices.sqlite3", create=True).close()
    assert (tmp_path / "a/b/prices.sqlite3").is_file()


def test_the_file_uses_wal_and_syncs_fully(sqlite_url: str) -> None:
    with open_store(sqlite_url, create=True) as store, store.engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 30_000, 1]


def test_a_path_with_odd_characters_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / "ä b#x%41'"
    odd.mkdir()
    with open_store(f"sqlite:///{odd}/prices.sqlite3", create=True) as store:
        save(store, at_usd("1"))
    assert (odd / "prices.sqlite3").stat().st_size > 0


def test_a_store_of_a_newer_version_is_refused(store_url: str) -> None:
    with open_store(store_url) as store, writing(store) as connection:
        connection.execute(update(FORMATS).values(format=2))
    try:
        for create in (False, True):
            with pytest.raises(
                StoreError, match=r"newer version: upgrade the optimiser \(format 2, .*knows 1\)"
            ):
                open_store(store_url, create=create)
    finally:
        # The tests share the store in PostgreSQL.
        with connect(read_address(store_url)) as store, writing(store) as connection:
            connection.execute(update(FORMATS).values(format=1))


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path: Path, create: bool) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("x" * 5000)
    with pytest.raises(StoreError, match=r"notes\.txt: is not a price store"):
        open_store(f"sqlite:///{text}", create=create)
    assert text.read_text() == "x" * 5000
    other = tmp_path / "other.sqlite3"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match=r"other\.sqlite3: holds no price store"):
        open_store(f"sqlite:///{other}", create=create)
    with pytest.raises(StoreError, match="is a folder, not a price store"):
        open_store(f"sqlite:///{tmp_path}", create=create)


def test_a_damaged_file_is_told_in_one_line(sqlite_url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url, create=True) as store:
        save(store, at_usd("1"))
    path = tmp_path / "prices.sqlite3"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StoreError, match=r"prices\.sqlite3: is damaged"), open_store(sqlite_url) as store:
        in_force_table(store)


def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        open_store(postgres_url.replace("/postgres", "/nowhere"))


def test_a_server_is_reached_by_the_folder_of_its_socket(postgres_store_url: str) -> None:
    with open_store(postgres_store_url) as store, writing(store) as connection:
        folder = connection.exec_driver_sql("SHOW unix_socket_directories").scalar()
    port, database = postgres_store_url.rsplit(":", 1)[1].split("/")
    with open_store(f"postgresql://optimiser@:{port}/{database}?host={folder}") as store:
        assert scopes_in_force(store) == {}


def test_the_password_is_in_no_label_error_or_log(
    postgres_store_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PGPASSWORD", "S3CRET-of-the-environment")
    said = []
    for url in (postgres_store_url, postgres_store_url.replace("@", f":{SECRET}@")):
        with open_store(url) as store:
            said += [store.label, repr(store), str(store), repr(store.engine), str(store.engine.url)]
            with pytest.raises(StoreError) as caught, writing(store) as connection:
                connection.exec_driver_sql("SELECT nothing FROM nowhere")
            said += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
        with pytest.raises(StoreError) as caught:
            open_store(url.replace("/store_", "/absent_"))
        said += [str(caught.value), repr(caught.value.__cause__)]
    assert "S3CRET" not in "\n".join([*said, caplog.text])
    assert said[0] == postgres_store_url


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder with a store that this process may read but not write to: root may write everywhere, and steps down."""
    user, folder = ordinary_user(), Path(tempfile.mkdtemp(dir=reachable_folder()))
    # What opening a store imports must be loaded while its files can be read.
    open_store(f"sqlite:///{folder}/prices.sqlite3", create=True).close()
    folder.chmod(0o555)
    if user:
        os.seteuid(user.pw_uid)
    try:
        yield folder
    finally:
        if user:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written_is_told(unwritable: Path) -> None:
    with pytest.raises(StoreError, match=r"another\.sqlite3: .*must be writable"):
        open_store(f"sqlite:///{unwritable}/another.sqlite3", create=True)
    assert [path.name for path in unwritable.iterdir()] == ["prices.sqlite3"]


def test_a_reader_who_may_not_write_is_told_what_sqlite_needs(unwritable: Path) -> None:
    with pytest.raises(StoreError, match="must be writable for this user, to read it as well"):
        open_store(f"sqlite:///{unwritable}/prices.sqlite3")


@pytest.mark.parametrize("create", [True, False])
def test_nothing_but_a_file_is_ever_replaced(tmp_path: Path, create: bool) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "unmounted" / "prices.sqlite3")
    with pytest.raises(StoreError, match="is a device or a pipe"):
        open_store(f"sqlite:///{pipe}", create=create)
    with pytest.raises(StoreError, match="a link that leads nowhere"):
        open_store(f"sqlite:///{link}", create=create)
    assert pipe.is_fifo()
    assert link.is_symlink()


@pytest.mark.parametrize("number", [10**20, -1, 0])
def test_a_snapshot_number_no_store_can_hold_is_one_that_is_not_there(store: Store, number: int) -> None:
    with pytest.raises(UsageError, match=f"there is no snapshot {number}"):
        prices_of(store, number)
