"""A finished plan buys only what its policy lets it choose from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from optimiser.planning.rules.view import PlanView


def verify_allowed(view: PlanView) -> list[str]:
    """Places, machines, tiers, terms and dates of everything in use, against the policy's filters."""
    faults = []
    for name in view.used():
        offer, option = view.offer_of(name), view.option_of(name)
        faults += [f"allowed: {name}: {fault}" for fault in _faults(view, offer, option, view.how(name))]
    return faults


def _faults(view: PlanView, offer: dict[str, Any], option: dict[str, Any], how: str) -> list[str]:
    policy = view.policy
    checks: tuple[tuple[str, Any, Collection[Any] | None], ...] = (
        ("provider", offer["provider"], policy["providers"]),
        ("region", offer["region"], policy["regions"]),
        ("region kind", option["region_kind"], None if policy["regions"] else policy["region_kinds"]),
        ("GPU", option["gpu"], policy["gpus"]),
        ("instance type", offer["instance_type"], policy["instance_types"]),
        ("market", offer["market"], None if how == "owned" else policy["markets"]),
        ("tier", offer["tier"], None if how == "owned" else policy["tiers"]),
    )
    found = [
        f"{what} {value} is not allowed"
        for what, value, allowed in checks
        if allowed and value not in allowed
    ]
    if offer["term_months"] > policy["max_commitment_months"]:
        found.append(f"a term of {offer['term_months']} months is not allowed")
    if float(offer["upfront_usd"]) > 0 and not policy["allow_upfront"]:
        found.append(f"{offer['upfront_usd']} USD up front is not allowed")
    if offer["valid_until"] and offer["valid_until"] < view.plan.get("planned_on", ""):
        found.append(f"expired on {offer['valid_until']}")
    if how == "owned" and float(offer["planned_usd_per_hour"]):
        found.append(f"what is owned costs nothing more, not {offer['planned_usd_per_hour']}")
    if how == "spot" and option["instances_per_unit"] > 1 and not policy["spot_for_groups"]:
        found.append("a group of instances on spot is not allowed")
    if (offer["provider"], offer["region"]) != (option["provider"], option["region"]):
        found.append(f"the offer is for {offer['provider']} {offer['region']}")
    return found
