"""The schema of price files: what each cell may say, and the Offer or Missing that a row of cells is.

read_cell is the only reader of a cell. What several cells of a row may say together stands twice: here row by
row, with a message for each fault, and in table.py over whole columns, for speed; a test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from optimiser.errors import bad_value, did_you_mean
from optimiser.files import day_from
from providers.offer import REGION, STANDARD, Missing, Offer, Tier

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
REGION_KINDS = (REGION, "government", "local_zone", "wavelength")
KINDS = (
    "reserved_instance",
    "reserved_instance_convertible",
    "committed_use",
    "savings_plan",
    "compute_savings_plan",
    "ec2_instance_savings_plan",
)
PAYMENTS = ("no_upfront", "partial_upfront", "all_upfront")
DEFAULTS = {"region_kind": REGION, "market": STANDARD}
NOT_BLANK = ("provider", "region", "instance_type", "tier", "observed_on", "source")
IN_OFFER_ID = ("provider", "region", "zone", "instance_type", "market", "kind", "contract")
CHOICES: dict[str, tuple[str, ...]] = {
    "region_kind": REGION_KINDS,
    "tier": tuple(Tier),
    "payment": PAYMENTS,
}
MOST_USD = {"usd_per_hour": Decimal(100_000), "upfront_usd": Decimal(1_000_000_000)}
MOST_DECIMALS = 18
WHOLE_NUMBERS = {"term_months": (0, 120), "max_instances": (1, 10**9)}
_BLANK: dict[str, Any] = {
    "usd_per_hour": None,
    "upfront_usd": Decimal(0),
    "term_months": 0,
    "max_instances": None,
    "valid_until": None,
    "observed_on_is_lower_bound": False,
}
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?", re.ASCII)
_PLAIN_NUMBER = re.compile(r"\d{1,12}(\.\d{1,18})?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,12}", re.ASCII)


def read_cell(name: str, text: str, where: str) -> Any:
    """What a cell says: text, Decimal, int, date or bool by its column; a blank one says the column's default.

    text is stripped; where names file and line. Raises UsageError naming line, field and value.
    """
    text = text or DEFAULTS.get(name, "")
    if text:
        return _READERS.get(name, _text)(name, text, where)
    if name in NOT_BLANK:
        raise bad_value(where, name, "", "must not be blank")
    return _BLANK.get(name, "")


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
    cells = {name: read_cell(name, row.get(name, ""), where) for name in COLUMNS}
    if cells["zone"] and cells["tier"] != Tier.SPOT:
        raise bad_value(where, "zone", cells["zone"], f"only spot has zones, this row is {cells['tier']}")
    if as_of and cells["observed_on"] > as_of:
        raise bad_value(where, "observed_on", row["observed_on"], "lies in the future")
    if cells["usd_per_hour"] is None:
        if not cells["missing_reason"]:
            raise bad_value(where, "usd_per_hour", "", "a row without a price needs a missing_reason")
        return _missing(cells)
    if cells["missing_reason"]:
        right = "a row has a price or a reason, not both"
        raise bad_value(where, "missing_reason", cells["missing_reason"], right)
    valid_until = cells["valid_until"]
    if as_of and valid_until and valid_until < as_of:
        raise bad_value(where, "valid_until", row["valid_until"], f"has passed (today is {as_of})")
    _check_amounts(cells, row, where)
    _check_terms(cells, row, where)
    return _offer(cells)


def payment_of(usd_per_hour: Decimal, upfront_usd: Decimal) -> str:
    """How a commitment of these amounts is paid."""
    if not usd_per_hour:
        return "all_upfront"
    return "partial_upfront" if upfront_usd else "no_upfront"


def _missing(cells: Mapping[str, Any]) -> Missing:
    shared = ("provider", "region", "region_kind", "zone", "instance_type", "observed_on", "source")
    return Missing(
        **{name: cells[name] for name in shared}, tier=Tier(cells["tier"]), reason=cells["missing_reason"]
    )


def _offer(cells: Mapping[str, Any]) -> Offer:
    fields = {name: value for name, value in cells.items() if name != "missing_reason"}
    fields["tier"] = Tier(cells["tier"])
    if fields["tier"] == Tier.RESERVED:
        fields["payment"] = payment_of(cells["usd_per_hour"], cells["upfront_usd"])
    return Offer(**fields)


def _check_amounts(cells: Mapping[str, Any], row: Mapping[str, str], where: str) -> None:
    if cells["upfront_usd"] and not cells["term_months"]:
        raise bad_value(where, "upfront_usd", row["upfront_usd"], "an upfront payment needs term_months")
    if not cells["usd_per_hour"] + cells["upfront_usd"]:
        raise bad_value(where, "usd_per_hour", row["usd_per_hour"], "a price is never 0: say missing_reason")


def _check_terms(cells: Mapping[str, Any], row: Mapping[str, str], where: str) -> None:
    """UsageError where kind, payment and term are not those of the tier, or the payment not of the amounts."""
    tier, term, kind, payment = (cells[name] for name in ("tier", "term_months", "kind", "payment"))
    if tier != Tier.RESERVED:
        for name in ("kind", "payment"):
            if cells[name]:
                raise bad_value(where, name, cells[name], f"belongs to the reserved tier, this row is {tier}")
        if term:
            raise bad_value(where, "term_months", row["term_months"], f"must be blank or 0 for {tier}")
        return
    if not term:
        right = "a reserved price needs its term, such as 12"
        raise bad_value(where, "term_months", row.get("term_months", ""), right)
    if not kind:
        raise bad_value(where, "kind", "", f"a reserved price needs its kind, such as {', '.join(KINDS)}")
    hourly, upfront = cells["usd_per_hour"], cells["upfront_usd"]
    if payment and payment != payment_of(hourly, upfront):
        amounts = f"usd_per_hour {money_text(hourly)} and upfront_usd {money_text(upfront)}"
        raise bad_value(where, "payment", payment, f"{amounts} mean {payment_of(hourly, upfront)}")


def _text(name: str, text: str, where: str) -> str:
    if name in IN_OFFER_ID and "/" in text:
        raise bad_value(where, name, text, "must not contain a slash")
    if len(text.splitlines()) > 1:
        raise bad_value(where, name, text, "must stay on one line")
    return text


def _choice(name: str, text: str, where: str) -> str:
    if text not in CHOICES[name]:
        raise bad_value(where, name, text, did_you_mean(text, CHOICES[name]))
    return text


def _money(name: str, text: str, where: str) -> Decimal:
    limit = MOST_USD[name]
    if _PLAIN_NUMBER.fullmatch(text):
        amount, decimals = Decimal(text), 0
    else:
        if not _NUMBER.fullmatch(text):
            raise bad_value(where, name, text, "must be a positive decimal number of USD, such as 55.04")
        try:
            amount = Decimal(text)
        except InvalidOperation as error:
            raise bad_value(where, name, text, "is not a number") from error
        exponent = amount.as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) else 0
    if amount > limit or decimals > MOST_DECIMALS:
        right = f"must be at most {limit} USD, with at most {MOST_DECIMALS} decimals"
        raise bad_value(where, name, text, right)
    return amount


def _whole(name: str, text: str, where: str) -> int:
    least, most = WHOLE_NUMBERS[name]
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise bad_value(where, name, text, f"must be a whole number from {least} to {most}")
    return int(text)


def _flag(name: str, text: str, where: str) -> bool:
    if text.casefold() not in ("true", "false"):
        raise bad_value(where, name, text, "must be true, false or blank")
    return text.casefold() == "true"


def _day(name: str, text: str, where: str) -> date:
    try:
        return day_from(text)
    except ValueError as error:
        raise bad_value(where, name, text, str(error)) from None


_READERS: dict[str, Callable[[str, str, str], Any]] = {
    **dict.fromkeys(CHOICES, _choice),
    **dict.fromkeys(MOST_USD, _money),
    **dict.fromkeys(WHOLE_NUMBERS, _whole),
    "valid_until": _day,
    "observed_on": _day,
    "observed_on_is_lower_bound": _flag,
}
