"""What is owed beside the units: it is in the cost that the search compares, so it needs no row."""

from __future__ import annotations

from collections import defaultdict

from optimiser.planning.rules.rule import Term, policy_with
from optimiser.planning.rules.view import PlanView
from optimiser.policy import Policy

HOURS_PER_MONTH = 730
CENT = 0.011


def verify_pay_minimum_spend(view: PlanView) -> list[str]:
    """Each provider's row is what was promised to it a month less what the plan's instances and nodes cost there."""
    per_node = float(view.policy["overheads"]["usd_per_node_hour"])
    spent: dict[str, float] = defaultdict(float)
    for name, units in view.units.items():
        option, offer = view.option_of(name), view.offer_of(name)
        each = option["instances_per_unit"] * (float(offer["planned_usd_per_hour"]) + per_node)
        hours = sum(n * length for n, length in zip(units, view.hours, strict=True))
        spent[option["provider"]] += each * hours * HOURS_PER_MONTH / sum(view.hours)
    stated: dict[str, float] = defaultdict(float)
    for row in view.plan.get("charges", []):
        stated[row["provider"]] += float(row["monthly_usd"])
    faults = []
    promised = view.policy.get("minimum_monthly_usd_by_provider", {})
    for provider in sorted({*promised, *stated}):
        right = max(float(promised.get(provider, 0)) - spent[provider], 0.0)
        if abs(stated[provider] - right) > CENT:
            faults.append(f"{provider}: {stated[provider]:.2f} USD a month are charged, not {right:.2f}")
    return faults


def minimum_in_words(policy: Policy) -> str:
    """The promises."""
    promised = {name: usd for name, usd in sorted(policy.minimum_monthly_usd_by_provider.items()) if usd}
    return ", ".join(f"{usd:,.0f} USD a month promised to {name}" for name, usd in promised.items())


PAY_MINIMUM_SPEND = Term(
    name="pay_minimum_spend",
    verify=verify_pay_minimum_spend,
    limit=minimum_in_words,
    without=policy_with(minimum_monthly_usd_by_provider={}),
    eased="minimum_monthly_usd_by_provider: {}",
    always_priced=True,
    decides_on_sites=True,
)
