"""One page of Azure's price list or Resource Graph and the way to the next: what is asked and believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from providers.errors import UnexpectedPayload

PATH = "/api/retail/prices"
API_VERSION = "2023-01-01-preview"
PUBLIC_HOST = "prices.azure.com"
# All of Azure's GPU sizes are of its N series; values are compared case for case in this API version.
SERVICE = "Virtual Machines"
SKU_PART = "Standard_N"
# A region's whole list of virtual machines was measured at 16 pages, its N series at one or two.
MOST_PAGES = 500


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows of one answer, and the link it names for the next ("" at the end)."""

    rows: list[dict[str, Any]]
    next_link: str


@dataclass(frozen=True, kw_only=True)
class GraphPage:
    """Rows of one answer of the Resource Graph, the token of the next ("" at the end), and how many it has."""

    rows: list[dict[str, Any]]
    next_token: str
    all_rows: Any


def first_query(region: str) -> dict[str, str]:
    """What to ask for all GPU sizes of one region, in every tier."""
    safe = region.replace("'", "''")
    condition = (
        f"serviceName eq '{SERVICE}' and armRegionName eq '{safe}' and contains(armSkuName, '{SKU_PART}')"
    )
    return {"api-version": API_VERSION, "$filter": condition}


def encoded(query: Mapping[str, str]) -> str:
    """The query as it stands in an address."""
    return urlencode(query, quote_via=quote, safe="$'(),")


def read_json(body: bytes, where: str) -> Any:
    """The answer with every number as Decimal. Raises UnexpectedPayload for what is no JSON, NaN included."""
    try:
        return json.loads(
            body.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise UnexpectedPayload(f"{where}: the answer is not JSON, or is cut short") from None


def read_page(answer: Any, where: str) -> Page:
    """The page of a parsed answer. Raises UnexpectedPayload where rows are absent, miscounted or not in USD."""
    if not isinstance(answer, dict) or not isinstance(answer.get("Items"), list):
        raise UnexpectedPayload(f"{where}: the answer has no list of Items")
    rows = answer["Items"]
    if not all(isinstance(row, dict) for row in rows):
        raise UnexpectedPayload(f"{where}: Items holds something that is not a row")
    if answer.get("Count") != len(rows):
        raise UnexpectedPayload(f"{where}: {len(rows)} rows came, Count says {answer.get('Count')}")
    if answer.get("BillingCurrency") != "USD":
        raise UnexpectedPayload(f"{where}: prices are in {answer.get('BillingCurrency')!r}, not USD")
    link = answer.get("NextPageLink")
    if link is not None and not isinstance(link, str):
        raise UnexpectedPayload(f"{where}: NextPageLink is not text")
    return Page(rows=rows, next_link=link or "")


def read_graph_page(answer: Any, where: str) -> GraphPage:
    """The page of a parsed answer of the Resource Graph. Raises UnexpectedPayload where rows are absent."""
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise UnexpectedPayload(f"{where}: the answer has no list of data")
    rows = answer["data"]
    if not all(isinstance(row, dict) for row in rows):
        raise UnexpectedPayload(f"{where}: data holds something that is not a row")
    return GraphPage(
        rows=rows, next_token=answer.get("$skipToken") or "", all_rows=answer.get("totalRecords")
    )


def next_query(link: str, own_host: str, seen: list[dict[str, str]], where: str) -> dict[str, str]:
    """What to ask for the page a link names; only its query is used, so that a base URL of one's own holds.

    own_host ("127.0.0.1:8000") is accepted beside the public host, seen are the queries asked so far. The API
    version is put back where the link lost it: without it savings plans vanish in silence. Raises
    UnexpectedPayload for another host or path, a page asked before, steps that go back, and endless lists.
    A row that Azure moves across a page border while we read is lost unseen: no field tells of it.
    """
    try:
        parts = urlsplit(link)
        host = parts.hostname if parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"
    except ValueError:
        raise UnexpectedPayload(f"{where}: the next page's address cannot be read") from None
    if host not in (PUBLIC_HOST, own_host) or parts.path.rstrip("/") != PATH:
        raise UnexpectedPayload(f"{where}: the next page is said to be at {parts.hostname}{parts.path}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {"api-version": API_VERSION}
    goes_back = "$skip" in query and _skip(query, where) <= max(_skip(asked, where) for asked in seen)
    if query in seen or goes_back:
        raise UnexpectedPayload(f"{where}: the pages run in a circle")
    if len(seen) >= MOST_PAGES:
        raise UnexpectedPayload(f"{where}: no end after {MOST_PAGES} pages")
    return query


def _skip(query: Mapping[str, str], where: str) -> int:
    """How many rows a query leaves aside."""
    text = query.get("$skip", "0")
    if not text.isascii() or not text.isdigit():
        raise UnexpectedPayload(f"{where}: the next page's $skip is {text!r}, no whole number")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
