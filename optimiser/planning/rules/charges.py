"""What is owed beside the units: it is in the cost that the search compares, so it needs no row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optimiser.planning.rules.rule import Term, policy_with
from optimiser.planning.rules.view import PlanView
from optimiser.policy import Deployment, Policy

HOURS_PER_MONTH = 730
HOURS_PER_WEEK = 168
CENT = 0.011
NANO = 1e-8


def verify_pay_minimum_spend(view: PlanView) -> list[str]:
    """Each provider's row is what was promised to it a month less what the plan spends there: instances, nodes, and
    what else is charged; in each scenario by its probability."""
    return _differences(_charged(view, "minimum_spend"), _expected(view, unspent))


def unspent(view: PlanView, scenario: int) -> dict[str, float]:
    """USD a month of what each provider was promised that a scenario does not spend there, 0 where it does."""
    promised = view.policy.get("minimum_monthly_usd_by_provider", {})
    there = spent(view, scenario)
    return {name: max(float(usd) - there.get(name, 0.0), 0.0) for name, usd in promised.items()}


def unspent_on_average(
    views: Sequence[tuple[PlanView, int]], promised: Mapping[str, float], days: int
) -> dict[str, float]:
    """As unspent, of plans that follow each other for so many of the days, in expectation over their scenarios:

    Σ_s probability[s] × max(promised − Σ spent[s] × days of the plan / days, 0)
    """
    right: dict[str, float] = defaultdict(float)
    for number, scenario in enumerate(views[0][0].plan["scenarios"]):
        there = [(spent(view, number), part) for view, part in views]
        for name, usd in promised.items():
            average = sum(one.get(name, 0.0) * part for one, part in there) / days
            right[name] += float(scenario["probability"]) * max(float(usd) - average, 0.0)
    return right


def spent(view: PlanView, scenario: int) -> dict[str, float]:
    """USD a month that a scenario spends with each provider: instances, nodes, and what else is charged."""
    found: dict[str, float] = defaultdict(float)
    for name, hours in view.instance_hours_a_month(scenario).items():
        found[view.option_of(name)["provider"]] += _per_hour(view, name) * hours
    out = egress(view, scenario) if "services" in view.plan else _charged(view, "egress")
    for charged in (surge(view), out):
        for provider, usd in charged.items():
            found[provider] += usd
    return found


def surge(view: PlanView) -> dict[str, float]:
    """USD a month charged for deployments, by provider."""
    return _charged(view, "deployment_surge")


def egress(view: PlanView, scenario: int) -> dict[str, float]:
    """USD a month for the text that a scenario sends out, by provider as much as it serves, in each site."""
    sites: dict[str, float] = defaultdict(float)
    for part in view.parts():
        for provider, usd in _egress(part, scenario).items():
            sites[provider] += usd
    return sites


def _egress(view: PlanView, scenario: int) -> dict[str, float]:
    given = view.policy["overheads"]
    per_byte = given.get("egress_usd_per_gb", 0) * given.get("egress_bytes_per_output_token", 0) / 1e9
    right: dict[str, float] = defaultdict(float)
    if not per_byte or "services" not in view.plan:
        return right
    tokens = sum(one["share"] * one["output_tokens"] for one in view.plan["services"][0]["buckets"])
    lengths = [float(period["hours"]) for period in view.plan["periods"]]
    month = HOURS_PER_MONTH / sum(lengths)
    for row in view.plan["demand"]:
        if row["scenario"] != scenario:
            continue
        p = view.index(row)
        seconds, total = 3600 * lengths[row["period"]] * month, view.capacity(p) or 1.0
        for name, units in view.units.items():
            share = view.rate(name) * units[p] / total
            right[view.option_of(name)["provider"]] += row["mean_rps"] * seconds * tokens * per_byte * share
    return right


def verify_pay_for_surge(view: PlanView) -> list[str]:
    """The row is the policy's extra instances of the dearest option in use (in each site that demand is split over) for
    its hours a week; an option that is bought by the hour is reckoned at that price."""
    given = view.policy.get("deployment", {"surge_instances": 0, "hours_per_week": 0})
    hours = given["hours_per_week"] / HOURS_PER_WEEK * HOURS_PER_MONTH
    right: dict[str, float] = defaultdict(float)
    for part in view.parts():
        used = {part.option_of(name)["id"]: part.option_of(name) for name in part.used()}
        if dearest := max(used.values(), key=lambda option: _surge(option, given), default=None):
            right[dearest["provider"]] += _surge(dearest, given) * hours
    faults = _differences(_charged(view, "deployment_surge"), right)
    for name in view.used() if given["surge_instances"] else ():
        by_hour, reckoned = _per_hour(view, name), float(view.option_of(name)["surge_usd_per_instance_hour"])
        unlimited = view.offer_of(name)["max_instances"] is None
        if view.how(name) in ("on_demand", "held_on_demand") and unlimited and abs(reckoned - by_hour) > NANO:
            faults.append(f"{name}: costs {by_hour:.4f} by the hour, reckoned at {reckoned:.4f}")
    return faults


def _surge(option: dict[str, Any], given: dict[str, Any]) -> float:
    """USD for an hour of deployment."""
    each = int(option["instances_per_unit"])
    instances = math.ceil(given["surge_instances"] / each) * each
    return float(instances) * float(option.get("surge_usd_per_instance_hour") or 0)


def verify_egress(view: PlanView) -> list[str]:
    """The rows come to requests × output tokens × bytes × price, each provider's as much as it serves."""
    right = _expected(view, egress)
    return [f"egress: {fault}" for fault in _differences(_charged(view, "egress"), right)] if right else []


def _expected(view: PlanView, monthly: Callable[[PlanView, int], dict[str, float]]) -> dict[str, float]:
    """USD a month by provider, of all scenarios by their probabilities."""
    right: dict[str, float] = defaultdict(float)
    for number, scenario in enumerate(view.plan["scenarios"]):
        for provider, usd in monthly(view, number).items():
            right[provider] += float(scenario["probability"]) * usd
    return right


def _per_hour(view: PlanView, name: str) -> float:
    """What an instance of a purchase costs an hour, with its node's overhead, USD."""
    per_node = float(view.policy["overheads"]["usd_per_node_hour"])
    return float(view.offer_of(name)["planned_usd_per_hour"]) + per_node


def _charged(view: PlanView, kind: str) -> dict[str, float]:
    """USD a month charged by provider."""
    found: dict[str, float] = defaultdict(float)
    for row in view.plan.get("charges", []):
        if row["kind"] == kind:
            found[row["provider"]] += float(row["monthly_usd"])
    return found


def _differences(stated: dict[str, float], right: dict[str, float]) -> list[str]:
    return [
        f"{provider}: {stated.get(provider, 0.0):.2f} USD a month are charged, not {right.get(provider, 0.0):.2f}"
        for provider in sorted({*stated, *right})
        if abs(stated.get(provider, 0.0) - right.get(provider, 0.0)) > CENT
    ]


def minimum_in_words(policy: Policy) -> str:
    """The promises."""
    promised = {name: usd for name, usd in sorted(policy.minimum_monthly_usd_by_provider.items()) if usd}
    return ", ".join(f"{usd:,.0f} USD a month promised to {name}" for name, usd in promised.items())


def surge_in_words(policy: Policy) -> str:
    """Extra instances and hours."""
    given = policy.deployment
    if not given.surge_instances or not given.hours_per_week:
        return ""
    return f"{given.surge_instances} more of the dearest instances for {given.hours_per_week:g} h a week"


PAY_MINIMUM_SPEND = Term(
    name="pay_minimum_spend",
    verify=verify_pay_minimum_spend,
    limit=minimum_in_words,
    without=policy_with(minimum_monthly_usd_by_provider={}),
    eased="minimum_monthly_usd_by_provider: {}",
    always_priced=True,
    decides_on_sites=True,
)

PAY_FOR_SURGE = Term(
    name="pay_for_surge",
    verify=verify_pay_for_surge,
    limit=surge_in_words,
    without=policy_with(deployment=Deployment()),
    eased="deployment.surge_instances: 0",
    always_priced=True,
    decides_on_sites=True,
)
