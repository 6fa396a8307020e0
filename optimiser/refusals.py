"""Why there is no plan, as the question as a whole tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from optimiser.errors import NoFeasiblePlan, StalePrices
from optimiser.performance.estimate_types import Estimate
from optimiser.planning.infeasible import nothing_priced
from optimiser.planning.options import build_options
from optimiser.planning.owned import Owned, ending_within, instances_of, planned_days
from optimiser.planning.plan_parts import PlanLeftOut

if TYPE_CHECKING:
    from optimiser.recommend import Request


def nothing_to_buy(
    request: Request,
    estimates: Sequence[Estimate],
    offers: pd.DataFrame,
    age_notes: Sequence[str],
    left_out: Sequence[PlanLeftOut],
    place_notes: Sequence[str],
) -> NoFeasiblePlan | StalePrices:
    """Why nothing that serves the workload has a price among offers: all are too old, of places that are out or too far
    away, not fetched, or there is none."""
    name, book = request.workload.name, request.book
    if place_notes:
        return NoFeasiblePlan(f"{name}: {'; '.join(place_notes)}, and nothing else is left")
    shapes, policy, past = request.config.shapes, request.policy, request.spot_past
    if build_options(estimates, shapes, offers, policy, past=past):
        return NoFeasiblePlan(
            f"{name}: nothing meets the target where there is a price, after the round trip to there is taken off its "
            "TTFT (round_trip_ms_by_region)"
        )
    if build_options(estimates, shapes, book.offers, policy, past=past):
        return StalePrices(
            f"{name}: {'; '.join(age_notes)}, and none is left: run `optimiser refresh`, or raise the limit "
            "in settings.yaml (live_prices, max_price_age_days)"
        )
    if {one.provider for one in left_out} >= {one.provider for one in estimates}:
        without = ", ".join(f"{one.provider} ({one.reason})" for one in left_out)
        return StalePrices(
            f"{name}: no prices of {without}: run `optimiser refresh`, see `optimiser prices status`"
        )
    return nothing_priced(request.workload, estimates, book.offers, book.missing, request.policy)


def with_what_is_left_out(
    refusal: NoFeasiblePlan, left_out: Sequence[PlanLeftOut]
) -> NoFeasiblePlan | StalePrices:
    """The refusal; where prices are missing that might have allowed a plan, it is for want of those."""
    if not left_out:
        return refusal
    names = ", ".join(f"{one.provider} ({one.reason})" for one in left_out)
    return StalePrices(
        f"{refusal}; left out: {names}: run `optimiser refresh`, see `optimiser prices status`"
    )


def of_the_time_after(refusal: NoFeasiblePlan, request: Request, owned: Sequence[Owned]) -> NoFeasiblePlan:
    """The refusal; where machines are owned that end within the days planned, with what it is a refusal of."""
    days = planned_days(sum(period.hours for period in request.workload.periods))
    ending = ending_within(owned, request.as_of, days)
    if not ending:
        return refusal
    names = ", ".join(f"{instances_of(one)} (until {one.ends})" for one in ending)
    return NoFeasiblePlan(
        f"{refusal}; limits hold for the plan of the time after what ends within {days} days is over, which is planned "
        f"without {names}"
    )
