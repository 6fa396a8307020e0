"""Savings Plans, pure: the rates of the API and of the public files, and the offers they are.

The published rate is the discounted price of an hour whatever the payment; the payment decides when it is paid.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from providers.aws.json_stream import JsonStream
from providers.aws.parse_products import PAYMENT_OF_OPTION
from providers.aws.payload import usd
from providers.errors import UnexpectedPayload
from providers.offer import HOURS_PER_YEAR, Offer, Tier, to_nano_usd

KIND_OF_PLAN = {
    "compute": "compute_savings_plan",
    "computesavingsplans": "compute_savings_plan",
    "ec2instance": "ec2_instance_savings_plan",
    "ec2instancesavingsplans": "ec2_instance_savings_plan",
}
MONTHS_OF_SECONDS = {31_536_000: 12, 94_608_000: 36}
MONTHS_OF_TERM = {"1yr": 12, "3yr": 36}
SHARED_LINUX = {"productDescription": "Linux/UNIX", "tenancy": "shared"}
# BoxUsage is an instance that runs; UnusedBox and Reservation are capacity reservations at the same rate.
_BOX_USAGE = re.compile(r"(?:[A-Z0-9]+-)?BoxUsage:(.+)")
RUN_LINUX = "RunInstances"


@dataclass(frozen=True, kw_only=True)
class SavingsRate:
    """The price of an hour of one instance type under one plan, however it is paid."""

    instance_type: str
    kind: str
    term_months: int
    payment: str
    usd_per_hour: Decimal
    source: str

    @property
    def plan(self) -> tuple[str, str, int, str]:
        """What tells two rates of a region apart."""
        return self.instance_type, self.kind, self.term_months, self.payment


def rates_of_api(
    rows: Iterable[Mapping[str, Any]], region: str, types: Mapping[str, object], counts: Counter[str]
) -> list[SavingsRate]:
    """The rates for types among DescribeSavingsPlansOfferingRates' rows. Raises UnexpectedPayload."""
    source = "AWS DescribeSavingsPlansOfferingRates"
    return [rate for row in rows if (rate := _rate_of_api(row, region, types, source, counts))]


def rates_of_bulk(
    chunks: Iterable[bytes], region: str, type_of_sku: Mapping[str, str], counts: Counter[str]
) -> list[SavingsRate]:
    """The rates of one region's public file; type_of_sku are the EC2 products whose rates are wanted.

    The file is read as it comes, some hundred MB for the large regions. Raises UnexpectedPayload.
    """
    name = f"Savings Plans price list of {region}"
    version, plans, terms = _read_bulk(JsonStream(chunks, name), type_of_sku)
    rates: list[SavingsRate] = []
    for term in terms:
        plan = plans.get(term["sku"])
        if plan is None:
            raise UnexpectedPayload(f"aws: {name}: a term of an unknown plan {term['sku']}")
        rates += _rates_of_term(
            plan, term, type_of_sku, f"AWS Savings Plans price list {version}", name, counts
        )
    return rates


def version_path(index: Mapping[str, Any], region: str) -> str | None:
    """The path of a region's newest file in region_index.json; None where the region has no Savings Plans."""
    rows = index.get("regions")
    if not isinstance(rows, list):
        raise UnexpectedPayload("aws: Savings Plans region index: no regions in it")
    return next((str(row["versionUrl"]) for row in rows if row.get("regionCode") == region), None)


def savings_offers(
    rates: Iterable[SavingsRate], region: str, region_kind: str, observed_on: date
) -> list[Offer]:
    """The offers of the rates of a region, one per plan.

    All upfront pays the whole term at once, partial half of it, no upfront nothing. Raises UnexpectedPayload
    where one plan has two rates.
    """
    of_plan: dict[tuple[str, str, int, str], SavingsRate] = {}
    for rate in rates:
        standing = of_plan.setdefault(rate.plan, rate)
        if standing.usd_per_hour != rate.usd_per_hour:
            two = f"{standing.usd_per_hour} and {rate.usd_per_hour}"
            raise UnexpectedPayload(f"aws: Savings Plans in {region}: {rate.plan}: two rates, {two}")
    return [_offer(rate, region, region_kind, observed_on) for rate in of_plan.values()]


def _offer(rate: SavingsRate, region: str, region_kind: str, observed_on: date) -> Offer:
    share = {"no_upfront": Decimal(0), "partial_upfront": Decimal("0.5"), "all_upfront": Decimal(1)}[
        rate.payment
    ]
    hours = rate.term_months * HOURS_PER_YEAR // 12
    return Offer(
        provider="aws",
        region=region,
        region_kind=region_kind,
        zone="",
        instance_type=rate.instance_type,
        tier=Tier.RESERVED,
        kind=rate.kind,
        term_months=rate.term_months,
        payment=rate.payment,
        usd_per_hour=to_nano_usd(rate.usd_per_hour * (1 - share)),
        upfront_usd=to_nano_usd(rate.usd_per_hour * share * hours),
        observed_on=observed_on,
        source=rate.source,
    )


def _rate_of_api(
    row: Mapping[str, Any], region: str, types: Mapping[str, object], source: str, counts: Counter[str]
) -> SavingsRate | None:
    counts["savings plan rates"] += 1
    name = f"DescribeSavingsPlansOfferingRates in {region}"
    try:
        offering = row["savingsPlanOffering"]
        properties = {entry["name"]: entry["value"] for entry in row["properties"]}
        instance_type = properties["instanceType"]
        usage, operation, unit = row["usageType"], row["operation"], row["unit"]
        found = {"region": properties["region"], **{axis: properties[axis] for axis in SHARED_LINUX}}
        months = MONTHS_OF_SECONDS.get(offering["durationSeconds"])
        kind = KIND_OF_PLAN.get(offering["planType"].casefold())
        payment = PAYMENT_OF_OPTION.get(offering["paymentOption"].replace(" ", "").casefold())
        currency, text = offering["currency"], row["rate"]
    except (KeyError, TypeError) as error:
        raise UnexpectedPayload(f"aws: {name}: a rate without {error}") from None
    wanted = {"region": region, **SHARED_LINUX}
    other = next((axis for axis, value in wanted.items() if found[axis] != value), "")
    box = _BOX_USAGE.fullmatch(usage)
    reasons = {
        f"{other} {found.get(other)}": bool(other),
        f"usage type {usage.split(':')[0]}": not box or operation != RUN_LINUX,
        f"unit {unit}": unit != "Hrs",
        f"priced in {currency}": currency != "USD",
        "savings plan of another length": months is None,
        "savings plan of another kind": kind is None,
        "instance type not listed": instance_type not in types,
    }
    if payment is None:
        raise UnexpectedPayload(f"aws: {name}: paymentOption {offering['paymentOption']!r}")
    amount = usd(text, name)
    reasons["zero price"] = not amount
    if reason := next((reason for reason, holds in reasons.items() if holds), ""):
        counts[f"left out: {reason}"] += 1
        return None
    return SavingsRate(
        instance_type=instance_type,
        kind=kind or "",
        term_months=months or 0,
        payment=payment,
        usd_per_hour=amount,
        source=source,
    )


def _read_bulk(
    stream: JsonStream, wanted: Mapping[str, str]
) -> tuple[str, dict[str, Mapping[str, Any]], list[dict[str, Any]]]:
    """(version, plans by sku, terms with their wanted rates), whatever the order of the file's parts."""
    version = ""
    plans: dict[str, Mapping[str, Any]] = {}
    terms: list[dict[str, Any]] = []
    for key in stream.keys():  # noqa: SIM118 (a cursor, not a mapping)
        if key == "products":
            for _ in stream.items():
                product = stream.value()
                plans[product["sku"]] = product
        elif key == "terms":
            for part in stream.keys():  # noqa: SIM118
                if part == "savingsPlan":
                    terms += [_read_term(stream, wanted) for _ in stream.items()]
                else:
                    stream.value()
        else:
            value = stream.value()
            version = str(value) if key == "version" else version
    return version, plans, terms


def _read_term(stream: JsonStream, wanted: Mapping[str, str]) -> dict[str, Any]:
    term: dict[str, Any] = {"sku": "", "rates": []}
    for key in stream.keys():  # noqa: SIM118
        if key == "rates":
            term["rates"] = [
                rate for _ in stream.items() if (rate := stream.value()).get("discountedSku") in wanted
            ]
        else:
            term[key] = stream.value()
    return term


def _rates_of_term(
    plan: Mapping[str, Any],
    term: Mapping[str, Any],
    type_of_sku: Mapping[str, str],
    source: str,
    name: str,
    counts: Counter[str],
) -> Iterator[SavingsRate]:
    attributes = plan.get("attributes", {})
    kind = KIND_OF_PLAN.get(str(plan.get("productFamily", "")).replace(" ", "").casefold())
    if kind is None:
        counts["left out: savings plan of another kind"] += len(term["rates"])
        return
    option = str(attributes.get("purchaseOption", ""))
    payment = PAYMENT_OF_OPTION.get(option.replace(" ", "").casefold())
    months = MONTHS_OF_TERM.get(str(attributes.get("purchaseTerm", "")))
    lease = term.get("leaseContractLength", {})
    if (
        payment is None
        or months is None
        or (lease.get("duration"), lease.get("unit")) != (months // 12, "year")
    ):
        raise UnexpectedPayload(f"aws: {name}: plan {term['sku']}: {dict(attributes)}, lease {lease}")
    for rate in term["rates"]:
        counts["savings plan rates"] += 1
        price = rate.get("discountedRate", {})
        if price.get("currency") != "USD" or rate.get("unit") != "Hrs":
            counts[f"left out: priced in {price.get('currency')} per {rate.get('unit')}"] += 1
        elif not (amount := usd(price.get("price"), name)):
            counts["left out: zero price"] += 1
        else:
            yield SavingsRate(
                instance_type=type_of_sku[rate["discountedSku"]],
                kind=kind,
                term_months=months,
                payment=payment,
                usd_per_hour=amount,
                source=f"{source} sku {rate['discountedSku']}",
            )
