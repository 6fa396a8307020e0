"""Line 1: the answer, how sure it is, and the age of its prices where that matters."""

from __future__ import annotations

from datetime import date, timedelta

from optimiser.planning.baselines import HEADLINE_BASELINE
from optimiser.planning.plan import Plan
from optimiser.planning.plan_parts import PlanAlternative, PlanScenario
from optimiser.planning.price_ages import oldest_in_use, past_their_age
from optimiser.report.price_age import at_old_prices
from optimiser.report.wording import percent, provider_name, site, usd, usd_or_dash

_SITES_NAMED = 2
_SAME = 0.0005


def headline(plan: Plan) -> str:
    """`chat: $281,300 a month on AWS us-east-1, 38 % below on demand; gap 0.2 %, throughput ±13 %`.

    With scenarios `chat: expected $281,300, worst $402,100 (bad day) a month on …`.

    Where owned machines end within the days planned, the amount is of the time after, that over all days beside it.

    Old prices, and providers that were not compared, are said beside the amount, so that no narrow terminal
    hides them; old prices are dated at the end.
    """
    return f"{', '.join(service.name for service in plan.services)}: {answer(plan)}"


def answer(plan: Plan) -> str:
    """The headline without what it is of."""
    amount = usd(plan.totals.total_monthly_usd)
    if worst := dearest_first(plan)[:1]:
        amount = f"expected {amount}, worst {usd_or_dash(worst[0].monthly_usd)} ({worst[0].name})"
    said = f"{amount} a month on {place(plan)}"
    if plan.while_owned:
        said += f" from {after_stages(plan)}"
    if plan.providers_left_out:
        without = ", ".join(
            f"{provider_name(one.provider)} ({one.reason})" for one in plan.providers_left_out
        )
        said += f" without {without}"
    prices = oldest_in_use([plan])
    said += at_old_prices(prices)
    if plan.while_owned:
        days = plan.while_owned.planned_days
        average = usd(plan.while_owned.monthly_usd)
        said += f" ({average} a month on average over the {days} days planned, with what is owned until then)"
    baseline = headline_baseline(plan)
    if baseline is not None:
        said += f", {_against(baseline)}"
    sure = f"gap {percent(plan.bound.gap)}, throughput ±{percent(plan.estimate_relative_error)}"
    if any(option.low_confidence for option in plan.options):
        sure += " at best (low confidence)"
    old = ", ".join(past_their_age(prices))
    return f"{said}; {sure}" + (f"; prices: {old}" if old else "")


def after_stages(plan: Plan) -> date | None:
    """The first day that the plan itself is for, where stages come before it."""
    return plan.while_owned.stages[-1].until + timedelta(days=1) if plan.while_owned else None


def dearest_first(plan: Plan) -> list[PlanScenario]:
    """The scenarios by what the plan costs in them; none where there is but one."""
    several = plan.scenarios if len(plan.scenarios) > 1 else ()
    return sorted(several, key=lambda one: one.monthly_usd or 0, reverse=True)


def headline_baseline(plan: Plan) -> PlanAlternative | None:
    """The best single instance type on demand hour by hour, where it is feasible."""
    named = (one for one in plan.baselines if one.name == HEADLINE_BASELINE and one.monthly_usd)
    return next(named, None)


def saved_share(baseline: PlanAlternative) -> float:
    """Share of the baseline's cost that the plan saves (negative where the plan is dearer)."""
    if not baseline.monthly_usd or baseline.extra_monthly_usd is None:
        return 0.0
    return float(baseline.extra_monthly_usd / baseline.monthly_usd)


def place(plan: Plan) -> str:
    """The sites bought in, by name where they are few."""
    options = {option.id: option for option in plan.options}
    bought = (options[purchase.option] for purchase in plan.purchases)
    sites = list(dict.fromkeys(site(option.provider, option.region) for option in bought))
    return " and ".join(sites) if len(sites) <= _SITES_NAMED else f"{len(sites)} sites"


def _against(baseline: PlanAlternative) -> str:
    share = saved_share(baseline)
    if abs(share) < _SAME:
        return "no cheaper than on demand"
    return f"{percent(abs(share))} {'below' if share >= 0 else 'ABOVE'} on demand"
