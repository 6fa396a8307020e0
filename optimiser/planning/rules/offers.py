"""What a price list does not say: scarce machines are held, and an offer may be limited in number."""

from __future__ import annotations

from dataclasses import replace

from optimiser.planning.model import Model
from optimiser.planning.problem import SIGNED, How, Problem
from optimiser.planning.rules.rule import Rule
from optimiser.planning.rules.view import PlanView
from optimiser.planning.start_up import too_slow
from optimiser.policy import Policy


def hold_scarce(m: Model) -> None:
    """A scarce machine on demand is kept for the whole horizon: once given back it may not be had again.

    running[c, p]  =  running[c, 0]      ∀ scarce on-demand column c, period p
    """
    for c, column in enumerate(m.columns):
        if column.purchase.how is How.HELD:
            for p in list(m.periods)[1:]:
                same = [(m.running[c][p], 1.0), (m.running[c][0], -1.0)]
                m.add(f"hold_scarce_{c}_{p}", same, "=", 0)


def verify_hold_scarce(view: PlanView) -> list[str]:
    """No scarce, reservation-only or spot-only machine is bought by the hour on demand."""
    if view.policy["assume_obtainable"]:
        return []
    faults = []
    for name in view.used():
        kind, how, units = view.option_of(name)["obtainability"], view.how(name), view.units[name]
        if kind == "scarce" and how in ("held_on_demand", "on_demand") and len(set(units)) != 1:
            faults.append(f"{name} is scarce but runs {min(units)} to {max(units)} units")
        if kind in ("reservation_only", "spot_only") and how not in ("spot", "owned"):
            faults.append(f"{name} is {kind} but bought as {how}")
    return faults


def respect_offer_limits(m: Model) -> None:
    """No offer is taken more often than it is made (a negotiated price for so many instances).

    running[c, p]  ≤  max_units[c]      ∀ limited column c, period p
    """
    for c, column in enumerate(m.columns):
        if column.purchase.max_units is not None:
            for p in m.periods if column.purchase.how not in SIGNED else (0,):
                name = f"respect_offer_limits_{c}_{p}"
                m.add(name, [(m.running[c][p], 1.0)], "<=", column.purchase.max_units)


def verify_respect_offer_limits(view: PlanView) -> list[str]:
    """Instances on an offer stay within its number."""
    faults = []
    for name in view.used():
        most = view.offer_of(name)["max_instances"]
        instances = max(view.units[name]) * view.option_of(name)["instances_per_unit"]
        if most is not None and instances > most:
            faults.append(f"{name}: {instances} instances on an offer of {most}")
    return faults


def scarce_in_words(policy: Policy) -> str:
    """How scarce machines run."""
    return "" if policy.assume_obtainable else "scarce machines on demand run all week"


def by_the_hour(problem: Problem) -> Problem:
    """The problem where scarce machines that start in time start and stop by the hour."""
    options = tuple(
        replace(
            option,
            purchases=tuple(replace(p, how=How.HOURLY) if p.how is How.HELD else p for p in option.purchases),
        )
        if not too_slow(problem.policy, option.start_up_minutes)
        else option
        for option in problem.options
    )
    return replace(problem, options=options)


HOLD_SCARCE = Rule(
    name="hold_scarce",
    rows=hold_scarce,
    scope="horizon",
    verify=verify_hold_scarce,
    limit=scarce_in_words,
    without=by_the_hour,
    eased="assume_obtainable: true",
    always_priced=True,
)

RESPECT_OFFER_LIMITS = Rule(
    name="respect_offer_limits",
    rows=respect_offer_limits,
    scope="period",
    verify=verify_respect_offer_limits,
    limit=lambda _: "no offer taken more often than it is made",
)
