"""Signing in to Azure once, where its token may be sent, and what the SDK says while it tries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from providers.errors import CredentialsError

MANAGEMENT_ENDPOINT = "OPTIMISER_ENDPOINT_AZURE_MANAGEMENT"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Warnings of a logger that has no handler at all go to stderr, amid whatever is written there: these libraries give
# theirs none. Who configures logging gets them as before.
for _name in ("azure", "msal"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class SignIn:
    """A credential made at first need, in the place of the SDK's own, whose failure is remembered.

    The SDK would try every way to sign in again, for seconds, whenever it is asked. May be used from several
    threads: one of them signs in, the others wait for what comes of it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._credential: Any = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """The token, as azure.core.credentials.TokenCredential has it. Raises what signing in raised first."""
        with self._lock:
            if self._failure:
                raise self._failure.with_traceback(None)
            try:
                self._credential = self._credential or self._make()
                return self._credential.get_token(*scopes, **options)
            except Exception as error:
                self._failure = error
                raise


def token_safe(base_url: str) -> dict[str, Any]:
    """Leave for a request to carry a token without TLS, given for an address on this machine alone.

    Raises CredentialsError.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise CredentialsError(f"{MANAGEMENT_ENDPOINT} is not https: no token is sent to {parts.hostname}")
    return {"enforce_https": parts.scheme == "https"}
