"""How AWS's answers look on the wire: JSON, EC2's XML and errors, and a handler that reads and sends them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

Row = dict[str, Any]
_XML_LISTS = {
    "SpotPriceHistory": "spotPriceHistorySet",
    "Regions": "regionInfo",
    "AvailabilityZones": "availabilityZoneInfo",
    "InstanceTypes": "instanceTypeSet",
    "CapacityBlockOfferings": "capacityBlockOfferingSet",
}
_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: the API's operation, or a path; the region it is about; the page asked, from 1.

    signed_region is the one in the signature's scope: the endpoint's, which may not be the one asked about.
    """

    operation: str
    region: str
    page: int
    body: Mapping[str, Any]
    signed_region: str = ""


@dataclass(kw_only=True)
class Fault:
    """What goes wrong, for which calls (None: all) and how often (None: always)."""

    operation: str
    region: str | None = None
    page: int | None = None
    times: int | None = None
    status: int = 400
    code: str = "ThrottlingException"
    message: str = "as programmed"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait_s: float = 0.0
    cut_short: bool = False
    hang_up: bool = False

    def hits(self, call: Call) -> bool:
        """Whether this call is one to fail."""
        return (
            self.operation in (call.operation, "*")
            and self.region in (None, call.region)
            and self.page in (None, call.page)
            and self.times != 0
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Bytes to send, and in what way."""

    body: bytes
    status: int = 200
    content_type: str = "application/x-amz-json-1.1"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_short: bool = False
    hang_up: bool = False


class Answers(Protocol):
    """What a handler asks."""

    def answer(self, call: Call) -> Answer:
        """What is sent back."""
        ...


def xml(call: Call, key: str, rows: Iterable[Row], token: str) -> Answer:
    """A page of EC2's answer with the rows under key, and the next page's token, "" at the end."""
    items = "".join(f"<item>{_element(row)}</item>" for row in rows)
    name = f"{call.operation}Response"
    listed = f"<{_XML_LISTS[key]}>{items}</{_XML_LISTS[key]}>"
    namespace = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
    body = f"<{name} {namespace}><requestId>r</requestId>{listed}<nextToken>{token}</nextToken></{name}>"
    return Answer(body=body.encode(), content_type="text/xml;charset=UTF-8")


def _element(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(
            f"<{name[0].lower()}{name[1:]}>{_element(inner)}</{name[0].lower()}{name[1:]}>"
            for name, inner in value.items()
        )
    if isinstance(value, list | tuple):
        return "".join(f"<item>{_element(inner)}</item>" for inner in value)
    return escape(value.isoformat() if isinstance(value, datetime) else str(value))


def error_body(call: Call, fault: Fault) -> bytes:
    """An error as the API of the call words it."""
    if "Action" in call.body:
        error = f"<Error><Code>{fault.code}</Code><Message>{escape(fault.message)}</Message></Error>"
        return f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>".encode()
    return json.dumps({"__type": fault.code, "code": fault.code, "message": fault.message}).encode()


class Server(ThreadingHTTPServer):
    """Serves in threads that end with the program, and takes a client that hangs up for nothing odd."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of a fault of the fake's own."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request into a Call and sends its Answer."""

    aws: Answers
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""

    def do_GET(self) -> None:
        """A public file."""
        self._send(self.aws.answer(Call(operation=self.path, region="public", page=1, body={})))

    def do_POST(self) -> None:
        """An API call."""
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._send(self.aws.answer(self._call(text)))

    def _call(self, text: str) -> Call:
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        region = signed_region = scope.group(1) if scope else ""
        if not text.startswith("{"):
            body: Row = {name: values[0] for name, values in parse_qs(text).items()}
            return Call(
                operation=body["Action"],
                region=region,
                page=_page_of(body),
                body=body,
                signed_region=signed_region,
            )
        body = json.loads(text)
        if "X-Amz-Target" in self.headers:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        else:
            operation = self.path.strip("/")
        for row in [*body.get("Filters", ()), *body.get("filters", ())]:
            if row.get("Field") == "regionCode":
                region = row["Value"]
            elif row.get("name") == "region":
                region = row["values"][0]
        return Call(
            operation=operation, region=region, page=_page_of(body), body=body, signed_region=signed_region
        )

    def _send(self, answer: Answer) -> None:
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        missing = len(answer.body) // 2 if answer.cut_short else 0
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = self.close_connection or bool(missing)
        self.wfile.write(answer.body[: len(answer.body) - missing])


def _page_of(body: Mapping[str, Any]) -> int:
    token = body.get("NextToken") or body.get("nextToken") or "page-1"
    return int(str(token).removeprefix("page-"))
