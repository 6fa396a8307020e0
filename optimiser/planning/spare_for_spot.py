"""Whether keeping one unit more spare would leave a cheaper plan.

What one spot pool may hold (P of `requirements`) is measured by what the rules keep spare, not by what happens to run,
so that a plan which must keep more may have more on spot. Nothing else makes a plan weigh less that keeps more.
"""

from __future__ import annotations

import numpy as np

from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Outcome
from optimiser.planning.parts import by_part
from optimiser.planning.patterns import settle_parts
from optimiser.planning.problem import How, Problem
from optimiser.planning.rules.rule import policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd
from optimiser.policy.running import MOST_INSTANCE_LOSSES


def more_spare_notes(problem: Problem, outcome: Outcome, gap: float) -> tuple[str, ...]:
    """What a plan that keeps one unit more spare would cost, where that is less and its fuller spot pools are why: one
    more search, and none where there is room for another unit in every pool at all times."""
    best, losses = outcome.best, problem.policy.survive_instance_losses + 1
    if best is None or losses > MOST_INSTANCE_LOSSES:
        return ()
    on_spot = (one for one in problem.options if any(way.how is How.SPOT for way in one.purchases))
    if _room_rps(problem, best.solution) >= max((one.rate_rps for one in on_spot), default=0.0):
        return ()
    asked = policy_with(survive_instance_losses=losses)(problem)
    found = search(asked, gap, alternatives=0).best
    if found is None or found.usd >= best.usd * (1 - gap):
        return ()
    solution, _ = settle_parts(asked, found.solution, found.usd_per_kg)
    monthly_usd = all_in_monthly_usd(asked, solution)
    own_usd = all_in_monthly_usd(problem, best.solution)
    if monthly_usd >= own_usd or _room_rps(problem, solution) >= -TOLERANCE:
        return ()
    return (
        f"spot: with survive_instance_losses: {losses} a plan costs {monthly_usd:,.2f} USD a month, "
        f"{own_usd - monthly_usd:,.2f} less: what one spot pool may hold grows with what the rules keep spare",
    )


def _room_rps(problem: Problem, solution: Solution) -> float:
    """What the fullest spot pool may still take in the hour where that is least, by the problem's own rules, req/s; inf
    where they do not limit it."""
    running = [Running.of(*part) for part in by_part(problem, solution)]
    rooms = [
        one.per_period(one.level.pool) - np.max([0 * one.planned, *one.in_pools()], axis=0) for one in running
    ]
    return min(float(room[one.planned > 0].min()) for one, room in zip(running, rooms, strict=True))
