"""Every lever on the user's own workload: planned again alone, then together as long as the plan gets cheaper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from optimiser.costing.levers import levers_for
from optimiser.costing.levers.lever import Asks, Changed, Given, InPlace, Lever, Outcome
from optimiser.costing.levers.replanned import (
    Replanned,
    all_in_usd,
    processes,
    proven_within_usd,
    replan,
    replan_all,
    task_of,
)
from optimiser.errors import UsageError, did_you_mean
from optimiser.planning.plan import Plan
from optimiser.pool import spread
from optimiser.recommend import Request, recommend


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """One lever: what it does to the question, and the plan of it (of the question without it where it is in place).

    saved_usd is what it saves a month against the baseline, or saves already; None without such a plan.
    within_gap: the saving is below what the two plans are proven to, and so says nothing.
    """

    lever: Lever
    outcome: Outcome
    replanned: Replanned | None = None
    saved_usd: Decimal | None = None
    within_gap: bool = False

    @property
    def saves(self) -> bool:
        """Whether the lever, not pulled yet, makes a plan that is cheaper beyond the gap."""
        known = isinstance(self.outcome, Changed) and self.saved_usd is not None
        return known and not self.within_gap and (self.saved_usd or 0) > 0


@dataclass(frozen=True, kw_only=True)
class Combination:
    """Levers that ask no more than `asks`, added one at a time in the order of what each saves alone, each kept where
    the plan got cheaper beyond the gap; the plan of all that were kept, and the settings behind it."""

    asks: Asks
    kept: tuple[str, ...]
    settings: tuple[str, ...]
    plan: Plan
    saved_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Study:
    """The baseline's plan, every lever pulled alone in the order of the registry, and the best combinations."""

    baseline: Plan
    pulled: tuple[Pulled, ...]
    combinations: tuple[Combination, ...]


def chosen(names: Sequence[str] | None, levers: Mapping[str, Lever]) -> tuple[Lever, ...]:
    """The levers of those names, or groups that are no lever's name; all where none is given, in the registry's order.

    What is named may enter a combination, whatever it is.

    Raises UsageError for a name of neither.
    """
    if not names:
        return tuple(levers.values())
    groups = {one.group for one in levers.values()}
    for name in names:
        if name not in levers and name not in groups:
            raise UsageError(f"lever = {name!r}: {did_you_mean(name, {*levers, *groups})}")
    wanted = {*names, *(one.name for one in levers.values() if one.group in set(names) - set(levers))}
    return tuple(replace(one, combine=True, named=True) for one in levers.values() if one.name in wanted)


def study(request: Request, given: Given, levers: Sequence[Lever], jobs: int | None = None) -> Study:
    """Pull each lever alone, then in combination, over `jobs` processes (None: the cores there are).

    Raises what `recommend` does where the workload itself has no plan.
    """
    model = request.config.find_model(request.workload.model)
    known = {**request.config.models, request.workload.model: model}
    base = replace(request, config=replace(request.config, models=known), alone=True, explain=False)
    outcomes = [lever.apply(base, given) for lever in levers]
    questions = [_to_plan(outcome) for outcome in outcomes]
    baseline = recommend(base)
    plans = replan_all(base, [task_of(one) for one in questions if one], jobs)
    pulled = tuple(
        _pulled(lever, outcome, next(plans) if question else None, baseline, _gap(base))
        for lever, outcome, question in zip(levers, outcomes, questions, strict=True)
    )
    return Study(
        baseline=baseline, pulled=pulled, combinations=_combinations(base, given, baseline, pulled, jobs)
    )


def _gap(request: Request) -> float:
    return request.config.settings.solver.relative_gap


def _to_plan(outcome: Outcome) -> Request | None:
    if isinstance(outcome, Changed):
        return outcome.request
    return outcome.without if isinstance(outcome, InPlace) else None


def _pulled(
    lever: Lever, outcome: Outcome, replanned: Replanned | None, baseline: Plan, gap: float
) -> Pulled:
    if replanned is None or replanned.plan is None:
        return Pulled(lever=lever, outcome=outcome, replanned=replanned)
    saved = all_in_usd(baseline) - all_in_usd(replanned.plan)
    return Pulled(
        lever=lever,
        outcome=outcome,
        replanned=replanned,
        saved_usd=-saved if isinstance(outcome, InPlace) else saved,
        within_gap=within_gap(baseline, replanned.plan, gap),
    )


def within_gap(one: Plan, other: Plan, relative_gap: float) -> bool:
    """Whether two plans differ by no more than both are proven to together."""
    apart = abs(all_in_usd(one) - all_in_usd(other))
    return apart <= proven_within_usd(one, relative_gap) + proven_within_usd(other, relative_gap)


def _combinations(
    base: Request, given: Given, baseline: Plan, pulled: Sequence[Pulled], jobs: int | None
) -> tuple[Combination, ...]:
    """One for each degree of what is asked, those of two levers or more that cost less than all that ask less."""
    saving = sorted(
        (one for one in pulled if one.saves and one.lever.combine), key=lambda one: -(one.saved_usd or 0)
    )
    orders: dict[tuple[str, ...], Asks] = {}
    for asks in Asks:
        names = tuple(one.lever.name for one in saving if one.lever.asks <= asks)
        if len(names) > 1:
            orders.setdefault(names, asks)
    shared = _Greedy(base=base, given=given, baseline=baseline)
    tasks = [(asks, names) for names, asks in orders.items()]
    taken = processes(jobs, len(tasks), sum(len(names) for names in orders))
    found = list(spread(_added, shared, tasks, jobs=taken))
    cheaper: list[Combination] = []
    for one in found:
        if len(one.kept) > 1 and all(one.saved_usd > before.saved_usd for before in cheaper):
            cheaper.append(one)
    return tuple(cheaper)


@dataclass(frozen=True, kw_only=True)
class _Greedy:
    base: Request
    given: Given
    baseline: Plan


def _added(shared: _Greedy, task: tuple[Asks, tuple[str, ...]]) -> Combination:
    """Levers added in order; each is asked anew of the question with those that were kept."""
    asks, names = task
    levers, gap = levers_for(shared.base.config), _gap(shared.base)
    question, plan = shared.base, shared.baseline
    kept: dict[str, str] = {}
    groups: set[str] = set()
    for lever in (levers[name] for name in names):
        outcome = lever.apply(question, shared.given)
        if lever.group in groups or not isinstance(outcome, Changed):
            continue
        tried = replan(shared.base, task_of(outcome.request)).plan
        if tried and all_in_usd(tried) < all_in_usd(plan) and not within_gap(tried, plan, gap):
            question, plan = outcome.request, tried
            kept[lever.name] = outcome.setting
            groups.add(lever.group)
    saved = all_in_usd(shared.baseline) - all_in_usd(plan)
    return Combination(asks=asks, kept=tuple(kept), settings=tuple(kept.values()), plan=plan, saved_usd=saved)
