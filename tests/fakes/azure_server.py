"""A stand-in for Azure on 127.0.0.1: the Retail Prices API, resource SKUs, usages and the Resource Graph.

It speaks their wire formats, applies the $filter it is sent as strictly as the preview version (values case for
case), pages like the real one, keeps a log of requests, and can be told to fail. Start it in a process of its
own with `python azure_server.py --types A,B` to measure a client alone: it prints its address.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from azure_filter import Clause, Row, read_filter
from azure_price_rows import full_size_rows

PRICES = "/api/retail/prices"
PREVIEW = "2023-01-01-preview"
SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000001"
FOR_EVER = 10**9


@dataclass(kw_only=True)
class Fault:
    """What a request gets instead of its answer, `times` times; keep_bytes cuts the true answer short."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    keep_bytes: int | None = None
    honest_length: bool = True
    delay_s: float = 0
    hang_up: bool = False
    times: int = FOR_EVER


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came; at is on the clock of time.monotonic."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    at: float

    @property
    def region(self) -> str:
        """The region asked, "" where none is named."""
        text = self.query.get("$filter", "") + self.path
        found = re.search(r"(?:armRegionName eq '|location eq '|/locations/)([^'/]*)", text)
        return found.group(1) if found else ""

    @property
    def page(self) -> int:
        """Which page of a price list, from 0, told by how many rows are to be skipped."""
        return int(self.query.get("$skip", "0"))


class AzureServer:
    """The server, as a context manager. Change its public fields between or during requests.

    rows maps a region to its retail price rows (or is a function of the region). faults maps (region, rows
    skipped) to a Fault, with None for either: any. change_link rewrites the NextPageLink a page would have,
    change_page the whole answer.
    """

    def __init__(
        self,
        rows: Mapping[str, Sequence[Row]] | Callable[[str], Sequence[Row]] | None = None,
        *,
        page_size: int = 1000,
    ) -> None:
        self.rows = rows or {}
        self.page_size = page_size
        self.skus: Sequence[Row] = ()
        self.usages: Mapping[str, Sequence[Row]] = {}
        self.spot_resources: Sequence[Row] = ()
        self.graph_page_size = 1000
        self.faults: dict[tuple[str | None, int | None], Fault] = {}
        self.change_link: Callable[[str], str | None] = lambda link: link
        self.change_page: Callable[[dict[str, Any]], Any] = lambda page: page
        self.log: list[Request] = []
        self.refuse_token = 0
        self._lock = threading.Lock()
        self._pages: dict[tuple[str, str, str], list[Row]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"azure": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Base URL of every interface."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> AzureServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, fault: Fault, region: str | None = None, skipped: int | None = None) -> None:
        """Program a fault for a region and a page of it, named by the rows before it."""
        self.faults[region, skipped] = fault

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and content for a request without a fault."""
        if request.path == PRICES:
            return self._prices(request)
        if self.refuse_token:
            code = "ExpiredAuthenticationToken" if self.refuse_token == 401 else "AuthorizationFailed"
            return self.refuse_token, {"error": {"code": code, "message": "refused"}}
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return 401, {"error": {"code": "AuthenticationFailed", "message": "no token"}}
        if request.path.endswith("/providers/Microsoft.ResourceGraph/resources"):
            return self._graph(request.body)
        if not request.path.startswith(f"/subscriptions/{SUBSCRIPTION_ID}/"):
            return 404, {"error": {"code": "SubscriptionNotFound", "message": "not found"}}
        if request.path.endswith("/providers/Microsoft.Compute/skus"):
            return self._skus(request)
        return 200, {"value": self.usages.get(request.region, [])}

    def take_fault(self, request: Request) -> Fault | None:
        """The fault due for a request, used up once."""
        region, skipped = request.region or None, request.page
        with self._lock:
            for key in ((region, skipped), (region, None), (None, skipped), (None, None)):
                fault = self.faults.get(key)
                if fault and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def _prices(self, request: Request) -> tuple[int, Any]:
        try:
            clauses = read_filter(request.query.get("$filter", ""))
        except ValueError as error:
            return 400, {"Error": {"Code": "BadRequest", "Message": str(error)}}
        version = request.query.get("api-version", "")
        key = (request.region, request.query.get("$filter", ""), version)
        found = self._pages.get(key)
        if found is None:
            found = self._pages[key] = self._matching(request.region, clauses, preview=version == PREVIEW)
        rows = found[request.page : request.page + self.page_size]
        end = request.page + len(rows)
        link = self.change_link(_next_link(request.query, end)) if end < len(found) else None
        page = {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": rows,
            "NextPageLink": link,
            "Count": len(rows),
        }
        return 200, self.change_page(page)

    def _matching(self, region: str, clauses: Sequence[Clause], *, preview: bool) -> list[Row]:
        """The rows that pass; versions before the preview know no savings plans and no superseded rows."""
        lists = [self.rows(region)] if callable(self.rows) else self.rows.values()
        found = [row for rows in lists for row in rows if all(clause(row) for clause in clauses)]
        if preview:
            return found
        current = [row for row in found if not row.get("effectiveEndDate")]
        return [{name: value for name, value in row.items() if name != "savingsPlan"} for row in current]

    def _skus(self, request: Request) -> tuple[int, Any]:
        """One page for each SKU, so that a client must follow nextLink."""
        region = request.region
        found = [sku for sku in self.skus if not region or region in map(str.lower, sku["locations"])]
        index = int(request.query.get("$skiptoken", "0"))
        content: dict[str, Any] = {"value": found[index : index + 1]}
        if index + 1 < len(found):
            query = {**request.query, "$skiptoken": str(index + 1)}
            content["nextLink"] = f"{self.url}{request.path}?{urlencode(query)}"
        return 200, content

    def _graph(self, body: Any) -> tuple[int, Any]:
        """The rows whose type, name, region and system a query of ours names."""
        query = body["query"]
        found = [row for row in self.spot_resources if _in_graph_query(row, query)]
        if body["subscriptions"] != [SUBSCRIPTION_ID]:
            found = []
        start = int(body["options"].get("$skipToken", "0"))
        page = found[start : start + self.graph_page_size]
        content = {"totalRecords": len(found), "count": len(page), "data": page, "resultTruncated": "false"}
        if start + len(page) < len(found):
            content["$skipToken"] = str(start + len(page))
        return 200, content


def _next_link(query: Mapping[str, str], skip: int) -> str:
    """As the real interface writes it: its public name with the port, whoever was asked."""
    pairs = {**query, "$skip": str(skip)}
    return f"https://prices.azure.com:443{PRICES}?" + "&".join(f"{k}={quote(v)}" for k, v in pairs.items())


def _in_graph_query(row: Row, query: str) -> bool:
    wanted = {name: re.findall(r"'([^']*)'", text) for name, text in _GRAPH_CLAUSE.findall(query)}
    values = {
        "type": row["type"],
        "sku.name": row["sku"]["name"],
        "location": row["location"],
        "properties.osType": row["properties"].get("osType", ""),
    }
    return all(values[name].lower() in [v.lower() for v in allowed] for name, allowed in wanted.items())


_GRAPH_CLAUSE = re.compile(r"where ([\w.]+) (?:=~|in~) (\([^)]*\)|'[^']*')")


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the AzureServer it stands for."""

    azure: AzureServer
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is the server's own."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers=dict(self.headers),
            body=json.loads(sent) if sent else None,
            at=time.monotonic(),
        )
        self.azure.log.append(request)
        fault = self.azure.take_fault(request)
        if fault is None:
            status, content = self.azure.answer(request)
            self._send(status, json.dumps(content).encode(), {})
        else:
            self._fail(request, fault)

    def _fail(self, request: Request, fault: Fault) -> None:
        time.sleep(fault.delay_s)
        if fault.hang_up:
            self.close_connection = True
            return
        body = fault.body
        if body is None:
            body = json.dumps(self.azure.answer(request)[1]).encode() if fault.status == 200 else b"{}"
        cut = body if fault.keep_bytes is None else body[: fault.keep_bytes]
        length = len(cut) if fault.honest_length else len(body)
        self._send(fault.status, cut, {**fault.headers, "Content-Length": str(length)})
        self.close_connection = self.close_connection or not fault.honest_length

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve price lists of real size until the standard input ends."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--types", default="", help="comma-separated instance types that have prices")
    types = tuple(name for name in parser.parse_args().types.split(",") if name)
    with AzureServer(lambda region: full_size_rows(region, types)) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
