"""Owned machines that end within the days planned: a plan for the time until each end, before the plan itself.

The plan is for the time when they have ended, which is what commitments are signed for. Before that a stage per end
date is planned by the same planner, from the last end back to the first: what is owned until then joins, and each
commitment may have at most the units that it has in the plan after. So every stage is an ordinary plan with its own
proof, and what is signed in one stays in use in every later one. A stage that takes nothing off what the days planned
cost is left out: the plan after it needs nothing that the stage lacks, and holds in its time too. What is promised to
providers a month is held against the average over all days: stages are planned without it. No optimum over all stages
together is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from optimiser.errors import OptimiserError
from optimiser.planning.charges import SHORTFALL
from optimiser.planning.offer_money import cents, exact
from optimiser.planning.owned import Owned, ending_within, instances_of, planned_days, planned_without
from optimiser.planning.owned_unused import NEEDED_NO_MORE, not_used
from optimiser.planning.plan import HOURS_PER_MONTH, Plan, PlanStage, PlanWhileOwned, to_jsonable
from optimiser.planning.plan_parts import PlanCharge
from optimiser.planning.problem import How, Option, Purchase
from optimiser.planning.rules import verify_plan
from optimiser.planning.rules.charges import unspent_on_average
from optimiser.planning.rules.view import PlanView

LEAST_CHARGE = 0.005
PROMISED_ANYWAY = (
    "with what is promised to providers (minimum_monthly_usd_by_provider) no plan found with it costs less"
)
OF_ITS_BOUND = "among plans that sign no more of each commitment than the plan after this stage"


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
    after = plan.planned_on
    ending = ending_within(owned, after, days)
    found: list[PlanStage] = []
    later, whole = plan, _all_of(plan, (), days)
    for until in sorted({one.ends for one in ending}, reverse=True):
        ids = frozenset(one.offer_id for one in ending if one.ends == until)
        signed = {one.id: one.max_units for one in later.purchases if one.how == How.COMMITMENT}
        made = planned(Stage(until=until, ending=ids, most_signed=signed))
        if made is None:
            continue
        stages = _before(_stage(after + timedelta(days=1), until, made, plan), found)
        with_it = _all_of(plan, stages, days)
        if with_it.usd < whole.usd:
            found, later, whole = list(stages), made, with_it
    notes = _notes(plan, ending, found, days)
    if not found:
        return replace(plan, notes=notes)
    same_again = plan.deterministic and all(one.plan.deterministic for one in found)
    staged = replace(plan, notes=notes, deterministic=same_again, while_owned=whole)
    faults = verify_plan(to_jsonable(replace(staged, rejections=())))
    if faults:
        raise OptimiserError(f"internal error, no plan is given: {'; '.join(faults)}")
    return staged


def _before(stage: PlanStage, stages: Sequence[PlanStage]) -> tuple[PlanStage, ...]:
    """The stages with one more at their beginning, of which the first of them now is the next."""
    if not stages:
        return (stage,)
    first_day = stage.until + timedelta(days=1)
    first = replace(stages[0], first_day=first_day, days=(stages[0].until - first_day).days + 1)
    return (stage, first, *stages[1:])


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
    """What the days planned cost, with what they lack on average of what is promised."""
    rest = days - sum(one.days for one in stages)
    each = [*((one.plan, one.days) for one in stages), (plan, rest)]
    usd = sum(((one.totals.total_monthly_usd - lacking(one)) * part for one, part in each), Decimal(0))
    charges = _shortfalls(plan, each, days)
    monthly = usd / days + sum((one.monthly_usd for one in charges), Decimal(0))
    return PlanWhileOwned(
        planned_days=days,
        monthly_usd=cents(monthly),
        usd=cents(monthly * days * 24 / HOURS_PER_MONTH),
        charges=charges,
        stages=stages,
    )


def lacking(plan: Plan) -> Decimal:
    """What a plan by itself is charged of what is promised, USD a month."""
    return sum((one.monthly_usd for one in plan.charges if one.kind == SHORTFALL), Decimal(0))


def _shortfalls(plan: Plan, each: Iterable[tuple[Plan, int]], days: int) -> tuple[PlanCharge, ...]:
    """What is owed to each provider beyond what is spent there on average over the days planned."""
    promised = plan.policy["minimum_monthly_usd_by_provider"]
    if not any(promised.values()):
        return ()
    views = [(PlanView(to_jsonable(replace(one, rejections=()))), part) for one, part in each]
    return tuple(
        PlanCharge(
            provider=provider,
            kind=SHORTFALL,
            what=f"promised to {provider} a month and not spent on average over the {days} days planned",
            monthly_usd=cents(exact(usd)),
        )
        for provider, usd in unspent_on_average(views, promised, days).items()
        if usd >= LEAST_CHARGE
    )


def _notes(plan: Plan, ending: Sequence[Owned], stages: Sequence[PlanStage], days: int) -> tuple[str, ...]:
    """The plan's notes; in place of those on what it is planned without, what stages save and what none uses."""
    without = planned_without(ending, plan.planned_on, days)
    used = [{one.offer for one in stage.plan.purchases} for stage in stages]
    with_them = tuple(
        f"until {stage.until} planned with {_named(one for one in ending if one.offer_id in ids)}: "
        f"{plan.totals.total_monthly_usd - lacking(plan) - stage.plan.totals.total_monthly_usd:,.2f} USD a month less "
        "than after all have ended"
        for stage, ids in zip(stages, used, strict=True)
    )
    why = PROMISED_ANYWAY if lacking(plan) else NEEDED_NO_MORE
    unused = not_used((one, why) for one in ending if not any(one.offer_id in ids for ids in used))
    return (*(note for note in plan.notes if note not in without), *with_them, *unused)


def _named(owned: Iterable[Owned]) -> str:
    return ", ".join(f"{instances_of(one)} (owned until {one.ends})" for one in owned)
