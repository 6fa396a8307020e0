"""A commitment never exceeds what the lowest share of hours fills."""

from __future__ import annotations

from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, How
from optimiser.planning.rules.rule import RPS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy


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
    """Committed capacity is needed in the low hours, to a unit; it is constant."""
    faults = []
    committed = [name for name in view.used() if view.how(name) == "commitment"]
    for name in committed + [name for name in view.used() if view.how(name) == "owned"]:
        units = view.units[name]
        if len(set(units)) != 1:
            faults.append(f"{name} is committed but runs {min(units)} to {max(units)} units")
    share = float(view.policy["commitment_hours_share"])
    if not committed or share >= 1:
        return faults
    smallest = view.smallest_used()
    capacity = sum(view.rate(name) * view.units[name][0] for name in committed)
    low = _required_in_low_hours(view, share, smallest)
    tolerance = min(TOLERANCE, min((one for one in view.planned if one > 0), default=1.0) / 10)
    if capacity >= low + smallest - tolerance:
        faults.append(f"{capacity:.4g} req/s committed, but the lowest {share:.0%} of hours need {low:.4g}")
    return faults


def _required_in_low_hours(view: PlanView, share: float, unit: float) -> float:
    reached, total = 0.0, sum(view.hours)
    for required, hours in sorted((view.required(p, unit), view.hours[p]) for p in view.periods()):
        reached += hours
        if reached >= share * total - 1e-9:
            return required
    return 0.0


def limit_in_words(policy: Policy) -> str:
    """The share of hours."""
    share = policy.commitment_hours_share
    return f"committed: what the lowest {share * 100:g} % of hours need, to a unit" if share < 1 else ""


def slack(run: Running) -> Floats:
    """What may still be committed, req/s."""
    below = run.low.committed + float(run.rate.min())
    left: Floats = below - run.paid(lambda how: how is How.COMMITMENT)
    return left


LIMIT_COMMITMENTS = Rule(
    name="limit_commitments",
    rows=limit_commitments,
    scope="horizon",
    verify=verify_limit_commitments,
    limit=limit_in_words,
    slack=slack,
    unit=RPS,
    without=policy_with(commitment_hours_share=1.0),
    eased="commitment_hours_share: 1",
    always_priced=True,
)
