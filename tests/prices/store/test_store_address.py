"""A store's address: what is understood, what is refused, who connects, and that no password is ever shown."""

from __future__ import annotations

import getpass
import socket
import sys
import threading

import pytest

from optimiser.errors import UsageError
from optimiser.prices.store import StoreError, open_store
from optimiser.prices.store.address import read_address

SECRET = "k9-S3CRET"  # noqa: S105 (a password nobody has)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is not a URL such as sqlite:"),
        ("/var/lib/prices.sqlite3", "is not a URL such as sqlite:"),
        ("postgresql://user:S3CRET@host:port/db", "is not a URL such as sqlite:"),
        ("postgres://user:S3CRET@host/db", r"begins with 'postgres': did you mean postgresql\?"),
        ("mysql://user:S3CRET@host/db", "begins with 'mysql': known: postgresql, sqlite"),
        (
            "postgresql+psycopg2://user:S3CRET@host/db",
            "begins with 'postgresql.psycopg2': did you mean postgresql",
        ),
        ("postgresql://user:S3CRET@host", "names no database"),
        (
            "postgresql://user@host/db?password=S3CRET",
            "has the parameter 'password': known: host, sslmode, sslroot",
        ),
        ("postgresql://user:S3CRET@host/db?sslmode=ful", "has sslmode='ful'"),
        (
            "postgresql://u:S3CRET@h/db?sslmode=verify-full&sslrootcert=/nowhere.pem",
            "has sslrootcert='/nowhere.pem'",
        ),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///prices.sqlite3?mode=ro", "has the parameter 'mode': it takes none"),
        (
            "sqlite:///~nobody-of-that-name/prices.sqlite3",
            "the home of an unknown user: ~nobody-of-that-name",
        ),
        ("sqlite:////tmp/\udcff.sqlite3", "is not a URL such as sqlite:"),
        ("postgresql://user:S3CRET\udcff@host/db", "is not a URL such as sqlite:"),
    ],
)
def test_an_address_that_is_not_understood_is_refused_without_its_password(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_store(url)
    assert "S3CRET" not in str(caught.value)


def test_an_at_sign_in_a_password_never_shows_a_part_of_it() -> None:
    with pytest.raises(UsageError, match="more than one @") as caught:
        open_store("postgresql://bob:s3@cr3t@localhost/db")
    assert "cr3t" not in str(caught.value)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(UsageError, match=r"cloud-pricing-optimiser\[postgres\]"):
        open_store("postgresql://user@host/db")


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://user:{SECRET}@127.0.0.1:{taken.getsockname()[1]}/db"
        with pytest.raises(StoreError, match="cannot be reached: Connection refused") as caught:
            open_store(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("place", ["..", "127.0.0.1:99999999"])
def test_a_place_that_no_server_can_have_cannot_be_reached(place: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be reached: ."):
        open_store(f"postgresql://user@{place}/db")


def test_the_password_comes_from_the_url_or_else_from_pgpassword(monkeypatch: pytest.MonkeyPatch) -> None:
    def password(url: str) -> object:
        connect = read_address(url).connect
        return connect.args[3]["password"]  # type: ignore[union-attr, attr-defined]

    monkeypatch.delenv("PGPASSWORD", raising=False)
    assert password("postgresql://user@host/db") is None
    monkeypatch.setenv("PGPASSWORD", "from-the-environment")
    assert password("postgresql://user@host/db") == "from-the-environment"
    assert password("postgresql://user:p%40ss%2Fword@host/db") == "p@ss/word"


def test_a_server_that_asks_for_a_password_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests' real server trusts everybody; this one asks for a password in clear text, and notes it.
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                if client.recv(8)[4:] == b"\x04\xd2\x16\x2f":  # SSLRequest
                    client.sendall(b"N")
                    client.recv(4)
                client.recv(1000)
                client.sendall(b"R\0\0\0\x08\0\0\0\x03")  # AuthenticationCleartextPassword
                told.append(client.recv(1000))
                client.sendall(b"E\0\0\0\x1fSFATAL\0C28P01\0Mwrong password\0\0")

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("PGPASSWORD", SECRET)
        with pytest.raises(StoreError) as caught:
            open_store(f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/db")
        thread.join(10)
    assert SECRET.encode() in told[0]
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__)


def test_without_a_name_the_user_is_whoever_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGUSER", raising=False)
    connect = read_address("postgresql://host/db").connect
    assert connect.args[3]["user"] == getpass.getuser()  # type: ignore[union-attr, attr-defined]

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")  # as in a container under a number of its own

    monkeypatch.setattr(getpass, "getuser", nameless)
    with pytest.raises(UsageError, match="names no user: postgresql://user@host/DATABASE"):
        read_address("postgresql://host/db")
