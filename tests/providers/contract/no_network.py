"""A guard: nothing is asked of any machine but this one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

HERE = ("127.0.0.1", "::1", "localhost")


@contextmanager
def only_this_machine() -> Iterator[list[str]]:
    """Refuse connections and name look-ups elsewhere; yields the names of those tried, from any thread."""
    tried: list[str] = []

    def allowed(host: Any) -> bool:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (*HERE, None, ""):
            tried.append(str(name))
        return name in (*HERE, None, "")

    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not allowed(address[0]):
            raise ConnectionRefusedError(f"a test may not connect to {address[0]}")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if isinstance(address, tuple) and not allowed(address[0]):
            return 111
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *more: Any, **named: Any) -> Any:
        if not allowed(host):
            raise socket.gaierror(f"a test may not look up {host}")
        return look_up(host, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield tried
