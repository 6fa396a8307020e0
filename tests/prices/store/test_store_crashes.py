"""A process killed at any moment, a full disk, two at once: the last good prices stand, and readers never wait."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from store_process import (
    heard,
    hold,
    night,
    running,
    save_and_die,
    save_each,
    save_slowly,
    save_where_files_are_limited,
)
from stored_prices import DAY, EAST, NIGHT, WEST, at_usd, seen, snapshot

import optimiser.prices.store.connection as transactions
from optimiser.prices.store import (
    Store,
    StoreBusy,
    StoreError,
    exclusive,
    in_force_table,
    open_store,
    prices_of,
    prune,
    save,
    scopes_in_force,
    snapshots,
)
from optimiser.prices.store.connection import WRITE, reading, writing

ROWS = 1500
FEW = 50
OLD = ["1"]
# pg8000 leaves the socket of a connection that broke to the garbage collector.
CUT_OFF = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def in_force_now(store: Store) -> list[str]:
    return list(in_force_table(store)["usd_per_hour_text"])


def test_a_save_killed_before_any_of_its_writes_leaves_the_last_good(store: Store, store_url: str) -> None:
    save(store, at_usd("1"))
    for write in range(1, 60):
        with running(save_and_die, store_url, FEW, write) as (process, _):
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
        # What one kill left behind is there for the next one.
        assert in_force_now(store) == OLD
        assert len(snapshots(store)) == 1
    assert write > 6
    assert in_force_now(store) == ["2"] * FEW


def test_a_save_killed_between_two_rows_leaves_the_last_good(sqlite_url: str) -> None:
    with open_store(sqlite_url, create=True) as store:
        save(store, at_usd("1"))
        for instructions in (1, 500, 10_000):
            with running(save_and_die, sqlite_url, ROWS, 99, instructions) as (process, _):
                process.join()
                assert process.exitcode == -signal.SIGKILL
            assert in_force_now(store) == OLD
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        save(store, night("2", ROWS))
        assert in_force_now(store) == ["2"] * ROWS


@pytest.mark.parametrize("limit_kib", [64, 150])
def test_a_full_disk_is_told_and_leaves_the_last_good(sqlite_url: str, limit_kib: int) -> None:
    with open_store(sqlite_url, create=True) as store:
        save(store, at_usd("1"))
        with running(save_where_files_are_limited, sqlite_url, ROWS, limit_kib * 1024) as (_, talk):
            told = str(heard(talk))
        assert "prices.sqlite3: the disk refused a write" in told
        assert "nothing of it was stored, and what was in force before still is" in told
        assert in_force_now(store) == OLD
        save(store, night("2", ROWS))
        assert in_force_now(store) == ["2"] * ROWS


def test_a_database_that_may_not_grow_is_told_as_a_full_disk(sqlite_url: str) -> None:
    with open_store(sqlite_url, create=True) as store:
        save(store, at_usd("1"))
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 30")
        with pytest.raises(StoreError, match="the disk is full: nothing of it was stored"):
            save(store, night("2", ROWS))
        assert in_force_now(store) == OLD
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        save(store, night("2", ROWS))
        assert in_force_now(store) == ["2"] * ROWS


def test_a_server_whose_disk_is_full_is_told_and_leaves_the_last_good(postgres_store_url: str) -> None:
    # What PostgreSQL raises when it cannot extend a file (SQLSTATE 53100), at the thousandth row.
    fill = (
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.key_id > 1000 THEN RAISE EXCEPTION"
        " 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER fill BEFORE INSERT ON price_rows FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    with open_store(postgres_store_url) as store:
        save(store, at_usd("1"))
        with writing(store) as connection:
            connection.exec_driver_sql(fill)
        try:
            with pytest.raises(StoreError, match="No space left on device"):
                save(store, night("2", ROWS))
            assert in_force_now(store) == OLD
        finally:
            with writing(store) as connection:
                connection.exec_driver_sql("DROP FUNCTION fill() CASCADE")
        save(store, night("2", ROWS))
        assert in_force_now(store) == ["2"] * ROWS


@CUT_OFF
def test_a_connection_that_is_cut_is_told_and_leaves_the_last_good(postgres_store_url: str) -> None:
    with open_store(postgres_store_url) as store, open_store(postgres_store_url) as other:
        save(store, at_usd("1"))

        def cut(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("INSERT INTO price_rows"):
                backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
                with reading(other) as killer:
                    killer.exec_driver_sql(f"SELECT pg_terminate_backend({backend})")

        event.listen(store.engine, "before_cursor_execute", cut)
        with pytest.raises(StoreError, match=r"terminating connection|connection to the server was lost"):
            save(store, night("2", FEW))
        event.remove(store.engine, "before_cursor_execute", cut)
        assert in_force_now(store) == OLD
        save(store, night("2", FEW))
        assert in_force_now(store) == ["2"] * FEW
    gc.collect()


def test_readers_do_not_wait_for_a_snapshot_being_written(store: Store, store_url: str) -> None:
    first = save(store, at_usd("1"))
    with running(save_slowly, store_url, FEW) as (_, talk):
        assert heard(talk) == "written"
        began = time.monotonic()
        with open_store(store_url) as other:
            assert in_force_now(other) == OLD
            assert in_force_now(store) == OLD
            assert list(scopes_in_force(other)) == [EAST]
            assert len(snapshots(other)) == 1
            assert list(prices_of(other, first.id)) == [EAST]
            assert prune(other, NIGHT + DAY, dry_run=True).snapshots == 0
        assert time.monotonic() - began < 5
        talk.send("go on")
        assert heard(talk) == "saved"
    assert in_force_now(store) == ["2"] * FEW


def test_a_reader_sees_one_state_though_snapshots_land_meanwhile(store: Store, store_url: str) -> None:
    save(store, at_usd("1"))
    with open_store(store_url) as reader, open_store(store_url) as writer:
        landed: list[object] = []

        def land(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "FROM price_rows" in statement and not landed:
                landed.append(save(writer, at_usd("2", NIGHT + DAY)))
                landed.append(save(writer, at_usd("3", NIGHT + 2 * DAY)))
                prune(writer, NIGHT + 9 * DAY)

        event.listen(reader.engine, "before_cursor_execute", land)
        assert in_force_now(reader) == ["1"]
        assert in_force_now(reader) == ["3"]
        assert len(landed) == 2


def test_a_writer_that_waits_in_vain_for_another_is_told(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = ("SET LOCAL lock_timeout = '50ms'", *transactions._BEGIN["postgresql", WRITE][1:])
    monkeypatch.setitem(transactions._BEGIN, ("postgresql", WRITE), impatient)
    words = "another process has been writing to it for 30 s: nothing"
    with open_store(store_url) as other:
        with other.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        with writing(store), pytest.raises(StoreError, match=words):
            save(other, at_usd("1"))
    save(store, at_usd("1"))
    assert in_force_now(store) == OLD


def test_two_processes_that_save_at_once_lose_nothing(store: Store, store_url: str) -> None:
    prices = [[str(number) for number in range(start, start + 6)] for start in (100, 200)]
    with (
        running(save_each, store_url, prices[0]) as (_, one),
        running(save_each, store_url, prices[1]) as (_, two),
    ):
        assert [heard(one), heard(two)] == ["ready", "ready"]
        one.send("go on")
        two.send("go on")
        assert [heard(one), heard(two)] == ["saved", "saved"]
    stored = snapshots(store)
    found = [prices_of(store, one.id)[EAST].offers[0].usd_per_hour for one in stored]
    assert sorted(map(str, found)) == sorted(prices[0] + prices[1])
    assert [one.id for one in stored] == list(range(12, 0, -1))
    assert in_force_now(store) == [str(found[0])]


def test_a_second_refresh_is_told_who_runs_the_first_and_goes_on_when_that_is_killed(
    store: Store, store_url: str
) -> None:
    with running(hold, store_url) as (holder, talk):
        assert heard(talk) == "held"
        with pytest.raises(StoreBusy) as caught, exclusive(store, 0):
            pass
        message = str(caught.value)
        assert f"a refresh is running already (pid {holder.pid} on " in message
        assert " UTC): waited 0 s for it" in message
        assert caught.value.exit_code == 4
        save(store, at_usd("1"))  # the lock keeps refreshes apart, and nothing else
        assert in_force_now(store) == OLD
        holder.kill()
        holder.join()
        with exclusive(store, 10):
            pass


def test_a_refresh_waits_for_as_long_as_it_was_told(store: Store) -> None:
    times = iter([100.0, 101.0, 129.0, 130.0])
    words = rf"\(pid {os.getpid()} on .* since 20\d\d-.* UTC\): waited 30 s"
    with (
        exclusive(store, 0),
        pytest.raises(StoreBusy, match=words),
        exclusive(store, 30, lambda: next(times)),
    ):
        pass
    assert next(times, None) is None
    with exclusive(store, 0):
        pass


def test_the_lock_is_given_back_when_a_refresh_fails(store: Store) -> None:
    with pytest.raises(RuntimeError, match="broken"), exclusive(store, 0):
        raise RuntimeError("broken")
    with exclusive(store, 0):
        pass


@CUT_OFF
def test_a_refresh_whose_lock_was_cut_off_still_ends_well(postgres_store_url: str) -> None:
    with open_store(postgres_store_url) as store:
        with exclusive(store, 0):
            with writing(store) as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                )
            save(store, at_usd("1"))
        assert in_force_now(store) == OLD
        with exclusive(store, 0):
            pass
    gc.collect()


def test_two_stores_are_refreshed_side_by_side(store: Store, tmp_path: Path) -> None:
    with (
        open_store(f"sqlite:///{tmp_path}/other.sqlite3", create=True) as other,
        exclusive(store, 0),
        exclusive(other, 0),
    ):
        save(other, snapshot(seen(WEST)))
        assert list(scopes_in_force(other)) == [WEST]
