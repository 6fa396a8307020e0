"""The only file that sees AWS's client library: calls, pages, retries, errors. It hands out raw dicts.

Endpoints are botocore's own, so AWS_ENDPOINT_URL_PRICING, _EC2, _SAVINGSPLANS and _SERVICE_QUOTAS move them;
the two files that need no credentials move with OPTIMISER_ENDPOINT_AWS_BULK and
OPTIMISER_ENDPOINT_AWS_SPOT_ADVISOR.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, cast

from providers.aws import faults
from providers.aws.payload import ODD, Raw, json_object, listed, parsing, unreadable
from providers.aws.places import PRICING_ENDPOINT_REGION, pricing_endpoint_region
from providers.errors import ProviderError, Unavailable

BULK = "https://pricing.us-east-1.amazonaws.com"
SPOT_ADVISOR = "https://spot-bid-advisor.s3.amazonaws.com"
SPOT_ADVISOR_FILE = "/spot-advisor-data.json"
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
# A dead region must not hold up the others: EC2's regional endpoints get fewer tries than the global ones.
ATTEMPTS = {"ec2": 3}
ATTEMPTS_ELSEWHERE = 5
PUBLIC_ATTEMPTS = 4
EC2_SERVICE = "AmazonEC2"
REGIONAL_SERVICES = frozenset({"ec2", "service-quotas"})
_CHUNK_BYTES = 1 << 18
T = TypeVar("T")


class AwsClient:
    """Calls to AWS's APIs with one set of credentials, safe for several threads.

    session is a boto3.Session, by default one of the standard chain. Every method raises CredentialsError,
    Unavailable or UnexpectedPayload; no message of theirs holds a key, token, account or signed address.
    read_timeout_s bounds the wait for each answer. requests counts HTTP requests, retries included.
    """

    def __init__(self, session: Any = None, *, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        try:
            import boto3
        except ImportError:
            raise faults.not_installed() from None
        with _errors_mapped("the configuration of the AWS library", "this machine"):
            self._session = session or boto3.Session()
        self._read_timeout_s = read_timeout_s
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self.requests = 0

    def check_credentials(self) -> None:
        """CredentialsError where the standard chain finds none, or finds some that cannot be used."""
        with _errors_mapped("looking for credentials", "this machine"):
            if self._session.get_credentials() is None:
                raise faults.no_credentials()

    def region_codes(self) -> Iterator[str]:
        """Every regionCode of EC2's price list: regions, Local Zones, Wavelength, one blank; not China's."""
        request = {"ServiceCode": EC2_SERVICE, "AttributeName": "regionCode"}
        action = "pricing:GetAttributeValues"
        for row in self._rows(action, PRICING_ENDPOINT_REGION, "AttributeValues", 100, request):
            with parsing(f"{action} in {PRICING_ENDPOINT_REGION}"):
                code = str(row.get("Value", ""))
            yield code

    def products(self, region: str, attributes: Mapping[str, str]) -> Iterator[Raw]:
        """The price list's products of a region that have those attributes, each with its terms."""
        action = "pricing:GetProducts"
        wanted = {"regionCode": region, **attributes}
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
        request = {"ServiceCode": EC2_SERVICE, "Filters": filters, "FormatVersion": "aws_v1"}
        endpoint = pricing_endpoint_region(region)
        for text in self._rows(action, endpoint, "PriceList", 100, request, asked=region):
            yield json_object(text, action, region)

    def savings_rates(self, region: str, instance_types: Sequence[str]) -> Iterator[Raw]:
        """The hourly rates of Compute and EC2 Instance Savings Plans for Linux on shared hosts in a region.

        botocore has no paginator for it: the loop ends at a token that is missing or empty.
        """
        action = "savingsplans:DescribeSavingsPlansOfferingRates"
        values = {"region": [region], "tenancy": ["shared"], "productDescription": ["Linux/UNIX"]}
        values["instanceType"] = list(instance_types)
        request: Raw = {
            "savingsPlanTypes": ["Compute", "EC2Instance"],
            "products": ["EC2"],
            "serviceCodes": [EC2_SERVICE],
            "filters": [{"name": name, "values": allowed} for name, allowed in values.items()],
            "maxResults": 1000,
        }
        seen: set[str] = set()
        while True:
            page = self._call(action, PRICING_ENDPOINT_REGION, request, asked=region)
            yield from listed(page, "searchResults", action, region)
            token = page.get("nextToken")
            if not token:
                return
            if token in seen:
                raise faults.not_of_the_shape(action, region, "the same nextToken came twice")
            seen.add(token)
            request["nextToken"] = token

    def opt_in_statuses(self) -> dict[str, str]:
        """Region to "opt-in-not-required", "opted-in" or "not-opted-in", for all regions of the account."""
        action = "ec2:DescribeRegions"
        page = self._call(action, PRICING_ENDPOINT_REGION, {"AllRegions": True})
        rows = listed(page, "Regions", action, PRICING_ENDPOINT_REGION)
        with parsing(f"{action} in {PRICING_ENDPOINT_REGION}"):
            return {row["RegionName"]: row.get("OptInStatus", "opted-in") for row in rows}

    def zone_ids(self, region: str) -> dict[str, str]:
        """Zone name to zone id: names are an account's own, ids are the same for everybody."""
        action = "ec2:DescribeAvailabilityZones"
        page = self._call(action, region, {"AllAvailabilityZones": True})
        rows = listed(page, "AvailabilityZones", action, region)
        with parsing(f"{action} in {region}"):
            return {row["ZoneName"]: row["ZoneId"] for row in rows if "ZoneId" in row}

    def spot_prices(
        self, region: str, instance_types: Sequence[str], start: datetime, end: datetime | None = None
    ) -> Iterator[Raw]:
        """The Linux spot prices in force at start (UTC) and since, up to end or now, per zone."""
        request: Raw = {
            "InstanceTypes": list(instance_types),
            "ProductDescriptions": ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"],
            "StartTime": start,
        }
        if end:
            request["EndTime"] = end
        yield from self._rows("ec2:DescribeSpotPriceHistory", region, "SpotPriceHistory", 1000, request)

    def instance_types(self, region: str, instance_types: Sequence[str]) -> Iterator[Raw]:
        """What EC2 says of those instance types that a region has, 100 names to a request.

        They go as a filter: a name that the region does not know would otherwise refuse the whole request.
        """
        for start in range(0, len(instance_types), 100):
            filters = [{"Name": "instance-type", "Values": list(instance_types[start : start + 100])}]
            request = {"Filters": filters}
            yield from self._rows("ec2:DescribeInstanceTypes", region, "InstanceTypes", 100, request)

    def capacity_blocks(
        self, region: str, instance_type: str, count: int, hours: int, start: datetime, end: datetime
    ) -> Iterator[Raw]:
        """The Capacity Blocks of that size that begin between start and end (UTC)."""
        request = {
            "InstanceType": instance_type,
            "InstanceCount": count,
            "CapacityDurationHours": hours,
            "StartDateRange": start,
            "EndDateRange": end,
        }
        action = "ec2:DescribeCapacityBlockOfferings"
        yield from self._rows(action, region, "CapacityBlockOfferings", 100, request)

    def quota(self, region: str, quota_code: str) -> Raw:
        """EC2's quota of that code: the one applied to the account, else AWS's default."""
        request = {"ServiceCode": "ec2", "QuotaCode": quota_code}
        absent = ("NoSuchResourceException",)
        found = self._call("servicequotas:GetServiceQuota", region, request, unless=absent)
        action = "servicequotas:GetAWSDefaultServiceQuota"
        quota = (found or self._call(action, region, request)).get("Quota")
        if not isinstance(quota, dict):
            raise faults.not_of_the_shape(action, region, "no Quota in the answer")
        return quota

    def spot_advisor(self) -> Raw:
        """The spot advisor's public file."""
        address = os.environ.get("OPTIMISER_ENDPOINT_AWS_SPOT_ADVISOR", SPOT_ADVISOR) + SPOT_ADVISOR_FILE
        return self._public(address, lambda file: json_object(b"".join(file), SPOT_ADVISOR_FILE, "public"))

    def bulk(self, path: str, read: Callable[[Iterator[bytes]], T]) -> T:
        """What read makes of a file of the public price list, in chunks as they come; again on a retry."""
        return self._public(os.environ.get("OPTIMISER_ENDPOINT_AWS_BULK", BULK) + path, read)

    def leave(self, region: str) -> None:
        """Close what was opened for a region's own endpoints, some 2 MB each. Calls may still follow."""
        with self._lock:
            left = [self._clients.pop((service, region), None) for service in REGIONAL_SERVICES]
        for client in filter(None, left):
            client.close()

    def close(self) -> None:
        """Close what is open, of every service and region. Threads that are still at work may open more."""
        for client in list(self._clients.values()):
            client.close()

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._clients:
                from botocore.config import Config

                attempts = ATTEMPTS.get(service, ATTEMPTS_ELSEWHERE)
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=self._read_timeout_s,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                )
                made = self._session.client(service, region_name=region, config=config)
                made.meta.events.register("before-send", self._count)
                self._clients[service, region] = made
            return self._clients[service, region]

    def _count(self, **_: Any) -> None:
        with self._lock:
            self.requests += 1

    def _call(
        self, action: str, region: str, request: Raw, *, asked: str = "", unless: tuple[str, ...] = ()
    ) -> Raw:
        """One answer; {} where the error code is one of unless."""
        with _errors_mapped(action, asked or region):
            from botocore.exceptions import ClientError

            client, method = self._method(action, region)
            try:
                return cast(Raw, getattr(client, method)(**request))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in unless:
                    return {}
                raise

    def _rows(
        self, action: str, region: str, key: str, page_size: int, request: Raw, *, asked: str = ""
    ) -> Iterator[Any]:
        """The rows under key of every page."""
        asked = asked or region
        with _errors_mapped(action, asked):
            client, method = self._method(action, region)
            pages = client.get_paginator(method).paginate(**request, PaginationConfig={"PageSize": page_size})
            for page in pages:
                yield from listed(page, key, action, asked)

    def _method(self, action: str, region: str) -> tuple[Any, str]:
        from botocore import xform_name

        service, operation = action.split(":")
        client = self._client({"servicequotas": "service-quotas"}.get(service, service), region)
        return client, xform_name(operation)

    def _public(self, address: str, read: Callable[[Iterator[bytes]], T]) -> T:
        """A file that needs no credentials. A 404 is tried again: files are listed before they are there."""
        for attempt in range(1, PUBLIC_ATTEMPTS):
            try:
                return self._get(address, read)
            except Unavailable:
                time.sleep(0.2 * 2**attempt)
        return self._get(address, read)

    def _get(self, address: str, read: Callable[[Iterator[bytes]], T]) -> T:
        from botocore.awsrequest import AWSRequest
        from botocore.httpsession import URLLib3Session
        from botocore.response import StreamingBody
        from botocore.utils import get_environ_proxies

        name = address.split("/", 3)[-1]
        with _errors_mapped(f"GET /{name}", "public"):
            limits_s = (CONNECT_TIMEOUT_S, self._read_timeout_s)
            http = URLLib3Session(timeout=limits_s, proxies=get_environ_proxies(address))
            request = AWSRequest(method="GET", url=address, stream_output=True).prepare()
            self._count()
            answer = http.send(request)
            if answer.status_code != 200:
                answer.raw.release_conn()
                http.close()
                raise Unavailable(f"aws: GET /{name}: HTTP {answer.status_code}")
            body = StreamingBody(answer.raw, answer.headers.get("content-length"))
            try:
                return read(body.iter_chunks(_CHUNK_BYTES))
            finally:
                body.close()
                http.close()


@contextmanager
def _errors_mapped(action: str, region: str) -> Iterator[None]:
    """Turn every error of the library, or of reading what came, into the project's own, without its text."""
    import botocore.exceptions as raised
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ProviderError:
        raise
    except raised.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        raise faults.of_code(code, status, action, region) from None
    except (raised.BotoCoreError, ResponseParserError) as error:
        raise faults.of_library_error(error, action, region) from None
    except ODD as error:
        raise unreadable(f"{action} in {region}", error) from None
