"""A Cloud Billing Catalog on 127.0.0.1 that speaks gRPC and REST, and the token server that goes with it.

    with GcpServer(skus) as server:
        server.fail(page=5, status=503, times=1)
        monkeypatch.setenv("OPTIMISER_ENDPOINT_GCP_BILLING", server.rest_url)

SKUs are dicts in the JSON of the REST API. Both protocols serve the same pages, take the same faults and write
the same log. gcp_catalogue.py has a catalogue of full size, gcp_access.py credentials and ready clients.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from google.cloud.billing_v1.types import ListSkusRequest, ListSkusResponse
from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

LIST_SKUS = "/google.cloud.billing.v1.CloudCatalog/ListSkus"
PARENT = "services/6F81-5844-456A"
TOKEN = "fake-access-token-for-tests"  # noqa: S105
GRPC_CODES = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "PERMISSION_DENIED"),
    404: (5, "NOT_FOUND"),
    429: (8, "RESOURCE_EXHAUSTED"),
    500: (13, "INTERNAL"),
    503: (14, "UNAVAILABLE"),
    504: (4, "DEADLINE_EXCEEDED"),
}


@dataclass(kw_only=True)
class Fault:
    """What befalls a page: an error status (with an ErrorInfo reason, with a wait asked for), or, with status
    200, a body cut off after `cut` bytes of JSON; held for hold_seconds unless released. times None: for ever.
    """

    status: int
    times: int | None
    reason: str = ""
    message: str = "no reason given by the fake"
    retry_after_seconds: float | None = None
    cut: int | None = None
    hold_seconds: float = 0.0
    released: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call as the server saw it; page counts from 1."""

    protocol: str
    page: int
    page_size: int
    currency: str
    authorization: str = ""
    status: int = 200


@dataclass(kw_only=True)
class GcpServer:
    """Serves skus by pages of at most largest_page, while it is open. Thread-safe."""

    skus: Sequence[dict[str, Any]]
    largest_page: int = 5000
    log: list[Request] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    token_status: int = 200
    tokens_asked: int = 0
    circular: bool = False
    rest_url: str = ""
    grpc_target: str = ""
    grpc_local_target: str = ""

    def fail(self, page: int, status: int, times: int | None = None, **more: Any) -> Fault:
        """Answer that page with this status for so many tries, for ever without times."""
        self.faults.setdefault(page, []).append(fault := Fault(status=status, times=times, **more))
        return fault

    def __enter__(self) -> GcpServer:
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, int, int], bytes] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.rest_url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self._grpc = grpc.server(ThreadPoolExecutor(max_workers=4))
        self._grpc.add_generic_rpc_handlers((_GrpcHandler(self),))
        self.grpc_target = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        local = self._grpc.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
        self.grpc_local_target = f"127.0.0.1:{local}"
        self._grpc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()

    def fault_of(self, page: int) -> Fault | None:
        """The fault this try runs into, if any; each try uses one up."""
        with self._lock:
            for fault in self.faults.get(page, []):
                if fault.times is None:
                    return fault
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def page_of(self, number: int, asked: int) -> tuple[list[dict[str, Any]], str]:
        """The SKUs of a page and the token of the next, "" after the last."""
        size = min(asked or self.largest_page, self.largest_page)
        start = (number - 1) * size
        more = start + size < len(self.skus)
        token = "page-1" if self.circular and not more else f"page-{number + 1}" if more else ""
        return list(self.skus[start : start + size]), token

    def body_of(self, protocol: str, number: int, asked: int) -> bytes:
        """A page in the protocol's bytes, made once."""
        key = (protocol, number, asked)
        with self._lock:
            if key not in self._cache:
                skus, token = self.page_of(number, asked)
                message = {"skus": skus, "nextPageToken": token}
                if protocol == "rest":
                    self._cache[key] = json.dumps(message).encode()
                else:
                    empty = ListSkusResponse.pb()()
                    self._cache[key] = json_format.ParseDict(message, empty).SerializeToString()
            return self._cache[key]

    def note(self, request: Request) -> None:
        with self._lock:
            self.log.append(request)


def _handler(server: GcpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            page = _page_number(query.get("pageToken", ""))
            asked = int(query.get("pageSize", "0"))
            fault = server.fault_of(page)
            if address.path != f"/v1/{PARENT}/skus":
                fault = Fault(status=404, times=None)
            server.note(
                Request(
                    protocol="rest",
                    page=page,
                    page_size=asked,
                    currency=query.get("currencyCode", ""),
                    authorization=self.headers.get("Authorization", ""),
                    status=fault.status if fault else 200,
                )
            )
            if fault:
                fault.released.wait(fault.hold_seconds)
            if fault and fault.status != 200:
                self._answer(fault.status, _rest_error(fault), fault.retry_after_seconds)
                return
            body = server.body_of("rest", page, asked)
            self._answer(200, body[: fault.cut] if fault else body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            server.tokens_asked += 1
            if server.token_status != 200:
                refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
                self._answer(server.token_status, json.dumps(refused).encode())
                return
            token = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            self._answer(200, json.dumps(token).encode())

        def _answer(self, status: int, body: bytes, retry_after_seconds: float | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if retry_after_seconds is not None:
                self.send_header("Retry-After", f"{retry_after_seconds:g}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    return Handler


def _rest_error(fault: Fault) -> bytes:
    error: dict[str, Any] = {
        "code": fault.status,
        "message": fault.message,
        "status": GRPC_CODES[fault.status][1],
    }
    if fault.reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": fault.reason, "domain": "googleapis.com"}]
    return json.dumps({"error": error}).encode()


class _GrpcHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, server: GcpServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != LIST_SKUS:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._list_skus,
            request_deserializer=ListSkusRequest.pb().FromString,
            response_serializer=_as_it_is,
        )

    def _list_skus(self, request: Any, context: grpc.ServicerContext) -> bytes:
        page = _page_number(request.page_token)
        fault = self._server.fault_of(page)
        if request.parent != PARENT:
            fault = Fault(status=404, times=None)
        metadata = dict(context.invocation_metadata())
        self._server.note(
            Request(
                protocol="grpc",
                page=page,
                page_size=request.page_size,
                currency=request.currency_code,
                authorization=str(metadata.get("authorization", "")),
                status=fault.status if fault else 200,
            )
        )
        if fault:
            fault.released.wait(fault.hold_seconds)
        if fault and fault.status != 200:
            context.abort_with_status(rpc_status.to_status(_grpc_error(fault)))
        return self._server.body_of("grpc", page, request.page_size)


def _as_it_is(body: bytes) -> bytes:
    return body


def _grpc_error(fault: Fault) -> status_pb2.Status:
    details = []
    if fault.reason:
        details.append(error_details_pb2.ErrorInfo(reason=fault.reason, domain="googleapis.com"))
    if fault.retry_after_seconds is not None:
        wait = duration_pb2.Duration()
        wait.FromNanoseconds(int(fault.retry_after_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=wait))
    packed = []
    for detail in details:
        anything = any_pb2.Any()
        anything.Pack(detail)
        packed.append(anything)
    return status_pb2.Status(code=GRPC_CODES[fault.status][0], message=fault.message, details=packed)


def _page_number(token: str) -> int:
    return int(token.removeprefix("page-")) if token else 1


def service_account_key(path: Path, token_uri: str, universe: str = "googleapis.com") -> Path:
    """A service account's key file, its key made on the spot, whose tokens come from token_uri."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key = {
        "type": "service_account",
        "project_id": "testing",
        "private_key_id": "testing",
        "private_key": pem.decode(),
        "client_email": "testing@testing.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
        "universe_domain": universe,
    }
    path.write_text(json.dumps(key), encoding="utf-8")
    return path
