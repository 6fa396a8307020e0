"""The last gate: a plan that breaks a rule, or whose money does not agree, is a fault of ours and no answer."""

from __future__ import annotations

from dataclasses import replace

from optimiser.errors import OptimiserError
from optimiser.planning.plan import Plan, to_jsonable
from optimiser.planning.rules import verify_plan
from optimiser.planning.rules.bounded import weighed_usd
from optimiser.planning.rules.view import PlanView

RELATIVE_TOLERANCE = 1e-6


def refuse_faults(plan: Plan, lower_usd: float, found_usd: float) -> None:
    """Raise OptimiserError unless every rule holds on the plan's JSON and lower ≤ its cost ≤ what was found.

    Costs in USD over the horizon as they are weighed and expected: instances, their overhead per node, and charges
    beside them.
    """
    content = to_jsonable(replace(plan, rejections=()))
    faults = verify_plan(content)
    usd = weighed_usd(PlanView(content))
    room = RELATIVE_TOLERANCE * found_usd + 0.01
    if not lower_usd - room <= usd <= found_usd + room:
        faults.append(f"costs {usd:.2f} USD over the horizon, not within {lower_usd:.2f} and {found_usd:.2f}")
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")
