"""What a price list does not say: scarce machines are held, and an offer may be limited in number."""

from __future__ import annotations

from optimiser.planning.model import Model
from optimiser.planning.problem import How
from optimiser.planning.rules.view import PlanView


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
        if kind in ("reservation_only", "spot_only") and how != "spot":
            faults.append(f"{name} is {kind} but bought as {how}")
    return faults


def respect_offer_limits(m: Model) -> None:
    """No offer is taken more often than it is made (a negotiated price for so many instances).

    running[c, p]  ≤  max_units[c]      ∀ limited column c, period p
    """
    for c, column in enumerate(m.columns):
        if column.purchase.max_units is not None:
            for p in m.periods if column.purchase.how is not How.COMMITMENT else (0,):
                name = f"respect_offer_limits_{c}_{p}"
                m.add(name, [(m.running[c][p], 1.0)], "<=", column.purchase.max_units)


def verify_respect_offer_limits(view: PlanView) -> list[str]:
    """Instances on an offer stay within its number; spot-free and tier limits of the policy hold."""
    faults = []
    for name in view.used():
        offer, option = view.offer_of(name), view.option_of(name)
        instances = max(view.units[name]) * option["instances_per_unit"]
        if offer["max_instances"] is not None and instances > offer["max_instances"]:
            faults.append(f"{name}: {instances} instances on an offer of {offer['max_instances']}")
        if offer["tier"] not in view.policy["tiers"]:
            faults.append(f"{name}: tier {offer['tier']} is not allowed")
        if (
            view.how(name) == "spot"
            and option["instances_per_unit"] > 1
            and not view.policy["spot_for_groups"]
        ):
            faults.append(f"{name}: a group of instances on spot")
    return faults
