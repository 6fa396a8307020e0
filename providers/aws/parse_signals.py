"""What AWS says beside prices, pure: instance types, quotas, interruption bands, Capacity Blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.errors import UnexpectedPayload
from providers.fetch import Quota, SeenShape, SpotSignal
from providers.offer import REGION, Offer, Tier, to_nano_usd
from providers.shape import QuotaUnit

# Quota codes of Service Quotas for EC2; each counts vCPUs. The same stand in config/instances/aws.yaml.
QUOTA_CODES: Mapping[str, Mapping[Tier, str]] = {
    "P": {Tier.ON_DEMAND: "L-417A185B", Tier.SPOT: "L-7212CCBC"},
    "G and VT": {Tier.ON_DEMAND: "L-DB2E81BA", Tier.SPOT: "L-3819A6DF"},
}
# Bands of the spot advisor (https://aws.amazon.com/ec2/spot/instance-advisor/): percent interrupted in a month.
BANDS: Mapping[int, tuple[float, float | None]] = {
    0: (0, 5),
    1: (5, 10),
    2: (10, 15),
    3: (15, 20),
    4: (20, None),
}
CAPACITY_BLOCK = "capacity_block"
_MIB_PER_GIB = 1024


def seen_shape(row: Mapping[str, Any]) -> SeenShape:
    """What DescribeInstanceTypes says of a type, mended where it is known to mislead.

    Fractions of a GPU count 0; a type without GpuInfo (Neuron accelerators, types not filled in yet) has an
    unknown count; memory was once the sum over all GPUs, so the total is what is divided. Raises
    UnexpectedPayload for a row without InstanceType.
    """
    if "InstanceType" not in row:
        raise UnexpectedPayload("aws: DescribeInstanceTypes: a row without InstanceType")
    info = row.get("GpuInfo") or {}
    gpus = info.get("Gpus") or []
    counts = [gpu.get("Count") for gpu in gpus]
    count = sum(counts) if gpus and None not in counts else None
    memory_mib = row.get("MemoryInfo", {}).get("SizeInMiB")
    return SeenShape(
        provider="aws",
        instance_type=row["InstanceType"],
        gpu_count=count,
        gpu_name="/".join(sorted({gpu.get("Name", "") for gpu in gpus})),
        gpu_memory_mib=_memory_of_one(info, gpus, count),
        vcpus=row.get("VCpuInfo", {}).get("DefaultVCpus"),
        memory_gib=None if memory_mib is None else memory_mib / _MIB_PER_GIB,
    )


def sold_as_capacity_block(row: Mapping[str, Any]) -> bool:
    """Whether DescribeInstanceTypes names Capacity Blocks among the ways a type is sold."""
    return "capacity-block" in row.get("SupportedUsageClasses", ())


def quota(row: Mapping[str, Any], region: str, quota_family: str, tier: Tier, observed_at: datetime) -> Quota:
    """A quota in vCPUs. Raises UnexpectedPayload where it has no value."""
    value = row.get("Value")
    if not isinstance(value, int | float) or value < 0:
        raise UnexpectedPayload(f"aws: quota {quota_family} in {region}: no value")
    return Quota(
        provider="aws",
        region=region,
        quota_family=quota_family,
        tier=tier,
        unit=QuotaUnit.VCPU,
        limit=float(value),
        used=None,
        observed_at=observed_at,
    )


def spot_signals(
    document: Mapping[str, Any], types: Mapping[str, object], regions: Iterable[str] | None, now: datetime
) -> list[SpotSignal]:
    """The Linux bands of types, s the saving in percent and r the band. Raises UnexpectedPayload."""
    by_region = document.get("spot_advisor")
    if not isinstance(by_region, dict):
        raise UnexpectedPayload("aws: spot advisor: no spot_advisor in the file")
    wanted = sorted(by_region) if regions is None else [name for name in regions if name in by_region]
    signals = []
    for region in wanted:
        for instance_type, said in sorted((by_region[region].get("Linux") or {}).items()):
            if instance_type not in types:
                continue
            if not isinstance(said, dict) or said.get("r") not in BANDS:
                raise UnexpectedPayload(
                    f"aws: spot advisor: {region} {instance_type}: band not known: {said}"
                )
            low, high = BANDS[said["r"]]
            savings = said.get("s")
            signals.append(
                SpotSignal(
                    provider="aws",
                    region=region,
                    instance_type=instance_type,
                    low_percent=low,
                    high_percent=high,
                    per="month",
                    savings_percent=None if savings is None else float(savings),
                    observed_at=now,
                    source="AWS spot advisor",
                )
            )
    return signals


def capacity_block_offer(rows: Iterable[Mapping[str, Any]], region: str, observed_on: date) -> Offer | None:
    """The cheapest of some Capacity Blocks of one type, per instance and hour; the earliest of equals.

    The fee is for all instances and hours of the block and is rounded to nano-USD per hour; the price ends on
    the day the block starts. None where none is offered in USD. Raises UnexpectedPayload.
    """
    priced = []
    for row in rows:
        try:
            fee, start = Decimal(row["UpfrontFee"]), row["StartDate"]
            units = row["InstanceCount"] * row["CapacityBlockDurationHours"]
            instance_type, count = row["InstanceType"], row["InstanceCount"]
            in_usd = row["CurrencyCode"] == "USD"
        except (KeyError, TypeError, InvalidOperation) as error:
            raise UnexpectedPayload(f"aws: Capacity Blocks of {region}: {error!r}") from None
        if in_usd and fee > 0 and units > 0:
            priced.append((to_nano_usd(fee / units), start, instance_type, count))
    if not priced:
        return None
    usd_per_hour, start, instance_type, count = min(priced)
    return Offer(
        provider="aws",
        region=region,
        region_kind=REGION,
        zone="",
        instance_type=instance_type,
        tier=Tier.ON_DEMAND,
        market=CAPACITY_BLOCK,
        usd_per_hour=usd_per_hour,
        max_instances=count,
        valid_until=start.date(),
        observed_on=observed_on,
        source="AWS DescribeCapacityBlockOfferings",
    )


def _memory_of_one(info: Mapping[str, Any], gpus: list[Mapping[str, Any]], count: int | None) -> int | None:
    total = info.get("TotalGpuMemoryInMiB")
    if total and count:
        return int(total) // count
    if len(gpus) == 1:
        size = gpus[0].get("MemoryInfo", {}).get("SizeInMiB")
        return None if size is None else int(size)
    return None
