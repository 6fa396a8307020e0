"""Every rule a plan obeys. A rule has three faces, side by side in one small file: its rows in the compact
model, its scope, and a check of a finished plan that shares no code with the rest of planning. Beside them stand
its limit in words, how far a solution is from it, and the problem without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from optimiser.planning.leaves import Solution
from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, Problem
from optimiser.planning.rules import (
    availability,
    caution,
    commitments,
    demand,
    offers,
    quotas,
    sites,
    spot,
    spot_price,
    weighed,
)
from optimiser.planning.rules.allowed import verify_allowed
from optimiser.planning.rules.money import verify_money
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import PlanView
from optimiser.policy import Policy

RPS = "req/s"
UNITS = "instances"


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a plan obeys. verify returns what a finished plan breaks, one sentence each.

    limit says it in words under a policy ("" where it is off). slack is the distance to the limit per period, in
    `unit` (None where there is no such number). without is the problem with it off or eased as `eased` says (None
    where nothing does that); wanted is what a solution of that takes beyond the limit, in words.
    """

    name: str
    verify: Callable[[PlanView], list[str]]
    limit: Callable[[Policy], str]
    slack: Callable[[Running], Floats] | None = None
    unit: str = ""
    without: Callable[[Problem], Problem] | None = None
    eased: str = ""
    wanted: Callable[[Problem, Solution], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Rule(Term):
    """A term that limits what runs: rows adds it to the compact model, scope is "period" where it can be checked
    inside one period and "horizon" where it couples periods.
    """

    rows: Callable[[Model], None]
    scope: str


def policy_with(**change: Any) -> Callable[[Problem], Problem]:
    """The problem under a policy with some fields changed."""
    return lambda problem: replace(problem, policy=problem.policy.model_copy(update=change))


_ALL = (
    Rule(
        name="carry_demand",
        rows=demand.carry_demand,
        scope="period",
        verify=demand.verify_carry_demand,
        limit=demand.limit_in_words,
        slack=demand.slack,
        unit=RPS,
        without=policy_with(utilisation_ceiling=1.0),
        eased="utilisation_ceiling: 1",
    ),
    Rule(
        name="survive_instance_loss",
        rows=availability.survive_instance_loss,
        scope="period",
        verify=availability.verify_survive_instance_loss,
        limit=availability.loss_in_words,
        slack=availability.loss_slack,
        unit=RPS,
        without=policy_with(survive_instance_losses=0),
        eased="survive_instance_losses: 0",
    ),
    Rule(
        name="keep_firm_floor",
        rows=availability.keep_firm_floor,
        scope="period",
        verify=availability.verify_keep_firm_floor,
        limit=availability.floor_in_words,
        slack=availability.floor_slack,
        unit=UNITS,
        without=policy_with(min_firm_instances=0),
        eased="min_firm_instances: 0",
    ),
    Rule(
        name="limit_spot_share",
        rows=spot.limit_spot_share,
        scope="period",
        verify=spot.verify_limit_spot_share,
        limit=spot.share_in_words,
        slack=spot.share_slack,
        unit=RPS,
        without=policy_with(max_spot_share=1.0),
        eased="max_spot_share: 1",
    ),
    Rule(
        name="survive_spot_pool_loss",
        rows=spot.survive_spot_pool_loss,
        scope="period",
        verify=spot.verify_survive_spot_pool_loss,
        limit=spot.pool_in_words,
        slack=spot.pool_slack,
        unit=RPS,
        without=policy_with(survive_spot_pool_loss=False),
        eased="survive_spot_pool_loss: false",
    ),
    Rule(
        name="limit_commitments",
        rows=commitments.limit_commitments,
        scope="horizon",
        verify=commitments.verify_limit_commitments,
        limit=commitments.limit_in_words,
        slack=commitments.slack,
        unit=RPS,
        without=policy_with(commitment_hours_share=1.0),
        eased="commitment_hours_share: 1",
    ),
    Rule(
        name="hold_scarce",
        rows=offers.hold_scarce,
        scope="horizon",
        verify=offers.verify_hold_scarce,
        limit=offers.scarce_in_words,
        without=offers.by_the_hour,
        eased="assume_obtainable: true",
    ),
    Rule(
        name="respect_offer_limits",
        rows=offers.respect_offer_limits,
        scope="period",
        verify=offers.verify_respect_offer_limits,
        limit=lambda _: "no offer taken more often than it is made",
    ),
    Rule(
        name="respect_quotas",
        rows=quotas.respect_quotas,
        scope="period",
        verify=quotas.verify_respect_quotas,
        limit=quotas.quotas_in_words,
        slack=quotas.quota_slack,
        unit=UNITS,
        without=policy_with(within_quotas=False),
        eased="within_quotas: false",
        wanted=quotas.quotas_wanted,
    ),
    Rule(
        name="limit_gpus",
        rows=quotas.limit_gpus,
        scope="period",
        verify=quotas.verify_limit_gpus,
        limit=quotas.gpus_in_words,
        slack=quotas.gpu_slack,
        unit=UNITS,
        without=policy_with(max_gpus=None),
        eased="max_gpus: null",
        wanted=quotas.gpus_wanted,
    ),
    Rule(
        name="limit_sites",
        rows=sites.limit_sites,
        scope="horizon",
        verify=sites.verify_limit_sites,
        limit=sites.sites_in_words,
        without=policy_with(max_sites=None),
        eased="max_sites: null",
    ),
    Rule(
        name="limit_instance_types",
        rows=sites.limit_instance_types,
        scope="horizon",
        verify=sites.verify_limit_instance_types,
        limit=sites.types_in_words,
        without=sites.one_more_type,
        eased="max_instance_types one higher",
    ),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}
# What is in the options' own rates and prices.
_IN_OPTIONS = (
    Term(
        name="plan_on_lower_bound",
        verify=caution.verify_plan_on_lower_bound,
        limit=caution.caution_in_words,
        without=caution.at_the_estimates,
        eased="performance_margin: 0",
    ),
    Term(
        name="weigh_commitments",
        verify=weighed.verify_weigh_commitments,
        limit=weighed.weighing_in_words,
        without=weighed.at_their_own_price,
        eased="price_decline_per_year: 0 and discount_rate_per_year: 0",
    ),
    Term(
        name="pay_for_spot",
        verify=spot_price.verify_pay_for_spot,
        limit=spot_price.price_in_words,
        without=spot_price.without_risk,
        eased="spot_replacement_minutes: 0",
    ),
)
# All of it, in the order of the report.
TERMS: dict[str, Term] = {**RULES, **{term.name: term for term in _IN_OPTIONS}}


def verify_plan(plan: dict[str, Any]) -> list[str]:
    """Every term's check of a plan's JSON, that it buys only what is allowed, and that its money adds up: empty
    where the plan stands."""
    view = PlanView(plan)
    faults = [f"{term.name}: {fault}" for term in TERMS.values() for fault in term.verify(view)]
    return faults + verify_allowed(view) + verify_money(plan)
