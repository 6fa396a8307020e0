"""Prices of Amazon EC2: on demand, spot, Reserved Instances and Savings Plans; Capacity Blocks by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from providers.aws.client import AwsClient
from providers.aws.offers import fetch_offers
from providers.aws.signals import (
    fetch_capacity_blocks,
    fetch_quotas,
    fetch_shapes,
    fetch_spot_history,
    fetch_spot_signals,
)

# What each function is allowed to do at least, on resource "*"; each action reads and none costs anything.
IAM_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "fetch_offers": (
        "pricing:GetAttributeValues",
        "pricing:GetProducts",
        "savingsplans:DescribeSavingsPlansOfferingRates",
        "ec2:DescribeRegions",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeSpotPriceHistory",
    ),
    "fetch_shapes": ("ec2:DescribeRegions", "ec2:DescribeInstanceTypes"),
    "fetch_quotas": (
        "ec2:DescribeRegions",
        "servicequotas:GetServiceQuota",
        "servicequotas:GetAWSDefaultServiceQuota",
    ),
    "fetch_spot_history": (
        "ec2:DescribeRegions",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeSpotPriceHistory",
    ),
    "fetch_spot_signals": (),
    "fetch_capacity_blocks": (
        "ec2:DescribeRegions",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeCapacityBlockOfferings",
    ),
}


def open_client() -> closing[AwsClient]:
    """A client for several questions, until the context ends. Raises CredentialsError or SdkNotInstalled."""
    return closing(AwsClient())


__all__ = [
    "IAM_ACTIONS",
    "fetch_capacity_blocks",
    "fetch_offers",
    "fetch_quotas",
    "fetch_shapes",
    "fetch_spot_history",
    "fetch_spot_signals",
    "open_client",
]
