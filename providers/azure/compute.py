"""What a subscription's own interfaces say: sizes, quotas, evictions and spot history. Pure: no I/O, no SDK."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.azure.regions import spelled
from providers.errors import UnexpectedPayload
from providers.fetch import Quota, SeenShape, SpotPrice, SpotSignal
from providers.offer import Tier
from providers.shape import SHARED_SPOT_QUOTA, InstanceShape, QuotaUnit

PROVIDER = "azure"
SPOT_QUOTA = SHARED_SPOT_QUOTA[PROVIDER]
EVICTION_SOURCE = "Azure Resource Graph SpotResources skuspotevictionrate"
_EVICTION = "microsoft.compute/skuspotevictionrate/location"
_HISTORY = "microsoft.compute/skuspotpricehistory/ostype/location"


def known_names(shapes: Iterable[InstanceShape]) -> dict[str, str]:
    """Azure's own instance types by their name in lower case: its interfaces disagree on the case."""
    return {
        shape.instance_type.casefold(): shape.instance_type for shape in shapes if shape.provider == PROVIDER
    }


def seen_shapes(skus: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[SeenShape, ...]:
    """What the SKU list says of the instance types in names, each differing answer once.

    It leaves out GPU and vCPU counts at times and has had wrong ones: None is unknown, a count is as listed.
    """
    seen: dict[SeenShape, None] = {}
    for sku, instance_type in _machines(skus, names):
        capabilities = sku["capabilities"]
        shape = SeenShape(
            provider=PROVIDER,
            instance_type=instance_type,
            gpu_count=_whole(capabilities.get("GPUs")),
            gpu_name="",
            gpu_memory_mib=None,
            vcpus=_whole(capabilities.get("vCPUs")),
            memory_gib=_number(capabilities.get("MemoryGB")),
        )
        seen[shape] = None
    return tuple(sorted(seen, key=lambda shape: shape.instance_type))


def restriction_counts(
    skus: Iterable[Mapping[str, Any]], names: Mapping[str, str], regions: Collection[str]
) -> dict[str, int]:
    """How often the subscription may not use a type: by reason and by whether a region or a zone is closed.

    regions narrows it (none: everywhere); a restriction says nothing of the price, which stays listed.
    """
    counts: Counter[str] = Counter()
    for sku, _ in _machines(skus, names):
        for restriction in sku["restrictions"]:
            places = {spelled(place) for place in restriction["locations"]}
            if not regions or places & set(regions):
                counts[f"{restriction['reason']} ({str(restriction['type']).lower()})"] += 1
    return dict(sorted(counts.items()))


def restriction(item: Any) -> dict[str, Any]:
    """Where and why a subscription may not use a SKU.

    Since version 38 the SDK's models are mappings, whose `values` is a method: the places are read elsewhere.
    Its enums compare equal to their text but do not print as it.
    """
    info = item.restriction_info
    places = info.locations if info else getattr(item, "values_property", None)
    return {
        "type": getattr(item.type, "value", item.type),
        "reason": getattr(item.reason_code, "value", item.reason_code),
        "locations": list(places or ()),
    }


def quotas(
    usages: Iterable[Mapping[str, Any]], families: Collection[str], region: str, now: datetime
) -> Iterator[Quota]:
    """The vCPU quotas of families in a region, and the one that all spot machines there share."""
    wanted = {family.casefold(): (family, Tier.ON_DEMAND) for family in families}
    wanted[SPOT_QUOTA.casefold()] = (SPOT_QUOTA, Tier.SPOT)
    for usage in usages:
        name, limit, used = usage["name"], usage["limit"], usage["used"]
        if not isinstance(name, str) or name.casefold() not in wanted:
            continue
        if not isinstance(limit, int | float) or isinstance(limit, bool):
            raise UnexpectedPayload(f"azure/{region}: the limit of {name} is {limit!r}, a number is expected")
        family, tier = wanted[name.casefold()]
        yield Quota(
            provider=PROVIDER,
            region=region,
            quota_family=family,
            tier=tier,
            unit=QuotaUnit.VCPU,
            limit=float(limit),
            used=None if used is None else float(used),
            observed_at=now,
        )


def eviction_query(names: Collection[str], regions: Collection[str]) -> str:
    """The Resource Graph query for eviction rates; no regions: all."""
    return _spot_query(_EVICTION, names, regions)


def history_query(names: Collection[str], regions: Collection[str]) -> str:
    """The Resource Graph query for the price steps of Linux spot machines; no regions: all."""
    return _spot_query(_HISTORY, names, regions) + " | where properties.osType =~ 'linux'"


def spot_signals(
    found: Iterable[Mapping[str, Any]], names: Mapping[str, str], now: datetime
) -> Iterator[SpotSignal]:
    """Eviction bands such as "5-10" or "20+", in percent an hour; a rate that is null is not known."""
    for region, instance_type, properties in _spot_rows(found, names):
        band = properties.get("evictionRate")
        if band is None:
            continue
        low, high = _band(band, f"azure/{region}: {instance_type}")
        yield SpotSignal(
            provider=PROVIDER,
            region=region,
            instance_type=instance_type,
            low_percent=low,
            high_percent=high,
            per="hour",
            savings_percent=None,
            observed_at=now,
            source=EVICTION_SOURCE,
        )


def spot_history(
    found: Iterable[Mapping[str, Any]], names: Mapping[str, str], now: datetime, days: float
) -> Iterator[SpotPrice]:
    """The steps of the last `days`, oldest first, from the one that was in force when they began."""
    begin = now - timedelta(days=days)
    for region, instance_type, properties in _spot_rows(found, names):
        where = f"azure/{region}: {instance_type}"
        steps = properties.get("spotPrices")
        if not isinstance(steps, list):
            raise UnexpectedPayload(f"{where}: spotPrices is not a list")
        dated = sorted({_step(step, where) for step in steps})
        before = [step for step in dated if step[0] <= begin]
        for since, usd_per_hour in before[-1:] + [step for step in dated if step[0] > begin]:
            if usd_per_hour > 0:
                yield SpotPrice(
                    provider=PROVIDER,
                    region=region,
                    zone="",
                    instance_type=instance_type,
                    usd_per_hour=usd_per_hour,
                    since=since,
                )


def _machines(
    skus: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The virtual machines of names among all that has a SKU (disks, snapshots, …), with our name for each."""
    for sku in skus:
        instance_type = names.get(sku["name"].casefold())
        if sku["resource_type"] == "virtualMachines" and instance_type:
            yield sku, instance_type


def _spot_query(of_type: str, names: Collection[str], regions: Collection[str]) -> str:
    query = f"SpotResources | where type =~ '{of_type}' | where sku.name in~ ({_quoted(names)})"
    return f"{query} | where location in~ ({_quoted(regions)})" if regions else query


def _quoted(texts: Iterable[str]) -> str:
    escaped = (text.replace("\\", "\\\\").replace("'", "\\'") for text in texts)
    return ", ".join(f"'{text}'" for text in escaped)


def _spot_rows(
    found: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(region, instance type, properties) of each answer about one of names."""
    for row in found:
        sku, location, properties = row.get("sku"), row.get("location"), row.get("properties")
        if not (isinstance(sku, dict) and isinstance(location, str) and isinstance(properties, dict)):
            raise UnexpectedPayload(f"azure: SpotResources: sku, location or properties is gone from {row!r}")
        instance_type = names.get(str(sku.get("name")).casefold())
        if instance_type:
            yield spelled(location), instance_type, properties


def _band(text: object, where: str) -> tuple[float, float | None]:
    low, dash, high = str(text).partition("-")
    if not dash and low.endswith("+") and low[:-1].isdecimal():
        return float(low[:-1]), None
    if not (low.isdecimal() and high.isdecimal()):
        raise UnexpectedPayload(f"{where}: evictionRate is {text!r}, a band such as 5-10 or 20+ is expected")
    return float(low), float(high)


def _step(step: object, where: str) -> tuple[datetime, Decimal]:
    try:
        price, since = step["priceUSD"], datetime.fromisoformat(step["effectiveDate"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        price = since = None
    if since is None or not isinstance(price, Decimal) or not price.is_finite():
        raise UnexpectedPayload(f"{where}: a spot price step is {step!r}")
    return since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC), price


def _number(text: object) -> float | None:
    """The number a capability's text says; None where it is absent or says none."""
    try:
        return float(Decimal(str(text)))
    except InvalidOperation:
        return None


def _whole(text: object) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number == int(number) else None
