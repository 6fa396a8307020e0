"""Reading one large JSON object in pieces, without ever holding it whole."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

from providers.errors import UnexpectedPayload

_SPACE = " \t\r\n"
_MARKS = _SPACE + ",:]}"
_DECODER = json.JSONDecoder()


class JsonStream:
    """A cursor over JSON text that arrives in chunks of bytes (UTF-8).

    The reader walks down with keys() and items(), each of which must be exhausted, and takes or skips each
    value with value(). Raises UnexpectedPayload where the text ends early or is no JSON.
    """

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._name = name
        self._text = ""
        self._at = 0
        self._ended = False

    def keys(self) -> Iterator[str]:
        """The keys of the object that starts here; after each, its value is to be read."""
        for _ in self._members("{", "}"):
            key = self.value()
            if not isinstance(key, str) or self._peek() != ":":
                raise self._broken()
            self._at += 1
            yield key

    def items(self) -> Iterator[None]:
        """One step for each item of the list that starts here; at each, the item is to be read."""
        yield from self._members("[", "]")

    def value(self) -> Any:
        """The whole value that starts here."""
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                self._more()
                continue
            # A number cut in two reads as a shorter one: a value is whole where a mark or the end follows.
            follows = self._text[end : end + 1]
            if follows in _MARKS if follows else self._ended:
                self._at = end
                return value
            self._more()

    def _members(self, opening: str, closing: str) -> Iterator[None]:
        if self._peek() != opening:
            raise self._broken()
        self._at += 1
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            yield
            mark = self._peek()
            self._at += 1
            if mark == closing:
                return
            if mark != ",":
                raise self._broken()

    def _peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._more()

    def _more(self) -> None:
        """Take in another chunk, letting go of what has been read."""
        if self._ended:
            raise self._broken()
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        try:
            added = self._decoder.decode(chunk or b"", final=self._ended)
        except UnicodeDecodeError:
            raise self._broken() from None
        self._text = self._text[self._at :] + added
        self._at = 0

    def _broken(self) -> UnexpectedPayload:
        return UnexpectedPayload(f"aws: {self._name}: cut short, or no JSON")
