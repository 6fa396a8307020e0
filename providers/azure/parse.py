"""Rows of the Retail Prices API made into the prices of one region. Pure: no I/O, no SDK."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.azure import rows
from providers.azure.next_page import API_VERSION
from providers.azure.regions import kind_of
from providers.errors import UnexpectedPayload
from providers.fetch import Failure, FetchResult, Scope
from providers.offer import HOURS_PER_YEAR, Missing, Offer, Tier, to_nano_usd
from providers.shape import InstanceShape

PROVIDER = "azure"
SOURCE = f"Azure Retail Prices {API_VERSION}"
NOT_PRIMARY = "a meter that is not the primary one"
DUPLICATE = "the same row once more"
NO_SKU = "no armSkuName"
NOT_OURS = "instance type not in config"
# NC, ND and NV are the GPU series (NG is for games, NP has FPGAs).
_GPU_SERIES = re.compile(r"standard_n[cdv]", re.ASCII)
# Why a type has no price in a tier, from what was left out of its rows; the first that applies is said.
_REASONS = {
    rows.NO_PRICE: "listed at 0 USD or without a price",
    rows.WINDOWS: "only Windows rows are listed",
    rows.SUPERSEDED: "only prices of the past or the future are listed",
}
# Fields that differ between any two rows, and so do not tell why two have different prices.
_NO_AXIS = ("retailPrice", "unitPrice", "savingsPlan", "meterId", "productId", "skuId")


@dataclass(kw_only=True)
class _Sheet:
    """One region's prices while its rows are read, each with the row it came from.

    refused are the tiers with two different prices for one thing, and why.
    """

    prices: dict[str, tuple[Offer, Mapping[str, Any]]] = field(default_factory=dict)
    left_out: dict[tuple[str, Tier], set[str]] = field(default_factory=dict)
    refused: dict[Tier, UnexpectedPayload] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unknown_gpu_types: set[str] = field(default_factory=set)


def parse_region(
    raw_rows: Iterable[Mapping[str, Any]],
    region: str,
    shapes: Iterable[InstanceShape],
    tiers: Collection[Tier],
    now: datetime,
) -> FetchResult:
    """All prices of shapes in one region, in the tiers asked; two different prices for one thing fail the tier.

    Raises UnexpectedPayload where rows are not of the shape known: nothing of the region is used then.
    """
    listed = list(raw_rows)
    if listed and not any("retailPrice" in row for row in listed):
        raise UnexpectedPayload(f"azure/{region}: no row has a retailPrice")
    names = {shape.instance_type.casefold(): shape.instance_type for shape in shapes}
    sheet = _Sheet(counts=Counter(rows=len(listed)))
    # Primary meters are what Azure bills: they come first, and others never beside or against them.
    for row in sorted(listed, key=lambda row: row.get("isPrimaryMeterRegion") is False):
        _read_row(row, region, names, tiers, now, sheet)
    refused = {Scope(PROVIDER, region, tier): error for tier, error in sheet.refused.items()}
    return FetchResult(
        offers=tuple(offer for offer, _ in sheet.prices.values() if offer.tier not in sheet.refused),
        missing=tuple(_missing(sheet, region, tiers, now)),
        covered=frozenset(Scope(PROVIDER, region, tier) for tier in tiers) - refused.keys(),
        failures=tuple(Failure(scope=scope, error=error) for scope, error in refused.items()),
        counts=sheet.counts,
        unknown_gpu_types=tuple(sorted(sheet.unknown_gpu_types)),
    )


def _read_row(
    raw: Mapping[str, Any],
    region: str,
    names: Mapping[str, str],
    tiers: Collection[Tier],
    now: datetime,
    sheet: _Sheet,
) -> None:
    """Take one row onto the sheet: its prices, or a count of why not."""
    row = rows.checked(raw, region)
    if not row["armSkuName"]:
        sheet.counts[f"left out: {NO_SKU}"] += 1
        return
    reason = rows.left_out(row, now)
    instance_type = names.get(row["armSkuName"].casefold())
    if reason:
        sheet.counts[f"left out: {reason}"] += 1
    elif instance_type is None:
        sheet.counts[f"left out: {NOT_OURS}"] += 1
        if _GPU_SERIES.match(row["armSkuName"].casefold()):
            sheet.unknown_gpu_types.add(row["armSkuName"])
    if instance_type is None:
        return
    if reason:
        for tier in rows.tiers_of(row):
            sheet.left_out.setdefault((instance_type, tier), set()).add(reason)
        return
    rows.check_unit(row, f"{PROVIDER}/{region}: {instance_type}")
    for offer in _offers(row, instance_type, region, now, sheet.counts):
        if offer.tier in tiers:
            _enter(offer, row, sheet)


def _offers(
    row: Mapping[str, Any], instance_type: str, region: str, now: datetime, counts: Counter[str]
) -> Iterator[Offer]:
    """Every price a row in force has: one, or a reservation's two ways to pay, and its savings plans."""
    price = rows.price_of(row, instance_type)
    if price is None:
        return
    place: dict[str, Any] = {
        "provider": PROVIDER,
        "region": region,
        "region_kind": kind_of(region),
        "zone": "",
        "instance_type": instance_type,
        "observed_on": now.date(),
        "source": f"{SOURCE} sku {row.get('skuId') or row['skuName']}",
    }
    if row["type"] == "Reservation":
        yield from _reservation(price, row, place)
        return
    yield Offer(**place, tier=rows.tiers_of(row)[0], usd_per_hour=price)
    for plan in rows.savings_plans(row):
        months = rows.term_months(plan.get("term"))
        rate = rows.price_of(plan, f"{instance_type}: savingsPlan")
        if months is None or rate is None:
            counts[f"left out: {rows.UNKNOWN_TERM if months is None else rows.NO_PRICE}"] += 1
            continue
        commitment: dict[str, Any] = {"kind": "savings_plan", "term_months": months, "payment": "no_upfront"}
        yield Offer(**place, **commitment, tier=Tier.RESERVED, usd_per_hour=rate)


def _reservation(total_usd: Decimal, row: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[Offer]:
    """A reservation, whose price is the whole term's whatever its unit says; paid at once or by the month,
    which comes to the same total (rounded to a billionth of a USD per hour).
    """
    months = rows.term_months(row.get("reservationTerm"))
    if months is None:
        return
    hours = months * HOURS_PER_YEAR // 12
    shared = {**place, "tier": Tier.RESERVED, "kind": "reserved_instance", "term_months": months}
    monthly = to_nano_usd(total_usd / hours)
    yield Offer(**shared, payment="all_upfront", usd_per_hour=Decimal(0), upfront_usd=total_usd)
    yield Offer(**shared, payment="no_upfront", usd_per_hour=monthly)


def _enter(offer: Offer, row: Mapping[str, Any], sheet: _Sheet) -> None:
    """Enter a price once. A second, different one for the same thing means an axis that is not known."""
    if offer.offer_id not in sheet.prices:
        sheet.prices[offer.offer_id] = (offer, row)
        return
    other, other_row = sheet.prices[offer.offer_id]
    if other.amortised_usd_per_hour == offer.amortised_usd_per_hour:
        sheet.counts[f"left out: {DUPLICATE}"] += 1
    elif row.get("isPrimaryMeterRegion") is False and other_row.get("isPrimaryMeterRegion") is not False:
        sheet.counts[f"left out: {NOT_PRIMARY}"] += 1
    else:
        names = sorted({*row, *other_row} - {*_NO_AXIS})
        axes = [name for name in names if row.get(name) != other_row.get(name)]
        amounts = f"{other.amortised_usd_per_hour} and {offer.amortised_usd_per_hour} USD an hour"
        differ = f"the rows differ in {', '.join(axes)}" if axes else "no field tells the rows apart"
        sheet.refused[offer.tier] = UnexpectedPayload(f"{offer.offer_id}: {amounts}: {differ}")


def _missing(sheet: _Sheet, region: str, tiers: Collection[Tier], now: datetime) -> list[Missing]:
    """What is listed but has no price we can use, where the reason is known."""
    priced = {(offer.instance_type, offer.tier) for offer, _ in sheet.prices.values()}
    found = []
    for (instance_type, tier), left_out in sorted(sheet.left_out.items()):
        reason = next((text for why, text in _REASONS.items() if why in left_out), "")
        if not reason or tier not in tiers or tier in sheet.refused or (instance_type, tier) in priced:
            continue
        found.append(
            Missing(
                provider=PROVIDER,
                region=region,
                region_kind=kind_of(region),
                zone="",
                instance_type=instance_type,
                tier=tier,
                reason=reason,
                observed_on=now.date(),
                source=SOURCE,
            )
        )
    return found
