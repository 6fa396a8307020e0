"""Owned GPUs against the cloud's tiers for the same GPU, and how busy they must be to be the cheaper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pandas as pd

from optimiser.config import Config
from optimiser.costing.project.amounts import ONE, Range, exactly, in_cents
from optimiser.costing.project.owned import Owned, break_even_by_hour, owned_cost
from optimiser.costing.project.schema import BuyOrRentFields
from optimiser.errors import bad_value, did_you_mean
from optimiser.planning.offer_money import exact
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.price_ages import OldestPrice, oldest_of, oldest_seen
from optimiser.planning.price_basis import within_age
from optimiser.planning.weighing import capital_usd_per_hour, upfront_weight
from optimiser.policy import Policy
from optimiser.prices.book import PriceBook
from providers.offer import REGION, STANDARD, Tier

TIERS = {
    "on demand": (Tier.ON_DEMAND, 0),
    "1 year committed": (Tier.RESERVED, 12),
    "3 years committed": (Tier.RESERVED, 36),
    "spot": (Tier.SPOT, 0),
}
ABOVE, BELOW, ALWAYS, NEVER = "above break_even", "below break_even", "at any use", "at no use"
# More of these makes owning cheaper, so that the low case has their highs.
_FAVOURABLE = ("depreciation_months", "residual_share")


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """The share of hours at work at which owning costs what a tier does: as expected, at the least and at the most.

    Above 1 it takes more hours than there are. None where no number of hours does, since what running adds costs more
    than the rent saved: `never` says so in words. With a commitment, low and high are of the cases that have such a
    share, expected is None if that case has none.
    """

    low: Decimal | None
    expected: Decimal | None
    high: Decimal | None
    never: str = ""


@dataclass(frozen=True, kw_only=True)
class RentedTier:
    """The cheapest price of a tier for the same GPU, and what decides between it and owning.

    usd_per_gpu_hour spreads what is paid upfront over the term, with its cost of capital. rented_usd_per_month is for
    as many GPUs, of the hours that are used (commitments: of all). Owning is cheaper than a tier paid by the hour above
    break_even. A commitment is paid for all hours like what is owned, so that use decides little: owning is then
    cheaper at any use, at none (break_even None), or below break_even, as owning_is_cheaper says; where it is not so
    as expected, at low and at high alike (where owning costs least and most), it says which is when. oldest_price is
    how old its price is.
    """

    tier: str
    offer_id: str
    provider: str
    region: str
    instance_type: str
    payment: str
    observed_on: date
    oldest_price: OldestPrice
    usd_per_gpu_hour: Decimal
    rented_usd_per_month: Decimal
    break_even: BreakEven | None
    owning_is_cheaper: str


@dataclass(frozen=True, kw_only=True)
class BuyOrRent:
    """Owned servers against renting as many GPUs. owned is expected, its monthly cost at the utilisation as a range.

    oldest_prices are those of the tiers here.
    """

    gpu: str
    gpus: int
    utilisation: Decimal
    discount_rate_per_year: Range
    owned: Owned
    owned_usd_per_month: Range
    owned_usd_per_used_gpu_hour: Range
    tiers: tuple[RentedTier, ...]
    oldest_prices: tuple[OldestPrice, ...]
    without_price: tuple[str, ...]
    notes: tuple[str, ...]


def compared(
    fields: BuyOrRentFields, where: str, config: Config, book: PriceBook, policy: Policy
) -> BuyOrRent:
    """Owning against each tier at the prices in force, where the policy lets serving run unless the section names a
    place. Raises UsageError for an unknown GPU, provider or region.
    """
    if fields.gpu not in config.gpus:
        raise bad_value(where, "buy_or_rent.gpu", fields.gpu, did_you_mean(fields.gpu, config.gpus))
    rate = fields.discount_rate_per_year or exactly(exact(policy.discount_rate_per_year))
    fields = fields.model_copy(update={"discount_rate_per_year": rate})
    cases = {case: owned_cost(_amounts(fields, case), fields.servers) for case in ("low", "expected", "high")}
    gpus, used = fields.servers * fields.gpus_per_server, fields.utilisation.expected
    monthly = Range(**{case: in_cents(owned.usd_per_month(used)) for case, owned in cases.items()})
    offers, notes = _offers(fields, where, config, book, policy)
    offers["usd_per_gpu_hour"] = _with_interest(offers, float(rate.expected))
    found = {name: _cheapest(offers, tier, term) for name, (tier, term) in TIERS.items()}
    tiers = tuple(
        _tier(name, one, book, cases, gpus, used, rate.expected, policy)
        for name, one in found.items()
        if one is not None
    )
    return BuyOrRent(
        gpu=fields.gpu,
        gpus=gpus,
        utilisation=used,
        discount_rate_per_year=rate,
        owned=cases["expected"],
        owned_usd_per_month=monthly,
        owned_usd_per_used_gpu_hour=monthly.times(ONE / (gpus * HOURS_PER_MONTH * used)),
        tiers=tiers,
        oldest_prices=oldest_of(tier.oldest_price for tier in tiers),
        without_price=tuple(name for name, one in found.items() if one is None),
        notes=notes,
    )


def _amounts(fields: BuyOrRentFields, case: str) -> Callable[[str], Decimal]:
    """Each amount in a case: low is where owning costs least."""
    other = {"low": "high", "high": "low"}

    def amount(name: str) -> Decimal:
        which = other.get(case, case) if name in _FAVOURABLE else case
        found: Decimal = getattr(getattr(fields, name), which)
        return found

    return amount


def _offers(
    fields: BuyOrRentFields, where: str, config: Config, book: PriceBook, policy: Policy
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Prices of instances with that GPU, as many of it as a server has where there are any, their GPUs beside."""
    listed = (book.offers["region_kind"] == REGION) & (book.offers["market"] == STANDARD)
    offers, notes = within_age(book.offers[listed], config.settings.max_price_age_days, book.as_of)
    named = (("provider", fields.provider, policy.providers), ("region", fields.region, policy.regions))
    for column, wanted, allowed in named:
        known = set(offers[column])
        if wanted is not None and wanted not in known:
            raise bad_value(where, f"buy_or_rent.{column}", wanted, did_you_mean(wanted, known))
        kept = (wanted,) if wanted is not None else allowed
        offers = offers if kept is None else offers[offers[column].isin(kept)]
    counts = {key: shape.gpu_count for key, shape in config.shapes.items() if shape.gpu == fields.gpu}
    alike = {key: count for key, count in counts.items() if count == fields.gpus_per_server}
    counts = alike or counts
    keys = list(zip(offers["provider"], offers["instance_type"], strict=True))
    found = offers[[key in counts for key in keys]].copy()
    found["gpus"] = [counts[key] for key in keys if key in counts]
    return found, notes


def _with_interest(offers: pd.DataFrame, rate: float) -> pd.Series:
    """USD per GPU-hour with the cost of capital of what is paid upfront."""
    weights = offers["term_months"].map(lambda months: upfront_weight(rate, months))
    upfront = offers["amortised_usd_per_hour"] - offers["usd_per_hour"]
    return (offers["usd_per_hour"] + upfront * weights) / offers["gpus"]


def _cheapest(offers: pd.DataFrame, tier: Tier, term_months: int) -> tuple[str, int] | None:
    """The offer whose GPU-hour costs least in a tier, and its GPUs."""
    rows = offers[(offers["tier"] == tier.value) & (offers["term_months"] == term_months)]
    if rows.empty:
        return None
    row = rows.reset_index().sort_values(["usd_per_gpu_hour", "offer_id"], kind="stable").iloc[0]
    return str(row["offer_id"]), int(row["gpus"])


def _tier(
    name: str,
    cheapest: tuple[str, int],
    book: PriceBook,
    cases: Mapping[str, Owned],
    gpus: int,
    used: Decimal,
    rate: Decimal,
    policy: Policy,
) -> RentedTier:
    offer_id, per_instance = cheapest
    offer = book.offer(offer_id)
    price = (offer.amortised_usd_per_hour + capital_usd_per_hour(offer, float(rate))) / per_instance
    all_hours = gpus * HOURS_PER_MONTH * price
    committed = bool(offer.term_months)
    if committed:
        verdict, break_even = _committed(cases, all_hours)
    else:
        break_even = _by_hour(cases, gpus, price)
        verdict = ABOVE if break_even.expected is not None and break_even.expected <= 1 else NEVER
    seen = ((offer.tier.value, offer.observed_on),)
    (oldest,) = oldest_seen(seen, policy.model_dump(), book.as_of)
    return RentedTier(
        tier=name,
        offer_id=offer.offer_id,
        provider=offer.provider,
        region=offer.region,
        instance_type=offer.instance_type,
        payment=offer.payment,
        observed_on=offer.observed_on,
        oldest_price=oldest,
        usd_per_gpu_hour=price,
        rented_usd_per_month=in_cents(all_hours if committed else all_hours * used),
        break_even=break_even,
        owning_is_cheaper=verdict,
    )


def _by_hour(cases: Mapping[str, Owned], gpus: int, price: Decimal) -> BreakEven:
    """The break-even with a tier that is paid by the hour, over the cases of what is owned."""
    found = {case: break_even_by_hour(owned, gpus, price) for case, owned in cases.items()}
    known = [one for one in found.values() if one is not None]
    never = [case for case, one in found.items() if one is None]
    where = "" if len(never) == len(found) else f" at the {' and '.join(never)} end"
    return BreakEven(
        low=min(known, default=None),
        expected=found["expected"],
        high=None if never else max(known),
        never=f"never: running costs alone exceed rent{where}" if never else "",
    )


def _committed(cases: Mapping[str, Owned], all_hours: Decimal) -> tuple[str, BreakEven | None]:
    """Both are paid whether the GPUs work or not, so only what energy adds at work depends on use."""
    found = {case: _with_commitment(cases[case], all_hours) for case in ("expected", "low", "high")}
    known = [even for _, even in found.values() if even is not None]
    where: dict[str, list[str]] = {}
    for case, (verdict, _) in found.items():
        where.setdefault(verdict, []).append("as expected" if case == "expected" else f"at {case}")
    alike = len(where) == 1
    said = (verdict if alike else f"{verdict} {' and '.join(when)}" for verdict, when in where.items())
    even = BreakEven(low=min(known), expected=found["expected"][1], high=max(known)) if known else None
    return ", ".join(said), even


def _with_commitment(owned: Owned, all_hours: Decimal) -> tuple[str, Decimal | None]:
    """When owning is cheaper than what is paid for all hours; below (all hours' rent − fixed) / variable between."""
    if owned.usd_per_month(ONE) <= all_hours:
        return ALWAYS, None
    if owned.fixed >= all_hours:
        return NEVER, None
    return BELOW, (all_hours - owned.fixed) / owned.variable
