"""Owned GPUs against the cloud's tiers for the same GPU, and how busy they must be to be the cheaper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pandas as pd

from optimiser.config import Config
from optimiser.costing.project.amounts import ONE, Range, exactly, in_cents
from optimiser.costing.project.schema import BuyOrRentFields
from optimiser.errors import bad_value, did_you_mean
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.price_basis import within_age
from optimiser.planning.weighing import upfront_weight
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
class Owned:
    """All servers, USD a month of 730 h: by part, those paid whether they work or not (fixed), and what working all the
    time adds (variable). capital is what they lose in worth, interest what the money in them costs.
    """

    capital: Decimal
    interest: Decimal
    hosting: Decimal
    staff: Decimal
    idle_energy: Decimal
    variable: Decimal

    @property
    def fixed(self) -> Decimal:
        """USD a month whatever they do."""
        return self.capital + self.interest + self.hosting + self.staff + self.idle_energy

    def usd_per_month(self, utilisation: Decimal) -> Decimal:
        """fixed + utilisation × variable."""
        return self.fixed + utilisation * self.variable


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """The share of hours at work at which owning costs what a tier does: as expected, at the least and at the most.

    Above 1 it takes more hours than there are. None where no number of hours does, since what running adds costs more
    than the rent saved: `never` says so in words.
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
    cheaper at any use, at none (break_even None), or below break_even, as owning_is_cheaper says.
    """

    tier: str
    offer_id: str
    provider: str
    region: str
    instance_type: str
    payment: str
    observed_on: date
    usd_per_gpu_hour: Decimal
    rented_usd_per_month: Decimal
    break_even: BreakEven | None
    owning_is_cheaper: str


@dataclass(frozen=True, kw_only=True)
class BuyOrRent:
    """Owned servers against renting as many GPUs. owned is expected, its monthly cost at the utilisation as a range."""

    gpu: str
    gpus: int
    utilisation: Decimal
    discount_rate_per_year: Range
    owned: Owned
    owned_usd_per_month: Range
    owned_usd_per_used_gpu_hour: Range
    tiers: tuple[RentedTier, ...]
    without_price: tuple[str, ...]
    notes: tuple[str, ...]


def owned_cost(amount: Callable[[str], Decimal], servers: int) -> Owned:
    """What owning costs, written off in equal parts; amount gives a field of buy_or_rent by its name. With interest it
    is the annuity at the cost of capital: i / (1 − (1 + i)^−months) of what is written off, the capital recovery factor
    (Park, Contemporary Engineering Economics, ch. 3), and i of what servers are sold for at the end.

    capital      servers × USD per server × (1 − residual share) / depreciation months        USD a month
    interest     (capital recovery factor − 1 / months) × what is written off + i × residual    i of a month
    hosting      servers × kW per server × USD per kW and month
    staff        as given, for all of them
    idle energy  servers × kW per server × idle share × PUE × USD/kWh × 730 h
    variable     servers × kW per server × (1 − idle share) × PUE × USD/kWh × 730 h           at full use
    """
    kw = servers * amount("kw_per_server")
    idle = amount("idle_power_share")
    energy = kw * amount("pue") * amount("usd_per_kwh") * HOURS_PER_MONTH
    price, kept = servers * amount("usd_per_server"), amount("residual_share")
    months, rate = amount("depreciation_months"), float(amount("discount_rate_per_year"))
    capital = price * (ONE - kept) / months
    a_month = _exact(math.expm1(math.log1p(rate) / 12))
    return Owned(
        capital=capital,
        interest=capital * (_exact(upfront_weight(rate, float(months))) - ONE) + price * kept * a_month,
        hosting=kw * amount("hosting_usd_per_kw_month"),
        staff=amount("staff_usd_per_month"),
        idle_energy=energy * idle,
        variable=energy * (ONE - idle),
    )


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def break_even_by_hour(owned: Owned, gpus: int, usd_per_gpu_hour: Decimal) -> Decimal | None:
    """The utilisation at which owning costs what renting the hours used does; None where it never does.

    fixed / (GPUs × 730 h × USD per GPU-hour − variable)
    """
    saved = gpus * HOURS_PER_MONTH * usd_per_gpu_hour - owned.variable
    return owned.fixed / saved if saved > 0 else None


def compared(
    fields: BuyOrRentFields, where: str, config: Config, book: PriceBook, policy: Policy
) -> BuyOrRent:
    """Owning against each tier at the prices in force, where the policy lets serving run unless the section names a
    place. Raises UsageError for an unknown GPU, provider or region.
    """
    if fields.gpu not in config.gpus:
        raise bad_value(where, "buy_or_rent.gpu", fields.gpu, did_you_mean(fields.gpu, config.gpus))
    rate = fields.discount_rate_per_year or exactly(_exact(policy.discount_rate_per_year))
    fields = fields.model_copy(update={"discount_rate_per_year": rate})
    cases = {case: owned_cost(_amounts(fields, case), fields.servers) for case in ("low", "expected", "high")}
    gpus, used = fields.servers * fields.gpus_per_server, fields.utilisation.expected
    monthly = Range(**{case: in_cents(owned.usd_per_month(used)) for case, owned in cases.items()})
    offers, notes = _offers(fields, where, config, book, policy)
    offers["usd_per_gpu_hour"] = _with_interest(offers, float(rate.expected))
    tiers = {name: _cheapest(offers, tier, term) for name, (tier, term) in TIERS.items()}
    return BuyOrRent(
        gpu=fields.gpu,
        gpus=gpus,
        utilisation=used,
        discount_rate_per_year=rate,
        owned=cases["expected"],
        owned_usd_per_month=monthly,
        owned_usd_per_used_gpu_hour=monthly.times(ONE / (gpus * HOURS_PER_MONTH * used)),
        tiers=tuple(
            _tier(name, one, book, cases, gpus, used, float(rate.expected))
            for name, one in tiers.items()
            if one is not None
        ),
        without_price=tuple(name for name, one in tiers.items() if one is None),
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
    offers, notes = within_age(book.offers, config.settings.max_price_age_days, book.as_of)
    offers = offers[(offers["region_kind"] == REGION) & (offers["market"] == STANDARD)]
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
    rate: float,
) -> RentedTier:
    offer_id, per_instance = cheapest
    offer = book.offer(offer_id)
    upfront = offer.amortised_usd_per_hour - offer.usd_per_hour
    weight = _exact(upfront_weight(rate, offer.term_months)) if upfront else ONE
    price = (offer.usd_per_hour + upfront * weight) / per_instance
    all_hours = gpus * HOURS_PER_MONTH * price
    committed = bool(offer.term_months)
    if committed:
        verdict, break_even = _committed(cases["expected"], all_hours)
    else:
        break_even = _by_hour(cases, gpus, price)
        verdict = ABOVE if break_even.expected is not None and break_even.expected <= 1 else NEVER
    return RentedTier(
        tier=name,
        offer_id=offer.offer_id,
        provider=offer.provider,
        region=offer.region,
        instance_type=offer.instance_type,
        payment=offer.payment,
        observed_on=offer.observed_on,
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


def _committed(owned: Owned, all_hours: Decimal) -> tuple[str, BreakEven | None]:
    """Both are paid whether the GPUs work or not, so only what energy adds at work depends on use."""
    if owned.usd_per_month(ONE) <= all_hours:
        return ALWAYS, None
    if owned.fixed >= all_hours:
        return NEVER, None
    even = (all_hours - owned.fixed) / owned.variable
    return BELOW, BreakEven(low=even, expected=even, high=even)
