"""The last gate: a plan that breaks a rule, or whose money does not agree, is a fault of ours and no answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.errors import OptimiserError
from optimiser.planning.plan import HOURS_PER_MONTH, Plan, to_jsonable
from optimiser.planning.rules import verify_plan
from optimiser.planning.rules.charges import egress, surge
from optimiser.planning.rules.view import PlanView

RELATIVE_TOLERANCE = 1e-6


def refuse_faults(plan: Plan, lower_usd: float, found_usd: float) -> None:
    """Raise OptimiserError unless every rule holds on the plan's JSON and lower ≤ its cost ≤ what was found.

    Costs in USD over the horizon as they are weighed and expected: instances, their overhead per node, and charges
    beside them.
    """
    content = to_jsonable(replace(plan, rejections=()))
    faults = verify_plan(content)
    usd = _weighed_usd(plan, PlanView(content))
    room = RELATIVE_TOLERANCE * found_usd + 0.01
    if not lower_usd - room <= usd <= found_usd + room:
        faults.append(f"costs {usd:.2f} USD over the horizon, not within {lower_usd:.2f} and {found_usd:.2f}")
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")


def _weighed_usd(plan: Plan, view: PlanView) -> float:
    per_node = float(plan.policy["overheads"]["usd_per_node_hour"])
    instances = {option.id: option.instances_per_unit for option in plan.options}
    weighed = {offer.id: float(offer.weighed_usd_per_hour or 0) for offer in plan.offers}
    provider = {option.id: option.provider for option in plan.options}
    bought = {one.id: one for one in plan.purchases}
    spent: dict[tuple[int, str], float] = defaultdict(float)
    for row in plan.counts:
        one = bought[row.purchase]
        usd = instances[one.option] * (weighed[one.offer] + per_node)
        spent[row.scenario, provider[one.option]] += row.units * usd * plan.periods[row.period].hours
    months = sum(period.hours for period in plan.periods) / HOURS_PER_MONTH
    for scenario in range(len(plan.scenarios)):
        for charged in (surge(view), egress(view, scenario)):
            for name, monthly in charged.items():
                spent[scenario, name] += monthly * months
    for name, monthly in plan.policy["minimum_monthly_usd_by_provider"].items():
        for scenario in range(len(plan.scenarios)):
            spent[scenario, name] = max(spent[scenario, name], monthly * months)
    per_kg = float(plan.policy["carbon_usd_per_tonne"]) / KG_PER_TONNE
    emitted = per_kg * months * sum(row.kg_co2e_monthly for row in plan.carbon)
    return emitted + sum(plan.scenarios[scenario].probability * usd for (scenario, _), usd in spent.items())
