"""Every rule a plan obeys. A rule has three faces, side by side in one small file: its rows in the compact
model, its scope, and a check of a finished plan that shares no code with the rest of planning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optimiser.planning.model import Model
from optimiser.planning.rules import availability, commitments, demand, offers, sites, spot
from optimiser.planning.rules.money import verify_money
from optimiser.planning.rules.view import PlanView


@dataclass(frozen=True, kw_only=True)
class Rule:
    """rows adds the rule to the compact model. scope is "period" where it can be checked inside one period and
    "horizon" where it couples periods. verify returns what a finished plan breaks, one sentence each.
    relaxed is the policy change that switches the rule off ({} where nothing does).
    """

    name: str
    rows: Callable[[Model], None]
    scope: str
    verify: Callable[[PlanView], list[str]]
    relaxed: dict[str, Any]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            name="carry_demand",
            rows=demand.carry_demand,
            scope="period",
            verify=demand.verify_carry_demand,
            relaxed={"utilisation_ceiling": 1.0},
        ),
        Rule(
            name="survive_instance_loss",
            rows=availability.survive_instance_loss,
            scope="period",
            verify=availability.verify_survive_instance_loss,
            relaxed={"survive_instance_loss": False},
        ),
        Rule(
            name="keep_firm_floor",
            rows=availability.keep_firm_floor,
            scope="period",
            verify=availability.verify_keep_firm_floor,
            relaxed={"min_firm_instances": 0},
        ),
        Rule(
            name="limit_spot_share",
            rows=spot.limit_spot_share,
            scope="period",
            verify=spot.verify_limit_spot_share,
            relaxed={"max_spot_share": 1.0},
        ),
        Rule(
            name="survive_spot_pool_loss",
            rows=spot.survive_spot_pool_loss,
            scope="period",
            verify=spot.verify_survive_spot_pool_loss,
            relaxed={"survive_spot_pool_loss": False},
        ),
        Rule(
            name="limit_commitments",
            rows=commitments.limit_commitments,
            scope="horizon",
            verify=commitments.verify_limit_commitments,
            relaxed={"commitment_hours_share": 1.0},
        ),
        Rule(
            name="hold_scarce",
            rows=offers.hold_scarce,
            scope="horizon",
            verify=offers.verify_hold_scarce,
            relaxed={"assume_obtainable": True},
        ),
        Rule(
            name="respect_offer_limits",
            rows=offers.respect_offer_limits,
            scope="period",
            verify=offers.verify_respect_offer_limits,
            relaxed={},
        ),
        Rule(
            name="limit_sites",
            rows=sites.limit_sites,
            scope="horizon",
            verify=sites.verify_limit_sites,
            relaxed={"max_sites": None},
        ),
        Rule(
            name="limit_instance_types",
            rows=sites.limit_instance_types,
            scope="horizon",
            verify=sites.verify_limit_instance_types,
            relaxed={"max_instance_types": None},
        ),
    )
}


def verify_plan(plan: dict[str, Any]) -> list[str]:
    """Every rule's check of a plan's JSON, and that its money adds up: empty where the plan stands."""
    view = PlanView(plan)
    faults = [f"{rule.name}: {fault}" for rule in RULES.values() for fault in rule.verify(view)]
    return faults + verify_money(plan)
