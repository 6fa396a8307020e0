"""A real PostgreSQL server for the tests that ask for one: its own files, its own port, gone at the end.

The server refuses to run as root, so under root it runs as an ordinary user, in a folder which that user can reach.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ORDINARY_USERS = ("postgres", "nobody")
FOLDERS = (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (each made fresh by mkdtemp)
OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=40"
STARTS = 3
_numbers = count(1)


def server_programs() -> Path | None:
    """The folder with initdb and pg_ctl, of the newest version there is; None where there is none."""
    found = shutil.which("initdb")
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    for folder in [*([Path(found).resolve().parent] if found else []), *folders]:
        if all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres")):
            return folder
    return None


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """The URL of a running server's database "postgres", whose user "optimiser" needs no password."""
    user = ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="optimiser-pg-", dir=reachable_folder()))
    try:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        _run(
            user,
            folder,
            programs / "initdb",
            *("-D", data, "-U", "optimiser", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"),
        )
        port = _start(user, folder, programs, data)
        try:
            yield f"postgresql://optimiser@127.0.0.1:{port}/postgres"
        finally:
            _run(user, folder, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server_url: str) -> str:
    """The URL of a fresh, empty database of the server."""
    name = f"store_{os.getpid()}_{next(_numbers)}"
    _execute(server_url, f"CREATE DATABASE {name}")
    return f"{server_url.rsplit('/', 1)[0]}/{name}"


def empty_database(url: str) -> None:
    """Leave nothing in a database of new_database()."""
    _execute(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


def _execute(url: str, *statements: str) -> None:
    import pg8000

    place = urlsplit(url)
    connection = pg8000.connect(
        user=str(place.username),
        host=str(place.hostname),
        port=place.port,
        database=place.path[1:],
        ssl_context=False,
    )
    try:
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)
    finally:
        connection.close()


def _start(user: pwd.struct_passwd | None, folder: Path, programs: Path, data: Path) -> int:
    """Start the server on a free port; another one where somebody else was faster."""
    for attempt in range(STARTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {OPTIONS}"
        log = folder / "log"
        try:
            _run(user, folder, programs / "pg_ctl", "-D", data, "-o", options, "-l", log, "-w", "start")
        except RuntimeError as error:
            if attempt + 1 == STARTS:
                said = log.read_text(encoding="utf-8") if log.exists() else ""
                raise RuntimeError(f"PostgreSQL does not start: {said}") from error
        else:
            return port
    raise AssertionError("unreachable")


def _run(user: pwd.struct_passwd | None, folder: Path, *command: object) -> None:
    identity: dict[str, Any] = {}
    if user:
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    # A file, not a pipe: the server keeps what it inherits, and a pipe would never end.
    with (folder.parent / f"{folder.name}.out").open("w+", encoding="utf-8") as output:
        Path(output.name).unlink()
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **identity,
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended in {done.returncode}: {output.read()}")


def ordinary_user() -> pwd.struct_passwd | None:
    """Somebody other than root to run the server; None where the tests do not run as root."""
    if os.getuid():
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    for name in ORDINARY_USERS:
        if name in known:
            return known[name]
    raise RuntimeError(f"the tests run as root, and there is none of the users {', '.join(ORDINARY_USERS)}")


def reachable_folder() -> str:
    """A temporary folder which every user can reach."""
    for name in FOLDERS:
        path = Path(name)
        if path.is_dir() and all(place.stat().st_mode & 0o001 for place in (path, *path.parents)):
            return name
    raise RuntimeError(f"no temporary folder that every user can reach: {', '.join(FOLDERS)}")
