"""Entries of AWS's price list, spot market and Savings Plans as the APIs shape them, one or a whole catalogue.

Amounts of the full-size catalogue are made up. Run as a program it serves that catalogue until its standard
input closes, and first prints the environment to use, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aws_server import SPOT_ADVISOR_PATH, AwsFake

Row = dict[str, Any]
VERSION = "20260910195514"
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1"),
    *("eu-south-2", "ap-south-1", "ap-south-2", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2"),
    *("ap-northeast-3", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("ap-southeast-5", "ap-southeast-7", "me-south-1", "me-central-1", "af-south-1", "il-central-1"),
    *("mx-central-1", "us-gov-west-1"),
)
OPTIONS = ("No Upfront", "Partial Upfront", "All Upfront")


def product(
    instance_type: str,
    region: str = "us-east-1",
    *,
    usd: str | None = "1.0000000000",
    sku: str = "",
    family: str = "Compute Instance",
    reserved: Mapping[str, Any] | None = None,
    version: str = VERSION,
    **attributes: str,
) -> Row:
    """A GetProducts entry; usd None leaves terms.OnDemand out. attributes override or add to the usual ones."""
    sku = sku or f"{region}-{instance_type}".upper().replace("-", "").replace(".", "")[:16]
    terms: Row = {} if usd is None else {"OnDemand": {f"{sku}.JRTCKXETXF": on_demand_term(sku, usd)}}
    if reserved is not None:
        terms["Reserved"] = dict(reserved)
    usual = {
        "capacitystatus": "Used",
        "gpu": "1",
        "instanceFamily": "GPU instance",
        "instanceType": instance_type,
        "licenseModel": "No License required",
        "locationType": "AWS Region",
        "marketoption": "OnDemand",
        "operatingSystem": "Linux",
        "operation": "RunInstances",
        "preInstalledSw": "NA",
        "regionCode": region,
        "servicecode": "AmazonEC2",
        "tenancy": "Shared",
        "usagetype": f"BoxUsage:{instance_type}",
    }
    return {
        "product": {"productFamily": family, "attributes": {**usual, **attributes}, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": terms,
        "version": version,
    }


def on_demand_term(
    sku: str, usd: str, currency: str = "USD", codes: tuple[str, str] = ("JRTCKXETXF", "6YS6EN2CT7")
) -> Row:
    """A term of terms.OnDemand; codes are the offer term's and the rate's."""
    term, rate = codes
    dimension = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "appliesTo": [],
        "rateCode": f"{sku}.{term}.{rate}",
        "pricePerUnit": {currency: usd},
    }
    return {
        "sku": sku,
        "offerTermCode": term,
        "effectiveDate": "2026-09-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {f"{sku}.{term}.{rate}": dimension},
    }


def reserved_term(
    code: str, length: str, offering_class: str, option: str, hourly: str | None, upfront: str | None
) -> Row:
    """A term of terms.Reserved; an amount of None leaves its dimension out."""
    dimensions: Row = {}
    if upfront is not None:
        dimensions[f"{code}.2TG2D8R56U"] = {"unit": "Quantity", "pricePerUnit": {"USD": upfront}}
    if hourly is not None:
        dimensions[f"{code}.6YS6EN2CT7"] = {"unit": "Hrs", "pricePerUnit": {"USD": hourly}}
    return {
        "offerTermCode": code,
        "effectiveDate": "2017-10-31T23:59:59Z",
        "termAttributes": {
            "LeaseContractLength": length,
            "OfferingClass": offering_class,
            "PurchaseOption": option,
        },
        "priceDimensions": dimensions,
    }


def twelve_terms(usd: float) -> Row:
    """All Reserved terms of a machine of that on-demand price, in USD per hour."""
    terms = {}
    for length, hours, share in (("1yr", 8760, 0.62), ("3yr", 26280, 0.42)):
        for offering_class, more in (("standard", 1.0), ("convertible", 1.15)):
            for option, paid in zip(OPTIONS, (0.0, 0.5, 1.0), strict=True):
                rate = usd * share * more * (1 - 0.03 * paid)
                hourly, upfront = f"{rate * (1 - paid):.10f}", f"{rate * paid * hours:.0f}"
                code = f"{length}{offering_class[:2]}{option[:2]}".upper()
                terms[code] = reserved_term(
                    code, length, offering_class, option, hourly, upfront if paid else None
                )
    return terms


def savings_rate(instance_type: str, region: str = "us-east-1", **changes: Any) -> Row:
    """A search result of DescribeSavingsPlansOfferingRates; changes reach into any level by field name."""
    offering = {
        "offeringId": "11111111-2222-3333-4444-555555555555",
        "paymentOption": "No Upfront",
        "planType": "Compute",
        "durationSeconds": 31536000,
        "currency": "USD",
    }
    properties = {
        "region": region,
        "instanceType": instance_type,
        "productDescription": "Linux/UNIX",
        "tenancy": "shared",
    }
    row: Row = {
        "rate": "0.5",
        "unit": "Hrs",
        "productType": "EC2",
        "serviceCode": "AmazonEC2",
        "usageType": f"BoxUsage:{instance_type}",
        "operation": "RunInstances",
    }
    for name, value in changes.items():
        next(level for level in (offering, properties, row) if name in level)[name] = value
    listed = [{"name": name, "value": value} for name, value in properties.items()]
    return {"savingsPlanOffering": offering, "properties": listed, **row}


def spot_row(instance_type: str, zone: str, usd: str, since: datetime, **changes: Any) -> Row:
    """A row of DescribeSpotPriceHistory; zone is an id such as use1-az4, a change to None leaves a field out."""
    row = {
        "AvailabilityZone": f"name-of-{zone}",
        "AvailabilityZoneId": zone,
        "InstanceType": instance_type,
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": usd,
        "Timestamp": since,
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


class FullSize:
    """Every region sells every type, 12 Reserved terms and 12 Savings Plan rates each, spot in three zones.

    usd_of is the on-demand price of each type; without it they rise by 10 cents from one type to the next.
    """

    def __init__(
        self,
        types: Sequence[str],
        regions: Sequence[str] = REGIONS,
        usd_of: Mapping[str, float] | None = None,
    ) -> None:
        self.usd_of = usd_of or {name: 1 + number / 10 for number, name in enumerate(types)}
        self.types = tuple(types)
        self.regions = tuple(regions)
        self.since = datetime.now(UTC).replace(microsecond=0)

    def fake(self) -> AwsFake:
        """A server that sells it."""
        return AwsFake(
            products_by_region=self.products,
            savings_by_region=self.savings,
            spot_by_region=self.spot,
            opt_in=dict.fromkeys(
                (name for name in self.regions if not name.startswith("us-gov")), "opt-in-not-required"
            ),
            region_codes=self.regions,
            files={SPOT_ADVISOR_PATH: self.advisor()},
            page_size=1000,
        )

    def advisor(self) -> bytes:
        """The spot advisor's file: every type interrupted in 5 to 10 % of a month, 70 % off."""
        linux = {name: {"s": 70, "r": 1} for name in self.types}
        return json.dumps({"spot_advisor": {region: {"Linux": linux} for region in self.regions}}).encode()

    def products(self, region: str) -> Iterator[Row]:
        """The price list of a region, made as it is read."""
        for name in self.types:
            usd = self.usd_of[name]
            metal = {"family": "Compute Instance (bare metal)"} if name.endswith(".metal") else {}
            yield product(
                name, region, usd=f"{usd:.10f}", sku=f"{region}-{name}", reserved=twelve_terms(usd), **metal
            )

    def savings(self, region: str) -> Iterator[Row]:
        """The Savings Plan rates of a region."""
        for name in self.types:
            for plan in ("Compute", "EC2Instance"):
                for seconds, share in ((31536000, 0.7), (94608000, 0.5)):
                    for option in OPTIONS:
                        yield savings_rate(
                            name,
                            region,
                            planType=plan,
                            durationSeconds=seconds,
                            paymentOption=option,
                            rate=f"{self.usd_of[name] * share:.5f}",
                        )

    def spot(self, region: str) -> Iterator[Row]:
        """The spot market of a region."""
        for name in self.types:
            for zone in (1, 2, 3):
                usd = f"{self.usd_of[name] * (0.3 + zone / 100):.6f}"
                yield spot_row(name, f"{region.replace('-', '')}-az{zone}", usd, self.since)


def main() -> None:
    """Serve the types named on the command line until standard input closes."""
    with FullSize(sys.argv[1:]).fake() as fake:
        print(json.dumps(fake.env), flush=True)  # noqa: T201 (this is the program's answer)
        sys.stdin.read()


if __name__ == "__main__":
    main()
