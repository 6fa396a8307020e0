"""What one row of the Retail Prices API is: which tier it prices, or why it is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from providers.errors import UnexpectedPayload
from providers.offer import Tier

WINDOWS = "Windows"
NO_PRICE = "zero or no price"
SUPERSEDED = "superseded or not yet in force"
CLOUD_SERVICES = "Cloud Services"
DEDICATED = "Dedicated"
LOW_PRIORITY = "Low Priority"
DEV_TEST = "DevTest"
UNKNOWN_TYPE = "unknown type of row"
UNKNOWN_TERM = "unknown term"

# How Azure names a term, in months.
TERMS = {"1 Year": 12, "3 Years": 36, "5 Years": 60}
_TEXTS = (
    "armRegionName",
    "armSkuName",
    "productName",
    "skuName",
    "meterName",
    "type",
    "unitOfMeasure",
    "currencyCode",
    "effectiveStartDate",
)
# The product name alone tells Windows from Linux, and may end "Windows" or just "Win".
_WINDOWS_WORD = re.compile(r"\bwin(dows)?\b")
_SPOT_WORD = re.compile(r"\bspot\b")
_LOW_PRIORITY_WORDS = re.compile(r"\blow priority\b")
_TYPES = ("Consumption", "Reservation")


def checked(row: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The row with its texts stripped. Raises UnexpectedPayload for a field that is gone or of another kind,
    another region than was asked, and another currency than USD.
    """
    where = f"azure/{region}: a row of {row.get('armSkuName')}"
    clean = dict(row)
    if "armSkuName" in row and row["armSkuName"] is None:
        clean["armSkuName"] = ""
    for name in _TEXTS:
        if not isinstance(clean.get(name), str):
            raise UnexpectedPayload(f"{where}: {name} is {row.get(name)!r}, text is expected")
        clean[name] = clean[name].strip()
    if clean["armRegionName"].lower() != region:
        raise UnexpectedPayload(f"{where} is of {clean['armRegionName']}: the filter was lost")
    if clean["currencyCode"] != "USD":
        raise UnexpectedPayload(f"{where}: currencyCode is {clean['currencyCode']}, not USD")
    return clean


def left_out(row: Mapping[str, Any], now: datetime) -> str:
    """Why a checked row prices nothing of ours, "" where it does.

    Windows stands near the end, so that it says: this would be a price in force, were it for Linux.
    """
    product = row["productName"].casefold()
    if "cloud services" in product or "cloudservices" in product:
        return CLOUD_SERVICES
    if "dedicated" in product:
        return DEDICATED
    if _says(_LOW_PRIORITY_WORDS, row):
        return LOW_PRIORITY
    if row["type"] == "DevTestConsumption":
        return DEV_TEST
    if row["type"] not in _TYPES:
        return UNKNOWN_TYPE
    if row["type"] == "Reservation" and term_months(row.get("reservationTerm")) is None:
        return UNKNOWN_TERM
    if not _in_force(row, now):
        return SUPERSEDED
    if _WINDOWS_WORD.search(product):
        return WINDOWS
    return "" if price_of(row, row["armSkuName"]) else NO_PRICE


def tiers_of(row: Mapping[str, Any]) -> tuple[Tier, ...]:
    """The tiers a checked row has a price of: on demand and, where it lists savings plans, reserved."""
    if row["type"] == "Reservation":
        return (Tier.RESERVED,)
    if _says(_SPOT_WORD, row):
        return (Tier.SPOT,)
    return (Tier.ON_DEMAND, Tier.RESERVED) if row.get("savingsPlan") else (Tier.ON_DEMAND,)


def check_unit(row: Mapping[str, Any], where: str) -> None:
    """Raise UnexpectedPayload unless a price is of one hour (as reservations say too) from the first on."""
    if row["unitOfMeasure"] != "1 Hour":
        raise UnexpectedPayload(f"{where}: unitOfMeasure is {row['unitOfMeasure']}, not 1 Hour")
    if row.get("tierMinimumUnits"):
        raise UnexpectedPayload(f"{where}: the price holds from {row['tierMinimumUnits']} units on only")


def price_of(amounts: Mapping[str, Any], where: str) -> Decimal | None:
    """The USD of retailPrice; None where it is absent, null, 0 or below: unknown, never free.

    Raises UnexpectedPayload where it is no number.
    """
    price = amounts.get("retailPrice")
    if price is None:
        return None
    if not isinstance(price, Decimal) or not price.is_finite():
        raise UnexpectedPayload(f"azure: {where}: retailPrice is {price!r}, a number is expected")
    return price if price > 0 else None


def term_months(text: object) -> int | None:
    """The months of a term such as "3 Years"; None for a term not known."""
    return TERMS.get(text.strip()) if isinstance(text, str) else None


def savings_plans(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The savings plan rates of a row, hourly unlike a reservation's total. Raises UnexpectedPayload."""
    plans = row.get("savingsPlan") or []
    if not isinstance(plans, list) or not all(isinstance(plan, dict) for plan in plans):
        raise UnexpectedPayload(f"azure: {row['armSkuName']}: savingsPlan is not a list of rates")
    return plans


def _says(words: re.Pattern[str], row: Mapping[str, Any]) -> bool:
    """Whether the row's own name or its meter's has the words: series differ in which carries them."""
    return bool(words.search(row["skuName"].casefold()) or words.search(row["meterName"].casefold()))


def _in_force(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether now lies in the row's window; some end before they begin, and hold nothing."""
    start = _moment(row["effectiveStartDate"])
    if start > now:
        return False
    end = row.get("effectiveEndDate")
    if not end:
        return True
    if not isinstance(end, str):
        raise UnexpectedPayload(f"azure: {row['armSkuName']}: effectiveEndDate is {end!r}, text is expected")
    return now < _moment(end.strip())


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    """A moment such as 2023-09-01T00:00:00Z, in UTC. Raises UnexpectedPayload."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnexpectedPayload(f"azure: {text!r} is no date") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
