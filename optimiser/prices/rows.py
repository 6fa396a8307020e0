"""One row of a price file as text, and the Offer or Missing that it says: the schema's only definition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from optimiser.errors import bad_value, did_you_mean
from providers.offer import Missing, Offer, Tier

COLUMNS = (
    "provider",
    "region",
    "region_kind",
    "zone",
    "instance_type",
    "tier",
    "market",
    "kind",
    "term_months",
    "payment",
    "contract",
    "usd_per_hour",
    "upfront_usd",
    "max_instances",
    "valid_until",
    "observed_on",
    "observed_on_is_lower_bound",
    "source",
    "missing_reason",
)
REGION_KINDS = ("region", "government", "local_zone", "wavelength")
KINDS = ("reserved_instance", "reserved_instance_convertible", "committed_use", "savings_plan")
PAYMENTS = ("no_upfront", "partial_upfront", "all_upfront")
DEFAULTS = {"region_kind": "region", "market": "standard"}
MAX_USD_PER_HOUR = Decimal(100_000)
MAX_UPFRONT_USD = Decimal(1_000_000_000)
MAX_TERM_MONTHS = 120
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?")
_IN_OFFER_ID = ("provider", "region", "zone", "instance_type", "market", "kind", "payment", "contract")

Key = tuple[str, str, str, str, str]


def base_key(price: Offer | Missing) -> Key:
    """What a Missing speaks of: provider, region, zone, instance type and tier, whatever the terms."""
    return (price.provider, price.region, price.zone, price.instance_type, price.tier.value)


def money_text(amount: Decimal) -> str:
    """An amount as plain decimal text without needless zeros: 98.3200 is "98.32", 0.0 is "0"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_row(price: Offer | Missing) -> dict[str, str]:
    """The row of a price; fields at their default are blank."""
    row = dict.fromkeys(COLUMNS, "")
    for name in ("provider", "region", "region_kind", "zone", "instance_type", "source"):
        row[name] = getattr(price, name)
    row |= {"tier": price.tier.value, "observed_on": price.observed_on.isoformat()}
    if isinstance(price, Missing):
        row["missing_reason"] = price.reason
    else:
        row |= {name: getattr(price, name) for name in ("market", "kind", "payment", "contract")}
        row["term_months"] = str(price.term_months or "")
        row["usd_per_hour"] = money_text(price.usd_per_hour)
        row["upfront_usd"] = money_text(price.upfront_usd) if price.upfront_usd else ""
        row["max_instances"] = "" if price.max_instances is None else str(price.max_instances)
        row["valid_until"] = price.valid_until.isoformat() if price.valid_until else ""
        row["observed_on_is_lower_bound"] = "true" if price.observed_on_is_lower_bound else ""
    for name, default in DEFAULTS.items():
        row[name] = "" if row[name] == default else row[name]
    return row


def parse_row(row: Mapping[str, str], where: str, as_of: date | None) -> Offer | Missing:
    """The Offer of a row, or its Missing where the price is blank and a reason is given.

    row maps COLUMNS (absent is blank) to stripped text; where names file and line. With as_of, dates in the
    future and expiries in the past are refused. Raises UsageError naming line, field and value.
    """
    text = {name: row.get(name, "") for name in COLUMNS}
    text |= {name: default for name, default in DEFAULTS.items() if not text[name]}
    for name in ("provider", "region", "instance_type", "source", "tier"):
        if not text[name]:
            raise bad_value(where, name, "", "must not be blank")
    for name in _IN_OFFER_ID:
        if "/" in text[name]:
            raise bad_value(where, name, text[name], "must not contain a slash")
    tier = _one_of(text, "tier", tuple(Tier), where)
    _one_of(text, "region_kind", REGION_KINDS, where)
    if text["zone"] and tier != Tier.SPOT:
        raise bad_value(where, "zone", text["zone"], f"only spot has zones, this row is {tier}")
    observed_on = _date(text, "observed_on", where)
    if as_of and observed_on > as_of:
        raise bad_value(where, "observed_on", text["observed_on"], "lies in the future")
    if not text["usd_per_hour"]:
        return _missing(text, Tier(tier), observed_on, where)
    if text["missing_reason"]:
        raise bad_value(
            where, "missing_reason", text["missing_reason"], "a row has a price or a reason, not both"
        )
    return _offer(text, Tier(tier), observed_on, where, as_of)


def _missing(text: Mapping[str, str], tier: Tier, observed_on: date, where: str) -> Missing:
    if not text["missing_reason"]:
        raise bad_value(where, "usd_per_hour", "", "a row without a price needs a missing_reason")
    return Missing(
        provider=text["provider"],
        region=text["region"],
        region_kind=text["region_kind"],
        zone=text["zone"],
        instance_type=text["instance_type"],
        tier=tier,
        reason=text["missing_reason"],
        observed_on=observed_on,
        source=text["source"],
    )


def _offer(text: Mapping[str, str], tier: Tier, observed_on: date, where: str, as_of: date | None) -> Offer:
    usd_per_hour = _money(text, "usd_per_hour", where, MAX_USD_PER_HOUR)
    upfront_usd = _money(text, "upfront_usd", where, MAX_UPFRONT_USD) if text["upfront_usd"] else Decimal(0)
    term_months = _whole(text, "term_months", where, 0, MAX_TERM_MONTHS) if text["term_months"] else 0
    if upfront_usd and not term_months:
        raise bad_value(where, "upfront_usd", text["upfront_usd"], "an upfront payment needs term_months")
    if not usd_per_hour + upfront_usd:
        raise bad_value(where, "usd_per_hour", text["usd_per_hour"], "a price is never 0: say missing_reason")
    valid_until = _date(text, "valid_until", where) if text["valid_until"] else None
    if as_of and valid_until and valid_until < as_of:
        raise bad_value(where, "valid_until", text["valid_until"], f"has passed (today is {as_of})")
    return Offer(
        provider=text["provider"],
        region=text["region"],
        region_kind=text["region_kind"],
        zone=text["zone"],
        instance_type=text["instance_type"],
        tier=tier,
        market=text["market"],
        kind=_kind(text, tier, term_months, where),
        term_months=term_months,
        payment=_payment(text, tier, usd_per_hour, upfront_usd, where),
        contract=text["contract"],
        usd_per_hour=usd_per_hour,
        upfront_usd=upfront_usd,
        max_instances=_whole(text, "max_instances", where, 1, 10**9) if text["max_instances"] else None,
        valid_until=valid_until,
        observed_on=observed_on,
        observed_on_is_lower_bound=_flag(text, "observed_on_is_lower_bound", where),
        source=text["source"],
    )


def _kind(text: Mapping[str, str], tier: Tier, term_months: int, where: str) -> str:
    kind = text["kind"]
    if tier != Tier.RESERVED:
        for name in ("kind", "payment"):
            if text[name]:
                raise bad_value(where, name, text[name], f"belongs to the reserved tier, this row is {tier}")
        if term_months:
            raise bad_value(where, "term_months", text["term_months"], f"must be blank or 0 for {tier}")
    elif not term_months:
        raise bad_value(
            where, "term_months", text["term_months"], "a reserved price needs its term, such as 12"
        )
    elif not kind:
        raise bad_value(where, "kind", "", f"a reserved price needs its kind, such as {', '.join(KINDS)}")
    return kind


def _payment(
    text: Mapping[str, str], tier: Tier, usd_per_hour: Decimal, upfront_usd: Decimal, where: str
) -> str:
    if tier != Tier.RESERVED:
        return ""
    paid = (
        "partial_upfront" if usd_per_hour and upfront_usd else "no_upfront" if usd_per_hour else "all_upfront"
    )
    if text["payment"]:
        _one_of(text, "payment", PAYMENTS, where)
        if text["payment"] != paid:
            amounts = f"usd_per_hour {money_text(usd_per_hour)} and upfront_usd {money_text(upfront_usd)}"
            raise bad_value(where, "payment", text["payment"], f"{amounts} mean {paid}")
    return paid


def _one_of(text: Mapping[str, str], name: str, known: tuple[str, ...], where: str) -> str:
    if text[name] not in known:
        raise bad_value(where, name, text[name], did_you_mean(text[name], known))
    return text[name]


def _money(text: Mapping[str, str], name: str, where: str, limit: Decimal) -> Decimal:
    value = text[name]
    if not _NUMBER.fullmatch(value):
        raise bad_value(where, name, value, "must be a positive decimal number of USD, such as 55.04")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise bad_value(where, name, value, "is not a number") from error
    exponent = amount.as_tuple().exponent
    if amount > limit or not isinstance(exponent, int) or exponent < -18:
        raise bad_value(where, name, value, f"must be at most {limit} USD, with at most 18 decimals")
    return amount


def _whole(text: Mapping[str, str], name: str, where: str, least: int, most: int) -> int:
    value = text[name]
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise bad_value(where, name, value, f"must be a whole number from {least} to {most}")
    return int(value)


def _flag(text: Mapping[str, str], name: str, where: str) -> bool:
    value = text[name].casefold()
    if value not in ("", "true", "false"):
        raise bad_value(where, name, text[name], "must be true, false or blank")
    return value == "true"


def _date(text: Mapping[str, str], name: str, where: str) -> date:
    value = text[name]
    try:
        if len(value) != len("2026-11-09"):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError as error:
        raise bad_value(where, name, value, "must be a date like 2026-11-09") from error
