"""Every rule a plan obeys. A rule has three faces, side by side in one small file: its rows in the compact
model, its scope, and a check of a finished plan that shares no code with the rest of planning. Beside them stand
its limit in words, how far a solution is from it, and the problem without it.
"""

from __future__ import annotations

from typing import Any

from optimiser.planning.rules import (
    availability,
    carbon,
    caution,
    charges,
    commitments,
    committed_spend,
    demand,
    offers,
    quotas,
    regions,
    round_trips,
    schedule,
    sites,
    spot,
    spot_price,
    spread,
    start_up,
    weighed,
)
from optimiser.planning.rules.allowed import verify_allowed
from optimiser.planning.rules.bounded import verify_bound
from optimiser.planning.rules.by_size import BY_SIZE_CHECKS
from optimiser.planning.rules.energy import verify_energy
from optimiser.planning.rules.money import verify_money
from optimiser.planning.rules.purchased import verify_purchases
from optimiser.planning.rules.rule import Rule, Term
from optimiser.planning.rules.scenarios import verify_scenarios
from optimiser.planning.rules.signed import verify_signing
from optimiser.planning.rules.stages import verify_stages
from optimiser.planning.rules.view import PlanView

# In the order of the report.
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        demand.CARRY_DEMAND,
        availability.SURVIVE_INSTANCE_LOSS,
        availability.KEEP_FIRM_FLOOR,
        spot.LIMIT_SPOT_SHARE,
        spot.SURVIVE_SPOT_POOL_LOSS,
        spread.SPREAD_SPOT,
        spread.SURVIVE_SPOT_REGION_LOSS,
        spread.SURVIVE_ZONE_LOSS,
        regions.SPREAD_OVER_REGIONS,
        regions.SURVIVE_REGION_LOSS,
        regions.LIMIT_PROVIDER_SHARE,
        commitments.LIMIT_COMMITMENTS,
        committed_spend.LIMIT_COMMITTED_SPEND,
        offers.HOLD_SCARCE,
        offers.RESPECT_OFFER_LIMITS,
        quotas.RESPECT_QUOTAS,
        quotas.LIMIT_GPUS,
        *schedule.SCHEDULE_RULES,
        sites.LIMIT_SITES,
        sites.LIMIT_INSTANCE_TYPES,
        carbon.LIMIT_CARBON,
    )
}
# What is in the options' own rates and prices, or owed beside them.
_IN_OPTIONS: tuple[Term, ...] = (
    caution.PLAN_ON_LOWER_BOUND,
    weighed.WEIGH_COMMITMENTS,
    spot_price.PAY_FOR_SPOT,
    round_trips.ALLOW_FOR_ROUND_TRIPS,
    charges.PAY_MINIMUM_SPEND,
    charges.PAY_FOR_SURGE,
    carbon.WEIGH_CARBON,
    start_up.START_IN_TIME,
)
# What holds in each of the sites that demand is split over, by what each is asked.
IN_EACH_SITE = frozenset(
    rule.name
    for rule in (
        demand.CARRY_DEMAND,
        availability.SURVIVE_INSTANCE_LOSS,
        availability.KEEP_FIRM_FLOOR,
        spot.LIMIT_SPOT_SHARE,
        spot.SURVIVE_SPOT_POOL_LOSS,
        spread.SPREAD_SPOT,
        spread.SURVIVE_SPOT_REGION_LOSS,
        spread.SURVIVE_ZONE_LOSS,
        commitments.LIMIT_COMMITMENTS,
        sites.LIMIT_INSTANCE_TYPES,
    )
)
# All of it.
TERMS: dict[str, Term] = {**RULES, **{term.name: term for term in _IN_OPTIONS}}
# Terms that are eased in every site that the policy allows to see what they cost, not in the chosen ones alone.
EASED_EVERYWHERE = frozenset(name for name, term in TERMS.items() if term.decides_on_sites)


def verify_plan(plan: dict[str, Any]) -> list[str]:
    """Every term's check of a plan's JSON, that it buys only what is allowed, that its energy follows, that what is
    to be signed covers its commitments, that what it says of its purchases and its bound follows, that its money adds
    up, and all of it of its stages: empty where the plan stands."""
    return _verify_one(plan) + verify_stages(plan, _verify_one)


def _verify_one(plan: dict[str, Any]) -> list[str]:
    view = PlanView(plan)
    instead = BY_SIZE_CHECKS if view.by_size else {}
    checks = {name: instead.get(name, term.verify) for name, term in TERMS.items()}
    each = view.parts()
    faults = [
        f"{name}: {fault}"
        for name, verify in checks.items()
        for part in (each if name in IN_EACH_SITE else [view])
        for fault in verify(part)
    ]
    return (
        faults
        + verify_allowed(view)
        + verify_energy(view)
        + verify_signing(view)
        + charges.verify_egress(view)
        + verify_scenarios(view)
        + verify_purchases(view)
        + verify_money(plan)
        + verify_bound(view)
    )
