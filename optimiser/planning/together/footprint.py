"""What services together draw, emit and have embodied: each what it has in use, and what is bought and idle beside."""

from __future__ import annotations

from collections.abc import Sequence

from optimiser.carbon.power import kg_co2e, kwh
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_footprint import PlanFootprint, sum_of_known
from optimiser.planning.problem import Option, Problem
from optimiser.planning.together.plan import ServicePart, SharedIdle, SharedOffer


def idle_of(problem: Problem, option: Option, instance_hours: float) -> SharedIdle | None:
    """Instances of a machine that stand idle for so many instance-hours of the horizon; option is any of its units.

    They draw what a unit without a request does (carbon/power.py), as in a plan of one service. None: power not known.
    """
    known, grid, instances = option.energy, option.footprint, option.estimate.setup.instances_per_unit
    if known is None:
        return None
    hours = instance_hours * HOURS_PER_MONTH / problem.horizon_hours
    watts = known.draw.watts(0.0) / instances
    drawn = None if known.pue is None else kwh(watts, hours, known.pue)
    low, high = (
        (each / instances * hours for each in known.embodied_kg_per_hour)
        if known.embodied_kg_per_hour
        else (None, None)
    )
    return SharedIdle(
        instance_hours_monthly=hours,
        watts_per_instance=watts,
        kwh_monthly=drawn,
        kg_co2e_monthly=None if drawn is None or grid is None else kg_co2e(drawn, grid.gco2_per_kwh),
        embodied_kg_co2e_monthly_low=low,
        embodied_kg_co2e_monthly_high=high,
    )


def footprint_of_all(
    services: Sequence[ServicePart], shared: Sequence[SharedOffer], monthly_tokens: float
) -> PlanFootprint | None:
    """The sums over services, with what is idle; None where of one no power is known at all."""
    each = [one.footprint for one in services if one.footprint]
    if len(each) < len(services):
        return None
    idle = [one.idle for one in shared if one.idle]
    drawn, emitted = [one.kwh_monthly for one in idle], [one.kg_co2e_monthly for one in idle]
    at_load = sum_of_known([*(one.kwh_monthly_at_load for one in each), *drawn])
    kg_at_load = sum_of_known([*(one.kg_co2e_monthly_at_load for one in each), *emitted])
    low, high = (
        sum_of_known([getattr(one, f"embodied_kg_co2e_monthly_{end}") for one in (*each, *idle)])
        for end in ("low", "high")
    )
    return PlanFootprint(
        kwh_monthly=sum_of_known([*(one.kwh_monthly for one in each), *drawn]),
        kwh_monthly_at_load=at_load,
        kwh_per_million_tokens=None if at_load is None else at_load / monthly_tokens * 1e6,
        kg_co2e_monthly=sum_of_known([*(one.kg_co2e_monthly for one in each), *emitted]),
        kg_co2e_monthly_at_load=kg_at_load,
        kg_co2e_per_million_tokens=None if kg_at_load is None else kg_at_load / monthly_tokens * 1e6,
        embodied_kg_co2e_monthly_low=low,
        embodied_kg_co2e_monthly_high=high,
        power=each[0].power,
    )
