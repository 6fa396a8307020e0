"""A commitment never exceeds what the demand of the lowest share of hours fills, whatever is kept spare."""

from __future__ import annotations

from optimiser.planning.model import Model
from optimiser.planning.problem import Floats, How
from optimiser.planning.requirements import committed_below
from optimiser.planning.rules.rule import RPS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView
from optimiser.policy import Policy


def limit_commitments(m: Model) -> None:
    """Committed capacity stays within the lowest hours' demand with some headroom or spare, rounded up to a whole unit.

    Σ_{c committed} rate[c] · units[c]  <  max(commitment_headroom · d̲, d̲ + commitment_spare · s) + s

    with d̲ the committable demand of the hour at `commitment_hours_share`, lowest first, and s = Σ_i rate[i] ·
    smallest[i] (no spare without demand). Other rules are not in it: a stricter one lets no more be committed.
    """
    if m.problem.policy.commitment_hours_share >= 1:
        return
    committed = m.capacity(0, lambda column: column.purchase.how is How.COMMITMENT)
    if not committed:
        return
    limits = [
        (pick, -committed_below(m.problem, option.rate_rps))
        for pick, option in zip(m.smallest, m.problem.options, strict=True)
    ]
    # In units of the smallest rate, so that "less than" stands clear of the solver's tolerance.
    scale = 1 / min(option.rate_rps for option in m.problem.options)
    m.add("limit_commitments", [(v, scale * c) for v, c in committed + limits], "<=", -1e-4)


def verify_limit_commitments(view: PlanView) -> list[str]:
    """Committed capacity stays within its part of the low hours' demand, to a unit; it is constant."""
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
    low = low_demand(view, view.committable, share)
    spare = int(view.policy["commitment_spare"]) * smallest if low > 0 else 0.0
    most = max(float(view.policy["commitment_headroom"]) * low, low + spare)
    tolerance = min(TOLERANCE, min((one for one in view.planned if one > 0), default=1.0) / 10)
    if capacity >= most + smallest - tolerance:
        hours = f"the lowest {share:.0%} of hours ask for {low:.4g}"
        faults.append(f"{capacity:.4g} req/s committed beyond {most:.4g}: {hours}")
    return faults


def low_demand(view: PlanView, demand: list[float], share: float) -> float:
    """Demand of the hour at so large a share of the hours, lowest first, req/s."""
    reached, total = 0.0, sum(view.hours)
    for asked, hours in sorted(zip(demand, view.hours, strict=True)):
        reached += hours
        if reached >= share * total - 1e-9:
            return asked
    return 0.0


def limit_in_words(policy: Policy) -> str:
    """The share of hours, and the part of their demand."""
    share, times = policy.commitment_hours_share, policy.commitment_headroom
    if share >= 1:
        return ""
    spare = f", or that demand and {policy.commitment_spare} spare" if policy.commitment_spare else ""
    return f"committed: {times:g} × the demand of the lowest {share * 100:g} % of hours{spare}, to a unit"


def slack(run: Running) -> Floats:
    """What may still be committed, req/s."""
    below = committed_below(run.problem, float(run.rate.min()))
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
