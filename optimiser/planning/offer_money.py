"""What an offer costs a plan: the rate it is reckoned at, the contract it means, all in exact decimals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_bought import PlanCommitment, PlanOffer, PlanSpot
from optimiser.planning.problem import Option, Purchase
from optimiser.planning.weighing import capital_usd_per_hour
from providers.offer import HOURS_PER_YEAR, Offer, Tier

CENT = Decimal("0.01")


def cents(value: Decimal) -> Decimal:
    """Rounded to a cent."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def exact(value: float) -> Decimal:
    """The shortest decimal that reads back as the float."""
    return Decimal(repr(float(value)))


def to_the_nano(value: float | Decimal) -> Decimal:
    """A number to nine decimals, which of USD is a nano-USD (the store's unit), without needless zeros."""
    return Decimal(f"{value:.9f}".rstrip("0").rstrip("."))


def planned_spot_usd(spot: PlanSpot) -> Decimal:
    """USD per instance-hour that a plan reckons with: spot while it runs, its stand-in while it does not.

        a · expected + (1 − a) · on demand            a: available_share

    The unit keeps its whole rate: whenever it is missing, the same machine on demand is paid in its place, so every
    rule and bound sees one price and one rate. Taking a share off the rate instead would leave the other instances
    to carry it in hours that have nothing spare. The minutes until the stand-in serves are what
    survive_spot_pool_loss keeps capacity for; a scarce machine may not be had then at any price. Where the machine
    has no price on demand, nothing stands in: 1 / a units are paid throughout, an upper bound, since interrupted
    ones are not billed.
    """
    share, on_demand = exact(spot.available_share), spot.on_demand_usd_per_hour
    if on_demand is None:
        return to_the_nano(spot.expected_usd_per_hour / share)
    return to_the_nano(share * spot.expected_usd_per_hour + (1 - share) * on_demand)


def planned_usd(purchase: Purchase, offer: Offer) -> Decimal:
    """USD per instance-hour the plan reckons with: amortised, and spot as it is expected to be."""
    return offer.amortised_usd_per_hour if purchase.spot is None else planned_spot_usd(purchase.spot)


def cheapest_on_demand_usd(
    option: Option, offers: Mapping[str, Offer], listed: Offer | None
) -> Decimal | None:
    """USD per instance-hour that the user would pay without committing: the list price or an agreed one below."""
    payable = [offers[purchase.offer_id] for purchase in option.purchases if purchase.offer_id in offers]
    amounts = [offer.usd_per_hour for offer in payable if offer.tier is Tier.ON_DEMAND]
    return min(amounts + ([listed.usd_per_hour] if listed else []), default=None)


def commitment_of(
    offer: Offer,
    instances: int,
    on_demand_usd: Decimal | None,
    weighed: Decimal,
    used_share: float,
    discount_rate_per_year: float,
) -> PlanCommitment:
    """The whole contract: value = amortised rate × hours of the term; half of it less what was paid is still owed.

    on_demand_usd is per instance-hour, None where the machine cannot be had so; weighed is what the commitment is
    compared with it at. Money paid up front is lost with the service, so the loss after half the term is half the
    contract value. used_share is what less demand would leave in use. The capital in money up front costs
    capital_usd_per_hour × 730 h × instances a month, which is beside what is billed.
    """
    term_hours = Decimal(offer.term_months) * HOURS_PER_YEAR / 12
    value = offer.amortised_usd_per_hour * term_hours * instances
    even = float(offer.amortised_usd_per_hour / on_demand_usd) if on_demand_usd else None
    return PlanCommitment(
        contract_value_usd=cents(value),
        upfront_usd=cents(offer.upfront_usd * instances),
        break_even_utilisation=even,
        loss_if_ended_half_way_usd=cents(value / 2),
        used_share_at_30_pct_less_demand=used_share,
        beats_on_demand_at_30_pct_less_demand=(
            float(on_demand_usd) * used_share > float(weighed) if on_demand_usd else None
        ),
        capital_monthly_usd=cents(
            capital_usd_per_hour(offer, discount_rate_per_year) * HOURS_PER_MONTH * instances
        ),
    )


def plan_offer(
    name: str, offer: Offer, planned: Decimal, weighed: Decimal, spot: PlanSpot | None
) -> PlanOffer:
    """An offer as the plan took it, under the id that its purchases know it by."""
    return PlanOffer(
        id=name,
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        tier=offer.tier.value,
        market=offer.market,
        kind=offer.kind,
        term_months=offer.term_months,
        payment=offer.payment,
        contract=offer.contract,
        usd_per_hour=offer.usd_per_hour,
        upfront_usd=offer.upfront_usd,
        amortised_usd_per_hour=offer.amortised_usd_per_hour,
        planned_usd_per_hour=planned,
        max_instances=offer.max_instances,
        valid_until=offer.valid_until,
        observed_on=offer.observed_on,
        source=offer.source,
        weighed_usd_per_hour=weighed,
        spot=spot,
    )
