"""A local AWS on 127.0.0.1 that speaks the wire: JSON 1.1 with X-Amz-Target, REST-JSON, EC2's query and XML, files.

Point a program at it with AwsFake.env. What it sells is asked of callables per region, so that a catalogue of
any size is made while it is served. Faults are programmed with fail(), what came in is in log.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from aws_wire import Answer, Call, Fault, Handler, Server, error_body, xml

Row = dict[str, Any]
RowsOf = Callable[[str], Iterable[Any]]
SPOT_ADVISOR_PATH = "/spot-advisor-data.json"
SAVINGS_INDEX_PATH = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json"


def nothing(_: str) -> Iterable[Any]:
    """A region that sells nothing."""
    return ()


class AwsFake:
    """AWS as far as the adapter knows it, as a context manager; attributes may be changed while it runs.

    products_by_region yields GetProducts entries (a str is sent as it stands), savings_by_region search results
    of the Savings Plans API, spot_by_region rows with UTC timestamps, blocks_by_region Capacity Blocks,
    instance_types_by_region DescribeInstanceTypes entries. region_codes is what the price list names, by default
    the keys of opt_in. quotas maps (region, code) to a value, default_quotas a code. files maps a path to bytes.
    ignores_filters: the price list answers with everything it has, whatever is asked.
    """

    def __init__(
        self,
        *,
        products_by_region: RowsOf = nothing,
        savings_by_region: RowsOf = nothing,
        spot_by_region: RowsOf = nothing,
        blocks_by_region: RowsOf = nothing,
        instance_types_by_region: RowsOf = nothing,
        opt_in: Mapping[str, str] | None = None,
        region_codes: Sequence[str] | None = None,
        zone_ids: Mapping[str, str] | None = None,
        quotas: Mapping[tuple[str, str], float] | None = None,
        default_quotas: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        page_size: int = 100,
        ignores_filters: bool = False,
    ) -> None:
        self.products_by_region = products_by_region
        self.savings_by_region = savings_by_region
        self.spot_by_region = spot_by_region
        self.blocks_by_region = blocks_by_region
        self.instance_types_by_region = instance_types_by_region
        self.opt_in = dict(opt_in or {"us-east-1": "opt-in-not-required"})
        self.region_codes = list(self.opt_in if region_codes is None else region_codes)
        self.zone_ids = dict(zone_ids or {})
        self.quotas = dict(quotas or {})
        self.default_quotas = dict(default_quotas or {})
        self.files = dict(files or {})
        self.page_size = page_size
        self.ignores_filters = ignores_filters
        self.repeats_token = False
        self.empty_token_at_end = True
        self.log: list[Call] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def __enter__(self) -> AwsFake:
        fake = self

        class Bound(Handler):
            aws = fake

        self._server = Server(("127.0.0.1", 0), Bound)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which boto3 and the adapter know nothing but this server."""
        services = ("PRICING", "EC2", "SAVINGSPLANS", "SERVICE_QUOTAS")
        return {
            **{f"AWS_ENDPOINT_URL_{service}": self.url for service in services},
            "OPTIMISER_ENDPOINT_AWS_BULK": self.url,
            "OPTIMISER_ENDPOINT_AWS_SPOT_ADVISOR": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "NO_PROXY": "127.0.0.1",
        }

    def fail(self, operation: str, **how: Any) -> Fault:
        """Program a fault; how are Fault's fields. operation "*" is every one."""
        fault = Fault(operation=operation, **how)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def calls(self, operation: str, region: str | None = None) -> list[Call]:
        """The calls of an operation so far, of one region where given."""
        with self._lock:
            logged = list(self.log)
        return [call for call in logged if call.operation == operation and region in (None, call.region)]

    def answer(self, call: Call) -> Answer:
        """What is sent back: a programmed fault, else the truth."""
        with self._lock:
            self.log.append(call)
            fault = next((fault for fault in self._faults if fault.hits(call)), None)
            if fault and fault.times is not None:
                fault.times -= 1
        if fault is None:
            return self._truth(call)
        threading.Event().wait(fault.wait_s)
        if fault.cut_short or (fault.wait_s and fault.status == 200):
            whole = self._truth(call)
            return Answer(body=whole.body, content_type=whole.content_type, cut_short=fault.cut_short)
        body = fault.body if fault.body is not None else error_body(call, fault)
        return Answer(body=body, status=fault.status, headers=fault.headers, hang_up=fault.hang_up)

    def _truth(self, call: Call) -> Answer:
        if call.operation.startswith("/"):
            known = call.operation in self.files
            return Answer(
                body=self.files.get(call.operation, b"no such file"),
                status=200 if known else 404,
                content_type="application/json",
            )
        answer = getattr(self, f"_{call.operation}", None)
        if answer is None:
            fault = Fault(operation="", code="UnknownOperationException", message=call.operation)
            return Answer(body=error_body(call, fault), status=400)
        made: Answer = answer(call)
        return made

    def _page(self, call: Call, rows: Iterable[Any], size: int) -> tuple[list[Any], str]:
        """One page and the token of the next, "" at the end."""
        start = (call.page - 1) * size
        page = list(islice(rows, start, start + size + 1))
        if len(page) <= size:
            return page, ""
        return page[:size], "page-1" if self.repeats_token else f"page-{call.page + 1}"

    def _json_page(self, call: Call, key: str, rows: Iterable[Any], more_key: str) -> Answer:
        page, token = self._page(call, rows, min(self.page_size, call.body.get("MaxResults", self.page_size)))
        body: Row = {key: page}
        if token or (more_key == "nextToken" and self.empty_token_at_end):
            body[more_key] = token
        return Answer(body=json.dumps(body).encode())

    def _GetAttributeValues(self, call: Call) -> Answer:  # noqa: N802 (the API's name)
        rows = ({"Value": code} for code in self.region_codes)
        return self._json_page(call, "AttributeValues", rows, "NextToken")

    def _GetProducts(self, call: Call) -> Answer:  # noqa: N802
        wanted = {row["Field"]: row["Value"] for row in call.body["Filters"]}
        rows = (
            row if isinstance(row, str) else json.dumps(row)
            for row in self.products_by_region(call.region)
            if self.ignores_filters or isinstance(row, str) or _sold_as(row, wanted)
        )
        return self._json_page(call, "PriceList", rows, "NextToken")

    def _DescribeSavingsPlansOfferingRates(self, call: Call) -> Answer:  # noqa: N802
        return self._json_page(call, "searchResults", self.savings_by_region(call.region), "nextToken")

    def _GetServiceQuota(self, call: Call) -> Answer:  # noqa: N802
        return self._quota(call, self.quotas.get((call.region, call.body["QuotaCode"])))

    def _GetAWSDefaultServiceQuota(self, call: Call) -> Answer:  # noqa: N802
        return self._quota(call, self.default_quotas.get(call.body["QuotaCode"]))

    def _quota(self, call: Call, value: float | None) -> Answer:
        if value is None:
            fault = Fault(operation="", code="NoSuchResourceException")
            return Answer(body=error_body(call, fault), status=400)
        quota = {"QuotaCode": call.body["QuotaCode"], "Value": value, "Unit": "None"}
        return Answer(body=json.dumps({"Quota": quota}).encode())

    def _DescribeRegions(self, call: Call) -> Answer:  # noqa: N802
        rows = [{"RegionName": name, "OptInStatus": status} for name, status in self.opt_in.items()]
        return xml(call, "Regions", rows, "")

    def _DescribeAvailabilityZones(self, call: Call) -> Answer:  # noqa: N802
        rows = [{"ZoneName": name, "ZoneId": zone} for name, zone in self.zone_ids.items()]
        return xml(call, "AvailabilityZones", rows, "")

    def _DescribeSpotPriceHistory(self, call: Call) -> Answer:  # noqa: N802
        rows = list(_in_force(self.spot_by_region(call.region), call.body))
        return xml(call, "SpotPriceHistory", *self._page(call, rows, self.page_size))

    def _DescribeInstanceTypes(self, call: Call) -> Answer:  # noqa: N802
        names = _members(call.body, "Filter.1.Value.") or _members(call.body, "InstanceType.")
        rows = (row for row in self.instance_types_by_region(call.region) if row["InstanceType"] in names)
        return xml(call, "InstanceTypes", *self._page(call, rows, self.page_size))

    def _DescribeCapacityBlockOfferings(self, call: Call) -> Answer:  # noqa: N802
        name = call.body["InstanceType"]
        rows = (row for row in self.blocks_by_region(call.region) if row["InstanceType"] == name)
        return xml(call, "CapacityBlockOfferings", *self._page(call, rows, self.page_size))


def _sold_as(row: Row, wanted: Mapping[str, str]) -> bool:
    product = row["product"]
    attributes = {"productFamily": product.get("productFamily"), **product["attributes"]}
    return all(attributes.get(name) == value for name, value in wanted.items())


def _in_force(rows: Iterable[Row], asked: Mapping[str, Any]) -> Iterator[Row]:
    """The prices in force at StartTime and the changes since, newest first, as EC2 answers."""
    types, descriptions = _members(asked, "InstanceType."), _members(asked, "ProductDescription.")
    start, end = (_moment(asked[name]) if name in asked else None for name in ("StartTime", "EndTime"))
    standing: set[tuple[str, str, str]] = set()
    for row in sorted(rows, key=lambda row: row["Timestamp"], reverse=True):
        pool = (row["AvailabilityZone"], row["InstanceType"], row["ProductDescription"])
        if row["InstanceType"] not in types or row["ProductDescription"] not in descriptions:
            continue
        if (end and row["Timestamp"] > end) or pool in standing:
            continue
        if start and row["Timestamp"] <= start:
            standing.add(pool)
        yield row


def _members(body: Mapping[str, Any], prefix: str) -> set[str]:
    return {value for name, value in body.items() if name.startswith(prefix)}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
