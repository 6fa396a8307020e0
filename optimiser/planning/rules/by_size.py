"""The checks of a plan that routes by size, in place of those rules' own that reckon in the whole mix's rate.

All are in units of each option: what it carries of each size, over its rate for that size alone, keeps so many of them
busy, and that is what headroom, spare, spot and commitments are measured by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from optimiser.planning.rules.commitments import low_demand
from optimiser.planning.rules.view import PlanView, worst

# Units; shares are rounded to nine digits, and a solver keeps its rows to a millionth.
TOLERANCE = 1e-5


class SizedView:
    """Units of each option kept busy, running, firm and committed per period of a plan's JSON, by option id."""

    def __init__(self, view: PlanView) -> None:
        self.view = view
        self.sizes: list[dict[str, Any]] = view.plan["services"][0]["buckets"]
        self.share: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
        for row in view.plan["routing"]:
            self.share[view.index(row), row["option"]][row["bucket"]] = row["share"]

    def load(self, period: int, option: str) -> float:
        """Units kept busy; inf where a size is sent that the option cannot serve at the target."""
        rates = self.view.options[option]["bucket_rates_rps"]
        busy = 0.0
        for size, share in self.share.get((period, option), {}).items():
            flow = self.view.planned[period] * self.sizes[size]["share"] * share
            busy += flow / rates[size] if rates[size] > 0 else (float("inf") if flow > 0 else 0.0)
        return busy

    def needed(self, period: int, option: str) -> float:
        """Units that must run for headroom and spare: 0 where the option carries nothing."""
        load = self.load(period, option)
        if not any(self.share.get((period, option), {}).values()):
            return 0.0
        policy = self.view.policy
        return max(load / float(policy["utilisation_ceiling"]), load + int(policy["survive_instance_losses"]))

    def units(self, period: int, option: str, *hows: str, pool: str | None = None) -> int:
        """Units of an option that run, of the given kinds (all where none is given) or in one pool."""
        return sum(
            units[period]
            for name, units in self.view.units.items()
            if self.view.purchases[name]["option"] == option
            and (not hows or self.view.how(name) in hows)
            and (pool is None or self.view.purchases[name]["pool"] == pool)
        )


def verify_carry_demand(view: PlanView) -> list[str]:
    """Every size is routed in full in every period with demand, and no option is loaded above the ceiling."""
    sized, faults = SizedView(view), []
    ceiling = float(view.policy["utilisation_ceiling"])
    for p in (p for p in view.periods() if view.planned[p] > 0):
        for b, size in enumerate(sized.sizes):
            routed = sum(sized.share.get((p, name), {}).get(b, 0.0) for name in view.options)
            if size["share"] > 0 and abs(routed - 1) > TOLERANCE:
                faults.append((abs(routed - 1), f"{view.when(p)}: {routed:.6g} of size {b} is routed"))
        for name in view.options:
            beyond = sized.load(p, name) - ceiling * sized.units(p, name)
            if beyond > TOLERANCE:
                faults.append(
                    (beyond, f"{view.when(p)}: {name} is loaded {beyond:.4g} units above the ceiling")
                )
    return worst(faults)


def verify_survive_instance_loss(view: PlanView) -> list[str]:
    """Every option that carries anything still carries it after losing so many of its units."""
    sized, losses, faults = SizedView(view), int(view.policy["survive_instance_losses"]), []
    for p, name in sized.share:
        short = sized.load(p, name) + losses - sized.units(p, name)
        if losses and any(sized.share[p, name].values()) and short > TOLERANCE:
            faults.append((short, f"{view.when(p)}: {name} is {short:.4g} units short after losing {losses}"))
    return worst(faults)


def verify_limit_spot_share(view: PlanView) -> list[str]:
    """Firm units of every option reach their share of what it needs."""
    sized, share, faults = SizedView(view), float(view.policy["max_spot_share"]), []
    firm = ("commitment", "held_on_demand", "on_demand", "owned")
    for p, name in sized.share:
        short = (1 - share) * sized.needed(p, name) - sized.units(p, name, *firm)
        if short > TOLERANCE:
            faults.append(
                (short, f"{view.when(p)}: {name} is {short:.4g} firm units short of {1 - share:.0%}")
            )
    return worst(faults)


def verify_survive_spot_pool_loss(view: PlanView) -> list[str]:
    """Every option still carries its load after losing any of its spot pools."""
    if not view.policy["survive_spot_pool_loss"]:
        return []
    sized, faults = SizedView(view), []
    pools = {(one["option"], one["pool"]) for one in view.purchases.values() if one["how"] == "spot"}
    for option, pool in sorted(pools):
        for p in view.periods():
            left = sized.units(p, option) - sized.units(p, option, pool=pool)
            short = sized.load(p, option) - left
            if sized.units(p, option, pool=pool) and short > TOLERANCE:
                faults.append((short, f"{view.when(p)}: {option} is {short:.4g} units short without {pool}"))
    return worst(faults)


def verify_limit_commitments(view: PlanView) -> list[str]:
    """What is signed runs all along; what is committed of an option stays within its part of what it carries in all but
    the low hours, to a unit."""
    faults = [
        f"{name} is committed but runs {min(view.units[name])} to {max(view.units[name])} units"
        for name in view.used()
        if view.how(name) in ("commitment", "owned") and len(set(view.units[name])) != 1
    ]
    share = float(view.policy["commitment_hours_share"])
    committed = {view.purchases[name]["option"] for name in view.used() if view.how(name) == "commitment"}
    if share >= 1 or not committed:
        return faults
    sized, low = SizedView(view), low_demand(view, view.planned, share)
    headroom, spare = float(view.policy["commitment_headroom"]), int(view.policy["commitment_spare"])
    for option in sorted(committed):
        for p in (p for p in view.periods() if view.planned[p] >= low):
            units, load = sized.units(p, option, "commitment"), sized.load(p, option)
            most = max(headroom * load, load + (spare if load else 0))
            if units >= most + 1 + TOLERANCE:
                faults.append(f"{view.when(p)}: {units} units of {option} are committed, beyond {most:.4g}")
                break
    return faults


BY_SIZE_CHECKS: dict[str, Callable[[PlanView], list[str]]] = {
    "carry_demand": verify_carry_demand,
    "survive_instance_loss": verify_survive_instance_loss,
    "limit_spot_share": verify_limit_spot_share,
    "survive_spot_pool_loss": verify_survive_spot_pool_loss,
    "limit_commitments": verify_limit_commitments,
}
