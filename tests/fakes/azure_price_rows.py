"""Rows of Azure's Retail Prices API made up at need: one by one, and whole regions at real size."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from zlib import crc32

# A region's virtual machines, as counted in September 2026; one instance type takes 13 of them.
ROWS_PER_REGION = 15_483
# GPU types that config/instances leaves out: parts of a GPU, promotions, graphics and retired series.
OTHER_GPU_TYPES = (
    "Standard_NV6ads_A10_v5",
    "Standard_NV12ads_A10_v5",
    "Standard_NV18ads_A10_v5",
    "Standard_NC6_Promo",
    "Standard_NV4as_v4",
    "Standard_NV8as_v4",
    "Standard_NV12s_v3",
    "Standard_NC24",
    "Standard_ND24s",
)
_SUFFIXES = {"": "", "spot": " Spot", "low": " Low Priority"}


def retail_row(
    instance_type: str = "Standard_ND96isr_H100_v5",
    price: Any = 98.32,
    region: str = "eastus",
    *,
    product: str = "Virtual Machines NDsr H100 v5 Series",
    suffix: str = "",
    **fields: Any,
) -> dict[str, Any]:
    """One complete row; suffix follows the meter's and the SKU's name (" Spot"), fields replace or add."""
    name = instance_type.removeprefix("Standard_").replace("_", " ")
    mark = f"{crc32(f'{instance_type}{product}{suffix}{fields}'.encode()):08X}"
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": region.upper(),
        "effectiveStartDate": "2023-09-01T00:00:00Z",
        "meterId": f"00000000-0000-0000-0000-0000{mark}",
        "meterName": name + suffix,
        "productId": "DZH318Z0TEST",
        "skuId": f"DZH318Z0TEST/{mark[:4]}",
        "productName": product,
        "skuName": name + suffix,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": instance_type,
    } | fields


def thirteen_rows(instance_type: str, region: str, product: str, on_demand: float) -> list[dict[str, Any]]:
    """All that a region lists of a type. Five rows are Linux prices: on demand (with savings plans), spot,
    one-year and three-year reservations, and a superseded on-demand price.
    """

    def row(price: float, product_end: str = "", kind: str = "", **fields: Any) -> dict[str, Any]:
        return retail_row(
            instance_type,
            round(price, 6),
            region,
            product=product + product_end,
            suffix=_SUFFIXES[kind],
            **fields,
        )

    plans = [
        {"unitPrice": round(on_demand * part, 6), "retailPrice": round(on_demand * part, 6), "term": term}
        for term, part in (("3 Years", 0.5), ("1 Year", 0.7))
    ]
    return [
        row(on_demand, savingsPlan=plans),
        row(on_demand * 0.2, "", "spot"),
        row(on_demand * 0.4, "", "low"),
        row(on_demand * 1.1, " Windows", savingsPlan=plans),
        row(on_demand * 0.3, " Windows", "spot"),
        row(on_demand * 0.5, " Windows", "low"),
        row(on_demand, " Windows", type="DevTestConsumption"),
        row(on_demand * 1.1, " Cloud Services"),
        row(on_demand * 0.5, " CloudServices", "low"),
        row(on_demand * 1.2, " Dedicated Host"),
        row(round(on_demand * 8760 * 0.6), type="Reservation", reservationTerm="1 Year"),
        row(round(on_demand * 26280 * 0.4), type="Reservation", reservationTerm="3 Years"),
        row(on_demand * 1.3, effectiveEndDate="2024-01-01T00:00:00Z"),
    ]


def full_size_rows(
    region: str, types: tuple[str, ...], usd_of: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Every virtual machine row of a region, GPU types among them; the price depends on type and region.

    usd_of is the on-demand price of a type before the region's factor; without it one is made up.
    """
    factor = 1 + crc32(region.encode()) % 50 / 100
    rows = []
    for number, instance_type in enumerate(_all_types(types)):
        series = f"Virtual Machines {instance_type.split('_')[-1]} Series {number % 40}"
        usd = (usd_of or {}).get(instance_type) or _base_price(instance_type)
        rows += thirteen_rows(instance_type, region, series, round(usd * factor, 4))
    return rows[:ROWS_PER_REGION]


@cache
def _all_types(types: tuple[str, ...]) -> tuple[str, ...]:
    """The GPU types spread among so many others that a region is full."""
    gpu_types = [*types, *OTHER_GPU_TYPES]
    others = [f"Standard_D{number}s_v5" for number in range(ROWS_PER_REGION // 13 + 1 - len(gpu_types))]
    step = len(others) // max(1, len(gpu_types)) or 1
    spread = []
    for number, name in enumerate(others):
        spread += gpu_types[number // step : number // step + 1] if number % step == 0 else []
        spread.append(name)
    return tuple(dict.fromkeys([*spread, *gpu_types]))


def _base_price(instance_type: str) -> float:
    return 0.5 + crc32(instance_type.encode()) % 90_000 / 1000
