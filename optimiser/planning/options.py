"""Which units can be bought where, and how each can be paid: estimates joined with the prices in force."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimiser.performance.confidence import planned_share
from optimiser.performance.estimate_types import Estimate
from optimiser.planning.offer_money import planned_spot_usd
from optimiser.planning.owned import Owned
from optimiser.planning.plan_bought import PlanSpot
from optimiser.planning.problem import How, Option, Purchase
from optimiser.planning.spot_price import spot_prices
from optimiser.planning.start_up import StartUpTimes, start_up_minutes, too_slow
from optimiser.planning.weighing import weighed_table
from optimiser.policy import Policy
from optimiser.prices.spot_past import NO_PAST, SpotPast
from providers.offer import REGION
from providers.shape import InstanceShape, Obtainability

Key = tuple[str, str]


@dataclass(frozen=True)
class _Priced:
    """One offer as planning needs it."""

    offer_id: str
    tier: str
    zone: str
    planned_usd: float
    weighed_usd: float
    max_instances: float
    spot: PlanSpot | None = None


def build_options(
    estimates: Sequence[Estimate],
    shapes: Mapping[Key, InstanceShape],
    offers: pd.DataFrame,
    policy: Policy,
    *,
    owned: Sequence[Owned] = (),
    past: SpotPast = NO_PAST,
    start_up: StartUpTimes | None = None,
) -> tuple[Option, ...]:
    """One option per estimate and region in which the policy allows any of its offers, ordered by id.

    The rate is the estimate less its margin, rounded down to four digits. A scarce machine on demand is held for
    the whole horizon; reservation-only and spot-only machines have no purchase but spot, unless the policy assumes
    they can be had. What starts later than the policy looks ahead is held too, and has no spot; start_up None takes
    starts as instant. What is owned joins the first set-up of its machine, at no price.
    """
    by_key: dict[Key, list[Estimate]] = defaultdict(list)
    for estimate in estimates:
        by_key[(estimate.provider, estimate.instance_type)].append(estimate)
    options: list[Option] = []
    groups = _priced_groups(offers, by_key, policy, past)
    for one in owned:
        kind = region_kind_of(offers, one)
        if (one.provider, one.instance_type) in by_key and not place_left_out_by(one.region, kind, policy):
            own = _Priced(one.offer_id, How.OWNED.value, "", 0.0, 0.0, one.instances)
            groups.setdefault((one.provider, one.region, one.instance_type, kind), []).append(own)
    for (provider, region, instance_type, region_kind), priced in groups.items():
        key = (provider, instance_type)
        for number, estimate in enumerate(by_key[key]):
            limited_elsewhere = number > 0
            usable = [
                offer for offer in priced if not (limited_elsewhere and np.isfinite(offer.max_instances))
            ]
            option = _option(estimate, shapes[key], region, region_kind, usable, policy, start_up)
            if option.purchases:
                options.append(option)
    return tuple(sorted(options, key=lambda option: option.id))


def region_kind_of(offers: pd.DataFrame, owned: Owned) -> str:
    """The kind of region that what is owned lies in, as the prices of that region say; else a plain region."""
    there = offers[(offers["provider"] == owned.provider) & (offers["region"] == owned.region)]
    kinds = sorted(there["region_kind"].unique())
    return REGION if REGION in kinds or not kinds else str(kinds[0])


def place_left_out_by(region: str, kind: str, policy: Policy) -> str:
    """The field of the policy that leaves out what is owned in a region of that kind; empty where none does."""
    if policy.regions is not None:
        return "" if region in policy.regions else "regions"
    return "" if kind in policy.region_kinds else "region_kinds"


def margin_of(relative_error: float, policy: Policy) -> float:
    """Share taken off an estimated rate: the policy's, else what leaves its lower bound at the policy's confidence."""
    if policy.performance_margin is not None:
        return policy.performance_margin
    return 1.0 - planned_share(relative_error, policy.performance_confidence)


def planned_rate_rps(estimate: Estimate, policy: Policy) -> float:
    """The rate one unit is planned at: the estimate less its margin, rounded down to four digits."""
    return four_digits_down(estimate.requests_per_second * (1 - margin_of(estimate.relative_error, policy)))


def allowed_offers(offers: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """The offers the policy lets a plan choose from, by place, market, tier, term and payment."""
    keep = offers["market"].isin(policy.markets) & offers["tier"].isin(policy.tiers)
    if policy.providers is not None:
        keep &= offers["provider"].isin(policy.providers)
    usual = offers["region_kind"].isin(policy.region_kinds)
    if policy.regions is not None:
        # A named region brings its own rows alone, not the local zones filed under the same name.
        named_whole = ~offers["region"].isin(offers.loc[usual, "region"].unique())
        keep &= offers["region"].isin(policy.regions) & (usual | named_whole)
    else:
        keep &= usual
    if policy.instance_types is not None:
        keep &= offers["instance_type"].isin(policy.instance_types)
    if not policy.allow_upfront:
        keep &= offers["upfront_usd"] == 0
    if policy.max_spot_share == 0:
        keep &= offers["tier"] != "spot"
    return offers[keep & (offers["term_months"] <= policy.max_commitment_months)]


def _priced_groups(
    offers: pd.DataFrame, by_key: Mapping[Key, object], policy: Policy, past: SpotPast
) -> dict[tuple[str, str, str, str], list[_Priced]]:
    """Offers worth considering per provider, region, instance type and region kind."""
    types = {instance_type for _, instance_type in by_key}
    relevant = offers[offers["instance_type"].isin(types)]
    # What kind of region a name stands for is read off all its rows; without names every row speaks for itself.
    allowed = allowed_offers(relevant if policy.regions is None else offers, policy)
    allowed = allowed[allowed["instance_type"].isin(types)]
    spot = spot_prices(relevant, policy, past).planned
    spot_usd = pd.Series({name: float(planned_spot_usd(one)) for name, one in spot.items()}, dtype="float64")
    planned = allowed["amortised_usd_per_hour"].copy()
    is_spot = allowed["tier"] == "spot"
    planned[is_spot] = spot_usd.reindex(allowed.index[is_spot])
    weighed = weighed_table(planned, allowed, policy).to_list()
    columns = [
        allowed[name].to_list()
        for name in ("provider", "region", "instance_type", "region_kind", "tier", "zone")
    ]
    groups: dict[tuple[str, str, str, str], list[_Priced]] = defaultdict(list)
    limits = allowed["max_instances"].to_list()
    rows = zip(allowed.index, *columns, planned.to_list(), weighed, limits, strict=True)
    for offer_id, provider, region, instance_type, kind, tier, zone, usd, weight, limit in rows:
        if (provider, instance_type) in by_key and usd == usd:
            priced = _Priced(offer_id, tier, zone, usd, weight, limit, spot.get(offer_id))
            groups[(provider, region, instance_type, kind)].append(priced)
    return {place: _one_view_of_spot(priced) for place, priced in groups.items()}


def _one_view_of_spot(priced: list[_Priced]) -> list[_Priced]:
    """Without the regional spot price where zones have their own: it is the same pools seen once more."""
    zoned = any(offer.tier == "spot" and offer.zone for offer in priced)
    return [offer for offer in priced if offer.tier != "spot" or offer.zone or not zoned]


def _option(
    estimate: Estimate,
    shape: InstanceShape,
    region: str,
    region_kind: str,
    priced: list[_Priced],
    policy: Policy,
    start_up: StartUpTimes | None,
) -> Option:
    minutes = (
        start_up_minutes(estimate, shape, start_up, policy.weights_load_gb_per_s)
        if start_up is not None
        else 0.0
    )
    setup = estimate.setup
    suffix = f"×{setup.instances_per_unit}" if setup.instances_per_unit > 1 else ""
    place = region if region_kind == "region" else f"{region} ({region_kind})"
    margin = margin_of(estimate.relative_error, policy)
    option_id = f"{shape.provider}/{place}/{shape.instance_type}{suffix}"
    instances, per_node = setup.instances_per_unit, policy.overheads.usd_per_node_hour
    purchases = [
        Purchase(
            id=f"{offer.offer_id}{suffix}:{how.value}",
            how=how,
            offer_id=offer.offer_id,
            usd_per_unit_hour=(offer.weighed_usd + per_node) * instances,
            billed_usd_per_unit_hour=(offer.planned_usd + per_node) * instances,
            max_units=None if np.isnan(offer.max_instances) else int(offer.max_instances) // instances,
            pool=f"{shape.provider}/{region}/{offer.zone or 'any zone'}/{shape.instance_type}"
            if how is How.SPOT
            else "",
            spot=offer.spot,
        )
        for offer, how in _worth_having(priced, shape, instances, policy, slow=too_slow(policy, minutes))
        if not offer.max_instances < instances
    ]
    return Option(
        id=option_id,
        provider=shape.provider,
        region=region,
        region_kind=region_kind,
        instance_type=shape.instance_type,
        rate_rps=planned_rate_rps(estimate, policy),
        bucket_rates_rps=tuple(rate * (1 - margin) for rate in estimate.bucket_requests_per_second),
        purchases=tuple(sorted(purchases, key=lambda purchase: purchase.id)),
        estimate=estimate,
        shape=shape,
        margin=margin,
        start_up_minutes=minutes,
    )


def _worth_having(
    priced: list[_Priced], shape: InstanceShape, instances_per_unit: int, policy: Policy, *, slow: bool
) -> list[tuple[_Priced, How]]:
    """The cheapest unlimited offer of each way to pay, every limited one, and every spot pool; under a budget for
    commitments also those that sign less."""
    kept: list[tuple[_Priced, How]] = []
    unlimited: dict[How, list[_Priced]] = defaultdict(list)
    for offer in priced:
        how = _how(offer.tier, shape, policy)
        if how is How.HOURLY and slow:
            how = How.HELD
        group = instances_per_unit > 1 and not policy.spot_for_groups
        if how is None or (how is How.SPOT and (slow or group)):
            continue
        if how is How.SPOT or np.isfinite(offer.max_instances):
            kept.append((offer, how))
        else:
            unlimited[how].append(offer)
    for how, offers in unlimited.items():
        offers.sort(key=lambda one: (one.weighed_usd, one.planned_usd, one.offer_id))
        signed_apart = how is How.COMMITMENT and policy.max_committed_monthly_usd is not None
        least = math.inf
        for offer in offers if signed_apart else offers[:1]:
            if offer.planned_usd < least:
                kept.append((offer, how))
                least = offer.planned_usd
    return kept


def _how(tier: str, shape: InstanceShape, policy: Policy) -> How | None:
    if tier in (How.SPOT, How.OWNED):
        return How(tier)
    if policy.assume_obtainable or shape.obtainability is Obtainability.ELASTIC:
        return How.COMMITMENT if tier == "reserved" else How.HOURLY
    if shape.obtainability is Obtainability.SCARCE:
        return How.COMMITMENT if tier == "reserved" else How.HELD
    return None


def four_digits_down(value: float) -> float:
    """value rounded down to four significant digits, so that a plan's JSON carries the very rate it used."""
    if value <= 0:
        return 0.0
    digits = 3 - int(np.floor(np.log10(value)))
    scale = 10.0**digits
    return round(float(np.floor(value * scale + 1e-9)) / scale, max(digits, 0))
