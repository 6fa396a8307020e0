"""From the catalogue's SKUs to what one unit of a part costs per hour, region by region. Pure: no I/O.

A SKU comes as the REST API words it in JSON: description, skuId, category {resourceGroup, usageType},
serviceRegions and pricingInfo. Amounts are read as Decimal from units and nanos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from providers.errors import UnexpectedPayload
from providers.gcp.grammar import Part, Terms, Unread, read_description

RESOURCE_GROUPS = frozenset({"CPU", "RAM", "GPU", "LocalSSD", "SSD"})

HOURS_PER_MONTH = 730
GIB_IN_GB = Decimal("1.073741824")
# What one unit of a part costs per hour is the SKU's price times this: vCPU and GPU per hour, RAM and local SSD
# per GiB and hour. A month is 730 hours in Google's price lists; newer series price RAM per decimal GB.
_PER_UNIT_HOUR: dict[str, dict[str, Decimal]] = {
    "core": {"h": Decimal(1)},
    "GPU": {"h": Decimal(1)},
    "RAM": {"GiBy.h": Decimal(1), "GBy.h": GIB_IN_GB},
    "SSD": {
        "GiBy.h": Decimal(1),
        "GBy.h": GIB_IN_GB,
        "GiBy.mo": Decimal(1) / HOURS_PER_MONTH,
        "GBy.mo": GIB_IN_GB / HOURS_PER_MONTH,
    },
}
_NANO = Decimal("1e-9")
_STEMS_KEPT = 20


class Rate(NamedTuple):
    """usd is for one vCPU, one GPU, or one GiB of RAM or local SSD, for an hour."""

    usd: Decimal
    sku: str


class _Unusable(Exception):
    """Why a SKU's price cannot be read: a plain phrase to count by."""


class _Doubtful(Exception):
    """Why the parts a SKU prices cannot be priced at all: what the catalogue says is not of the shape known."""


@dataclass(kw_only=True)
class Rates:
    """What a whole catalogue says of the parts we know.

    faults are parts of which the catalogue cannot be trusted in a region: nothing is composed of them.
    sold are items by region, on whatever terms. regions are all that any SKU names, whatever it prices;
    unknown_gpus the names of GPU products no wording knows, without their place.
    """

    by_part: dict[tuple[Part, str], Rate] = field(default_factory=dict)
    faults: dict[tuple[Part, str], str] = field(default_factory=dict)
    sold: set[tuple[str, str]] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    unknown_gpus: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, item: str, terms: Terms, region: str) -> Rate | None:
        """The rate, None where there is none. Raises UnexpectedPayload where it cannot be trusted."""
        key = (Part(item, terms), region)
        if fault := self.faults.get(key):
            raise UnexpectedPayload(f"Cloud Billing Catalog: {item} {terms} in {region}: {fault}")
        return self.by_part.get(key)


def read_catalogue(skus: Iterable[Mapping[str, Any]], now: datetime) -> Rates:
    """The rates of every part the grammar knows, keeping nothing else of the SKUs that pass by.

    now decides between several prices of one SKU. Raises UnexpectedPayload where the catalogue has no GPU we
    know, lacks a field, or is in another currency than USD.
    """
    rates = Rates()
    for sku in skus:
        rates.counts["SKUs read"] += 1
        try:
            _read_sku(sku, now, rates)
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            what = f"a SKU cannot be read ({type(error).__name__}: {error})"
            raise UnexpectedPayload(f"Cloud Billing Catalog: {what}; the API may have changed") from error
    if not any(item.endswith(" GPU") for item, _ in rates.sold):
        read = rates.counts["SKUs read"]
        raise UnexpectedPayload(
            f"Cloud Billing Catalog: none of its {read} SKUs prices a GPU in words we know"
        )
    return rates


def _read_sku(sku: Mapping[str, Any], now: datetime, rates: Rates) -> None:
    rates.regions.update(sku["serviceRegions"])
    category = sku["category"]
    if category["resourceGroup"] not in RESOURCE_GROUPS:
        rates.counts["left out: other resources"] += 1
        return
    part = read_description(sku["description"], category["usageType"], category["resourceGroup"])
    if isinstance(part, Unread):
        _count_unread(part, category["resourceGroup"], rates)
        return
    try:
        rate = Rate(_usd_per_unit_hour(part, sku, now), sku["skuId"])
    except _Unusable as reason:
        rates.counts[f"left out: {reason}"] += 1
        return
    except _Doubtful as doubt:
        rates.counts["left out: doubtful"] += 1
        rates.faults.update(
            ((part, region), f"SKU {sku['skuId']}: {doubt}") for region in sku["serviceRegions"]
        )
        return
    rates.counts["SKUs used"] += 1
    for region in sku["serviceRegions"]:
        _keep(rates, part, region, rate)


def _keep(rates: Rates, part: Part, region: str, rate: Rate) -> None:
    rates.sold.add((part.item, region))
    known = rates.by_part.setdefault((part, region), rate)
    if known.usd != rate.usd:
        fault = f"SKUs {known.sku} and {rate.sku} give different prices, {known.usd} and {rate.usd} USD"
        rates.faults[part, region] = fault


def _count_unread(unread: Unread, group: str, rates: Rates) -> None:
    if not unread.refused:
        rates.counts[f"left out: {unread.why}"] += 1
        return
    rates.counts["refused: description unknown"] += 1
    if group == "GPU":
        rates.unknown_gpus.add(unread.stem)
    sample = f"refused: {unread.stem}"
    samples = sum(key.startswith("refused: ") for key in rates.counts)
    if sample in rates.counts or samples <= _STEMS_KEPT:
        rates.counts[sample] += 1


def _usd_per_unit_hour(part: Part, sku: Mapping[str, Any], now: datetime) -> Decimal:
    expression = _in_force(sku["pricingInfo"], now)["pricingExpression"]
    usd = _only_price(expression["tieredRates"])
    factors = _PER_UNIT_HOUR[part.item.rsplit(" ", 1)[-1]]
    unit = expression["usageUnit"]
    if unit not in factors:
        raise _Doubtful(f"its unit is {unit!r}, known: {', '.join(factors)}")
    return usd * factors[unit]


def _in_force(prices: list[Mapping[str, Any]], now: datetime) -> Mapping[str, Any]:
    """The latest price that has begun. A SKU's only price holds whatever its date, which is the day of asking."""
    if not prices:
        raise _Unusable("without a price")
    if len(prices) == 1:
        return prices[0]
    begun = [price for price in prices if datetime.fromisoformat(price["effectiveTime"]) <= now]
    if not begun:
        raise _Unusable("price not yet in force")
    return max(begun, key=lambda price: datetime.fromisoformat(price["effectiveTime"]))


def _only_price(tiers: list[Mapping[str, Any]]) -> Decimal:
    """The price past a free first tier, which is there for the account's first units, not for each machine."""
    prices = list(_amounts(tiers))
    if len(prices) > 1 and not prices[0]:
        del prices[0]
    if not prices:
        raise _Unusable("without a price")
    if len(set(prices)) > 1:
        raise _Doubtful(f"its price depends on the volume, {' or '.join(f'{price} USD' for price in prices)}")
    if prices[0] < 0:
        raise _Doubtful(f"its price is negative, {prices[0]} USD")
    if not prices[0]:
        raise _Unusable("zero price")
    return prices[0]


def _amounts(tiers: list[Mapping[str, Any]]) -> Iterator[Decimal]:
    """USD of each tier by its start. Raises UnexpectedPayload for another currency: it was not what was asked."""
    for tier in sorted(tiers, key=lambda tier: float(tier.get("startUsageAmount", 0))):
        amount = tier["unitPrice"]
        if amount["currencyCode"] != "USD":
            got = amount["currencyCode"]
            raise UnexpectedPayload(f"Cloud Billing Catalog: prices are in {got!r} where USD was asked for")
        yield Decimal(int(amount.get("units", 0))) + int(amount.get("nanos", 0)) * _NANO
