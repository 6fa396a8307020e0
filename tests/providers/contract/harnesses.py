"""The contract registry: one entry for each provider in providers.PROVIDERS, on top of its fake in tests/fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import boto3
from aws_catalogue import FullSize
from aws_server import AwsFake
from azure_price_rows import thirteen_rows
from azure_server import AzureServer
from azure_server import Fault as AzureFault
from gcp_access import environment as gcp_environment
from gcp_catalogue import full_catalogue, sku
from gcp_server import TOKEN, GcpServer
from harness import LEAKY, NOW, SECRETS, Breaks, Harness

from providers.aws.client import AwsClient
from providers.gcp.client import GcpClient
from providers.offer import Tier

AWS_REGIONS = ("us-east-1", "eu-west-1")
AWS_USD = {"g5.xlarge": 1.006, "p4d.24xlarge": 21.957642, "p5.48xlarge": 55.04}
AZURE_REGIONS = ("eastus", "westeurope")
AZURE_USD = {"Standard_NC4as_T4_v3": 0.526, "Standard_ND96isr_H100_v5": 98.32}
GCP_REGIONS = ("us-central1", "europe-west4")
SIGNING = {
    "AWS_ACCESS_KEY_ID": SECRETS[0],
    "AWS_SECRET_ACCESS_KEY": SECRETS[1],
    "AWS_SESSION_TOKEN": SECRETS[2],
}


@cache
def _aws_session() -> boto3.Session:
    """One for all fetches: it keeps the API models it has read."""
    return boto3.Session()


def _start_aws(_: Path) -> AwsFake:
    sold = FullSize(tuple(AWS_USD), AWS_REGIONS, AWS_USD)
    sold.since = NOW - timedelta(hours=3)
    fake = sold.fake()
    fake.page_size = 2
    return fake


def _aws_environment(fake: AwsFake, _: Path) -> Mapping[str, str]:
    return {**fake.env, **SIGNING}


def _start_azure(_: Path) -> AzureServer:
    rows = {
        region: [
            row
            for name, usd in AZURE_USD.items()
            for row in thirteen_rows(name, region, f"Virtual Machines {name} Series", usd)
        ]
        for region in AZURE_REGIONS
    }
    return AzureServer(rows, page_size=7)


def _azure_environment(fake: AzureServer, _: Path) -> Mapping[str, str]:
    return {
        "OPTIMISER_ENDPOINT_AZURE_RETAIL": fake.url,
        "OPTIMISER_ENDPOINT_AZURE_MANAGEMENT": fake.url,
        "AZURE_CLIENT_SECRET": SECRETS[1],
        "AZURE_SUBSCRIPTION_ID": SECRETS[5],
    }


def _start_gcp(_: Path) -> GcpServer:
    listed = [one for one in full_catalogue(0) if {*GCP_REGIONS} & {*one["serviceRegions"]}]
    return GcpServer(skus=listed, largest_page=len(listed) // 3)


def _contradict(description: str, usage: str) -> Callable[[GcpServer, str], None]:
    """The core of G2 machines at a second price in one region."""

    def contradict(fake: GcpServer, region: str) -> None:
        twin = sku(description, "0.999", group="CPU", usage=usage, regions=(region,))
        fake.skus = [*fake.skus, twin]

    return contradict


def _without(operation: str) -> Callable[[AwsFake, str], object]:
    return lambda fake, region: fake.fail(operation, region=region, status=500, message=LEAKY)


def _without_page(skipped: int) -> Callable[[AzureServer, str], object]:
    return lambda fake, region: fake.fail(AzureFault(status=500), region, skipped)


def _refuse_gcp(fake: GcpServer) -> None:
    fake.fail(page=1, status=403, reason="IAM_PERMISSION_DENIED", message=LEAKY)


def _refuse_azure(fake: AzureServer) -> None:
    body = {"error": {"code": "AuthorizationFailed", "message": LEAKY}}
    fake.fail(AzureFault(status=403, body=json.dumps(body).encode()))


HARNESSES: dict[str, Harness] = {
    "aws": Harness(
        start=_start_aws,
        environment=_aws_environment,
        regions=AWS_REGIONS,
        instance_types=tuple(AWS_USD),
        breaks=Breaks(
            outage=lambda fake: fake.fail("*", status=503, code="ServiceUnavailable", message=LEAKY),
            refused=lambda fake: fake.fail("*", code="AccessDeniedException", message=LEAKY),
            garbage=lambda fake: fake.fail("*", status=200, body=b"<html>" + LEAKY.encode()),
            scopes={
                Tier.ON_DEMAND: lambda fake, region: fake.fail(
                    "GetProducts", region=region, page=2, status=500
                ),
                Tier.RESERVED: _without("DescribeSavingsPlansOfferingRates"),
                Tier.SPOT: _without("DescribeSpotPriceHistory"),
            },
        ),
        client=lambda: AwsClient(_aws_session()),
        no_credentials=dict.fromkeys(SIGNING),
        sdk=("boto3", "botocore"),
        patches={"providers.aws.client.ATTEMPTS": {}, "providers.aws.client.ATTEMPTS_ELSEWHERE": 1},
    ),
    "gcp": Harness(
        start=_start_gcp,
        environment=gcp_environment,
        regions=GCP_REGIONS,
        instance_types=("g2-standard-4", "a2-highgpu-8g"),
        breaks=Breaks(
            outage=lambda fake: fake.fail(page=2, status=503, message=LEAKY),
            refused=_refuse_gcp,
            garbage=lambda fake: fake.fail(page=2, status=200, cut=1000),
            scopes={
                Tier.ON_DEMAND: _contradict("G2 Instance Core running in Elsewhere", "OnDemand"),
                Tier.RESERVED: _contradict("Commitment v1: G2 Cpu in Elsewhere for 1 Year", "Commit1Yr"),
                Tier.SPOT: _contradict(
                    "Spot Preemptible G2 Instance Core running in Elsewhere", "Preemptible"
                ),
            },
        ),
        client=lambda: GcpClient(retry_seconds=0.2, backoff_seconds=0.02),
        no_credentials={
            "GOOGLE_APPLICATION_CREDENTIALS": None,
            "CLOUDSDK_CONFIG": "/nonexistent",
            "HOME": "/nonexistent",
        },
        sdk=("google", "grpc"),
        secrets=(TOKEN, "testing@testing.iam.gserviceaccount.com"),
    ),
    "azure": Harness(
        start=_start_azure,
        environment=_azure_environment,
        regions=AZURE_REGIONS,
        instance_types=tuple(AZURE_USD),
        breaks=Breaks(
            outage=lambda fake: fake.fail(AzureFault(status=503, body=LEAKY.encode())),
            refused=_refuse_azure,
            garbage=lambda fake: fake.fail(AzureFault(status=200, body=b"<html>" + LEAKY.encode())),
            scopes={tier: _without_page(7 * page) for page, tier in enumerate(Tier)},
        ),
        client=lambda: None,
        no_credentials=None,
        sdk=("azure",),
        patches={"providers.azure.client.BACKOFF_S": 0},
    ),
}


def secrets_of(harness: Harness) -> tuple[str, ...]:
    """All that must not come out of this provider's fetches."""
    return (*SECRETS, *harness.secrets)
