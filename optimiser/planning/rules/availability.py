"""The fleet outlives the loss of any few units, and never falls below a floor of firm ones."""

from __future__ import annotations

import numpy as np

from optimiser.planning.model import Model
from optimiser.planning.problem import BY_THE_HOUR, Floats, How
from optimiser.planning.rules.rule import RPS, UNITS, Rule, policy_with
from optimiser.planning.rules.running import Running
from optimiser.planning.rules.view import TOLERANCE, PlanView, worst
from optimiser.planning.start_up import may_stand_idle
from optimiser.policy import Policy


def survive_instance_loss(m: Model) -> None:
    """Demand is still carried after losing k = survive_instance_losses units of the largest kind in use.

    Σ_c rate[c] · running[c, p]  ≥  planned[p] + k · Σ_i rate[i] · largest[i]      ∀ p with planned[p] > 0
    """
    losses = m.problem.policy.survive_instance_losses
    if not losses:
        return
    spare = [
        (pick, -losses * option.rate_rps) for pick, option in zip(m.largest, m.problem.options, strict=True)
    ]
    for p in m.periods:
        planned = float(m.problem.planned_rps[p])
        if planned > 0:
            m.add(f"survive_instance_loss_{p}", m.capacity(p) + spare, ">=", planned)


def verify_survive_instance_loss(view: PlanView) -> list[str]:
    """Every hour with demand keeps spare what so many of the plan's largest units carry."""
    losses = int(view.policy["survive_instance_losses"])
    if not losses:
        return []
    largest, faults = view.spare_unit, []
    if view.largest_used() > largest + TOLERANCE:
        return [f"sized for the loss of {largest:.4g} req/s, but a unit of {view.largest_used():.4g} is used"]
    for p in view.periods():
        short = view.planned[p] + losses * largest - view.capacity(p)
        if view.planned[p] > 0 and short > TOLERANCE:
            lost = f"{losses} unit{'' if losses == 1 else 's'} of {largest:.4g} req/s"
            faults.append((short, f"{view.when(p)}: {short:.4g} req/s lost with {lost}"))
    return worst(faults)


def keep_firm_floor(m: Model) -> None:
    """At least so many units that are not spot run at all times: in hours without demand only if some unit by the hour
    starts too late for scale_to_zero_within_s.

    Σ_{c firm} running[c, p]  ≥  min_firm_instances                ∀ p with demand
    Σ_{c firm} running[c, p]  ≥  min_firm_instances · late         ∀ p without
    running[c, q]  ≤  M · late                                     ∀ c by the hour that starts too late, period q
    """
    policy, late = m.problem.policy, None
    if policy.scale_to_zero_within_s is not None:
        late = m.programme.binary("starts_too_late")
        for c, column in enumerate(m.columns):
            if column.purchase.how in BY_THE_HOUR and not may_stand_idle(policy, [column.option]):
                for p in m.periods:
                    most = -m.most_units(column.option)
                    m.add(f"keep_firm_floor_late_{c}_{p}", [(m.running[c][p], 1.0), (late, most)], "<=", 0)
    for p in m.periods:
        firm = [
            (m.running[c][p], 1.0)
            for c, column in enumerate(m.columns)
            if column.purchase.how is not How.SPOT
        ]
        floor = policy.min_firm_instances
        if late is not None and m.problem.planned_rps[p] <= 0:
            m.add(f"keep_firm_floor_{p}", [*firm, (late, -floor)], ">=", 0)
        else:
            m.add(f"keep_firm_floor_{p}", firm, ">=", floor)


def verify_keep_firm_floor(view: PlanView) -> list[str]:
    """The count of firm units never drops below the floor, but where all by the hour start soon enough for hours
    without demand.
    """
    floor, within = int(view.policy["min_firm_instances"]), view.policy["scale_to_zero_within_s"]
    by_the_hour = [view.option_of(name) for name in view.used() if view.how(name) in ("on_demand", "spot")]
    idle = within is not None and all(
        one["start_up_minutes"] is not None and one["start_up_minutes"] * 60 <= within for one in by_the_hour
    )
    faults = []
    for p in view.periods():
        if idle and view.planned[p] <= 0:
            continue
        firm = sum(units[p] for name, units in view.units.items() if view.how(name) != "spot")
        if firm < floor:
            faults.append((float(floor - firm), f"{view.when(p)}: {firm} firm units, floor {floor}"))
    return worst(faults)


def loss_in_words(policy: Policy) -> str:
    """What is kept spare."""
    losses = policy.survive_instance_losses
    spare = "one unit's capacity" if losses == 1 else f"{losses} units' capacity"
    return f"{spare} spare in every hour" if losses else ""


def loss_slack(run: Running) -> Floats:
    """Capacity above demand and the spare units, req/s."""
    spare = run.policy.survive_instance_losses * run.solution.spare_unit_rps
    above: Floats = run.capacity - run.planned - spare
    return above


def floor_in_words(policy: Policy) -> str:
    """The floor."""
    floor = policy.min_firm_instances
    idle = (
        ", but without demand where all start soon enough"
        if policy.scale_to_zero_within_s is not None
        else ""
    )
    return f"at least {floor} instances (or groups) that are not spot{idle}" if floor else ""


def floor_slack(run: Running) -> Floats:
    """Units that are not spot above the floor."""
    firm = [column.purchase.how is not How.SPOT for column in run.solution.columns]
    return np.asarray(
        run.solution.units[:, firm].sum(axis=1) - run.policy.min_firm_instances, dtype=np.float64
    )


SURVIVE_INSTANCE_LOSS = Rule(
    name="survive_instance_loss",
    rows=survive_instance_loss,
    scope="period",
    verify=verify_survive_instance_loss,
    limit=loss_in_words,
    slack=loss_slack,
    unit=RPS,
    without=policy_with(survive_instance_losses=0),
    eased="survive_instance_losses: 0",
    always_priced=True,
)

KEEP_FIRM_FLOOR = Rule(
    name="keep_firm_floor",
    rows=keep_firm_floor,
    scope="period",
    verify=verify_keep_firm_floor,
    limit=floor_in_words,
    slack=floor_slack,
    unit=UNITS,
    without=policy_with(min_firm_instances=0),
    eased="min_firm_instances: 0",
)
