"""Owned machines that end within the days planned: a plan for the time until each end, before the plan itself.

The plan is for the time when they have ended, which is what commitments are signed for. Before that a stage per end
date is planned by the same planner, from the last end back to the first: what is owned until then joins, and each
commitment may have at most the units that it has in the plan after. So every stage is an ordinary plan with its own
proof, and what is signed in one stays in use in every later one. A stage that does not cost less than the plan after it
is left out: that plan needs nothing that the stage lacks, and holds in its time too. No optimum over all stages
together is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from optimiser.errors import OptimiserError
from optimiser.planning.offer_money import cents
from optimiser.planning.owned import Owned, planned_days, planned_without
from optimiser.planning.plan import Plan, PlanStage, PlanWhileOwned, to_jsonable
from optimiser.planning.problem import How, Option, Purchase
from optimiser.planning.rules import verify_plan

OF_ITS_BOUND = "among plans that sign no more of each commitment than the plan after this stage"
PROMISED = (
    "what is promised to providers (minimum_monthly_usd_by_provider) is charged to each stage as if it lasted a month: "
    "over the days planned less may be owed"
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is to be planned: the time until the end of a day, with the offers that end then, and at most so many units
    of each commitment, by purchase id."""

    until: date
    ending: frozenset[str]
    most_signed: Mapping[str, int]


def signing_no_more(options: Iterable[Option], stage: Stage) -> tuple[Option, ...]:
    """The options with no more of each commitment than the stage may sign."""
    within = (
        replace(one, purchases=tuple(p for each in one.purchases for p in _at_most(each, stage)))
        for one in options
    )
    return tuple(one for one in within if one.purchases)


def _at_most(purchase: Purchase, stage: Stage) -> tuple[Purchase, ...]:
    if purchase.how is not How.COMMITMENT:
        return (purchase,)
    most = stage.most_signed.get(purchase.id, 0)
    return (replace(purchase, max_units=most),) if most else ()


def serves(options: Iterable[Option], stage: Stage) -> bool:
    """Whether anything that ends with the stage can be used."""
    return any(one.offer_id in stage.ending for option in options for one in option.purchases)


def with_stages(plan: Plan, owned: Sequence[Owned], planned: Callable[[Stage], Plan | None]) -> Plan:
    """The plan with a stage for every end of what is owned within its days; `planned` makes one, or None.

    Raises OptimiserError where the whole breaks a rule of stages.
    """
    days = planned_days(plan.totals.horizon_hours)
    after, last = plan.planned_on, plan.planned_on + timedelta(days=days)
    ending = [one for one in owned if after < one.ends < last]
    found: list[tuple[date, Plan]] = []
    later = plan
    for until in sorted({one.ends for one in ending}, reverse=True):
        ids = frozenset(one.offer_id for one in ending if one.ends == until)
        signed = {one.id: one.max_units for one in later.purchases if one.how == How.COMMITMENT}
        made = planned(Stage(until=until, ending=ids, most_signed=signed))
        if made is not None and made.totals.total_monthly_usd < later.totals.total_monthly_usd:
            found.insert(0, (until, made))
            later = made
    stages = []
    for until, made in found:
        stages.append(_stage(after + timedelta(days=1), until, made, plan))
        after = until
    notes = _notes(plan, ending, stages, days)
    if not stages:
        return replace(plan, notes=notes)
    same_again = plan.deterministic and all(one.plan.deterministic for one in stages)
    whole = replace(
        plan, notes=notes, deterministic=same_again, while_owned=_all_of(plan, tuple(stages), days)
    )
    faults = verify_plan(to_jsonable(replace(whole, rejections=())))
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")
    return whole


def _stage(first_day: date, until: date, made: Plan, plan: Plan) -> PlanStage:
    """A stage's plan, with what the whole plan does not say already."""
    bound = replace(made.bound, method=f"{made.bound.method}, {OF_ITS_BOUND}")
    own = tuple(note for note in made.notes if note not in plan.notes)
    return PlanStage(
        first_day=first_day,
        until=until,
        days=(until - first_day).days + 1,
        plan=replace(made, bound=bound, notes=own, rejections=()),
    )


def _all_of(plan: Plan, stages: tuple[PlanStage, ...], days: int) -> PlanWhileOwned:
    rest = days - sum(one.days for one in stages)
    usd = sum((one.plan.totals.total_monthly_usd * one.days for one in stages), Decimal(0))
    usd += plan.totals.total_monthly_usd * rest
    return PlanWhileOwned(planned_days=days, monthly_usd=cents(usd / days), stages=stages)


def _notes(plan: Plan, ending: Sequence[Owned], stages: Sequence[PlanStage], days: int) -> tuple[str, ...]:
    """The plan's notes; in place of those on what it is planned without, what stages save and what none uses."""
    without = planned_without(ending, plan.planned_on, days)
    used = [{offer.id for offer in stage.plan.offers} for stage in stages]
    with_them = tuple(
        f"until {stage.until} planned with {_named(one for one in ending if one.offer_id in ids)}: "
        f"{plan.totals.total_monthly_usd - stage.plan.totals.total_monthly_usd:,.2f} USD a month less than after all "
        "have ended"
        for stage, ids in zip(stages, used, strict=True)
    )
    unused = tuple(
        f"owned until {one.ends} and not used: {_instances(one)}: no plan found with it costs less"
        for one in ending
        if not any(one.offer_id in ids for ids in used)
    )
    promised = (PROMISED,) * bool(stages and plan.policy["minimum_monthly_usd_by_provider"])
    return (*(note for note in plan.notes if note not in without), *with_them, *unused, *promised)


def _named(owned: Iterable[Owned]) -> str:
    return ", ".join(f"{_instances(one)} (owned until {one.ends})" for one in owned)


def _instances(one: Owned) -> str:
    return f"{one.instances} × {one.instance_type} in {one.region}"
