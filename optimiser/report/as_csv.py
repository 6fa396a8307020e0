"""The Plan as a timetable: one CSV row for every period and purchase of every scenario, whose usd sum to the horizon's
cost in that scenario."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from optimiser.planning.plan import Plan, to_jsonable
from optimiser.prices.rows import money_text

COLUMNS = (
    "scenario",
    "period_start",
    "hours",
    "planned_rps",
    "purchase",
    "how",
    "provider",
    "region",
    "instance_type",
    "units",
    "instances",
    "usd",
    "rate_rps",
    "margin",
)


def render(plan: Plan, *, explain: bool = False, colour: bool = False) -> str:  # noqa: ARG001
    """Rows in the order of scenarios, periods and purchases; purchases that do not run have 0 units.

    usd = units × instances per unit × planned USD per hour × hours, exact; planned_rps is over all services. rate_rps
    is what one unit is planned to carry, after margin, the share taken off its estimate.
    """
    options = {option.id: option for option in plan.options}
    offers = {offer.id: offer for offer in plan.offers}
    units = {(count.scenario, count.period, count.purchase): count.units for count in plan.counts}
    planned: dict[tuple[int, int], float] = {}
    for demand in plan.demand:
        key = (demand.scenario, demand.period)
        planned[key] = planned.get(key, 0.0) + demand.planned_rps
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for scenario_index, scenario in enumerate(plan.scenarios):
        for index, period in enumerate(plan.periods):
            rate = planned.get((scenario_index, index), 0.0)
            when = (scenario.name, to_jsonable(period.start), f"{period.hours:g}", f"{rate:.6g}")
            hours = Decimal(str(period.hours))
            for purchase in plan.purchases:
                option, offer = options[purchase.option], offers[purchase.offer]
                running = units.get((scenario_index, index, purchase.id), 0)
                instances = running * option.instances_per_unit
                usd = instances * offer.planned_usd_per_hour * hours
                place = (purchase.how, option.provider, option.region, option.instance_type)
                bought = (purchase.id, *place, running, instances, money_text(usd))
                writer.writerow((*when, *bought, option.rate_rps, f"{option.margin:.6g}"))
    return text.getvalue()
