"""From rates to machines: the price of a whole machine is the sum of all its parts, or there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from providers.errors import UnexpectedPayload
from providers.fetch import Scope
from providers.gcp.grammar import LOCAL_SSD, Terms
from providers.gcp.machines import MACHINES, Machine
from providers.gcp.parse import Rate, Rates
from providers.offer import REGION, STANDARD, Missing, Offer, Tier, to_nano_usd
from providers.shape import InstanceShape

PROVIDER = "gcp"
CATALOGUE = "Cloud Billing Catalog"
FLEX_START = "flex_start"

TERMS_OF_TIER: dict[Tier, tuple[Terms, ...]] = {
    Tier.ON_DEMAND: (Terms.ON_DEMAND,),
    Tier.SPOT: (Terms.SPOT,),
    Tier.RESERVED: (Terms.ONE_YEAR, Terms.THREE_YEARS),
}
_MONTHS = {Terms.ONE_YEAR: 12, Terms.THREE_YEARS: 36}


class Whole(NamedTuple):
    """A machine with all its parts; usd_per_hour rounded half up to 1e-9 USD, once, at the end."""

    usd_per_hour: Decimal
    skus: tuple[str, ...]


class Lacking(NamedTuple):
    """A machine whose GPU is sold on these terms, but not all that it needs beside it."""

    items: tuple[str, ...]


@dataclass(kw_only=True)
class Prices:
    """What a scope turned out to hold."""

    offers: list[Offer] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def compose(
    shape: InstanceShape, machine: Machine, rates: Rates, terms: Terms, region: str
) -> Whole | Lacking | None:
    """The machine's price, its lacking parts, or None where its GPU is not sold there on these terms.

    Core and RAM say nothing of what is sold: several machine types share them. Raises UnexpectedPayload where
    a rate it needs cannot be trusted.
    """
    gpu = rates.of(f"{machine.gpu} GPU", terms, region)
    if gpu is None:
        return None
    parts: list[tuple[Decimal, str, Rate | None]] = [(Decimal(shape.gpu_count), machine.gpu, gpu)]
    if machine.host:
        core, memory = f"{machine.host} core", f"{machine.host} RAM"
        parts.append((Decimal(shape.vcpus), core, rates.of(core, terms, region)))
        parts.append((Decimal(str(shape.memory_gib)), memory, rates.of(memory, terms, region)))
    if machine.ssd_gib:
        parts.append((Decimal(machine.ssd_gib), LOCAL_SSD, _ssd_rate(machine, rates, terms, region)))
    lacking = tuple(item for _, item, rate in parts if rate is None)
    if lacking:
        return Lacking(lacking)
    priced = [(amount, rate) for amount, _, rate in parts if rate is not None]
    usd = sum((amount * rate.usd for amount, rate in priced), Decimal(0))
    skus = tuple(rate.sku for _, rate in priced)
    return Whole(to_nano_usd(usd), skus)


def _ssd_rate(machine: Machine, rates: Rates, terms: Terms, region: str) -> Rate | None:
    """The series' own local SSD if it has one, else the general one. Local SSD is committed by SKUs of its own;
    where a region has none, disks of a committed machine are billed on demand.
    """
    asked = (terms, Terms.ON_DEMAND) if terms in _MONTHS else (terms,)
    for term in asked:
        for item in (f"{machine.host} {LOCAL_SSD}", LOCAL_SSD):
            if rate := rates.of(item, term, region):
                return rate
    return None


def price_scope(shapes: list[InstanceShape], rates: Rates, scope: Scope, day: date) -> Prices:
    """Every offer of a region and tier, and a Missing where a machine is sold there but has no such price.

    A machine is sold in a region where its GPU is, on any terms. Raises UnexpectedPayload where a rate that a
    machine needs cannot be trusted.
    """
    prices = Prices()
    for shape in shapes:
        machine = MACHINES.get(shape.instance_type)
        place: dict[str, Any] = {
            "provider": PROVIDER,
            "region": scope.region,
            "region_kind": REGION,
            "zone": "",
            "instance_type": shape.instance_type,
            "tier": scope.tier,
            "observed_on": day,
        }
        if machine is None:
            reason = "which SKUs make up this machine type is not known: providers/gcp/machines.py lacks it"
            prices.missing.append(Missing(**place, reason=reason, source=CATALOGUE))
            continue
        if machine.only_so and scope.tier is not Tier.SPOT:
            if (f"{machine.gpu} GPU", scope.region) in rates.sold:
                prices.missing.append(Missing(**place, reason=machine.only_so, source=CATALOGUE))
        else:
            _price_terms(shape, machine, rates, scope, place, prices)
        if scope.tier is Tier.ON_DEMAND:
            _add_flex_start(shape, machine, rates, place, prices)
    return prices


def _price_terms(
    shape: InstanceShape, machine: Machine, rates: Rates, scope: Scope, place: dict[str, Any], prices: Prices
) -> None:
    """A Missing speaks of the whole tier, so one lacking term beside another that is priced has none."""
    gaps: list[str] = []
    offers: list[Offer] = []
    for terms in TERMS_OF_TIER[scope.tier]:
        match compose(shape, machine, rates, terms, scope.region):
            case Whole() as whole:
                offers.append(_offer(place, whole, STANDARD, _MONTHS.get(terms, 0)))
            case Lacking(items):
                rates.counts[f"left out: machine with parts missing, {terms}"] += 1
                gaps.append(f"no price for {' and '.join(items)} ({terms}) in the catalogue")
    prices.offers += offers
    if gaps and not offers:
        prices.missing.append(Missing(**place, reason="; ".join(gaps), source=CATALOGUE))


def _add_flex_start(
    shape: InstanceShape, machine: Machine, rates: Rates, place: dict[str, Any], prices: Prices
) -> None:
    """Flex-start is a market beside the on-demand tier; it is offered where it is whole and counted elsewhere."""
    try:
        whole = compose(shape, machine, rates, Terms.FLEX_START, place["region"])
    except UnexpectedPayload:
        rates.counts["left out: flex-start machine with a doubtful part"] += 1
        return
    if isinstance(whole, Whole):
        prices.offers.append(_offer(place, whole, FLEX_START, 0))
    elif whole:
        rates.counts[f"left out: machine with parts missing, {Terms.FLEX_START}"] += 1


def _offer(place: dict[str, Any], whole: Whole, market: str, term_months: int) -> Offer:
    return Offer(
        **place,
        market=market,
        kind="committed_use" if term_months else "",
        term_months=term_months,
        payment="no_upfront" if term_months else "",
        usd_per_hour=whole.usd_per_hour,
        source=f"{CATALOGUE} skus {'+'.join(whole.skus)}",
    )
