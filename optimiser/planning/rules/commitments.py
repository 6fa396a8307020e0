"""A commitment never exceeds what the lowest share of hours fills, nor the term and payment allowed."""

from __future__ import annotations

from optimiser.planning.model import Model
from optimiser.planning.problem import How
from optimiser.planning.rules.view import TOLERANCE, PlanView


def limit_commitments(m: Model) -> None:
    """Committed capacity stays below what the lowest share of hours requires, rounded up to a whole unit.

    Σ_{c committed} rate[c] · units[c]  <  T̲ + Σ_i rate[i] · smallest[i]

    with T̲ the capacity required in the hour at `commitment_hours_share`, lowest demand first, for a fleet of
    the smallest unit in use.
    """
    if m.problem.policy.commitment_hours_share >= 1:
        return
    committed = m.capacity(0, lambda column: column.purchase.how is How.COMMITMENT)
    if not committed:
        return
    limits = [
        (pick, -(level.committed + option.rate_rps))
        for pick, level, option in zip(m.smallest, m.levels, m.problem.options, strict=True)
    ]
    # In units of the smallest rate, so that "less than" stands clear of the solver's tolerance.
    scale = 1 / min(option.rate_rps for option in m.problem.options)
    m.add("limit_commitments", [(v, scale * c) for v, c in committed + limits], "<=", -1e-4)


def verify_limit_commitments(view: PlanView) -> list[str]:
    """Committed capacity is needed in the low hours, to a unit; it is constant, and its terms are allowed."""
    faults = []
    committed = [name for name in view.used() if view.how(name) == "commitment"]
    for name in committed:
        units = view.units[name]
        offer = view.offer_of(name)
        if len(set(units)) != 1:
            faults.append(f"{name} is committed but runs {min(units)} to {max(units)} units")
        if offer["term_months"] > view.policy["max_commitment_months"]:
            faults.append(f"{name} lasts {offer['term_months']} months")
        if float(offer["upfront_usd"]) > 0 and not view.policy["allow_upfront"]:
            faults.append(f"{name} asks for {offer['upfront_usd']} USD up front")
    share = float(view.policy["commitment_hours_share"])
    if not committed or share >= 1:
        return faults
    smallest = view.smallest_used()
    capacity = sum(view.rate(name) * view.units[name][0] for name in committed)
    low = _required_in_low_hours(view, share, smallest)
    if capacity >= low + smallest - TOLERANCE:
        faults.append(f"{capacity:.4g} req/s committed, but the lowest {share:.0%} of hours need {low:.4g}")
    return faults


def _required_in_low_hours(view: PlanView, share: float, unit: float) -> float:
    reached, total = 0.0, sum(view.hours)
    for required, hours in sorted((view.required(p, unit), view.hours[p]) for p in view.periods()):
        reached += hours
        if reached >= share * total - 1e-9:
            return required
    return 0.0
