"""The last gate: a plan that breaks a rule, or whose money does not agree, is a fault of ours and no answer."""

from __future__ import annotations

from dataclasses import replace

from optimiser.errors import OptimiserError
from optimiser.planning.plan import Plan, to_jsonable
from optimiser.planning.rules import verify_plan

RELATIVE_TOLERANCE = 1e-6


def refuse_faults(plan: Plan, lower_usd: float, found_usd: float) -> None:
    """Raise OptimiserError unless every rule holds on the plan's JSON and lower ≤ its cost ≤ what was found.

    Costs in USD over the horizon as they are weighed, instances and their overhead per node.
    """
    faults = verify_plan(to_jsonable(replace(plan, rejections=())))
    usd = _weighed_usd(plan)
    room = RELATIVE_TOLERANCE * found_usd + 0.01
    if not lower_usd - room <= usd <= found_usd + room:
        faults.append(f"costs {usd:.2f} USD over the horizon, not within {lower_usd:.2f} and {found_usd:.2f}")
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")


def _weighed_usd(plan: Plan) -> float:
    per_node = float(plan.policy["overheads"]["usd_per_node_hour"])
    instances = {option.id: option.instances_per_unit for option in plan.options}
    weighed = {offer.id: float(offer.weighed_usd_per_hour or 0) for offer in plan.offers}
    each = {one.id: instances[one.option] * (weighed[one.offer] + per_node) for one in plan.purchases}
    return sum(row.units * each[row.purchase] * plan.periods[row.period].hours for row in plan.counts)
