"""Which site serves how much of the demand, in a plan that splits it."""

from __future__ import annotations

from decimal import Decimal

from optimiser.planning.plan import Plan
from optimiser.report.document import Block, Column, Row, Table
from optimiser.report.wording import percent, site, usd


def blocks(plan: Plan) -> tuple[Block, ...]:
    """A row for each site: its share of the requests, what it carries where another is lost, what its fleet costs."""
    place = {option.id: (option.provider, option.region) for option in plan.options}
    spent = dict.fromkeys(place.values(), Decimal(0))
    for one in plan.purchases:
        spent[place[one.option]] += one.monthly_usd
    survives = plan.policy["survive_region_loss"]
    columns = [Column("site"), Column("of the requests", right=True)]
    columns += [Column("if another is lost", right=True)] if survives else []
    columns += [Column("$ a month", right=True)]
    rows = []
    for row in plan.sites:
        cells = [site(row.provider, row.region), percent(row.traffic_share)]
        cells += [percent(row.loss_share)] if survives else []
        rows.append(Row((*cells, usd(spent[row.provider, row.region]))))
    said = "Weights for a load balancer, the same in every hour; every rule on what runs holds in each site."
    if survives:
        said += (
            " Where a site is lost, its requests go to the others by their weights: they carry the planned rate "
            "without any spot, and nothing is spare then."
        )
    return Table(tuple(columns), tuple(rows)), said
