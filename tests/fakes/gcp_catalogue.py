"""SKUs of the Cloud Billing Catalog as its REST API words them: one at a time, and a catalogue of full size.

The on-demand unit prices of us-central1 are published ones where marked so; the others are of the right size,
and every region and term follows from them by a fixed factor. Ids are made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count, islice
from typing import Any

ASKED_ON = "2026-11-20T00:00:00Z"
AMERICAS = ("us-central1", "us-east1", "us-west1")
PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Americas", AMERICAS),
    ("Belgium", ("europe-west1",)),
    ("Taiwan", ("asia-east1",)),
    ("Virginia", ("us-east4",)),
    ("Columbus", ("us-east5",)),
    ("Dallas", ("us-south1",)),
    ("Los Angeles", ("us-west2",)),
    ("Salt Lake City", ("us-west3",)),
    ("Las Vegas", ("us-west4",)),
    ("Montreal", ("northamerica-northeast1",)),
    ("Toronto", ("northamerica-northeast2",)),
    ("São Paulo", ("southamerica-east1",)),
    ("London", ("europe-west2",)),
    ("Frankfurt", ("europe-west3",)),
    ("Netherlands", ("europe-west4",)),
    ("Zurich", ("europe-west6",)),
    ("Milan", ("europe-west8",)),
    ("Paris", ("europe-west9",)),
    ("Berlin", ("europe-west10",)),
    ("Finland", ("europe-north1",)),
    ("Warsaw", ("europe-central2",)),
    ("Tokyo", ("asia-northeast1",)),
    ("Seoul", ("asia-northeast3",)),
    ("Mumbai", ("asia-south1",)),
    ("Delhi", ("asia-south2",)),
    ("Singapore", ("asia-southeast1",)),
    ("Jakarta", ("asia-southeast2",)),
    ("Sydney", ("australia-southeast1",)),
    ("Tel Aviv", ("me-west1",)),
    ("Dammam", ("me-central2",)),
)
# vCPU and RAM on demand in us-central1: G2, A2 and A3Plus published, the others of the right size.
HOSTS = {
    "G2": ("0.024988", "0.0029275"),
    "G4": ("0.0269", "0.0031"),
    "A2": ("0.031611", "0.004237"),
    "A3": ("0.0293227", "0.0025534"),
    "A3Plus": ("0.026924", "0.002344"),
    "A3Ultra": ("0.0302", "0.0027"),
}
# Per GPU on demand in us-central1, published but for the RTX 6000.
GPUS = {
    "Nvidia L4 GPU": "0.56004",
    "RTX 6000 96GB": "2.45",
    "Nvidia Tesla A100 GPU": "2.933908",
    "Nvidia Tesla A100 80GB GPU": "3.92808",
    "Nvidia H100 80GB GPU": "9.796550569",
    "Nvidia H100 80GB Plus GPU": "10.344275712",
    "H200 141GB GPU": "9.31174",
    "A4 Nvidia B200 (1 gpu slice)": "16.11",
}
_FACTORS = {"OnDemand": "1", "Preemptible": "0.4", "flex": "0.5", "Commit1Yr": "0.63", "Commit3Yr": "0.35"}
_OTHER_SERIES = (
    "N1 Predefined",
    "N2",
    "N2D AMD",
    "E2",
    "C2D AMD",
    "C3",
    "C3D",
    "C4",
    "C4D",
    "N4",
    "T2D AMD",
    "M3",
)
_ids = count(1)


def sku(
    description: str,
    price: str,
    *,
    group: str,
    usage: str = "OnDemand",
    regions: Sequence[str] = AMERICAS,
    unit: str = "h",
    sku_id: str = "",
) -> dict[str, Any]:
    """One SKU with one price in USD per unit."""
    identity = sku_id or _next_id()
    units, _, fraction = price.partition(".")
    amount = {"currencyCode": "USD", "units": units, "nanos": int(fraction.ljust(9, "0")[:9])}
    expression = {
        "usageUnit": unit,
        "displayQuantity": 1,
        "tieredRates": [{"startUsageAmount": 0, "unitPrice": amount}],
        "usageUnitDescription": "hour",
        "baseUnit": "s",
        "baseUnitDescription": "second",
        "baseUnitConversionFactor": 3600,
    }
    family = "Storage" if group in ("LocalSSD", "SSD") else "Compute"
    return {
        "name": f"services/6F81-5844-456A/skus/{identity}",
        "skuId": identity,
        "description": description,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": family,
            "resourceGroup": group,
            "usageType": usage,
        },
        "serviceRegions": list(regions),
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": expression,
                "currencyConversionRate": 1,
                "effectiveTime": ASKED_ON,
            }
        ],
        "serviceProviderName": "Google",
        "geoTaxonomy": {
            "type": "REGIONAL" if len(regions) == 1 else "MULTI_REGIONAL",
            "regions": list(regions),
        },
    }


def full_catalogue(size: int = 32_000) -> list[dict[str, Any]]:
    """All that our machines need in 32 regions, among `size` SKUs most of which have nothing to do with them."""
    wanted = list(_wanted())
    others = list(islice(_others(), max(0, size - len(wanted))))
    step = max(1, len(others) // len(wanted))
    mixed: list[dict[str, Any]] = []
    for index, ours in enumerate(wanted):
        mixed.append(ours)
        mixed += others[index * step : (index + 1) * step]
    return mixed + others[len(wanted) * step :]


def _next_id() -> str:
    number = f"{next(_ids):012X}"
    return f"{number[:4]}-{number[4:8]}-{number[8:]}"


def _scaled(price: str, usage: str, place: int) -> str:
    amount = Decimal(price) * Decimal(_FACTORS[usage]) * (1 + Decimal(place) / 100)
    return f"{amount:.9f}"


def _wanted() -> Iterator[dict[str, Any]]:
    for index, (place, regions) in enumerate(PLACES):
        for host, rates in HOSTS.items():
            for word, price, unit in zip(("Core", "Ram"), rates, ("h", "GiBy.h"), strict=True):
                group = "CPU" if word == "Core" else "RAM"
                for usage, text in _host_wordings(host, word, place):
                    bill = "OnDemand" if usage == "flex" else usage
                    amount = _scaled(price, usage, index)
                    yield sku(text, amount, group=group, usage=bill, regions=regions, unit=unit)
        for number, (gpu, price) in enumerate(GPUS.items()):
            if index and (index + number) % 3 == 0:
                continue
            for usage, text in _gpu_wordings(gpu, place):
                bill = "OnDemand" if usage == "flex" or text.startswith("Spot") else usage
                yield sku(text, _scaled(price, usage, index), group="GPU", usage=bill, regions=regions)
        for usage, text in _disk_wordings(place):
            bill = usage if usage.startswith("Commit") else "OnDemand"
            amount = _scaled("0.08", "OnDemand" if usage == "flex" else usage, index)
            yield sku(text, amount, group="LocalSSD", usage=bill, regions=regions, unit="GiBy.mo")


def _host_wordings(host: str, word: str, place: str) -> list[tuple[str, str]]:
    committed = f"Commitment v1: {host} {'Cpu' if word == 'Core' else word} in {place}"
    return [
        ("OnDemand", f"{host} Instance {word} running in {place}"),
        ("Preemptible", f"Spot Preemptible {host} Instance {word} running in {place}"),
        ("flex", f"DWS Defined Duration {host} {word} running in {place}"),
        ("Commit1Yr", f"{committed} for 1 Year"),
        ("Commit3Yr", f"{committed} for 3 Years"),
    ]


def _gpu_wordings(gpu: str, place: str) -> list[tuple[str, str]]:
    spot = f"{gpu} attached to Spot Preemptible VMs running in {place}"
    return [
        ("OnDemand", f"{gpu} running in {place}"),
        ("Preemptible", f"Spot Preemptible {gpu} running in {place}" if gpu.startswith("A4") else spot),
        ("flex", f"{gpu} attached to DWS Defined Duration VMs running in {place}"),
        ("Commit1Yr", f"Commitment v1: {gpu} running in {place} for 1 Year"),
        ("Commit3Yr", f"Commitment v1: {gpu} running in {place} for 3 Years"),
    ]


def _disk_wordings(place: str) -> list[tuple[str, str]]:
    disk, there = "SSD backed Local Storage", "" if place == "Americas" else f" in {place}"
    return [
        ("OnDemand", f"{disk}{there}"),
        ("Preemptible", f"{disk} attached to Spot Preemptible VMs{there}"),
        ("flex", f"DWS Defined Duration {disk} running in {place}"),
        ("Commit1Yr", f"Commitment v1: Local SSD in {place} for 1 Year"),
        ("Commit3Yr", f"Commitment v1: Local SSD in {place} for 3 Years"),
    ]


def _others() -> Iterator[dict[str, Any]]:
    """Rows of the shapes that fill a real catalogue, round after round."""
    for round_ in count():
        for place, regions in PLACES:
            yield from _other_compute(place, regions, round_)
            for text, group in (
                (f"Network Inter Zone Data Transfer Out {round_} from {place}", "InterzoneEgress"),
                (f"Storage PD Capacity in {place}", "PDStandard"),
                (f"SSD backed PD Capacity in {place}", "SSD"),
                (f"C4D Instance Local SSD running in {place}", "LocalSSD"),
                (f"VM state: preserved local SSD in {place}", "LocalSSD"),
            ):
                yield sku(text, "0.085", group=group, regions=regions, unit="GiBy.mo")


def _other_compute(place: str, regions: tuple[str, ...], round_: int) -> Iterator[dict[str, Any]]:
    for series in _OTHER_SERIES:
        for word, group, unit in (("Core", "CPU", "h"), ("Ram", "RAM", "GiBy.h")):
            for text, usage in (
                (f"{series} Instance {word} running in {place}", "OnDemand"),
                (f"Spot Preemptible {series} Instance {word} running in {place}", "Preemptible"),
                (f"{series} Sole Tenancy Instance {word} running in {place}", "OnDemand"),
                (f"Commitment v1: {series} {word} in {place} for 1 Year", "Commit1Yr"),
            ):
                yield sku(text, f"0.0{31 + round_}", group=group, usage=usage, regions=regions, unit=unit)
    for gpu in ("T4", "V100", "P100"):
        yield sku(f"Nvidia Tesla {gpu} GPU running in {place}", "0.35", group="GPU", regions=regions)
    yield sku(f"Reserved Nvidia L4 GPU in {place}", "0.000000000", group="GPU", regions=regions)
    yield sku(
        f"Reserved Nvidia H100 80GB Mega GPU in {place} in Calendar Mode",
        "4.841121",
        group="GPU",
        regions=regions,
    )
    yield sku(f"Reserved A2 Core in {place}", "0.031611", group="CPU", regions=regions)
