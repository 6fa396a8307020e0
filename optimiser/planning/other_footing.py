"""Under a carbon cap: whether another published figure of the grids would leave a cheaper plan within it.

Figures of different methods are never set against each other (`optimiser.carbon.grids`), so each is planned on alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from optimiser.carbon.grids import Carbon, footing
from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.carbon_cap import horizon_kg
from optimiser.planning.outcome import Outcome
from optimiser.planning.patterns import settle_parts
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.problem import Option, Problem
from optimiser.planning.search import search
from optimiser.planning.totals import all_in_monthly_usd


def other_footing_notes(problem: Problem, outcome: Outcome, carbon: Carbon, gap: float) -> tuple[str, ...]:
    """What the cheapest plan within the cap would cost by the other method that most of the places have a figure of,
    and how to ask for it: one more search, and nothing where the cap does not bind, the plan costs no less, or its
    places alone would not be told by that method."""
    best, method = outcome.best, _other_method(problem.options)
    if not outcome.carbon_steps or best is None or method is None:
        return ()
    usd_per_kg = problem.policy.carbon_usd_per_tonne / KG_PER_TONNE
    told = tuple(by for one in problem.options if (by := _told_by(one, method, usd_per_kg)) is not None)
    asked = replace(problem, options=told)
    found = search(asked, gap, alternatives=0).best
    if found is None:
        return ()
    solution, _ = settle_parts(asked, found.solution, found.usd_per_kg)
    monthly_usd = all_in_monthly_usd(asked, solution)
    used = {column.option.site: column.option for column in solution.columns}
    if monthly_usd >= all_in_monthly_usd(problem, best.solution) or footing(carbon, used) != method:
        return ()
    kg = horizon_kg(asked, solution) * HOURS_PER_MONTH / asked.horizon_hours
    figures = ", ".join(
        f"{provider} {region} {one.footprint.gco2_per_kwh:g} g/kWh of {one.footprint.year} by {one.footprint.source}"
        for (provider, region), one in sorted(used.items())
        if one.footprint
    )
    return (
        f"carbon: by another method alone ({method}: {figures}) a plan would cost {monthly_usd:,.2f} USD a month and "
        f"emit {kg:,.0f} kg CO2e at planned rates, within the cap. Figures of two methods are not to be compared: the "
        f"lower may only leave more out. To plan by that one set {_ask_for(used)}",
    )


def _other_method(options: Sequence[Option]) -> str | None:
    """The method, beside the one that all are told by, that most places have a figure of."""
    places = {one.site: one.footprint.other_figures for one in options if one.footprint is not None}
    known = Counter(grid.method for figures in places.values() for grid in figures)
    return min(known, key=lambda method: (-known[method], method), default=None)


def _told_by(option: Option, method: str, usd_per_kg: float) -> Option | None:
    """The option with its grid's figure by a method, and carbon weighed by that; None where there is none."""
    known = option.footprint
    grid = next((one for one in known.other_figures if one.method == method), None) if known else None
    if known is None or grid is None:
        return None
    footprint = replace(
        known,
        gco2_per_kwh=grid.gco2_per_kwh,
        method=grid.method,
        year=grid.year,
        source=grid.source,
        other_figures=(),
    )
    told = replace(option, footprint=footprint)
    more = usd_per_kg * (told.kg_per_unit_hour - option.kg_per_unit_hour)
    purchases = tuple(
        replace(one, usd_per_unit_hour=one.usd_per_unit_hour + more, billed_usd_per_unit_hour=one.billed)
        for one in told.purchases
    )
    return replace(told, purchases=purchases) if more else told


def _ask_for(sites: Collection[tuple[str, str]]) -> str:
    providers = ", ".join(sorted({provider for provider, _ in sites}))
    regions = ", ".join(sorted({region for _, region in sites}))
    return f"providers: [{providers}] and regions: [{regions}]"
