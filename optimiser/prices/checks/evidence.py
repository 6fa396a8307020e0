"""What the checks look at, and how they write down what they find."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from optimiser.prices.refreshed import Finding, ScopePrices, Severity
from providers.fetch import Scope, SeenShape
from providers.offer import STANDARD, Offer, Tier
from providers.shape import InstanceShape

ALL_REGIONS = "*"
# Auctioned day by day rather than listed: such prices come, go and leap without anything being wrong.
DYNAMIC_MARKETS = frozenset({"capacity_block"})


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One provider's refresh as the checks see it.

    candidate is what was fetched, by covered scope; last_good what is in force, asked for or not; recent what an
    offer cost (USD/h all in, by offer id) in the days before, where that is needed; failed the scopes that could
    not be fetched; expected those that an honest answer covers or fails: all in force, and those of always_sold.
    shapes is keyed by (provider, instance type), gpu_memory_mib (of one GPU, as its driver reports it) by GPU
    name. reference_usd is the median USD/h all in, by (tier, instance type), of the embedded snapshot, for
    what has no price in force yet. now is when the fetch began (UTC).
    """

    provider: str
    now: datetime
    tiers: tuple[Tier, ...]
    candidate: Mapping[Scope, ScopePrices]
    last_good: Mapping[Scope, ScopePrices] = field(default_factory=dict)
    recent: Mapping[str, Collection[Decimal]] = field(default_factory=dict)
    failed: Collection[Scope] = ()
    expected: Collection[Scope] = ()
    shapes: Mapping[tuple[str, str], InstanceShape] = field(default_factory=dict)
    gpu_memory_mib: Mapping[str, int] = field(default_factory=dict)
    always_sold: Collection[tuple[str, str, str, Tier]] = ()
    seen_shapes: Collection[SeenShape] = ()
    reference_usd: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    unknown_gpu_types: Collection[str] = ()

    def offers(self) -> Iterator[tuple[Scope, Offer]]:
        """Every fetched offer with its scope."""
        for scope, prices in self.candidate.items():
            for offer in prices.offers:
                yield scope, offer

    def both(self) -> Iterator[tuple[Scope, ScopePrices, ScopePrices]]:
        """(scope, last good, candidate) of every scope that has both."""
        for scope, prices in self.candidate.items():
            before = self.last_good.get(scope)
            if before is not None:
                yield scope, before, prices

    def on_demand_usd(self, region: str) -> dict[tuple[str, str], Decimal]:
        """The list price on demand in USD/h by (region kind, instance type): as fetched, else as in force."""
        scope = Scope(self.provider, region, Tier.ON_DEMAND)
        prices = self.candidate.get(scope) or self.last_good.get(scope)
        return {
            (offer.region_kind, offer.instance_type): offer.usd_per_hour
            for offer in (prices.offers if prices else ())
            if offer.market == STANDARD and not offer.contract
        }

    def per_gpu_usd(self, offer: Offer) -> Decimal | None:
        """The price all in, in USD per GPU and hour; None where the instance type has no shape."""
        shape = self.shapes.get((offer.provider, offer.instance_type))
        return offer.amortised_usd_per_hour / shape.gpu_count if shape else None


def hold(check: str, scope: Scope, subject: str, message: str) -> Finding:
    """A finding that keeps the scope's last good prices in force."""
    return Finding(check=check, severity=Severity.HOLD, scope=scope, subject=subject, message=message)


def hold_price(check: str, scope: Scope, offer: Offer, message: str) -> Finding:
    """A finding on one price, which is part of its id unless such prices move by themselves."""
    value = "" if moves_by_itself(offer) else usd(offer.amortised_usd_per_hour)
    return replace(hold(check, scope, subject_of(offer), message), value=value)


def moves_by_itself(offer: Offer) -> bool:
    """Whether the price is a market's, another one from hour to hour, rather than a list's."""
    return offer.tier is Tier.SPOT or offer.market in DYNAMIC_MARKETS


def warn(check: str, scope: Scope, subject: str, message: str) -> Finding:
    """A finding that only says so."""
    return Finding(check=check, severity=Severity.WARN, scope=scope, subject=subject, message=message)


def subject_of(offer: Offer) -> str:
    """The offer within its scope: "p5.48xlarge" on demand, "use1-az1/p5.48xlarge" for a spot pool,
    "p5.48xlarge/reserved_instance/12m/no_upfront" for a commitment.
    """
    inside = offer.offer_id.removeprefix(f"{offer.provider}/{offer.region}/")
    zone, tier = (f"{offer.zone}/" if offer.zone else ""), f"/{offer.tier.value}"
    return zone + inside.removeprefix(zone).replace(tier, "", 1)


def usd(amount: Decimal) -> str:
    """A price as messages have it: no more than six decimals, no trailing zeros: 98.32, 0.000012, 4."""
    text = f"{amount:.6f}".rstrip("0").rstrip(".")
    return text if Decimal(text) == amount or abs(amount) >= Decimal("0.000001") else str(amount)


def change_percent(before: Decimal, after: Decimal) -> str:
    """How much dearer (+) or cheaper (−), with one decimal: "-44.0 %"."""
    return f"{(after / before - 1) * 100:+.1f} %"
