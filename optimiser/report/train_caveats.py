"""What would cost money if it were left unsaid about a plan to train a model, and what its energy comes to."""

from __future__ import annotations

from optimiser.costing.training.interruptions import FIRM_RESTART_MINUTES
from optimiser.costing.training.plan import TrainPlan, TrainQuota
from optimiser.performance.confidence import planned_share
from optimiser.report.wording import counted, number, percent, site, usd

NINE_OF_TEN = 0.9


def energy_lines(plan: TrainPlan) -> tuple[str, ...]:
    """kWh and t CO2e, and what they rest on."""
    known = plan.energy
    pue = f"PUE {known.pue:g}" if known.pue else "no PUE known"
    hours = f"{number(plan.choice.gpu_hours)} GPU-hours"
    text = f"{number(known.kwh)} kWh: GPUs at their full board power × {hours}, their hosts and fans, {pue}."
    if known.tonnes_co2e is None:
        by = f" by the method of the places considered ({known.method})" if known.method else ""
        return (text, f"Carbon: no figure for this region's grid{by}. {_embodied(plan)}")
    grid = f"{known.gco2_per_kwh:g} g/kWh ({known.method}, {known.year})"
    price, weighed = plan.carbon_usd_per_tonne, usd(plan.choice.carbon_usd)
    at = f", weighed at {price:g} USD a tonne ({weighed}) in every choice and not billed" if price else ""
    return (
        text,
        f"{number(known.tonnes_co2e)} t CO2e at {grid}, the method of all places considered{at}. {_embodied(plan)}",
    )


def _embodied(plan: TrainPlan) -> str:
    low, high = plan.energy.embodied_tonnes_low, plan.energy.embodied_tonnes_high
    if low is None or high is None:
        return "Making the machines, on top: no published figure for this GPU."
    return f"Making the machines, on top: {number(low)} to {number(high)} t for these hours of their lives."


def caveats(plan: TrainPlan) -> tuple[str, ...]:
    """One line each."""
    one = plan.choice
    lines = [_obtaining(plan)] if one.obtainability != "elastic" or one.instances > 1 else []
    lines += [_quota(quota) for quota in plan.quotas]
    gang = "" if one.instances == 1 else f", and one lost instance stops all {one.instances:,}"
    for leg in one.legs:
        if leg.tier == "spot":
            lines.append(
                f"Spot is taken at {leg.interruptions_per_instance_hour:.2g} interruptions an instance-hour "
                f"({leg.interruptions_source}){gang}; prices and pools of spot are not known ahead."
            )
        if leg.tier == "capacity_block":
            lines.append(
                "A Capacity Block is paid at once, begins when it is offered, and moves in price from day to day."
            )
    if one.instances > 1 and any(leg.tier != "spot" for leg in one.legs):
        lines.append(
            f"After a failure firm machines go on within {FIRM_RESTART_MINUTES:g} minutes: that takes a spare, which "
            "is not in the price, or a fault that a restart mends."
        )
    longer = 1 / planned_share(one.relative_error, NINE_OF_TEN)
    late = plan.estimate_hours * longer > plan.deadline_hours
    past = ", past the deadline: --confidence 0.9 plans for them" if late else ""
    lines.append(
        f"The estimate is off by {percent(one.relative_error)} at the median; a tenth of runs take over "
        f"{percent(longer - 1)} longer{past}. Run a hundred steps before buying the rest."
    )
    lines.append(
        "Not in it: failed experiments and other runs (often as much again), data work, evaluation on other machines, "
        "moving the data to the region."
    )
    if plan.rejected:
        lines.append("Out: " + "; ".join(_shortened(text) for text in plan.rejected) + ".")
    return (*lines, *(f"{text[:1].upper()}{text[1:]}." for text in plan.notes))


def _obtaining(plan: TrainPlan) -> str:
    one = plan.choice
    place = f"{one.instances:,} × {one.instance_type} in {site(one.provider, one.region)}"
    together = "" if one.instances == 1 else " at once, beside each other,"
    if all(leg.tier == "spot" for leg in one.legs):
        return f"A price is not capacity: whether a pool holds {place}{together} no price list says."
    if one.how == "capacity block":
        return (
            f"A price is not capacity: a Capacity Block of {place} has to be on offer for the days you want."
        )
    word = one.obtainability.replace("_", " ")
    needs = "may need a reservation or a block; ask before relying on it"
    return f"A price is not capacity: {place} ({word}){together} {needs}."


def _quota(quota: TrainQuota) -> str:
    tier = " on spot" if quota.spot else ""
    granted = "not known here" if quota.granted is None else f"{quota.granted:,g}"
    needed = counted(quota.needed, {"vcpu": "vCPU", "gpu": "GPU"}[quota.unit])
    return f"Quota: {needed} of {quota.family} in {quota.region}{tier}; granted: {granted}."


def _shortened(text: str, most: int = 3) -> str:
    why, _, names = text.partition(": ")
    every = names.split(", ")
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{why} ({', '.join(every[:most])}{more})"
