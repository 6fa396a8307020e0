"""A store's URL: which database it names, how to reach it, and how to name it without its password."""

from __future__ import annotations

import getpass
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from optimiser.errors import UsageError, did_you_mean
from optimiser.prices.store.errors import StoreError

DIALECTS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+pg8000"}
PARAMETERS = {"sqlite": (), "postgresql": ("host", "sslmode", "sslrootcert")}
SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
EXAMPLES = "sqlite:////var/lib/optimiser/prices.sqlite3 or postgresql://user@host/prices"
DEFAULT_PORT = 5432
REACH_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a store is. path is the file of SQLite, None else; connect makes a driver's connection (PostgreSQL)."""

    url: URL = field(repr=False)
    label: str
    path: Path | None = None
    connect: Callable[[], Any] | None = field(default=None, repr=False)


def read_address(text: str) -> Address:
    """What a store's URL means.

    SQLite takes a path as it is, PostgreSQL the usual parts; a password that is not in the URL is taken from
    PGPASSWORD. Raises UsageError, which never repeats the text, where it is no URL, of another database, names
    what is not known, or where the database's driver is not installed.
    """
    try:
        text.encode()
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        # The text may hold a password in a place where no parser looks for one.
        right = "special characters of a password are written as %XX"
        raise UsageError(f"the store's address is not a URL such as {EXAMPLES} ({right})") from None
    if text.count("@") > 1 and url.get_backend_name() != "sqlite":
        # Where the password ends cannot be told, so nothing of the text may be shown.
        raise UsageError("the store's address has more than one @: write one in a password as %40")
    name = url.get_backend_name()
    if name not in DIALECTS or url.drivername not in (name, DIALECTS[name]):
        raise UsageError(
            f"the store's address begins with {url.drivername!r}: {did_you_mean(url.drivername, DIALECTS)}"
        )
    for parameter in url.query:
        if parameter not in PARAMETERS[name]:
            known = did_you_mean(parameter, PARAMETERS[name]) if PARAMETERS[name] else "it takes none"
            raise UsageError(f"the store's address has the parameter {parameter!r}: {known}")
    return _file(text) if name == "sqlite" else _server(url)


def _file(text: str) -> Address:
    # Cut by hand: whether a % in a path is decoded depends on SQLAlchemy's version, and paths are given as they are.
    _, slashes, name = text.partition(":///")
    if not slashes or name in ("", ":memory:"):
        raise UsageError("the store's address names no file: sqlite:/// and then its path")
    try:
        path = Path(name).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"the store's address names the home of an unknown user: {name}") from None
    return Address(url=URL.create(DIALECTS["sqlite"], database=str(path)), label=str(path), path=path)


def _server(url: URL) -> Address:
    if not url.database:
        raise UsageError("the store's address names no database: postgresql://user@host/DATABASE")
    try:
        import pg8000  # type: ignore[import-untyped]  # noqa: F401 (asked for here, so that its absence is told in our words)
    except ImportError:
        install = "pip install 'cloud-pricing-optimiser[postgres]'"
        raise UsageError(f"a store in PostgreSQL needs its driver: {install}") from None
    socket_folder = url.query.get("host")
    host = url.host or (str(socket_folder) if socket_folder else "localhost")
    label = URL.create(
        "postgresql", username=url.username, host=host, port=url.port, database=url.database
    ).render_as_string()
    try:
        user = url.username or os.environ.get("PGUSER") or getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("the store's address names no user: postgresql://user@host/DATABASE") from None
    options: dict[str, Any] = {
        "user": user,
        "password": url.password or os.environ.get("PGPASSWORD") or None,
        "database": url.database,
        "application_name": "optimiser",
        "ssl_context": False if host.startswith("/") else _tls(url),
    }
    connect = partial(_connect, host, url.port or DEFAULT_PORT, label, options)
    return Address(url=URL.create(DIALECTS["postgresql"]), label=label, connect=connect)


def _connect(host: str, port: int, label: str, options: dict[str, Any]) -> Any:
    """A connection of pg8000. A dead host is given up soon; a query, once connected, may take its time."""
    import pg8000

    try:
        if host.startswith("/"):
            reached = socket.socket(socket.AF_UNIX)
            reached.settimeout(REACH_WITHIN_SECONDS)
            reached.connect(f"{host}/.s.PGSQL.{port}")
        else:
            reached = socket.create_connection((host, port), REACH_WITHIN_SECONDS)
    except (OSError, OverflowError, UnicodeError) as error:
        raise StoreError(f"{label}: cannot be reached: {getattr(error, 'strerror', None) or error}") from None
    reached.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    reached.settimeout(None)
    try:
        return pg8000.Connection(host=host, port=port, sock=reached, **options)
    except BaseException as error:
        reached.close()
        if isinstance(error, OSError):
            raise StoreError(f"{label}: the connection failed: {error.strerror or error}") from None
        raise


def _tls(url: URL) -> ssl.SSLContext | bool | None:
    """What pg8000 takes for libpq's sslmode: None encrypts where the server can, unverified, as "prefer" does."""
    mode = str(url.query.get("sslmode", "prefer"))
    if mode not in SSL_MODES:
        raise UsageError(f"the store's address has sslmode={mode!r}: {did_you_mean(mode, SSL_MODES)}")
    if mode in ("disable", "prefer", "require"):
        return {"disable": False, "prefer": None, "require": True}[mode]
    root = url.query.get("sslrootcert")
    try:
        context = ssl.create_default_context(cafile=str(root) if root else None)
    except OSError as error:
        raise UsageError(f"the store's address has sslrootcert={root!r}: {error.strerror or error}") from None
    context.check_hostname = mode == "verify-full"
    return context
