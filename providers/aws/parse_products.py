"""EC2's price list, pure: products as GetProducts gives them to the prices of instance types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from providers.aws.payload import usd
from providers.aws.places import region_kind
from providers.errors import UnexpectedPayload
from providers.offer import Missing, Offer, Tier, to_nano_usd

GPU_FAMILY = "GPU instance"
BARE_METAL = "Compute Instance (bare metal)"
PRODUCT_FAMILIES = ("Compute Instance", BARE_METAL)
# Linux without licences on shared hosts, used (not a reservation's $0 sibling) and bought on demand (not the $0
# twin of a Capacity Block).
AXES = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "licenseModel": "No License required",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
TENANCIES = ("Shared", "Dedicated")
TERM_MONTHS = {"1yr": 12, "3yr": 36}
KIND_OF_CLASS = {"standard": "reserved_instance", "convertible": "reserved_instance_convertible"}
PAYMENT_OF_OPTION = {
    "noupfront": "no_upfront",
    "partialupfront": "partial_upfront",
    "allupfront": "all_upfront",
}
UNITS_OF_PAYMENT = {
    "no_upfront": {"Hrs"},
    "partial_upfront": {"Hrs", "Quantity"},
    "all_upfront": {"Quantity"},
}


@dataclass(frozen=True, kw_only=True)
class Product:
    """The one product that an instance type is in a region; terms are as the price list has them."""

    instance_type: str
    region: str
    region_kind: str
    bare_metal: bool
    attributes: Mapping[str, str]
    sku: str
    version: str
    on_demand: Mapping[str, Any]
    reserved: Mapping[str, Any]

    @property
    def source(self) -> str:
        """Where its prices come from."""
        return f"AWS Price List {self.version} sku {self.sku}"


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What a region's price list sells: products by known instance type, and GPU types that no shape knows."""

    products: Mapping[str, Product]
    unknown_gpu_types: frozenset[str]
    counts: Counter[str]
    version: str


def read_catalogue(rows: Iterable[Mapping[str, Any]], region: str, known: Collection[str]) -> Catalogue:
    """The products of a region by instance type, exactly one of each known type.

    Raises UnexpectedPayload where a field is gone, or where two products are left of one known type: then AWS
    has added an axis, which the message names. Of a type that is not known, any number may be left.
    """
    counts: Counter[str] = Counter()
    found: dict[str, Product] = {}
    unknown: set[str] = set()
    version = ""
    for row in rows:
        counts["products"] += 1
        product = _product(row, region, counts)
        if product is None:
            continue
        version = max(version, product.version)
        if product.instance_type not in known:
            if product.on_demand:
                unknown.add(product.instance_type)
            continue
        standing = found.get(product.instance_type)
        found[product.instance_type] = _the_one(standing, product, counts) if standing else product
    return Catalogue(products=found, unknown_gpu_types=frozenset(unknown), counts=counts, version=version)


def on_demand_price(product: Product, observed_on: date, counts: Counter[str]) -> Offer | Missing:
    """What an hour costs without any commitment. Raises UnexpectedPayload."""
    if not product.on_demand:
        return _missing(product, Tier.ON_DEMAND, "listed without an on-demand price", observed_on)
    if len(product.on_demand) > 1:
        raise _odd(product, f"{len(product.on_demand)} on-demand terms instead of one")
    (term,) = product.on_demand.values()
    amounts = _amounts(product, term)
    if set(amounts) != {"Hrs"}:
        raise _odd(product, f"an on-demand price per {', '.join(sorted(amounts)) or 'nothing'}, not per hour")
    hourly = amounts["Hrs"]
    if isinstance(hourly, str):
        counts[f"left out: priced in {hourly}"] += 1
        return _missing(product, Tier.ON_DEMAND, f"priced in {hourly}, not in USD", observed_on)
    if not hourly:
        counts["left out: zero price"] += 1
        return _missing(product, Tier.ON_DEMAND, "the price list says 0, which is no price", observed_on)
    return Offer(**_place(product, Tier.ON_DEMAND, observed_on), usd_per_hour=hourly)


def reserved_prices(product: Product, observed_on: date, counts: Counter[str]) -> list[Offer | Missing]:
    """The Reserved Instance terms: 1 and 3 years, standard and convertible, three ways to pay.

    A term's effectiveDate is the day its price was last changed, 2017 for some in force today: it decides
    nothing. Raises UnexpectedPayload for a length, class or way to pay that is not known.
    """
    prices: list[Offer | Missing] = []
    for term in product.reserved.values():
        kind, months, payment = _reserved_axes(product, term)
        amounts = _amounts(product, term)
        if set(amounts) - {"Hrs", "Quantity"}:
            raise _odd(product, f"a reserved price per {', '.join(sorted(amounts))}")
        if not UNITS_OF_PAYMENT[payment] <= set(amounts):
            raise _odd(product, f"{payment} without a price per {' or '.join(UNITS_OF_PAYMENT[payment])}")
        if foreign := next((amount for amount in amounts.values() if isinstance(amount, str)), ""):
            counts[f"left out: priced in {foreign}"] += 1
            return [_missing(product, Tier.RESERVED, f"priced in {foreign}, not in USD", observed_on)]
        hourly = Decimal(amounts.get("Hrs", 0))
        upfront = Decimal(amounts.get("Quantity", 0))
        if not hourly and not upfront:
            counts["left out: zero price"] += 1
            continue
        if payment != _payment(hourly, upfront):
            raise _odd(
                product,
                f"{payment} at {hourly.normalize():f} USD per hour and {upfront.normalize():f} USD upfront",
            )
        prices.append(
            Offer(
                **_place(product, Tier.RESERVED, observed_on),
                kind=kind,
                term_months=months,
                payment=payment,
                usd_per_hour=hourly,
                upfront_usd=upfront,
            )
        )
    return prices


def _product(row: Mapping[str, Any], region: str, counts: Counter[str]) -> Product | None:
    """The product of a row, None where it is something else; what else is counted."""
    product = row.get("product")
    attributes = product.get("attributes") if isinstance(product, dict) else None
    if not isinstance(product, dict) or not isinstance(attributes, dict):
        raise UnexpectedPayload(f"aws: price list of {region}: an entry without product attributes")
    if _need(attributes, "regionCode", region) != region:
        counts["left out: another region or none"] += 1
        return None
    tenancy = _need(attributes, "tenancy", region)
    family = str(product.get("productFamily", ""))
    wanted = AXES | {"instanceFamily": GPU_FAMILY}
    for axis, value in wanted.items():
        if _need(attributes, axis, region) != value:
            counts[f"left out: {axis} {attributes[axis]}"] += 1
            return None
    if family not in PRODUCT_FAMILIES:
        counts[f"left out: product family {family}"] += 1
        return None
    if tenancy not in TENANCIES or (tenancy == "Dedicated" and family != BARE_METAL):
        counts[f"left out: tenancy {tenancy}"] += 1
        return None
    location_type = _need(attributes, "locationType", region)
    try:
        kind = region_kind(region, location_type)
    except KeyError:
        raise UnexpectedPayload(f"aws: price list of {region}: locationType {location_type!r}") from None
    terms = row.get("terms")
    if not isinstance(terms, dict):
        raise UnexpectedPayload(f"aws: price list of {region}: an entry without terms")
    return Product(
        instance_type=_need(attributes, "instanceType", region),
        region=region,
        region_kind=kind,
        bare_metal=family == BARE_METAL,
        attributes=attributes,
        sku=str(product.get("sku", "")),
        version=str(row.get("version", "")),
        on_demand=terms.get("OnDemand") or {},
        reserved=terms.get("Reserved") or {},
    )


def _the_one(standing: Product, product: Product, counts: Counter[str]) -> Product:
    """Which of two products of one type is meant. Raises UnexpectedPayload naming the axis AWS has added."""
    if standing.sku == product.sku:
        counts["left out: listed twice"] += 1
        return standing
    tenancies = {standing.attributes["tenancy"], product.attributes["tenancy"]}
    if standing.bare_metal and product.bare_metal and len(tenancies) == 2:
        counts["left out: bare metal listed under both tenancies"] += 1
        return standing if standing.attributes["tenancy"] == "Shared" else product
    names = sorted(set(standing.attributes) | set(product.attributes))
    differs = [
        f"{name} ({standing.attributes.get(name)} or {product.attributes.get(name)})"
        for name in names
        if standing.attributes.get(name) != product.attributes.get(name)
    ]
    axis = ", ".join(differs) or "no attribute"
    raise _odd(product, f"two products, {standing.sku} and {product.sku}; what differs: {axis}")


def _reserved_axes(product: Product, term: Mapping[str, Any]) -> tuple[str, int, str]:
    """(kind, term in months, payment) of a Reserved term."""
    attributes = term.get("termAttributes", {})
    option = str(attributes.get("PurchaseOption", "")).replace(" ", "").casefold()
    try:
        months = TERM_MONTHS[attributes["LeaseContractLength"]]
        return KIND_OF_CLASS[attributes["OfferingClass"]], months, PAYMENT_OF_OPTION[option]
    except KeyError as error:
        raise _odd(product, f"a reserved term with unknown {error.args[0]!r}: {dict(attributes)}") from None


def _amounts(product: Product, term: Mapping[str, Any]) -> dict[str, Decimal | str]:
    """What a term costs by unit; a currency's name instead where the price is not in USD.

    Keys of terms and dimensions are random, so values are what is read.
    """
    where = f"price list of {product.region}: {product.instance_type}"
    amounts: dict[str, Decimal | str] = {}
    for dimension in (term.get("priceDimensions") or {}).values():
        unit, prices = str(dimension.get("unit", "")), dimension.get("pricePerUnit") or {}
        if unit in amounts:
            raise _odd(product, f"two prices per {unit} in one term: a tier or an axis is new")
        if not prices:
            raise _odd(product, f"no price per {unit} in a term")
        named = "/".join(sorted(prices))
        amounts[unit] = to_nano_usd(usd(prices["USD"], where)) if "USD" in prices else named
    return amounts


def _payment(hourly: Decimal, upfront: Decimal) -> str:
    if not hourly:
        return "all_upfront"
    return "partial_upfront" if upfront else "no_upfront"


def _place(product: Product, tier: Tier, observed_on: date) -> dict[str, Any]:
    return {
        "provider": "aws",
        "region": product.region,
        "region_kind": product.region_kind,
        "zone": "",
        "instance_type": product.instance_type,
        "tier": tier,
        "observed_on": observed_on,
        "source": product.source,
    }


def _missing(product: Product, tier: Tier, reason: str, observed_on: date) -> Missing:
    return Missing(**_place(product, tier, observed_on), reason=reason)


def _need(attributes: Mapping[str, str], name: str, region: str) -> str:
    try:
        return attributes[name]
    except KeyError:
        raise UnexpectedPayload(f"aws: price list of {region}: a product without {name}") from None


def _odd(product: Product, what: str) -> UnexpectedPayload:
    return UnexpectedPayload(f"aws: price list of {product.region}: {product.instance_type}: {what}")
